package config

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

const releasing = `curfew: v1
groups: { dba: [dana@acme.io, ben@acme.io], payments: [alice@acme.io, dana@acme.io] }
resources: { orders-db: { type: postgres, address: "orders:5432", login: "env:ORDERS" } }
roles: { orders/fix: { on: orders-db, may: [delete orders], longest: 2h } }
policies:
  fixing:
    who: payments
    may have: orders/fix
    needs: [{ approvals: 1, from: dba }]
    release: RELEASE
`

func lookupAny(email string) (curfew.Principal, bool) {
	return curfew.Principal("p_" + strings.SplitN(email, "@", 2)[0]), true
}

func released(t *testing.T, rule string) (curfew.Config, []Problem) {
	t.Helper()
	text := strings.Replace(releasing, "    release: RELEASE\n", "", 1)
	if rule != "" {
		text = strings.Replace(releasing, "RELEASE", rule, 1)
	}
	f, problems := Parse("curfew.yaml", []byte(text))
	if f == nil {
		return curfew.Config{}, problems
	}
	c, more := Resolve(f, lookupAny, nil)
	return c, append(problems, more...)
}

func TestAReleaseRuleIsReadAndReadAloud(t *testing.T) {
	c, problems := released(t, `{ statements: [drop, delete-without-where, drop], by: { approvals: 1, from: dba, not: requester } }`)
	if Failed(problems) {
		t.Fatal(problems)
	}
	r := c.Policies["fixing"].Release
	if len(r.Statements) != 2 || r.Statements[0] != curfew.ClassDeleteWithoutWhere || r.By.Count != 1 || len(r.By.From) != 1 || r.Within != 10*time.Minute {
		t.Errorf("%+v", r)
	}
	want := "Statements that delete rows without a condition or drop objects wait, at most 10 minutes, until one other person in dba releases them; so does what cannot be seen into."
	if got := say.Policy(c.Policies["fixing"], nil); !strings.Contains(got, want) {
		t.Errorf("it reads %q", got)
	}
}

func TestReleaseRulesThatAreRefused(t *testing.T) {
	for rule, want := range map[string]string{
		`{ statements: [dropp], by: { approvals: 1, from: dba } }`:                   "did you mean `drop`",
		`{ statements: [], by: { approvals: 1, from: dba } }`:                        "names none",
		`{ statements: [drop] }`:                                                     "has no `by`",
		`{ by: { approvals: 1, from: dba } }`:                                        "has no `statements`",
		`{ statements: [drop], by: { approvals: 0, from: dba } }`:                    "from 1 to 100",
		`{ statements: [drop], by: { approvals: 1, from: [] } }`:                     "nobody may release",
		`{ statements: [drop], by: { approvals: 1 } }`:                               "has no `from`",
		`{ statements: [drop], by: { approvals: 1, from: dba }, within: 2h }`:        "longer than an hour",
		`{ statements: [drop], by: { approvals: 1, from: dba }, within: soon }`:      "is a duration",
		`{ statements: [drop], by: { approvals: 1, from: dba }, who: dba }`:          "unknown key",
		`{ statements: [drop], by: { approvals: 3, from: dba } }`:                    "nobody could ever get these approvals",
		`{ statements: [drop], by: { approvals: 1, from: nobodies } }`:               "nobodies",
		`{ statements: [drop], by: { approvals: 1, from: dba, accept: something } }`: "unknown key",
	} {
		_, problems := released(t, rule)
		text := ""
		for _, p := range problems {
			text += p.String() + "\n"
		}
		if !Failed(problems) || !strings.Contains(text, want) {
			t.Errorf("%s: %q, want %q", rule, text, want)
		}
	}
}

func TestWhoGainsByAReleaseRule(t *testing.T) {
	const one = `{ statements: [drop, grant], by: { approvals: 1, from: dba }, within: 10m }`
	for name, c := range map[string]struct {
		before, after string
		gains         bool
		detail        string
	}{
		"added":            {"", one, false, "release: holds drop, grant"},
		"removed":          {one, "", true, "release: nothing is held any more"},
		"holds more":       {one, `{ statements: [drop, grant, truncate], by: { approvals: 1, from: dba }, within: 10m }`, false, "release: + truncate"},
		"holds less":       {one, `{ statements: [drop], by: { approvals: 1, from: dba }, within: 10m }`, true, "release: - grant"},
		"holds others":     {one, `{ statements: [drop, truncate], by: { approvals: 1, from: dba }, within: 10m }`, true, "release: + truncate, - grant"},
		"asks more people": {one, `{ statements: [drop, grant], by: { approvals: 2, from: dba }, within: 10m }`, false, "release: others release"},
		"asks others":      {one, `{ statements: [drop, grant], by: { approvals: 1, from: [dba, peer] }, within: 10m }`, true, "release: others release"},
		"waits longer":     {one, `{ statements: [drop, grant], by: { approvals: 1, from: dba }, within: 20m }`, true, "release: within 20m0s"},
		"waits less":       {one, `{ statements: [drop, grant], by: { approvals: 1, from: dba }, within: 5m }`, false, "release: within 5m0s"},
	} {
		before, p1 := released(t, c.before)
		after, p2 := released(t, c.after)
		if Failed(p1) || Failed(p2) {
			t.Fatal(name, p1, p2)
		}
		d := Diff(before, after)
		if len(d.All) != 1 || d.All[0].Detail != c.detail || (len(d.Gains) > 0) != c.gains {
			t.Errorf("%s: %+v, gains %+v", name, d.All, d.Gains)
		}
	}
	// A rule that comes with anything else is judged as a whole.
	before, _ := released(t, "")
	after, _ := released(t, one)
	p := after.Policies["fixing"]
	p.AtMost = time.Hour
	after.Policies["fixing"] = p
	if d := Diff(before, after); len(d.Gains) == 0 {
		t.Error("a longer grant came along with a rule of release, and nobody gained")
	}
	// Who joins those who release lets others' statements go.
	after, _ = released(t, one)
	before, _ = released(t, one)
	after.Groups["dba"] = append(after.Groups["dba"], "p_new")
	if d := Diff(before, after); len(d.Gains) != 1 || len(d.Gains[0].Who) < 3 {
		t.Errorf("%+v", d.Gains)
	}
}

func TestTheSchemaKnowsReleaseRules(t *testing.T) {
	text := string(Schema())
	for _, want := range []string{`"release"`, `"delete-without-where"`, `"copy-program"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the schema has no %s", want)
		}
	}
}
