package screen

import (
	"fmt"
	"strings"
	"testing"
)

// shownRuns writes runs as text: {ink/paper marks|text}.
func shownRuns(rows [][]Run) string {
	var b strings.Builder
	for i, row := range rows {
		if row == nil {
			continue
		}
		fmt.Fprintf(&b, "%d:", i)
		for _, r := range row {
			marks := ""
			for j, name := range []string{"b", "d", "i", "u", "v", "s"} {
				if r.Pen.Has(Bold << j) {
					marks += name
				}
			}
			fmt.Fprintf(&b, "{%d/%d%s|%s}", r.Pen.Ink(), r.Pen.Paper(), marks, r.Text)
		}
	}
	return b.String()
}

func TestColours(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing is coloured":           {"plain", ""},
		"a word":                        {"a \x1b[31mred\x1b[m b", "0:{0/0|a }{2/0|red}{0/0| b}"},
		"bold and a colour behind":      {"\x1b[1;42mok\x1b[0m", "0:{0/3b|ok}"},
		"bright ones":                   {"\x1b[95;103mx", "0:{14/12|x}"},
		"of 256":                        {"\x1b[38;5;200mx\x1b[48:5:20my", "0:{201/0|x}{201/21|y}"},
		"of more, the nearest":          {"\x1b[38;2;255;0;0mx\x1b[48;2;128;128;128my\x1b[38:2::0:0:255mz", "0:{197/0|x}{197/245|y}{22/245|z}"},
		"what is too much":              {"\x1b[38;5;9999mx\x1b[38;2;999;0;0my\x1b[38;5mz", "0:{256/0|x}{197/0|yz}"},
		"marks go":                      {"\x1b[1;2;3;4;7;9mx\x1b[22;23;24;27;29my", "0:{0/0bdiuvs|x}{0/0|y}"},
		"a curled line":                 {"\x1b[4:3mx\x1b[4:0my", "0:{0/0u|x}{0/0|y}"},
		"what is hidden is seen":        {"\x1b[8;31mx", "0:{2/0|x}"},
		"a bar of one colour":           {"\x1b[44m\x1b[Kab", "0:{0/5|ab        }"},
		"erased cells lose their ink":   {"\x1b[31mab\x1b[2K\x1b[mc", ""},
		"colours move with their rows":  {"\x1b[31mone\x1b[m\r\n\r\n\r\ntwo\x1b[2;1H\x1b[M", "0:{2/0|one}"},
		"and scroll":                    {"x\r\n\x1b[32mtwo\x1b[m\r\n\r\n\r\n", "0:{3/0|two}"},
		"and are inserted into":         {"\x1b[31mab\x1b[m\r\x1b[2@", "0:{0/0|  }{2/0|ab}"},
		"and deleted from":              {"xy\x1b[31mab\x1b[m\r\x1b[2P", "0:{2/0|ab}"},
		"a line's second half is its":   {"\x1b[31m日\x1b[mx", "0:{2/0|日}{0/0|x}"},
		"other words that end in m":     {"\x1b[>4;2mx\x1b[?4my", ""},
		"a whole screen has its own":    {"\x1b[31mx\x1b[m\x1b[?1049h\x1b[Hplain", ""},
		"and gives it back as it was":   {"\x1b[31mx\x1b[m\x1b[?1049h\x1b[32my\x1b[m\x1b[?1049l", "0:{2/0|x}"},
		"a link is its text, no more":   {"\x1b]8;;http://evil.example\x07text\x1b]8;;\x07", ""},
		"nor is a clipboard":            {"\x1b]52;c;ZXZpbA==\x07x", ""},
		"colours of bidirectional text": {"\x1b[31ma\u202eb", "0:{2/0|ab}"},
	} {
		for cut := range len(c.text) + 1 {
			if !validCut(c.text, cut) {
				continue
			}
			s := Live(10, 4)
			s.Write(c.text[:cut])
			s.Write(c.text[cut:])
			if got := shownRuns(s.Runs()); got != c.want {
				t.Errorf("%s, cut at %d: %s, want %s", name, cut, got, c.want)
				break
			}
		}
	}
}

// What is on it is the same whether lines are kept or not, and as large as before.
func TestALiveScreenKeepsNoLines(t *testing.T) {
	text := strings.Repeat("\x1b[3"+"1mabc\x1b[0mdef ghi\r\n", 5000) + "\x1b[?1049hfull\x1b[?1049l" + "0123456789abc\tx日本"
	kept, live := New(10, 4), Live(10, 4)
	kept.Write(text)
	live.Write(text)
	if got, want := fmt.Sprint(live.Lines(), shownRuns(live.Runs())), fmt.Sprint(kept.Lines(), shownRuns(kept.Runs())); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	live.Resize(20, 4)
	if got := shownRuns(live.Runs()); !strings.Contains(got, "{2/0|abc}{0/0|def ghi}") || fmt.Sprint(live.Lines()[2:]) != "[abc     x 日本]" {
		t.Errorf("%s %q", got, live.Lines())
	}
	if n := len(live.Done()) + len(live.Left()) + len(live.Finish()); n > 0 || len(kept.Done()) < 5000 {
		t.Errorf("%d lines are kept", n)
	}
}
