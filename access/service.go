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
	Reserve *Reserve // keeps ends that could not be written yet; nil: none (tests)
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

	// Owned by the goroutine that takes turns.
	tentative *State
	unwritten []Fact // ends that have acted and could not be appended yet

	late     atomic.Bool   // unwritten is not empty
	keepMu   sync.Mutex    // held while the reserve is added to or cleared
	away     atomic.Int64  // commands that have acted and are on their way through a turn; raised under keepMu
	draining atomic.Bool   // no new sessions
	shut     chan struct{} // closed when nothing more is decided
	shutErr  error         // set before shut is closed
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
// within a second, Do returns with Written false and it is written as soon as can be.
func (s *Service) Do(ctx context.Context, c Command) (Receipt, error) {
	if t, ok := c.(takesAway); ok {
		return s.takeAway(ctx, t)
	}
	if a, ok := c.(Ask); ok {
		if err := s.pace.ask(a.Principal, time.Now()); err != nil {
			return Receipt{}, err
		}
	}
	j := newJob(c)
	if err := s.submit(ctx, j); err != nil {
		return Receipt{}, err
	}
	select {
	case <-j.done:
		return j.receipt, j.err
	case <-s.stopped:
		return Receipt{}, s.closedError()
	case <-ctx.Done():
		return Receipt{}, curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "the ledger did not answer in time")
	}
}

func (s *Service) submit(ctx context.Context, j *job) error {
	select {
	case <-s.shut:
		return s.closedError()
	default:
	}
	select {
	case s.queue <- j:
		return nil
	case <-s.shut:
		return s.closedError()
	case <-ctx.Done():
		return curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "the ledger did not answer in time")
	}
}

func (s *Service) closedError() error {
	if s.shutErr != nil {
		return s.shutErr
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

// writtenBound is how long a command that has acted waits to be written before
// its caller is told that it is not yet.
const writtenBound = time.Second

// takeAway shuts the gates of everything the command ends before it is written:
// a ledger that is stuck keeps nobody in (THREATS 13).
func (s *Service) takeAway(ctx context.Context, c takesAway) (Receipt, error) {
	var facts []Fact
	var err error
	now := s.Now()
	s.View(func(st *State) { facts, err = c.decide(st, now) })
	if err != nil {
		return Receipt{}, err
	}
	s.keep(facts)
	s.shutGates(facts, now)
	j := newJob(c)
	j.away = true
	if err := s.submit(ctx, j); err != nil {
		return Receipt{}, err // it has acted; what is kept in the reserve is written at the next start
	}
	timer := time.NewTimer(writtenBound)
	defer timer.Stop()
	select {
	case <-j.done:
		return j.receipt, j.err
	case <-timer.C:
		return Receipt{Written: false}, nil
	}
}

// keep counts a command that acts and puts the ends among its facts into the
// reserve, in one step: what another turn clears meanwhile must not be among them.
func (s *Service) keep(facts []Fact) {
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	s.away.Add(1)
	var ends []curfew.GrantEnded
	for _, f := range facts {
		if e, ok := f.Body.(curfew.GrantEnded); ok {
			ends = append(ends, e)
		}
	}
	if len(ends) == 0 || s.parts.Reserve == nil {
		return
	}
	if err := s.parts.Reserve.Keep(ends); err != nil {
		s.log.Error("an end could not be kept in the reserve", "err", err)
	}
}

// shutGates ends the permits of all that the facts end.
func (s *Service) shutGates(facts []Fact, now time.Time) {
	grants, sessions := map[curfew.GrantID]Ended{}, map[curfew.SessionID]Ended{}
	for _, f := range facts {
		switch b := f.Body.(type) {
		case curfew.GrantEnded:
			grants[b.Grant] = Ended{Cause: b.Cause, By: b.By, At: now}
		case curfew.SessionCut:
			sessions[b.Session] = Ended{Cause: curfew.CauseSessionCut, By: b.By, At: now}
		}
	}
	s.endGrants(grants)
	for id, e := range sessions {
		s.endSession(id, e)
	}
}

func (s *Service) endGrants(ends map[curfew.GrantID]Ended) {
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
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	s.live[p.session] = p
	m := s.byGrant[p.grant.ID]
	if m == nil {
		m = map[curfew.SessionID]*Permit{}
		s.byGrant[p.grant.ID] = m
	}
	m[p.session] = p
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
	if err := s.submit(ctx, j); err != nil {
		return nil, err
	}
	select {
	case <-j.done: // whatever ctx says: a permit that nobody waits for would live on
	case <-s.stopped:
		return nil, s.closedError()
	}
	if j.err != nil {
		return nil, j.err
	}
	return j.permit, nil
}

// CloseSession says what a session came to and forgets its permit.
func (s *Service) CloseSession(ctx context.Context, p *Permit, e curfew.SessionEnded) error {
	p.Fail(curfew.CauseClosed, "")
	s.unregister(p)
	_, err := s.Do(ctx, EndSession{e})
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
