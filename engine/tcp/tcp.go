// Package tcp carries anything else that runs on TCP: bytes, which it counts, bounds
// and cuts, and does not look at. A client proves itself in one line, in which curfew
// connect speaks for it; what follows is the application's.
package tcp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// The line a client begins with is "CURFEW 1 CREDENTIAL.SECRET RESOURCE"; it is
// answered with "OK" and a notice, or with "NO", why, and what to do, after tabs.
const (
	Greeting = "CURFEW 1 "
	Yes      = "OK "
	No       = "NO "
	MaxLine  = 512 // bytes of either line, with its end
)

const (
	loginBound   = 10 * time.Second // until the line is there, and until the target takes the connection
	chunk        = 32 << 10         // bytes that go on at a time
	tlsHandshake = 0x16
	may          = "connect" // all that a role can say
)

// Engine carries bytes.
type Engine struct {
	proving chan struct{} // bounds the secrets that are looked at at the same time
}

// New returns the engine.
func New() *Engine { return &Engine{proving: make(chan struct{}, 4)} }

// Type is "tcp".
func (*Engine) Type() curfew.EngineType { return "tcp" }

// CheckResource refuses what it does not understand.
func (*Engine) CheckResource(res curfew.Resource) error {
	if _, _, err := net.SplitHostPort(res.Address); err != nil {
		return curfew.Errorf(curfew.Invalid, "%.80q is no address", res.Address).WithFix("write host:port, for example queue.internal:5672")
	}
	if res.Account != curfew.Fixed {
		return curfew.Errorf(curfew.Invalid, "no accounts are made at %s: nothing is known of what it speaks", res.Name).WithFix("account: fixed")
	}
	if res.Login != "" {
		return curfew.Errorf(curfew.Invalid, "no login can be given to %s: nothing is known of what it speaks", res.Name).WithFix("leave login out")
	}
	if len(res.Options) > 0 && string(res.Options) != "{}" {
		return curfew.Errorf(curfew.Invalid, "%s has options, and there are none for plain TCP", res.Name)
	}
	return nil
}

// CheckPermission takes "connect", and nothing else.
func (*Engine) CheckPermission(_ curfew.Resource, p curfew.Permission) error {
	for _, line := range slices.Concat(p.May, p.Never) {
		if line != may {
			return curfew.Errorf(curfew.Invalid, "%.80q is no permission of plain TCP", line).WithFix(may)
		}
	}
	return nil
}

// Effect says that nothing is seen of what is done.
func (*Engine) Effect(p curfew.Permission) (effect string, dangers []string) {
	if !allows(p) {
		return "nothing", nil
	}
	return "connect, and do whatever the other end lets one do", []string{"its content is not seen: bytes are counted, and can be cut"}
}

func allows(p curfew.Permission) bool {
	return slices.Contains(p.May, may) && !slices.Contains(p.Never, may)
}

// Covers reports whether b allows nothing that a does not.
func (*Engine) Covers(a, b curfew.Permission) bool { return allows(a) || !allows(b) }

// Serve speaks with one client until it leaves or is cut.
func (e *Engine) Serve(ctx context.Context, conn net.Conn, gate engine.Gatekeeper) {
	spoken := conn // with TLS, what is inside
	defer func() { _ = spoken.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(loginBound))
	in := bufio.NewReaderSize(conn, MaxLine)
	first, err := in.Peek(1)
	if err != nil {
		return
	}
	switch cfg := gate.TLS(); {
	case first[0] == tlsHandshake && cfg != nil:
		t := tls.Server(&peeked{conn, in}, cfg)
		if t.HandshakeContext(ctx) != nil {
			return
		}
		spoken, in = t, bufio.NewReaderSize(t, MaxLine)
	case cfg != nil && !isLoopback(conn.RemoteAddr()):
		refuse(conn, curfew.Errorf(curfew.NotSignedIn, "this gateway speaks TLS only"))
		return
	}
	claim, secret, err := hello(in)
	if err == nil {
		err = e.prove(ctx, gate, claim.Credential, secret)
	}
	if err != nil {
		refuse(spoken, err)
		return
	}
	stop()
	claim.Client = conn.RemoteAddr().String()
	s, err := gate.Open(ctx, claim, nil)
	if err != nil {
		refuse(spoken, err)
		return
	}
	cause, why := curfew.CauseClosed, ""
	defer func() { s.Close(cause, why) }()
	target, err := enter(s, claim)
	if err != nil {
		cause, why = curfew.CauseTarget, err.Error()
		refuse(spoken, err)
		return
	}
	defer func() { _ = target.Close() }()
	r := &relay{s: s, client: spoken, in: in, target: target, began: time.Now()}
	if s.Attach(session.Legs{Client: spoken, Target: target}) != nil {
		return
	}
	if err := s.Observe(record.Item{Kind: record.Statement, Ref: 1, Text: may}); err != nil {
		return
	}
	_ = spoken.SetDeadline(time.Time{})
	g := s.Permit().Grant()
	_, err = fmt.Fprintf(spoken, "%sCurfew: %s as %s until %s. Counted, not looked at.\n", Yes, g.Resource, g.Role, s.Permit().End().Format("15:04"))
	if err == nil {
		cause, why = r.run()
	}
}

