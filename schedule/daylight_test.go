package schedule

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"pgregory.net/rapid"
)

// The nights on which clocks change. Paris 2026: forward 29 March 02:00 → 03:00,
// back 25 October 03:00 → 02:00. New York 2026: 8 March, 1 November. Lord Howe
// moves by 30 minutes: back 5 April 2026 02:00 → 01:30, forward 4 October 02:00 → 02:30.
func TestDaylightSaving(t *testing.T) {
	for _, c := range []struct {
		name, window, near string
		opens, closes      string // in UTC; empty: not open that day
	}{
		{"Paris, opening inside the gap moves to its end", "Sun 02:30-05:00 Europe/Paris", "2026-03-28T22:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"},
		{"Paris, closing inside the gap moves to its start", "Sun 00:30-02:30 Europe/Paris", "2026-03-28T22:00:00Z", "2026-03-28T23:30:00Z", "2026-03-29T01:00:00Z"},
		{"Paris, opening at the gap", "Sun 02:00-05:00 Europe/Paris", "2026-03-28T22:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"},
		{"Paris, opening after the gap", "Sun 03:00-05:00 Europe/Paris", "2026-03-28T22:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"},
		{"Paris, inside the gap it does not open", "Sun 02:15-02:45 Europe/Paris", "2026-03-28T22:00:00Z", "2026-04-05T00:15:00Z", "2026-04-05T00:45:00Z"},
		{"Paris, overnight over the gap is an hour shorter", "Sat 22:00-06:00 Europe/Paris", "2026-03-28T20:00:00Z", "2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z"},
		{"Paris, opening in the repeated hour is the second", "Sun 02:30-05:00 Europe/Paris", "2026-10-24T22:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T04:00:00Z"},
		{"Paris, closing in the repeated hour is the first", "Sun 00:30-02:30 Europe/Paris", "2026-10-24T22:00:00Z", "2026-10-24T22:30:00Z", "2026-10-25T00:30:00Z"},
		{"Paris, opening where the repeat begins is the second", "Sun 02:00-05:00 Europe/Paris", "2026-10-24T22:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T04:00:00Z"},
		{"Paris, closing where the repeat ends is not repeated", "Sun 00:30-03:00 Europe/Paris", "2026-10-24T22:00:00Z", "2026-10-24T22:30:00Z", "2026-10-25T02:00:00Z"},
		{"Paris, within the repeated hour it does not open", "Sun 02:15-02:45 Europe/Paris", "2026-10-24T22:00:00Z", "2026-11-01T01:15:00Z", "2026-11-01T01:45:00Z"},
		{"Paris, overnight over the repeat is an hour longer", "Sat 22:00-06:00 Europe/Paris", "2026-10-24T19:00:00Z", "2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z"},
		{"New York, opening inside the gap", "Sun 02:30-05:00 America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T07:00:00Z", "2026-03-08T09:00:00Z"},
		{"New York, closing in the repeated hour", "Sun 00:00-01:30 America/New_York", "2026-11-01T00:00:00Z", "2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z"},
		{"New York, opening in the repeated hour", "Sun 01:30-04:00 America/New_York", "2026-11-01T00:00:00Z", "2026-11-01T06:30:00Z", "2026-11-01T09:00:00Z"},
		{"Lord Howe, opening inside the gap of 30 minutes", "Sun 02:15-04:00 Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z", "2026-10-03T17:00:00Z"},
		{"Lord Howe, closing inside the gap", "Sun 01:00-02:15 Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T14:30:00Z", "2026-10-03T15:30:00Z"},
		{"Lord Howe, opening in the repeated half hour", "Sun 01:45-04:00 Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T15:15:00Z", "2026-04-04T17:30:00Z"},
		{"Lord Howe, closing in the repeated half hour", "Sun 01:00-01:45 Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T14:00:00Z", "2026-04-04T14:45:00Z"},
		{"a zone whose midnight is skipped opens at the jump", "Sun 00:00-24:00 America/Asuncion", "2023-09-30T12:00:00Z", "2023-10-01T04:00:00Z", "2023-10-02T03:00:00Z"},
		{"a day that a zone did not have is not open", "Fri 00:00-24:00 Pacific/Apia", "2011-12-28T12:00:00Z", "2012-01-05T10:00:00Z", "2012-01-06T10:00:00Z"},
		{"nor overnight from it", "Fri 22:00-06:00 Pacific/Apia", "2011-12-28T12:00:00Z", "2012-01-06T08:00:00Z", "2012-01-06T16:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := mustParse(t, c.window)
			opens := w.Opens(instant(t, c.near))
			if !opens.Equal(instant(t, c.opens)) {
				t.Fatalf("opens %s, want %s", opens.UTC().Format(time.RFC3339), c.opens)
			}
			if closes := w.Closes(opens); !closes.Equal(instant(t, c.closes)) {
				t.Errorf("closes %s, want %s", closes.UTC().Format(time.RFC3339), c.closes)
			}
			if w.Contains(opens.Add(-1)) || w.Contains(instant(t, c.closes)) {
				t.Error("open outside its bounds")
			}
		})
	}
}

