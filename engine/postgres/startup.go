package postgres

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
)

// Bounds before a client has proved who it is (protocol-message-formats: the
// server itself takes startup packets of up to 10,000 bytes).
const (
	maxStartup   = 10_000
	maxPassword  = 4 << 10
	startupBound = 10 * time.Second // for each stage
	mostUpgrades = 2                // one GSSENCRequest and one SSLRequest
)

// Codes of the untyped packets.
const (
	protocol30 = 3 << 16
	protocol32 = 3<<16 + 2 // the newest; from PostgreSQL 18 on
	cancelCode = 80877102
	sslCode    = 80877103
	gssCode    = 80877104
)

// client is one connection before and after it has proved who it is.
type client struct {
	conn   net.Conn
	tls    *tls.Conn // nil: plain
	cert   *tls.Certificate
	newer  bool // it speaks protocol 3.2
	params map[string]string
}

// hello is what a client wants.
type hello struct {
	cancel *cancelKey // a request to cancel; nil: a startup
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
	c := &client{conn: conn}
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
	want, err := c.negotiate(e.encryption.config(gate.TLS()))
	if err != nil {
		c.refuse(err)
		return nil
	}
	if want.cancel != nil {
		e.cancels.forward(*want.cancel)
		return nil
	}
	id := curfew.CredentialID(c.params["user"])
	if err := c.authenticate(gate.Verifier(ctx, id)); err != nil {
		c.refuse(err)
		return nil
	}
	leave()
	stop() // from here on the permit says when it is over: a stop of the gateway drains
	return e.receive(ctx, c, gate, access.Claim{
		Credential: id, Resource: c.params["database"], Client: conn.RemoteAddr().String(), Program: c.params["application_name"],
	})
}

// negotiate reads untyped packets until a startup or a cancel request.
func (c *client) negotiate(cfg *tls.Config) (hello, error) {
	plain := cfg == nil || isLoopback(c.conn.RemoteAddr())
	for i := range mostUpgrades + 1 {
		head, err := c.head()
		if err != nil {
			return hello{}, err
		}
		if i == 0 && head[0] == tlsHandshake && cfg != nil {
			if err := c.direct(cfg, head); err != nil {
				return hello{}, err
			}
			continue
		}
		code, body, err := c.untyped(head)
		if err != nil {
			return hello{}, err
		}
		switch {
		case code == sslCode && c.tls == nil && cfg != nil:
			if err := c.upgrade(cfg); err != nil {
				return hello{}, err
			}
		case (code == sslCode || code == gssCode) && c.tls == nil:
			if _, err := c.conn.Write([]byte{'N'}); err != nil {
				return hello{}, err
			}
		case code == cancelCode:
			if len(body) < 8 || len(body) > 4+maxSecret {
				return hello{}, malformed("a cancel request of another length")
			}
			return hello{cancel: &cancelKey{binary.BigEndian.Uint32(body), string(body[4:])}}, nil
		case code>>16 == 3:
			if c.tls == nil && !plain {
				return hello{}, curfew.Errorf(curfew.NotSignedIn, "this gateway speaks TLS only").WithRule("tls").WithFix("connect with sslmode=verify-full")
			}
			return hello{}, c.startup(code, body)
		default:
			return hello{}, malformed("a packet that is none of PostgreSQL's protocol 3")
		}
	}
	return hello{}, malformed("more requests for encryption than there are kinds of it")
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

func malformed(what string) error {
	return curfew.Errorf(curfew.Invalid, "this is not PostgreSQL's protocol: %s", what).WithRule("protocol")
}

// head reads the length and the code of a packet without a type byte.
func (c *client) head() ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(startupBound)); err != nil {
		return nil, err
	}
	head := make([]byte, 8)
	_, err := io.ReadFull(c.conn, head)
	return head, err
}

// untyped reads the rest of it.
func (c *client) untyped(head []byte) (code uint32, body []byte, err error) {
	n := binary.BigEndian.Uint32(head[:4])
	if n < 8 || n > maxStartup {
		return 0, nil, malformed("a first packet of this length")
	}
	body = make([]byte, n-8)
	_, err = io.ReadFull(c.conn, body)
	return binary.BigEndian.Uint32(head[4:]), body, err
}

// startup reads the parameters.
func (c *client) startup(code uint32, body []byte) error {
	c.params = map[string]string{}
	parts := strings.Split(string(body), "\x00")
	if len(parts) < 2 || parts[len(parts)-1] != "" || parts[len(parts)-2] != "" {
		return malformed("a startup packet that does not end")
	}
	parts = parts[:len(parts)-2]
	if len(parts)%2 != 0 {
		return malformed("a startup parameter without a value")
	}
	var extensions []string
	for i := 0; i < len(parts); i += 2 {
		key := parts[i]
		if _, twice := c.params[key]; twice {
			return malformed("a startup parameter that stands twice")
		}
		if strings.HasPrefix(key, "_pq_.") {
			extensions = append(extensions, key)
			continue
		}
		c.params[key] = parts[i+1]
	}
	if v, ok := c.params["replication"]; ok && v != "false" && v != "off" && v != "0" && v != "no" {
		return curfew.Errorf(curfew.Denied, "replication does not go through the gateway").WithRule("protocol.replication")
	}
	c.newer = code >= protocol32
	if code != protocol30 && code != protocol32 || len(extensions) > 0 {
		// Servers and libpq have the whole version here, not its minor part alone.
		version := uint32(protocol30)
		if c.newer {
			version = protocol32
		}
		return c.send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: version, UnrecognizedOptions: extensions})
	}
	return nil
}

// send writes messages in one go.
func (c *client) send(msgs ...pgproto3.BackendMessage) error {
	var buf []byte
	var err error
	for _, m := range msgs {
		if buf, err = m.Encode(buf); err != nil {
			return curfew.Wrap(curfew.Internal, err, "encode a message")
		}
	}
	_, err = c.conn.Write(buf)
	return err
}

// typed reads one message with a type byte, of at most most bytes.
func (c *client) typed(want byte, most int) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(startupBound)); err != nil {
		return nil, err
	}
	var head [5]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if head[0] != want || n < 4 || n > uint32(most) {
		return nil, malformed("another message than the password's")
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(c.conn, body)
	return body, err
}

// refuse tells a client that has not proved who it is why it is not let in: for
// everything that is not its own protocol's fault, one sentence for all.
func (c *client) refuse(err error) {
	e := asError(err)
	if e == nil {
		return // it went away
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = c.send(fatal("28P01", e))
}
