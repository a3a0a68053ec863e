package mysql

import (
	"crypto/rand"
	"encoding/binary"
)

// Of the greeting. Clients that know MariaDB take its prefix off (it says "10.11"), and
// all of them choose their words for the server by it. The thread's number is ours:
// it is given before anybody knows the target.
const (
	protocolVersion = 10
	serverVersion   = "5.5.5-10.11.0-MariaDB-Curfew"
	utf8mb4         = 45 // utf8mb4_general_ci
	saltBytes       = 20
)

// newSalt is what passwords are scrambled with; clients take it for a text.
func newSalt() []byte {
	b := make([]byte, saltBytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	for i := range b {
		if b[i] &= 0x7f; b[i] == 0 || b[i] == '$' {
			b[i]++
		}
	}
	return b
}

// greeting is a HandshakeV10.
func greeting(thread uint32, salt []byte, capabilities uint32) []byte {
	b := append([]byte{protocolVersion}, serverVersion...)
	b = binary.LittleEndian.AppendUint32(append(b, 0), thread)
	b = append(append(b, salt[:8]...), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(capabilities))
	b = append(b, utf8mb4)
	b = binary.LittleEndian.AppendUint16(b, autocommit)
	b = binary.LittleEndian.AppendUint16(b, uint16(capabilities>>16))
	b = append(b, saltBytes+1)
	b = append(b, make([]byte, 10)...)
	b = append(append(b, salt[8:]...), 0)
	return append(append(b, cachingSHA2...), 0)
}

// greeted is what a target's greeting says.
type greeted struct {
	version      string
	thread       uint32
	salt         []byte
	capabilities uint32
	plugin       string
}

// parseGreeting reads a HandshakeV10, or the ERR that may stand in its place.
func parseGreeting(b []byte) (greeted, error) {
	var g greeted
	if len(b) > 0 && b[0] == errHeader {
		return g, parseErr(b)
	}
	c := cursor{b: b}
	if c.number(1) != protocolVersion {
		return g, malformed("a greeting of another version")
	}
	g.version = c.zero()
	g.thread = uint32(c.number(4))
	salt := append([]byte(nil), c.take(8)...)
	c.take(1)
	g.capabilities = uint32(c.number(2))
	c.take(1 + 2)
	g.capabilities |= uint32(c.number(2)) << 16
	length := c.number(1)
	c.take(10)
	salt = append(salt, c.take(saltBytes-8)...)
	if length > saltBytes {
		c.take(length - saltBytes) // a zero byte, as a rule
	}
	g.salt = salt
	if g.capabilities&pluginAuth != 0 {
		g.plugin = c.zero()
	}
	if c.short || len(salt) != saltBytes {
		return g, malformed("a greeting that is cut short")
	}
	return g, nil
}

// hello is what a client answers to a greeting.
type hello struct {
	capabilities uint32
	charset      byte
	tls          bool // it is a request for TLS, and nothing more
	user         string
	proof        []byte
	database     string
	plugin       string
	program      string // as it says itself
}

// tlsRequestBytes is the length of a request for TLS: the start of a hello.
const tlsRequestBytes = 32

// parseHello reads an SSLRequest or a HandshakeResponse41.
func parseHello(b []byte) (hello, error) {
	var h hello
	c := cursor{b: b}
	h.capabilities = uint32(c.number(4))
	if h.capabilities&protocol41 == 0 {
		return h, malformed("a client older than 4.1")
	}
	c.take(4)
	h.charset = byte(c.number(1))
	c.take(23)
	if h.tls = h.capabilities&withTLS != 0 && len(b) == tlsRequestBytes; h.tls {
		return h, nil
	}
	h.user = c.zero()
	switch {
	case h.capabilities&lenencAuth != 0:
		h.proof = c.text()
	case h.capabilities&secure != 0:
		h.proof = c.take(c.number(1))
	default:
		h.proof = []byte(c.zero())
	}
	if h.capabilities&withDatabase != 0 {
		h.database = c.zero()
	}
	if h.capabilities&pluginAuth != 0 {
		h.plugin = c.zero()
	}
	if c.short {
		return h, malformed("a hello that is cut short")
	}
	if h.capabilities&connectAttrs != 0 {
		h.program = attribute(c, "program_name")
	}
	return h, nil
}

// attribute finds one of a client's words about itself; they prove nothing, and a
// list that is cut short is no reason to refuse it.
func attribute(c cursor, name string) string {
	all := cursor{b: c.text()}
	for len(all.b) > 0 {
		key, value := all.text(), all.text()
		if string(key) == name && !all.short {
			return string(value)
		}
	}
	return ""
}

// appendHello is a HandshakeResponse41, or its start alone: a request for TLS.
func appendHello(h hello) []byte {
	b := binary.LittleEndian.AppendUint32(nil, h.capabilities)
	b = binary.LittleEndian.AppendUint32(b, 1<<30) // the greatest packet; the target has its own bound
	b = append(b, h.charset)
	b = append(b, make([]byte, 23)...)
	if h.tls {
		return b
	}
	b = append(append(b, h.user...), 0)
	b = append(appendLenenc(b, uint64(len(h.proof))), h.proof...)
	if h.capabilities&withDatabase != 0 {
		b = append(append(b, h.database...), 0)
	}
	b = append(append(b, h.plugin...), 0)
	attrs := appendText(appendText(nil, "program_name"), h.program)
	return append(appendLenenc(b, uint64(len(attrs))), attrs...)
}