// window draws windows in any zone, and instants near a change of its clock.
func window(t *rapid.T) (Window, time.Time) {
	zones := strings.Fields(zoneNames)
	days := rapid.SampledFrom([]string{"daily", "weekdays", "weekends", "Fri", "Sun", "Sat-Mon", "Tue,Thu"}).Draw(t, "days")
	from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
	to := rapid.IntRange(0, 24*60).Filter(func(m int) bool { return m != from }).Draw(t, "to")
	w, err := Parse(days + " " + clockText(int64(from*60)) + "-" + clockText(int64(to*60)) + " " + rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(rapid.Int64Range(0, 2<<30).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
	if _, ends := at.In(w.loc).ZoneBounds(); rapid.Bool().Draw(t, "near a change") && !ends.IsZero() {
		at = ends.Add(time.Duration(rapid.Int64Range(-100_000, 100_000).Draw(t, "from the change")) * time.Second)
	}
	return w, at
}

func TestWindowsAreConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, at := window(t)
		closes := w.Closes(at)
		if w.Contains(at) != at.Before(closes) {
			t.Fatalf("%s contains %s: %v, but closes %s", w, at, w.Contains(at), closes)
		}
		if !closes.IsZero() && !w.Contains(closes.Add(-1)) {
			t.Fatalf("%s is closed just before it closes", w)
		}
		opens := w.Opens(at)
		if opens.IsZero() {
			t.Fatalf("%s never opens after %s", w, at)
		}
		if !opens.After(at) || !w.Contains(opens) {
			t.Fatalf("%s opens %s, which is not after %s and inside", w, opens, at)
		}
		from := at
		if !closes.IsZero() {
			from = closes
		}
		for range 50 { // nothing between
			between := from.Add(time.Duration(rapid.Float64Range(0, 1).Draw(t, "between") * float64(opens.Sub(from))))
			if opens.After(from) && between.Before(opens) && w.Contains(between) {
				t.Fatalf("%s is open at %s, before it opens at %s", w, between, opens)
			}
		}
		if again, err := Parse(w.String()); err != nil || again.String() != w.String() || again.days != w.days || again.to != w.to {
			t.Fatalf("%s is read as %s: %v", w, again, err)
		}
	})
}

// TestNeverOpenOutsideTheClock compares with what a clock on the wall shows:
// inside the window, the wall is inside it too (the shorter reading).
func TestNeverOpenOutsideTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, at := window(t)
		if !w.Contains(at) {
			return
		}
		local := at.In(w.loc)
		h, m, s := local.Clock()
		second := int64(h*3600 + m*60 + s)
		today := w.days&(1<<local.Weekday()) != 0 && w.from <= second && second < w.to
		yesterday := w.days&(1<<((local.Weekday()+6)%7)) != 0 && second < w.to-daySeconds
		if !today && !yesterday {
			t.Fatalf("%s is open at %s", w, local)
		}
	})
}

