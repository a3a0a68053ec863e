package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// tuesday is Tuesday 2 June 2026, 14:00 in Paris.
func tuesday() time.Time { return time.Date(2026, 6, 2, 12, 0, 0, 0, time.UTC) }

func fixer() curfew.Role {
	return curfew.Role{Name: "orders/refund-fixer", On: "orders-db", May: []string{"read orders.*"}, Longest: 2 * time.Hour}
}

func onCall() curfew.Policy {
	return curfew.Policy{
		Name:      "fix-refunds",
		Who:       []curfew.Subject{{Group: "payments"}},
		Roles:     []curfew.RoleName{"orders/refund-fixer"},
		Hours:     []string{"Mon-Fri 09:00-18:00 Europe/Paris"},
		Workflows: []curfew.WorkflowNeed{{Kind: curfew.Incident, AssignedToRequester: true}},
		Approvals: []curfew.ApprovalNeed{{Count: 1, From: []curfew.Subject{{Group: "payments"}}}},
		AtMost:    time.Hour,
	}
}

func incident() *curfew.Workflow {
	return &curfew.Workflow{ID: "INC-1423", Kind: curfew.Incident, Open: true, Assignee: "p_alice",
		Actors: []curfew.Principal{"p_ben"}, OpenedAt: tuesday().Add(-time.Hour)}
}

func facts() Facts {
	return Facts{
		Now: tuesday(), Principal: "p_alice", Kind: curfew.Person, Enabled: true,
		InGroup:  func(_ curfew.Principal, g curfew.GroupName) bool { return g == "payments" },
		Role:     fixer(),
		Resource: curfew.Resource{Name: "orders-db"},
		Duration: 45 * time.Minute, Reason: "stuck refunds", Workflow: incident(),
		Approvers: func(curfew.Policy, curfew.ApprovalNeed) []curfew.Principal {
			return []curfew.Principal{"p_ben", "p_dana"}
		},
	}
}

// rules lists the rules that said no.
func rules(v Verdict) string {
	var no []string
	for _, c := range v.Checks {
		if !c.OK {
			no = append(no, c.Rule)
		}
	}
	return strings.Join(no, " ")
}

