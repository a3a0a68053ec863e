package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

const small = `curfew: v1
groups:
  ops: [ann@acme.io, bob@acme.io]
resources:
  db: { type: postgres, address: "db:5432" }
roles:
  read: { on: db, may: read *, longest: 1h }
policies:
  look: { who: ops, may have: read }
`

func TestEveryFaultHasItsLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"not the version", "curfew: v2", "f:1:9: `curfew` cannot be `v2` → one of: v1"},
		{"no version", "groups: {}", "the file has no `curfew`"},
		{"an empty file", "", "the file has no `curfew`"},
		{"a list", "- a", "f:1:1: the file is a table of keys"},
		{"an unknown key", "curfew: v1\npolicys: {}", "f:2:1: unknown key `policys` → did you mean `policies`?"},
		{"an unknown key like none", "curfew: v1\nzzz: {}", "unknown key `zzz` → the keys are curfew, settings"},
		{"hour for hours", small + "    when: { hour: x }", "f:"},
		{"a key twice", "curfew: v1\ncurfew: v1", "f:2:1: \"curfew\" is here a second time; the first is in line 1"},
		{"look-alike names", "curfew: v1\ngroups:\n  ops: []\n  оps: []", "f:4:3: `оps` looks like `ops` in line 3"},
		{"names that differ by case", "curfew: v1\ngroups:\n  ops: []\n  Ops: []", "`Ops` looks like `ops`"},
		{"names that differ by width", "curfew: v1\ngroups:\n  ops: []\n  ｏps: []", "looks like `ops`"},
		{"addresses that differ by case", "curfew: v1\npeople:\n  Ann@acme.io:\n  ann@acme.io:", "looks like"},
		{"an address in another alphabet", "curfew: v1\ngroups:\n  ops: [аnn@acme.io]", "which is not ASCII"},
		{"no address", "curfew: v1\ngroups:\n  ops: [ann]", "f:3:9: \"ann\" is no e-mail address"},
		{"an address with two dots", "curfew: v1\ngroups:\n  ops: [ann..x@acme.io]", "is no e-mail address"},
		{"a group called peer", "curfew: v1\ngroups:\n  peer: []", `a group cannot be called "peer"`},
		{"a name with a space", "curfew: v1\ngroups:\n  a b: []", `the name "a b" has ' ' in it`},
		{"a group of text", "curfew: v1\ngroups:\n  ops: ann@acme.io", "`ops` is a list"},
		{"a table for text", "curfew: v1\ngroups:\n  ops: [{a: b}]", "is one value"},
		{"text for a table", "curfew: v1\nroles: x", "`roles` is a table of names"},
		{"a literal secret", small + "  db2: {}\nfreezes: 3", "`freezes` is a table of names"},
		{"a bad duration", strings.Replace(small, "1h", "1 hour", 1), "`longest` is a duration, not `1 hour` → for example 45m"},
		{"no duration", strings.Replace(small, "1h", "0h", 1), "`longest` is a duration"},
		{"a role without on", strings.Replace(small, "on: db, ", "", 1), "`read` has no `on`"},
		{"on a list", strings.Replace(small, "on: db", "on: [db]", 1), "`on` is one value"},
		{"bad hours", strings.Replace(small, "who: ops", `who: ops, when: { hours: "Mon 9-18" }`, 1), "cannot be read"},
		{"a misspelt zone", strings.Replace(small, "who: ops", `who: ops, when: { hours: "Mon 09:00-18:00 Europe/Pari" }`, 1), `did you mean "Europe/Paris"?`},
		{"hour", strings.Replace(small, "who: ops", `who: ops, when: { hour: x }`, 1), "unknown key `hour` → did you mean `hours`?"},
		{"a misspelt word", strings.Replace(small, "who: ops", `who: ops, record: lve`, 1), "`record` cannot be `lve` → did you mean `live`?"},
		{"who nobody", strings.Replace(small, "who: ops", `who: []`, 1), "`who` names nobody"},
		{"a need of nothing", strings.Replace(small, "who: ops", `who: ops, needs: [{ not: requester }]`, 1), "this need asks for nothing"},
		{"a need of two", strings.Replace(small, "who: ops", `who: ops, needs: [{ incident: open, ticket: open }]`, 1), "one need asks for two things"},
		{"a need that mixes", strings.Replace(small, "who: ops", `who: ops, needs: [{ incident: open, approvals: 1 }]`, 1), "one need asks for two things"},
		{"a need that is text", strings.Replace(small, "who: ops", `who: ops, needs: [incident]`, 1), "is a table of keys"},
		{"needs that are a table", strings.Replace(small, "who: ops", `who: ops, needs: { incident: open }`, 1), "`needs` is a list"},
		{"approvals from nobody", strings.Replace(small, "who: ops", `who: ops, needs: [{ approvals: 1 }]`, 1), "approvals from nobody"},
		{"a budget of nothing", strings.Replace(small, "who: ops", `who: ops, budget: { rows: 0 }`, 1), "`rows` is a whole number from 1 to 1000000000000, not `0`"},
		{"a budget of something else", strings.Replace(small, "who: ops", `who: ops, budget: { row: 5 }`, 1), "did you mean `rows`?"},
		{"approvals in words", strings.Replace(small, "who: ops", `who: ops, needs: [{ approvals: one, from: ops }]`, 1), "`approvals` is a number from 1 to 100, not `one`"},
		{"approvals in hexadecimal", strings.Replace(small, "who: ops", `who: ops, needs: [{ approvals: 0x1, from: ops }]`, 1), "is a number from 1"},
		{"no approvals", strings.Replace(small, "who: ops", `who: ops, needs: [{ approvals: 0, from: ops }]`, 1), "is a number from 1"},
		{"approvals assigned", strings.Replace(small, "who: ops", `who: ops, needs: [{ approvals: 1, from: ops, assigned to: requester }]`, 1), "`assigned to` means nothing beside `approvals`"},
		{"an incident from somebody", strings.Replace(small, "who: ops", `who: ops, needs: [{ incident: open, from: ops, opened by: someone else }]`, 1), "`from` means nothing beside `incident`"},
		{"a workflow that anybody could open", strings.Replace(small, "who: ops", `who: ops, needs: [{ incident: open }]`, 1), "no other person has a say"},
		{"opened and accepted", strings.Replace(small, "who: ops", `who: ops, needs: [{ incident: open, opened by: someone else, accept: self-declared }]`, 1), "contradict each other"},
		{"opened beside approvals", strings.Replace(small, "who: ops", `who: ops, needs: [{ incident: open, opened by: someone else }, { approvals: 1, from: ops }]`, 1), "`opened by` cannot be asked beside approvals"},
		{"a bad time", "curfew: v1\nfreezes: { x: { from: yesterday, to: 2026-12-27T08:00:00+01:00 } }", "`from` is a time with its zone, not `yesterday`"},
		{"a test nobody can read", "curfew: v1\ntests: [ann may have read]", "cannot be read"},
		{"a test of an unknown workflow", "curfew: v1\ntests: [ann can have read with an open door]", "is no kind of workflow"},
		{"a test at no time", "curfew: v1\ntests: [ann can have read on Tue 25:00]", "has no such time"},
		{"a test for no time", "curfew: v1\ntests: [ann can have read for 0m]", "is no duration"},
		{"broken YAML", "curfew: v1\ngroups: [a, b", "this is no YAML"},
		{"tabs for spaces", "curfew: v1\ngroups:\n\tops: []", "f:3:"},
		{"an anchor", "curfew: v1\ngroups: &a {}", "f:2:9: anchors (&) are not used here"},
		{"an alias", "curfew: v1\ngroups: *a", "aliases (*) are not used here"},
		{"a tag", "curfew: !!str v1", "tags (!) are not used here"},
		{"a merge key", "curfew: v1\n<<: {a: b}", "merge keys (<<) are not used here"},
		{"a directive", "%YAML 1.2\n---\ncurfew: v1", "directives (%) are not used here"},
		{"a complex key", "? curfew\n: v1", "complex keys (?) are not used here"},
		{"a null key", "curfew: v1\nnull: x", "f:2:1: this is no key"},
		{"a number as key", "curfew: v1\n1: x", "unknown key `1`"},
		{"two documents", "curfew: v1\n---\ncurfew: v1", "a second document"},
		{"a document that ends", "curfew: v1\n...\ncurfew: v1", "a second document"},
		{"NUL", "curfew: v1\x00", "f:1:11: the invisible character U+0000"},
		{"a hidden direction", "curfew: v1 # \u202e", "the invisible character U+202E"},
		{"no UTF-8", "curfew: v1\n# \xff", "f:2:3: this is not UTF-8 text"},
		{"too deep", "curfew: v1\ngroups: " + strings.Repeat("[", 60) + strings.Repeat("]", 60), "nested deeper than 50"},
		{"too deep in blocks", deepBlocks(60), "nested deeper than 50"},
		{"too long", "curfew: v1\n#" + strings.Repeat("x", 1<<20), "longer than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, problems := Parse("f", []byte(c.text))
			if f != nil || !Failed(problems) {
				t.Fatalf("it was read: %v", problems)
			}
			if got := allText(problems); !strings.Contains(got, c.want) {
				t.Errorf("got\n%swant %s", got, c.want)
			}
		})
	}
}

