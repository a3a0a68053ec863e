package postgres

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// buffer holds bytes that have been read and not used yet.
type buffer struct {
	b          []byte
	start, end int
	full       bool // the last read filled it: more is likely to come
	small      int  // reads in a row that an idle buffer would have held
}

func newBuffer() *buffer { return &buffer{b: make([]byte, idleBuffer)} }

func (b *buffer) held() []byte { return b.b[b.start:b.end] }

// room makes sure that need bytes from start on fit, and that there is something to read into.
func (b *buffer) room(need int) {
	if b.start == b.end {
		b.start, b.end = 0, 0
		if len(b.b) > bulkBuffer && need <= bulkBuffer || b.small > smallReads && len(b.b) > idleBuffer && need <= idleBuffer {
			b.b = make([]byte, max(idleBuffer, need)) // the large messages are over
		}
	}
	if need < b.end-b.start+1 {
		need = b.end - b.start + 1
	}
	if b.start+need <= len(b.b) {
		return
	}
	if need <= len(b.b) {
		copy(b.b, b.held())
	} else {
		grown := make([]byte, max(need, 2*len(b.b)))
		copy(grown, b.held())
		b.b = grown
	}
	b.start, b.end = 0, b.end-b.start
}

func (b *buffer) fill(r io.Reader) error {
	n, err := r.Read(b.b[b.end:])
	b.end += n
	b.full = b.end == len(b.b)
	if b.small++; n > idleBuffer/2 {
		b.small = 0
	}
	if n > 0 {
		return nil
	}
	return err
}

// likely is how large a buffer the next read deserves: where reads fill it, fewer
// and larger ones cost less.
func (b *buffer) likely() int {
	if b.full {
		return min(2*len(b.b), bulkBuffer)
	}
	return 0
}

// up reads the client's messages, records what they say, and forwards them:
// all whole ones that a read has brought in one write.
func (r *relay) up() error {
	in := newBuffer()
	frames := framing{message: r.message, copied: r.copied, instead: &r.instead}
	need := headerBytes
	for {
		in.room(need)
		if err := in.fill(r.source); err != nil {
			if errors.Is(err, io.EOF) {
				return errLeft
			}
			return errors.Join(errLeft, err)
		}
		if frames.left == 0 {
			if a, ok := asks(in.held()); ok && r.turns.settle() {
				if err := r.answer(a); err != nil {
					return err
				}
				in.start = in.end
				continue
			}
		}
		pass, more, leave, err := frames.scan(in.held())
		if leave {
			r.leaving.Store(true)
		}
		if pass > 0 {
			if err := r.send(in.held()[:pass]); err != nil {
				return err
			}
			in.start += pass
		}
		if err != nil {
			return r.refuse(err)
		}
		if leave {
			return errLeft
		}
		if arrived := 2 * len(in.held()); more > bulkBuffer && more > arrived {
			more = max(arrived, bulkBuffer) // a length is a claim: room grows with what has arrived
		}
		need = max(more, headerBytes, in.likely())
	}
}

// copied is so much of a copy that is about to go on; beyond the budget it does not.
func (r *relay) copied(bytes int) {
	r.log.copied(bytes)
	if !r.s.Spend(0, 0, int64(bytes)) {
		r.s.Exhausted()
	}
}

// send forwards whole messages. What they prepare and do not execute is recorded
// first: a target may act on it all the same.
func (r *relay) send(b []byte) error {
	for _, it := range r.log.unsaid() {
		if err := r.s.Observe(it); err != nil {
			return err
		}
	}
	if r.stopped.Load() {
		<-r.s.Context().Done() // the session is about to end
		return errLeft
	}
	return r.s.Forward(r.target, b)
}

// message records one whole message before it may go on.
func (r *relay) message(kind byte, body []byte) error {
	if r.holds != nil && r.holds.ran {
		r.holds.ran = false
		r.log.lose()
	}
	switch kind {
	case 'Q':
		r.turns.asked.Add(1)
		text, err := cstring(body)
		if err != nil {
			return err
		}
		no, err := r.mayPass(text, body[:len(body)-1])
		if err != nil {
			return err
		}
		if no == nil && !r.affordText(text) {
			return r.beyond(text)
		}
		return r.s.Observe(r.log.simple(text, no))
	case 'P':
		return r.parse(body)
	case 'B':
		if err := r.log.bind(body); err != nil {
			return err
		}
		r.bound(body)
	case 'E':
		return r.execute(body)
	case 'C':
		return r.log.close(body)
	case 'D':
		return r.log.describe(body)
	case 'F':
		r.turns.asked.Add(1)
		return r.function(body)
	case 'S':
		r.turns.asked.Add(1)
		r.log.sync()
		if r.holds != nil {
			r.holds.executed = false // until it is answered, the log is busy
		}
	case 'c', 'f':
		r.log.copyEnd()
	}
	return nil
}

// affordText takes the statements of a text beyond its first from the budget: the
// target runs them all before anybody can count its answers.
func (r *relay) affordText(text string) bool {
	if !r.s.Metered() || !strings.Contains(strings.TrimRight(text, "; \t\r\n"), ";") {
		return true
	}
	n := strings.Count(text, ";") + 1 // at most
	if !strings.Contains(text, "\\") {
		// Without backslashes strings end where the grammar says, whatever the session's settings.
		if counted, err := r.counting.Count(text); err == nil {
			n = counted
		}
	}
	return n < 2 || r.s.Spend(int64(n-1), 0, 0)
}

// beyond ends the session before a text that holds more statements than are left.
func (r *relay) beyond(text string) error {
	it := r.log.own(text)
	it.Kind, it.Error, it.Code = record.Refused, "it holds more statements than the budget has left", "budget"
	_ = r.s.Observe(it)
	r.s.Exhausted()
	return errLeft
}

// parse is a Parse message.
func (r *relay) parse(body []byte) error {
	name, text, err := parseParse(body)
	if err != nil {
		return err
	}
	start := bytes.IndexByte(body, 0) + 1
	refused := r.judge(body[start : start+len(text)])
	if refused == nil && r.wall != nil {
		r.wall.Named(name)
	}
	return r.log.parse(name, portal{text: text, no: refused, classes: r.named(name, text)})
}

// refuse tells the client what is wrong with its protocol, records it, and ends.
func (r *relay) refuse(err error) error {
	e := asError(err)
	if e == nil || e.Rule != "protocol" {
		return err // the session is over: the farewell says why
	}
	_ = r.s.Observe(record.Item{Kind: record.Refused, Text: e.Message, Code: "08P01"})
	r.toClient.Lock()
	defer r.toClient.Unlock()
	if r.boundary {
		if buf, encErr := fatal("08P01", e).Encode(nil); encErr == nil {
			_ = r.client.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = r.client.Write(buf)
		}
	}
	return e
}

func cstring(b []byte) (string, error) {
	if len(b) == 0 || b[len(b)-1] != 0 {
		return "", curfew.Errorf(curfew.Invalid, "a statement does not end").WithRule("protocol")
	}
	if bytes.IndexByte(b, 0) != len(b)-1 {
		return "", malformed("a zero byte in a statement")
	}
	return string(b[:len(b)-1]), nil
}
