package access

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/curfewhq/curfew"
)

// lawConfig is the configuration as the events say it, and what may change it: only
// what follows a config.applied, in one piece; after a plan that a second person agreed
// to, exactly that plan.
type lawConfig struct {
	now       curfew.Config
	plans     map[curfew.PlanID]lawPlan // that wait, or are applied now
	applying  *curfew.ConfigApplied     // whose changes follow now; nil: none may
	organized bool                      // there was a group already
}

// lawPlan is a plan that was proposed, and the hash of its event.
type lawPlan struct {
	curfew.PlanProposed
	hash []byte
}

func newLawConfig() lawConfig {
	return lawConfig{now: emptyConfig(), plans: map[curfew.PlanID]lawPlan{}}
}

// checkConfig takes every event: those of a configuration change it, any other ends the
// changes of the last config.applied.
func (l *Laws) checkConfig(e curfew.Event) error {
	c := &l.config
	change, gives, err := c.change(e)
	if err != nil {
		return err
	}
	if change == nil {
		if err := c.settle(); err != nil {
			return err
		}
		switch e.Kind {
		case curfew.KindPlanProposed:
			return see(e, func(b curfew.PlanProposed) error { c.plans[b.Plan] = lawPlan{b, hashOf(e)}; return nil })
		case curfew.KindPlanDropped:
			return see(e, func(b curfew.PlanActed) error { delete(c.plans, b.Plan); return nil })
		case curfew.KindConfigApplied:
			return see(e, func(b curfew.ConfigApplied) error { c.applying = &b; return nil })
		}
		return nil
	}
	if c.applying == nil && !l.founds(e) {
		return broken("%s, and no change of configuration was applied", e.Kind)
	}
	if c.applying != nil && gives && !c.applying.Gains && !l.begins() {
		return broken("%s gives something, in a change that was applied as one that gives nothing", e.Kind)
	}
	change()
	return nil
}

// settle ends the changes of the last config.applied, and demands that they are what was agreed
// to. No other plan can be agreed to any more: each was made for what was before.
func (c *lawConfig) settle() error {
	head := c.applying
	if head == nil {
		return nil
	}
	plan := c.plans[head.Plan]
	c.applying = nil
	clear(c.plans)
	if head.Agreed == "" {
		return nil
	}
	now, then := orderly(c.now), orderly(plan.Config)
	for _, part := range []struct {
		what      string
		got, want any
	}{
		{"settings", now.Settings, then.Settings},
		{"retention", now.Retention, then.Retention},
		{"groups", now.Groups, then.Groups},
		{"managers", now.Managers, then.Managers},
		{"resources", now.Resources, then.Resources},
		{"roles", now.Roles, then.Roles},
		{"policies", now.Policies, then.Policies},
		{"freezes", now.Freezes, then.Freezes},
	} {
		got, err := json.Marshal(part.got)
		if err != nil {
			return broken("the %s after the plan %s cannot be compared: %v", part.what, head.Plan, err)
		}
		want, err := json.Marshal(part.want)
		if err != nil {
			return broken("the %s of the plan %s cannot be compared: %v", part.what, head.Plan, err)
		}
		if !bytes.Equal(got, want) {
			return broken("the %s after the plan %s are not what %s agreed to", part.what, head.Plan, head.Agreed)
		}
	}
	return nil
}

// orderly is a configuration in which what means the same is the same.
func orderly(c curfew.Config) curfew.Config {
	out := emptyConfig()
	for name, members := range c.Groups {
		if members = slices.Compact(slices.Sorted(slices.Values(members))); len(members) > 0 {
			out.Groups[name] = members
		}
	}
	for of, manager := range c.Managers {
		if manager != "" {
			out.Managers[of] = manager
		}
	}
	out.Settings, out.Retention = c.Settings, c.Retention
	maps.Copy(out.Resources, c.Resources)
	maps.Copy(out.Roles, c.Roles)
	maps.Copy(out.Policies, c.Policies)
	maps.Copy(out.Freezes, c.Freezes)
	return out
}

