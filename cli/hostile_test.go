package cli

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew/client"
)

// corpus is text that acts: in terminals, in what reads it, in what lays it out.
func corpus() []string {
	return []string{
		"\x1b[2J\x1b]0;owned\x07", "\x1b]52;c;cm0gLXJm\x07", "\u009b31m", "a\rb", "a\bb", "line one\n✓ Approved by Dana", "\u202egnp.exe", "\u2066x\u2069",
		"zero\u200bwidth\u2060", "\u2028next", "\xff\xfe broken", "tag\U000e0041", "e\ufe0f", strings.Repeat("W", 5000), "%s%n%!d(x)", "'; $(reboot) `id`", "\x00", "\x7f\x85",
	}
}

// poison puts text into every string of v, keeping times and what steers the program.
func poison(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			poison(v.Elem(), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			switch f := v.Type().Field(i); {
			case f.Name == "Status" || f.Name == "ID" || f.Name == "For" || f.Name == "Resource" || f.Name == "Digest" || f.Name == "Longest": // the fakes need them
			case f.Name == "Grant" || f.Name == "Engine":
			default:
				poison(v.Field(i), text)
			}
		}
	}
}

// poisoned is a gateway all of whose words are text.
func poisoned(f *fake, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for route, h := range f.routes {
		_, answer := h(nil)
		if _, stream := answer.(string); stream {
			continue
		}
		v := reflect.New(reflect.TypeOf(answer))
		v.Elem().Set(reflect.ValueOf(answer))
		poison(v.Elem(), text)
		f.routes[route] = gives(v.Elem().Interface())
	}
	it, _ := json.Marshal(client.Item{At: noon(), Kind: "statement", Text: text, Values: []client.Value{{Text: text}}})
	bad, _ := json.Marshal(client.Item{At: noon(), Kind: "refused", Text: text, Error: text, Code: text, Tag: text})
	odd, _ := json.Marshal(client.Item{At: noon(), Kind: text, Text: text, Error: text, Tag: text})
	f.routes["GET /sessions/s_1/transcript"] = gives(fmt.Sprintf("%s\n%s\n%s\n", it, bad, odd))
	f.routes["GET /sessions/s_1/watch"] = gives(fmt.Sprintf("id: 1\nevent: item\ndata: %s\n\nid: 2\nevent: item\ndata: %s\n\nid: 3\nevent: end\ndata: {}\n\n", it, bad))
}

func acts(r rune) bool {
	return r != '\n' && r != ' ' && (!unicode.IsGraphic(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co))
}

// TestTextThatActs puts text that acts through every field of every answer, in
// both faces of every command (THREATS 14).
func TestTextThatActs(t *testing.T) {
	for i, text := range corpus() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			poisoned(f, text)
			for name, c := range commands() {
				for _, face := range []string{"--quiet=false", "--json"} {
					_, out, errs := newShell(t, f).run(c.stdin, append([]string{face}, c.args...)...)
					still(t, name+" "+face, out+errs)
					if name == "head" || name == "why" || name == "export" {
						continue // the gateway lays these out, and cleans what is in them; a file has lines
					}
					if face != "--json" && strings.Contains(out, "\n✓ Approved by Dana") {
						t.Errorf("%s: a stranger wrote a line of ours:\n%s", name, out)
					}
				}
			}
		})
	}
}

// still fails if something in text acts.
func still(t *testing.T, what, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, acts); i >= 0 || !utf8.ValidString(text) {
		t.Errorf("%s acts: %q", what, cut(text, max(i, 0)))
	}
}

func cut(s string, at int) string { return s[max(0, at-30):min(len(s), at+30)] }

func TestFaultsThatAct(t *testing.T) {
	for i, text := range corpus() {
		f := newFake(t)
		f.on("GET /grants", faults(403, text, text, client.Fix{Say: text, Run: text}))
		for _, face := range []string{"--quiet=false", "--json"} {
			_, out, errs := newShell(t, f).run("", face, "grants")
			still(t, fmt.Sprint(face, " text ", i), out+errs)
		}
	}
}

func TestHarmlessJSONMeansTheSame(t *testing.T) {
	for _, text := range corpus() {
		in, _ := json.Marshal(map[string]string{"x": text})
		var before, after map[string]string
		if err := json.Unmarshal(in, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(harmless(string(in))), &after); err != nil || before["x"] != after["x"] {
			t.Errorf("%q became %q (%v)", before["x"], after["x"], err)
		}
	}
}
