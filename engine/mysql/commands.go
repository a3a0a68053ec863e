package mysql

import (
	"io"

	"github.com/curfewhq/curfew"
)

// Sizes of the relay's buffers: what an idle session holds, and the longest command
// (a server's own bound is max_allowed_packet, by default 16 to 64 MiB).
const (
	smallReads = 32 // after so many, a large buffer is given back
	idleBuffer = 1 << 10
	bulkBuffer = 64 << 10
	maxCommand = 64 << 20
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

// used drops so many bytes; a large buffer that is empty is given back.
func (b *buffer) used(n int) {
	if b.start += n; b.start == b.end {
		b.start, b.end = 0, 0
		switch size := len(b.b); {
		case size > bulkBuffer || size > idleBuffer && b.small > smallReads:
			b.b = make([]byte, idleBuffer)
		case b.full && size < bulkBuffer:
			b.b = make([]byte, 2*size) // fewer and larger reads cost less
		}
		b.full = false
	}
}

// fill reads until so many bytes are held. A length is a claim: room grows with
// what has arrived.
func (b *buffer) fill(r io.Reader, need int) error {
	for b.end-b.start < need {
		if err := b.more(r, need); err != nil {
			return err
		}
	}
	return nil
}

// more reads once, into at most as much room as has been used twice over.
func (b *buffer) more(r io.Reader, need int) error {
	if b.end == len(b.b) || b.start > 0 && b.start+need > len(b.b) {
		if held := b.held(); b.start > 0 && len(held) <= len(b.b)/2 {
			copy(b.b, held)
			b.start, b.end = 0, len(held)
		} else {
			grown := make([]byte, max(2*len(held), len(b.b)))
			copy(grown, held)
			b.b, b.start, b.end = grown, 0, len(held)
		}
		if b.end == len(b.b) {
			b.b = append(b.b, make([]byte, len(b.b))...)
		}
	}
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

// command is one of a client's, whole.
type command struct {
	raw     []byte // its packets as they came, until the next is read
	payload []byte
	seq     byte // of its last packet
}

// commands reads a client's commands one by one.
type commands struct {
	in   *buffer
	from io.Reader
	last int // bytes of the command that was given out
}

func (c *commands) next() (command, error) {
	c.in.used(c.last)
	c.last = 0
	pos := 0
	for seq := byte(0); ; seq++ {
		if err := c.in.fill(c.from, pos+headerBytes); err != nil {
			return command{}, err
		}
		head := c.in.held()[pos:]
		n := lengthOf(head)
		if head[3] != seq {
			return command{}, malformed("a packet out of order")
		}
		if pos+headerBytes+n > maxCommand {
			return command{}, curfew.Errorf(curfew.Invalid, "this is longer than the gateway takes: a command of more than 64 MiB").WithRule("protocol")
		}
		if err := c.in.fill(c.from, pos+headerBytes+n); err != nil {
			return command{}, err
		}
		pos += headerBytes + n
		if n < maxPayload {
			raw := c.in.held()[:pos]
			c.last = pos
			return command{raw: raw, payload: joined(raw), seq: seq}, nil
		}
	}
}

// joined is the payload of a command's packets.
func joined(raw []byte) []byte {
	if n := lengthOf(raw); n < maxPayload {
		return raw[headerBytes:]
	}
	var out []byte
	for len(raw) > 0 {
		n := headerBytes + lengthOf(raw)
		out = append(out, raw[headerBytes:n]...)
		raw = raw[n:]
	}
	return out
}
