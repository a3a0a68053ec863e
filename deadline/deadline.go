// Package deadline is the one scheduler of ends. It remembers when things end
// and says so, in batches, at that moment or at the first moment after it.
//
// Two clocks count, and the first to say "over" wins: the wall clock, and the
// time that has passed since the end was set, by a clock that nobody can set
// and that goes on while the machine is suspended. So a wall clock that steps
// back never delays an end, and a suspended machine does not overstay.
//
// It never decides what an end means, never persists anything, and never calls
// back while it holds its lock.
package deadline

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Sweep is the longest pause between two looks at the clocks. Go's timers do not
// count a suspended machine's sleep, so waiting for them alone would overstay.
const Sweep = 100 * time.Millisecond

// Scheduler holds ends. Make one with New.
type Scheduler struct {
	fire  func(ids []string)
	clock Clock
	wake  chan struct{} // holds one token when the next end may have come nearer

	mu     sync.Mutex
	byID   map[string]*entry // guarded by mu
	byWall heap              // guarded by mu
	byBoot heap              // guarded by mu
}

// New makes a scheduler that calls fire with the identifiers whose end has come,
// earliest first. fire runs on Run's goroutine, one call at a time: what is slow
// delays the ends after it. It may call Set and Cancel.
func New(clock Clock, fire func(ids []string)) *Scheduler {
	return &Scheduler{
		fire:   fire,
		clock:  clock,
		wake:   make(chan struct{}, 1),
		byID:   map[string]*entry{},
		byWall: heap{slot: onWall},
		byBoot: heap{slot: onBoot},
	}
}

// Set says that id ends at that time, in place of what was set for it before. A
// time that is past, or zero, fires at once.
func (s *Scheduler) Set(id string, at time.Time) {
	wall, boot := s.clock.Wall(), s.clock.Boot()
	e := &entry{id: id}
	e.due[onWall] = nanos(at)
	e.due[onBoot] = later(boot, e.due[onWall], nanos(wall))

	s.mu.Lock()
	s.drop(id)
	s.byID[id] = e
	s.byWall.push(e)
	s.byBoot.push(e)
	first := s.byWall.top() == e || s.byBoot.top() == e
	s.mu.Unlock()

	if first {
		s.poke()
	}
}

// Cancel forgets id. A batch that is already being fired is not called back.
func (s *Scheduler) Cancel(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(id)
}

// Len is how many ends are waiting.
func (s *Scheduler) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}

// Run fires ends until ctx is over, and returns its cause. Call it once, and wait
// for it.
func (s *Scheduler) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		ids, pause := s.due()
		if len(ids) > 0 {
			s.fire(ids)
			continue
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// due takes out what is over by either clock, earliest first, and says how long
// to wait for the next look.
func (s *Scheduler) due() (ids []string, pause time.Duration) {
	wall, boot := nanos(s.clock.Wall()), int64(s.clock.Boot())
	s.mu.Lock()
	defer s.mu.Unlock()

	var over []*entry
	for e := s.byWall.top(); e != nil && e.due[onWall] <= wall; e = s.byWall.top() {
		over = append(over, e)
		s.drop(e.id)
	}
	for e := s.byBoot.top(); e != nil && e.due[onBoot] <= boot; e = s.byBoot.top() {
		over = append(over, e)
		s.drop(e.id)
	}
	slices.SortFunc(over, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.due[onWall], b.due[onWall]), cmp.Compare(a.id, b.id))
	})
	for _, e := range over {
		ids = append(ids, e.id)
	}
	if len(s.byID) == 0 {
		return ids, math.MaxInt64 // Set wakes us
	}
	next := min(s.byWall.top().due[onWall]-wall, s.byBoot.top().due[onBoot]-boot, int64(Sweep))
	return ids, time.Duration(next)
}

// drop takes id out of both heaps. s.mu is held.
func (s *Scheduler) drop(id string) {
	e, ok := s.byID[id]
	if !ok {
		return
	}
	delete(s.byID, id)
	s.byWall.remove(e)
	s.byBoot.remove(e)
}

func (s *Scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
