package access

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/deadline"
)

// Open reads the ledger and folds it. Nothing is given until Run.
func Open(ctx context.Context, p Parts) (*Service, error) {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.SnapshotEvery == 0 {
		p.SnapshotEvery = 100_000
	}
	s := &Service{
		parts: p, log: p.Log, queue: make(chan *job, mostInBatch), poke: make(chan struct{}, 1), shut: make(chan struct{}), stopped: make(chan struct{}),
		live: map[curfew.SessionID]*Permit{}, byGrant: map[curfew.GrantID]map[curfew.SessionID]*Permit{},
		acts: map[*acted]struct{}{},
	}
	s.deadlines = deadline.New(deadline.System(), s.fire)
	st, err := load(ctx, p)
	if err != nil {
		return nil, err
	}
	if s.tentative, err = st.clone(); err != nil {
		return nil, err
	}
	st.rules()
	s.state = st
	s.folded.Set(st.Size)
	if err := s.actAgain(); err != nil {
		return nil, err
	}
	return s, nil
}

// Run takes turns until ctx ends. It first writes down what the last run could
// not, and that its sessions are over: a restart revives none.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer s.keeping.Wait()
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { s.takeTurns(ctx) })
	if err := s.recover(ctx); err != nil {
		return err
	}
	s.setAll()
	wg.Go(func() { _ = s.deadlines.Run(ctx) })
	wg.Go(func() { s.watchClock(ctx) })
	wg.Go(func() { s.takeSnapshots(ctx) })
	<-ctx.Done()
	s.close(nil, curfew.CauseRestart)
	return nil
}

// recover writes what the last run left open. It waits for the ledger as long as
// that takes: until then, nothing is given.
func (s *Service) recover(ctx context.Context) error {
	var open []curfew.SessionID
	s.View(func(st *State) {
		for id := range st.Sessions {
			open = append(open, id)
		}
	})
	commands := []Command{nothingNew{}} // what acted and was not written goes first
	for _, id := range open {
		commands = append(commands, EndSession{SessionEnded: curfew.SessionEnded{Session: id, Cause: curfew.CauseRestart}, Uncounted: true})
	}
	commands = append(commands, s.unattended()...)
	for len(commands) > 0 {
		var err error
		if commands, err = s.settled(commands); err != nil {
			return err
		}
		if len(commands) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryEvery):
		}
	}
	return nil
}

// settled queues commands and returns those that the ledger did not take yet.
func (s *Service) settled(commands []Command) (later []Command, err error) {
	jobs := make([]*job, len(commands))
	for i, c := range commands {
		jobs[i] = newJob(c)
		s.pushFirst(jobs[i])
	}
	for _, j := range jobs {
		select {
		case <-j.done:
		case <-s.stopped:
			return nil, s.closedError()
		}
		switch {
		case j.err == nil || j.late: // or it is tried again with what has acted
		case curfew.CodeOf(j.err) == curfew.Unavailable:
			later = append(later, j.command)
		default:
			return nil, j.err
		}
	}
	return later, nil
}

// nothingNew is decided once everything that was to be written before is.
type nothingNew struct{}

func (nothingNew) decide(*State, time.Time) ([]Fact, error) { return nil, nil }

// setAll sets the deadlines of everything that has one.
func (s *Service) setAll() {
	s.View(func(st *State) {
		for id, r := range st.Requests {
			s.deadlines.Set(string(id), r.Lapses)
		}
		for id, h := range st.Held {
			s.deadlines.Set(string(id), h.Lapses)
		}
		for id, g := range st.Grants {
			if g.Live() {
				s.deadlines.Set(string(id), g.Deadline())
			}
		}
	})
}

// fire is called with what is due. Gates shut before anything is written.
func (s *Service) fire(ids []string) {
	now := s.Now()
	ends := map[curfew.GrantID]Ended{}
	s.View(func(st *State) {
		for _, id := range ids {
			if g := st.Grants[curfew.GrantID(id)]; g != nil && g.Status == Active && !now.Before(g.End) {
				ends[g.ID] = Ended{Cause: g.EndCause, At: now}
			}
		}
	})
	s.endGrants(ends)
	s.pushFirst(newJob(Due{IDs: ids}))
}

// act lets one durable event take effect on permits and deadlines.
func (s *Service) act(e curfew.Event) {
	switch e.Kind {
	case curfew.KindRequestAsked, curfew.KindGrantApproved, curfew.KindGrantStarted, curfew.KindGrantExtended,
		curfew.KindGrantShortened, curfew.KindGrantEnded, curfew.KindRequestDenied, curfew.KindRequestWithdrawn,
		curfew.KindRequestLapsed, curfew.KindRequestVoided, curfew.KindSessionOpened:
	case curfew.KindStatementHeld, curfew.KindStatementReleased, curfew.KindStatementRefused:
		s.actStatement(e)
		return
	default:
		return
	}
	var b struct {
		Request curfew.RequestID `json:"request"`
		Grant   curfew.GrantID   `json:"grant"`
	}
	if decode(e, &b) != nil {
		return // it was folded: it decodes
	}
	s.View(func(st *State) {
		if b.Request != "" {
			if r := st.Requests[b.Request]; r != nil {
				s.deadlines.Set(string(b.Request), r.Lapses)
			} else {
				s.deadlines.Cancel(string(b.Request))
			}
		}
		if b.Grant != "" {
			s.actGrant(st, b.Grant, e)
		}
	})
}

func (s *Service) actGrant(st *State, id curfew.GrantID, e curfew.Event) {
	g := st.Grants[id]
	if g == nil || !g.Live() {
		s.deadlines.Cancel(string(id))
		ended := Ended{Cause: curfew.CauseExpired, At: e.Time}
		var b curfew.GrantEnded
		if e.Kind == curfew.KindGrantEnded && decode(e, &b) == nil {
			ended.Cause, ended.By = b.Cause, b.By
		}
		s.endGrants(map[curfew.GrantID]Ended{id: ended})
		return
	}
	s.deadlines.Set(string(id), g.Deadline())
	if e.Kind == curfew.KindGrantExtended || e.Kind == curfew.KindGrantShortened {
		s.liveMu.Lock()
		defer s.liveMu.Unlock()
		for _, p := range s.byGrant[id] {
			p.move(time.Now(), g.End)
			s.barred(p) // a nearer end that has acted meanwhile holds
		}
	}
}

// mostFollowed is how many events a batch has at most: as many as a page of a list, so that
// whoever looks them up there finds them all.
const mostFollowed = 1000

// Follow calls f with every event after position after, in order and in
// batches, until ctx ends or f fails. The state that f sees holds the events it
// is called with.
func (s *Service) Follow(ctx context.Context, after uint64, f func([]curfew.Event) error) error {
	for {
		if err := s.folded.Wait(ctx, after); err != nil {
			return err
		}
		var size uint64
		s.View(func(st *State) { size = st.Size })
		events, err := s.parts.Ledger.Read(ctx, after+1, int(min(size-after, mostFollowed)))
		if err != nil {
			return err
		}
		if len(events) == 0 {
			continue
		}
		if err := f(events); err != nil {
			return err
		}
		after = events[len(events)-1].Position
	}
}
