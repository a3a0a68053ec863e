package access

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
)

// Path is one way by which somebody could reach a resource at a moment.
type Path struct {
	Principal curfew.Principal
	Role      curfew.RoleName
	Policy    curfew.PolicyName
	How       string // "active", "scheduled", "may ask"
	Grant     curfew.GrantID
	Until     time.Time
	By        []curfew.Principal // who approved
	Why       string
}

// Reach lists who could reach a resource at the moment of the state, now being
// that moment: by a live grant, or by asking.
func (st *State) Reach(on curfew.ResourceName, now time.Time) []Path {
	var out []Path
	for _, g := range st.Grants {
		if g.Resource != on || !g.Live() || (g.Status == Active && !now.Before(g.End)) {
			continue
		}
		p := Path{Principal: g.Principal, Role: g.Role, Policy: g.Policy, How: string(g.Status), Grant: g.ID, Until: g.End, By: g.By, Why: "request " + string(g.Request)}
		if g.Workflow != "" {
			p.Why += " for " + string(g.Workflow)
		}
		out = append(out, p)
	}
	for who := range st.People {
		out = append(out, st.couldAsk(who, on, now)...)
	}
	slices.SortFunc(out, func(a, b Path) int {
		return cmp.Or(cmp.Compare(a.How, b.How), cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Grant, b.Grant))
	})
	return out
}

// couldAsk lists what one principal could have asked for then, with what it would have taken.
func (st *State) couldAsk(who curfew.Principal, on curfew.ResourceName, now time.Time) []Path {
	var out []Path
	for _, role := range st.MayAskFor(who) {
		r, ok := st.Config.Roles[role]
		if !ok || !r.Covers(st.Config.Resources[on]) {
			continue
		}
		d, err := st.Decide(Question{Principal: who, Role: role, Resource: on, Reason: "could they"}, now)
		if err != nil || len(d.Verdicts) == 0 {
			continue
		}
		v := d.Verdicts[0]
		p := Path{Principal: who, Role: role, Policy: v.Policy, How: "may ask", Why: "no approval needed"}
		n := 0
		for _, a := range v.Approvals {
			n += max(a.Need.Count, 1)
		}
		switch {
		case n == 1:
			p.Why = "after one approval"
		case n > 1:
			p.Why = fmt.Sprintf("after %d approvals", n)
		}
		for _, c := range v.Checks {
			if !c.OK {
				p.Why = c.Need + " (" + c.Saw + ")"
				break
			}
		}
		if !d.OK && v.Checks != nil && firstFailed(v) != "policy.workflow" {
			continue // not by asking, as things stood
		}
		out = append(out, p)
	}
	return out
}

func firstFailed(v policy.Verdict) string {
	for _, c := range v.Checks {
		if !c.OK {
			return c.Rule
		}
	}
	return ""
}
