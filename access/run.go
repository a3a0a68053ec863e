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
		parts: p, log: p.Log, queue: make(chan *job, mostInBatch), shut: make(chan struct{}), stopped: make(chan struct{}),
		live: map[curfew.SessionID]*Permit{}, byGrant: map[curfew.GrantID]map[curfew.SessionID]*Permit{},
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
	return s, nil
}

// Run takes turns until ctx ends. It first writes down what the last run could
// not, and that its sessions are over: a restart revives none.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
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
	wg.Go(func() { s.retry(ctx) })
	<-ctx.Done()
	s.close(nil, curfew.CauseRestart)
	return nil
}

// recover writes what the last run left open.
func (s *Service) recover(ctx context.Context) error {
	if s.parts.Reserve != nil {
		ends, err := s.parts.Reserve.Kept()
		if err != nil {
			return err
		}
		if _, err := s.Do(ctx, finish{ends}); err != nil {
			return err
		}
	}
	var open []curfew.SessionID
	s.View(func(st *State) {
		for id := range st.Sessions {
			open = append(open, id)
		}
	})
	for _, id := range open {
		if _, err := s.Do(ctx, EndSession{curfew.SessionEnded{Session: id, Cause: curfew.CauseRestart}}); err != nil {
			return err
		}
	}
	return nil
}

// finish writes ends that acted before the last run stopped.
type finish struct{ ends []curfew.GrantEnded }

func (c finish) decide(st *State, _ time.Time) ([]Fact, error) {
	var facts []Fact
	seen := map[curfew.GrantID]bool{}
	for _, e := range c.ends {
		if g := st.Grants[e.Grant]; g != nil && g.Live() && !seen[e.Grant] {
			seen[e.Grant] = true
			facts = append(facts, Fact{curfew.KindGrantEnded, e})
		}
	}
	return facts, nil
}

// setAll sets the deadlines of everything that has one.
func (s *Service) setAll() {
	s.View(func(st *State) {
		for id, r := range st.Requests {
			s.deadlines.Set(string(id), r.Lapses)
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
	j := newJob(Due{IDs: ids})
	select {
	case s.queue <- j:
	case <-s.shut:
	}
}

// act lets one durable event take effect on permits and deadlines.
func (s *Service) act(e curfew.Event) {
	switch e.Kind {
	case curfew.KindRequestAsked, curfew.KindGrantApproved, curfew.KindGrantStarted, curfew.KindGrantExtended,
		curfew.KindGrantShortened, curfew.KindGrantEnded, curfew.KindRequestDenied, curfew.KindRequestWithdrawn,
		curfew.KindRequestLapsed, curfew.KindRequestVoided, curfew.KindSessionOpened:
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
		}
	}
}

// retry takes a turn now and then while something that acted is not written.
func (s *Service) retry(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !s.late.Load() {
				continue
			}
			select {
			case s.queue <- newJob(finish{}):
			default:
			}
		}
	}
}

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
		events, err := s.parts.Ledger.Read(ctx, after+1, int(min(size-after, 1024)))
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
