package postgres

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// alpn is the name of the protocol inside TLS (PostgreSQL 17, "ALPN"). Clients
// that start TLS without asking first have to say it, so that a server of another
// protocol never takes them for its own.
const alpn = "postgresql"

// tlsHandshake is the first byte of a client that starts TLS at once.
const tlsHandshake = 0x16

// encryption keeps the gateway's TLS settings as this protocol wants them.
type encryption struct {
	made atomic.Pointer[madeFrom]
}

type madeFrom struct{ from, cfg *tls.Config }

// config is cfg with the protocol's name; nil stays nil. There is no resumption,
// as with PostgreSQL itself: every connection shows what it trusts.
func (e *encryption) config(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		return nil
	}
	if m := e.made.Load(); m != nil && m.from == cfg {
		return m.cfg
	}
	ours := cfg.Clone()
	ours.NextProtos, ours.SessionTicketsDisabled = []string{alpn}, true
	e.made.Store(&madeFrom{cfg, ours})
	return ours
}

// upgrade starts TLS, after the answer to a request for it. What a client sent before the handshake it sent in the
// clear: reading exactly one packet at a time leaves it to the handshake, which
// refuses it.
func (c *client) upgrade(cfg *tls.Config) error {
	if _, err := c.conn.Write([]byte{'S'}); err != nil {
		return err
	}
	return c.handshake(cfg)
}

// direct starts TLS with a client that has sent the start of its handshake without
// asking (sslnegotiation=direct).
func (c *client) direct(cfg *tls.Config, start []byte) error {
	c.conn = &begun{Conn: c.conn, start: start}
	if err := c.handshake(cfg); err != nil {
		return err
	}
	if c.tls.ConnectionState().NegotiatedProtocol != alpn {
		return malformed("TLS that starts at once without the protocol's name in it")
	}
	return nil
}

func (c *client) handshake(cfg *tls.Config) error {
	t := tls.Server(c.conn, cfg)
	if err := t.Handshake(); err != nil {
		return err
	}
	c.tls, c.conn = t, t
	if len(cfg.Certificates) > 0 {
		c.cert = &cfg.Certificates[0]
	}
	return nil
}

// begun is a connection of which the start has been read.
type begun struct {
	net.Conn
	start []byte
}

// NetConn is what a reset reaches.
func (b *begun) NetConn() net.Conn { return b.Conn }

func (b *begun) Read(p []byte) (int, error) {
	if len(b.start) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.start)
	b.start = b.start[n:]
	return n, nil
}
