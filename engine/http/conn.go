package http

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/session"
)

// Bounds of a client's connection.
const (
	helloBound  = 10 * time.Second // until the first byte, and until the headers are there
	idleBound   = 2 * time.Minute
	headerBytes = 64 << 10
)

// tlsHandshake is the first byte of a client that speaks TLS.
const tlsHandshake = 0x16

// caller is one client's connection. Of what was read of it to tell TLS from plain
// HTTP, start is given back first.
type caller struct {
	net.Conn
	start []byte
	once  sync.Once
	known sync.Once // it has carried something of somebody
	among *unproved
	gone  chan struct{} // closed with the connection

	mu   sync.Mutex
	runs map[*run]bool // guarded by mu; those it has carried requests of
}

func (c *caller) Read(b []byte) (int, error) {
	if len(c.start) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.start)
	c.start = c.start[n:]
	return n, nil
}

func (c *caller) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		close(c.gone)
		c.among.remove(c)
		c.mu.Lock()
		defer c.mu.Unlock()
		for r := range c.runs {
			r.clients.remove(c)
		}
		c.runs = nil
	})
	return err
}

// NetConn is what a reset reaches.
func (c *caller) NetConn() net.Conn { return c.Conn }

// carries says that a request of a run is on this connection; false: it is closed.
func (c *caller) carries(r *run) bool {
	c.mu.Lock()
	open := c.runs != nil && (c.runs[r] || r.clients.take(c))
	if open {
		c.runs[r] = true
	}
	c.mu.Unlock()
	c.known.Do(func() { c.among.remove(c) })
	if !open {
		reset(c) // it takes mu
	}
	return open
}

// Serve speaks with one client's connection until it closes.
func (e *Engine) Serve(ctx context.Context, conn net.Conn, gate engine.Gatekeeper) {
	c := &caller{Conn: conn, among: &e.unproved, gone: make(chan struct{}), runs: map[*run]bool{}}
	defer func() { _ = c.Close() }()
	e.unproved.add(c)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }) // idle ones end; answers under way go on
	defer stop()
	first := make([]byte, 1)
	_ = conn.SetDeadline(time.Now().Add(helloBound))
	if _, err := conn.Read(first); err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	c.start = first
	var spoken net.Conn = c
	cfg := gate.TLS()
	switch {
	case first[0] == tlsHandshake && cfg != nil:
		cfg = cfg.Clone()
		cfg.NextProtos = []string{"h2", "http/1.1"}
		spoken = tls.Server(c, cfg)
	case cfg != nil && !isLoopback(conn.RemoteAddr()):
		_, _ = conn.Write([]byte("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nThis gateway speaks TLS only: https://\n"))
		return
	}
	server := http.Server{
		Handler: &handler{engine: e, gate: gate, secure: spoken != net.Conn(c)}, ReadHeaderTimeout: helloBound, IdleTimeout: idleBound, MaxHeaderBytes: headerBytes, DisableGeneralOptionsHandler: true,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return context.WithValue(ctx, callerKey{}, c) },
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    quiet(),
	}
	_ = server.Serve(&single{conn: spoken, gone: c.gone})
	<-c.gone
}

type callerKey struct{}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// single is a listener of one connection.
type single struct {
	mu   sync.Mutex
	conn net.Conn // guarded by mu; nil: it was given out
	gone chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	l.mu.Lock()
	conn := l.conn
	l.conn = nil
	l.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	<-l.gone
	return nil, net.ErrClosed
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return &net.TCPAddr{} }

// bundle is all connections of one side of a run, as one leg for the cut.
type bundle struct {
	net.Conn // nil: nothing else is called
	mu       sync.Mutex
	conns    map[net.Conn]bool // guarded by mu; nil: it is closed
}

func newBundle() *bundle { return &bundle{conns: map[net.Conn]bool{}} }

// take takes a connection in; false: the run is over.
func (b *bundle) take(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns == nil {
		return false
	}
	b.conns[c] = true
	return true
}

func (b *bundle) remove(c net.Conn) {
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
}

// Close resets them all.
func (b *bundle) Close() error {
	b.mu.Lock()
	all := b.conns
	b.conns = nil
	b.mu.Unlock()
	for c := range all {
		reset(c)
	}
	return nil
}

// SetWriteDeadline frees writers that somebody keeps waiting.
func (b *bundle) SetWriteDeadline(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		_ = c.SetWriteDeadline(t)
	}
	return nil
}

// reset closes a connection so that the kernel forgets what it has not sent.
func reset(c net.Conn) {
	for in := c; ; {
		switch v := in.(type) {
		case *net.TCPConn:
			_ = v.SetLinger(0)
			_ = c.Close()
			return
		case interface{ NetConn() net.Conn }:
			in = v.NetConn()
		default:
			_ = c.Close()
			return
		}
	}
}

// gated is a connection to the target of which every write passes the session's
// gate, and every byte is counted.
type gated struct {
	net.Conn
	run *run
}

func (g *gated) NetConn() net.Conn { return g.Conn }

func (g *gated) Write(b []byte) (int, error) {
	if !g.run.s.Spend(0, 0, int64(len(b))) {
		g.run.s.Exhausted()
		return 0, errBeyond
	}
	if err := g.run.s.Forward(g.Conn, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (g *gated) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if n > 0 && !g.run.s.Spend(0, 0, int64(n)) {
		g.run.s.Exhausted()
		return 0, errBeyond
	}
	return n, err
}

func (g *gated) Close() error {
	g.run.targets.remove(g)
	return g.Conn.Close()
}

var errBeyond = errors.New("beyond the budget")

// dial opens one more connection of a run to its target.
func (r *run) dial(ctx context.Context) (net.Conn, error) {
	conn, err := r.s.Dial(ctx)
	if err != nil {
		return nil, err
	}
	g := &gated{Conn: conn, run: r}
	if !r.targets.take(g) {
		reset(g)
		return nil, curfew.Errorf(curfew.Lapsed, "the session is over")
	}
	return g, nil
}

var _ session.Legs // its connections are bundles here
