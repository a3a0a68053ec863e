package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"pgregory.net/rapid"
)

func TestEndOf(t *testing.T) {
	freeze := []curfew.Freeze{{Name: "christmas", From: tuesday().Add(10 * time.Minute), To: tuesday().Add(time.Hour)}}
	for _, c := range []struct {
		name   string
		change func(*curfew.Policy, *Facts)
		after  time.Duration // start, after tuesday
		asked  time.Duration
		want   time.Duration
		last   string // the shortest bound
	}{
		{"what was asked", nil, 0, 45 * time.Minute, 45 * time.Minute, "45 min asked"},
		{"the policy's at most", nil, 0, 5 * time.Hour, time.Hour, "1 h allowed by policy"},
		{"the role's longest", func(p *curfew.Policy, _ *Facts) { p.AtMost = 0 }, 0, 5 * time.Hour, 2 * time.Hour, "2 h allowed by role"},
		{"the window closes first", nil, 3*time.Hour + 40*time.Minute, 45 * time.Minute, 20 * time.Minute, "window closes 18:00"},
		{"a freeze starts first", func(_ *curfew.Policy, f *Facts) { f.Freezes = freeze }, 0, time.Hour, 10 * time.Minute, "freeze christmas starts 14:10"},
		{"a freeze does not matter", func(p *curfew.Policy, f *Facts) { f.Freezes, p.DuringFreezes = freeze, true }, 0, time.Hour, time.Hour, "1 h asked"},
		{"outside the hours it ends at once", nil, 5 * time.Hour, time.Hour, 0, "outside its hours"},
		{"hours that cannot be read end it at once", func(p *curfew.Policy, _ *Facts) { p.Hours = []string{"x"} }, 0, time.Hour, 0, "outside its hours"},
		{"in a freeze it ends at once", func(_ *curfew.Policy, f *Facts) { f.Freezes = freeze }, 20 * time.Minute, time.Hour, 0, "freeze christmas until 15:00"},
		{"a fraction of a second is nothing", nil, 0, time.Second - 1, 0, "0 s asked"},
		{"a fraction is rounded down", nil, 0, 90*time.Second + 999*time.Millisecond, 90 * time.Second, "1 min 30 s asked"},
		{"a negative duration is nothing", nil, 0, -time.Hour, 0, "0 s asked"},
		{"windows that touch are one", func(p *curfew.Policy, _ *Facts) { p.Hours = append(p.Hours, "Tue 18:00-20:00 Europe/Paris") }, 3*time.Hour + 40*time.Minute, 45 * time.Minute, 45 * time.Minute, "45 min asked"},
		{"hours that never close are no bound", func(p *curfew.Policy, _ *Facts) { p.Hours = []string{"daily 00:00-24:00 UTC"} }, 0, time.Hour, time.Hour, "1 h asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := onCall(), facts()
			if c.change != nil {
				c.change(&p, &f)
			}
			start := tuesday().Add(c.after)
			end, bounds := EndOf(p, f.Role, f, start, c.asked)
			if end.Sub(start) != c.want || bounds[len(bounds)-1].What != c.last {
				t.Errorf("ends after %s by %+v, want %s by %s", end.Sub(start), bounds, c.want, c.last)
			}
			set := Compile([]curfew.Policy{p})
			if again, _ := set.EndOf(p.Name, f, start, c.asked); !again.Equal(end) {
				t.Errorf("the set says %s", again)
			}
		})
	}
	if end, bounds := Compile(nil).EndOf("x", facts(), tuesday(), time.Hour); !end.Equal(tuesday()) || bounds[0].What != "no policy x" {
		t.Errorf("without a policy it ends %s %v", end, bounds)
	}
}

