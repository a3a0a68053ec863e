package say

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
	"pgregory.net/rapid"
)

func ending() time.Time { return time.Date(2026, 6, 2, 14, 47, 0, 0, time.UTC) }

func TestNotices(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"five minutes", Notice5("orders-db", ending()).Line, "Curfew: access to orders-db ends in 5 minutes (14:47)."},
		{"one minute", Notice1("orders-db", ending()).Line, "Curfew: access to orders-db ends in 1 minute (14:47). Save your work."},
		{"the end, with all that is known", Ended(Ending{Resource: "orders-db", Role: "orders/read", Grant: "gr_7Q2", Cause: curfew.CauseRevoked,
			By: "Dana", Reason: "wrong cluster", At: ending(), Lasted: 45 * time.Minute, Open: "The open transaction was rolled back."}).String(),
			"Curfew: your access to orders-db ended at 14:47.\n" +
				`It was cut, by Dana: "wrong cluster". Grant gr_7Q2, lasted 45 min. The open transaction was rolled back.` + "\n" +
				"To ask again: curfew request orders/read"},
		{"the end, with little", Ended(Ending{Resource: "orders-db", Cause: curfew.CauseExpired, At: ending()}).String(),
			"Curfew: your access to orders-db ended at 14:47.\nIts time is over.\nTo see what you can ask for: curfew find orders-db"},
		{"a refusal", Refused("orders-db", "Outside hours.", "curfew request orders/read").String(),
			"Curfew: you do not have access to orders-db now.\nOutside hours.\ncurfew request orders/read"},
		{"a refusal without a fix", Refused("orders-db", "", "").String(),
			"Curfew: you do not have access to orders-db now.\nTo see what you can ask for: curfew find orders-db"},
		{"a stranger", Stranger().Line, "Curfew: this sign-in is not valid."},
		{"an effect", Effect("Alice", "read orders", "orders-db", 45*time.Minute), "Alice may read orders on orders-db for 45 min."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got  %s\nwant %s", c.got, c.want)
			}
		})
	}
}

func TestFirstLinesAreShortWhateverTheName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := curfew.ResourceName(rapid.String().Draw(t, "name"))
		for _, n := range []Notice{Notice5(r, ending()), Notice1(r, ending()), Ended(Ending{Resource: r, At: ending()}), Refused(r, string(r), string(r))} {
			if len(n.Line) > MaxLine || strings.ContainsAny(n.Line, "\n\r\x1b") {
				t.Fatalf("%d bytes: %q", len(n.Line), n.Line)
			}
		}
	})
}

// TestEveryCauseIsSaid reads the causes from the source, so that a new one
// without a sentence fails.
func TestEveryCauseIsSaid(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../cause.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok {
			return true
		}
		cause, _ := strconv.Unquote(lit.Value)
		text := Cause(curfew.Cause(cause))
		if strings.Contains(text, "unknown") || seen[text] != "" {
			t.Errorf("the cause %q has no sentence of its own: %q", cause, text)
		}
		seen[text] = cause
		return true
	})
	if len(seen) < 26 {
		t.Errorf("only %d causes were found", len(seen))
	}
	if got := Cause("\x1b[2J"); !strings.Contains(got, "unknown") || strings.Contains(got, "\x1b") {
		t.Errorf("an unknown cause is said as %q", got)
	}
}

func TestDurations(t *testing.T) {
	for _, c := range []struct {
		d           time.Duration
		short, long string
	}{
		{0, "0 s", "0 seconds"},
		{time.Second - 1, "0 s", "0 seconds"},
		{30 * time.Second, "30 s", "30 seconds"},
		{45 * time.Minute, "45 min", "45 minutes"},
		{time.Minute, "1 min", "1 minute"},
		{90 * time.Second, "1 min 30 s", "1 minute 30 seconds"},
		{2 * time.Hour, "2 h", "2 hours"},
		{90 * time.Minute, "1 h 30 min", "1 hour 30 minutes"},
		{time.Hour + time.Second, "1 h", "1 hour"},
		{36 * time.Hour, "36 h", "36 hours"},
		{72 * time.Hour, "3 d", "3 days"},
		{73 * time.Hour, "3 d 1 h", "3 days 1 hour"},
		{-45 * time.Minute, "-45 min", "-45 minutes"},
	} {
		if got := Duration(c.d); got != c.short {
			t.Errorf("Duration(%s) = %q, want %q", c.d, got, c.short)
		}
		if got := Long(c.d); got != c.long {
			t.Errorf("Long(%s) = %q, want %q", c.d, got, c.long)
		}
	}
}

