package mysql

import (
	"errors"
	"io"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/mysql/judge"
	"github.com/curfewhq/curfew/record"
)

// Commands (client/server protocol, "Command Phase").
const (
	comQuit            = 0x01
	comInitDB          = 0x02
	comQuery           = 0x03
	comFieldList       = 0x04
	comStatistics      = 0x09
	comProcessKill     = 0x0c
	comPing            = 0x0e
	comChangeUser      = 0x11
	comBinlogDump      = 0x12
	comTableDump       = 0x13
	comConnectOut      = 0x14
	comRegisterReplica = 0x15
	comStmtPrepare     = 0x16
	comStmtExecute     = 0x17
	comStmtLongData    = 0x18
	comStmtClose       = 0x19
	comStmtReset       = 0x1a
	comSetOption       = 0x1b
	comStmtFetch       = 0x1c
	comBinlogDumpGTID  = 0x1e
	comResetConnection = 0x1f
)

// Limits of what is recorded.
const (
	valueLimit  = 16 << 10 // bytes of one bound value
	valuesLimit = 1 << 20  // bytes of all bound values of one statement
	textLimit   = 1 << 20  // bytes of one statement
)

// up reads the client's commands, records what they say, and forwards them.
func (r *relay) up() error {
	in := &commands{in: newBuffer(), from: r.source}
	for {
		c, err := in.next()
		if err != nil {
			if e := asError(err); e != nil {
				return r.refuse(e)
			}
			if errors.Is(err, io.EOF) {
				return errLeft
			}
			return errors.Join(errLeft, err)
		}
		select {
		case <-r.turn:
		case <-r.s.Context().Done():
			return errLeft
		}
		if len(c.payload) == 0 {
			return r.refuse(asError(malformed("an empty command")))
		}
		if err := r.command(c); err != nil {
			if e := asError(err); e != nil && e.Rule == "protocol" {
				return r.refuse(e)
			}
			return err
		}
	}
}

// refuse tells the client what is wrong with its protocol, records it, and ends.
func (r *relay) refuse(e *curfew.Error) error {
	_ = r.s.Observe(record.Item{Kind: record.Refused, Text: e.Message, Code: itoa(errUnknownCommand)})
	r.toClient.Lock()
	boundary, next := r.boundary, r.next
	r.toClient.Unlock()
	if boundary {
		_ = r.write(appendPacket(nil, next, errPayload(errUnknownCommand, "08S01", sentence("Curfew: "+e.Message, e.Fix))), true, 1)
	}
	return e
}

// command records one command and forwards it, or answers it. The caller has the turn.
func (r *relay) command(c command) error {
	body := c.payload[1:]
	switch c.payload[0] {
	case comQuit:
		r.leaving.Store(true)
		_ = r.s.Forward(r.target, c.raw)
		return errLeft
	case comQuery:
		return r.query(c, body)
	case comInitDB:
		if may, err := r.mayRun(c, "USE "+string(body), func(j *judge.Judge) *judge.Refusal { return j.Use(string(body)) }); !may {
			return err
		}
		return r.statement(c, c.raw, newAnswer(single, 0), "USE "+string(body), nil)
	case comFieldList:
		table, _, _ := strings.Cut(string(body), "\x00")
		if may, err := r.mayRun(c, "COM_FIELD_LIST "+table, func(j *judge.Judge) *judge.Refusal { return j.Fields(table) }); !may {
			return err
		}
		return r.statement(c, c.raw, newAnswer(fetched, 0), "COM_FIELD_LIST "+strings.ReplaceAll(string(body), "\x00", " "), nil)
	case comResetConnection:
		r.prepared.clear()
		r.holds.reset()
		if r.wall != nil {
			return r.pinned(c)
		}
		return r.statement(c, c.raw, newAnswer(single, 0), "COM_RESET_CONNECTION", nil)
	case comPing, comStatistics, comSetOption:
		return r.forward(c, c.raw, newAnswer(single, 0))
	case comProcessKill:
		return r.kill(c, body)
	case comStmtPrepare:
		return r.prepare(c, body)
	case comStmtExecute:
		return r.execute(c, body)
	case comStmtFetch:
		return r.fetch(c, body)
	case comStmtLongData:
		if err := r.prepared.long(body); err != nil {
			return err
		}
		return r.forward(c, c.raw, nil)
	case comStmtClose:
		r.prepared.close(body)
		return r.forward(c, c.raw, nil)
	case comStmtReset:
		r.prepared.reset(body)
		return r.forward(c, c.raw, newAnswer(single, 0))
	}
	return r.unknown(c)
}