func allText(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

func deepBlocks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, problems := Parse("f", []byte("curfew: v3\nsettings: {settle: x}\nzzz: 1\ngroups: {ops: [a, b]}"))
	if len(problems) != 5 {
		t.Errorf("%d problems:\n%s", len(problems), allText(problems))
	}
	_, problems = Parse("f", []byte("curfew: v1\ngroups: {ops: ["+strings.Repeat("a, ", 100)+"]}"))
	if len(problems) != maxProblems {
		t.Errorf("%d problems", len(problems))
	}
}

// TestSecretsNeverStandInTheFile also asks that no message repeats one.
func TestSecretsNeverStandInTheFile(t *testing.T) {
	const canary = "hunter2canary"
	for _, c := range []struct {
		name, fields string
		ok           bool
	}{
		{"by the environment", "login: env:ORDERS_DB", true},
		{"by a file", "login: file:orders.pw", true},
		{"a literal", "login: " + canary, false},
		{"a literal behind a scheme", "login: pass:" + canary, false},
		{"a URL", "login: postgres://u:" + canary + "@h/db", false},
		{"a path", "login: file:../" + canary, false},
		{"an absolute path", "login: file:/etc/" + canary, false},
		{"only dots", "login: file:..", false},
		{"no name", `login: "env:"`, false},
		{"too long a name", "login: env:" + strings.Repeat("x", 200), false},
		{"in the options", "options: { password: " + canary + " }", false},
		{"deep in the options", "options: { a: [{ client_secret: " + canary + " }] }", false},
		{"in the options by reference", "options: { password: env:X }", true},
		{"in tls", "tls: { key passphrase: " + canary + " }", false},
		{"options that are text", "options: x", false},
		{"options twice", "options: { database: x }, database: x", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, problems := Parse("f", []byte(strings.Replace(small, "type: postgres", "type: postgres, "+c.fields, 1)))
			if (f != nil) != c.ok || strings.Contains(allText(problems), canary) {
				t.Errorf("%v\n%s", f, allText(problems))
			}
		})
	}
	for address, ok := range map[string]bool{
		"db:5432": true, "https://api.internal/x": true, "postgres://admin@db:5432/x": true, "[::1]:22": true, "/run/db": true,
		"postgres://admin:" + canary + "@db/x": false, "admin:" + canary + "@db:5432": false, "postgres://db/x?password=" + canary: false,
		"https://a/?TOKEN=" + canary: false, "https://[" + canary: false, "": false,
	} {
		f, problems := Parse("f", []byte(strings.Replace(small, "db:5432", address, 1)))
		if (f != nil) != ok || strings.Contains(allText(problems), canary) {
			t.Errorf("address %q: %s", address, allText(problems))
		}
	}
}

