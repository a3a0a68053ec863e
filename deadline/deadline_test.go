package deadline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stand is a scheduler whose clocks may be shifted against the
// bubble's time.
type stand struct {
	*Scheduler
	fired chan []string
	wall  atomic.Int64 // added to the wall clock
	boot  atomic.Int64 // added to the boot clock
}

func run(t *testing.T, f func(s *stand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &stand{fired: make(chan []string, 100)}
		clock := Clock{
			Wall: func() time.Time { return time.Now().Add(time.Duration(s.wall.Load())) },
			Boot: func() time.Duration { return time.Since(start) + time.Duration(s.boot.Load()) },
		}
		s.Scheduler = New(clock, func(ids []string) { s.fired <- ids })
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		f(s)
		over := errors.New("over")
		cancel(over)
		if err := <-done; !errors.Is(err, over) {
			t.Errorf("Run = %v, want the cause of the end", err)
		}
	})
}

// after waits that long and returns what was fired until then.
func (s *stand) after(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	var all []string
	for {
		select {
		case ids := <-s.fired:
			all = append(all, ids...)
		default:
			return all
		}
	}
}

func want(t *testing.T, got []string, ids ...string) {
	t.Helper()
	if !slices.Equal(got, ids) {
		t.Errorf("fired %q, want %q", got, ids)
	}
}

func TestEndsFireInOrderAtTheirTime(t *testing.T) {
	run(t, func(s *stand) {
		now := time.Now()
		s.Set("b", now.Add(2*time.Second))
		s.Set("a", now.Add(time.Second))
		s.Set("c", now.Add(2*time.Second))
		want(t, s.after(time.Second-1))
		want(t, s.after(1), "a")
		want(t, s.after(time.Second-1))
		want(t, s.after(1), "b", "c")
	})
}

func TestSetAgainMovesAndCancelForgets(t *testing.T) {
	run(t, func(s *stand) {
		now := time.Now()
		s.Set("moved later", now.Add(time.Second))
		s.Set("moved later", now.Add(3*time.Second))
		s.Set("moved nearer", now.Add(time.Hour))
		s.Set("moved nearer", now.Add(2*time.Second))
		s.Set("gone", now.Add(time.Second))
		s.Cancel("gone")
		s.Cancel("never was")
		if s.Len() != 2 {
			t.Errorf("Len = %d", s.Len())
		}
		want(t, s.after(time.Second))
		want(t, s.after(time.Second), "moved nearer")
		want(t, s.after(time.Second), "moved later")
	})
}

func TestPastAndZeroFireAtOnce(t *testing.T) {
	run(t, func(s *stand) {
		s.Set("past", time.Now().Add(-time.Hour))
		s.Set("zero", time.Time{})
		s.Set("never", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
		got := s.after(0)
		slices.Sort(got)
		want(t, got, "past", "zero")
		want(t, s.after(10*time.Minute))
	})
}

func TestClockSteppedBackDelaysNothing(t *testing.T) {
	run(t, func(s *stand) {
		s.Set("x", time.Now().Add(time.Minute))
		s.after(time.Second)
		s.wall.Store(-int64(time.Hour))
		want(t, s.after(59*time.Second), "x")
	})
}

func TestClockSteppedForwardEndsWithinASweep(t *testing.T) {
	run(t, func(s *stand) {
		s.Set("x", time.Now().Add(time.Minute))
		s.after(time.Second)
		s.wall.Store(int64(time.Hour))
		want(t, s.after(Sweep), "x")
	})
}

func TestSuspendedMachineDoesNotOverstay(t *testing.T) {
	run(t, func(s *stand) {
		s.Set("x", time.Now().Add(time.Minute))
		s.after(time.Second)
		s.boot.Store(int64(time.Hour)) // asleep for an hour, and the wall clock was not set again
		want(t, s.after(Sweep), "x")
	})
}

func TestEndSetAfterAStepBackCountsFromThere(t *testing.T) {
	run(t, func(s *stand) {
		s.Set("old", time.Now().Add(time.Minute))
		s.wall.Store(-int64(time.Hour))
		s.Set("new", s.clock.Wall().Add(30*time.Second))
		want(t, s.after(30*time.Second), "new")
		want(t, s.after(30*time.Second), "old")
	})
}

func TestFireMaySetAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *Scheduler
		n := 0
		ctx, cancel := context.WithCancel(t.Context())
		s = New(System(), func([]string) {
			s.Cancel("other")
			if n++; n == 3 {
				cancel()
			}
			s.Set("again", time.Now().Add(time.Second))
		})
		s.Set("again", time.Now())
		s.Set("other", time.Now().Add(time.Hour))
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) || n != 3 {
			t.Errorf("Run = %v after %d fires", err, n)
		}
	})
}

func TestThousandsInOneInstantAreOneBatch(t *testing.T) {
	run(t, func(s *stand) {
		now := time.Now()
		for i := range 100_000 {
			at := now.Add(time.Hour + time.Duration(i)*time.Second)
			if i%22 == 0 {
				at = now.Add(time.Minute)
			}
			s.Set(fmt.Sprint(i), at)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if ids := <-s.fired; len(ids) != 4546 || len(s.fired) != 0 {
			t.Errorf("%d in the first batch, %d batches more", len(ids), len(s.fired))
		}
		if s.Len() != 100_000-4546 {
			t.Errorf("Len = %d", s.Len())
		}
	})
}

func TestHeapsAgreeWithASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wall, boot int64
		var got []string
		s := New(Clock{
			Wall: func() time.Time { return time.Unix(0, wall) },
			Boot: func() time.Duration { return time.Duration(boot) },
		}, nil)
		type end struct{ wall, boot int64 }
		model := map[string]end{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "id")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				at := wall + rapid.Int64Range(1, 100).Draw(t, "in")
				s.Set(id, time.Unix(0, at))
				model[id] = end{at, boot + at - wall}
			case 2:
				s.Cancel(id)
				delete(model, id)
			case 3:
				boot += rapid.Int64Range(0, 50).Draw(t, "passes")
				wall = max(0, wall+rapid.Int64Range(-50, 50).Draw(t, "steps"))
				got, _ = s.due()
				var over []string
				for id, e := range model {
					if e.wall <= wall || e.boot <= boot {
						over = append(over, id)
						delete(model, id)
					}
				}
				slices.Sort(over)
				slices.Sort(got)
				if !slices.Equal(got, over) {
					t.Fatalf("due %q, want %q", got, over)
				}
			}
			if s.Len() != len(model) {
				t.Fatalf("Len %d, want %d", s.Len(), len(model))
			}
		}
	})
}

func BenchmarkDue4500Of100k(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		var wall int64
		s := New(Clock{
			Wall: func() time.Time { return time.Unix(0, wall) },
			Boot: func() time.Duration { return time.Duration(wall) },
		}, nil)
		for i := range 100_000 {
			at := int64(1 + i%22*1000)
			s.Set(fmt.Sprint(i), time.Unix(0, at))
		}
		wall = 1
		b.StartTimer()
		if ids, _ := s.due(); len(ids) != 4546 {
			b.Fatal(len(ids))
		}
	}
}
