package access

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

// Change is a planned change of configuration. Service.Plan makes it, outside any
// turn; it is applied only if what it was planned against still holds.
type Change struct {
	Plan    curfew.PlanID
	Base    string // version it was planned against
	Lines   []string
	Gains   []string // what anybody gains; empty: it only takes away
	Gainers []curfew.Principal
	Config  curfew.Config
	show    func(say.Names) []string
}

// Show is the change's lines with people by name.
func (c Change) Show(names say.Names) []string { return c.show(names) }

// Empty reports whether the change changes nothing.
func (c Change) Empty() bool { return len(c.Lines) == 0 }

// planID is the digest that a second person agrees to: what it was planned
// against, and every word of what it would be.
func planID(base string, c curfew.Config) curfew.PlanID {
	text, _ := json.Marshal(struct {
		Domain, Base string
		Config       curfew.Config
	}{"curfew plan v1", base, c}) // maps are written in the order of their keys
	sum := sha256.Sum256(text)
	return curfew.PlanID("plan_" + hex.EncodeToString(sum[:10]))
}

func configVersion(c curfew.Config) string {
	text, _ := json.Marshal(c)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Propose applies a change, or keeps it for a second person to agree to where
// anybody gains by it (THREATS 3).
type Propose struct {
	Change
	Author curfew.Principal
}

func (c Propose) takesAway() bool { return len(c.Gains) == 0 }
func (c Propose) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	if err := st.mustBeAdmin(c.Author, "change the configuration"); err != nil {
		return nil, err
	}
	if c.Base != st.Version {
		return nil, curfew.Errorf(curfew.Conflict, "the configuration has changed since this was planned").WithFix("plan again: curfew plan")
	}
	if c.Empty() {
		return nil, nil
	}
	head := curfew.ConfigApplied{Plan: c.Plan, Author: c.Author, Gains: len(c.Gains) > 0}
	if len(c.Gains) > 0 && !st.Bootstrap() {
		return []Fact{{curfew.KindPlanProposed, curfew.PlanProposed{
			Plan: c.Plan, Author: c.Author, Base: c.Base, Lines: c.Lines, Gains: c.Gains, Gainers: c.Gainers, Config: c.Config,
		}}}, nil
	}
	head.Bootstrap = head.Gains
	return st.apply(head, c.Config, now)
}

// Agree lets a waiting plan take effect: by an administrator who is neither its
// author nor gains by it.
type Agree struct {
	Plan  curfew.PlanID
	By    curfew.Principal
	Touch *curfew.Touch // by which; nil: by a passphrase, which the caller has checked
}

func (c Agree) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	p := st.Plans[c.Plan]
	if p == nil {
		return nil, curfew.Errorf(curfew.NotFound, "no plan %s waits", c.Plan).WithFix("what does: curfew review")
	}
	if ok, why := st.MayAgree(p, c.By, now); !ok {
		return nil, curfew.Errorf(curfew.Denied, "you may not agree to this plan: %s", why).WithRule("plan.second")
	}
	if p.Base != st.Version {
		return nil, curfew.Errorf(curfew.Conflict, "the configuration has changed since this was planned").WithFix("plan again: curfew plan")
	}
	if err := st.touched(c.By, c.Touch, st.planRecord(p, c.By), now); err != nil {
		return nil, err
	}
	facts := []Fact{{curfew.KindPlanAgreed, curfew.PlanActed{Plan: c.Plan, By: c.By, Touch: c.Touch}}}
	rest, err := st.apply(curfew.ConfigApplied{Plan: c.Plan, Author: p.Author, Agreed: c.By, Gains: true}, p.Config, now)
	return append(facts, rest...), err
}

// MayAgree reports whether a person may agree to a plan, and why not.
func (st *State) MayAgree(p *Proposal, by curfew.Principal, now time.Time) (bool, string) {
	switch {
	case st.mustBeAdmin(by, "agree") != nil:
		return false, "only an administrator may"
	case by == p.Author:
		return false, "you made it"
	case slices.Contains(p.Gainers, by):
		return false, "you gain by it"
	case !st.isSettled(st.Since[curfew.Administrators][by], now):
		return false, "you have been an administrator for less than " + st.Config.Settings.Settle.String()
	}
	return true, ""
}

