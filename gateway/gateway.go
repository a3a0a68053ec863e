// Package gateway is the door of the native protocols: it listens, hands
// connections to engines, and puts sessions together from a permit, a recording,
// an account and a dialer. It speaks no protocol and decides nothing.
package gateway

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/reach"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
	"github.com/curfewhq/curfew/vault"
)

// mostConnections bounds the connections of one listener: beyond it, a new one
// is closed unread, and the others do not notice.
const mostConnections = 9000

// Parts are what a Gateway is made of.
type Parts struct {
	Access     *access.Service
	Identity   *identity.Service
	Record     record.Store
	Dialer     *reach.Dialer
	Vault      *vault.Store
	Engines    map[curfew.EngineType]engine.Engine
	Deployment string
	TLS        *tls.Config     // nil: plain, on loopback only
	Notices    []time.Duration // nil: 5 minutes and 1 minute
	ComeBack   time.Duration   // how long a request stays that no connection waits for any more; 0: 15 s
	TellEvery  time.Duration   // how often those who wait are told that they still do; 0: 30 s
	Log        *slog.Logger
	// Introductions signs what applications are told of who is asking; nil: they are told nothing signed.
	Introductions ed25519.PrivateKey
	Browsers      Browsers
}

// Gateway is the door. Lease makes the accounts that its sessions use.
type Gateway struct {
	parts Parts
	Lease *lease.Service

	mu       sync.Mutex
	sessions map[curfew.SessionID]*session.Session                    // guarded by mu
	byGrant  map[curfew.GrantID]map[curfew.SessionID]*session.Session // the same ones; guarded by mu
	meters   map[curfew.GrantID]*metered                              // of grants with a budget; guarded by mu
	held     map[curfew.StatementID]session.Held                      // wait for a release; guarded by mu
	closing  map[curfew.EngineType]int                                // sessions whose end is not written; guarded by mu
	refusals refusals
	waiting  waiting
}

// New returns a Gateway with its lease service, which the caller runs.
func New(p Parts) *Gateway {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.TellEvery == 0 {
		p.TellEvery = tellEvery
	}
	if p.ComeBack == 0 {
		p.ComeBack = comeBack
	}
	g := &Gateway{waiting: waiting{comeBack: p.ComeBack}, parts: p, sessions: map[curfew.SessionID]*session.Session{}, byGrant: map[curfew.GrantID]map[curfew.SessionID]*session.Session{}, meters: map[curfew.GrantID]*metered{}, closing: map[curfew.EngineType]int{}, held: map[curfew.StatementID]session.Held{}}
	g.Lease = lease.New(lease.Parts{Access: p.Access, Keeper: g.keeper, Known: g.known, Log: p.Log})
	return g
}

// keeper makes the keeper for a resource, nil if its engine makes no accounts.
func (g *Gateway) keeper(res curfew.Resource) lease.Keeper {
	m, ok := g.parts.Engines[res.Type].(lease.Maker)
	if !ok {
		return nil
	}
	return m.Keeper(g.Target(res))
}

// Target is a resource as keepers and checks reach it: by errands.
func (g *Gateway) Target(res curfew.Resource) lease.Target {
	return lease.Target{
		Deployment: g.parts.Deployment,
		Resource:   res,
		Dial: func(ctx context.Context, what string) (net.Conn, error) {
			errand, err := g.parts.Access.Errand(res, what)
			if err != nil {
				return nil, err
			}
			return g.parts.Dialer.Errand(ctx, errand)
		},
		Login: func(context.Context) (lease.Login, error) { return g.login(res) },
	}
}

// login opens the gateway's own login; where an engine needs none, it is empty.
func (g *Gateway) login(res curfew.Resource) (lease.Login, error) {
	if res.Login == "" {
		return lease.Login{}, nil
	}
	c, err := g.parts.Vault.Open(res)
	if err != nil {
		return lease.Login{}, err
	}
	return lease.Login{User: c.User, Password: c.Password, Database: c.Database, Options: c.Options}, nil
}

// known lists the connections that live sessions of a grant have opened.
func (g *Gateway) known(id curfew.GrantID) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for _, s := range g.byGrant[id] {
		out = append(out, s.Work()...)
	}
	return out
}

// Serve accepts connections for one engine until ctx ends or the listener
// fails, and waits for those that live. The accept loop does no I/O of its own.
func (g *Gateway) Serve(ctx context.Context, ln net.Listener, e engine.Engine) error {
	g.parts.Dialer.Own(ln.Addr())
	d := door{g, e.Type()}
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer g.finish(e.Type()) // after wg
	defer wg.Wait()
	room := make(chan struct{}, mostConnections)
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			g.parts.Log.Warn("accept", "err", err)
			time.Sleep(5 * time.Millisecond) // out of descriptors: let some go
			continue
		}
		select {
		case room <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-room }()
			e.Serve(ctx, conn, d)
		})
	}
}

