package record

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// watched follows a terminal of 40x6 on which these texts are shown, an item each.
func watched(texts ...string) (out []string) {
	s := NewShown()
	s.Item(&Item{Kind: Statement, Ref: 1, Text: "shell", Tag: "40x6"})
	for _, text := range texts {
		out = append(out, s.Item(&Item{Kind: Output, Ref: 1, Text: text})...)
	}
	return append(out, s.Item(&Item{Kind: Outcome, Ref: 1})...)
}

func letters(text string) (out []string) {
	for _, r := range text {
		out = append(out, string(r))
	}
	return out
}

func TestWhatIsReadOnAScreen(t *testing.T) {
	for name, c := range map[string]struct {
		shown []string
		words string
	}{
		"plain":                         {[]string{"hello world\r\n"}, "hello world"},
		"in colour":                     {[]string{"\x1b[1;31mred\x1b[0mder\r\n"}, "redder"},
		"typed letter by letter":        {letters("systemctl stop\r\n"), "systemctl stop"},
		"typed and not yet left":        {letters("systemctl stop"), "systemctl stop"},
		"typed and taken back":          {append(letters("oops"), "\b \b\b \b\b \b\b \b", "ok\r\n"), "oops ok"},
		"in two items":                  {[]string{"pass", "word1 \x1b[3", "2mgreen"}, "password1 green"},
		"drawn backwards":               {[]string{"\x1b[3;5Hb\x1b[3;4Ha\x1b[3;6Hc", "\x1b[1;1H"}, "abc"},
		"drawn downwards between":       {[]string{"\x1b[?1049h\x1b[2J\x1b[1;1Hleft\x1b[2;1Hdown", "\x1b[1;5Hright \x1b[H", "\x1b[?1049l"}, "leftright down"},
		"overwritten by its own line":   {[]string{"fetching alpha\r", "fetching gamma\r", "done          \r\n"}, "fetching alpha gamma done"},
		"over the edge":                 {[]string{strings.Repeat("x", 36) + " wrapped\r\n"}, "wrapped"},
		"over the edge of what scrolls": {[]string{"\r\n\r\n\r\n\r\n\r\n\r\n" + strings.Repeat("y ", 18) + "overtheedge\r\nnext\r\n"}, "overtheedge next"},
		"on the whole screen, given up": {[]string{"\x1b[?1049h\x1b[Hsecretfile\x1b[?1049l$ "}, "secretfile"},
		"scrolled away at once":         {[]string{strings.Repeat("filler\r\n", 100) + "needle\r\n" + strings.Repeat("filler\r\n", 100)}, "needle filler"},
		"in wide letters":               {[]string{"日本語 \x1b[1mテスト\x1b[0m\r\n"}, "日本語 テスト"},
		"behind a title":                {[]string{"\x1b]2;title\x07visible\r\n"}, "visible"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Join(watched(c.shown...), "\n")
			var words []string
			EachWord(text, func(w string) bool { words = append(words, w); return true })
			for want := range strings.FieldsSeq(c.words) {
				if !slices.Contains(words, want) {
					t.Errorf("no %q in %q", want, text)
				}
			}
		})
	}
}

func TestWhatIsNotReadOnAScreen(t *testing.T) {
	for name, c := range map[string]struct {
		shown []string
		not   string
	}{
		"the beginnings of what is typed": {letters("systemctl stop\r\n"), "s sy systemc sto"},
		"what acts":                       {[]string{"\x1b[31mred\x1b[0m \x1b]2;hidden\x07\r\n"}, "31mred 0m hidden"},
		"what stood there before":         {[]string{"\x1b[5;1Halpha \x1b[H", "\x1b[5;1Hbeta  \x1b[H"}, "alphabeta"},
	} {
		var words []string
		EachWord(strings.Join(watched(c.shown...), "\n"), func(w string) bool { words = append(words, w); return true })
		for not := range strings.FieldsSeq(c.not) {
			if slices.Contains(words, not) {
				t.Errorf("%s: %q in %q", name, not, words)
			}
		}
	}
}