// DropPlan takes a waiting plan away: its author, or any administrator.
type DropPlan struct {
	Plan curfew.PlanID
	By   curfew.Principal
	Why  string
}

func (c DropPlan) decide(st *State, _ time.Time) ([]Fact, error) {
	p := st.Plans[c.Plan]
	if p == nil {
		return nil, curfew.Errorf(curfew.NotFound, "no plan %s waits", c.Plan)
	}
	if c.By != p.Author {
		if err := st.mustBeAdmin(c.By, "drop a plan"); err != nil {
			return nil, err
		}
	}
	return []Fact{{curfew.KindPlanDropped, curfew.PlanActed{Plan: c.Plan, By: c.By, Why: c.Why}}}, nil
}

// apply is every change between the configuration that is and the one that
// shall be, and what follows from them for live grants and waiting requests.
func (st *State) apply(head curfew.ConfigApplied, next curfew.Config, now time.Time) ([]Fact, error) {
	if err := st.keepsAnAdmin(next); err != nil {
		return nil, err
	}
	facts := st.differences(head, next)
	return append(facts, st.consequences(facts, now)...), nil
}

// differences are the changes that lead from the configuration that is to another one.
func (st *State) differences(head curfew.ConfigApplied, next curfew.Config) []Fact {
	head.Version = configVersion(next)
	facts := []Fact{{curfew.KindConfigApplied, head}}
	if next.Settings != st.Config.Settings {
		facts = append(facts, Fact{curfew.KindSettingsChanged, curfew.SettingsChanged{Settings: next.Settings}})
	}
	if next.Retention != st.Config.Retention {
		facts = append(facts, Fact{curfew.KindRetentionChanged, curfew.RetentionChanged{Retention: next.Retention}})
	}
	facts = append(facts, st.groupChanges(next, head.Bootstrap)...)
	facts = append(facts, st.managerChanges(next, head.Bootstrap)...)
	old := st.Config
	facts = append(facts, changes(old.Resources, next.Resources, curfew.KindResourceRemoved, func(r curfew.Resource) Fact {
		return Fact{curfew.KindResourceChanged, curfew.ResourceChanged{Resource: r}}
	})...)
	facts = append(facts, changes(old.Roles, next.Roles, curfew.KindRoleRemoved, func(r curfew.Role) Fact {
		return Fact{curfew.KindRoleChanged, curfew.RoleChanged{Role: r}}
	})...)
	facts = append(facts, changes(old.Policies, next.Policies, curfew.KindPolicyRemoved, func(p curfew.Policy) Fact {
		return Fact{curfew.KindPolicyChanged, curfew.PolicyChanged{Policy: p}}
	})...)
	return append(facts, changes(old.Freezes, next.Freezes, curfew.KindFreezeRemoved, func(f curfew.Freeze) Fact {
		return Fact{curfew.KindFreezeChanged, curfew.FreezeChanged{Freeze: f}}
	})...)
}

// keepsAnAdmin refuses a configuration that would leave nobody to change it.
func (st *State) keepsAnAdmin(next curfew.Config) error {
	for _, p := range next.Groups[curfew.Administrators] {
		if q := st.People[p]; q != nil && q.Enabled && q.Joined {
			return nil
		}
	}
	return curfew.Errorf(curfew.Invalid, "this would leave no administrator who has signed in").WithRule("administrator.last")
}

