package engine

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

var spanText = regexp.MustCompile(`(?i)^(\d{1,6})\s*(m|min|mins|minute|minutes|h|hour|hours)$`)

// Span reads a duration as people and databases write it: "15 min", "2 hours", "1h30m".
// example is what the error shows.
func Span(text, example string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if m := spanText.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1]) // six digits
		if strings.HasPrefix(strings.ToLower(m[2]), "h") {
			return time.Duration(n) * time.Hour, nil
		}
		return time.Duration(n) * time.Minute, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, curfew.Errorf(curfew.Invalid, "%q is no duration", say.Clean(text, 40)).WithFix("for example: %s", example)
	}
	return d, nil
}
