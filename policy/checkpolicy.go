package policy

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/schedule"
)

func (k *checker) policy(name curfew.PolicyName, p curfew.Policy) {
	path := []string{"policies", string(name)}
	at := func(key string) []string { return append(slices.Clone(path), key) }
	k.name(path, string(name), string(p.Name))
	k.subjects(at("who"), p.Who)
	if len(p.Roles) == 0 {
		k.add(path, "it gives no role", "name one under may have")
	}
	for _, role := range p.Roles {
		if known(k, at("may have"), "role", role, k.Roles) && p.AtMost > k.Roles[role].Longest {
			k.warn(at("at most"), fmt.Sprintf("%s is more than the role %s allows: %s",
				schedule.Span(p.AtMost), role, schedule.Span(k.Roles[role].Longest)), "the shorter one counts")
		}
	}
	for _, text := range p.Hours {
		if _, err := schedule.Parse(text); err != nil {
			k.add(at("hours"), err.Error(), fixOf(err))
		}
	}
	if p.AtMost != 0 {
		k.wait(at("at most"), p.AtMost, curfew.LongestGrant, "1h")
	}
	k.wait(at("answer within"), p.AnswerWithin, curfew.LongestWait, "30m")
	k.wait(at("use within"), p.UseWithin, curfew.LongestWait, "8h")
	k.words(at, p)
	k.workflows(at("needs"), p)
	k.approvals(at("needs"), p)
	k.release(at("release"), p)
}

// release refuses a rule that nobody could satisfy: its statements could never be sent.
func (k *checker) release(path []string, p curfew.Policy) {
	r := p.Release
	if !r.Some() {
		if r.Within != 0 || r.By.Count != 0 {
			k.add(path, "it holds no statement", "name some, or leave it out")
		}
		return
	}
	for _, c := range r.Statements {
		if !slices.Contains(curfew.StatementClasses(), c) {
			k.add(path, fmt.Sprintf("%q is no kind of statement", c), "drop, delete-without-where, …")
		}
	}
	k.wait(path, r.Within, curfew.LongestHold, "10m")
	held := p
	held.Approvals = []curfew.ApprovalNeed{r.By}
	k.approvals(path, held)
}

func fixOf(err error) string {
	if e, ok := err.(*curfew.Error); ok {
		return e.Fix
	}
	return ""
}

func (k *checker) subjects(path []string, who []curfew.Subject) {
	if len(who) == 0 {
		k.add(path, "it names nobody", "name a group or people")
	}
	for _, s := range who {
		if (s.Group == "") == (s.Principal == "") {
			k.add(path, "a subject is one person or one group", "")
		}
		if s.Group != "" && !builtIn(s.Group) {
			known(k, path, "group", s.Group, k.Groups)
		}
	}
}

// builtIn groups need no entry in the configuration.
func builtIn(g curfew.GroupName) bool {
	return g == curfew.Administrators || g == curfew.Auditors
}

// words checks the settings that are one word of a few.
func (k *checker) words(at func(string) []string, p curfew.Policy) {
	if p.Starts != curfew.AtApproval && p.Starts != curfew.AtFirstUse {
		k.add(at("starts"), fmt.Sprintf("%q is no way to start", p.Starts), "approval or first use")
	}
	switch p.Record {
	case curfew.RecordLive, curfew.RecordFirst, curfew.RecordResults, curfew.RecordFirstResults:
	default:
		k.add(at("record"), fmt.Sprintf("%q is no way to record", p.Record), `live, first, results, or "first, results"`)
	}
	if p.Budget.Statements < 0 || p.Budget.Rows < 0 || p.Budget.Bytes < 0 {
		k.add(at("budget"), "a budget cannot be less than nothing", "a whole number from 1, or leave it out")
	}
	if p.Extensions != "" && p.Extensions != curfew.NoExtensions {
		k.add(at("extensions"), fmt.Sprintf("%q is no rule for extensions", p.Extensions), "none, or leave it out")
	}
}

// workflows refuses needs that one workflow, which is what a request names, cannot meet.
func (k *checker) workflows(path []string, p curfew.Policy) {
	for _, need := range p.Workflows {
		if !slices.Contains(curfew.WorkflowKinds(), need.Kind) {
			k.add(path, fmt.Sprintf("%q is no kind of workflow", need.Kind), "incident, maintenance, change, ticket, deploy or debugging")
		}
		if need.Kind != p.Workflows[0].Kind {
			k.add(path, "it needs two workflows, and a request names one", "keep one of them")
		}
	}
}

// approvals finds needs that nobody, or not everybody who may ask, could meet.
func (k *checker) approvals(path []string, p curfew.Policy) {
	for _, need := range p.Approvals {
		if need.Count < 1 {
			k.add(path, fmt.Sprintf("approvals: %d asks nobody", need.Count), "1 or more")
		}
		if len(need.From) == 0 && !need.Manager && !need.Peer {
			k.add(path, "approvals from nobody", "say from whom: a group, people, manager or peer")
			return
		}
		if len(need.From) > 0 {
			k.subjects(path, need.From)
		}
		if slices.ContainsFunc(need.From, func(s curfew.Subject) bool { return builtIn(s.Group) && k.Groups[s.Group] == nil }) {
			return // its members are not the configuration's to say
		}
	}
	askers := Members(k.Config, p.Who)
	stuck := 0
	for _, asker := range askers {
		if k.lacking(p, asker) {
			stuck++
		}
	}
	switch {
	case len(p.Approvals) == 0 || stuck == 0:
	case stuck == len(askers):
		k.add(path, "nobody could ever get these approvals", "name more people who may approve; the requester and machines never count")
	default:
		k.warn(path, fmt.Sprintf("%d of %d who may ask could never get these approvals", stuck, len(askers)), "name more people who may approve")
	}
}
