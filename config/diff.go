package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/say"
)

// Change is one thing that was added, changed or removed.
type Change struct {
	Sign   string // "+", "~", "-"
	Kind   string // "policy", "role", …
	Name   string
	Detail string
	Joined []curfew.Principal // of a group, or the new manager
	Left   []curfew.Principal // of a group, or the old manager
}

// Gain is something that somebody may have after a change and had not before.
type Gain struct {
	What string
	Who  []curfew.Principal // sorted
}

// Changes is the difference of two configurations.
type Changes struct {
	All []Change
	// Gains is conservative: whatever is not a plain removal is a gain of all
	// whom it may touch. With none, the change only takes away and may act at
	// once; with any, a second person who gains nothing must agree (THREATS 3).
	Gains    []Gain
	Everyone bool // a gain that touches everybody
}

// Gainers are all who gain, sorted.
func (c Changes) Gainers() []curfew.Principal {
	var all []curfew.Principal
	for _, g := range c.Gains {
		all = append(all, g.Who...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Lines are the changes as people read them: "+ policy fix-refunds   new".
func (c Changes) Lines(names say.Names) []string {
	plan := make([]say.Change, 0, len(c.All))
	for _, change := range c.All {
		line := say.Change{Sign: change.Sign, Kind: change.Kind, Name: change.Name, Detail: change.Detail}
		if change.Kind == "manager" {
			line.Name = names.Of(curfew.Principal(change.Name))
		}
		var parts []string
		for _, p := range change.Joined {
			parts = append(parts, "+ "+names.Of(p))
		}
		for _, p := range change.Left {
			parts = append(parts, "- "+names.Of(p))
		}
		if len(parts) > 0 {
			line.Detail = strings.TrimPrefix(line.Detail+": ", ": ") + strings.Join(parts, ", ")
		}
		plan = append(plan, line)
	}
	return say.Plan(plan)
}

// Diff compares two resolved configurations.
func Diff(before, after curfew.Config) Changes {
	d := &differ{before: before, after: after}
	d.settings()
	d.retention()
	compare(d, "group", before.Groups, after.Groups, d.group)
	compare(d, "manager", before.Managers, after.Managers, d.manager)
	compare(d, "resource", before.Resources, after.Resources, d.resource)
	compare(d, "role", before.Roles, after.Roles, d.role)
	compare(d, "policy", before.Policies, after.Policies, d.policy)
	compare(d, "freeze", before.Freezes, after.Freezes, d.freeze)
	return d.Changes
}

type differ struct {
	before, after curfew.Config
	Changes
}

func (d *differ) gain(who []curfew.Principal, format string, args ...any) {
	slices.Sort(who)
	who = slices.Compact(slices.DeleteFunc(who, func(p curfew.Principal) bool { return p == "" }))
	d.Gains = append(d.Gains, Gain{What: fmt.Sprintf(format, args...), Who: who})
}

// compare walks both maps in the order of the names. The function is told the
// two values, nil where there is none, says what changed and books who gains.
func compare[K ~string, V any](d *differ, kind string, before, after map[K]V, gains func(name K, before, after *V, change *Change)) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		var b, a *V
		if v, ok := before[name]; ok {
			b = &v
		}
		if v, ok := after[name]; ok {
			a = &v
		}
		change := Change{Sign: "~", Kind: kind, Name: string(name)}
		switch {
		case b == nil:
			change.Sign, change.Detail = "+", "new"
		case a == nil:
			change.Sign, change.Detail = "-", "removed"
		case reflect.DeepEqual(*b, *a):
			continue
		}
		gains(name, b, a, &change)
		d.All = append(d.All, change)
	}
}

func (d *differ) settings() {
	b, a := d.before.Settings, d.after.Settings
	if b == a {
		return
	}
	d.All = append(d.All, Change{Sign: "~", Kind: "settings", Name: "settle", Detail: say.Duration(b.Settle) + " → " + say.Duration(a.Settle)})
	if a.Settle < b.Settle {
		d.Everyone = true
		d.gain(d.everybody(), "approvals count sooner after a change of people")
	}
}

// retention: a shorter one takes evidence away, to the good of whoever would be
// shown by it: a second person must agree (THREATS 22).
func (d *differ) retention() {
	b, a := d.before.Retention.Recordings, d.after.Retention.Recordings
	if b == a {
		return
	}
	d.All = append(d.All, Change{Sign: "~", Kind: "retention", Name: "recordings", Detail: say.Kept(b) + " → " + say.Kept(a) + retroactive(b, a)})
	if a != 0 && (b == 0 || a < b) {
		d.gain(nil, "recordings made from now on are removed sooner: kept %s, not %s", say.Kept(a), say.Kept(b))
	}
}

// retroactive says on what a change of the retention acts.
func retroactive(before, after time.Duration) string {
	if after == 0 || before != 0 && after > before {
		return ", also those that are there"
	}
	return ", those made from now on"
}

// everybody is all principals that either configuration names.
func (d *differ) everybody() []curfew.Principal {
	var all []curfew.Principal
	for _, c := range []curfew.Config{d.before, d.after} {
		for _, members := range c.Groups {
			all = append(all, members...)
		}
		for person, manager := range c.Managers {
			all = append(all, person, manager)
		}
		for _, p := range c.Policies {
			all = append(all, d.reach(p)...)
		}
	}
	return all
}

// group: new members gain; members that leave, or a group that goes, gain
// nothing. Who was in a group that a policy's approvals count from may approve.
func (d *differ) group(name curfew.GroupName, before, after *[]curfew.Principal, change *Change) {
	var old, now []curfew.Principal
	if before != nil {
		old = *before
	}
	if after != nil {
		now = *after
	}
	for _, p := range now {
		if !slices.Contains(old, p) {
			change.Joined = append(change.Joined, p)
		}
	}
	for _, p := range old {
		if !slices.Contains(now, p) {
			change.Left = append(change.Left, p)
		}
	}
	if len(change.Joined) > 0 {
		d.gain(append(slices.Clone(change.Joined), d.approvedBy(name)...), "are, or may be approved by, new members of the group %s", name)
	}
}

// approvedBy is who may ask where the group's members may approve: with more
// approvers their requests are easier to win.
func (d *differ) approvedBy(group curfew.GroupName) []curfew.Principal {
	var all []curfew.Principal
	for _, p := range d.after.Policies {
		for _, need := range agreements(p) {
			from := need.From
			if need.Peer {
				from = append(slices.Clone(from), p.Who...)
			}
			if slices.Contains(from, curfew.Subject{Group: group}) {
				all = append(all, policy.Members(d.after, p.Who)...)
			}
		}
	}
	return all
}

func (d *differ) manager(person curfew.Principal, before, after *curfew.Principal, change *Change) {
	if before != nil {
		change.Left = []curfew.Principal{*before}
	}
	if after != nil { // without one they have an approver less
		change.Joined = []curfew.Principal{*after}
		d.gain([]curfew.Principal{person, *after}, "have a new manager, or are one")
	}
}

// reach is everybody whom a policy's who names in either configuration.
func (d *differ) reach(p curfew.Policy) []curfew.Principal {
	return append(policy.Members(d.before, p.Who), policy.Members(d.after, p.Who)...)
}

// askers is everybody who may ask for one of the roles in either configuration.
func (d *differ) askers(concerns func(curfew.RoleName) bool) []curfew.Principal {
	var all []curfew.Principal
	for _, c := range []curfew.Config{d.before, d.after} {
		for _, p := range c.Policies {
			if slices.ContainsFunc(p.Roles, concerns) {
				all = append(all, d.reach(p)...)
			}
		}
	}
	return all
}

// resource: a removed one gives nobody anything.
func (d *differ) resource(name curfew.ResourceName, before, after *curfew.Resource, change *Change) {
	if after == nil {
		return
	}
	who := d.askers(func(role curfew.RoleName) bool {
		for _, c := range []curfew.Config{d.before, d.after} {
			for _, r := range []*curfew.Resource{before, after} {
				if r != nil && c.Roles[role].Covers(*r) {
					return true
				}
			}
		}
		return false
	})
	d.gain(who, "may reach the resource %s as it is now", name)
	describe(change, before, after)
}

// role: any change may be a gain, of itself, of the roles that include it and
// of those it excluded. A removed one takes its prohibitions and exclusions with it.
func (d *differ) role(name curfew.RoleName, before, after *curfew.Role, change *Change) {
	who := d.askers(func(role curfew.RoleName) bool {
		return includes(d.before.Roles, role, name) || includes(d.after.Roles, role, name) ||
			before != nil && slices.Contains(before.Excludes, role) || slices.Contains(d.before.Roles[role].Excludes, name)
	})
	switch {
	case after != nil:
		d.gain(who, "may ask for the role %s as it is now", name)
		describe(change, before, after)
	case len(before.Never) > 0 || len(before.Excludes) > 0 || excluded(d.before.Roles, name):
		d.gain(who, "are no longer bound by what the role %s forbids", name)
	}
}

func includes(roles map[curfew.RoleName]curfew.Role, role, name curfew.RoleName) bool {
	seen := map[curfew.RoleName]bool{}
	todo := []curfew.RoleName{role}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		if at == name {
			return true
		}
		if !seen[at] {
			seen[at] = true
			todo = append(todo, roles[at].Includes...)
		}
	}
	return false
}

