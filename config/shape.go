package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew/schedule"
)

// form says what a value looks like.
type form int

const (
	text     form = iota // any text
	word                 // one of a few
	whole                // a whole number from 1 to 100
	amount               // a whole number from 1 to a million millions
	span                 // a duration: 45m, 2h, 1h30m, 3d
	term                 // whole days: 90d
	instant              // RFC 3339
	listOf               // a list of of
	oneOrAll             // one of, or a list of it
	keyed                // a table with these keys
	named                // a table whose keys are names
	either               // one of the alternatives, told apart by their kind
	free                 // whatever the engine takes
)

// mostAmount bounds an amount: what JSON holds exactly.
const mostAmount = 1_000_000_000_000

// shape is what a value must be. The parser checks it and Schema describes it,
// so that the two cannot differ.
type shape struct {
	form    form
	about   string
	words   []string                     // of a word
	of      *shape                       // of a list or named values
	keys    []key                        // of a keyed table
	options []*shape                     // of either
	name    func(string) (string, error) // what a name of named, or a text, must be; the error's text and fix
	pattern string                       // the same for the schema
}

// key is one key of a keyed table.
type key struct {
	name    string
	about   string
	example string // JSON
	must    bool   // it has to be there
	shape   shape
}

// fits checks a node against a shape; what names where, for messages.
func (b *book) fits(n *node, s *shape, what string) {
	switch s.form {
	case listOf:
		b.list(n, s, what)
	case oneOrAll:
		if n.kind == list {
			b.list(n, s, what)
			return
		}
		b.fits(n, s.of, what)
	case keyed:
		b.keyed(n, s, what)
	case named:
		b.named(n, s, what)
	case either:
		b.either(n, s, what)
	case free:
	default:
		b.scalar(n, s, what)
	}
}

func (b *book) list(n *node, s *shape, what string) {
	if n.kind != list {
		b.at(n, what+" is a list", "write [a, b] or a line with a dash for each")
		return
	}
	for _, item := range n.items {
		b.fits(item, s.of, "an entry of "+what)
	}
}

func (b *book) either(n *node, s *shape, what string) {
	for _, option := range s.options {
		if (option.form >= keyed) == (n.kind == table) {
			b.fits(n, option, what)
			return
		}
	}
}

func (b *book) keyed(n *node, s *shape, what string) {
	if n.kind != table && n.kind != empty {
		b.at(n, what+" is a table of keys", "write key: value")
		return
	}
	var names []string
	for _, k := range s.keys {
		names = append(names, k.name)
	}
	for _, e := range n.entries {
		i := slices.Index(names, e.key)
		if i < 0 {
			fix := "the keys are " + strings.Join(names, ", ")
			if near := schedule.Nearest(e.key, names); near != "" {
				fix = fmt.Sprintf("did you mean `%s`?", near)
			}
			b.add(e.line, e.column, fmt.Sprintf("unknown key `%s`", bounded(e.key)), fix)
			continue
		}
		b.fits(e.value, &s.keys[i].shape, "`"+e.key+"`")
	}
	for _, k := range s.keys {
		if k.must && n.get(k.name) == nil {
			b.at(n, fmt.Sprintf("%s has no `%s`", what, k.name), "for example "+k.name+": "+strings.Trim(k.example, `"`))
		}
	}
}

// named checks names and what they name, and refuses two that look alike.
func (b *book) named(n *node, s *shape, what string) {
	if n.kind == empty {
		return
	}
	if n.kind != table {
		b.at(n, what+" is a table of names", "write name: …")
		return
	}
	seen := map[string]entry{}
	for _, e := range n.entries {
		if s.name != nil {
			if _, err := s.name(e.key); err != nil {
				b.add(e.line, e.column, bounded(err.Error()), fixOf(err))
			}
		}
		if twin, ok := seen[skeleton(e.key)]; ok {
			b.add(e.line, e.column, fmt.Sprintf("`%s` looks like `%s` in line %d", bounded(e.key), bounded(twin.key), twin.line), "give one of them another name")
		}
		seen[skeleton(e.key)] = e
		b.fits(e.value, s.of, "`"+bounded(e.key)+"`")
	}
}

