package config

import (
	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/say"
)

// Answer makes a decision ready to be said: policy and say, on one floor, do not
// know each other.
func Answer(person string, role curfew.RoleName, d policy.Decision) say.Answer {
	a := say.Answer{Person: person, Role: role, OK: d.OK}
	for _, v := range d.Verdicts {
		r := say.Ruling{Policy: v.Policy, OK: v.OK, Longest: v.Longest}
		for _, c := range v.Checks {
			r.Checks = append(r.Checks, say.Check(c))
		}
		for _, need := range v.Approvals {
			r.Approvals += max(need.Need.Count, 1)
		}
		for _, b := range v.Bounds {
			r.Bounds = append(r.Bounds, b.What)
		}
		a.Policies = append(a.Policies, r)
	}
	return a
}
