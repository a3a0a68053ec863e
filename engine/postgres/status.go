package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

// turns counts what a client has asked and what it has been answered, to know
// when the gateway may speak for the target: with nothing under way.
type turns struct {
	asked, answered atomic.Int64 // Query and Sync; ReadyForQuery that has been written
	state           atomic.Int32 // of the transaction, as ReadyForQuery said it last
}

func (t *turns) idle() bool { return t.asked.Load() == t.answered.Load() }

// isStatus: the statement as it stands, alone, in a simple query.
func isStatus(b []byte) bool {
	if len(b) < headerBytes || len(b) > 64 || b[0] != 'Q' || bytes.IndexByte(b, '(') < 0 {
		return false
	}
	text := strings.TrimSpace(strings.TrimRight(strings.TrimSpace(string(b[headerBytes:])), "\x00; \t\r\n"))
	return strings.EqualFold(text, "select curfew.status()") && binary.BigEndian.Uint32(b[1:]) == uint32(len(b)-1)
}

// status answers SELECT curfew.status(): the target never sees it.
func (r *relay) status() error {
	began := time.Now()
	it := r.log.own("SELECT curfew.status()")
	if err := r.s.Observe(it); err != nil {
		return err
	}
	p := r.s.Permit()
	end := p.End()
	text := fmt.Sprintf("%s as %s until %s (%s left), grant %s", p.Resource().Name, p.Grant().Role, end.Format("15:04"),
		say.Duration(time.Until(end).Truncate(time.Minute)), p.Grant().ID)
	var buf []byte
	var err error
	for _, m := range []pgproto3.BackendMessage{
		&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("status"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1}}},
		&pgproto3.DataRow{Values: [][]byte{[]byte(text)}}, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")},
		&pgproto3.ReadyForQuery{TxStatus: byte(r.turns.state.Load())},
	} {
		if buf, err = m.Encode(buf); err != nil {
			return err
		}
	}
	if err := r.s.Observe(record.Item{Kind: record.Outcome, Ref: it.Ref, Tag: "SELECT 1", Rows: 1, Took: time.Since(began)}); err != nil {
		return err
	}
	return r.write(buf, true)
}

// own is a statement that the gateway answers itself.
func (s *statements) own(text string) record.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ref++
	return statementItem(s.ref, text, nil, false)
}