func excluded(roles map[curfew.RoleName]curfew.Role, name curfew.RoleName) bool {
	for _, r := range roles {
		if slices.Contains(r.Excludes, name) {
			return true
		}
	}
	return false
}

// policy: a removed one gives nobody anything; any other change may, to those
// who may ask and to those who may now approve.
func (d *differ) policy(name curfew.PolicyName, before, after *curfew.Policy, change *Change) {
	if after == nil {
		return
	}
	describe(change, before, after)
	if before != nil && onlyHoldsMore(*before, *after) {
		return
	}
	who := d.reach(*after)
	old := []curfew.Principal{}
	if before != nil {
		who = append(who, d.reach(*before)...)
		old = d.approvers(d.before, *before)
	}
	for _, p := range d.approvers(d.after, *after) {
		if !slices.Contains(old, p) {
			who = append(who, p)
		}
	}
	d.gain(who, "may ask, or approve, by the policy %s as it is now", name)
}

// approvers is everybody whom the policy's needs name; managers and peers are
// known by other changes.
func (d *differ) approvers(c curfew.Config, p curfew.Policy) []curfew.Principal {
	var all []curfew.Principal
	for _, need := range agreements(p) {
		all = append(all, policy.Members(c, need.From)...)
	}
	return all
}

// freeze: a new one takes away; any other change may open what was closed.
func (d *differ) freeze(name string, before, after *curfew.Freeze, change *Change) {
	if before == nil {
		return
	}
	if after == nil || after.From.After(before.From) || after.To.Before(before.To) {
		d.Everyone = true
		d.gain(d.everybody(), "the freeze %s closes less", name)
	}
	describe(change, before, after)
}