// changes are the things that differ and those that are gone, in the order of their names.
func changes[K ~string, V any](old, next map[K]V, removed curfew.Kind, changed func(V) Fact) []Fact {
	var facts []Fact
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, ok := next[name]; !ok {
			facts = append(facts, Fact{removed, curfew.Removed{Name: string(name)}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(next)) {
		if was, ok := old[name]; !ok || !reflect.DeepEqual(was, next[name]) {
			facts = append(facts, changed(next[name]))
		}
	}
	return facts
}

func (st *State) groupChanges(next curfew.Config, settled bool) []Fact {
	names := map[curfew.GroupName]bool{}
	for g := range st.Config.Groups {
		names[g] = true
	}
	for g := range next.Groups {
		names[g] = true
	}
	var facts []Fact
	for _, g := range slices.Sorted(maps.Keys(names)) {
		b := curfew.GroupChanged{Group: g, Settled: settled}
		for _, p := range st.Config.Groups[g] {
			if !slices.Contains(next.Groups[g], p) {
				b.Removed = append(b.Removed, p)
			}
		}
		for _, p := range next.Groups[g] {
			if !slices.Contains(st.Config.Groups[g], p) {
				b.Added = append(b.Added, p)
			}
		}
		if len(b.Added)+len(b.Removed) > 0 {
			facts = append(facts, Fact{curfew.KindGroupChanged, b})
		}
	}
	return facts
}

func (st *State) managerChanges(next curfew.Config, settled bool) []Fact {
	all := maps.Clone(st.Config.Managers)
	if all == nil {
		all = map[curfew.Principal]curfew.Principal{}
	}
	maps.Copy(all, next.Managers)
	var facts []Fact
	for _, p := range slices.Sorted(maps.Keys(all)) {
		if st.Config.Managers[p] != next.Managers[p] {
			facts = append(facts, Fact{curfew.KindManagerChanged, curfew.ManagerChanged{Principal: p, Manager: next.Managers[p], Settled: settled}})
		}
	}
	return facts
}

// consequences are the grants that the changes end or shorten, and the requests
// that they void. It looks at those the changes touch.
func (st *State) consequences(facts []Fact, now time.Time) []Fact {
	after, err := st.with(facts, now)
	if err != nil {
		return nil // such facts would not fold; the append fails for that reason
	}
	var out []Fact
	for _, id := range slices.Sorted(maps.Keys(st.Grants)) {
		g := st.Grants[id]
		if !g.Live() {
			continue
		}
		if cause := after.overFor(g, now); cause != "" {
			out = append(out, ended(g, cause))
			continue
		}
		if g.Status != Active {
			continue
		}
		end, cause, _ := after.endOf(g, g.Policy, g.Start, g.End.Sub(g.Start), now)
		if end.Before(g.End) && end.After(now) {
			out = append(out, Fact{curfew.KindGrantShortened, curfew.GrantMoved{Grant: g.ID, End: end, EndCause: cause}})
		} else if !end.After(now) {
			out = append(out, ended(g, curfew.CausePolicy))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(st.Requests)) {
		if after.changed(st.Requests[id]) {
			out = append(out, Fact{curfew.KindRequestVoided, curfew.RequestActed{Request: id, Cause: curfew.CauseChanged}})
		}
	}
	return out
}

// with is the state as the facts of configuration would leave it. Only what
// configuration changes is copied; the rest is shared and must not be changed.
func (st *State) with(facts []Fact, now time.Time) (*State, error) {
	after := *st
	after.Config = curfew.Config{
		Settings: st.Config.Settings, Retention: st.Config.Retention, Groups: maps.Clone(st.Config.Groups), Managers: maps.Clone(st.Config.Managers),
		Resources: maps.Clone(st.Config.Resources), Roles: maps.Clone(st.Config.Roles),
		Policies: maps.Clone(st.Config.Policies), Freezes: maps.Clone(st.Config.Freezes),
	}
	after.Managed, after.Plans = maps.Clone(st.Managed), maps.Clone(st.Plans)
	after.Since = map[curfew.GroupName]map[curfew.Principal]time.Time{}
	for g, m := range st.Since {
		after.Since[g] = maps.Clone(m)
	}
	for _, f := range facts {
		body, err := json.Marshal(f.Body)
		if err != nil {
			return nil, err
		}
		if err := after.Fold(curfew.Event{Position: after.Size + 1, Time: now, Kind: f.Kind, Body: body}); err != nil {
			return nil, err
		}
	}
	return &after, nil
}