func TestDecide(t *testing.T) {
	type change func(*curfew.Policy, *Facts)
	for _, c := range []struct {
		name   string
		change change
		no     string // the rules that refuse
	}{
		{"everything holds", func(*curfew.Policy, *Facts) {}, ""},
		{"a disabled person is refused", func(_ *curfew.Policy, f *Facts) { f.Enabled = false }, "principal.disabled"},
		{"nobody is refused", func(_ *curfew.Policy, f *Facts) { f.Principal = "" }, "principal.disabled policy.who policy.workflow"},
		{"a stranger to the group is refused", func(p *curfew.Policy, _ *Facts) { p.Who[0].Group = "dba" }, "policy.who"},
		{"a person named by the policy is one of it", func(p *curfew.Policy, _ *Facts) { p.Who[0] = curfew.Subject{Principal: "p_alice"} }, ""},
		{"another person named is not", func(p *curfew.Policy, _ *Facts) { p.Who[0] = curfew.Subject{Principal: "p_ben"} }, "policy.who"},
		{"a subject that says nothing is nobody", func(p *curfew.Policy, _ *Facts) { p.Who[0] = curfew.Subject{} }, "policy.who"},
		{"a subject that says two things is nobody", func(p *curfew.Policy, _ *Facts) { p.Who[0].Principal = "p_alice" }, "policy.who"},
		{"no group book, no group", func(_ *curfew.Policy, f *Facts) { f.InGroup = nil }, "policy.who"},
		{"the role must reach the resource", func(_ *curfew.Policy, f *Facts) { f.Resource.Name = "web-1" }, "role.resource"},
		{"no resource is no access", func(_ *curfew.Policy, f *Facts) { f.Resource, f.Role.On = curfew.Resource{}, "" }, "role.resource"},
		{"outside the hours", func(_ *curfew.Policy, f *Facts) { f.Now = f.Now.Add(4 * time.Hour) }, "policy.window"},
		{"a start inside the hours is enough", func(_ *curfew.Policy, f *Facts) {
			f.Start = f.Now
			f.Now = f.Now.Add(-8 * time.Hour)
			f.Workflow.OpenedAt = f.Now
		}, ""},
		{"a start in the past is now", func(_ *curfew.Policy, f *Facts) {
			f.Start = f.Now
			f.Now = f.Now.Add(4 * time.Hour)
		}, "policy.window"},
		{"a start too far away is refused", func(_ *curfew.Policy, f *Facts) { f.Start = f.Now.Add(21 * 24 * time.Hour) }, "policy.start"},
		{"no hours are any time", func(p *curfew.Policy, f *Facts) { p.Hours = nil; f.Now = f.Now.Add(10 * time.Hour) }, ""},
		{"hours that cannot be read are never open", func(p *curfew.Policy, _ *Facts) { p.Hours = append(p.Hours, "always") }, "policy.window"},
		{"a freeze closes", func(_ *curfew.Policy, f *Facts) {
			f.Freezes = []curfew.Freeze{{Name: "x", From: f.Now, To: f.Now.Add(1)}}
		}, "policy.freeze"},
		{"a policy may work during freezes", func(p *curfew.Policy, f *Facts) {
			p.DuringFreezes = true
			f.Freezes = []curfew.Freeze{{Name: "x", From: f.Now, To: f.Now.Add(1)}}
		}, ""},
		{"no workflow named", func(_ *curfew.Policy, f *Facts) { f.Workflow = nil }, "policy.workflow"},
		{"a closed workflow", func(_ *curfew.Policy, f *Facts) { f.Workflow.Open = false }, "policy.workflow"},
		{"open and closed at once is closed", func(_ *curfew.Policy, f *Facts) { f.Workflow.ClosedAt = f.Now }, "policy.workflow"},
		{"a workflow that opens later", func(_ *curfew.Policy, f *Facts) { f.Workflow.OpenedAt = f.Now.Add(1) }, "policy.workflow"},
		{"a workflow of another kind", func(_ *curfew.Policy, f *Facts) { f.Workflow.Kind = curfew.Ticket }, "policy.workflow"},
		{"a workflow about something else", func(_ *curfew.Policy, f *Facts) { f.Workflow.Resource = []curfew.ResourceName{"web-1"} }, "policy.workflow"},
		{"a workflow about this resource", func(_ *curfew.Policy, f *Facts) { f.Workflow.Resource = []curfew.ResourceName{"orders-db"} }, ""},
		{"a workflow assigned to another", func(_ *curfew.Policy, f *Facts) { f.Workflow.Assignee = "p_ben" }, "policy.workflow"},
		{"a workflow assigned to nobody", func(_ *curfew.Policy, f *Facts) { f.Workflow.Assignee = "" }, "policy.workflow"},
		{"no reason", func(_ *curfew.Policy, f *Facts) { f.Reason = " \t" }, "policy.reason"},
		{"more than the policy allows", func(_ *curfew.Policy, f *Facts) { f.Duration = time.Hour + time.Second }, "policy.duration"},
		{"more than the role allows", func(p *curfew.Policy, f *Facts) { p.AtMost = 0; f.Duration = 3 * time.Hour }, "policy.duration"},
		{"exactly what is allowed", func(_ *curfew.Policy, f *Facts) { f.Duration = time.Hour }, ""},
		{"a negative duration", func(_ *curfew.Policy, f *Facts) { f.Duration = -time.Hour }, "policy.duration"},
		{"less than a second", func(_ *curfew.Policy, f *Facts) { f.Duration = time.Second - 1 }, "policy.duration"},
		{"as long as allowed", func(_ *curfew.Policy, f *Facts) { f.Duration = 0 }, ""},
		{"a role without a longest gives no time", func(_ *curfew.Policy, f *Facts) { f.Role.Longest = 0 }, "policy.duration"},
		{"a negative at most gives no time", func(p *curfew.Policy, _ *Facts) { p.AtMost = -1 }, "policy.duration"},
		{"a window that closes first only shortens", func(_ *curfew.Policy, f *Facts) { f.Now = f.Now.Add(3*time.Hour + 40*time.Minute) }, ""},
		{"less than a second left of the window", func(_ *curfew.Policy, f *Facts) { f.Now = f.Now.Add(4*time.Hour - 1) }, "policy.duration"},
		{"a freeze that starts first only shortens", func(_ *curfew.Policy, f *Facts) {
			f.Freezes = []curfew.Freeze{{Name: "x", From: f.Now.Add(time.Minute), To: f.Now.Add(time.Hour)}}
		}, ""},
		{"holding a role that this one excludes", func(_ *curfew.Policy, f *Facts) {
			f.Role.Excludes, f.Holding = []curfew.RoleName{"auditor"}, []curfew.RoleName{"auditor"}
		}, "policy.exclusion"},
		{"holding a role that excludes this one", func(_ *curfew.Policy, f *Facts) {
			f.Holding = []curfew.RoleName{"auditor"}
			f.Roles = map[curfew.RoleName]curfew.Role{"auditor": {Name: "auditor", Excludes: []curfew.RoleName{f.Role.Name}}}
		}, "policy.exclusion"},
		{"exclusion through an included role", func(_ *curfew.Policy, f *Facts) {
			f.Holding = []curfew.RoleName{"auditor"}
			f.Role.Includes = []curfew.RoleName{"write"}
			f.Roles = map[curfew.RoleName]curfew.Role{"auditor": {Name: "auditor", Excludes: []curfew.RoleName{"write"}}, "write": {Name: "write"}}
		}, "policy.exclusion"},
		{"holding another role", func(_ *curfew.Policy, f *Facts) { f.Holding = []curfew.RoleName{"other", f.Role.Name} }, ""},
		{"nobody may approve", func(_ *curfew.Policy, f *Facts) { f.Approvers = nil }, "approver.none"},
		{"only the requester and the owner may approve", func(_ *curfew.Policy, f *Facts) {
			f.Self = []curfew.Principal{"p_owner"}
			f.Approvers = func(curfew.Policy, curfew.ApprovalNeed) []curfew.Principal {
				return []curfew.Principal{"p_alice", "p_owner", ""}
			}
		}, "approver.none"},
		{"two needs and one person", func(p *curfew.Policy, f *Facts) {
			p.Approvals = append(p.Approvals, curfew.ApprovalNeed{Count: 1, Manager: true})
			f.Approvers = func(curfew.Policy, curfew.ApprovalNeed) []curfew.Principal { return []curfew.Principal{"p_dana"} }
		}, "approver.none"},
		{"every reason is given, not the first", func(_ *curfew.Policy, f *Facts) {
			f.Enabled, f.Reason, f.Workflow, f.Duration, f.Approvers = false, "", nil, 9*time.Hour, nil
			f.Now = f.Now.Add(4 * time.Hour)
		}, "principal.disabled policy.window policy.workflow policy.reason policy.duration approver.none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := onCall(), facts()
			c.change(&p, &f)
			d := Decide([]curfew.Policy{p}, f)
			if len(d.Verdicts) != 1 {
				t.Fatalf("%d verdicts", len(d.Verdicts))
			}
			if got := rules(d.Verdicts[0]); got != c.no {
				t.Errorf("refused by %q, want %q", got, c.no)
			}
			if want := c.no == ""; d.OK != want || d.Verdicts[0].OK != want || (d.Best != nil) != want {
				t.Errorf("OK is %v, want %v", d.OK, want)
			}
			for _, check := range d.Verdicts[0].Checks {
				if check.Need == "" || check.Saw == "" || check.OK == (check.Fix != "") {
					t.Errorf("a check needs what, what was seen, and a fix if it refuses: %+v", check)
				}
			}
		})
	}
}

