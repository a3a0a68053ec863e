package screen

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestWhatIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"lines":                {"one\r\ntwo\r\n", []string{"one", "two"}},
		"a progress bar":       {"10%\r50%\r100%\r\n", []string{"100%"}},
		"a corrected word":     {"lx\b \bs -l\r\n", []string{"ls -l"}},
		"colours":              {"\x1b[1;31mred\x1b[0m\r\n", []string{"red"}},
		"a title":              {"\x1b]2;evil \x07ok\r\n", []string{"ok"}},
		"a title with ST":      {"\x1b]0;evil\x1b\\ok\r\n", []string{"ok"}},
		"a device string":      {"\x1bP$q\"p\x1b\\ok\r\n", []string{"ok"}},
		"erased to the end":    {"abcdef\x1b[3D\x1b[K\r\n", []string{"abc"}},
		"deleted":              {"abcdef\r\x1b[2P\r\n", []string{"cdef"}},
		"inserted":             {"cdef\r\x1b[2@ab\r\n", []string{"abcdef"}},
		"a long line":          {"0123456789abc\r\n", []string{"0123456789", "abc"}},
		"the last column":      {"0123456789\r\n", []string{"0123456789"}},
		"a whole screen":       {"a\r\n\x1b[?1049h\x1b[2J\x1b[Hvim\r\nx\x1b[?1049lb\r\n", []string{"a", "b"}},
		"hidden characters":    {"a\u202eb\u200bc\r\n", []string{"abc"}},
		"bells":                {"a\x07b\x00c\r\n", []string{"abc"}},
		"wide ones":            {"日本x\r\n", []string{"日本x"}},
		"huge numbers":         {"a\x1b[99999999999999999999Cb\r\n", []string{"a        b"}},
		"not UTF-8":            {"a\xff\r\n", []string{"a\ufffd"}},
		"a broken off one":     {"\x1b[1\r\nx\r\n", []string{"", "x"}},
		"what is left":         {"$ ", []string{"$"}},
		"a charset is no text": {"\x1b(Bok\r\n", []string{"ok"}},
	} {
		for cut := range len(c.text) + 1 {
			if !validCut(c.text, cut) {
				continue
			}
			s := New(10, 4)
			s.Write(c.text[:cut])
			s.Write(c.text[cut:])
			if got := append(s.Done(), s.Finish()...); !slices.Equal(got, c.want) {
				t.Errorf("%s, cut at %d: %q, want %q", name, cut, got, c.want)
				break
			}
		}
	}
}

// validCut: recordings never cut a character in two.
func validCut(s string, i int) bool { return i == 0 || i == len(s) || s[i]&0xc0 != 0x80 }

func TestAScreenAtARealSize(t *testing.T) {
	s := New(20, 5)
	s.Write("\x1b[?1049h\x1b[H1\x1b[2;3Htwo\x1b[5;1Hlast\x1b[2;4r\x1b[4;1H\nmoved")
	if got := s.Lines(); !slices.Equal(got, []string{"1", "", "", "moved", "last"}) || !s.Full() {
		t.Errorf("%q", got)
	}
	s.Resize(3, 2)
	if got := s.Lines(); len(got) > 2 {
		t.Errorf("%q", got)
	}
	s.Write("\x1b[?1049l")
	if s.Full() || len(s.Lines()) != 0 {
		t.Errorf("%q", s.Lines())
	}
	s.Resize(1<<30, -1)
	if c, r := s.Size(); c != maxColumns || r != 24 {
		t.Errorf("%d x %d", c, r)
	}
}

// FuzzScreen: whatever is written, what is read acts on nothing and is bounded.
func FuzzScreen(f *testing.F) {
	f.Add("a\r\n\x1b[?1049h\x1b[5;5r\x1b[9999M\x1b[L", 3, 2)
	f.Add("\x1b]2;x\x07\x1b[10;10H日\x1b[1J\x1b[@\x1b[P\x1b[X", 0, 0)
	f.Fuzz(func(t *testing.T, text string, columns, rows int) {
		s := New(columns, rows)
		s.Write(text)
		s.Resize(rows, columns)
		s.Write(text)
		lines := slices.Concat(s.Lines(), s.Done(), s.Finish())
		for _, row := range s.Runs() {
			for _, r := range row {
				lines = append(lines, r.Text)
			}
		}
		for _, l := range lines {
			if strings.ContainsFunc(l, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }) {
				t.Fatalf("%q acts", l)
			}
		}
		if len(s.rest) > maxRest+len(text) {
			t.Fatal("it keeps too much")
		}
	})
}
