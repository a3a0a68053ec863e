package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/schedule"
)

// Set is policies made ready: windows parsed once, found by role. It is never
// changed, so that many may read it at once.
type Set struct {
	byName map[curfew.PolicyName]*ready
	byRole map[curfew.RoleName][]*ready // by name
}

// ready is a policy with its windows.
type ready struct {
	curfew.Policy
	hours  schedule.Set
	broken error // a window that cannot be read: the policy is never open
}

// Compile makes policies ready. A window that cannot be read is no error here:
// its policy says no.
func Compile(policies []curfew.Policy) *Set {
	s := &Set{byName: map[curfew.PolicyName]*ready{}, byRole: map[curfew.RoleName][]*ready{}}
	for _, p := range policies {
		r := compile(p)
		s.byName[p.Name] = r
		for _, role := range p.Roles {
			if !slices.Contains(s.byRole[role], r) {
				s.byRole[role] = append(s.byRole[role], r)
			}
		}
	}
	for _, list := range s.byRole {
		slices.SortFunc(list, func(a, b *ready) int { return cmp.Compare(a.Name, b.Name) })
	}
	return s
}

func compile(p curfew.Policy) *ready {
	hours, err := schedule.ParseAll(p.Hours)
	return &ready{Policy: p, hours: hours, broken: err}
}

// Decide evaluates every policy that speaks of the role. No policy, no access.
func (s *Set) Decide(f Facts) Decision {
	var d Decision
	for _, r := range s.byRole[f.Role.Name] {
		d.Verdicts = append(d.Verdicts, r.verdict(f))
	}
	slices.SortStableFunc(d.Verdicts, better)
	if len(d.Verdicts) > 0 && d.Verdicts[0].OK {
		d.OK, d.Best = true, &d.Verdicts[0]
	}
	return d
}

// Verdict returns what the named policy says; false if there is none, or it
// does not speak of the role.
func (s *Set) Verdict(name curfew.PolicyName, f Facts) (Verdict, bool) {
	r, ok := s.byName[name]
	if !ok || !slices.Contains(r.Roles, f.Role.Name) {
		return Verdict{}, false
	}
	return r.verdict(f), true
}

// StillHolds is the function StillHolds for the named policy.
func (s *Set) StillHolds(name curfew.PolicyName, f Facts) (bool, curfew.Cause) {
	r, ok := s.byName[name]
	if !ok {
		return false, curfew.CausePolicy
	}
	return r.stillHolds(f)
}

// EndOf is the function EndOf for the named policy; without it, start is the end.
func (s *Set) EndOf(name curfew.PolicyName, f Facts, start time.Time, asked time.Duration) (time.Time, []Bound) {
	r, ok := s.byName[name]
	if !ok {
		return start, []Bound{{What: "no policy " + string(name)}}
	}
	return r.endOf(f.Role, f, start, asked)
}

// Decide compiles the policies and decides once; callers that decide often keep a Set.
func Decide(policies []curfew.Policy, f Facts) Decision {
	return Compile(policies).Decide(f)
}

// better sorts what is allowed first, then the fewest approvals, then the
// longest; what is refused by how little is missing; then by name.
func better(a, b Verdict) int {
	if a.OK != b.OK {
		if a.OK {
			return -1
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(failed(a), failed(b)),
		cmp.Compare(people(a), people(b)),
		cmp.Compare(b.Longest, a.Longest),
		cmp.Compare(a.Policy, b.Policy))
}

func failed(v Verdict) (n int) {
	for _, c := range v.Checks {
		if !c.OK {
			n++
		}
	}
	return n
}

func people(v Verdict) (n int) {
	for _, a := range v.Approvals {
		n += max(a.Need.Count, 1)
	}
	return n
}
