package lease

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// Bounds of one step at a target.
const (
	stepBound   = 20 * time.Second
	slowestWait = 30 * time.Second
)

// Tester is a Keeper that can say whether an account really works.
type Tester interface {
	// Test logs in as the account once and leaves.
	Test(ctx context.Context, p Plan, m Made) error
}

// worker carries one lease from being made to being seen gone.
type worker struct {
	service *Service
	keeper  Keeper
	plan    Plan
	door    sync.Mutex // held while the account can log in

	made    chan struct{} // closed when the account is there
	madeAs  Made          // set before made is closed
	ended   chan struct{} // closed when the grant is over
	endOnce sync.Once
	endedAt time.Time // set before ended is closed

	mu    sync.Mutex
	until time.Time     // guarded by mu; zero: as planned
	moved chan struct{} // has an item when until changed
	last  string        // guarded by mu; the last trouble, in words
}

func newWorker(s *Service, k Keeper, l access.Lease) *worker {
	w := &worker{
		service: s, keeper: k, made: make(chan struct{}), ended: make(chan struct{}), moved: make(chan struct{}, 1),
		plan: Plan{Lease: l.Lease, Grant: l.Grant, Account: l.Account, Permission: l.Permission, Until: l.Until},
	}
	if l.Made != nil {
		w.madeAs = Made{ID: l.Made.ID, Group: l.Made.Group, Exceeds: l.Made.Exceeds, Digest: l.Made.Digest}
		close(w.made)
	}
	return w
}

func (w *worker) setUntil(t time.Time) {
	w.mu.Lock()
	changed := !t.Equal(w.until)
	w.until = t
	w.mu.Unlock()
	if changed {
		select {
		case w.moved <- struct{}{}:
		default:
		}
	}
}

func (w *worker) say(what string) {
	w.mu.Lock()
	w.last = what
	w.mu.Unlock()
}

func (w *worker) trouble() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == "" {
		return "the target has not answered"
	}
	return w.last
}

func (w *worker) run(ctx context.Context) {
	w.make(ctx)
	w.keep(ctx)
	if ctx.Err() == nil {
		w.remove(ctx)
	}
}

// backoff waits, longer each time, until the grant ends or ctx does.
func backoff(ctx context.Context, stop <-chan struct{}, try int) {
	wait := min(100*time.Millisecond<<min(try, 10), slowestWait)
	select {
	case <-time.After(wait):
	case <-stop:
	case <-ctx.Done():
	}
}

