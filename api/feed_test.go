package api

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/history"
)

// slow are lists that have come no further than until.
type slow struct {
	history.Store
	until *atomic.Uint64
}

func (s slow) Position() uint64 { return min(s.Store.Position(), s.until.Load()) }

func (s slow) Entries(ctx context.Context, f history.Filter) ([]history.Entry, error) {
	if b := s.until.Load() + 1; b != 0 && (f.Before == 0 || f.Before > b) {
		f.Before = b
	}
	return s.Store.Entries(ctx, f)
}

// holdLists keeps the lists from coming further than a position; let lets them.
func (o *office) holdLists(at uint64) (let func()) {
	o.t.Helper()
	var until atomic.Uint64
	until.Store(at)
	o.server.parts.History = slow{o.server.parts.History, &until}
	return func() { until.Store(^uint64(0)) }
}

// However long the lists lag behind what happened, who follows is told of it once they do not.
func TestTheFeedWaitsForTheListsToTell(t *testing.T) {
	o := newOffice(t)
	let := o.holdLists(o.size())
	f := o.stream("dana", "/api/v1/feed")
	time.Sleep(300 * time.Millisecond)
	_, err := o.access.Do(t.Context(), access.Deny{Request: aliceRequest, By: o.who["dana"]})
	must(t, err)
	time.Sleep(listBound + 500*time.Millisecond)
	let()
	time.Sleep(2 * time.Second)
	if got := hints(t, f.stop()); !slices.Contains(got, "requests") {
		t.Errorf("she is told of %v", got)
	}
}

// A feed whose lists never catch up ends with its stream all the same.
func TestTheFeedEndsWhileItWaitsForTheLists(t *testing.T) {
	o := newOffice(t)
	o.holdLists(o.size())
	f := o.stream("dana", "/api/v1/feed")
	time.Sleep(300 * time.Millisecond)
	_, err := o.access.Do(t.Context(), access.Deny{Request: aliceRequest, By: o.who["dana"]})
	must(t, err)
	time.Sleep(200 * time.Millisecond)
	over := make(chan string, 1)
	go func() { over <- f.stop() }()
	select {
	case text := <-over:
		if got := hints(t, text); len(got) != 0 {
			t.Errorf("she is told of %v, which no list has", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}
