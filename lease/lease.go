package lease

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/policy"
)

// Parts are what a Service is made of.
type Parts struct {
	Access *access.Service
	// Keeper returns the keeper for a resource as it was when a lease was planned;
	// nil if its engine makes no accounts.
	Keeper func(res curfew.Resource) Keeper
	// Known lists the connections that live sessions of a grant have opened.
	Known func(curfew.GrantID) []string
	Log   *slog.Logger
	// Patrol is how often an account's connections are looked at; 0: 300 ms.
	Patrol time.Duration
	// SweepFirst is how long after the start accounts that no lease accounts for are looked for; 0: a minute.
	SweepFirst time.Duration
}

// Service makes and removes accounts as the ledger says. It is a follower: what
// it has not done before a crash it does after it.
type Service struct {
	parts Parts

	mu      sync.Mutex
	workers map[curfew.LeaseID]*worker // guarded by mu
	keepers map[string]Keeper          // guarded by mu; by resource version
	wg      sync.WaitGroup
}

// New returns a Service; Run does its work.
func New(p Parts) *Service {
	if p.Patrol == 0 {
		p.Patrol = 300 * time.Millisecond
	}
	if p.SweepFirst == 0 {
		p.SweepFirst = sweepFirst
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{parts: p, workers: map[curfew.LeaseID]*worker{}, keepers: map[string]Keeper{}}
}

// Run follows the ledger until ctx ends, and waits for what is under way.
func (s *Service) Run(ctx context.Context) error {
	defer s.closeKeepers()
	defer s.wg.Wait()
	var from uint64
	s.parts.Access.View(func(st *access.State) { from = st.Size })
	s.reconcile(ctx)
	s.wg.Go(func() { s.sweeping(ctx) })
	err := s.parts.Access.Follow(ctx, from, func(events []curfew.Event) error {
		for _, e := range events {
			if concerns(e.Kind) {
				s.reconcile(ctx)
				break
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func concerns(k curfew.Kind) bool {
	switch k {
	case curfew.KindGrantApproved, curfew.KindGrantStarted, curfew.KindGrantEnded, curfew.KindGrantExtended,
		curfew.KindGrantShortened, curfew.KindLeasePlanned:
		return true
	}
	return false
}

// reconcile compares what should be with what is under way.
func (s *Service) reconcile(ctx context.Context) {
	now := s.parts.Access.Now()
	var plan []curfew.GrantID
	var later []time.Duration
	s.parts.Access.View(func(st *access.State) {
		for id, g := range st.Grants {
			if !g.Live() || st.LeaseOf(id) != nil || st.Config.Resources[g.Resource].Account != curfew.Leased {
				continue
			}
			switch {
			case g.NotBefore.After(now):
				later = append(later, g.NotBefore.Sub(now))
			case g.Starts == curfew.AtApproval || g.Status == access.Active:
				plan = append(plan, id)
			}
		}
		for _, l := range st.Leases {
			s.tend(ctx, st, l)
		}
	})
	for _, d := range later {
		time.AfterFunc(d, func() {
			if ctx.Err() == nil {
				s.reconcile(ctx)
			}
		})
	}
	for _, id := range plan {
		if err := s.plan(ctx, id); err != nil {
			s.parts.Log.Error("a lease could not be planned", "grant", id, "err", err)
		}
	}
}

func (s *Service) plan(ctx context.Context, id curfew.GrantID) error {
	_, err := s.parts.Access.Do(ctx, access.PlanLease{Lease: curfew.LeaseID(curfew.NewID("l")), Grant: id})
	return err
}

// tend makes sure that a lease has its worker, and tells the worker what changed.
func (s *Service) tend(ctx context.Context, st *access.State, l *access.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workers[l.Lease]
	if w == nil {
		keeper := s.keeperFor(l.Target)
		if keeper == nil {
			s.parts.Log.Error("no engine makes accounts for this lease", "lease", l.Lease, "resource", l.Resource)
			return
		}
		w = newWorker(s, keeper, *l)
		s.workers[l.Lease] = w
		s.wg.Go(func() {
			w.run(ctx)
			s.mu.Lock()
			delete(s.workers, w.plan.Lease)
			s.mu.Unlock()
		})
	}
	if !l.Ended.IsZero() {
		w.endOnce.Do(func() { w.endedAt = l.Ended; close(w.ended) })
	} else if g := st.Grants[l.Grant]; g != nil && g.Status == access.Active {
		w.setUntil(g.End)
	}
}

// keeperFor returns the keeper of a resource. The caller holds mu.
func (s *Service) keeperFor(res curfew.Resource) Keeper {
	key := policy.ResourceVersion(res)
	k := s.keepers[key]
	if k == nil {
		if k = s.parts.Keeper(res); k != nil {
			s.keepers[key] = k
		}
	}
	return k
}

// KeeperFor returns the keeper of a resource, for the cut and for checks; nil if there is none.
func (s *Service) KeeperFor(res curfew.Resource) Keeper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keeperFor(res)
}

func (s *Service) closeKeepers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keepers {
		k.Close()
	}
	clear(s.keepers)
}

// Open lets the grant's account log in once. It waits for the account to be
// made, and for a log-in of the same account that is under way. shut must be called.
func (s *Service) Open(ctx context.Context, id curfew.GrantID) (account, password string, shut func(), err error) {
	if err := s.plan(ctx, id); err != nil { // at first use nothing is planned yet
		return "", "", nil, err
	}
	w, err := s.worker(ctx, id)
	if err != nil {
		return "", "", nil, err
	}
	select {
	case <-w.made:
	case <-w.ended:
		return "", "", nil, curfew.Errorf(curfew.Lapsed, "the grant %s is over", id).WithRule("grant.ended")
	case <-ctx.Done():
		return "", "", nil, curfew.Errorf(curfew.Unavailable, "the account for %s is not there yet: %s", id, w.trouble()).WithRule("resource.down").WithFix("try again in a moment")
	}
	w.door.Lock()
	password, lock, err := w.keeper.Unlock(ctx, w.plan, w.madeAs)
	if err != nil {
		w.door.Unlock()
		return "", "", nil, err
	}
	var once sync.Once
	shut = func() { once.Do(func() { w.shutDoor(lock) }) }
	return w.plan.Account, password, shut, nil
}

// worker returns the worker of a grant's lease, once the ledger's follower has started it.
func (s *Service) worker(ctx context.Context, id curfew.GrantID) (*worker, error) {
	for {
		var lease *access.Lease
		s.parts.Access.View(func(st *access.State) { lease = st.LeaseOf(id) })
		if lease == nil {
			return nil, curfew.Errorf(curfew.Lapsed, "the grant %s has no account", id).WithRule("grant.ended")
		}
		s.mu.Lock()
		w := s.workers[lease.Lease]
		s.mu.Unlock()
		if w != nil {
			return w, nil
		}
		select {
		case <-ctx.Done():
			return nil, curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "wait for the account of %s", id)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
