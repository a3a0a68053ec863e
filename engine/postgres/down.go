package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// down reads the target's messages, notes outcomes, and forwards them: what one
// read has brought in one write. Data rows are counted and not looked at.
func (r *relay) down() error {
	in := newBuffer()
	passing := 0 // bytes of a message that are still to pass
	need := headerBytes
	for {
		in.room(need)
		if err := in.fill(r.target); err != nil {
			if errors.Is(err, io.EOF) {
				return errTargetLeft
			}
			return err
		}
		more, err := r.deliver(in, &passing)
		if err != nil {
			return err
		}
		need = max(more, headerBytes, in.likely())
	}
}

// deliver forwards what it may of the buffer and returns how many bytes the next
// message needs.
func (r *relay) deliver(in *buffer, passing *int) (more int, err error) {
	b := in.held()
	pass, answers := 0, int64(0)
	r.log.received(len(b), 0)
	rows := 0
	defer func() { r.count(&rows) }()
	for {
		if *passing > 0 {
			n := min(*passing, len(b)-pass)
			*passing -= n
			pass += n
			if *passing == 0 && r.calling {
				r.calling = false
				if _, err := r.settle('V', nil); err != nil {
					return 0, err
				}
			}
		}
		rest := b[pass:]
		if *passing > 0 || len(rest) < headerBytes {
			break
		}
		size := int(int32(binary.BigEndian.Uint32(rest[1:])))
		if size < 4 {
			return 0, malformed("a message of the target of this length")
		}
		kind, whole := rest[0], size+1
		look := outcome(kind) || r.results != nil && r.results.wants(kind)
		if len(rest) < whole && (look && whole <= maxInspect || whole <= bulkBuffer/2) {
			more = whole // it goes on whole: a farewell needs a boundary
			break
		}
		if !r.afford(kind, whole) {
			return 0, r.exhausted(b[:pass])
		}
		if r.results != nil && r.results.wants(kind) {
			r.results.see(kind, rest[headerBytes:min(len(rest), whole)], whole-headerBytes)
		}
		if !outcome(kind) || whole > maxInspect {
			if kind == 'D' {
				rows++
			}
			r.calling = kind == 'V' // longer than what is looked at: over when it has passed
			*passing = whole
			continue
		}
		r.count(&rows)
		instead, err := r.settle(kind, rest[headerBytes:whole])
		if errors.Is(err, errBeyond) {
			return 0, r.exhausted(b[:pass])
		}
		if err != nil {
			return 0, err
		}
		if instead != nil { // in the place of the message
			if err := r.pass(append(append([]byte(nil), b[:pass]...), instead...), true); err != nil {
				return 0, err
			}
			in.start += pass + whole
			b, pass = b[pass+whole:], 0
			continue
		}
		if kind == 'Z' {
			answers++
			if n := r.s.Notice(); n != nil {
				if err := r.pass(b[:pass], true); err != nil {
					return 0, err
				}
				in.start += pass
				b, pass = b[pass:], 0
				if err := r.warn(*n); err != nil {
					return 0, err
				}
			}
		}
		pass += whole
	}
	if pass > 0 {
		if err := r.pass(b[:pass], *passing == 0); err != nil {
			return 0, err
		}
		in.start += pass
		r.turns.answered.Add(answers)
	}
	return more, nil
}

// errBeyond says that the budget does not hold an answer.
var errBeyond = errors.New("beyond the budget")

// exhausted gives the client what its budget held, and ends the session; the
// farewell says why.
func (r *relay) exhausted(last []byte) error {
	r.stopped.Store(true) // nothing more goes up meanwhile
	err := r.pass(last, true)
	if err == nil {
		drain(r.client)
	}
	r.s.Exhausted()
	if err != nil {
		return err
	}
	return errTargetLeft
}

// afford takes a message from the budget: a row, or a piece of a copy, as such, and
// the bytes of every kind. Notices, notifications, errors and parameters carry what
// somebody puts into them as well as rows do.
func (r *relay) afford(kind byte, bytes int) bool {
	if !r.s.Metered() {
		return true
	}
	row := int64(0)
	if kind == 'D' || kind == 'd' {
		row = 1
	}
	r.returned += row
	return r.s.Spend(0, row, int64(bytes))
}