// closeBound is how long the ends of sessions may take when the gateway stops.
const closeBound = 40 * time.Second

// finish ends the sessions of an engine that have outlived their connections, as runs
// of requests do, and waits until the ends of all are written.
func (g *Gateway) finish(speaks curfew.EngineType) {
	g.mu.Lock()
	var left []*session.Session
	for _, s := range g.sessions {
		if s.Permit().Resource().Type == speaks {
			left = append(left, s)
		}
	}
	g.mu.Unlock()
	for _, s := range left {
		s.Permit().Fail(curfew.CauseRestart, "")
	}
	for end := time.Now().Add(closeBound); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		g.mu.Lock()
		n := g.closing[speaks]
		g.mu.Unlock()
		if n == 0 {
			return
		}
	}
	g.parts.Log.Error("sessions did not end in time when the gateway stopped", "engine", speaks)
}

// TLS is the server side configuration.
func (g *Gateway) TLS() *tls.Config { return g.parts.TLS }

// Verifier returns what SCRAM needs for a connection credential.
func (g *Gateway) Verifier(ctx context.Context, id curfew.CredentialID) engine.Verifier {
	return g.parts.Identity.Verifier(ctx, id)
}

// door is the gateway as one engine's clients reach it: credentials for what another
// engine speaks open nothing there, and the gateway's login at it is not brought out.
type door struct {
	*Gateway
	speaks curfew.EngineType
}

// Open turns a proved claim into a live session.
func (d door) Open(ctx context.Context, c access.Claim, w engine.Waiter) (*session.Session, error) {
	return d.admit(ctx, c, d.speaks, w)
}

// Open turns a proved claim into a live session, whatever its resource speaks.
func (g *Gateway) Open(ctx context.Context, c access.Claim, w engine.Waiter) (*session.Session, error) {
	return g.admit(ctx, c, "", w)
}

func (g *Gateway) admit(ctx context.Context, c access.Claim, speaks curfew.EngineType, w engine.Waiter) (*session.Session, error) {
	s, who, err := g.open(ctx, c, speaks, w)
	if err != nil {
		g.refuse(ctx, c, who, err)
	}
	return s, err
}

func (g *Gateway) open(ctx context.Context, c access.Claim, speaks curfew.EngineType, w engine.Waiter) (*session.Session, access.Credential, error) {
	cred, err := g.parts.Identity.Credential(ctx, c.Credential)
	if err != nil {
		return nil, cred, err
	}
	return g.openWith(ctx, cred, c, speaks, w)
}

// openWith turns a credential that its holder has proved into a live session.
func (g *Gateway) openWith(ctx context.Context, cred access.Credential, c access.Claim, speaks curfew.EngineType, w engine.Waiter) (*session.Session, access.Credential, error) {
	var err error
	var is curfew.EngineType
	g.parts.Access.View(func(st *access.State) { is = st.Config.Resources[cred.Resource].Type })
	if speaks != "" && is != "" && is != speaks {
		return nil, cred, curfew.Errorf(curfew.Denied, "these credentials are for %s, which is reached by %s", cred.Resource, is).WithRule("resource.other").WithFix("curfew connect %s", cred.Resource)
	}
	if cred.Grant == "" && cred.Asks == nil { // a browser's: it is of its owner's grants there, and of none without
		cred.Grant = c.Grant
		its := false
		g.parts.Access.View(func(st *access.State) {
			grant := st.Grants[c.Grant]
			its = grant != nil && grant.Resource == cred.Resource
		})
		if !its {
			return nil, cred, curfew.Errorf(curfew.Lapsed, "you have no access to %s now", cred.Resource).WithRule("grant.ended").WithFix("ask again: curfew request")
		}
	}
	if cred.Asks != nil {
		if cred.Grant, err = g.waitFor(ctx, cred, w); err != nil {
			return nil, cred, err
		}
	}
	permit, err := g.parts.Access.OpenSession(ctx, access.OpenSession{
		Session: curfew.SessionID(curfew.NewID("s")), Credential: cred, Client: bounded(c.Client), Program: bounded(c.Program),
	})
	if err != nil {
		return nil, cred, err
	}
	s, err := g.start(permit, cred)
	if err != nil {
		e := curfew.SessionEnded{Session: permit.Session(), Cause: curfew.CauseRecorder, Terminated: true}
		return nil, cred, errors.Join(err, g.parts.Access.CloseSession(context.WithoutCancel(ctx), permit, e))
	}
	return s, cred, nil
}

// bounded keeps what a client says of itself short; it is escaped where it is shown.
func bounded(s string) string { return s[:min(len(s), 200)] }

