package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/quorum"
	"github.com/curfewhq/curfew/schedule"
)

// The rules, as Check.Rule names them.
const (
	RuleDisabled  = "principal.disabled"
	RuleWho       = "policy.who"
	RuleResource  = "role.resource"
	RuleStart     = "policy.start"
	RuleWindow    = "policy.window"
	RuleFreeze    = "policy.freeze"
	RuleWorkflow  = "policy.workflow"
	RuleReason    = "policy.reason"
	RuleDuration  = "policy.duration"
	RuleExclusion = "policy.exclusion"
	RuleApprover  = "approver.none"
)

// verdict runs every check, whatever the ones before it say.
func (r *ready) verdict(f Facts) Verdict {
	start := r.start(f)
	v := Verdict{Policy: r.Name}
	v.Bounds = r.bounds(f.Role, f, start)
	v.Longest = shortest(v.Bounds).Truncate(time.Second)
	v.Checks = append(v.Checks,
		checkEnabled(f), r.checkWho(f), checkResource(f), checkStart(f), r.checkWindow(f, start), r.checkFreeze(f, start))
	for _, need := range r.Workflows {
		v.Checks = append(v.Checks, r.checkWorkflow(need, f))
	}
	v.Checks = append(v.Checks, checkReason(f), r.checkDuration(f, v), checkExclusion(f))
	if len(r.Approvals) > 0 {
		var check Check
		v.Approvals, check = r.approvals(f)
		v.Checks = append(v.Checks, check)
	}
	v.OK = !slices.ContainsFunc(v.Checks, func(c Check) bool { return !c.OK })
	return v
}

// start is when the grant would start: never in the past.
func (r *ready) start(f Facts) time.Time {
	if f.Start.After(f.Now) {
		return f.Start
	}
	return f.Now
}

func checkEnabled(f Facts) Check {
	c := Check{Rule: RuleDisabled, OK: f.Enabled && f.Principal != "", Need: "needs somebody who is not disabled", Saw: "enabled"}
	if !c.OK {
		c.Saw, c.Fix = "disabled", "ask an administrator to enable them"
	}
	return c
}

func (r *ready) checkWho(f Facts) Check {
	c := Check{Rule: RuleWho, OK: r.holds(f), Need: "needs " + whoText(r.Who), Saw: "in it"}
	if !c.OK {
		c.Saw, c.Fix = "not in it", "ask to be added, or ask for a role that is yours to ask for: curfew find"
	}
	return c
}

// holds reports whether the principal is one of the policy's who.
func (r *ready) holds(f Facts) bool {
	if f.Principal == "" {
		return false
	}
	return slices.ContainsFunc(r.Who, func(s curfew.Subject) bool {
		if s.Group != "" {
			return s.Principal == "" && f.InGroup != nil && f.InGroup(f.Principal, s.Group)
		}
		return s.Principal == f.Principal
	})
}

// whoText names groups only: a principal is opaque here.
func whoText(who []curfew.Subject) string {
	var groups []string
	others := 0
	for _, s := range who {
		if s.Group == "" {
			others++
			continue
		}
		groups = append(groups, "group "+string(s.Group))
	}
	switch {
	case others == 1:
		groups = append(groups, "one named person")
	case others > 1:
		groups = append(groups, fmt.Sprintf("one of %d named people", others))
	case len(groups) == 0:
		return "somebody, and names nobody"
	}
	return strings.Join(groups, " or ")
}

func checkResource(f Facts) Check {
	c := Check{Rule: RuleResource, OK: f.Resource.Name != "" && f.Role.Covers(f.Resource),
		Need: "needs a resource that the role reaches", Saw: string(f.Resource.Name)}
	if !c.OK {
		c.Saw = fmt.Sprintf("%s does not reach %s", f.Role.Name, orNothing(string(f.Resource.Name)))
		c.Fix = "choose a role on that resource: curfew find " + string(f.Resource.Name)
	}
	return c
}

func orNothing(s string) string {
	if s == "" {
		return "no resource"
	}
	return s
}

func checkStart(f Facts) Check {
	c := Check{Rule: RuleStart, OK: true, Need: "needs a start within " + schedule.Span(curfew.LongestWait), Saw: "as soon as it is approved"}
	if wait := f.Start.Sub(f.Now); wait > 0 {
		c.OK, c.Saw = wait <= curfew.LongestWait, "starts in "+schedule.Span(wait)
	}
	if !c.OK {
		c.Fix = "ask for an earlier start"
	}
	return c
}

func (r *ready) checkWindow(f Facts, start time.Time) Check {
	if len(r.Hours) == 0 {
		return Check{Rule: RuleWindow, OK: true, Need: "at any time", Saw: "no hours set"}
	}
	c := Check{Rule: RuleWindow, Need: "needs " + strings.Join(r.Hours, " or ")}
	if r.broken != nil {
		c.Saw, c.Fix = "these hours cannot be read, so it is never open", "correct the policy's hours"
		return c
	}
	loc := r.hours[0].Location()
	if c.OK = r.hours.Contains(start); c.OK {
		c.Saw = "open until " + schedule.Clock(r.hours.Closes(start), f.Now, loc)
		return c
	}
	c.Saw = "closed at " + schedule.Clock(start, f.Now, loc)
	opens := r.hours.Opens(start)
	if opens.IsZero() {
		c.Fix = "it does not open within " + schedule.Span(schedule.Horizon)
		return c
	}
	c.Fix = fmt.Sprintf("opens %s %s (in %s); ask now to start then: --start %s",
		schedule.Clock(opens, f.Now, loc), zoneText(loc), schedule.Span(opens.Sub(f.Now)), opens.Format(time.RFC3339))
	return c
}

