package access

import (
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

// Restore is the lawful way back to an older ledger: it names what is lost, ends
// every grant, voids every request, makes every token and credential worthless,
// and closes everything until administrators have confirmed it. What the lost
// events took away could otherwise come back.
type Restore struct{ curfew.LedgerRestored }

func (c Restore) decide(st *State, _ time.Time) ([]Fact, error) {
	facts := []Fact{{curfew.KindLedgerRestored, c.LedgerRestored}}
	for _, id := range slices.Sorted(maps.Keys(st.Grants)) {
		if g := st.Grants[id]; g.Live() {
			facts = append(facts, ended(g, curfew.CauseRestored))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(st.Requests)) {
		facts = append(facts, Fact{curfew.KindRequestVoided, curfew.RequestActed{Request: id, Cause: curfew.CauseRestored}})
	}
	for _, id := range slices.Sorted(maps.Keys(st.Plans)) {
		facts = append(facts, Fact{curfew.KindPlanDropped, curfew.PlanActed{Plan: id, Why: "the ledger was restored"}})
	}
	for _, id := range slices.Sorted(maps.Keys(st.Tokens)) {
		facts = append(facts, Fact{curfew.KindTokenWithdrawn, curfew.SecretUnlisted{ID: id}})
	}
	for _, id := range slices.Sorted(maps.Keys(st.Links)) {
		facts = append(facts, Fact{curfew.KindLinkUsed, curfew.SecretUnlisted{ID: id}})
	}
	for _, id := range slices.Sorted(maps.Keys(st.People)) {
		facts = append(facts, Fact{curfew.KindPrincipalSignedOut, curfew.PrincipalActed{Principal: id}})
	}
	return facts, nil
}

// Begin founds a deployment with what it takes over from another one, whose last
// head it names: a copy, or what follows a deployment whose node is lost. Nobody
// has signed in, there are no resources, grants or accounts: nothing can be given,
// and no target is reached, before an administrator has said what there is.
type Begin struct {
	curfew.LedgerRestored
	People []curfew.PrincipalAdded
	Config curfew.Config
}

func (c Begin) decide(st *State, _ time.Time) ([]Fact, error) {
	if st.Size != 1 || len(st.People) != 0 {
		return nil, curfew.Errorf(curfew.Conflict, "this deployment has begun already")
	}
	next := CopyConfig(c.Config)
	clear(next.Resources)
	facts := []Fact{{curfew.KindLedgerRestored, c.LedgerRestored}}
	for _, p := range c.People {
		facts = append(facts, Fact{curfew.KindPrincipalAdded, p})
	}
	return append(facts, st.differences(curfew.ConfigApplied{Bootstrap: true}, next)...), nil
}

// ConfirmRestore is an administrator's word that the people, rules and secrets of
// the restored ledger may count again. Two of them open it; one where there are not two.
type ConfirmRestore struct{ By curfew.Principal }

func (c ConfirmRestore) decide(st *State, _ time.Time) ([]Fact, error) {
	if err := st.mustBeAdmin(c.By, "confirm a restored ledger"); err != nil {
		return nil, err
	}
	if !st.Restored {
		return nil, curfew.Errorf(curfew.Conflict, "the ledger waits for no confirmation")
	}
	if slices.Contains(st.Confirmed, c.By) {
		return nil, curfew.Errorf(curfew.Conflict, "you have confirmed it; it takes another administrator too")
	}
	return []Fact{{curfew.KindRestoreConfirmed, curfew.RestoreConfirmed{By: c.By}}}, nil
}

// mayGive refuses everything that gives while a restored ledger is not confirmed.
func (st *State) mayGive() error {
	if !st.Restored {
		return nil
	}
	return curfew.Errorf(curfew.Unavailable, "the ledger was restored; nothing is given until two administrators have confirmed it").
		WithRule("ledger.restored").WithFix("an administrator looks at it and says: curfew doctor --confirm-restore")
}
