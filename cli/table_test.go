package cli

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tableOn writes rows on something that is so many columns wide; 0: no terminal.
func tableOn(width int, rows [][]string) []string {
	var out bytes.Buffer
	a := newApp(Parts{Stdout: &out, Stderr: &out, Stdin: strings.NewReader("")})
	a.width = width
	a.table("  ", rows)
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestATableFitsItsTerminal(t *testing.T) {
	long := strings.Repeat("long ", 20)
	rows := [][]string{{"orders-db", long, "up to 2 h", long, "gr_0123456789abcdef"}, {"x", "\x1b[1mbold " + long + "\x1b[0m", "", "y", "gr_1"}}
	for _, line := range tableOn(80, rows) {
		if n := runes(line); n > 80 {
			t.Errorf("%d wide: %s", n, line)
		}
	}
	wide := tableOn(80, rows)
	if !strings.HasSuffix(wide[0], "gr_0123456789abcdef") || !strings.Contains(wide[0], "…") || !strings.Contains(wide[1], "…\x1b[0m") {
		t.Errorf("what is cut:\n%s", strings.Join(wide, "\n"))
	}
	if plain := strings.Join(tableOn(0, rows), "\n"); strings.Contains(plain, "…") || !strings.Contains(plain, long) {
		t.Errorf("a file or a pipe gets less:\n%s", plain)
	}
}

func TestNoTableIsWiderThanItsTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 9).Draw(t, "columns")
		cellOf := rapid.StringMatching(`[a-z é]{0,60}`)
		rows := rapid.SliceOfN(rapid.SliceOfN(cellOf, columns, columns), 1, 4).Draw(t, "rows")
		width := rapid.IntRange(2+columns*(leastColumn+2), 120).Draw(t, "width")
		for i, line := range tableOn(width, rows) {
			if runes(line) > width {
				t.Fatalf("row %d is %d wide on %d: %q", i, runes(line), width, line)
			}
		}
	})
}
