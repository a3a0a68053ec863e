package schedule

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Mon-Fri 09:00-18:00 Europe/Paris", "Mon-Fri 09:00-18:00 Europe/Paris"},
		{"weekdays 9:00-18:00 Europe/Paris", "Mon-Fri 09:00-18:00 Europe/Paris"},
		{"weekends 10:00-12:00 UTC", "Sat,Sun 10:00-12:00 UTC"},
		{"DAILY 22:00-06:00 UTC", "daily 22:00-06:00 UTC"},
		{"Mon-Sun 00:00-24:00 UTC", "daily 00:00-24:00 UTC"},
		{"Monday, wednesday ,FRI  08:00 - 09:30   America/New_York", "Mon,Wed,Fri 08:00-09:30 America/New_York"},
		{"Sun-Tue 08:00-09:30 UTC", "Mon,Tue,Sun 08:00-09:30 UTC"},
		{"Mon–Wed 08:00–00:00 Etc/GMT+5", "Mon-Wed 08:00-24:00 Etc/GMT+5"},
		{"Sat 08:00-09:00 America/Argentina/Buenos_Aires", "Sat 08:00-09:00 America/Argentina/Buenos_Aires"},
	} {
		w, err := Parse(c.in)
		if err != nil || w.String() != c.want {
			t.Errorf("Parse(%q) = %s, %v; want %s", c.in, w, err, c.want)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ name, in, message, fix string }{
		{"nothing", "", "not weekdays, hours and a zone", "Mon-Fri 09:00"},
		{"no zone", "Mon-Fri 09:00-18:00", "names no zone", "Europe/Paris"},
		{"no weekdays", "09:00-18:00 UTC", "names no weekdays", "daily 09:00-18:00 UTC"},
		{"a misspelt weekday", "Mno-Fri 09:00-18:00 UTC", `"Mno" is no weekday`, `"Mon"`},
		{"a misspelt last weekday", "Mon-Frid 09:00-18:00 UTC", `"Frid" is no weekday`, `"Fri"`},
		{"a misspelt word", "weekday 09:00-18:00 UTC", `"weekday" is no weekday`, `"weekdays"`},
		{"a weekday like nothing", "xyzzy 09:00-18:00 UTC", `"xyzzy" is no weekday`, "Mon, Tue"},
		{"an empty weekday", "Mon, 09:00-18:00 UTC", "not weekdays", "Mon-Fri"},
		{"hours without an end", "Mon 09:00 UTC", "not a start and an end", "09:00-18:00"},
		{"hours without minutes", "Mon 9-18 UTC", `"9" is no time of day`, "09:00-18:00"},
		{"minute 60", "Mon 09:60-18:00 UTC", `"09:60" is no time of day to start`, ""},
		{"hour 25", "Mon 09:00-25:00 UTC", `"25:00" is no time of day to end`, ""},
		{"one past midnight", "Mon 09:00-24:01 UTC", `"24:01" is no time of day`, ""},
		{"letters for digits", "Mon 0a:00-18:00 UTC", `"0a:00" is no time of day`, ""},
		{"a sign", "Mon -9:00-18:00 UTC", "is no time of day", ""},
		{"too many digits", "Mon 009:00-18:00 UTC", "is no time of day", ""},
		{"a start at 24:00", "Mon 24:00-06:00 UTC", `"24:00" is no time of day to start`, ""},
		{"no length", "Mon 09:00-09:00 UTC", "starts and ends at the same time", "00:00-24:00"},
		{"a city", "Mon 09:00-18:00 Paris", `"Paris" is no zone`, `"Europe/Paris"`},
		{"a misspelt city", "Mon 09:00-18:00 Europe/Pariss", "is no zone", `"Europe/Paris"`},
		{"a misspelt city alone", "Mon 09:00-18:00 Pariss", "is no zone", `"Europe/Paris"`},
		{"lower case", "Mon 09:00-18:00 europe/paris", "is no zone", `"Europe/Paris"`},
		{"Greenwich", "Mon 09:00-18:00 GMT", "is no zone", `"UTC"`},
		{"an abbreviation that keeps no daylight saving", "Mon 09:00-18:00 EST", "is no zone", ""},
		{"the machine's zone", "Mon 09:00-18:00 Local", "is no zone", ""},
		{"leap seconds", "Mon 09:00-18:00 right/Europe/Paris", "is no zone", ""},
		{"a path", "Mon 09:00-18:00 ../../etc/passwd", "is no zone", ""},
		{"a path in a region", "Mon 09:00-18:00 Europe/../Europe/Paris", "is no zone", ""},
		{"too much", strings.Repeat("Mon,", 100) + "Tue 09:00-18:00 UTC", "too long", ""},
		{"no text", "Mon 09:00-18:00 \xff", "not text", ""},
		{"a word more", "Mon 09:00-18:00 Europe/Paris please", "not weekdays", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := Parse(c.in)
			e, ok := err.(*curfew.Error)
			if !ok || e.Code != curfew.Invalid || !strings.Contains(e.Message, c.message) || !strings.Contains(e.Fix, c.fix) {
				t.Errorf("Parse(%q) = %s, %#v", c.in, w, err)
			}
			if w.Contains(time.Now()) {
				t.Error("what cannot be read is open")
			}
		})
	}
}

func TestNearest(t *testing.T) {
	known := []string{"hours", "freezes", "who"}
	for word, want := range map[string]string{"hour": "hours", "HOURS": "hours", "huors": "hours", "frezes": "freezes", "x": "", "wo": "who", "": "", strings.Repeat("h", 300): ""} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 6, 2, 12, 0, 0, 0, time.UTC)
	paris := mustParse(t, "daily 09:00-10:00 Europe/Paris").Location()
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{now, "14:00"}, {now.Add(20 * time.Hour), "Wed 10:00"}, {now.Add(7 * 24 * time.Hour), "Tue 9 Jun 14:00"},
		{now.Add(-24 * time.Hour), "Mon 1 Jun 14:00"}, {now.Add(365 * 24 * time.Hour), "Wed 2 Jun 2027 14:00"},
	} {
		if got := Clock(c.at, now, paris); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := Span(36*time.Hour + time.Minute); got != "36 h 1 min" {
		t.Errorf("got %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"Mon-Fri 09:00-18:00 Europe/Paris", "daily 22:00-06:00 UTC", "Sat,Sun 00:00-24:00 America/New_York", "-- :- /", "Mon 00:00-24:00 Pacific/Apia"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(w.String()); err != nil || again.String() != w.String() {
			t.Fatalf("%q became %s, which becomes %s: %v", text, w, again, err)
		}
	})
}
