// Package session is a permit in use: the gate on every message, the record of
// what was said, the notices, the cut. It knows no protocol and decides nothing.
package session

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

// Account is who the session becomes at the target.
type Account struct {
	lease.Login
	Leased bool
	// Shut must be called as soon as the log-in is over, whether it worked or not:
	// until then the account can log in.
	Shut func()
}

// Parts are what a session is made of; the gateway puts them together.
type Parts struct {
	Permit *access.Permit
	Record record.Writer
	// Dial reaches the permit's resource and nothing else.
	Dial func(context.Context) (net.Conn, error)
	// Account opens the account for one log-in.
	Account func(context.Context) (Account, error)
	// Terminate ends work at the target and waits until it is seen to be gone.
	Terminate func(context.Context, []string) error
	// Notices are how long before the end the client is told; nil: 5 minutes and 1 minute.
	Notices []time.Duration
	// More asks a person for more time; nil: this session may not.
	More func(ctx context.Context, d time.Duration, reason string) (answer string, err error)
	// Hold asks somebody to release a statement, and waits; nil: nothing is held.
	Hold func(ctx context.Context, h Held, tell func(say.Notice) error) (by []string, err error)
	// Meter counts against the grant's budget; nil: it has none. Spent is called when it is spent.
	Meter *Meter
	Spent func()
	// Done is called once, after everything is over.
	Done func(Summary)
}

// Summary is what a session came to.
type Summary struct {
	Session    curfew.SessionID
	Ended      access.Ended
	Statements int64
	Refused    int64
	Rows       int64
	Bytes      int64
	Terminated bool          // work at the target was seen to be gone
	Spent      curfew.Budget // of the grant's budget
	CutTook    time.Duration // from the gate's shutting to both legs reset; zero if it was not a cut
}

// Legs are the two connections of a session, for the cut.
type Legs struct {
	Client net.Conn
	Target net.Conn
	// Farewell tells the client, in its protocol's words, by the deadline or not
	// at all. It must not wait for a client that has stopped reading.
	Farewell func(e access.Ended, by time.Time)
}

// Session is one connection under a grant.
type Session struct {
	parts    Parts
	inflight atomic.Int64
	notice   atomic.Pointer[Notice]
	counts   struct{ statements, refused, rows, bytes atomic.Int64 }
	spent    struct{ statements, rows, bytes atomic.Int64 } // of the budget
	beyond   atomic.Pointer[string]                         // what of the budget is spent
	finished chan struct{}                                  // closed when everything is over

	ending sync.WaitGroup // of Spent

	mu      sync.Mutex
	legs    Legs          // guarded by mu
	work    []string      // guarded by mu
	timer   *time.Timer   // guarded by mu
	end     time.Time     // guarded by mu; as it was last planned for
	cutTook time.Duration // guarded by mu
	// finishing says that the end waits for nothing more.
	finishing bool // guarded by mu
}

// New starts a session. From here on it is cut when its permit ends. The caller
// must call Close.
func New(p Parts) *Session {
	if p.Notices == nil {
		p.Notices = []time.Duration{5 * time.Minute, time.Minute}
	}
	s := &Session{parts: p, finished: make(chan struct{})}
	p.Permit.OnMove(s.retime)
	p.Record.OnFail(func(err error) { p.Permit.Fail(curfew.CauseRecorder, err.Error()) })
	s.retime()
	context.AfterFunc(p.Permit.Context(), s.cut)
	return s
}

// Permit is what the session runs under.
func (s *Session) Permit() *access.Permit { return s.parts.Permit }

// Context ends when the session must.
func (s *Session) Context() context.Context { return s.parts.Permit.Context() }

// Attach hands over the legs. If the session has been cut meanwhile, they are reset at once.
func (s *Session) Attach(l Legs) error {
	s.mu.Lock()
	s.legs = l
	s.mu.Unlock()
	if s.parts.Permit.Over() {
		resetLegs(l)
		return s.refusal()
	}
	return nil
}

// Working names a piece of work at the target (a backend) that must be gone after the session.
func (s *Session) Working(id string) {
	s.mu.Lock()
	s.work = append(s.work, id)
	s.mu.Unlock()
}

// Work lists the target's identifiers of what this session opened there.
func (s *Session) Work() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.work...)
}

// Dial reaches the resource. Every connection a session makes goes through here.
func (s *Session) Dial(ctx context.Context) (net.Conn, error) {
	if err := s.Enter(); err != nil {
		return nil, err
	}
	defer s.Leave()
	return s.parts.Dial(ctx)
}

// Account opens the session's account at the target for one log-in.
func (s *Session) Account(ctx context.Context) (Account, error) {
	if err := s.Enter(); err != nil {
		return Account{}, err
	}
	defer s.Leave()
	return s.parts.Account(ctx)
}

// Observe records the item. After an error the session is over: what is not
// recorded is not sent.
func (s *Session) Observe(it record.Item) error {
	switch it.Kind {
	case record.Statement:
		if !s.Spend(1, 0, 0) {
			s.Exhausted()
			return s.refusal()
		}
		s.counts.statements.Add(1)
	case record.Refused:
		s.counts.refused.Add(1)
	case record.Outcome:
		s.counts.rows.Add(it.Rows)
		s.counts.bytes.Add(it.Bytes)
	}
	if err := s.parts.Record.Write(it); err != nil {
		s.parts.Permit.Fail(curfew.CauseRecorder, err.Error())
		return s.refusal()
	}
	return nil
}

// Close ends the session for a cause of its own (the client left, the target
// went away), if it has not ended yet, and waits until everything is over. The
// engine calls it last.
func (s *Session) Close(cause curfew.Cause, why string) {
	s.parts.Permit.Fail(cause, why)
	<-s.finished
}

// Finished is closed when the session is over and its work at the target dealt with.
func (s *Session) Finished() <-chan struct{} { return s.finished }

// Ended says why the session is over; ok is false while it lives.
func (s *Session) Ended() (e access.Ended, ok bool) { return s.parts.Permit.Ended() }

// Denied counts something that the target itself refused for want of rights.
func (s *Session) Denied() { s.counts.refused.Add(1) }

// More asks a person for more time, and says who was asked.
func (s *Session) More(ctx context.Context, d time.Duration, reason string) (answer string, err error) {
	if s.parts.More == nil {
		return "", curfew.Errorf(curfew.Denied, "this connection may not ask for more time: only one that curfew connect opens at a terminal may").WithRule("request.inside").
			WithFix("ask outside of it: curfew extend %s", s.Permit().Grant().ID)
	}
	return s.parts.More(ctx, d, reason)
}

func (s *Session) refusal() error {
	e, _ := s.Ended()
	return curfew.Wrap(curfew.Lapsed, e, "the session is over").WithRule("grant." + string(e.Cause))
}
