package access

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// rewritten are the events with the last one of a kind written otherwise, or left out where change
// says so, or followed by more.
func rewritten[T any](t *testing.T, events []curfew.Event, kind curfew.Kind, change func(*T) (leave bool), more ...curfew.Event) []curfew.Event {
	t.Helper()
	out := slices.Clone(events)
	for i, e := range slices.Backward(out) {
		if e.Kind != kind {
			continue
		}
		var b T
		if err := json.Unmarshal(e.Body, &b); err != nil {
			t.Fatal(err)
		}
		leave := change(&b)
		out[i].Body, _ = json.Marshal(b)
		for j := range more {
			more[j].Time = e.Time
		}
		rest := slices.Clone(out[i+1:])
		if !leave {
			i++
		}
		return append(append(out[:i:i], more...), rest...)
	}
	t.Fatalf("there is no %s", kind)
	return nil
}

func event(t *testing.T, kind curfew.Kind, body any) curfew.Event {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return curfew.Event{Kind: kind, Body: text}
}

// Whoever holds the node's key applies nothing but what the second person agreed to, and
// changes nothing beside it.
func TestWhatIsAppliedIsWhatWasAgreedTo(t *testing.T) {
	inFounded(t, "applying", func(w *world) {
		cfg := baseConfig()
		wide := cfg.Roles["write"]
		wide.May = append(slices.Clone(wide.May), "insert orders")
		cfg.Roles["write"] = wide
		cfg.Groups["more"] = []curfew.Principal{alice}
		delete(cfg.Policies, "reading")
		w.apply(root, cfg)
		w.do(Agree{Plan: w.onlyPlan(), By: ben})
		events := w.events()
		role := func(change func(*curfew.Role)) func(*curfew.RoleChanged) bool {
			return func(b *curfew.RoleChanged) bool { change(&b.Role); return false }
		}
		same := func(*curfew.RoleChanged) bool { return false }
		other := cfg.Roles["write"]
		other.Name, other.May = "other", []string{"delete"}
		free := baseConfig().Policies["reading"]
		free.Name = "free"
		for what, forged := range map[string][]curfew.Event{
			"a role that may more":           rewritten(t, events, curfew.KindRoleChanged, role(func(r *curfew.Role) { r.May = append(r.May, "delete orders") })),
			"a role that may less":           rewritten(t, events, curfew.KindRoleChanged, role(func(r *curfew.Role) { r.May = r.May[:1] })),
			"another member":                 rewritten(t, events, curfew.KindGroupChanged, func(b *curfew.GroupChanged) bool { b.Added = append(b.Added, dana); return false }),
			"another group":                  rewritten(t, events, curfew.KindGroupChanged, func(b *curfew.GroupChanged) bool { b.Group = curfew.Administrators; return false }),
			"a removal that is left out":     rewritten(t, events, curfew.KindPolicyRemoved, func(*curfew.Removed) bool { return true }),
			"another removal":                rewritten(t, events, curfew.KindPolicyRemoved, func(b *curfew.Removed) bool { b.Name = "writing"; return false }),
			"a role beside it":               rewritten(t, events, curfew.KindRoleChanged, same, event(t, curfew.KindRoleChanged, curfew.RoleChanged{Role: other})),
			"a policy beside it":             rewritten(t, events, curfew.KindPolicyRemoved, func(*curfew.Removed) bool { return false }, event(t, curfew.KindPolicyChanged, curfew.PolicyChanged{Policy: free})),
			"a manager beside it":            rewritten(t, events, curfew.KindRoleChanged, same, event(t, curfew.KindManagerChanged, curfew.ManagerChanged{Principal: alice, Manager: dana})),
			"settings beside it":             rewritten(t, events, curfew.KindRoleChanged, same, event(t, curfew.KindSettingsChanged, curfew.SettingsChanged{})),
			"a freeze that is removed":       rewritten(t, events, curfew.KindRoleChanged, same, event(t, curfew.KindFreezeChanged, curfew.FreezeChanged{Freeze: curfew.Freeze{Name: "f"}})),
			"recordings that are kept short": rewritten(t, events, curfew.KindRoleChanged, same, event(t, curfew.KindRetentionChanged, curfew.RetentionChanged{Retention: curfew.Retention{Recordings: 1}})),
			"a plan that nobody proposed":    rewritten(t, events, curfew.KindConfigApplied, func(b *curfew.ConfigApplied) bool { b.Plan = "plan_other"; return false }),
		} {
			if rep := w.verified(forged); rep.OK || !strings.Contains(rep.Problem, "law") {
				t.Errorf("%s is not named: %q", what, rep.Problem)
			}
		}
	})
}

// No change of configuration stands alone, and one that is applied as giving nothing gives nothing.
func TestNothingChangesBesideTheConfiguration(t *testing.T) {
	inFounded(t, "alone", func(w *world) {
		w.ask(alice, "write", time.Hour)
		gifts := map[string]curfew.Event{
			"a member":           event(t, curfew.KindGroupChanged, curfew.GroupChanged{Group: curfew.Administrators, Added: []curfew.Principal{dana}, Settled: true}),
			"a manager":          event(t, curfew.KindManagerChanged, curfew.ManagerChanged{Principal: alice, Manager: dana}),
			"a role":             event(t, curfew.KindRoleChanged, curfew.RoleChanged{Role: curfew.Role{Name: "other"}}),
			"a resource":         event(t, curfew.KindResourceChanged, curfew.ResourceChanged{Resource: curfew.Resource{Name: "other"}}),
			"a policy":           event(t, curfew.KindPolicyChanged, curfew.PolicyChanged{Policy: curfew.Policy{Name: "other"}}),
			"no settling":        event(t, curfew.KindSettingsChanged, curfew.SettingsChanged{}),
			"evidence that goes": event(t, curfew.KindRetentionChanged, curfew.RetentionChanged{Retention: curfew.Retention{Recordings: 1}}),
		}
		events := w.events()
		last := events[len(events)-1].Time
		for what, gift := range gifts {
			gift.Time = last
			if rep := w.verified(append(slices.Clone(events), gift)); rep.OK {
				t.Errorf("%s, with nothing applied, is not named", what)
			}
			for _, bootstrap := range []bool{false, true} { // true: as a copy begins, to which nobody has signed in
				head := event(t, curfew.KindConfigApplied, curfew.ConfigApplied{Plan: "plan_1", Author: root, Bootstrap: bootstrap})
				head.Time = last
				if rep := w.verified(append(slices.Clone(events), head, gift)); rep.OK {
					t.Errorf("%s, in a change that gives nothing, is not named", what)
				}
			}
		}
		for what, taken := range map[string]curfew.Event{
			"a policy removed": event(t, curfew.KindPolicyRemoved, curfew.Removed{Name: "reading"}),
			"a member removed": event(t, curfew.KindGroupChanged, curfew.GroupChanged{Group: "staff", Removed: []curfew.Principal{alice}}),
		} {
			head := event(t, curfew.KindConfigApplied, curfew.ConfigApplied{Plan: "plan_1", Author: root})
			head.Time, taken.Time = last, last
			if rep := w.verified(append(slices.Clone(events), head, taken)); !rep.OK {
				t.Errorf("%s is named: %s", what, rep.Problem)
			}
		}
	})
}