func (w *worker) over(ctx context.Context) bool {
	select {
	case <-w.ended:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// make makes the account, and starts the grant's clock once it has been seen to work.
func (w *worker) make(ctx context.Context) {
	for try := 0; !w.over(ctx); try++ {
		select {
		case <-w.made:
		default:
			if !w.tryMake(ctx) {
				backoff(ctx, w.ended, try)
				continue
			}
		}
		w.start(ctx)
		return
	}
}

func (w *worker) tryMake(ctx context.Context) bool {
	step, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	made, err := w.keeper.Make(step, w.plan)
	if curfew.CodeOf(err) == curfew.Denied || curfew.CodeOf(err) == curfew.Invalid {
		w.tell(ctx, access.LeaseRefused{LeaseTrouble: w.troubled(err.Error(), made.Exceeds)})
		w.waitEnded(ctx)
		return true
	}
	if err != nil {
		w.say(err.Error())
		w.service.parts.Log.Warn("an account could not be made yet", "lease", w.plan.Lease, "err", err)
		return false
	}
	w.madeAs = made
	w.tell(ctx, access.LeaseMade{LeaseMade: curfew.LeaseMade{Lease: w.plan.Lease, ID: made.ID, Group: made.Group, Exceeds: made.Exceeds, Digest: made.Digest}})
	close(w.made)
	return true
}

func (w *worker) waitEnded(ctx context.Context) {
	select {
	case <-w.ended:
	case <-ctx.Done():
	}
}

func (w *worker) troubled(what string, lines []string) curfew.LeaseTrouble {
	return curfew.LeaseTrouble{Lease: w.plan.Lease, What: what, Lines: lines}
}

// start starts the clock; tested says whether a log-in with the account worked.
func (w *worker) start(ctx context.Context) {
	if w.over(ctx) {
		return
	}
	tested := false
	if t, ok := w.keeper.(Tester); ok {
		w.door.Lock()
		step, cancel := context.WithTimeout(ctx, stepBound)
		err := t.Test(step, w.plan, w.madeAs)
		cancel()
		w.door.Unlock()
		if tested = err == nil; !tested {
			w.service.parts.Log.Warn("the test connection failed", "lease", w.plan.Lease, "err", err)
		}
	}
	w.tell(ctx, access.Start{Grant: w.plan.Grant, Tested: tested})
}

func (w *worker) tell(ctx context.Context, c access.Command) {
	for try := 0; ; try++ {
		_, err := w.service.parts.Access.Do(ctx, c)
		if err == nil || ctx.Err() != nil {
			return
		}
		if curfew.CodeOf(err) != curfew.Unavailable {
			w.service.parts.Log.Error("the ledger refused what a lease said", "lease", w.plan.Lease, "err", err)
			return
		}
		backoff(ctx, nil, try)
	}
}

// keep follows the grant's end at the target and patrols the account's
// connections, until the grant is over.
func (w *worker) keep(ctx context.Context) {
	tick := time.NewTicker(w.service.parts.Patrol)
	defer tick.Stop()
	var seen []string
	limited := w.plan.Until
	for !w.over(ctx) {
		select {
		case <-w.ended:
		case <-ctx.Done():
		case <-w.moved:
			w.mu.Lock()
			until := w.until
			w.mu.Unlock()
			if !until.Equal(limited) && w.limit(ctx, until) {
				limited = until
			}
		case <-tick.C:
			seen = w.patrol(ctx, seen)
		}
	}
}

func (w *worker) limit(ctx context.Context, until time.Time) bool {
	step, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	if err := w.keeper.Limit(step, w.plan, until); err != nil {
		w.service.parts.Log.Warn("an account's end could not be moved", "lease", w.plan.Lease, "err", err)
		time.AfterFunc(time.Second, func() { w.setAgain() })
		return false
	}
	return true
}

func (w *worker) setAgain() {
	select {
	case w.moved <- struct{}{}:
	default:
	}
}

// patrol looks for connections that Curfew did not open. What is seen twice in a
// row is terminated and ends the grant.
func (w *worker) patrol(ctx context.Context, before []string) []string {
	if !w.door.TryLock() {
		return nil // a log-in is under way: its connection is not known yet
	}
	step, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	strays, err := w.keeper.Strays(step, w.madeAs, w.service.parts.Known(w.plan.Grant))
	w.door.Unlock()
	if err != nil || len(strays) == 0 {
		return nil
	}
	var twice []string
	for _, id := range strays {
		if slices.Contains(before, id) {
			twice = append(twice, id)
		}
	}
	if len(twice) == 0 {
		return strays
	}
	w.service.parts.Log.Error("an account is used past the gateway", "lease", w.plan.Lease, "connections", len(twice))
	if err := w.keeper.Terminate(step, twice); err != nil {
		w.service.parts.Log.Error("a stray connection could not be terminated", "lease", w.plan.Lease, "err", err)
	}
	w.tell(ctx, access.UsedOutside{LeaseTrouble: w.troubled("its account had connections that did not come through the gateway", nil)})
	return nil
}

// remove takes the account away and looks until it is gone, for ever.
func (w *worker) remove(ctx context.Context) {
	var total Residue
	for try := 0; ctx.Err() == nil; try++ {
		step, cancel := context.WithTimeout(ctx, stepBound)
		residue, err := w.keeper.Remove(step, w.plan, w.madeAs)
		cancel()
		total.Kept = append(total.Kept, residue.Kept...)
		total.Ended += residue.Ended
		total.Prepared += residue.Prepared
		if err == nil && residue.Gone {
			w.tell(ctx, access.LeaseVerified{LeaseVerified: curfew.LeaseVerified{
				Lease: w.plan.Lease, Kept: total.Kept, Ended: total.Ended, Prepared: total.Prepared, Notes: residue.Notes, Took: time.Since(w.endedAt).Round(time.Microsecond),
			}})
			return
		}
		what := "it is not gone yet"
		if err != nil {
			what = err.Error()
		}
		if try == 2 {
			w.service.parts.Log.Error("an account cannot be removed; it is tried again for ever", "lease", w.plan.Lease, "err", what, "remains", residue.Remains)
			w.tell(ctx, access.LeaseStuck{LeaseTrouble: w.troubled(what, residue.Remains)})
		}
		backoff(ctx, nil, try)
	}
}

// shutDoor locks the account again; the log-in is over. A door that does not
// shut ends the grant: it must not stay open.
func (w *worker) shutDoor(lock func(context.Context) error) {
	defer w.door.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), stepBound)
	defer cancel()
	for try := 0; try < 5; try++ {
		err := lock(ctx)
		if err == nil {
			return
		}
		w.service.parts.Log.Warn("an account could not be locked", "lease", w.plan.Lease, "err", err)
		backoff(ctx, nil, try)
	}
	w.tell(ctx, access.UsedOutside{LeaseTrouble: w.troubled("its account could not be locked after a log-in", nil)})
}