// unknown refuses a command that does not go through the gateway, by its name.
func (r *relay) unknown(c command) error {
	number, what := uint16(errNotAllowed), ""
	switch c.payload[0] {
	case comChangeUser:
		what = "COM_CHANGE_USER does not go through the gateway: a connection is one person's. Connect again, or reset it with COM_RESET_CONNECTION"
	case comBinlogDump, comBinlogDumpGTID, comTableDump, comConnectOut, comRegisterReplica:
		what = "replication does not go through the gateway"
	default:
		number, what = errUnknownCommand, "the command 0x"+hexByte(c.payload[0])+" does not go through the gateway"
	}
	return r.no(c, number, what)
}

func hexByte(b byte) string {
	return string([]byte{"0123456789abcdef"[b>>4], "0123456789abcdef"[b&15]})
}

// no refuses one command; the connection goes on.
func (r *relay) no(c command, number uint16, what string) error {
	if err := r.s.Observe(record.Item{Kind: record.Refused, Text: what, Code: itoa(uint64(number))}); err != nil {
		return err
	}
	return r.instead(c, errPayload(number, "42000", sentence("Curfew: "+what)))
}

// instead answers in the target's place, and gives the turn back.
func (r *relay) instead(c command, payloads ...[]byte) error {
	if err := r.say(c, payloads...); err != nil {
		return err
	}
	r.turn <- struct{}{}
	return nil
}

// forward sends a command on. a is what the target will owe; nil: nothing.
func (r *relay) forward(c command, raw []byte, a *answer) error {
	if r.stopped.Load() {
		<-r.s.Context().Done() // the session is about to end
		return errLeft
	}
	if a != nil {
		r.toClient.Lock()
		r.next = c.seq + 1
		r.toClient.Unlock()
		r.current.Store(a)
	}
	if err := r.s.Forward(r.target, raw); err != nil {
		return err
	}
	if a == nil {
		r.turn <- struct{}{}
	}
	return nil
}

// statement records what a command says and sends it on.
func (r *relay) statement(c command, raw []byte, a *answer, text string, values []record.Value) error {
	r.warned = ""
	r.ref++
	a.ref = r.ref
	if err := r.s.Observe(statementItem(r.ref, text, values)); err != nil {
		return err
	}
	return r.forward(c, raw, a)
}

// query is COM_QUERY: a text of one or several statements.
func (r *relay) query(c command, body []byte) error {
	if r.warned != "" && asksForWarnings(body) {
		text := r.warned
		r.warned = ""
		return r.instead(c, warnings(text)...)
	}
	text, raw := string(body), c.raw
	if !r.affordText(text) {
		return r.beyond(text)
	}
	if killing, of, ok := r.engine.threads.translate(text, r.s.Permit().Grant().ID); ok {
		if of != nil && of.takeBack() { // it waits for a release: the target knows nothing of it
			r.ref++
			if err := r.s.Observe(statementItem(r.ref, text, nil)); err != nil {
				return err
			}
			return r.instead(c, okPayload(autocommit))
		}
		raw = appendPacket(nil, 0, append([]byte{comQuery}, killing...))
	} else if may, err := r.mayRun(c, text, func(j *judge.Judge) *judge.Refusal { return j.Judge(text) }); !may {
		return err
	} else if r.holds != nil {
		if may, err := r.released(c, text, nil, r.holds.classes(text)); !may {
			return err
		}
	}
	a := newAnswer(results, 0)
	a.kept = r.keeps(text, false)
	return r.statement(c, raw, a, text, nil)
}

// keeps is where rows are collected, if the policy has results recorded.
func (r *relay) keeps(text string, binary bool) *kept {
	if !r.results {
		return nil
	}
	return &kept{binary: binary, secret: secretive(text)}
}

// kill is COM_PROCESS_KILL, of older clients.
func (r *relay) kill(c command, body []byte) error {
	cur := cursor{b: body}
	n := cur.number(4)
	if cur.short {
		return malformed("a number of a connection that is cut short")
	}
	th, ok := r.engine.threads.find(n, r.s.Permit().Grant().ID)
	target := th.target
	if !ok {
		return r.instead(c, errPayload(errUnknownThread, "HY000", "Unknown thread id: "+itoa(n)))
	}
	raw := appendPacket(nil, 0, []byte{comProcessKill, byte(target), byte(target >> 8), byte(target >> 16), byte(target >> 24)})
	return r.statement(c, raw, newAnswer(single, 0), "KILL "+itoa(n), nil)
}

// affordText takes the statements of a text beyond its first from the budget: the
// target runs them all before anybody can count its answers. Where strings hold
// semicolons it counts too many, never too few.
func (r *relay) affordText(text string) bool {
	if !r.s.Metered() {
		return true
	}
	n := strings.Count(strings.TrimRight(text, "; \t\r\n"), ";")
	return n == 0 || r.s.Spend(int64(n), 0, 0)
}

// beyond ends the session before a text that holds more statements than are left.
func (r *relay) beyond(text string) error {
	it := statementItem(0, text, nil)
	it.Kind, it.Error, it.Code = record.Refused, "it holds more statements than the budget has left", "budget"
	_ = r.s.Observe(it)
	r.s.Exhausted()
	return errLeft
}
