package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"github.com/curfewhq/curfew/client"
)

func TestTerminalsAreReadAndNothingActs(t *testing.T) {
	var out bytes.Buffer
	a := newApp(Parts{Stdout: &out, Stderr: &out})
	for _, it := range []client.Item{
		{Kind: "statement", Ref: 1, Text: "shell", Tag: "20x4"},
		{Kind: "output", Ref: 1, Text: "$ lz\b \bs\r\n\x1b[31mfile\x1b[0m\r\n\x1b]2;title\x07$ vi"},
		{Kind: "output", Ref: 1, Text: "\r\n\x1b[?1049h\x1b[2J\x1b[3;5Hedited"},
		{Kind: "resize", Ref: 1, Text: "30x5"},
		{Kind: "output", Ref: 1, Text: "\x1b[5;1Hsaved\x1b[?1049l$ exit\u202e\x1b[8m"},
		{Kind: "outcome", Ref: 1, Tag: "exit 0"},
		{Kind: "output", Ref: 2, Text: "of a command\n"},
		{Kind: "closed"},
	} {
		if err := a.said("12:00:00 ", it); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	for _, want := range []string{"         $ ls\n", "         file\n", "│     edited\n", "│ saved\n", "resize · 30x5", "         $ exit\n", "exit 0", "         of a command\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) }) || strings.Contains(text, "title") {
		t.Errorf("it acts: %q", text)
	}
}

func TestAWholeScreenIsDrawnFromCells(t *testing.T) {
	var out bytes.Buffer
	a := newApp(Parts{Stdout: &out, Stderr: &out})
	a.draw = true
	items := []client.Item{
		{Kind: "statement", Ref: 1, Text: "shell", Tag: "20x4"},
		{Kind: "output", Ref: 1, Text: "\x1b[?1049h\x1b[2J\x1b[2;2Hfirst"},
		{Kind: "output", Ref: 1, Text: "\x1b[3;3Hsecond\x1b[6n\x1b]52;c;ZXZpbA==\x07"},
	}
	a.rewind(items[:2])
	_ = a.said("", items[2])
	if got := out.String(); got != "\x1b[H\x1b[2J\n first\n  second\n" {
		t.Errorf("%q", got)
	}
}