// peeked is a connection whose first bytes are in a buffer.
type peeked struct {
	net.Conn
	in *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.in.Read(b) }

// NetConn is what a reset reaches.
func (p *peeked) NetConn() net.Conn { return p.Conn }

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

func stranger() error {
	return curfew.Errorf(curfew.NotSignedIn, "these credentials are not valid").WithRule("credential").WithFix("curfew connect RESOURCE")
}

// hello reads the client's line.
func hello(in *bufio.Reader) (c access.Claim, secret string, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return c, "", stranger()
	}
	rest, ok := strings.CutPrefix(strings.TrimRight(string(line), "\r\n"), Greeting)
	credential, resource, _ := strings.Cut(rest, " ")
	id, secret, found := strings.Cut(credential, ".")
	if !ok || !found {
		return c, "", stranger()
	}
	return access.Claim{Credential: curfew.CredentialID(id), Resource: resource, Program: "curfew connect"}, secret, nil
}

func (e *Engine) prove(ctx context.Context, gate engine.Gatekeeper, id curfew.CredentialID, secret string) error {
	select {
	case e.proving <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-e.proving }()
	if !gate.Verifier(ctx, id).Fits(secret) {
		return stranger()
	}
	return nil
}

// enter reaches the target.
func enter(s *session.Session, claim access.Claim) (net.Conn, error) {
	p := s.Permit()
	if res := p.Resource(); claim.Resource != string(res.Name) {
		return nil, curfew.Errorf(curfew.Denied, "these credentials are for %s, not for %s", res.Name, say.Clean(claim.Resource, 64)).WithRule("resource.other")
	}
	if !allows(p.Permission()) {
		return nil, curfew.Errorf(curfew.Denied, "%s may not connect", p.Grant().Role).WithRule("request.role")
	}
	ctx, cancel := context.WithTimeout(s.Context(), loginBound)
	defer cancel()
	conn, err := s.Dial(ctx)
	if err == nil {
		return conn, nil
	}
	if ended, over := s.Ended(); over {
		return nil, curfew.Errorf(curfew.Lapsed, "your access to %s is over: %s", p.Resource().Name, say.Cause(ended.Cause)).WithRule("grant." + string(ended.Cause))
	}
	return nil, curfew.Wrap(curfew.Unavailable, err, "%s doesn't answer", p.Resource().Name).WithRule("resource.down").WithFix("not a permission problem; try again in a moment")
}

// refuse says why somebody is not let in, in one line.
func refuse(conn net.Conn, err error) {
	e := new(curfew.Error)
	if !errors.As(err, &e) {
		e = curfew.Errorf(curfew.Internal, "something is wrong with the gateway")
	}
	line := No + strings.Join([]string{say.Clean(e.Message, 200), say.Clean(e.Rule, 60), say.Clean(e.Fix, 200)}, "\t")
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write([]byte(line + "\n"))
}

// relay carries bytes both ways.
type relay struct {
	s              *session.Session
	client, target net.Conn
	in             *bufio.Reader // the client's: it may have sent more than its line
	began          time.Time
	up, down       atomic.Int64
}

func (r *relay) run() (curfew.Cause, string) {
	var wg sync.WaitGroup
	var downErr error
	wg.Go(func() {
		downErr = r.copy(r.target, func(b []byte) error { _, err := r.client.Write(b); return err }, &r.down)
		halfClose(r.client)
	})
	upErr := r.copy(r.in, func(b []byte) error { return r.s.Forward(r.target, b) }, &r.up)
	halfClose(r.target)
	if upErr != nil { // no half of it goes on alone
		_ = r.target.SetReadDeadline(time.Unix(1, 0))
	}
	wg.Wait()
	_ = r.s.Observe(record.Item{Kind: record.Outcome, Ref: 1, Bytes: r.up.Load() + r.down.Load(), Took: time.Since(r.began), Tag: fmt.Sprintf("%d up, %d down", r.up.Load(), r.down.Load())})
	if upErr == nil && downErr != nil {
		return curfew.CauseTarget, downErr.Error()
	}
	return curfew.CauseClosed, ""
}

// copy carries one way until its end; nil: it ended as it should.
func (r *relay) copy(from io.Reader, to func([]byte) error, count *atomic.Int64) error {
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !r.s.Spend(0, 0, int64(n)) {
				r.s.Exhausted()
				return errors.New("the budget is spent")
			}
			count.Add(int64(n))
			if err := to(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// halfClose says that no more comes this way; the other way may go on.
func halfClose(c net.Conn) {
	for in := c; ; {
		switch v := in.(type) {
		case interface{ CloseWrite() error }:
			_ = v.CloseWrite()
			return
		case interface{ NetConn() net.Conn }:
			in = v.NetConn()
		default:
			return
		}
	}
}
