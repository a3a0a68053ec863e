package access

import (
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// clockBound is how far the wall clock may step, or lie behind the ledger,
// before admission is closed.
const clockBound = 2 * time.Second

// steps finds out that the wall clock was stepped: it moved otherwise than the
// monotonic clock did.
type steps struct {
	mu   sync.Mutex
	last time.Time // guarded by mu; with a monotonic reading
}

// look returns by how much the wall clock was stepped since the last look.
func (s *steps) look(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last
	s.last = now
	if last.IsZero() {
		return 0
	}
	step := now.Round(0).Sub(last.Round(0)) - now.Sub(last)
	if step.Abs() <= clockBound {
		return 0
	}
	return step
}

// watchClock closes admission by window when the clock is stepped (THREATS 19).
func (s *Service) watchClock(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if step := s.stepped.look(time.Now()); step != 0 {
				s.log.Warn("the clock was stepped", "by", step)
				if _, err := s.Do(ctx, Note{curfew.KindClockStepped, curfew.ClockStepped{By: step}}); err != nil {
					s.log.Error("a clock step could not be written", "err", err)
				}
			}
		}
	}
}