func TestStillHolds(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*curfew.Policy, *Facts)
		cause  curfew.Cause
	}{
		{"everything holds", func(*curfew.Policy, *Facts) {}, ""},
		{"a reason and a duration are not asked again", func(_ *curfew.Policy, f *Facts) { f.Reason, f.Duration, f.Approvers = "", 9*time.Hour, nil }, ""},
		{"disabled", func(_ *curfew.Policy, f *Facts) { f.Enabled = false }, curfew.CauseDisabled},
		{"out of the group", func(p *curfew.Policy, _ *Facts) { p.Who[0].Group = "dba" }, curfew.CauseGroup},
		{"the policy gives another role now", func(p *curfew.Policy, _ *Facts) { p.Roles[0] = "x" }, curfew.CausePolicy},
		{"the role reaches another resource now", func(_ *curfew.Policy, f *Facts) { f.Role.On = "web-1" }, curfew.CauseResource},
		{"the window closed", func(_ *curfew.Policy, f *Facts) { f.Now = f.Now.Add(4 * time.Hour) }, curfew.CauseWindow},
		{"the hours cannot be read", func(p *curfew.Policy, _ *Facts) { p.Hours[0] = "x" }, curfew.CauseWindow},
		{"a freeze began", func(_ *curfew.Policy, f *Facts) { f.Freezes = []curfew.Freeze{{From: f.Now, To: f.Now.Add(1)}} }, curfew.CauseFreeze},
		{"the incident closed", func(_ *curfew.Policy, f *Facts) { f.Workflow.Open = false }, curfew.CauseWorkflow},
		{"the incident is assigned to another", func(_ *curfew.Policy, f *Facts) { f.Workflow.Assignee = "p_ben" }, curfew.CauseWorkflow},
		{"the incident is not known", func(_ *curfew.Policy, f *Facts) { f.Workflow = nil }, curfew.CauseWorkflow},
		{"the first cause is said", func(_ *curfew.Policy, f *Facts) { f.Workflow, f.Enabled = nil, false }, curfew.CauseDisabled},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := onCall(), facts()
			c.change(&p, &f)
			ok, cause := StillHolds(p, f)
			if ok != (c.cause == "") || cause != c.cause {
				t.Errorf("%v %q, want %q", ok, cause, c.cause)
			}
			if again, cause := Compile([]curfew.Policy{p}).StillHolds(p.Name, f); again != ok || cause != c.cause {
				t.Errorf("the set says %v %s", again, cause)
			}
		})
	}
	if ok, cause := Compile(nil).StillHolds("x", facts()); ok || cause != curfew.CausePolicy {
		t.Errorf("without a policy: %v %s", ok, cause)
	}
}

func TestWhoCouldApproveLeavesOutTheRequester(t *testing.T) {
	f := facts()
	f.Self = []curfew.Principal{"p_owner"}
	f.Approvers = func(curfew.Policy, curfew.ApprovalNeed) []curfew.Principal {
		return []curfew.Principal{"p_owner", "p_dana", "p_alice", "", "p_dana"}
	}
	got := Decide([]curfew.Policy{onCall()}, f).Best.Approvals[0].From
	if len(got) != 1 || got[0] != "p_dana" {
		t.Errorf("got %v", got)
	}
}

func TestDefaultDeny(t *testing.T) {
	p := onCall()
	p.Roles = []curfew.RoleName{"another"}
	if d := Decide([]curfew.Policy{p}, facts()); d.OK || d.Best != nil || len(d.Verdicts) > 0 {
		t.Errorf("a policy about another role answers %+v", d)
	}
	if d := Decide(nil, facts()); d.OK {
		t.Error("no policy allows")
	}
	if _, ok := Compile([]curfew.Policy{p}).Verdict(p.Name, facts()); ok {
		t.Error("a policy about another role has a verdict")
	}
	if v, ok := Compile([]curfew.Policy{onCall()}).Verdict("fix-refunds", facts()); !ok || !v.OK {
		t.Errorf("the policy's own verdict: %v %+v", ok, v)
	}
}

