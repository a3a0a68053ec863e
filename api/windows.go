package api

import (
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/schedule"
)

// A card shows one day, wherever on earth its reader is: these bounds hold it, and no more than
// mostSpans of it are told.
const (
	dayBefore = 36 * time.Hour
	dayAfter  = 60 * time.Hour
	mostSpans = 24
)

// openAround are the windows around a moment.
func openAround(hours []string, now time.Time) (out []client.Span) {
	set, err := schedule.ParseAll(hours)
	if err != nil || len(hours) == 0 {
		return nil
	}
	at, end := now.Add(-dayBefore), now.Add(dayAfter)
	for len(out) < mostSpans {
		from := at
		if !set.Contains(from) {
			from = set.Opens(from)
		}
		if from.IsZero() || !from.Before(end) {
			return out
		}
		to := set.Closes(from)
		if to.IsZero() || to.After(end) {
			to = end
		}
		out = append(out, client.Span{From: from, To: to})
		if !to.After(at) || !to.Before(end) {
			return out
		}
		at = to
	}
	return out
}

// frozenAround are the freezes around a moment, in the order in which they begin.
func frozenAround(all map[string]curfew.Freeze, now time.Time) (out []client.Span) {
	for _, f := range slices.SortedFunc(maps.Values(all), func(a, b curfew.Freeze) int { return a.From.Compare(b.From) }) {
		if f.To.After(now.Add(-dayBefore)) && f.From.Before(now.Add(dayAfter)) && len(out) < mostSpans {
			out = append(out, client.Span{From: f.From, To: f.To})
		}
	}
	return out
}
