package mysql

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
)

// Bounds before a client has proved who it is.
const (
	maxHello   = 16 << 10
	maxProof   = 1 << 10
	stageBound = 10 * time.Second // for each stage
)

var errStranger = errors.New("somebody who has not proved who they are")

// client is one connection before and after it has proved who it is.
type client struct {
	conn   net.Conn
	tls    bool
	thread uint32 // its number, as we gave it
	salt   []byte
	next   byte // the sequence number of the next packet, whoever sends it
	hello  hello
}

// Serve speaks with one client until it leaves or is cut. It is let in by a
// goroutine of its own, whose stack, which TLS and log-ins make large, goes with it.
func (e *Engine) Serve(ctx context.Context, conn net.Conn, gate engine.Gatekeeper) {
	let := make(chan *guest, 1)
	go func() { let <- e.admit(ctx, conn, gate) }()
	if g := <-let; g != nil {
		g.stay()
	}
}

// admit negotiates with a client until it has a session and a target; nil if it was
// not let in, and is gone.
func (e *Engine) admit(ctx context.Context, conn net.Conn, gate engine.Gatekeeper) (g *guest) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c := &client{conn: conn, thread: newThread(), salt: newSalt()}
	defer func() {
		if g == nil {
			_ = c.conn.Close()
		}
	}()
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	if !e.limits.enter(host) {
		return nil
	}
	leave := sync.OnceFunc(func() { e.limits.leave(host) })
	defer leave()
	if err := c.negotiate(gate.TLS()); err != nil {
		c.refuse(err)
		return nil
	}
	id := curfew.CredentialID(c.hello.user)
	if err := e.authenticate(ctx, c, gate.Verifier(ctx, id)); err != nil {
		c.refuse(err)
		return nil
	}
	leave()
	stop() // from here on the permit says when it is over: a stop of the gateway drains
	return e.receive(ctx, c, gate, access.Claim{
		Credential: id, Resource: c.hello.database, Client: conn.RemoteAddr().String(), Program: c.hello.program,
	})
}

// newThread is a number in a range where no target's own are, so that each says whose it is.
func newThread() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint32(b[:])&0x3fffffff | 0x40000000
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// negotiate greets, starts TLS, and reads who the client says it is.
func (c *client) negotiate(cfg *tls.Config) error {
	capabilities := uint32(offered)
	if cfg != nil {
		capabilities |= withTLS
	}
	if err := c.send(greeting(c.thread, c.salt, capabilities)); err != nil {
		return err
	}
	b, err := c.read(maxHello)
	if err != nil {
		return err
	}
	if c.hello, err = parseHello(b); err != nil {
		return err
	}
	if c.hello.tls && cfg != nil {
		t := tls.Server(c.conn, cfg) // what came in the clear behind the request is the handshake's to refuse
		if err := t.Handshake(); err != nil {
			return err
		}
		c.conn, c.tls = t, true
		if b, err = c.read(maxHello); err != nil {
			return err
		}
		if c.hello, err = parseHello(b); err != nil {
			return err
		}
	}
	switch {
	case c.hello.tls:
		return malformed("a second request for TLS")
	case !c.tls && cfg != nil && !isLoopback(c.conn.RemoteAddr()):
		return curfew.Errorf(curfew.NotSignedIn, "this gateway speaks TLS only").WithRule("tls").WithFix("connect with --ssl")
	case c.hello.capabilities&needed != needed:
		return malformed("a client that knows no authentication plugins")
	}
	return nil
}

// read reads one packet of at most so many bytes, the next in the sequence.
func (c *client) read(most int) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(stageBound)); err != nil {
		return nil, err
	}
	p, err := readPacket(c.conn, most)
	if err != nil {
		return nil, err
	}
	if p.seq != c.next {
		return nil, malformed("a packet out of order")
	}
	c.next++
	return p.payload, nil
}

// send writes one packet, the next in the sequence.
func (c *client) send(payload []byte) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(stageBound))
	_, err := c.conn.Write(appendPacket(nil, c.next, payload))
	c.next++
	return err
}

// authenticate has the client prove that it holds the secret. The gateway keeps a
// verifier that no challenge of this protocol fits, so the secret itself has to come:
// inside TLS, or over this machine's loopback under a key of the gateway's.
func (e *Engine) authenticate(ctx context.Context, c *client, v engine.Verifier) error {
	secret, err := e.secret(c)
	if err != nil {
		return err
	}
	select {
	case e.hashes <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.hashes }()
	if !v.Fits(secret) {
		return errStranger
	}
	return nil
}

// Bytes of caching_sha2_password.
const (
	moreData  = 0x01
	wantKey   = 0x02
	fastOK    = 0x03
	fullProof = 0x04
)

// secret is what the client says its secret is; what is none becomes one that fits nothing.
func (e *Engine) secret(c *client) (string, error) {
	if c.tls && c.hello.plugin == clearPassword {
		return string(bytes.TrimSuffix(c.hello.proof, []byte{0})), nil
	}
	if c.hello.plugin != cachingSHA2 {
		ask := append([]byte{eofHeader}, cachingSHA2...)
		ask = append(append(append(ask, 0), c.salt...), 0)
		if err := c.send(ask); err != nil {
			return "", err
		}
		if _, err := c.read(maxProof); err != nil {
			return "", err
		}
	}
	if err := c.send([]byte{moreData, fullProof}); err != nil {
		return "", err
	}
	b, err := c.read(maxProof)
	if err != nil {
		return "", err
	}
	if c.tls {
		return string(bytes.TrimSuffix(b, []byte{0})), nil
	}
	return e.open(c, b)
}

// open opens a secret that came without TLS, over this machine's loopback: under the
// gateway's key, or, from clients that take loopback for safe by themselves, as it is.
func (e *Engine) open(c *client, b []byte) (string, error) {
	keys, err := e.keys()
	if err != nil {
		return "", err
	}
	if bytes.Equal(b, []byte{wantKey}) {
		if err := c.send(append([]byte{moreData}, keys.public...)); err != nil {
			return "", err
		}
		if b, err = c.read(maxProof); err != nil {
			return "", err
		}
	}
	if len(b) != keyBits/8 {
		return string(bytes.TrimSuffix(b, []byte{0})), nil
	}
	e.hashes <- struct{}{} // opening it is slow work too
	defer func() { <-e.hashes }()
	secret, _ := keys.decrypt(b, c.salt)
	return secret, nil
}

// refuse tells a client that has not proved who it is why it is not let in: for
// everything that is not its own protocol's fault, one sentence for all.
func (c *client) refuse(err error) {
	switch e := asError(err); {
	case errors.Is(err, errStranger):
		_ = c.send(stranger())
	case e != nil && (e.Rule == "protocol" || e.Rule == "tls"):
		_ = c.send(errPayload(errAccessDenied, "28000", sentence("Curfew: "+e.Message, e.Fix)))
	}
}
