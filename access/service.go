package access

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/deadline"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/policy"
)

// Parts are what a Service is made of.
type Parts struct {
	Ledger  ledger.Ledger
	Reserve *Reserve // keeps what has acted and is not written yet; nil: none (tests)
	Log     *slog.Logger
	// SnapshotEvery is how many events lie between two snapshots; 0: 100,000.
	SnapshotEvery uint64
	// Snapshot is where the newest snapshot is said to be; checked against the ledger.
	Snapshot SnapshotPlace
}

// Service takes commands in turns and keeps the folded state.
type Service struct {
	parts     Parts
	log       *slog.Logger
	deadlines *deadline.Scheduler
	queue     chan *job
	stepped   steps
	pace      pace

	mu     sync.RWMutex
	state  *State        // guarded by mu; only turns change it
	folded ledger.Growth // how far the state that readers see has come

	liveMu  sync.Mutex
	live    map[curfew.SessionID]*Permit                    // guarded by liveMu
	byGrant map[curfew.GrantID]map[curfew.SessionID]*Permit // guarded by liveMu
	acts    map[*acted]struct{}                             // have acted, not written yet; guarded by liveMu

	firstMu sync.Mutex
	first   []*job        // decided before what is queued; guarded by firstMu
	poke    chan struct{} // holds a token when there is something in first

	// Owned by the goroutine that takes turns.
	tentative *State
	unwritten []*acted // could not be appended yet

	turning  atomic.Int64   // when the turn under way began, Unix nanoseconds; 0: none is
	keeping  sync.WaitGroup // writes to the reserve
	draining atomic.Bool    // no new sessions
	shut     chan struct{}  // closed when nothing more is decided
	shutErr  error          // set before shut is closed
	once     sync.Once
	stopped  chan struct{} // closed when no more turns are taken
}

// Receipt says how a command went.
type Receipt struct {
	Position uint64 // of the ledger after it
	// Written is false for a command that took access away, has acted, and could
	// not be made durable yet: it is kept, and written before anything is given again.
	Written bool
	Events  []curfew.Event // what was decided
}

// View runs f with the state that readers see. f must not keep or change any of it.
func (s *Service) View(f func(*State)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(s.state)
}

// Now is the one time of decisions: the wall clock's, never earlier than the newest event.
func (s *Service) Now() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return later(time.Now(), s.state.Now)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Ledger is what followers read.
func (s *Service) Ledger() ledger.Ledger { return s.parts.Ledger }

// Decide answers a question as of now. It asks for nothing.
func (s *Service) Decide(q Question) (d policy.Decision, err error) {
	now := s.Now()
	s.View(func(st *State) { d, err = st.Decide(q, now) })
	return d, err
}

// Do decides a command in a turn and returns once what was decided is durable.
// A command that takes access away acts at once: if it cannot be made durable
// within a second, Do returns with Written false, and it is written as soon as
// can be. Do answers within answerBound; an error with the rule "ledger.unknown"
// says that nobody knows yet whether the command was decided.
func (s *Service) Do(ctx context.Context, c Command) (Receipt, error) {
	if t, ok := c.(takesAway); ok && t.takesAway() {
		return s.takeAway(ctx, t)
	}
	if a, ok := c.(Ask); ok {
		if err := s.pace.ask(a.Principal, time.Now()); err != nil {
			return Receipt{}, err
		}
	}
	return s.inTurn(ctx, c)
}

func (s *Service) inTurn(ctx context.Context, c Command) (Receipt, error) {
	j := newJob(c)
	if err := s.await(ctx, j); err != nil {
		return Receipt{}, err
	}
	return j.receipt, nil
}

func (s *Service) closedError() error {
	select {
	case <-s.shut: // before, its error may be on its way
		if s.shutErr != nil {
			return s.shutErr
		}
	default:
	}
	return curfew.Errorf(curfew.Unavailable, "the gateway is stopping")
}

// close stops giving access, for ever, and cuts what lives.
func (s *Service) close(err error, cause curfew.Cause) {
	s.once.Do(func() {
		s.shutErr = err
		close(s.shut)
		endAll(s.permits(), func(*Permit) Ended { return Ended{Cause: cause, At: time.Now()} })
	})
}

func (s *Service) endGrants(ends map[curfew.GrantID]Ended) {
	if len(ends) == 0 {
		return
	}
	var permits []*Permit
	s.liveMu.Lock()
	for id := range ends {
		for _, p := range s.byGrant[id] {
			permits = append(permits, p)
		}
	}
	s.liveMu.Unlock()
	endAll(permits, func(p *Permit) Ended { return ends[p.grant.ID] })
}

func (s *Service) endSession(id curfew.SessionID, e Ended) {
	s.liveMu.Lock()
	p := s.live[id]
	s.liveMu.Unlock()
	if p != nil {
		p.end(e)
	}
}

func (s *Service) permits() []*Permit {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	out := make([]*Permit, 0, len(s.live))
	for _, p := range s.live {
		out = append(out, p)
	}
	return out
}

func (s *Service) register(p *Permit) {
	if e, over := s.enlist(p); over {
		p.end(e)
	}
}

func (s *Service) enlist(p *Permit) (e Ended, over bool) {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	s.live[p.session] = p
	m := s.byGrant[p.grant.ID]
	if m == nil {
		m = map[curfew.SessionID]*Permit{}
		s.byGrant[p.grant.ID] = m
	}
	m[p.session] = p
	return s.barred(p)
}

func (s *Service) unregister(p *Permit) {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	delete(s.live, p.session)
	if m := s.byGrant[p.grant.ID]; m != nil {
		delete(m, p.session)
		if len(m) == 0 {
			delete(s.byGrant, p.grant.ID)
		}
	}
}

// OpenSession lets one connection in, or says why not. The permit is watched
// from inside the turn on: no revocation falls between check and watch.
func (s *Service) OpenSession(ctx context.Context, c OpenSession) (*Permit, error) {
	if s.draining.Load() {
		return nil, curfew.Errorf(curfew.Unavailable, "the gateway is restarting").WithRule("gateway.restart").WithFix("connect again in a moment")
	}
	if err := s.pace.open(c.Credential.Grant, time.Now()); err != nil {
		return nil, err
	}
	var behind time.Duration
	s.View(func(st *State) { behind = time.Until(st.Now) })
	if behind > clockBound {
		return nil, curfew.Errorf(curfew.Clock, "the gateway's clock is %s behind its own ledger", behind.Round(time.Second)).WithRule("gateway.clock").WithFix("set the gateway's clock")
	}
	j := newJob(c)
	j.open = true
	if err := s.await(ctx, j); err != nil {
		return nil, err
	}
	return j.permit, nil
}

// CloseSession says what a session came to and forgets its permit.
func (s *Service) CloseSession(ctx context.Context, p *Permit, e curfew.SessionEnded) error {
	p.Fail(curfew.CauseClosed, "")
	s.unregister(p)
	_, err := s.Do(ctx, EndSession{SessionEnded: e})
	return err
}

// Drain lets no new session in and ends those that live, with the cause "restart".
// Their ends are still written.
func (s *Service) Drain() {
	s.draining.Store(true)
	endAll(s.permits(), func(*Permit) Ended { return Ended{Cause: curfew.CauseRestart, At: time.Now()} })
}

// Live is how many sessions have not been closed yet.
func (s *Service) Live() int {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	return len(s.live)
}

// Plan works out what a configuration would change, outside any turn.
func (s *Service) Plan(next curfew.Config) Change {
	var old curfew.Config
	var base string
	s.View(func(st *State) { old, base = CopyConfig(st.Config), st.Version })
	return planChange(base, old, next)
}