func TestWhoBroughtAWorkflowAbout(t *testing.T) {
	for _, c := range []struct {
		name      string
		actors    []curfew.Principal
		approvals bool
		accept    bool
		ok        bool
	}{
		{"someone else opened it", []curfew.Principal{"p_ben"}, false, false, true},
		{"the requester opened it", []curfew.Principal{"p_alice"}, false, false, false},
		{"the requester only escalated it", []curfew.Principal{"p_ben", "p_alice"}, false, false, false},
		{"the requester's agent opened it", []curfew.Principal{"p_bot"}, false, false, false},
		{"nobody known opened it", nil, false, false, false},
		{"somebody unknown touched it", []curfew.Principal{"p_ben", ""}, false, false, false},
		{"the policy accepts the requester's word", []curfew.Principal{"p_alice"}, false, true, true},
		{"the policy accepts nobody known", nil, false, true, true},
		{"another person approves as well", []curfew.Principal{"p_alice"}, true, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := onCall(), facts()
			f.Workflow.Actors, f.Self = c.actors, []curfew.Principal{"p_bot"}
			p.Workflows[0].AcceptSelfDeclared = c.accept
			if !c.approvals {
				p.Approvals = nil
			}
			d := Decide([]curfew.Policy{p}, f)
			if d.OK != c.ok {
				t.Errorf("OK %v, refused by %q", d.OK, rules(d.Verdicts[0]))
			}
			if ok, cause := StillHolds(p, f); ok != c.ok || !ok && cause != curfew.CauseWorkflow {
				t.Errorf("a live grant: %v %s", ok, cause)
			}
		})
	}
}
