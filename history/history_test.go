package history_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
)

// counting is a store that counts, and fails as told.
type counting struct {
	history.Store
	mu       sync.Mutex
	position uint64 // guarded by mu
	fails    int    // guarded by mu
}

func (c *counting) Position() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

func (c *counting) Apply(_ context.Context, events []curfew.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails > 0 {
		c.fails--
		return errors.New("disk full")
	}
	if events[0].Position != c.position+1 {
		return errors.New("an event is missing")
	}
	c.position = events[len(events)-1].Position
	return nil
}

func TestFollowingGoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := ledgertest.Begun(t, ledgermem.New), &counting{fails: 3}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- history.Follow(ctx, l, s, slog.New(slog.DiscardHandler)) }()
		if history.Reach(ctx, s, 1, 500*time.Millisecond) {
			t.Error("it is said to be there, and is not")
		}
		if !history.Reach(ctx, s, 1, time.Minute) {
			t.Error("it never came")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAHistoryOfAnotherLedgerIsRefused(t *testing.T) {
	err := history.Follow(context.Background(), ledgertest.Begun(t, ledgermem.New), &counting{position: 7}, slog.New(slog.DiscardHandler))
	if curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("a history ahead of its ledger: %v", err)
	}
}
