package api

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

func TestTheHoursAroundADay(t *testing.T) {
	now := time.Date(2026, 6, 2, 14, 0, 0, 0, time.UTC) // a Tuesday
	spans := openAround([]string{"Mon-Fri 09:00-18:00 UTC", "Tue 17:00-20:00 UTC"}, now)
	want := []string{"01 09:00-01 18:00", "02 09:00-02 20:00", "03 09:00-03 18:00", "04 09:00-04 18:00"}
	if len(spans) != len(want) {
		t.Fatalf("%v", spans)
	}
	for i, s := range spans {
		if got := s.From.UTC().Format("02 15:04") + "-" + s.To.UTC().Format("02 15:04"); got != want[i] {
			t.Errorf("%s, not %s", got, want[i])
		}
	}
	if got := openAround([]string{"daily 00:00-24:00 UTC"}, now); len(got) != 1 || !got[0].From.Before(now) || !got[0].To.After(now) {
		t.Errorf("always open: %v", got)
	}
	for _, none := range [][]string{nil, {"no window"}} {
		if got := openAround(none, now); got != nil {
			t.Errorf("%v: %v", none, got)
		}
	}
	frozen := frozenAround(map[string]curfew.Freeze{
		"past": {From: now.AddDate(0, 0, -9), To: now.AddDate(0, 0, -8)}, "now": {From: now.Add(-time.Hour), To: now.Add(time.Hour)}, "far": {From: now.AddDate(0, 1, 0), To: now.AddDate(0, 2, 0)},
	}, now)
	if len(frozen) != 1 || !frozen[0].To.Equal(now.Add(time.Hour)) {
		t.Errorf("%v", frozen)
	}
}