// describe says which fields of a thing differ, and lines added to or taken from lists.
func describe[T any](change *Change, before, after *T) {
	if before == nil || after == nil {
		return
	}
	b, a := reflect.ValueOf(*before), reflect.ValueOf(*after)
	var parts []string
	for i := range b.NumField() {
		if reflect.DeepEqual(b.Field(i).Interface(), a.Field(i).Interface()) {
			continue
		}
		name, _, _ := strings.Cut(b.Type().Field(i).Tag.Get("json"), ",")
		detail := strings.ReplaceAll(name, "_", " ") + " changed"
		switch old := b.Field(i).Interface().(type) {
		case []string:
			detail = strings.ReplaceAll(name, "_", " ") + ": " + lineDiff(old, a.Field(i).Interface().([]string))
		case curfew.Release:
			detail = releaseDiff(old, a.Field(i).Interface().(curfew.Release))
		}
		parts = append(parts, detail)
	}
	change.Detail = strings.Join(parts, "; ")
}

func lineDiff(before, after []string) string {
	var parts []string
	for _, l := range after {
		if !slices.Contains(before, l) {
			parts = append(parts, "+ "+l)
		}
	}
	for _, l := range before {
		if !slices.Contains(after, l) {
			parts = append(parts, "- "+l)
		}
	}
	if len(parts) == 0 {
		return "another order"
	}
	return strings.Join(parts, ", ")
}
