package mysql

import (
	"bytes"
	"encoding/binary"
)

// cursor reads a payload from its start. What is not there reads as zero and sets
// short; it never reads beyond the end and never allocates.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.short, c.b = true, nil
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

// number reads an integer of so many bytes, at most 8, the lowest first.
func (c *cursor) number(bytes uint64) uint64 {
	var n [8]byte
	copy(n[:], c.take(bytes))
	return binary.LittleEndian.Uint64(n[:])
}

// lenenc reads a length-encoded integer. 0xFB and 0xFF begin none.
func (c *cursor) lenenc() uint64 {
	switch first := c.number(1); first {
	case 0xfc:
		return c.number(2)
	case 0xfd:
		return c.number(3)
	case 0xfe:
		return c.number(8)
	case 0xfb, 0xff:
		c.short, c.b = true, nil
		return 0
	default:
		return first
	}
}

// text reads a length-encoded string.
func (c *cursor) text() []byte { return c.take(c.lenenc()) }

// zero reads a string that ends in a zero byte.
func (c *cursor) zero() string {
	i := bytes.IndexByte(c.b, 0)
	if i < 0 {
		c.short, c.b = true, nil
		return ""
	}
	out := string(c.b[:i])
	c.b = c.b[i+1:]
	return out
}

// rest reads what is left.
func (c *cursor) rest() []byte { return c.take(uint64(len(c.b))) }

func appendLenenc(b []byte, n uint64) []byte {
	switch {
	case n < 0xfb:
		return append(b, byte(n))
	case n <= 0xffff:
		return append(b, 0xfc, byte(n), byte(n>>8))
	case n <= maxPayload:
		return append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	}
	return binary.LittleEndian.AppendUint64(append(b, 0xfe), n)
}

func appendText(b []byte, s string) []byte { return append(appendLenenc(b, uint64(len(s))), s...) }
