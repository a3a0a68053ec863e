package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/history"
)

// story is events of n grants, as they come: asked, approved, started, used, ended.
func story(n int) (events []curfew.Event) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	add := func(k curfew.Kind, body any) {
		text, _ := json.Marshal(body)
		at = at.Add(time.Second)
		events = append(events, curfew.Event{Position: uint64(len(events) + 1), Time: at, Kind: k, Body: text})
	}
	for i := range n {
		who, g, r, s := curfew.Principal(fmt.Sprint("p_", i%3)), curfew.GrantID(fmt.Sprint("gr_", i)), curfew.RequestID(fmt.Sprint("rq_", i)), curfew.SessionID(fmt.Sprint("s_", i))
		add(curfew.KindRequestAsked, curfew.RequestAsked{Request: r, Principal: who, Role: "read", Resource: "db", Duration: time.Hour})
		if i%4 == 3 {
			add(curfew.KindRequestDenied, curfew.RequestActed{Request: r, By: "p_9", Cause: curfew.CauseDenied})
			continue
		}
		add(curfew.KindGrantApproved, curfew.GrantApproved{Grant: g, Request: r, Principal: who, Role: "read", Resource: "db", Duration: time.Hour})
		add(curfew.KindGrantStarted, curfew.GrantStarted{Grant: g, End: at.Add(time.Hour)})
		add(curfew.KindSessionOpened, curfew.SessionOpened{Session: s, Grant: g, Principal: who, Resource: "db"})
		if i%2 == 0 {
			add(curfew.KindSessionEnded, curfew.SessionEnded{Session: s, Cause: curfew.CauseClosed, Statements: int64(i)})
			add(curfew.KindGrantEnded, curfew.GrantEnded{Grant: g, Cause: curfew.CauseReturned, By: who})
		}
	}
	return events
}

// all is everything that the lists say.
func all(t interface{ Fatal(...any) }, s *Store) string {
	ctx := context.Background()
	var lists [4]any
	var errs [4]error
	lists[0], errs[0] = s.Requests(ctx, history.Filter{Limit: 1000})
	lists[1], errs[1] = s.Grants(ctx, history.Filter{Limit: 1000})
	lists[2], errs[2] = s.Sessions(ctx, history.Filter{Limit: 1000})
	lists[3], errs[3] = s.Entries(ctx, history.Filter{Limit: 1000})
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	text, _ := json.Marshal(lists)
	return fmt.Sprint(s.Position(), " ", string(text))
}

func open(t interface{ Fatal(...any) }, path string) *Store {
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// However the events come, in whatever batches and with whatever failures and
// restarts between them, the lists are those of a history built at once.
func TestAHistoryIsTheSameHoweverItWasBuilt(t *testing.T) {
	ctx := context.Background()
	folder := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		events := story(rapid.IntRange(1, 4).Draw(t, "grants"))
		whole := open(t, "")
		defer func() { _ = whole.Close() }()
		if err := whole.Apply(ctx, events); err != nil {
			t.Fatal(err)
		}
		n++
		path := filepath.Join(folder, fmt.Sprint(n, ".db"))
		s := open(t, path)
		for rest := events; len(rest) > 0; {
			batch := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			switch rapid.IntRange(0, 3).Draw(t, "what happens") {
			case 0: // the process ends
				_ = s.Close()
				s = open(t, path)
			case 1: // it fails at the last event: nothing of the batch counts
				bad := append(append([]curfew.Event(nil), rest[:batch]...), curfew.Event{Position: rest[batch-1].Position + 1, Kind: curfew.KindSessionEnded, Body: []byte(`7`)})
				before := all(t, s)
				if err := s.Apply(ctx, bad); err == nil {
					t.Fatal("an event that cannot be read was taken")
				}
				if after := all(t, s); after != before {
					t.Fatalf("a batch that failed left something:\n%s\n%s", before, after)
				}
			}
			if err := s.Apply(ctx, rest[:batch]); err != nil {
				t.Fatal(err)
			}
			rest = rest[batch:]
		}
		if got, want := all(t, s), all(t, whole); got != want {
			t.Fatalf("it differs:\n%s\n%s", got, want)
		}
		_ = s.Close()
	})
}

// A page after a page holds what one long page does, whatever the filter.
func TestPagesComeOneAfterTheOther(t *testing.T) {
	ctx := context.Background()
	s := open(t, "")
	defer func() { _ = s.Close() }()
	if err := s.Apply(ctx, story(40)); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := history.Filter{
			Principal: rapid.SampledFrom([]curfew.Principal{"", "p_0", "p_1"}).Draw(t, "who"),
			Status:    rapid.SampledFrom([]string{"", "active", "ended"}).Draw(t, "status"),
			Limit:     1000,
		}
		want, err := s.Grants(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		f.Limit = rapid.IntRange(1, 7).Draw(t, "limit")
		var got []history.Grant
		for {
			page, err := s.Grants(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if len(page) < f.Most() {
				break
			}
			f.Before = page[len(page)-1].Position
		}
		if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%d in pages of %d, %d at once", len(got), f.Limit, len(want))
		}
	})
}
