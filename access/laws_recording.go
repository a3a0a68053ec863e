package access

import (
	"time"

	"github.com/curfewhq/curfew"
)

// lawPromise is a retention and since when it was in force.
type lawPromise struct {
	since time.Time
	kept  time.Duration
}

// checkRecording: what is held is not removed, nor released by who holds it or by
// the person whose session it is; what is removed was kept as long as was promised
// at any time since it ended, and its session is over.
func (l *Laws) checkRecording(e curfew.Event) error {
	switch e.Kind {
	case curfew.KindRetentionChanged:
		return see(e, func(b curfew.RetentionChanged) error {
			l.longest = append(l.longest, lawPromise{e.Time, b.Retention.Recordings})
			return nil
		})
	case curfew.KindRecordingHeld:
		return see(e, func(b curfew.RecordingActed) error {
			if l.holds[b.Session] == nil {
				l.holds[b.Session] = map[curfew.Principal]bool{}
			}
			l.holds[b.Session][b.By] = true
			return nil
		})
	case curfew.KindRecordingReleased:
		return see(e, func(b curfew.RecordingActed) error {
			if b.By == b.Of || b.By == b.Whose || !l.holds[b.Session][b.Of] {
				return broken("the recording of %s was released by somebody who may not", b.Session)
			}
			delete(l.holds[b.Session], b.Of)
			return nil
		})
	}
	return see(e, func(b curfew.RecordingRemoved) error { return l.checkRemoved(e.Time, b) })
}

func (l *Laws) checkRemoved(at time.Time, b curfew.RecordingRemoved) error {
	if len(l.holds[b.Session]) > 0 {
		return broken("the recording of %s was removed while it was held", b.Session)
	}
	if _, open := l.sessions[b.Session]; open {
		return broken("the recording of %s was removed while its session was open", b.Session)
	}
	first := -1 // the promise in force at the session's end; -1: for ever
	for i, p := range l.longest {
		if !p.since.After(b.Ended) {
			first = i
		}
	}
	if first < 0 {
		return broken("the recording of %s was removed, and was to be kept for ever", b.Session)
	}
	for _, p := range l.longest[first:] {
		if p.kept == 0 || at.Sub(b.Ended) < p.kept {
			return broken("the recording of %s was removed sooner than was promised", b.Session)
		}
	}
	return nil
}
