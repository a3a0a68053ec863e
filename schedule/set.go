package schedule

import (
	"time"

	"github.com/curfewhq/curfew"
)

// Set is open whenever one of its windows is. The empty Set is never open; that
// a policy without hours is always open is the policy's word, not the Set's.
type Set []Window

// ParseAll reads every text, and fails on the first that is no window.
func ParseAll(texts []string) (Set, error) {
	set := make(Set, 0, len(texts))
	for _, text := range texts {
		w, err := Parse(text)
		if err != nil {
			return nil, err
		}
		set = append(set, w)
	}
	return set, nil
}

// Contains reports whether one of the windows is open at t.
func (s Set) Contains(t time.Time) bool {
	for _, w := range s {
		if w.Contains(t) {
			return true
		}
	}
	return false
}

// Closes returns the instant at which the set, open at t, is closed for the
// first time, continuing through windows that touch or overlap; the zero time
// if it is not open at t. A set that stays open for the Horizon closes then.
func (s Set) Closes(t time.Time) time.Time {
	closes := t
	for closes.Sub(t) < Horizon {
		later := s.latest(closes)
		if later.IsZero() {
			break
		}
		closes = later
	}
	if closes.Equal(t) {
		return time.Time{}
	}
	if closes.Sub(t) > Horizon {
		return t.Add(Horizon)
	}
	return closes
}

// latest returns the latest closing of the windows that are open at t.
func (s Set) latest(t time.Time) time.Time {
	var latest time.Time
	for _, w := range s {
		if closes := w.Closes(t); closes.After(latest) {
			latest = closes
		}
	}
	return latest
}

// Opens returns the first instant after t at which the set opens, having been
// closed; the zero time if there is none within the Horizon.
func (s Set) Opens(t time.Time) time.Time {
	from := t
	if closes := s.Closes(t); !closes.IsZero() {
		// The set is closed at that instant, so an opening lies strictly after it.
		from = closes
	}
	var first time.Time
	for _, w := range s {
		if opens := w.Opens(from); !opens.IsZero() && (first.IsZero() || opens.Before(first)) {
			first = opens
		}
	}
	if first.Sub(t) > Horizon {
		return time.Time{}
	}
	return first
}

// Frozen returns the freeze that holds at t, the one that ends last if several do.
func Frozen(freezes []curfew.Freeze, t time.Time) (curfew.Freeze, bool) {
	var found curfew.Freeze
	var ok bool
	for _, f := range freezes {
		if !t.Before(f.From) && t.Before(f.To) && (!ok || f.To.After(found.To)) {
			found, ok = f, true
		}
	}
	return found, ok
}

// NextFreeze returns the freeze that starts first after t.
func NextFreeze(freezes []curfew.Freeze, t time.Time) (curfew.Freeze, bool) {
	var found curfew.Freeze
	var ok bool
	for _, f := range freezes {
		if f.From.After(t) && f.To.After(f.From) && (!ok || f.From.Before(found.From)) {
			found, ok = f, true
		}
	}
	return found, ok
}
