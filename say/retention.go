package say

import (
	"fmt"
	"time"
)

// Kept says how long: "90 days"; zero is "for ever".
func Kept(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d <= 0:
		return "for ever"
	case d == day:
		return "1 day"
	case d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	}
	return Duration(d)
}

// Retention is the rule for recordings, read aloud.
func Retention(recordings time.Duration) string {
	if recordings <= 0 {
		return "Recordings are kept for ever."
	}
	return fmt.Sprintf("Recordings are removed %s after their session's end, unless somebody holds them; what was recorded under a longer promise is kept as long as that said.", Kept(recordings))
}

// Removed says why a recording is not there any more.
func Removed(session string, at time.Time, kept time.Duration) string {
	return fmt.Sprintf("the recording of %s was removed on %s by the retention of %s", Clean(session, 40), at.Format("2006-01-02 15:04 MST"), Kept(kept))
}
