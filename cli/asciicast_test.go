package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// transcript answers with items, as the API streams them.
func transcript(items ...client.Item) handler {
	return func([]byte) (int, any) {
		var b strings.Builder
		for _, it := range items {
			text, err := json.Marshal(it)
			if err != nil {
				return http.StatusInternalServerError, nil
			}
			b.WriteString(string(text) + "\n")
		}
		return http.StatusOK, b.String()
	}
}

func castItems() []client.Item {
	after := func(d time.Duration) time.Time { return noon().Add(d) }
	return []client.Item{
		{At: after(0), Kind: "opened", Text: "web/ops"},
		{At: after(time.Second), Kind: "statement", Ref: 1, Text: "true"},
		{At: after(time.Second), Kind: "outcome", Ref: 1, Tag: "exit 0"},
		{At: after(2 * time.Second), Kind: "statement", Ref: 2, Text: "shell", Tag: "101x33"},
		{At: after(2500 * time.Millisecond), Kind: "output", Ref: 2, Text: "$ \x1b[31m<&>é"},
		{At: after(2600 * time.Millisecond), Kind: "input", Ref: 2, Text: "ls\n"},
		{At: after(2600 * time.Millisecond), Kind: "statement", Ref: 3, Text: "top", Tag: "80x24"},
		{At: after(2700 * time.Millisecond), Kind: "output", Ref: 3, Text: "of the other"},
		{At: after(3 * time.Second), Kind: "resize", Ref: 2, Text: "120x44"},
		{At: after(4 * time.Second), Kind: "notice", Text: "Curfew: access to web-1 ends in 5 min."},
		{At: after(3900 * time.Millisecond), Kind: "output", Ref: 2, Text: "late"},
		{At: after(5 * time.Second), Kind: "outcome", Ref: 2, Tag: "exit 3"},
		{At: after(6 * time.Second), Kind: "notice", Text: "afterwards"},
		{At: after(6 * time.Second), Kind: "closed"},
	}
}

func TestATerminalAsAsciicast(t *testing.T) {
	f := newFake(t)
	f.on("GET /sessions/s_2", gives(endedSession("s_2")))
	f.on("GET /sessions/s_2/transcript", transcript(castItems()...))
	s := newShell(t, f)
	code, out, errs := s.run("", "sessions", "cast", "s_2")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	want := []string{
		`[0.500000,"o","$ \u001b[31m<&>é"]`, `[0.100000,"i","ls\n"]`, `[0.400000,"r","120x44"]`, `[1.000000,"m","Curfew: access to web-1 ends in 5 min."]`,
		`[0.000000,"o","late"]`, `[1.000000,"x","3"]`,
	}
	if len(lines) != len(want)+1 {
		t.Fatalf("%d lines: %s", len(lines), out)
	}
	var h map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &h); err != nil || h["version"] != 3.0 || h["timestamp"] != float64(noon().Unix()+2) || h["command"] != nil {
		t.Errorf("%v %s", err, lines[0])
	}
	has(t, lines[0], `"term":{"cols":101,"rows":33}`, `"title":"Alice Moreau on `)
	for i, w := range want {
		if lines[i+1] != w {
			t.Errorf("%s, want %s", lines[i+1], w)
		}
	}
	has(t, errs, "The session had 2 terminals, this is number 1")

	file := filepath.Join(t.TempDir(), "x.cast")
	has(t, s.must("", "sessions", "cast", "s_2", "--terminal", "2", "-o", file), "x.cast: 3 events")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(text), `"cols":80`, `"command":"top"`, "of the other")
	hasNot(t, string(text), "late")
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("others can read it: %v", info.Mode())
	}
	if code, out, _ := s.run("", "sessions", "cast", "s_2", "--terminal", "3"); code != exitNotFound || out != "" {
		t.Errorf("a third: exit %d, %q", code, out)
	}
}

func TestShapesAreNoCast(t *testing.T) {
	f := newFake(t)
	f.on("GET /sessions/s_2", gives(endedSession("s_2")))
	items := castItems()
	for i := range items {
		if items[i].Kind == "output" || items[i].Kind == "input" {
			items[i].Text = ""
		}
	}
	f.on("GET /sessions/s_2/transcript", transcript(items...))
	s := newShell(t, f)
	file := filepath.Join(t.TempDir(), "x.cast")
	if code, _, errs := s.run("", "sessions", "cast", "s_2", "-o", file); code != exitDenied || !strings.Contains(errs, "shapes of this session") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if left, _ := filepath.Glob(filepath.Dir(file) + "/*"); len(left) != 0 {
		t.Errorf("%q is left", left)
	}
	f.on("GET /sessions/s_2/transcript", transcript(items[:3]...))
	if code, _, _ := s.run("", "sessions", "cast", "s_2", "-o", file); code != exitNotFound {
		t.Errorf("without a terminal: exit %d", code)
	}
}