// changed takes what a statement changed, beyond the rows that came back, from the
// budget. It is known when it is done: what is not committed is rolled back.
func (r *relay) changed(tag string) bool {
	if !r.s.Metered() {
		return true
	}
	n := rowsOf(tag) - r.returned
	r.returned = 0
	return r.s.Spend(0, max(n, 0), 0)
}

// count hands over the rows that have been seen since the last time.
func (r *relay) count(rows *int) {
	if *rows > 0 {
		r.log.received(0, *rows)
		*rows = 0
	}
}

// write sends bytes to the client; boundary says whether they end a message.
func (r *relay) write(b []byte, boundary bool) error {
	if len(b) == 0 {
		return nil
	}
	r.toClient.Lock()
	defer r.toClient.Unlock()
	if r.s.Permit().Over() {
		return errTargetLeft // the farewell was the last word
	}
	r.boundary = false
	_, err := r.client.Write(b)
	r.boundary = boundary && err == nil
	return err
}

// warn gives a notice at a message boundary.
func (r *relay) warn(due session.Notice) error {
	n, severity, code := say.Soon(r.s.Permit().Resource().Name, due.End, due.Left), "WARNING", "01000"
	if due.Moved {
		n, severity, code = say.Moved(r.s.Permit().Resource().Name, due.End, due.Left), "NOTICE", "00000"
	}
	buf, err := notice(severity, code, n).Encode(nil)
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode a notice")
	}
	if err := r.note(n); err != nil {
		return err
	}
	return r.write(buf, true)
}

// outcome reports whether a message says how a statement went.
func outcome(kind byte) bool {
	switch kind {
	case 'C', 'I', 's', 'V', 'E', 'Z', 'G', '1', '2', '3', 'S':
		return true
	}
	return false
}

// settle notes how something went. An answer to what was never sent is replaced.
func (r *relay) settle(kind byte, body []byte) (instead []byte, err error) {
	var it record.Item
	var ok bool
	switch kind {
	case 'C', 'I', 's', 'V', 'E':
		if err := r.answered(); err != nil {
			return nil, err
		}
	}
	switch kind {
	case 'C':
		tag := tagOf(body)
		if it, ok = r.log.complete(tag); !r.changed(tag) {
			if ok {
				_ = r.s.Observe(it)
			}
			return nil, errBeyond
		}
	case 'I':
		it, ok = r.log.complete("")
	case 'V':
		it, ok = r.log.complete("FUNCTION CALL")
	case 's':
		r.returned = 0
		it, ok = r.log.complete("SUSPENDED")
	case 'E':
		r.returned = 0 // what came back before an error is not what the next statement changes
		severity, code, message := errorFields(body)
		if severity == "FATAL" || severity == "PANIC" {
			r.lastWord.Store(true)
		}
		if no := r.log.refusal(); no != nil && (code == syntaxError || code == undefinedFunction || code == protocolViolation) {
			r.log.failed(code, message) // what is behind it in line is over as well
			return refusalWords(no).Encode(nil)
		}
		if it, ok = r.log.failed(code, message); code == insufficientPrivilege {
			r.s.Denied()
		}
	case 'Z':
		r.log.ready()
		if len(body) == 1 {
			r.turns.state.Store(int32(body[0]))
		}
	case 'G':
		r.log.copyIn()
	case 'S':
		r.parameter(body)
	case '1', '2', '3':
		r.log.confirm(kind)
	}
	if !ok {
		return nil, nil
	}
	return nil, r.s.Observe(it)
}

func tagOf(body []byte) string {
	if i := bytes.IndexByte(body, 0); i >= 0 {
		body = body[:i]
	}
	if string(body) == "SELECT 1" {
		return "SELECT 1" // the most common one needs no memory
	}
	return string(body)
}

// errorFields reads the severity, the code and the message of an ErrorResponse.
func errorFields(body []byte) (severity, code, message string) {
	for len(body) > 1 {
		kind := body[0]
		text := tagOf(body[1:])
		switch kind {
		case 'C':
			code = text
		case 'M':
			message = text
		case 'V':
			severity = text
		}
		body = body[min(len(text)+2, len(body)):]
	}
	return severity, code, message
}
