package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// lookup knows everybody at acme.io: alice@acme.io is p_alice.
func lookup(email string) (curfew.Principal, bool) {
	local, domain, _ := strings.Cut(email, "@")
	return curfew.Principal("p_" + local), domain == "acme.io"
}

func example(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func resolved(t testing.TB, text string) (*File, curfew.Config) {
	t.Helper()
	f, problems := Parse("curfew.yaml", []byte(text))
	if Failed(problems) {
		t.Fatal(problems)
	}
	c, problems := Resolve(f, lookup, nil)
	if Failed(problems) {
		t.Fatal(problems)
	}
	return f, c
}

func TestTheExampleOfTheManual(t *testing.T) {
	f, c := resolved(t, string(example(t)))
	p := c.Policies["fix-refunds-on-call"]
	want := curfew.Policy{
		Name: "fix-refunds-on-call", Who: []curfew.Subject{{Group: "payments"}}, Roles: []curfew.RoleName{"orders/refund-fixer"},
		Hours:     []string{"Mon-Fri 09:00-18:00 Europe/Paris"},
		Workflows: []curfew.WorkflowNeed{{Kind: curfew.Incident, AssignedToRequester: true}},
		Approvals: []curfew.ApprovalNeed{{Count: 1, From: []curfew.Subject{{Group: "payments"}}}},
		AtMost:    45 * time.Minute, AnswerWithin: 30 * time.Minute, UseWithin: 8 * time.Hour,
		Starts: curfew.AtApproval, Record: curfew.RecordLive,
	}
	if got := fmt.Sprintf("%+v", p); got != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %s\nwant %+v", got, want)
	}
	if got := string(c.Resources["orders-db"].Options); got != `{"database":"orders","pool":4,"tls":"verify"}` {
		t.Errorf("options: %s", got)
	}
	if c.Managers["p_alice"] != "p_dana" || c.Settings.Settle != 24*time.Hour {
		t.Errorf("managers %v, settings %v", c.Managers, c.Settings)
	}
	place, ok := f.Where("policies", "fix-refunds-on-call", "at most")
	if !ok || place.File != "curfew.yaml" || !strings.HasPrefix(strings.Split(string(example(t)), "\n")[place.Line-1], "    at most:") {
		t.Errorf("at most is said to be at %s", place)
	}
	for _, r := range RunTests(f, c, lookup, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)) {
		if !r.OK {
			t.Errorf("%s: %s: %s %+v", r.Test.Place, r.Test.Text, r.Message, r.Decision)
		}
	}
}