func TestFuse(t *testing.T) {
	for _, c := range []struct {
		name        string
		left, total time.Duration
		width       int
		want        string
	}{
		{"all is left", 10, 10, 4, "████"},
		{"half is left", 5, 10, 4, "██░░"},
		{"almost all is not all", 9999, 10000, 4, "███░"},
		{"almost nothing is not nothing", 1, 10000, 4, "█░░░"},
		{"nothing is left", 0, 10, 4, "░░░░"},
		{"overdue", -5, 10, 4, "░░░░"},
		{"more than all", 20, 10, 4, "████"},
		{"no total", 5, 0, 4, "░░░░"},
		{"no width", 5, 10, 0, ""},
		{"a negative width", 5, 10, -3, ""},
	} {
		if got := Fuse(c.left, c.total, c.width); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain text stays", "Fix stuck refunds, INC-1423 — é 漢字", "Fix stuck refunds, INC-1423 — é 漢字"},
		{"colours", "\x1b[31mred\x1b[0m", `\e[31mred\e[0m`},
		{"a window title", "\x1b]0;root\a", `\e]0;root\x07`},
		{"a hyperlink (OSC 8)", "\x1b]8;;http://evil\x1b\\x", `\e]8;;http://evil\e\x`},
		{"the clipboard (OSC 52)", "\x1b]52;c;aGk=\a", `\e]52;c;aGk=\x07`},
		{"eight-bit controls", "\u009b31m", `\x9b31m`},
		{"a raw eight-bit control", "\x9b31m", `\x9b31m`},
		{"line breaks", "a\r\nb\tc", `a\r\nb\tc`},
		{"line separators", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"right to left override", "a\u202eb", `a\u202eb`},
		{"isolates", "\u2066x\u2069", `\u2066x\u2069`},
		{"zero width", "a\u200bb\u200d\ufeff", `a\u200bb\u200d\ufeff`},
		{"tags", "a\U000e0041", `a\U000e0041`},
		{"variation selectors", "a\ufe0f", `a\ufe0f`},
		{"spaces that are none", "a\u00a0b\u3000", `a\xa0b\u3000`},
		{"a blank letter", "a\u3164", `a\u3164`},
		{"private use", "\ue000", `\ue000`},
		{"invalid UTF-8", "a\xff\xfeb", `a\xff\xfeb`},
		{"a surrogate in UTF-8", "\xed\xa0\x80", `\xed\xa0\x80`},
		{"backspaces", "safe\b\b\b\bevil", `safe\x08\x08\x08\x08evil`},
		{"delete", "\x7f", `\x7f`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Clean(c.in, 200); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCleanIsBounded(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{{"abcdef", 6, "abcdef"}, {"abcdefg", 6, "abc…"}, {"ééé", 5, "é…"}, {"abc", 2, ""}, {"\x1b\x1b\x1b", 5, `\e…`}, {"", 0, ""}} {
		if got := Clean(c.in, c.most); got != c.want {
			t.Errorf("Clean(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		most := rapid.IntRange(0, 50).Draw(t, "most")
		got := Clean(s, most)
		if len(got) > most || !utf8.ValidString(got) {
			t.Fatalf("%q", got)
		}
		for _, r := range got {
			if acts(r) {
				t.Fatalf("%U is left in %q", r, got)
			}
		}
		if again := Clean(got, most); again != got {
			t.Fatalf("cleaning twice changed %q to %q", got, again)
		}
	})
}

func TestCSV(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            `"plain"`,
		`say "hi"`:         `"say ""hi"""`,
		"=1+1":             `"'=1+1"`,
		"+1":               `"'+1"`,
		"-1":               `"'-1"`,
		"@SUM(A1)":         `"'@SUM(A1)"`,
		"  =1":             `"'  =1"`,
		`"=1`:              `"'""=1"`,
		"\t=1":             `"'\t=1"`,
		"\r=1":             `"'\r=1"`,
		"＝1":               `"'＝1"`,
		"a=1":              `"a=1"`,
		"=cmd|' /C calc'!": `"'=cmd|' /C calc'!"`,
		"":                 `""`,
	} {
		if got := CSV(in, 100); got != want {
			t.Errorf("CSV(%q) = %s, want %s", in, got, want)
		}
	}
}