// TestWhatStandsThereIsSaidOnce: a screen that is looked at again says nothing new.
func TestWhatStandsThereIsSaidOnce(t *testing.T) {
	lines := watched("one\r\n", "two\r\n", "\x1b[H", "three\r\n", "one\r\n", strings.Repeat("\r\n", 20))
	if n := strings.Count(strings.Join(lines, "\n"), "two"); n != 1 {
		t.Errorf("two is said %d times: %q", n, lines)
	}
}

func TestTheSecondIsTheOneInWhichItWasShown(t *testing.T) {
	s := NewShown()
	s.Item(&Item{Kind: Statement, Ref: 1, Tag: "80x24"})
	for i := range 100 {
		text := fmt.Sprintf("\x1b[%d;1Hline%d \x1b[H", i%20+1, i)
		if got := s.Item(&Item{Kind: Output, Ref: 1, Text: text}); len(got) != 1 || strings.TrimSpace(got[0]) != fmt.Sprintf("line%d", i) {
			t.Fatalf("item %d: %q", i, got)
		}
	}
}

func TestTwoTerminalsAndProgramsWithoutOne(t *testing.T) {
	s := NewShown()
	s.Item(&Item{Kind: Statement, Ref: 1, Tag: "80x24"})
	s.Item(&Item{Kind: Statement, Ref: 2, Tag: "80x24"})
	s.Item(&Item{Kind: Output, Ref: 1, Text: "spl"})
	s.Item(&Item{Kind: Output, Ref: 2, Text: "oth"})
	got := s.Item(&Item{Kind: Output, Ref: 1, Text: "it\r\n"})
	if !slices.Contains(got, "split") {
		t.Errorf("%q", got)
	}
	s.Item(&Item{Kind: Output, Ref: 3, Text: "begin and con"})
	if got := s.Item(&Item{Kind: Output, Ref: 3, Text: "tinue"}); !slices.Contains(got, "continue") {
		t.Errorf("%q", got)
	}
	s.Item(&Item{Kind: Resize, Ref: 1, Text: "120x40"})
	s.Item(&Item{Kind: Output, Ref: 1, Text: strings.Repeat("z", 100) + " beyond"})
	if got := s.Item(&Item{Kind: Closed}); !strings.Contains(strings.Join(got, "\n"), "beyond") {
		t.Errorf("%q", got)
	}
}

func TestNearIsWhereTheWordsAre(t *testing.T) {
	q, err := ParseQuery("alpha gamma")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ lines, want string }{
		{"x\nalpha gamma\ny", "alpha gamma"}, {"alpha\ngamma\nx", "alpha\ngamma"}, {"gamma\n1\n2\n3\nalpha", "gamma\nalpha"},
	} {
		if got := q.Near(strings.Split(c.lines, "\n")); got != c.want {
			t.Errorf("%q: %q", c.lines, got)
		}
	}
}

func FuzzShown(f *testing.F) {
	f.Add("80x24", "hello\r\nworld\x1b[2J", 7)
	f.Add("1x1", "\x1b[?1049h日本\x1b[?1049l", 1)
	f.Fuzz(func(t *testing.T, size, text string, cut int) {
		s := NewShown()
		s.Item(&Item{Kind: Statement, Ref: 1, Tag: size})
		cut = max(0, min(cut, len(text)))
		var all []string
		for _, part := range []string{text[:cut], text[cut:]} {
			all = append(all, s.Item(&Item{Kind: Output, Ref: 1, Text: part})...)
		}
		s.Item(&Item{Kind: Resize, Ref: 1, Text: size})
		for _, line := range append(all, s.Item(&Item{Kind: Closed})...) {
			if len(line) > 1<<17 {
				t.Fatalf("a line of %d bytes", len(line))
			}
		}
	})
}