func TestSetsContinueThroughTouchingWindows(t *testing.T) {
	set := func(texts ...string) Set {
		s, err := ParseAll(texts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	noon := instant(t, "2026-06-02T12:00:00Z") // a Tuesday
	for _, c := range []struct {
		name   string
		set    Set
		closes string
		opens  string
	}{
		{"one window", set("Mon-Fri 09:00-18:00 UTC"), "2026-06-02T18:00:00Z", "2026-06-03T09:00:00Z"},
		{"touching", set("Tue 09:00-18:00 UTC", "Tue 18:00-20:00 UTC"), "2026-06-02T20:00:00Z", "2026-06-09T09:00:00Z"},
		{"overlapping, in any order", set("Tue 17:00-23:00 UTC", "Tue 09:00-18:00 UTC"), "2026-06-02T23:00:00Z", "2026-06-09T09:00:00Z"},
		{"over midnight", set("Tue,Wed 00:00-24:00 UTC"), "2026-06-04T00:00:00Z", "2026-06-09T00:00:00Z"},
		{"a gap of an hour", set("Tue 09:00-18:00 UTC", "Tue 19:00-20:00 UTC"), "2026-06-02T18:00:00Z", "2026-06-02T19:00:00Z"},
		{"closed now", set("Sat 09:00-18:00 UTC"), "", "2026-06-06T09:00:00Z"},
		{"always open closes at the horizon and does not open", set("daily 00:00-24:00 UTC"), "2026-08-03T12:00:00Z", ""},
		{"the empty set", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := func(text string) time.Time {
				if text == "" {
					return time.Time{}
				}
				return instant(t, text)
			}
			if got := c.set.Closes(noon); !got.Equal(want(c.closes)) {
				t.Errorf("closes %s, want %s", got, c.closes)
			}
			if got := c.set.Opens(noon); !got.Equal(want(c.opens)) {
				t.Errorf("opens %s, want %s", got, c.opens)
			}
			if got := c.set.Contains(noon); got != (c.closes != "") {
				t.Errorf("contains: %v", got)
			}
		})
	}
	if _, err := ParseAll([]string{"daily 09:00-18:00 UTC", "x"}); err == nil {
		t.Error("a set with a bad window was read")
	}
}

func TestTheZeroWindowIsNeverOpen(t *testing.T) {
	var w Window
	now := time.Unix(0, 0)
	if w.Contains(now) || !w.Closes(now).IsZero() || !w.Opens(now).IsZero() || w.String() != "never" || w.Location() != time.UTC || len(w.Days()) > 0 {
		t.Error("the zero window opens")
	}
}

func TestFreezes(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 12, 24, h, 0, 0, 0, time.UTC) }
	freezes := []curfew.Freeze{{Name: "late", From: at(18), To: at(20)}, {Name: "short", From: at(10), To: at(11)}, {Name: "long", From: at(10), To: at(12)}, {Name: "turned", From: at(16), To: at(15)}}
	for _, c := range []struct {
		hour         int
		frozen, next string
	}{
		{9, "", "short"}, {10, "long", "late"}, {11, "long", "late"}, {12, "", "late"}, {15, "", "late"}, {18, "late", ""}, {20, "", ""},
	} {
		frozen, ok := Frozen(freezes, at(c.hour))
		next, some := NextFreeze(freezes, at(c.hour))
		if frozen.Name != c.frozen || ok != (c.frozen != "") || next.Name != c.next || some != (c.next != "") {
			t.Errorf("at %d: frozen by %q, next %q", c.hour, frozen.Name, next.Name)
		}
	}
}

func TestContainsDoesNotAllocate(t *testing.T) {
	w := mustParse(t, "Mon-Fri 22:00-06:00 Australia/Lord_Howe")
	at := time.Unix(1_780_000_000, 0)
	if n := testing.AllocsPerRun(100, func() { w.Contains(at) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkContains(b *testing.B) {
	w := mustParse(b, "Mon-Fri 09:00-18:00 Europe/Paris")
	at := time.Unix(1_780_000_000+rand.Int64N(1000), 0)
	for b.Loop() {
		w.Contains(at)
	}
}
