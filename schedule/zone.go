package schedule

import "time"

// widestOffset exceeds every offset from UTC that a zone ever had (Manila's
// -15:56 before 1844 is the largest).
const widestOffset = 16 * 60 * 60

// instants returns the first and the last instant at which clocks in loc show
// the local time, given in seconds as if it were UTC. They differ where the
// clock is set back over it; where the clock jumps over it, both are the jump.
func instants(local int64, loc *time.Location) (first, last int64) {
	var shown, jumped bool
	var jump int64
	at := time.Unix(local-widestOffset, 0).In(loc)
	for {
		_, offset := at.Zone()
		begins, ends := at.ZoneBounds()
		candidate := local - int64(offset)
		if within(candidate, begins, ends) {
			if !shown {
				first = candidate
			}
			last, shown = candidate, true
		}
		if ends.IsZero() || ends.Unix() > local+widestOffset {
			break
		}
		_, next := ends.Zone()
		if ends.Unix() <= candidate && local-int64(next) < ends.Unix() {
			jump, jumped = ends.Unix(), true
		}
		at = ends
	}
	if !shown && jumped {
		return jump, jump
	}
	return first, last
}

// within reports whether an instant lies in a period of a zone, whose bounds
// are zero where it has none.
func within(instant int64, begins, ends time.Time) bool {
	return (begins.IsZero() || begins.Unix() <= instant) && (ends.IsZero() || instant < ends.Unix())
}