// zoneText is the zone as people say it: "Paris time", "UTC".
func zoneText(loc *time.Location) string {
	name := loc.String()
	if i := strings.LastIndex(name, "/"); i >= 0 {
		return strings.ReplaceAll(name[i+1:], "_", " ") + " time"
	}
	return name
}

func (r *ready) checkFreeze(f Facts, start time.Time) Check {
	freeze, frozen := schedule.Frozen(f.Freezes, start)
	c := Check{Rule: RuleFreeze, OK: !frozen || r.DuringFreezes, Need: "needs no freeze", Saw: "no freeze"}
	if r.DuringFreezes {
		c.Need = "may be used during freezes"
	}
	if frozen {
		c.Saw = fmt.Sprintf("freeze %s until %s", freeze.Name, schedule.Clock(freeze.To, f.Now, r.location()))
	}
	if !c.OK {
		c.Fix = "ask to start after it: --start " + freeze.To.UTC().Format(time.RFC3339)
	}
	return c
}

// location is the zone in which the policy's times are said.
func (r *ready) location() *time.Location {
	if len(r.hours) > 0 {
		return r.hours[0].Location()
	}
	return time.UTC
}

func checkReason(f Facts) Check {
	c := Check{Rule: RuleReason, OK: strings.TrimSpace(f.Reason) != "", Need: "needs a reason", Saw: "a reason"}
	if !c.OK {
		c.Saw, c.Fix = "none", "say why: --reason"
	}
	return c
}

func (r *ready) checkDuration(f Facts, v Verdict) Check {
	most := shortest(r.limits(f.Role))
	c := Check{Rule: RuleDuration, Need: "at most " + schedule.Span(most), Saw: arithmetic(f.Duration, v.Bounds)}
	_, err := curfew.WholeSeconds(f.Duration, curfew.LongestGrant)
	switch {
	case most <= 0:
		c.Need, c.Fix = "needs a role that says how long", "give the role a longest"
	case v.Longest <= 0:
		c.Fix = "no time is left before the end; ask for a later start"
	case f.Duration != 0 && err != nil:
		c.Fix = "ask for a second or more: --for " + flagText(most)
	case f.Duration > most:
		c.Fix = "ask for less: --for " + flagText(most)
	default:
		c.OK = true
	}
	return c
}

// flagText says a duration as a flag takes it: "1h30m".
func flagText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func checkExclusion(f Facts) Check {
	c := Check{Rule: RuleExclusion, OK: true, Need: "needs no role that excludes it", Saw: "none held"}
	var held []string
	for _, name := range f.Holding {
		if excludes(f, name) {
			held = append(held, string(name))
		}
	}
	if len(held) > 0 {
		slices.Sort(held)
		held = slices.Compact(held)
		c.OK, c.Saw = false, "holds "+strings.Join(held, ", ")
		c.Fix = "give it back first: curfew give-back " + held[0]
	}
	return c
}

// excludes reports whether the role asked for and the role held exclude each
// other, by themselves or by what they include.
func excludes(f Facts, held curfew.RoleName) bool {
	asked, other := closure(f.Roles, f.Role), closure(f.Roles, f.Roles[held])
	other[held] = f.Roles[held]
	for name, a := range asked {
		for otherName, b := range other {
			if slices.Contains(a.Excludes, otherName) || slices.Contains(b.Excludes, name) {
				return true
			}
		}
	}
	return false
}

// approvals resolves who could give each agreement, and says at once where
// nobody could give them all together.
func (r *ready) approvals(f Facts) ([]Approval, Check) {
	var list []Approval
	var needs []quorum.Need
	self := quorum.Excluded{}
	for _, p := range f.Self {
		self[p] = true
	}
	total := 0
	for _, need := range r.Approvals {
		var from []curfew.Principal
		if f.Approvers != nil {
			from = slices.Clone(f.Approvers(r.Policy, need))
		}
		slices.Sort(from)
		from = slices.DeleteFunc(slices.Compact(from), func(p curfew.Principal) bool {
			return p == "" || p == f.Principal || self[p]
		})
		list = append(list, Approval{Need: need, From: from})
		needs = append(needs, quorum.Need{Count: need.Count, From: from})
		total += max(need.Count, 1)
	}
	c := Check{Rule: RuleApprover, Need: fmt.Sprintf("needs people who can give %s", count(total, "approval")), Saw: "enough people may approve"}
	lacking := quorum.Lacking(f.Principal, self, needs)
	if c.OK = len(lacking) == 0; !c.OK {
		short := 0
		for _, m := range lacking {
			short += m.Count
		}
		c.Saw = fmt.Sprintf("%d of %d could be given now", total-short, total)
		c.Fix = "add people who may approve to the policy, or wait until new memberships have settled"
	}
	return list, c
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
