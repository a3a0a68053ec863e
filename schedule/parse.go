package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
)

// maxText bounds a window's text.
const maxText = 256

const example = "Mon-Fri 09:00-18:00 Europe/Paris"

// Parse reads one window: weekdays, hours, zone. The weekdays are "daily",
// "weekdays", "weekends", or days and ranges of them: "Mon-Fri", "Sat,Sun". The
// hours are two clock times; an end at or before the start lies on the next day.
// The zone is an IANA name or UTC.
func Parse(text string) (Window, error) {
	if len(text) > maxText || !utf8.ValidString(text) {
		return Window{}, problem(text, "it is too long or not text", example)
	}
	fields := strings.Fields(tighten.Replace(strings.Join(strings.Fields(text), " ")))
	var days, hours, zone string
	switch {
	case len(fields) == 3:
		days, hours, zone = fields[0], fields[1], fields[2]
	case len(fields) == 2 && strings.Contains(fields[1], ":"):
		return Window{}, problem(text, "it names no zone", text+" Europe/Paris")
	case len(fields) == 2 && fields[0][0] >= '0' && fields[0][0] <= '9':
		return Window{}, problem(text, "it names no weekdays", "daily "+text)
	default:
		return Window{}, problem(text, "it is not weekdays, hours and a zone", example)
	}
	w := Window{}
	var err error
	if w.days, err = parseDays(text, days); err != nil {
		return Window{}, err
	}
	if w.from, w.to, err = parseHours(text, hours); err != nil {
		return Window{}, err
	}
	if w.loc, err = parseZone(text, zone); err != nil {
		return Window{}, err
	}
	w.zone = zone
	return w, nil
}

// tighten lets people write spaces round dashes and after commas.
var tighten = strings.NewReplacer(" - ", "-", ", ", ",", " ,", ",", "–", "-")

// String returns the window as Parse reads it, in one form.
func (w Window) String() string {
	if w.loc == nil {
		return "never"
	}
	from, to := w.Hours()
	return daysText(w.Days()) + " " + from + "-" + to + " " + w.zone
}

func daysText(days []time.Weekday) string {
	if len(days) == 7 {
		return "daily"
	}
	var parts []string
	for i := 0; i < len(days); {
		j := i
		for j+1 < len(days) && days[j+1] == (days[j]+1)%7 {
			j++
		}
		if j-i < 2 {
			parts = append(parts, dayNames[days[i]][:3])
			i++
			continue
		}
		parts = append(parts, dayNames[days[i]][:3]+"-"+dayNames[days[j]][:3])
		i = j + 1
	}
	return strings.Join(parts, ",")
}

var dayNames = [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

func parseDays(text, days string) (uint8, error) {
	switch strings.ToLower(days) {
	case "daily":
		return 0b1111111, nil
	case "weekdays":
		return 0b0111110, nil
	case "weekends":
		return 0b1000001, nil
	}
	var set uint8
	for part := range strings.SplitSeq(days, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := parseDay(text, first)
		if err != nil {
			return 0, err
		}
		to := from
		if isRange {
			if to, err = parseDay(text, last); err != nil {
				return 0, err
			}
		}
		for day := from; ; day = (day + 1) % 7 {
			set |= 1 << day
			if day == to {
				break
			}
		}
	}
	return set, nil
}

func parseDay(text, name string) (time.Weekday, error) {
	for i, full := range dayNames {
		if strings.EqualFold(name, full) || strings.EqualFold(name, full[:3]) {
			return time.Weekday(i), nil
		}
	}
	known := []string{"daily", "weekdays", "weekends"}
	for _, full := range dayNames {
		known = append(known, full[:3], full)
	}
	e := problem(text, fmt.Sprintf("%q is no weekday", name), "")
	e.Fix = "weekdays are Mon, Tue, Wed, Thu, Fri, Sat, Sun, daily, weekdays, weekends"
	if near := Nearest(name, known); near != "" {
		e.Fix = fmt.Sprintf("did you mean %q?", near)
	}
	return 0, e
}

func parseHours(text, hours string) (from, to int64, err error) {
	first, last, ok := strings.Cut(hours, "-")
	if !ok {
		return 0, 0, problem(text, fmt.Sprintf("%q is not a start and an end", hours), "09:00-18:00")
	}
	if from, ok = parseClock(first); !ok || from == daySeconds {
		return 0, 0, problem(text, fmt.Sprintf("%q is no time of day to start at", first), "09:00-18:00")
	}
	if to, ok = parseClock(last); !ok {
		return 0, 0, problem(text, fmt.Sprintf("%q is no time of day to end at", last), "09:00-18:00")
	}
	if from == to {
		return 0, 0, problem(text, "it starts and ends at the same time", "00:00-24:00 for the whole day")
	}
	if to < from {
		to += daySeconds
	}
	return from, to, nil
}

// parseClock reads "9:00", "09:00" or "24:00".
func parseClock(s string) (seconds int64, ok bool) {
	hour, minute, found := strings.Cut(s, ":")
	if !found || len(hour) < 1 || len(hour) > 2 || len(minute) != 2 {
		return 0, false
	}
	var h, m int64
	for _, c := range []byte(hour) {
		h = h*10 + int64(c) - '0'
	}
	for _, c := range []byte(minute) {
		m = m*10 + int64(c) - '0'
	}
	digits := strings.Trim(hour+minute, "0123456789") == ""
	if !digits || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, false
	}
	return h*3600 + m*60, true
}

func clockText(seconds int64) string {
	return fmt.Sprintf("%02d:%02d", seconds/3600, seconds/60%60)
}

// parseZone refuses the abbreviations that look like zones and keep no daylight
// saving (EST), the machine's own zone, and the files that count leap seconds.
func parseZone(text, zone string) (*time.Location, error) {
	known := strings.Fields(zoneNames)
	if zone == "UTC" {
		return time.UTC, nil
	}
	region, _, hasCity := strings.Cut(zone, "/")
	if hasCity && knownRegion(known, region) {
		if loc, err := time.LoadLocation(zone); err == nil && loc.String() == zone {
			return loc, nil
		}
	}
	e := problem(text, fmt.Sprintf("%q is no zone", zone), "")
	e.Fix = "zones are IANA names such as Europe/Paris, or UTC"
	if near := nearestZone(zone, known); near != "" {
		e.Fix = fmt.Sprintf("did you mean %q?", near)
	}
	return nil, e
}

func knownRegion(known []string, region string) bool {
	return slices.ContainsFunc(known, func(name string) bool {
		return strings.HasPrefix(name, region+"/")
	})
}

func nearestZone(zone string, known []string) string {
	if slices.Contains([]string{"z", "gmt", "utc", "zulu"}, strings.ToLower(zone)) {
		return "UTC"
	}
	for _, name := range known {
		city := name[strings.LastIndex(name, "/")+1:]
		if strings.EqualFold(zone, name) || strings.EqualFold(zone, city) {
			return name
		}
	}
	if near := Nearest(zone, known); near != "" {
		return near
	}
	cities := make([]string, len(known))
	for i, name := range known {
		cities[i] = name[strings.LastIndex(name, "/")+1:]
	}
	if i := slices.Index(cities, Nearest(zone, cities)); i >= 0 {
		return known[i]
	}
	return ""
}

func problem(text, what, fix string) *curfew.Error {
	e := curfew.Errorf(curfew.Invalid, "the window %.60q cannot be read: %s", text, what).WithRule("policy.window")
	if fix != "" {
		e.Fix = fmt.Sprintf("write for example %q", fix)
	}
	return e
}
