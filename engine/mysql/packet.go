package mysql

import (
	"io"

	"github.com/curfewhq/curfew"
)

// Sizes of packets (client/server protocol, "MySQL Packets"): three bytes of length
// and one of a sequence; a payload of the greatest length goes on in the next packet.
const (
	headerBytes = 4
	maxPayload  = 1<<24 - 1
)

// packet is one payload and its place in the exchange.
type packet struct {
	seq     byte
	payload []byte
}

// appendPacket appends a payload shorter than maxPayload with its header.
func appendPacket(b []byte, seq byte, payload []byte) []byte {
	n := len(payload)
	return append(append(b, byte(n), byte(n>>8), byte(n>>16), seq), payload...)
}

func lengthOf(header []byte) int { return int(header[0]) | int(header[1])<<8 | int(header[2])<<16 }

// readPacket reads exactly one packet of at most so many bytes.
func readPacket(r io.Reader, most int) (packet, error) {
	var head [headerBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return packet{}, err
	}
	n := lengthOf(head[:])
	if n > most {
		return packet{}, malformed("a packet of this length")
	}
	p := packet{seq: head[3], payload: make([]byte, n)}
	_, err := io.ReadFull(r, p.payload)
	return p, err
}

func malformed(what string) error {
	return curfew.Errorf(curfew.Invalid, "this is not MySQL's protocol: %s", what).WithRule("protocol")
}
