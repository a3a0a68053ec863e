package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Span says a duration as people do: "45 min", "2 h", "1 h 30 min", "30 s". It
// rounds down, and keeps at most two units.
func Span(d time.Duration) string {
	if d < 0 {
		return "-" + Span(-max(d, -1<<62))
	}
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	var parts []string
	for i, u := range units {
		n := d / u.size
		if u.name == "d" && n < 3 { // "36 h" says more than "1 d 12 h"
			n = 0
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.size
		}
		if len(parts) == 2 || len(parts) == 1 && (n == 0 || i == len(units)-1) {
			break
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}

// Clock says an instant in loc as someone at now reads it: "18:00" today, "Mon
// 09:00" within six days, else with the date.
func Clock(t, now time.Time, loc *time.Location) string {
	t, now = t.In(loc), now.In(loc)
	switch days := dayOf(t.Unix(), loc) - dayOf(now.Unix(), loc); {
	case days == 0:
		return t.Format("15:04")
	case days > 0 && days < 7:
		return t.Format("Mon 15:04")
	case t.Year() == now.Year():
		return t.Format("Mon 2 Jan 15:04")
	default:
		return t.Format("Mon 2 Jan 2006 15:04")
	}
}
