package config

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

func TestOptionsBecomeJSON(t *testing.T) {
	for in, want := range map[string]string{
		"{ a: true, b: false, c: 1, d: -2 }":                   `{"a":true,"b":false,"c":1,"d":-2}`,
		`{ a: "true", b: "1", c: yes, d: on }`:                 `{"a":"true","b":"1","c":"yes","d":"on"}`,
		"{ a: 1.5, b: 0x10, c: 01, d: 1_000 }":                 `{"a":"1.5","b":"0x10","c":"01","d":"1_000"}`,
		"{ a: 9007199254740993, b: 9007199254740991 }":         `{"a":"9007199254740993","b":9007199254740991}`,
		"{ a: [1, [x]], b: { c: { d: e } }, f: null, g: , h }": `{"a":[1,["x"]],"b":{"c":{"d":"e"}},"f":null,"g":null,"h":null}`,
		"{}": "",
	} {
		f, problems := Parse("f", []byte(strings.Replace(small, "type: postgres", "type: postgres, options: "+in, 1)))
		if f == nil {
			t.Errorf("%s: %v", in, problems)
			continue
		}
		c, _ := Resolve(f, lookup, nil)
		if got := string(c.Resources["db"].Options); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func TestEveryKeyReachesTheConfiguration(t *testing.T) {
	_, c := resolved(t, `curfew: v1
settings: { settle: 2h }
groups: { ops: [ Ann@ACME.io, bob@acme.io, ann@acme.io ] }
people: { max@acme.io: }
resources:
  db: { type: postgres, address: "db:1", account: fixed, accepts: 9f86d081884c7d65, tls: { mode: verify } }
roles:
  a: { about: "What it is: for.", on: db, may: read *, never: [x, "y: z"], includes: b, excludes: [c], longest: 1d }
  b: { on: db, may: b, longest: 1h }
  c: { on: db, may: c, longest: 1h }
policies:
  p:
    who: [ops, max@acme.io, ops]
    may have: [a, b]
    when: { hours: ["weekdays 9:00-18:00 UTC", "Sat 10:00-12:00 Europe/Paris"], freezes: allowed }
    needs:
      - { change: open, assigned to: requester }
      - { approvals: 1, from: [manager, peer, ops, max@acme.io], not: requester }
    at most: 50m
    answer within: 10m
    use within: 1h
    starts: first use
    record: first
    extensions: none
    budget: { statements: 200, rows: 10000, bytes: 1000000000 }
  own:
    who: ops
    may have: c
    needs: [{ ticket: open, accept: self-declared }]
`)
	want := curfew.Policy{
		Name: "p", Who: []curfew.Subject{{Group: "ops"}, {Principal: "p_max"}}, Roles: []curfew.RoleName{"a", "b"},
		Hours: []string{"Mon-Fri 09:00-18:00 UTC", "Sat 10:00-12:00 Europe/Paris"}, DuringFreezes: true,
		Workflows: []curfew.WorkflowNeed{{Kind: curfew.Change, AssignedToRequester: true}},
		Approvals: []curfew.ApprovalNeed{{Count: 1, From: []curfew.Subject{{Group: "ops"}, {Principal: "p_max"}}, Manager: true, Peer: true}},
		AtMost:    50 * time.Minute, AnswerWithin: 10 * time.Minute, UseWithin: time.Hour,
		Starts: curfew.AtFirstUse, Record: curfew.RecordFirst, Extensions: curfew.NoExtensions,
		Budget: curfew.Budget{Statements: 200, Rows: 10_000, Bytes: 1_000_000_000},
	}
	if d := Diff(curfew.Config{Policies: map[curfew.PolicyName]curfew.Policy{"p": want}}, curfew.Config{Policies: map[curfew.PolicyName]curfew.Policy{"p": c.Policies["p"]}}); len(d.All) > 0 {
		t.Errorf("%v: got %+v", d.Lines(nil), c.Policies["p"])
	}
	if w := c.Policies["own"].Workflows; len(w) != 1 || !w[0].AcceptSelfDeclared || w[0].Kind != curfew.Ticket {
		t.Errorf("own: %+v", w)
	}
	role := c.Roles["a"]
	if role.Longest != 24*time.Hour || strings.Join(role.Never, "|") != "x|y: z" || role.Includes[0] != "b" || role.Excludes[0] != "c" || role.About != "What it is: for." {
		t.Errorf("%+v", role)
	}
	db := c.Resources["db"]
	if db.Account != curfew.Fixed || db.Accepts == "" || string(db.Options) != `{"tls":{"mode":"verify"}}` || c.Settings.Settle != 2*time.Hour || len(c.Groups["ops"]) != 2 {
		t.Errorf("%+v %v", db, c.Groups)
	}
}

func TestRetention(t *testing.T) {
	_, forEver := resolved(t, small)
	_, days := resolved(t, small+"retention: { recordings: 2555d }")
	_, fewer := resolved(t, small+"retention: { recordings: 90d }")
	if forEver.Retention.Recordings != 0 || days.Retention.Recordings != 2555*24*time.Hour {
		t.Fatalf("%+v, %+v", forEver.Retention, days.Retention)
	}
	for _, c := range []struct {
		before, after curfew.Config
		second        bool
		detail        string
	}{
		{forEver, days, true, "for ever → 2555 days, those made from now on"},
		{days, fewer, true, "2555 days → 90 days, those made from now on"},
		{fewer, days, false, "90 days → 2555 days, also those that are there"},
		{days, forEver, false, "2555 days → for ever, also those that are there"},
	} {
		d := Diff(c.before, c.after)
		if len(d.All) != 1 || d.All[0].Detail != c.detail || (len(d.Gains) > 0) != c.second || len(d.Gainers()) > 0 {
			t.Errorf("%+v, want %q, a second person %v", d, c.detail, c.second)
		}
	}
	for _, bad := range []string{"0d", "-1d", "90", "12h", "90 days", "1.5d", "99999d", "090d", "[90d]", "for ever"} {
		_, problems := Parse("f", []byte(small+"retention: { recordings: "+bad+" }"))
		if !Failed(problems) || !strings.Contains(problems[0].String(), "f:") {
			t.Errorf("%s: %v", bad, problems)
		}
	}
	_, problems := Parse("f", []byte(small+"retention: { recording: 90d }"))
	if !Failed(problems) || !strings.Contains(problems[0].String(), "did you mean `recordings`?") {
		t.Errorf("%v", problems)
	}
	if !strings.Contains(string(Schema()), `"retention"`) {
		t.Error("the schema does not know it")
	}
}

func TestAFailedTestCanBeExplained(t *testing.T) {
	f, cfg := resolved(t, small+"tests: [ann can have read for 2h]")
	r := RunTests(f, cfg, lookup, time.Unix(0, 0))[0]
	got := say.Why(Answer("Ann", "read", r.Decision))
	want := "No. Ann can't ask for read.\n  policy look   at most 1 h   2 h asked, 1 h allowed by role"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPlacesWithoutALine(t *testing.T) {
	if got := (Place{File: "f"}).String(); got != "f" {
		t.Errorf("got %q", got)
	}
	if got := (Problem{Place: Place{"f", 1, 2}, Message: "m", Fix: "x", Warning: true}).String(); got != "f:1:2: warning: m → x" {
		t.Errorf("got %q", got)
	}
}