// start puts a session together.
func (g *Gateway) start(p *access.Permit, cred access.Credential) (*session.Session, error) {
	grant := p.Grant()
	w, err := g.parts.Record.Create(record.Header{
		Session: p.Session(), Grant: grant.ID, Principal: grant.Principal, Resource: grant.Resource, Mode: grant.Record, Started: time.Now().UTC(),
	})
	if err != nil {
		return nil, err
	}
	parts := session.Parts{
		Permit: p, Record: w, Notices: g.parts.Notices,
		Dial:    func(ctx context.Context) (net.Conn, error) { return g.parts.Dialer.Session(ctx, p) },
		Account: func(ctx context.Context) (session.Account, error) { return g.account(ctx, p) },
		Done:    func(sum session.Summary) { g.done(p, sum) },
	}
	if grant.Release.Some() {
		parts.Hold = func(ctx context.Context, h session.Held, tell func(say.Notice) error) ([]string, error) {
			return g.hold(ctx, p, h, tell)
		}
	}
	if grant.Budget.Some() {
		parts.Meter = g.meter(grant.ID)
		parts.Spent = func() { g.spent(grant.ID) }
	}
	if cred.ByHand {
		parts.More = func(ctx context.Context, d time.Duration, reason string) (string, error) {
			return g.more(ctx, p, d, reason)
		}
	}
	if k := g.Lease.KeeperFor(p.Resource()); k != nil {
		parts.Terminate = k.Terminate
	}
	_ = w.Write(record.Item{Kind: record.Opened, Text: string(grant.Role)}) // a failure shows at the next item, before anything is sent
	g.mu.Lock()
	defer g.mu.Unlock() // it may be over at once: forget comes after this
	s := session.New(parts)
	g.sessions[p.Session()] = s
	g.closing[p.Resource().Type]++
	if g.byGrant[grant.ID] == nil {
		g.byGrant[grant.ID] = map[curfew.SessionID]*session.Session{}
	}
	g.byGrant[grant.ID][p.Session()] = s
	return s, nil
}

// more asks for more time on behalf of somebody who typed it into their session.
func (g *Gateway) more(ctx context.Context, p *access.Permit, d time.Duration, reason string) (string, error) {
	grant := p.Grant()
	id, _, err := g.parts.Identity.Ask(ctx, access.Ask{
		Extends: grant.ID, Inside: p.Session(),
		Question: access.Question{Principal: grant.Principal, Duration: d, Reason: reason},
	})
	if err != nil {
		return "", err
	}
	var who []curfew.Principal
	g.parts.Access.View(func(st *access.State) {
		if r := st.Requests[id]; r != nil {
			who = st.Deciders(r, g.parts.Access.Now())
		}
	})
	var names []string
	for _, w := range who[:min(len(who), 3)] {
		names = append(names, g.parts.Identity.Name(ctx, w))
	}
	return say.Asked(id, names, len(who), p.End()), nil
}

// account opens the session's account for one log-in.
func (g *Gateway) account(ctx context.Context, p *access.Permit) (session.Account, error) {
	login, err := g.login(p.Resource())
	if err != nil {
		return session.Account{}, err
	}
	if p.Resource().Account != curfew.Leased {
		return session.Account{Login: login, Shut: func() {}}, nil
	}
	user, password, shut, err := g.Lease.Open(ctx, p.Grant().ID)
	if err != nil {
		return session.Account{}, err
	}
	login.User, login.Password = user, password
	return session.Account{Login: login, Leased: true, Shut: shut}, nil
}

func (g *Gateway) forget(p *access.Permit) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, p.Session())
	id := p.Grant().ID
	delete(g.byGrant[id], p.Session())
	if len(g.byGrant[id]) == 0 {
		delete(g.byGrant, id)
	}
}

func (g *Gateway) done(p *access.Permit, sum session.Summary) {
	g.forget(p)
	defer func() {
		g.mu.Lock()
		g.closing[p.Resource().Type]--
		g.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := g.parts.Access.CloseSession(ctx, p, curfew.SessionEnded{
		Session: sum.Session, Cause: sum.Ended.Cause, Statements: sum.Statements, Refused: sum.Refused, Rows: sum.Rows,
		Bytes: sum.Bytes, Spent: sum.Spent, Terminated: sum.Terminated, CutTook: sum.CutTook,
	})
	if err != nil {
		g.parts.Log.Error("the end of a session could not be written", "session", sum.Session, "err", err)
		return // what it spent is not in the state: the meter goes on knowing it
	}
	g.unmeter(p.Grant().ID)
}

// Session returns a live session.
func (g *Gateway) Session(id curfew.SessionID) *session.Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sessions[id]
}
