package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/screen"
)

// mostScreens bounds the terminals of one session that are followed at once.
const mostScreens = 100

// screens are the terminals of the session that is shown, by the statement that
// started what runs on them. What they hold is a stranger's: it is read from an
// emulator's cells, and cleaned, and never printed as it came.
type screens map[uint64]*screen.Screen

// feed takes an item, and returns what is to be read of it: lines that are finished,
// and, when a program gives the whole screen back, what it showed last.
func (s screens) feed(it client.Item) (lines []string) {
	switch it.Kind {
	case "statement":
		if columns, rows, ok := record.SizeOf(it.Tag); ok && len(s) < mostScreens {
			s[it.Ref] = screen.New(columns, rows)
		}
	case "resize":
		if sc := s[it.Ref]; sc != nil {
			if columns, rows, ok := record.SizeOf(it.Text); ok {
				sc.Resize(columns, rows)
			}
		}
	case "output":
		return s.output(it)
	case "outcome":
		lines = s.finish(it.Ref)
	case "closed", "broken":
		for _, ref := range slices.Sorted(maps.Keys(s)) {
			lines = append(lines, s.finish(ref)...)
		}
	}
	return lines
}

func (s screens) output(it client.Item) []string {
	sc := s[it.Ref]
	if sc == nil {
		if len(s) >= mostScreens {
			return nil
		}
		sc = screen.New(200, 50) // no terminal: lines as long as they come
		s[it.Ref] = sc
	}
	sc.Write(it.Text)
	return append(framed(sc.Left()), sc.Done()...)
}

func (s screens) finish(ref uint64) (lines []string) {
	sc := s[ref]
	if sc == nil {
		return nil
	}
	delete(s, ref)
	if sc.Full() {
		lines = framed(sc.Lines())
	}
	return append(lines, sc.Finish()...)
}

// framed marks what a program with the whole screen showed.
func framed(lines []string) (out []string) {
	for _, l := range lines {
		out = append(out, "│ "+l)
	}
	return out
}

// terminal shows what is to be read of an item, before the item itself is shown. It
// reports whether there is nothing more to show of it.
func (a *app) terminal(it client.Item) bool {
	if a.screens == nil {
		a.screens = screens{}
	}
	for _, l := range a.screens.feed(it) {
		a.outf("         %s\n", say.Clean(l, statementBound))
	}
	if it.Kind != "output" {
		return false
	}
	if sc := a.screens[it.Ref]; a.draw && sc != nil && sc.Full() {
		a.frame(sc)
	}
	return true
}

// frame draws the whole screen of a program on ours: our own two sequences, and clean lines.
func (a *app) frame(sc *screen.Screen) {
	var b strings.Builder
	b.WriteString("\x1b[H\x1b[2J")
	for _, l := range sc.Lines() {
		b.WriteString(say.Clean(l, statementBound) + "\n")
	}
	a.outf("%s", b.String())
}

// rewind has the screens be what they were after the items.
func (a *app) rewind(items []client.Item) {
	a.screens = screens{}
	for _, it := range items {
		a.screens.feed(it)
	}
}
