// Package schedule knows windows: weekdays, zones, overnight, freezes and
// daylight saving. It is pure; in doubt it takes the shorter reading.
//
// A window belongs to the day it starts on: "Fri 22:00-06:00" admits Saturday
// 02:00 and not Friday 02:00. Where a zone's clock jumps over a boundary, the
// window opens at, or has closed by, the jump; where the clock shows a boundary
// twice, the window opens at the second time and closes at the first. A window
// that is then turned inside out does not open that day.
package schedule

import (
	"time"
	_ "time/tzdata" // a machine without zone files reads the same windows
)

// Horizon is how far ahead this package looks. What stays open, or closed,
// longer than that is said to do so until then: longer than any grant or wait.
const Horizon = 62 * 24 * time.Hour

const (
	daySeconds  = 24 * 60 * 60
	horizonDays = int64(Horizon / (24 * time.Hour))
)

// Window is one recurring span of hours on some weekdays in one zone. The zero
// Window is never open.
type Window struct {
	days     uint8 // one bit a time.Weekday
	from, to int64 // seconds after the start day's midnight; to exceeds a day overnight
	zone     string
	loc      *time.Location
}

// Days lists the weekdays the window starts on, from Monday.
func (w Window) Days() []time.Weekday {
	var days []time.Weekday
	for i := range 7 {
		if day := time.Weekday((i + 1) % 7); w.days&(1<<day) != 0 {
			days = append(days, day)
		}
	}
	return days
}

// Hours returns the boundaries as clocks show them: "22:00", "06:00".
func (w Window) Hours() (from, to string) {
	to = clockText(w.to % daySeconds)
	if w.to == daySeconds {
		to = "24:00"
	}
	return clockText(w.from), to
}

// Zone returns the zone's name: "Europe/Paris".
func (w Window) Zone() string { return w.zone }

// Location returns the zone; UTC for the zero Window.
func (w Window) Location() *time.Location {
	if w.loc == nil {
		return time.UTC
	}
	return w.loc
}

// Contains reports whether the window is open at t.
func (w Window) Contains(t time.Time) bool {
	_, ok := w.closing(t.Unix())
	return ok
}

// Closes returns the instant at which the window that is open at t closes; the
// zero time if it is not open. The next day's window does not count, even where
// it begins at that instant: Set continues through those.
func (w Window) Closes(t time.Time) time.Time {
	to, ok := w.closing(t.Unix())
	if !ok {
		return time.Time{}
	}
	return time.Unix(to, 0).In(w.loc)
}

// Opens returns the first opening after t, the zero time if there is none
// within the Horizon.
func (w Window) Opens(t time.Time) time.Time {
	if w.loc == nil {
		return time.Time{}
	}
	now := t.Unix()
	first := dayOf(now, w.loc) - 1
	for day := first; day <= first+horizonDays; day++ {
		if from, _, ok := w.on(day); ok && from > now {
			return time.Unix(from, 0).In(w.loc)
		}
	}
	return time.Time{}
}

// closing returns when the window that holds now closes.
func (w Window) closing(now int64) (to int64, ok bool) {
	if w.loc == nil {
		return 0, false
	}
	today := dayOf(now, w.loc)
	for day := today - 1; day <= today+1; day++ {
		if opens, closes, open := w.on(day); open && opens <= now && now < closes {
			to, ok = max(to, closes), true
		}
	}
	return to, ok
}

// on returns the window that starts on the day, as instants.
func (w Window) on(day int64) (opens, closes int64, ok bool) {
	if w.days&(1<<weekday(day)) == 0 {
		return 0, 0, false
	}
	midnight := day * daySeconds
	_, opens = instants(midnight+w.from, w.loc)
	closes, _ = instants(midnight+w.to, w.loc)
	if opens >= closes || !exists(day, w.loc) {
		return 0, 0, false
	}
	return opens, closes, true
}

// exists reports whether the zone has that day: Samoa had no 30 December 2011.
func exists(day int64, loc *time.Location) bool {
	_, begins := instants(day*daySeconds, loc)
	ends, _ := instants((day+1)*daySeconds, loc)
	return begins < ends
}

// dayOf counts the days from 1 January 1970 to the local date of an instant.
func dayOf(now int64, loc *time.Location) int64 {
	_, offset := time.Unix(now, 0).In(loc).Zone()
	local := now + int64(offset)
	day := local / daySeconds
	if local%daySeconds < 0 {
		day--
	}
	return day
}

func weekday(day int64) time.Weekday {
	return time.Weekday(((day+int64(time.Thursday))%7 + 7) % 7)
}
