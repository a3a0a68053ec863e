package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
)

// startBound is how long after approval the clock of a grant with an account of
// its own starts at the latest, tested or not.
const startBound = 30 * time.Second

// Start starts a grant's clock.
type Start struct {
	Grant  curfew.GrantID
	Tested bool // a test connection went through
}

func (c Start) decide(st *State, now time.Time) ([]Fact, error) {
	g := st.Grants[c.Grant]
	if g == nil || g.Status != Scheduled {
		return nil, nil // started or ended meanwhile
	}
	if now.Before(g.NotBefore) {
		return nil, curfew.Errorf(curfew.Denied, "the grant %s starts at %s", g.ID, g.NotBefore.Format("15:04 MST")).WithRule("grant.early")
	}
	return st.started(g, c.Tested, now), nil
}

// started is the start of the clock, or the end of a grant that can no longer start.
func (st *State) started(g *Grant, tested bool, now time.Time) []Fact {
	if cause := st.overFor(g, now); cause != "" {
		return []Fact{ended(g, cause)}
	}
	end, cause, bound := st.endOf(g, g.Policy, now, g.Duration, now)
	if !end.After(now) {
		return []Fact{ended(g, cause)}
	}
	return []Fact{{curfew.KindGrantStarted, curfew.GrantStarted{Grant: g.ID, End: end, EndCause: cause, Bound: bound, Tested: tested}}}
}

// endOf is when a grant that starts at start for d ends, what ends it, and the arithmetic.
func (st *State) endOf(g *Grant, name curfew.PolicyName, start time.Time, d time.Duration, now time.Time) (time.Time, curfew.Cause, string) {
	f, err := st.facts(Question{Principal: g.Principal, Role: g.Role, Resource: g.Resource, Workflow: g.Workflow}, now)
	if err != nil {
		return start, curfew.CauseRole, ""
	}
	end, bounds := st.rules().set.EndOf(name, f, start, d)
	last := bounds[len(bounds)-1]
	var parts []string
	for _, b := range bounds {
		parts = append(parts, b.What)
	}
	return end.Truncate(time.Second), causeOf(last), strings.Join(parts, ", ")
}

func causeOf(b policy.Bound) curfew.Cause {
	switch {
	case strings.HasPrefix(b.What, "window"), strings.HasPrefix(b.What, "outside"):
		return curfew.CauseWindow
	case strings.HasPrefix(b.What, "freeze"):
		return curfew.CauseFreeze
	}
	return curfew.CauseExpired
}

// extended is the end of a live grant with d more. The whole never exceeds what
// the role and the policy allow from the grant's start on (THREATS 15).
func (st *State) extended(g *Grant, name curfew.PolicyName, d time.Duration, now time.Time) (curfew.GrantMoved, error) {
	end, cause, bound := st.endOf(g, name, g.Start, g.End.Sub(g.Start)+d, now)
	if closing, why, _ := st.endOf(g, name, now, g.End.Sub(now)+d, now); closing.Before(end) {
		end, cause = closing, why
	}
	if !end.After(g.End) {
		return curfew.GrantMoved{}, curfew.Errorf(curfew.Denied, "%s can't last longer than until %s: %s", g.ID, g.End.Format("15:04 MST"), bound).WithRule("policy.duration")
	}
	return curfew.GrantMoved{Grant: g.ID, End: end, EndCause: cause}, nil
}

// overFor says why a live grant may not go on; "" if it may.
func (st *State) overFor(g *Grant, now time.Time) curfew.Cause {
	c := st.rules()
	switch {
	case !st.Enabled(g.Principal):
		return curfew.CauseDisabled
	case c.roles[g.Role] != g.RoleVersion:
		return curfew.CauseRole
	case c.resources[g.Resource] != g.ResourceVersion:
		return curfew.CauseResource
	case g.Status == Active && !now.Before(g.End):
		return cmp.Or(g.EndCause, curfew.CauseExpired)
	}
	f, err := st.facts(Question{Principal: g.Principal, Role: g.Role, Resource: g.Resource, Workflow: g.Workflow}, now)
	if err != nil {
		return curfew.CauseRole
	}
	if g.NotBefore.After(now) {
		f.Now = g.NotBefore // an approved early start is judged by the time it is for
	}
	if ok, cause := c.set.StillHolds(g.Policy, f); !ok {
		return cause
	}
	return ""
}

// andVerified adds that grants which end without ever having had an account have
// left nothing at the target.
func (st *State) andVerified(facts []Fact) []Fact {
	out := facts
	for _, f := range facts {
		if e, ok := f.Body.(curfew.GrantEnded); ok && st.leaseOf[e.Grant] == nil {
			out = append(out[:len(out):len(out)], Fact{curfew.KindGrantVerified, curfew.GrantVerified{Grant: e.Grant}})
		}
	}
	return out
}

func ended(g *Grant, cause curfew.Cause) Fact {
	return Fact{curfew.KindGrantEnded, curfew.GrantEnded{Grant: g.ID, Cause: cause}}
}

// Return gives a grant back.
type Return struct {
	Grant curfew.GrantID
	By    curfew.Principal
}