func TestTheBestIsFirst(t *testing.T) {
	change := func(name curfew.PolicyName, change func(*curfew.Policy)) curfew.Policy {
		p := onCall()
		p.Name = name
		change(&p)
		return p
	}
	policies := []curfew.Policy{
		change("very closed", func(p *curfew.Policy) { p.Who[0].Group = "dba"; p.Hours[0] = "Sat 10:00-11:00 UTC" }),
		change("closed", func(p *curfew.Policy) { p.Who[0].Group = "dba" }),
		change("two", func(p *curfew.Policy) { p.Approvals[0].Count = 2 }),
		change("short", func(p *curfew.Policy) { p.Approvals = nil; p.AtMost = 50 * time.Minute }),
		change("b", func(p *curfew.Policy) { p.Approvals = nil }),
		change("a", func(p *curfew.Policy) { p.Approvals = nil; p.Roles = append(p.Roles, p.Roles...) }),
	}
	var order []string
	d := Decide(policies, facts())
	for _, v := range d.Verdicts {
		order = append(order, string(v.Policy))
	}
	if got := strings.Join(order, ", "); got != "a, b, short, two, closed, very closed" || d.Best.Policy != "a" {
		t.Errorf("order %s, best %s", got, d.Best.Policy)
	}
}

func TestTheArithmeticIsShown(t *testing.T) {
	f := facts()
	f.Now, f.Duration = f.Now.Add(3*time.Hour+40*time.Minute), 90*time.Minute
	d := Decide([]curfew.Policy{onCall()}, f)
	for _, c := range d.Verdicts[0].Checks {
		if c.Rule == RuleDuration {
			if c.Saw != "1 h 30 min asked, 2 h allowed by role, 1 h allowed by policy, window closes 18:00" || c.Fix != "ask for less: --for 1h" {
				t.Errorf("%+v", c)
			}
		}
		if c.Rule == RuleWindow && c.Saw != "open until 18:00" {
			t.Errorf("%+v", c)
		}
	}
	if d.Verdicts[0].Longest != 20*time.Minute {
		t.Errorf("longest %s", d.Verdicts[0].Longest)
	}
	f.Now = f.Now.Add(12 * time.Hour) // Wednesday 05:40
	for _, c := range Decide([]curfew.Policy{onCall()}, f).Verdicts[0].Checks {
		if want := "opens 09:00 Paris time (in 3 h 20 min); ask now to start then: --start 2026-06-03T09:00:00+02:00"; c.Rule == RuleWindow && c.Fix != want {
			t.Errorf("%+v", c)
		}
	}
}

// TestAGrantNeverOutlivesItsContext: whatever is asked, at the end that EndOf
// gives the policy still held the instant before, and no limit is exceeded.
func TestAGrantNeverOutlivesItsContext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, f := onCall(), facts()
		p.Hours = rapid.SampledFrom([][]string{nil, {"Mon-Fri 09:00-18:00 Europe/Paris"}, {"daily 22:00-06:00 UTC", "Sat 05:00-09:00 UTC"}, {"daily 00:00-24:00 UTC"}, {"broken"}}).Draw(t, "hours")
		p.AtMost = time.Duration(rapid.Int64Range(0, int64(5*time.Hour)).Draw(t, "at most"))
		minutes := func(name string) time.Time {
			return tuesday().Add(time.Duration(rapid.Int64Range(-5000, 5000).Draw(t, name)) * time.Minute)
		}
		f.Freezes = []curfew.Freeze{{From: minutes("from"), To: minutes("to")}}
		start := minutes("start").Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "nanoseconds")))
		asked := time.Duration(rapid.Int64().Draw(t, "asked"))
		f.Now, f.Duration, f.Workflow.OpenedAt = start, asked, time.Time{}
		end, _ := EndOf(p, f.Role, f, start, asked)
		if end.Before(start) || end.Sub(start) > f.Role.Longest || p.AtMost > 0 && end.Sub(start) > p.AtMost || asked > 0 && end.Sub(start) > asked {
			t.Fatalf("from %s to %s", start, end)
		}
		d := Decide([]curfew.Policy{p}, f) // asking for no time asks whether one could: there is no end to compare
		if asked != 0 && d.OK && (!end.After(start) || d.Best.Longest > end.Sub(start) && d.Best.Longest < asked) {
			t.Fatalf("allowed for %s, but it ends %s", d.Best.Longest, end)
		}
		if end.After(start) {
			f.Now = end.Add(-1)
			if ok, cause := StillHolds(p, f); !ok {
				t.Fatalf("just before its end the policy no longer holds: %s", cause)
			}
		}
	})
}
