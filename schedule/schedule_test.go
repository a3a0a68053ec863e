package schedule

import (
	"testing"
	"time"
)

func mustParse(t testing.TB, text string) Window {
	t.Helper()
	w, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestContains(t *testing.T) {
	for _, c := range []struct {
		name, window, at string
		open             bool
	}{
		{"noon on a weekday is inside", "Mon-Fri 09:00-18:00 Europe/Paris", "2026-06-02T12:00:00+02:00", true},
		{"the opening instant is inside", "Mon-Fri 09:00-18:00 Europe/Paris", "2026-06-02T09:00:00+02:00", true},
		{"the second before is outside", "Mon-Fri 09:00-18:00 Europe/Paris", "2026-06-02T08:59:59+02:00", false},
		{"the last fraction of a second is inside", "Mon-Fri 09:00-18:00 Europe/Paris", "2026-06-02T17:59:59.999999999+02:00", true},
		{"the closing instant is outside", "Mon-Fri 09:00-18:00 Europe/Paris", "2026-06-02T18:00:00+02:00", false},
		{"Saturday is outside Monday to Friday", "Mon-Fri 09:00-18:00 Europe/Paris", "2026-06-06T12:00:00+02:00", false},
		{"the zone decides, not the caller's", "Mon-Fri 09:00-18:00 Europe/Paris", "2026-06-02T17:30:00Z", false},
		{"overnight admits the next morning", "Fri 22:00-06:00 UTC", "2026-06-06T02:00:00Z", true},
		{"overnight does not admit its own morning", "Fri 22:00-06:00 UTC", "2026-06-05T02:00:00Z", false},
		{"overnight of the day before admits the morning", "Thu,Fri 22:00-06:00 UTC", "2026-06-05T02:00:00Z", true},
		{"overnight closes in the morning", "Fri 22:00-06:00 UTC", "2026-06-06T06:00:00Z", false},
		{"overnight to midnight", "Fri 22:00-00:00 UTC", "2026-06-05T23:59:59Z", true},
		{"overnight to midnight closes there", "Fri 22:00-00:00 UTC", "2026-06-06T00:00:00Z", false},
		{"24:00 is the end of the day", "Sat,Sun 00:00-24:00 America/New_York", "2026-06-07T23:59:59-04:00", true},
		{"Monday is no weekend", "Sat,Sun 00:00-24:00 America/New_York", "2026-06-08T00:00:00-04:00", false},
		{"weekends are Saturday and Sunday", "weekends 10:00-12:00 UTC", "2026-06-07T11:00:00Z", true},
		{"weekdays hold no Sunday", "weekdays 10:00-12:00 UTC", "2026-06-07T11:00:00Z", false},
		{"a range may wrap round the week", "Fri-Mon 10:00-12:00 UTC", "2026-06-07T11:00:00Z", true},
		{"a wrapped range leaves out the middle", "Fri-Mon 10:00-12:00 UTC", "2026-06-10T11:00:00Z", false},
		{"years before 1970 work", "Sat 22:00-06:00 UTC", "1960-01-03T02:00:00Z", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mustParse(t, c.window).Contains(instant(t, c.at)); got != c.open {
				t.Errorf("%s at %s: open %v, want %v", c.window, c.at, got, c.open)
			}
		})
	}
}
