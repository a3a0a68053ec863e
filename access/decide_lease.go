package access

import (
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// PlanLease writes a temporary account down before it is made.
type PlanLease struct {
	Lease curfew.LeaseID
	Grant curfew.GrantID
}

func (c PlanLease) decide(st *State, now time.Time) ([]Fact, error) {
	g := st.Grants[c.Grant]
	if g == nil || !g.Live() || st.leaseOf[c.Grant] != nil {
		return nil, nil
	}
	res := st.Config.Resources[g.Resource]
	if res.Account != curfew.Leased || now.Before(g.NotBefore) {
		return nil, nil
	}
	if cause := st.overFor(g, now); cause != "" {
		return []Fact{ended(g, cause)}, nil
	}
	may, err := st.Permission(g.Role)
	if err != nil {
		return nil, err
	}
	until := g.End
	if g.Status == Scheduled {
		until, _, _ = st.endOf(g, g.Policy, now.Add(startBound), g.Duration, now)
	}
	return []Fact{{curfew.KindLeasePlanned, curfew.LeasePlanned{
		Lease: c.Lease, Grant: g.ID, Resource: g.Resource, Account: AccountName(st.Deployment, c.Lease),
		Permission: may, Until: until, Target: res,
	}}}, nil
}

// AccountName is what a lease's account is called at the target. It carries the
// deployment, so that nobody sweeps another deployment's accounts.
func AccountName(deployment string, l curfew.LeaseID) string {
	return "curfew_" + deployment + "_" + strings.ToLower(string(l))
}

// LeaseMade says that the account is there.
type LeaseMade struct{ curfew.LeaseMade }

func (c LeaseMade) decide(st *State, _ time.Time) ([]Fact, error) {
	if l := st.Leases[c.Lease]; l == nil || l.Made != nil {
		return nil, nil
	}
	return []Fact{{curfew.KindLeaseMade, c.LeaseMade}}, nil
}

// LeaseRefused says that the account will not be made, and ends its grant.
type LeaseRefused struct{ curfew.LeaseTrouble }

func (c LeaseRefused) decide(st *State, _ time.Time) ([]Fact, error) {
	return st.endFor(c.LeaseTrouble, curfew.KindLeaseRefused, curfew.CauseTarget)
}

// Spend says that the budget of a grant is spent, and ends it.
type Spend struct{ Grant curfew.GrantID }

func (Spend) takesAway() bool { return true }
func (c Spend) decide(st *State, _ time.Time) ([]Fact, error) {
	g := st.Grants[c.Grant]
	if g == nil || !g.Live() || !g.Budget.Some() {
		return nil, nil
	}
	return []Fact{{curfew.KindGrantEnded, curfew.GrantEnded{Grant: g.ID, Cause: curfew.CauseBudget}}}, nil
}

// UsedOutside says that the account was used past the gateway, and ends its grant.
type UsedOutside struct{ curfew.LeaseTrouble }

func (UsedOutside) takesAway() bool { return true }
func (c UsedOutside) decide(st *State, _ time.Time) ([]Fact, error) {
	return st.endFor(c.LeaseTrouble, curfew.KindLeaseUsedOutside, curfew.CauseUsedOutside)
}

func (st *State) endFor(t curfew.LeaseTrouble, k curfew.Kind, cause curfew.Cause) ([]Fact, error) {
	l := st.Leases[t.Lease]
	if l == nil {
		return nil, nil
	}
	facts := []Fact{{k, t}}
	if g := st.Grants[l.Grant]; g != nil && g.Live() {
		facts = append(facts, ended(g, cause))
	}
	return facts, nil
}

// LeaseStuck says, once, that an account cannot be removed yet.
type LeaseStuck struct{ curfew.LeaseTrouble }

func (c LeaseStuck) decide(st *State, _ time.Time) ([]Fact, error) {
	if l := st.Leases[c.Lease]; l == nil || l.Stuck == c.What {
		return nil, nil
	}
	return []Fact{{curfew.KindLeaseStuck, c.LeaseTrouble}}, nil
}

// LeaseVerified says that nothing of the account is left, and so of its grant.
type LeaseVerified struct{ curfew.LeaseVerified }

func (c LeaseVerified) decide(st *State, _ time.Time) ([]Fact, error) {
	l := st.Leases[c.Lease]
	if l == nil {
		return nil, nil
	}
	facts := []Fact{{curfew.KindLeaseVerified, c.LeaseVerified}}
	if g := st.Grants[l.Grant]; g != nil && !g.Live() {
		facts = append(facts, Fact{curfew.KindGrantVerified, curfew.GrantVerified{Grant: g.ID}})
	}
	return facts, nil
}