// founds reports whether an event makes the first person the first administrator.
func (l *Laws) founds(e curfew.Event) bool {
	return e.Kind == curfew.KindGroupChanged && len(l.people) == 1 && !l.config.organized
}

// begins reports whether a deployment takes over what another one had: nobody has signed in
// to it yet, nor said what there is to reach.
func (l *Laws) begins() bool {
	return l.config.applying.Bootstrap && len(l.joined) == 0
}

// change is what an event does to the configuration, and whether anybody always gains
// by such a thing; nil: it is not of the configuration.
func (c *lawConfig) change(e curfew.Event) (change func(), gives bool, err error) {
	switch e.Kind {
	case curfew.KindSettingsChanged:
		return changed(e, func(b curfew.SettingsChanged) (func(), bool) {
			return func() { c.now.Settings = b.Settings }, b.Settings.Settle < c.now.Settings.Settle
		})
	case curfew.KindRetentionChanged:
		return changed(e, func(b curfew.RetentionChanged) (func(), bool) {
			was, is := c.now.Retention.Recordings, b.Retention.Recordings
			return func() { c.now.Retention = b.Retention }, is != 0 && (was == 0 || is < was)
		})
	case curfew.KindGroupChanged:
		return changed(e, func(b curfew.GroupChanged) (func(), bool) { return func() { c.members(b) }, len(b.Added) > 0 })
	case curfew.KindManagerChanged:
		return changed(e, func(b curfew.ManagerChanged) (func(), bool) {
			return func() { c.now.Managers[b.Principal] = b.Manager }, b.Manager != ""
		})
	case curfew.KindResourceChanged:
		return changed(e, func(b curfew.ResourceChanged) (func(), bool) {
			return func() { c.now.Resources[b.Resource.Name] = b.Resource }, true
		})
	case curfew.KindRoleChanged:
		return changed(e, func(b curfew.RoleChanged) (func(), bool) { return func() { c.now.Roles[b.Role.Name] = b.Role }, true })
	case curfew.KindPolicyChanged: // one that is there may only hold more
		return changed(e, func(b curfew.PolicyChanged) (func(), bool) {
			_, there := c.now.Policies[b.Policy.Name]
			return func() { c.now.Policies[b.Policy.Name] = b.Policy }, !there
		})
	case curfew.KindFreezeChanged:
		return changed(e, func(b curfew.FreezeChanged) (func(), bool) {
			return func() { c.now.Freezes[b.Freeze.Name] = b.Freeze }, false
		})
	case curfew.KindResourceRemoved:
		return without(e, c.now.Resources)
	case curfew.KindRoleRemoved:
		return without(e, c.now.Roles)
	case curfew.KindPolicyRemoved:
		return without(e, c.now.Policies)
	case curfew.KindFreezeRemoved:
		return without(e, c.now.Freezes)
	}
	return nil, false, nil
}

// changed decodes the body, and has f say what it changes.
func changed[T any](e curfew.Event, f func(T) (func(), bool)) (change func(), gives bool, err error) {
	err = see(e, func(b T) error { change, gives = f(b); return nil })
	return change, gives, err
}

// without is a thing removed by its name.
func without[K ~string, V any](e curfew.Event, from map[K]V) (func(), bool, error) {
	return changed(e, func(b curfew.Removed) (func(), bool) { return func() { delete(from, K(b.Name)) }, false })
}

func (c *lawConfig) members(b curfew.GroupChanged) {
	left := slices.DeleteFunc(slices.Clone(c.now.Groups[b.Group]), func(p curfew.Principal) bool { return slices.Contains(b.Removed, p) })
	c.now.Groups[b.Group] = slices.Compact(slices.Sorted(slices.Values(append(left, b.Added...))))
	c.organized = true
}
