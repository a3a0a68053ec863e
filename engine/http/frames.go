package http

import (
	"encoding/binary"

	"github.com/curfewhq/curfew/record"
)

// messageLimit is how much of one WebSocket message is recorded, where the policy has
// what is said recorded; the rest is counted.
const messageLimit = 1 << 10

// frames reads one direction of a WebSocket (RFC 6455, 5.2) for the text in it. It keeps
// nothing but where it is.
type frames struct {
	head []byte // of the frame whose header is not whole yet
	left uint64 // bytes of its payload that are still to come
	mask [4]byte
	at   uint64 // how far the payload is, for the mask
	text bool   // the message that goes on is text
	take bool   // this frame is of it
	kept int    // what was taken of the message
}

// feed reads what goes by, and returns the text in it that is to be recorded.
func (f *frames) feed(b []byte) (text []byte) {
	for len(b) > 0 {
		if f.left == 0 {
			f.head = append(f.head, b[0])
			b = b[1:]
			f.begin()
			continue
		}
		n := min(uint64(len(b)), f.left)
		if room := uint64(max(messageLimit-f.kept, 0)); f.take && room > 0 {
			for i, c := range b[:min(n, room)] {
				text = append(text, c^f.mask[(f.at+uint64(i))%4])
			}
			f.kept += int(min(n, room))
		}
		f.left -= n
		f.at += n
		b = b[n:]
	}
	return text
}

// begin begins a frame once its header is whole.
func (f *frames) begin() {
	n, size := headerOf(f.head)
	if len(f.head) < size {
		return
	}
	f.left, f.at, f.mask = n, 0, [4]byte{}
	if f.head[1]&0x80 != 0 {
		copy(f.mask[:], f.head[size-4:])
	}
	switch op := f.head[0] & 0x0f; op {
	case 0: // more of the message
		f.take = f.text
	case 1, 2:
		f.text, f.kept = op == 1, 0
		f.take = f.text
	default: // a control frame, between those of a message
		f.take = false
	}
	f.head = f.head[:0]
}

// headerOf is how long a frame's payload is, and its header, once enough of that is there.
func headerOf(h []byte) (payload uint64, size int) {
	if len(h) < 2 {
		return 0, 2
	}
	payload, size = uint64(h[1]&0x7f), 2
	switch payload {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if len(h) >= size && size == 4 {
		payload = uint64(binary.BigEndian.Uint16(h[2:]))
	} else if len(h) >= size && size == 10 {
		payload = binary.BigEndian.Uint64(h[2:])
	}
	if h[1]&0x80 != 0 {
		size += 4
	}
	return payload, size
}

// said records what went through a WebSocket, before it goes on.
func (s *socket) said(f *frames, b []byte, who string) error {
	if !s.exchange.run.s.Permit().Grant().Record.Results() {
		return nil
	}
	text := f.feed(b)
	if len(text) == 0 {
		return nil
	}
	return s.exchange.run.s.Observe(record.Item{Kind: record.Result, Ref: s.exchange.ref, Text: who, Table: [][]record.Value{{valueOf(text)}}})
}
