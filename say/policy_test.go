package say

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

func TestPolicyIsReadAloud(t *testing.T) {
	names := Names(func(p curfew.Principal) string {
		return map[curfew.Principal]string{"p_ben": "Ben", "p_dana": "Dana"}[p]
	})
	group := []curfew.Subject{{Group: "payments"}}
	one := []curfew.RoleName{"orders/read"}
	for _, c := range []struct {
		name   string
		policy curfew.Policy
		want   string
	}{
		{"the example of the manual", curfew.Policy{
			Who: group, Roles: []curfew.RoleName{"orders/refund-fixer"}, AtMost: 45 * time.Minute, Hours: []string{"Mon-Fri 09:00-18:00 Europe/Paris"},
			Workflows: []curfew.WorkflowNeed{{Kind: curfew.Incident, AssignedToRequester: true}},
			Approvals: []curfew.ApprovalNeed{{Count: 1, From: group}}, AnswerWithin: 30 * time.Minute,
		}, "Anyone in payments may have orders/refund-fixer for at most 45 minutes, Monday to Friday 09:00 to 18:00 Paris time, " +
			"if an open incident is assigned to them, and after one other person in payments approves. " +
			"The request lapses after 30 minutes. Everything is recorded."},
		{"a budget", curfew.Policy{Who: group, Roles: one, AtMost: time.Hour, Budget: curfew.Budget{Statements: 200, Rows: 1}},
			"Anyone in payments may have orders/read for at most 1 hour, with at most 200 statements and 1 row. Everything is recorded."},
		{"nothing is asked", curfew.Policy{Who: group, Roles: one}, "Anyone in payments may have orders/read. Everything is recorded."},
		{"nobody may ask", curfew.Policy{Roles: one}, "Nobody may have orders/read. Everything is recorded."},
		{"people and several roles", curfew.Policy{Who: []curfew.Subject{{Principal: "p_ben"}, {Principal: "p_x"}}, Roles: []curfew.RoleName{"a", "b", "c"}},
			"Ben or p_x may have a, b or c. Everything is recorded."},
		{"a ticket that someone else opened", curfew.Policy{Who: group, Roles: one, Workflows: []curfew.WorkflowNeed{{Kind: curfew.Ticket}}},
			"Anyone in payments may have orders/read, if a ticket is open that someone else opened. Everything is recorded."},
		{"an incident of one's own", curfew.Policy{Who: group, Roles: one, Workflows: []curfew.WorkflowNeed{{Kind: curfew.Incident, AcceptSelfDeclared: true}}},
			"Anyone in payments may have orders/read, if an incident is open, their own word being enough. Everything is recorded."},
		{"two and the manager, at night", curfew.Policy{Who: group, Roles: one, Hours: []string{"daily 22:00-06:00 UTC", "Sat,Sun 00:00-24:00 America/New_York", "nonsense"},
			DuringFreezes: true, Starts: curfew.AtFirstUse, UseWithin: 8 * time.Hour, Extensions: curfew.NoExtensions, Record: curfew.RecordFirst,
			Approvals: []curfew.ApprovalNeed{{Count: 2, From: []curfew.Subject{{Principal: "p_dana"}}, Peer: true}, {Count: 1, Manager: true}}},
			"Anyone in payments may have orders/read, every day 22:00 to 06:00 the next day UTC, Saturday and Sunday, all day, New York time or " +
				"never (its hours cannot be read), also during freezes, after two other people (Dana) or among those who may ask approve, " +
				"and after their manager approves. The clock starts at first use, which must be within 8 hours. It is never extended. " +
				"Everything is recorded before it is sent."},
		{"many, or the manager", curfew.Policy{Who: group, Roles: one, Hours: []string{"Tue-Sun 09:00-10:00 UTC"}, Starts: curfew.AtFirstUse, Approvals: []curfew.ApprovalNeed{{Count: 9, From: group, Manager: true}}},
			"Anyone in payments may have orders/read, Tuesday to Sunday 09:00 to 10:00 UTC, after 9 other people in payments or (their manager) approve. The clock starts at first use. Everything is recorded."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Policy(c.policy, names); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestWhy(t *testing.T) {
	no := Answer{Person: "Alice", Role: "orders/admin", Policies: []Ruling{
		{Policy: "dba-on-call", Checks: []Check{{OK: true, Need: "x"}, {Need: "needs group dba", Saw: "not in it"}}},
		{Policy: "break-glass", Checks: []Check{{Need: "needs an open incident", Saw: "none named"}, {Need: "needs a reason", Saw: "none\x1b"}}},
	}, Nearest: &Way{Role: "orders/read", Policy: "look", Approvals: 1, Longest: 2 * time.Hour}}
	for _, c := range []struct {
		name   string
		answer Answer
		want   string
	}{
		{"no, with every condition that failed", no, `No. Alice can't ask for orders/admin.
  policy dba-on-call   needs group dba          not in it
  policy break-glass   needs an open incident   none named
                       needs a reason           none\e
Nearest way: orders/read (policy look), 1 approval, up to 2 h`},
		{"no policy at all", Answer{Person: "Alice", Role: "x"}, "No. No policy gives x to anybody."},
		{"yes", Answer{Person: "Alice", Role: "x", OK: true, Policies: []Ruling{{Policy: "p", OK: true, Approvals: 2, Longest: time.Hour, Bounds: []string{"2 h allowed by role", "1 h allowed by policy"}}}},
			"Yes. Alice can ask for x: policy p, 2 approvals, up to 1 h.\n  2 h allowed by role, 1 h allowed by policy"},
		{"yes, at once", Answer{Person: "Alice", Role: "x", OK: true, Policies: []Ruling{{Policy: "p", OK: true, Longest: time.Hour}}},
			"Yes. Alice can ask for x: policy p, no approval, up to 1 h."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Why(c.answer); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	got := strings.Join(Plan([]Change{
		{"+", "policy", "fix-refunds-on-call", "new"}, {"~", "role", "orders/read", "may: + refunds.*"}, {"-", "policy", "old", ""},
	}), "\n")
	want := `+ policy fix-refunds-on-call  new
~ role   orders/read          may: + refunds.*
- policy old`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
