package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/schedule"
)

// Two kinds of bound. What the role and the policy allow are limits: asking for
// more is refused, for the asker can ask for less. A window that closes and a
// freeze that starts shorten: the grant is given, and ends then.

// limits are the bounds that refuse. A role without a longest gives no time.
func (r *ready) limits(role curfew.Role) []Bound {
	longest := max(min(role.Longest, curfew.LongestGrant), 0)
	bounds := []Bound{{What: schedule.Span(longest) + " allowed by role", For: longest}}
	if r.AtMost != 0 {
		most := max(r.AtMost, 0)
		bounds = append(bounds, Bound{What: schedule.Span(most) + " allowed by policy", For: most})
	}
	return bounds
}

// bounds are all limits on a grant that starts at start, shortest last.
func (r *ready) bounds(role curfew.Role, f Facts, start time.Time) []Bound {
	bounds := r.limits(role)
	if closes := r.hours.Closes(start); !closes.IsZero() && closes.Sub(start) < schedule.Horizon {
		text := "window closes " + schedule.Clock(closes, start, r.location())
		bounds = append(bounds, Bound{What: text, For: closes.Sub(start)})
	}
	if freeze, ok := schedule.NextFreeze(f.Freezes, start); ok && !r.DuringFreezes {
		text := fmt.Sprintf("freeze %s starts %s", freeze.Name, schedule.Clock(freeze.From, start, r.location()))
		bounds = append(bounds, Bound{What: text, For: freeze.From.Sub(start)})
	}
	slices.SortStableFunc(bounds, func(a, b Bound) int { return cmp.Compare(b.For, a.For) })
	return bounds
}

func shortest(bounds []Bound) time.Duration {
	least := bounds[0].For
	for _, b := range bounds {
		least = min(least, b.For)
	}
	return least
}

// arithmetic is the sum as people read it: "45 min asked, 2 h allowed by role,
// window closes 18:00".
func arithmetic(asked time.Duration, bounds []Bound) string {
	var parts []string
	if asked != 0 {
		parts = append(parts, schedule.Span(asked)+" asked")
	}
	for _, b := range bounds {
		parts = append(parts, b.What)
	}
	return strings.Join(parts, ", ")
}

// EndOf returns the instant at which a grant that starts at start for the asked
// duration ends at the latest, and the bounds that say why, shortest last. A
// grant that the policy does not admit at start ends at start.
func EndOf(p curfew.Policy, role curfew.Role, f Facts, start time.Time, asked time.Duration) (time.Time, []Bound) {
	return compile(p).endOf(role, f, start, asked)
}

func (r *ready) endOf(role curfew.Role, f Facts, start time.Time, asked time.Duration) (time.Time, []Bound) {
	bounds := r.bounds(role, f, start)
	whole := max(asked, 0).Truncate(time.Second)
	bounds = append(bounds, Bound{What: schedule.Span(whole) + " asked", For: whole})
	if c := r.checkWindow(f, start); !c.OK {
		bounds = append(bounds, Bound{What: "outside its hours"})
	}
	if c := r.checkFreeze(f, start); !c.OK {
		bounds = append(bounds, Bound{What: c.Saw})
	}
	slices.SortStableFunc(bounds, func(a, b Bound) int { return cmp.Compare(b.For, a.For) })
	return start.Add(shortest(bounds)), bounds
}

// StillHolds reports whether a live grant's policy still admits it at f.Now,
// and the cause of its end if not. Its clock, approvals and exclusions are not
// looked at: those were decided when it was given. The workflow in f is the
// one the grant rests on, as known now.
func StillHolds(p curfew.Policy, f Facts) (bool, curfew.Cause) {
	return compile(p).stillHolds(f)
}

func (r *ready) stillHolds(f Facts) (bool, curfew.Cause) {
	unmet := slices.ContainsFunc(r.Workflows, func(need curfew.WorkflowNeed) bool {
		_, fix := r.unmet(need, f)
		return fix != ""
	})
	switch {
	case !checkEnabled(f).OK:
		return false, curfew.CauseDisabled
	case !r.holds(f):
		return false, curfew.CauseGroup
	case !slices.Contains(r.Roles, f.Role.Name):
		return false, curfew.CausePolicy
	case !checkResource(f).OK:
		return false, curfew.CauseResource
	case !r.open(f.Now):
		return false, curfew.CauseWindow
	case !r.thawed(f):
		return false, curfew.CauseFreeze
	case unmet:
		return false, curfew.CauseWorkflow
	}
	return true, ""
}

// open reports whether the policy's hours admit t.
func (r *ready) open(t time.Time) bool {
	return r.broken == nil && (len(r.Hours) == 0 || r.hours.Contains(t))
}

// thawed reports whether no freeze closes the policy now.
func (r *ready) thawed(f Facts) bool {
	_, frozen := schedule.Frozen(f.Freezes, f.Now)
	return !frozen || r.DuringFreezes
}