func TestSpans(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"45m": 45 * time.Minute, "2h": 2 * time.Hour, "1h30m": 90 * time.Minute, "3d": 72 * time.Hour, "1d2h3m4s": 26*time.Hour + 184*time.Second,
		"": 0, "45": 0, "m": 0, "0m": 0, "-1h": 0, "1.5h": 0, "30m1h": 0, "1h1h": 0, "366d": 0, "99999999d": 0, "999999999s": 0, "1w": 0, "1h ": 0,
	} {
		if got, ok := parseSpan(in); got != want && ok || ok != (want > 0) {
			t.Errorf("parseSpan(%q) = %s, %v", in, got, ok)
		}
	}
}

func TestResolveFindsWhatTheWholeLacks(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"somebody unknown", strings.Replace(small, "bob@acme.io", "bob@else.io", 1), "f:3:22: nobody here has the address bob@else.io"},
		{"a policy for somebody unknown", strings.Replace(small, "who: ops", "who: bob@else.io", 1), "f:9:16: nobody here has the address"},
		{"a manager unknown", small + "people: { ann@acme.io: { manager: x@else.io } }", "nobody here has the address"},
		{"one person by two addresses", small + "people: { ann@acme.io: , twin@acme.io: }", "twin@acme.io are the same person"},
		{"an unknown resource", strings.Replace(small, "on: db", "on: dbb", 1), "f:7:11: roles read: there is no resource \"dbb\" → did you mean \"db\"?"},
		{"their own manager", small + "people: { ann@acme.io: { manager: ann@acme.io } }", "nobody is their own manager"},
		{"at most beyond the role", strings.Replace(small, "who: ops", "who: ops, at most: 2h", 1), "f:9:21: warning: policies look: 2 h is more"},
		{"approvals nobody can give", strings.Replace(small, "who: ops", "who: ops, needs: [{ approvals: 2, from: ops }]", 1), "nobody could ever get these approvals"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, problems := Parse("f", []byte(c.text))
			if f == nil {
				t.Fatal(problems)
			}
			_, problems = Resolve(f, func(email string) (curfew.Principal, bool) {
				return lookup(strings.Replace(email, "twin@", "ann@", 1))
			}, nil)
			if got := allText(problems); !strings.Contains(got, c.want) {
				t.Errorf("got\n%swant %s", got, c.want)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	read := func(name, text string) *File {
		f, problems := Parse(name, []byte(text))
		if f == nil {
			t.Fatal(problems)
		}
		return f
	}
	a, b := read("a", small), read("b", "curfew: v1\nfreezes: { x: { from: 2026-01-01T00:00:00Z, to: 2026-01-02T00:00:00Z } }\npeople: { eve@acme.io: }\ntests: [eve cannot have read]")
	m, problems := Merge(a, b)
	if m == nil {
		t.Fatal(problems)
	}
	c, problems := Resolve(m, lookup, nil)
	if Failed(problems) || len(c.Freezes) != 1 || len(c.Roles) != 1 || len(m.People) != 1 || len(m.Tests) != 1 {
		t.Errorf("%+v %v", c, problems)
	}
	if place, ok := m.Where("freezes", "x"); !ok || place.String() != "b:2:12" {
		t.Errorf("the freeze is at %s", place)
	}
	if place, ok := m.Where("policies", "look", "nowhere"); ok || place.File != "a" {
		t.Errorf("nowhere is at %s", place)
	}
	if _, ok := m.Where(); ok {
		t.Error("nothing is somewhere")
	}
	if _, problems := Merge(a, read("c", "curfew: v1\ngroups: { Ops: [] }")); !strings.Contains(allText(problems), "c:2:11: groups has `Ops`, or one that looks like it, in a:3:3 too") {
		t.Error(allText(problems))
	}
}

func TestTestsSayWhyTheyFail(t *testing.T) {
	for _, c := range []struct{ name, test, want string }{
		{"it holds", "ann can have read", ""},
		{"by address", "ann@acme.io can have read on db for 1h, without approval", ""},
		{"in a zone", "bob can have read on Sun 03:00 Europe/Paris", ""},
		{"not allowed", "ann can have read for 2h", "no policy allows it"},
		{"allowed", "ann cannot have read", "the policy look allows it"},
		{"approvals", "ann can have read, after 1 approval", "it takes 0 approvals, not 1"},
		{"an unknown role", "ann can have write", `there is no role "write"`},
		{"an unknown person", "zed can have read", "nobody in this file is called zed"},
		{"an unknown address", "zed@else.io cannot have read", "nobody has the address zed@else.io"},
		{"two of one name", "ann2 cannot have read", "could be ann2@acme.io or ann2@sub.acme.io"},
		{"a person whom nobody knows", "lost cannot have read", "nobody has the address lost@else.io"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, problems := Parse("f", []byte(small+"tests:\n  - "+c.test+"\npeople: { ann2@acme.io: , ann2@sub.acme.io: , lost@else.io: }"))
			if f == nil {
				t.Fatal(problems)
			}
			cfg, _ := Resolve(f, lookup, nil)
			r := RunTests(f, cfg, lookup, time.Unix(0, 0))[0]
			if r.OK != (c.want == "") || r.Message != c.want && !strings.Contains(r.Message, c.want) {
				t.Errorf("%v %q", r.OK, r.Message)
			}
		})
	}
}

