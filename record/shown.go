package record

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew/screen"
)

// Bounds of what is followed of one recording.
const (
	mostScreens = 64
	// piece is how much is shown before the screen is looked at: what is drawn and gone
	// again within it nobody has read.
	piece = 1 << 10
)

// Shown follows the terminals of one recording, item by item from its beginning, and
// says what came to be read on them: a word in colour, one that was drawn by moving the
// cursor, one that was typed letter by letter. It is pure.
type Shown struct {
	screens map[uint64]*shown // by the statement that started what runs on them
	ends    map[uint64]string // of what programs without a terminal printed: a word that may go on
}

// NewShown begins with no terminal.
func NewShown() *Shown { return &Shown{screens: map[uint64]*shown{}, ends: map[uint64]string{}} }

// Item takes the next item and returns what was to be read once it had been shown and
// was not before, a line each.
func (s *Shown) Item(it *Item) []string {
	switch it.Kind {
	case Statement:
		if columns, rows, ok := SizeOf(it.Tag); ok && len(s.screens) < mostScreens {
			s.screens[it.Ref] = &shown{screen: screen.New(columns, rows), columns: columns}
		}
	case Resize:
		if one := s.screens[it.Ref]; one != nil {
			if columns, rows, ok := SizeOf(it.Text); ok {
				one.columns = columns
				one.screen.Resize(columns, rows)
			}
		}
	case Output:
		if one := s.screens[it.Ref]; one != nil {
			return one.write(it.Text)
		}
		return s.printed(it)
	case Outcome:
		return s.finish(it.Ref)
	case Closed, Broken:
		var out []string
		for _, ref := range slices.Sorted(maps.Keys(s.screens)) {
			out = append(out, s.finish(ref)...)
		}
		return out
	}
	return nil
}

// SizeOf reads a terminal's size as items hold it, "80x24"; most statements have none.
func SizeOf(text string) (columns, rows int, ok bool) {
	c, r, found := strings.Cut(text, "x")
	if !found {
		return 0, 0, false
	}
	columns, err1 := strconv.Atoi(c)
	rows, err2 := strconv.Atoi(r)
	return columns, rows, err1 == nil && err2 == nil
}

// finish says what was being written when it ended.
func (s *Shown) finish(ref uint64) []string {
	one := s.screens[ref]
	if one == nil {
		delete(s.ends, ref)
		return nil
	}
	delete(s.screens, ref)
	out := one.look(nil, false)
	return append(out, one.look(one.screen.Finish(), false)...)
}

// printed joins a word that is in two items: its beginning was the end of the one before.
func (s *Shown) printed(it *Item) (out []string) {
	if end := s.ends[it.Ref]; end != "" {
		first := it.Text[:min(len(it.Text), MaxWord)]
		out = []string{strings.ToValidUTF8(end+first, "")}
	}
	if delete(s.ends, it.Ref); len(s.ends) < mostScreens {
		end := it.Text[strings.LastIndexFunc(it.Text, func(r rune) bool { return !inWord(r) })+1:]
		if end = strings.ToValidUTF8(end[max(0, len(end)-MaxWord):], ""); end != "" {
			s.ends[it.Ref] = end
		}
	}
	return out
}

// shown is one terminal.
type shown struct {
	screen  *screen.Screen
	columns int
	full    bool
	// What was to be read when it was looked at last: on the screen as it is usually, and
	// on the one of a program that has it for itself.
	usual, whole map[string]int
	wrapped      string // the last finished line, if it goes on in the next one
	begun        string // the word that the cursor stood behind
}

func (s *shown) write(text string) (out []string) {
	for text != "" {
		n := min(piece, len(text))
		for n < len(text) && n > piece-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		s.screen.Write(text[:n])
		text = text[n:]
		out = append(out, s.gave(s.screen.Left())...)
		out = append(out, s.look(s.screen.Done(), true)...)
	}
	return out
}

// gave is what a program with the whole screen showed last that was not looked at before.
func (s *shown) gave(left []string) (out []string) {
	for _, line := range left {
		if line != "" && s.whole[line] == 0 {
			out = append(out, line)
		}
	}
	return out
}

// look compares what is to be read with what was. A word that the cursor stands behind may
// go on; it counts once it does not, unless nothing more comes.
func (s *shown) look(done []string, goesOn bool) (out []string) {
	if s.full != s.screen.Full() {
		s.full, s.whole = !s.full, nil
	}
	before := s.usual
	if s.full {
		before = s.whole
	}
	now, finished := map[string]int{}, map[string]int{}
	took := func(line string, into map[string]int) {
		if line == "" {
			return
		}
		if into[line]++; into[line] > before[line] {
			if len(out) == 0 || out[len(out)-1] != line {
				out = append(out, line)
			}
		}
	}
	for _, line := range done {
		whole := line
		if s.wrapped != "" {
			whole = s.wrapped + line
		}
		if s.wrapped = ""; utf8.RuneCountInString(line) >= s.columns && len(whole) < 1<<16 {
			s.wrapped = whole
		}
		took(line, finished)
		if whole != line {
			out = append(out, whole)
		}
	}
	lines := s.screen.Lines()
	begun := ""
	if x, y := s.screen.Cursor(); goesOn && y < len(lines) {
		lines[y], begun = without(lines[y], x)
	}
	for i, line := range lines {
		took(line, now)
		if i > 0 && line != "" && utf8.RuneCountInString(lines[i-1]) >= s.columns && now[line] > before[line] {
			out = append(out, lines[i-1]+line)
		}
	}
	if s.full {
		s.whole = now
	} else {
		s.usual = now
	}
	if was := s.begun; was != "" && !strings.HasPrefix(begun, was) && !slices.ContainsFunc(out, func(line string) bool { return strings.Contains(line, was) }) {
		out = append(out, was) // it was taken back
	}
	s.begun = begun
	return out
}

// without is a line without the word that ends where the cursor is, and that word.
func without(line string, x int) (rest, word string) {
	if x < utf8.RuneCountInString(line) {
		return line, ""
	}
	rest = strings.TrimRightFunc(line, inWord)
	return strings.TrimRight(rest, " "), line[len(rest):]
}

// Near are the first lines that have all the words together; those that have any, where
// no few of them have all.
func (q Query) Near(lines []string) string {
	for n := 1; n <= 3; n++ {
		for i := 0; i+n <= len(lines); i++ {
			it := Item{Text: strings.Join(lines[i:i+n], "\n")}
			if q.Matches(&it) {
				return it.Text
			}
		}
	}
	var some []string
	for _, line := range lines {
		for _, a := range q.asked {
			if it := (Item{Text: line}); (Query{asked: []asked{a}}).Matches(&it) {
				some = append(some, line)
				break
			}
		}
	}
	return strings.Join(some, "\n")
}