func (b *book) scalar(n *node, s *shape, what string) {
	if n.kind != scalar {
		b.at(n, what+" is one value", "put text with a colon, a dash or a comma in it into quotes")
		return
	}
	switch s.form {
	case word:
		if !slices.Contains(s.words, n.text) {
			fix := "one of: " + strings.Join(s.words, ", ")
			if near := schedule.Nearest(n.text, s.words); near != "" && len(s.words) > 1 {
				fix = fmt.Sprintf("did you mean `%s`?", near)
			}
			b.at(n, fmt.Sprintf("%s cannot be `%s`", what, bounded(n.text)), fix)
		}
	case whole:
		if i, err := strconv.Atoi(n.text); err != nil || !n.plain || i < 1 || i > 100 || strconv.Itoa(i) != n.text {
			b.at(n, fmt.Sprintf("%s is a number from 1 to 100, not `%s`", what, bounded(n.text)), "")
		}
	case amount:
		if i, err := strconv.ParseInt(n.text, 10, 64); err != nil || !n.plain || i < 1 || i > mostAmount || strconv.FormatInt(i, 10) != n.text {
			b.at(n, fmt.Sprintf("%s is a whole number from 1 to %d, not `%s`", what, int64(mostAmount), bounded(n.text)), "")
		}
	case span:
		if _, ok := parseSpan(n.text); !ok {
			b.at(n, fmt.Sprintf("%s is a duration, not `%s`", what, bounded(n.text)), "for example 45m, 2h, 1h30m or 3d")
		}
	case term:
		if _, ok := parseTerm(n.text); !ok {
			b.at(n, fmt.Sprintf("%s is a number of days, not `%s`", what, bounded(n.text)), fmt.Sprintf("for example 90d or 2555d; at least 1d, at most %dd", mostDays))
		}
	case instant:
		if _, err := time.Parse(time.RFC3339, n.text); err != nil {
			b.at(n, fmt.Sprintf("%s is a time with its zone, not `%s`", what, bounded(n.text)), "for example 2026-12-24T18:00:00+01:00")
		}
	default:
		if s.name == nil {
			return
		}
		if _, err := s.name(n.text); err != nil {
			b.at(n, bounded(err.Error()), fixOf(err))
		}
	}
}

// mostDays bounds a term: a century.
const mostDays = 36525

// parseTerm reads "90d": whole days, from 1 to mostDays.
func parseTerm(s string) (time.Duration, bool) {
	text, ok := strings.CutSuffix(s, "d")
	n, err := strconv.Atoi(text)
	return time.Duration(n) * 24 * time.Hour, ok && err == nil && n >= 1 && n <= mostDays && strconv.Itoa(n) == text
}

// parseSpan reads "45m", "2h", "1h30m", "90s", "3d": whole, positive, each unit
// once and in this order, 365 days at most.
func parseSpan(s string) (time.Duration, bool) {
	var total time.Duration
	units := []struct {
		letter byte
		size   time.Duration
	}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
	for len(s) > 0 {
		digits := 0
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits > 8 || digits == len(s) {
			return 0, false
		}
		n, _ := strconv.Atoi(s[:digits]) // at most eight digits
		i := slices.IndexFunc(units, func(u struct {
			letter byte
			size   time.Duration
		}) bool {
			return u.letter == s[digits]
		})
		if i < 0 {
			return 0, false
		}
		total += time.Duration(n) * min(units[i].size, 24*time.Hour)
		if total > 365*24*time.Hour {
			return 0, false
		}
		units, s = units[i+1:], s[digits+1:]
	}
	return total, total > 0
}