// TestTheSchemaIsTheTable walks the schema and the shapes side by side, and
// feeds every example to the parser.
func TestTheSchemaIsTheTable(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, s *shape, m map[string]any)
	walk = func(path string, s *shape, m map[string]any) {
		switch s.form {
		case listOf:
			walk(path+"[]", s.of, m["items"].(map[string]any))
		case oneOrAll:
			walk(path, s.of, m["anyOf"].([]any)[0].(map[string]any))
		case named:
			walk(path+".*", s.of, m["additionalProperties"].(map[string]any))
		case keyed:
			properties := m["properties"].(map[string]any)
			if len(properties) != len(s.keys) || m["additionalProperties"] != false {
				t.Errorf("%s: the schema has %d keys, the parser %d", path, len(properties), len(s.keys))
			}
			for _, k := range s.keys {
				p := properties[k.name].(map[string]any)
				if k.about == "" || p["description"] != k.about {
					t.Errorf("%s.%s has no description", path, k.name)
				}
				b := &book{file: path + "." + k.name}
				n, problems := read("example", []byte(k.example))
				b.fits(n, &k.shape, k.name)
				if len(problems) > 0 || len(b.problems) > 0 {
					t.Errorf("the example of %s.%s is no value of it: %v %v", path, k.name, problems, b.problems)
				}
				walk(path+"."+k.name, &k.shape, p)
			}
		}
	}
	walk("", file(), schema)
}

