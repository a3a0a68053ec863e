package say

import (
	"fmt"
	"strings"
	"time"
)

// Sum is what a grant came to.
type Sum struct {
	Asked                     time.Duration
	Started, Ended            time.Time // Started is zero if it never began
	Verified                  time.Time // zero: not yet
	Live                      int       // sessions that are not over yet
	Sessions, Cut             int
	Statements, Refused, Rows int64
	Kept                      []string // what was left behind and where it went
	Notes                     []string // how far it was looked, and what else was seen
	Trouble                   string   // what stands in the way of its removal
}

// Receipt is one paragraph for both the requester and those who agreed: what was
// asked for, what was used, what was refused, and whether anything is left.
func Receipt(s Sum) string {
	var parts []string
	switch {
	case s.Started.IsZero():
		return "Never used: it ended before it began." + left(s)
	case s.Sessions == 0:
		parts = append(parts, fmt.Sprintf("Not used in %s of %s", Duration(s.Ended.Sub(s.Started)), Duration(s.Asked)))
	default:
		parts = append(parts, fmt.Sprintf("Used %s of %s", Duration(s.Ended.Sub(s.Started)), Duration(s.Asked)), count(int64(s.Sessions), "session"),
			count(s.Statements, "statement"), count(s.Rows, "row"))
		if s.Refused > 0 {
			parts = append(parts, fmt.Sprintf("%d refused", s.Refused))
		}
		if s.Cut > 0 {
			parts = append(parts, count(int64(s.Cut), "session")+" cut")
		}
		if s.Live > 0 {
			parts = append(parts, count(int64(s.Live), "session")+" not summed up yet")
		}
	}
	return strings.Join(parts, ", ") + "." + left(s)
}

// left says what of it is still at the target.
func left(s Sum) string {
	text := ""
	if len(s.Kept) > 0 {
		text = " " + upper(count(int64(len(s.Kept)), "object")) + " went to a powerless account: " + Clean(strings.Join(s.Kept, ", "), 300) + "."
	}
	if len(s.Notes) > 0 {
		text += " " + upper(Clean(strings.Join(s.Notes, "; "), 400)) + "."
	}
	switch {
	case !s.Verified.IsZero():
		return text + fmt.Sprintf(" Seen to be gone at the target %s after the end.", soon(s.Verified.Sub(s.Ended)))
	case s.Trouble != "":
		return text + " Not gone at the target yet: " + Clean(s.Trouble, 300) + "."
	}
	return text + " Not seen to be gone at the target yet."
}

// soon is a short time, to be compared with others.
func soon(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return Duration(d.Round(time.Minute))
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
