package access

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/curfewhq/curfew"
)

// lawConfig is the configuration as the events say it, and what may change it: only
// what follows a config.applied, in one piece; after a plan that a second person agreed
// to, exactly that plan.
type lawConfig struct {
	now       curfew.Config
	proposed  map[curfew.PlanID]curfew.Config
	applying  *curfew.ConfigApplied // whose changes follow now; nil: none may
	agreed    *curfew.Config        // what they have to come to; nil: nobody agreed to it
	organized bool                  // there was a group already
}

func newLawConfig() lawConfig {
	return lawConfig{now: emptyConfig(), proposed: map[curfew.PlanID]curfew.Config{}}
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
			return see(e, func(b curfew.PlanProposed) error { c.proposed[b.Plan] = b.Config; return nil })
		case curfew.KindPlanDropped:
			return see(e, func(b curfew.PlanActed) error { delete(c.proposed, b.Plan); return nil })
		case curfew.KindConfigApplied:
			return see(e, c.apply)
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

// apply begins the changes of one config.applied. No other plan can be agreed to any more.
func (c *lawConfig) apply(b curfew.ConfigApplied) error {
	c.applying = &b
	if b.Agreed != "" {
		plan, ok := c.proposed[b.Plan]
		if !ok {
			return broken("the plan %s was applied, and nobody had proposed it", b.Plan)
		}
		c.agreed = &plan
	}
	clear(c.proposed)
	return nil
}

// settle ends the changes of the last config.applied, and demands that they are what was agreed to.
func (c *lawConfig) settle() error {
	head, agreed := c.applying, c.agreed
	c.applying, c.agreed = nil, nil
	if agreed == nil {
		return nil
	}
	now, then := orderly(c.now), orderly(*agreed)
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
		got, errGot := json.Marshal(part.got)
		want, errWant := json.Marshal(part.want)
		if errGot != nil || errWant != nil || !bytes.Equal(got, want) {
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
	keep(out.Resources, c.Resources)
	keep(out.Roles, c.Roles)
	keep(out.Policies, c.Policies)
	keep(out.Freezes, c.Freezes)
	return out
}

// keep copies into a map that is there also where the other one is not.
func keep[K comparable, V any](into, from map[K]V) {
	for k, v := range from {
		into[k] = v
	}
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
	c.now.Groups[b.Group] = append(left, b.Added...)
	c.organized = true
}
