package mysql

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// maxInspect bounds a packet of the target's that has to be seen whole.
const maxInspect = 1 << 20

// errInfile says that the target asked for a file of the client's.
var errInfile = curfew.Errorf(curfew.Denied, "the target asked for a file of the client's, which nobody had offered").WithRule("protocol")

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// downstream is what down knows between reads.
type downstream struct {
	in      *buffer
	passing int  // bytes of a packet that are still to pass
	more    bool // the packet under way goes on in the next
	next    byte
	kept    int // bytes of rows that have been recorded
}

// down reads the target's packets, notes how commands went, and forwards them: what
// one read has brought in one write. Rows are counted and not looked at.
func (r *relay) down() error {
	d := &downstream{in: newBuffer()}
	for need := headerBytes; ; {
		if err := d.in.more(r.target, need); err != nil {
			if errors.Is(err, io.EOF) {
				return errTargetLeft
			}
			return err
		}
		var err error
		if need, err = r.deliver(d); err != nil {
			return err
		}
	}
}

// deliver forwards what it may of the buffer and returns how many bytes the next
// packet needs.
func (r *relay) deliver(d *downstream) (need int, err error) {
	pass := 0
	flush := func(boundary bool) error {
		if err := r.keep(); err != nil {
			return err
		}
		err := r.write(d.in.held()[:pass], boundary, d.next)
		d.in.used(pass)
		pass = 0
		return err
	}
	for {
		b := d.in.held()[pass:]
		if d.passing > 0 {
			n := min(d.passing, len(b))
			d.passing -= n
			pass += n
			b = b[n:]
		}
		if d.passing > 0 || len(b) < headerBytes {
			return headerBytes, flush(d.passing == 0)
		}
		n := lengthOf(b)
		a := r.current.Load()
		if a == nil {
			return 0, r.unasked(d, n)
		}
		if n > 0 && len(b) == headerBytes {
			return headerBytes + 1, flush(true)
		}
		first := byte(0)
		if n > 0 {
			first = b[headerBytes]
		}
		look := !d.more && a.looks(n, first)
		if look && n > maxInspect {
			return 0, malformed("an answer of this length")
		}
		if whole := headerBytes + n; len(b) < whole && (look || whole <= bulkBuffer/2) {
			return whole, flush(true) // it goes on whole: a farewell needs a boundary
		}
		if !r.afford(headerBytes+n, !look && !d.more && a.at == rows) {
			return 0, r.exhausted(d.in.held()[:pass], d.next)
		}
		d.next = b[3] + 1
		a.bytes += int64(headerBytes + n)
		if !look {
			if !d.more {
				var seen []byte
				if len(b) >= headerBytes+n {
					seen = b[headerBytes : headerBytes+n]
				}
				a.passed(seen, &d.kept)
			}
			d.more, d.passing = n == maxPayload, headerBytes+n
			continue
		}
		t, err := a.see(b[headerBytes : headerBytes+n])
		if err != nil {
			return 0, r.broken(err, b[3])
		}
		if a.must && a.code != "" {
			return 0, r.broken(malformed("a reset that fails"), b[3])
		}
		if a.first && t.done {
			if err := flush(true); err != nil {
				return 0, err
			}
			d.in.used(headerBytes + n)
			a.first = false
			continue
		}
		if t.done {
			if err := r.finished(a, t, b[headerBytes:headerBytes+n]); err != nil {
				return 0, err
			}
			d.next = 1
		}
		pass += headerBytes + n
		if t.done {
			if err := flush(true); err != nil {
				return 0, err
			}
			r.current.Store(nil)
			r.turn <- struct{}{}
		}
	}
}

// keep records what has been kept of rows, before they go on.
func (r *relay) keep() error {
	a := r.current.Load()
	if a == nil || a.kept == nil || a.ref == 0 {
		return nil
	}
	if it := a.kept.item(a.ref); it != nil {
		return r.s.Observe(*it)
	}
	return nil
}

// unasked passes on what a target says that owes no answer: why it closes, and nothing else.
func (r *relay) unasked(d *downstream, n int) error {
	if n == 0 || n > maxInspect {
		return malformed("an answer that nobody asked for")
	}
	if err := d.in.fill(r.target, headerBytes+n); err != nil {
		return err
	}
	said := d.in.held()[headerBytes : headerBytes+n]
	if said[0] != errHeader {
		return malformed("an answer that nobody asked for")
	}
	r.toClient.Lock()
	seq := r.next
	r.toClient.Unlock()
	if err := r.write(appendPacket(nil, seq, said), true, 1); err != nil {
		return err
	}
	r.toClient.Lock()
	r.lastWord = true
	r.toClient.Unlock()
	return errTargetLeft
}

// broken ends a session whose target breaks the rules, with an ERR in its place.
func (r *relay) broken(err error, seq byte) error {
	e := asError(err)
	_ = r.s.Observe(record.Item{Kind: record.Refused, Text: e.Message, Code: itoa(errNotAllowed)})
	if w := r.write(appendPacket(nil, seq, errPayload(errNotAllowed, "42000", sentence("Curfew: "+e.Message))), true, 1); w != nil {
		return w
	}
	r.toClient.Lock()
	r.lastWord = true
	r.toClient.Unlock()
	return err
}

// finished records how a command went, before the client hears it.
func (r *relay) finished(a *answer, t told, payload []byte) error {
	if err := r.keep(); err != nil {
		return err
	}
	if a.told {
		r.open.Store(a.status&inTransaction != 0)
	}
	if a.plan != nil && a.kept != nil {
		a.plan.fields = a.kept.fields
	}
	if a.shape == planned && a.code == "" {
		r.prepared.add(a)
	} else if a.ref != 0 {
		if deniedCode(a.code) {
			r.s.Denied()
		}
		err := r.s.Observe(record.Item{
			Kind: record.Outcome, Ref: a.ref, Rows: a.rows + a.changed, Bytes: a.bytes, Took: time.Since(a.began), Error: a.fault, Code: a.code,
		})
		if err != nil {
			return err
		}
	}
	if a.changed > 0 && !r.s.Spend(0, a.changed, 0) { // known when it is done: what is not committed is rolled back
		r.s.Exhausted()
		return errTargetLeft
	}
	if t.warnings > 0 && t.none && a.shape != planned {
		return r.warn(payload[t.warnings:])
	}
	return nil
}

// deniedCode reports whether an error number says that a right is missing.
func deniedCode(code string) bool {
	switch code {
	case "1044", "1045", "1142", "1143", "1227", "1370", "4151":
		return true
	}
	return false
}

// afford takes a packet from the budget: a row as such, and all of its bytes.
func (r *relay) afford(bytes int, row bool) bool {
	if !r.s.Metered() {
		return true
	}
	n := int64(0)
	if row {
		n = 1
	}
	return r.s.Spend(0, n, int64(bytes))
}

// exhausted gives the client what its budget held, and ends the session; the
// farewell says why.
func (r *relay) exhausted(last []byte, next byte) error {
	r.stopped.Store(true) // nothing more goes up meanwhile
	if err := r.keep(); err != nil {
		return err
	}
	err := r.write(last, true, next)
	r.s.Exhausted()
	if err != nil {
		return err
	}
	return errTargetLeft
}
