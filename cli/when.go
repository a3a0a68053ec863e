package cli

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// parseFor reads a duration as people write it: 45m, 2h, 1h30m, "45 min", 1d.
func parseFor(text string) (time.Duration, error) {
	t := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(text), " ", ""))
	for _, r := range [][2]string{{"minutes", "m"}, {"minute", "m"}, {"mins", "m"}, {"min", "m"}, {"hours", "h"}, {"hour", "h"}} {
		t = strings.ReplaceAll(t, r[0], r[1])
	}
	var days time.Duration
	if n, rest, ok := strings.Cut(t, "d"); ok {
		one, err := time.ParseDuration(n + "h")
		if err != nil || one > 24*365*time.Hour {
			return 0, badFor(text)
		}
		days, t = one*24, rest
		if t == "" {
			t = "0s"
		}
	}
	d, err := time.ParseDuration(t)
	if err != nil || d+days <= 0 {
		return 0, badFor(text)
	}
	return d + days, nil
}

func badFor(text string) error {
	return usage(fmt.Sprintf("%q is no duration; for example 45m, 2h, 1h30m", clean(text)))
}

// parseWhen reads a time as people write it: RFC 3339, "2026-06-01 14:00",
// 14:00, "tomorrow 9:00", "yesterday 18:00", "mon 9:00". What has no date is the
// nearest such time, past or to come.
func parseWhen(text string, now time.Time, past bool) (time.Time, error) {
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if strings.EqualFold(text, "now") {
		return now, nil
	}
	day, hours := "", text
	if fields := strings.Fields(text); len(fields) == 2 {
		day, hours = strings.ToLower(fields[0]), fields[1]
	}
	if !regexp.MustCompile(`^\d{1,2}:\d{2}$`).MatchString(hours) {
		return time.Time{}, badWhen(text)
	}
	at, err := time.Parse("15:04", fmt.Sprintf("%05s", hours))
	if err != nil {
		return time.Time{}, badWhen(text)
	}
	on := func(days int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()+days, at.Hour(), at.Minute(), 0, 0, now.Location())
	}
	switch day {
	case "today":
		return on(0), nil
	case "tomorrow":
		return on(1), nil
	case "yesterday":
		return on(-1), nil
	}
	fits := func(t time.Time) bool {
		name := strings.ToLower(t.Weekday().String())
		return day == "" || (len(day) >= 3 && strings.HasPrefix(name, day))
	}
	for i := range 8 {
		t := on(i)
		if past {
			t = on(-i)
		}
		if fits(t) && ((past && !t.After(now)) || (!past && t.After(now))) {
			return t, nil
		}
	}
	return time.Time{}, badWhen(text)
}

func badWhen(text string) error {
	return usage(fmt.Sprintf("%q is no time; for example 14:00, \"tomorrow 9:00\", 2026-06-01T14:00:00Z", clean(text)))
}