// TestBombsAreBounded: what would take a parser long is refused, or read, in
// moments. The bound is ten times what was seen, and only there to end a hang.
func TestBombsAreBounded(t *testing.T) {
	n := maxBytes
	if testing.Short() {
		n /= 8 // the full size takes seconds
	}
	bombs := map[string]string{
		"brackets": strings.Repeat("[", n), "braces": strings.Repeat("{a: ", n/4), "dashes": strings.Repeat("- ", n/2),
		"quotes": strings.Repeat("\"", n), "colons": strings.Repeat("a: ", n/3), "questions": strings.Repeat("? ", n/2), "anchors": strings.Repeat("&a ", n/3),
		"bangs": strings.Repeat("! ", n/2), "documents": strings.Repeat("---\n", n/4), "returns": strings.Repeat("a: b\r", n/5),
		"list": strings.Repeat("- a\n", n/4), "flow": "a: [" + strings.Repeat("x, ", n/3-5) + "]", "quotes within bounds": strings.Repeat("\"\"\n", maxTokens),
		"comments": strings.Repeat("# c\n", n/4), "spaces": strings.Repeat(" ", n), "steps": func() string {
			var b strings.Builder
			for i := 0; b.Len() < n-2000; i++ {
				fmt.Fprintf(&b, "%s- a\n", strings.Repeat(" ", i%1000))
			}
			return b.String()
		}(),
		"keys": func() string {
			var b strings.Builder
			for i := range maxKeys {
				fmt.Fprintf(&b, "k%d: v\n", i)
			}
			return b.String()
		}(),
	}
	for name, bomb := range bombs {
		start := time.Now()
		Parse(name, []byte(bomb))
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %s", name, took)
		} else {
			t.Logf("%s: %s", name, took)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{small, "curfew: v1\n<<: *a", "? [a]\n: b", "a: &a [*a]", "---\n---", "{{{[[[", "a: |\n x\n", "- - - a", "\ufeffcurfew: v1", "a:\n - b: c\n   d: 'e'\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, problems := Parse("f", data)
		if (file == nil) != Failed(problems) {
			t.Fatalf("file %v with %v", file, problems)
		}
		if file != nil {
			c, _ := Resolve(file, lookup, nil)
			Diff(curfew.Config{}, c).Lines(nil)
			RunTests(file, c, lookup, time.Unix(0, 0))
		}
	})
}