func (Return) takesAway() bool { return true }
func (c Return) decide(st *State, _ time.Time) ([]Fact, error) {
	g := st.Grants[c.Grant]
	if g == nil || g.Principal != c.By {
		return nil, curfew.Errorf(curfew.NotFound, "you have no grant %s", c.Grant)
	}
	if !g.Live() {
		return nil, overAlready(g)
	}
	return []Fact{{curfew.KindGrantEnded, curfew.GrantEnded{Grant: g.ID, Cause: curfew.CauseReturned, By: c.By}}}, nil
}

func overAlready(g *Grant) error {
	return curfew.Errorf(curfew.Lapsed, "the grant %s ended at %s (%s)", g.ID, g.EndedAt.Format("15:04 MST"), g.Cause)
}

// Revoke ends somebody's grant now.
type Revoke struct {
	Grant curfew.GrantID
	By    curfew.Principal
	Why   curfew.Sealed
}

func (Revoke) takesAway() bool { return true }
func (c Revoke) decide(st *State, now time.Time) ([]Fact, error) {
	g := st.Grants[c.Grant]
	if g == nil {
		return nil, curfew.Errorf(curfew.NotFound, "there is no grant %s", c.Grant)
	}
	if !st.MayRevoke(g, c.By, now) {
		return nil, curfew.Errorf(curfew.Denied, "you may not cut %s: administrators, and people who may approve it, can", g.ID).WithRule("revoker")
	}
	if !g.Live() {
		return nil, overAlready(g)
	}
	return []Fact{{curfew.KindGrantEnded, curfew.GrantEnded{Grant: g.ID, Cause: curfew.CauseRevoked, By: c.By, Why: c.Why}}}, nil
}

// MayRevoke reports whether a person may end the grant: administrators, those
// who approved it, those who could, and the holder's manager.
func (st *State) MayRevoke(g *Grant, by curfew.Principal, now time.Time) bool {
	if st.proved {
		return true
	}
	if !st.Enabled(by) || st.kindOf(by) != curfew.Person {
		return false
	}
	if st.InGroup(by, curfew.Administrators) || slices.Contains(g.By, by) || g.Principal == by || st.Config.Managers[g.Principal] == by {
		return true
	}
	for _, n := range st.needs(g.Principal, g.Policy, st.Config.Policies[g.Policy].Approvals, now) {
		if slices.Contains(n.From, by) {
			return true
		}
	}
	return false
}

// Shorten moves a live grant's end nearer.
type Shorten struct {
	Grant curfew.GrantID
	By    curfew.Principal
	Left  time.Duration // from now
}

func (Shorten) takesAway() bool { return true }
func (c Shorten) decide(st *State, now time.Time) ([]Fact, error) {
	g := st.Grants[c.Grant]
	if g == nil || !st.MayRevoke(g, c.By, now) {
		return nil, curfew.Errorf(curfew.NotFound, "you may end no grant %s", c.Grant)
	}
	if g.Status != Active {
		return nil, curfew.Errorf(curfew.Conflict, "the grant %s is %s", g.ID, g.Status)
	}
	left, err := curfew.WholeSeconds(c.Left, curfew.LongestGrant)
	if err != nil {
		return nil, err
	}
	end := now.Add(left)
	if !end.Before(g.End) {
		return nil, curfew.Errorf(curfew.Invalid, "%s ends sooner than that, at %s", g.ID, g.End.Format("15:04:05 MST")).WithFix("for more time: curfew extend %s", g.ID)
	}
	return []Fact{{curfew.KindGrantShortened, curfew.GrantMoved{Grant: g.ID, End: end, EndCause: curfew.CauseExpired, By: c.By}}}, nil
}

// Due ends and starts what is due among the requests and grants named.
type Due struct{ IDs []string }

func (Due) happened() {}
func (c Due) decide(st *State, now time.Time) ([]Fact, error) {
	var facts []Fact
	for _, id := range c.IDs {
		if r := st.Requests[curfew.RequestID(id)]; r != nil && !now.Before(r.Lapses) {
			facts = append(facts, Fact{curfew.KindRequestLapsed, curfew.RequestActed{Request: r.Request, Cause: curfew.CauseLapsed}})
		}
		if h := st.Held[curfew.StatementID(id)]; h != nil && !now.Before(h.Lapses) {
			facts = append(facts, refusedStatement(h, curfew.CauseLapsed))
		}
		if g := st.Grants[curfew.GrantID(id)]; g != nil && g.Live() && !now.Before(g.Deadline()) {
			facts = append(facts, st.due(g, now)...)
		}
	}
	return facts, nil
}

func (st *State) due(g *Grant, now time.Time) []Fact {
	switch {
	case g.Status == Active && !now.Before(g.End):
		return []Fact{ended(g, cmp.Or(g.EndCause, curfew.CauseExpired))}
	case !now.Before(g.UseBy) && g.Sessions == 0:
		return []Fact{ended(g, curfew.CauseUnused)}
	case g.Status == Scheduled && g.Starts == curfew.AtApproval:
		return st.started(g, false, now)
	}
	return nil
}

// Deadline is when a live grant next needs to be looked at.
func (g *Grant) Deadline() time.Time {
	next := g.End
	if g.Status == Scheduled {
		next = g.UseBy
		if g.Starts == curfew.AtApproval {
			from := g.Approved
			if g.NotBefore.After(from) {
				from = g.NotBefore
			}
			if next = from; g.Leased {
				next = from.Add(startBound)
			}
		}
	}
	if g.Sessions == 0 && g.UseBy.Before(next) {
		next = g.UseBy
	}
	return next
}
