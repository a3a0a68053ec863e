package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
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

// settleBound is how long answers that are on their way to the client are waited for.
const settleBound = 100 * time.Millisecond

// settle waits until everything is answered: a client that has read the last answer
// may ask before we have noted that it was sent.
func (t *turns) settle() bool {
	for end := time.Now().Add(settleBound); !t.idle(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// asking is a statement that the gateway answers itself: as it stands, alone, in a
// simple query. Whatever looks otherwise goes to the target, which has no such schema.
type asking struct {
	text   string // what is recorded
	column string
	more   bool // asks for more time
	by     string
	reason string
}

// mostAsking is how long such a message may be.
const mostAsking = 4 << 10

var (
	statusText = regexp.MustCompile(`(?i)^select\s+curfew\.status\(\s*\)\s*;?$`)
	extendText = regexp.MustCompile(`(?i)^select\s+curfew\.extend\(\s*'((?:[^'\\]|'')*)'\s*,\s*'((?:[^'\\]|'')*)'\s*\)\s*;?$`)
)

// asks finds such a statement in a whole message.
func asks(b []byte) (asking, bool) {
	if len(b) < headerBytes || len(b) > mostAsking || b[0] != 'Q' || !ownName(b[headerBytes:]) || binary.BigEndian.Uint32(b[1:]) != uint32(len(b)-1) {
		return asking{}, false
	}
	text, err := cstring(b[headerBytes:])
	if err != nil || !utf8.ValidString(text) {
		return asking{}, false
	}
	text = strings.TrimSpace(text)
	if statusText.MatchString(text) {
		return asking{text: text, column: "status"}, true
	}
	if m := extendText.FindStringSubmatch(text); m != nil {
		return asking{text: text, column: "extend", more: true, by: strings.ReplaceAll(m[1], "''", "'"), reason: strings.ReplaceAll(m[2], "''", "'")}, true
	}
	return asking{}, false
}

// ownName reports, at little cost, whether the first call of a text may be one of ours.
func ownName(b []byte) bool {
	name, _, called := bytes.Cut(b, []byte("("))
	if n := len("curfew.status"); !called || len(name) < n || !bytes.EqualFold(name[len(name)-n:len(name)-n+7], []byte("curfew.")) {
		return false
	}
	return true
}

// answer answers such a statement: the target never sees it.
func (r *relay) answer(a asking) error {
	began := time.Now()
	it := r.log.own(a.text)
	if err := r.s.Observe(it); err != nil {
		return err
	}
	text, refused := r.status(), error(nil)
	if a.more {
		text, refused = r.more(a)
	}
	out := record.Item{Kind: record.Outcome, Ref: it.Ref, Tag: "SELECT 1", Rows: 1, Took: time.Since(began)}
	messages := []pgproto3.BackendMessage{
		&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte(a.column), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1}}},
		&pgproto3.DataRow{Values: [][]byte{[]byte(text)}}, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")},
	}
	if refused != nil {
		msg := notDone(refused)
		out.Tag, out.Rows, out.Error, out.Code = "", 0, msg.Message, msg.Code
		messages = []pgproto3.BackendMessage{msg}
	}
	var buf []byte
	var err error
	for _, m := range append(messages, &pgproto3.ReadyForQuery{TxStatus: byte(r.turns.state.Load())}) {
		if buf, err = m.Encode(buf); err != nil {
			return err
		}
	}
	if err := r.s.Observe(out); err != nil {
		return err
	}
	return r.write(buf, true)
}

// status is what the session is.
func (r *relay) status() string {
	p := r.s.Permit()
	end := p.End()
	return fmt.Sprintf("%s as %s until %s (%s left), grant %s", p.Resource().Name, p.Grant().Role, end.Format("15:04"),
		say.Duration(time.Until(end).Truncate(time.Minute)), p.Grant().ID)
}

// moreBound is how long asking may take.
const moreBound = 10 * time.Second

// more asks for more time.
func (r *relay) more(a asking) (string, error) {
	if state := r.turns.state.Load(); state != 'I' {
		return "", curfew.Errorf(curfew.Invalid, "more time is asked for outside of a transaction").WithRule("request.inside").WithFix("COMMIT or ROLLBACK first, or run: curfew extend %s", r.s.Permit().Grant().ID)
	}
	d, err := span(a.by)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(r.s.Context(), moreBound)
	defer cancel()
	return r.s.More(ctx, d, a.reason)
}

// span reads a duration as people and servers write it.
func span(text string) (time.Duration, error) {
	return engine.Span(text, "SELECT curfew.extend('15 min', 'still restoring')")
}

// notDone is a refusal of what the gateway was asked to do.
func notDone(err error) *pgproto3.ErrorResponse {
	e := asError(err)
	if e == nil {
		e = curfew.Errorf(curfew.Unavailable, "it could not be asked").WithFix("curfew extend")
	}
	code := "42501"
	if e.Code == curfew.Invalid {
		code = "22023" // invalid_parameter_value
	}
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: "Curfew: " + e.Message, Detail: "Rule: " + ruleOf(e), Hint: e.Fix,
	}
}

// own is a statement that the gateway answers itself.
func (s *statements) own(text string) record.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ref++
	return statementItem(s.ref, text, nil, false)
}
