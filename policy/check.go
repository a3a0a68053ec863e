package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/quorum"
	"github.com/curfewhq/curfew/schedule"
)

// Problem is one fault of a configuration.
type Problem struct {
	Path    []string // where, from the top: "policies", "fix-refunds", "at most"
	Message string
	Fix     string
	Warning bool // it works, though hardly as it was meant
}

func (p Problem) String() string {
	s := strings.Join(p.Path, ": ") + ": " + p.Message
	if p.Fix != "" {
		s += "; " + p.Fix
	}
	return s
}

// Problems finds what is wrong with a whole configuration: names that lead
// nowhere, circles, times that no grant could have, and policies that nobody
// could ever satisfy. isPerson says who is a person: machines never approve.
// The problems come in the order of the sections and names.
func Problems(c curfew.Config, isPerson func(curfew.Principal) bool) []Problem {
	k := checker{Config: c, isPerson: isPerson}
	if c.Settings.Settle < 0 {
		k.add([]string{"settings", "settle"}, "a time cannot be negative", "24h is usual")
	}
	each(c.Groups, k.group)
	each(c.Managers, k.manager)
	each(c.Resources, k.resource)
	each(c.Roles, k.role)
	k.circles()
	each(c.Policies, k.policy)
	each(c.Freezes, k.freeze)
	return k.found
}

type checker struct {
	curfew.Config
	isPerson func(curfew.Principal) bool
	found    []Problem
}

func each[K ~string, V any](m map[K]V, check func(K, V)) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		check(name, m[name])
	}
}

func (k *checker) add(path []string, message, fix string) {
	k.found = append(k.found, Problem{Path: path, Message: message, Fix: fix})
}

func (k *checker) warn(path []string, message, fix string) {
	k.found = append(k.found, Problem{Path: path, Message: message, Fix: fix, Warning: true})
}

// name checks a thing's name, and that the map's key and the thing agree.
func (k *checker) name(path []string, key, name string) {
	if err := curfew.CheckName(key); err != nil {
		k.add(path, err.Error(), "")
	}
	if name != key {
		k.add(path, fmt.Sprintf("it is called %q inside", name), "")
	}
}

// known asks that name is a key of m, and suggests one that is near.
func known[K ~string, V any](k *checker, path []string, thing string, name K, m map[K]V) bool {
	if _, ok := m[name]; ok {
		return true
	}
	var names []string
	for n := range m {
		names = append(names, string(n))
	}
	slices.Sort(names)
	fix := ""
	if near := schedule.Nearest(string(name), names); near != "" {
		fix = fmt.Sprintf("did you mean %q?", near)
	}
	k.add(path, fmt.Sprintf("there is no %s %q", thing, name), fix)
	return false
}

func (k *checker) group(name curfew.GroupName, members []curfew.Principal) {
	path := []string{"groups", string(name)}
	k.name(path, string(name), string(name))
	if slices.Contains(members, "") {
		k.add(path, "a member is nobody", "")
	}
}

func (k *checker) manager(person, manager curfew.Principal) {
	path := []string{"people", string(person), "manager"}
	switch {
	case person == manager:
		k.add(path, "nobody is their own manager", "name another person or leave it out")
	case manager == "" || !k.isPerson(manager):
		k.add(path, "a manager is a person", "machines never approve")
	}
}

func (k *checker) resource(name curfew.ResourceName, r curfew.Resource) {
	path := []string{"resources", string(name)}
	k.name(path, string(name), string(r.Name))
	if r.Type == "" {
		k.add(path, "it has no type", "for example: type: postgres")
	}
	if r.Address == "" {
		k.add(path, "it has no address", "for example: address: orders.internal:5432")
	}
	if r.Account != curfew.Leased && r.Account != curfew.Fixed {
		k.add(append(path, "account"), fmt.Sprintf("%q is no kind of account", r.Account), "leased or fixed")
	}
}

func (k *checker) role(name curfew.RoleName, r curfew.Role) {
	path := []string{"roles", string(name)}
	k.name(path, string(name), string(r.Name))
	switch {
	case r.On != "" && len(r.OnLabels) > 0:
		k.add(append(path, "on"), "it names a resource and labels", "use one of them")
	case r.On != "":
		known(k, append(path, "on"), "resource", r.On, k.Resources)
	case len(r.OnLabels) == 0:
		k.add(path, "it is on no resource", "for example: on: orders-db")
	case !k.reaches(r):
		k.warn(append(path, "on"), "no resource has these labels", "label a resource, or name one")
	}
	if p, err := Permission(k.Roles, name); err == nil && len(p.May) == 0 {
		k.add(path, "it permits nothing", "say what it may do, under may")
	}
	if _, err := curfew.WholeSeconds(r.Longest, curfew.LongestGrant); err != nil {
		k.add(append(path, "longest"), err.Error(), "say how long, for example 2h")
	}
	for _, included := range r.Includes {
		known(k, append(path, "includes"), "role", included, k.Roles)
	}
	for _, excluded := range r.Excludes {
		known(k, append(path, "excludes"), "role", excluded, k.Roles)
		if _, both := closure(k.Roles, r)[excluded]; both {
			k.add(append(path, "excludes"), fmt.Sprintf("it excludes %q, which it is or includes", excluded), "nobody could ever hold it")
		}
	}
}

func (k *checker) reaches(r curfew.Role) bool {
	for _, res := range k.Resources {
		if r.Covers(res) {
			return true
		}
	}
	return false
}

// circles reports each circle of includes once, at its first name.
func (k *checker) circles() {
	for _, name := range slices.Sorted(maps.Keys(k.Roles)) {
		if circle := k.circle(name); circle != "" {
			k.add([]string{"roles", string(name), "includes"}, "roles include each other in a circle: "+circle, "leave one out")
		}
	}
}

// circle walks from name along the smallest way back to it; "" if there is
// none, or if a smaller name of the circle has reported it.
func (k *checker) circle(name curfew.RoleName) string {
	from := map[curfew.RoleName]curfew.RoleName{}
	todo := []curfew.RoleName{name}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		for _, next := range k.Roles[at].Includes {
			if next == name {
				return circleText(name, at, from)
			}
			if _, seen := from[next]; !seen {
				from[next] = at
				todo = append(todo, next)
			}
		}
	}
	return ""
}

func circleText(name, last curfew.RoleName, from map[curfew.RoleName]curfew.RoleName) string {
	parts := []string{string(name)}
	for at := last; at != name; at = from[at] {
		if at < name {
			return ""
		}
		parts = append(parts, string(at))
	}
	parts = append(parts, string(name))
	slices.Reverse(parts)
	return strings.Join(parts, " → ")
}

func (k *checker) freeze(name string, f curfew.Freeze) {
	path := []string{"freezes", name}
	k.name(path, name, f.Name)
	if !f.To.After(f.From) {
		k.add(path, "it ends before it starts", "write from before to")
	}
}

// lacking reports whether a principal, were it to ask, could get the needs met.
func (k *checker) lacking(p curfew.Policy, asker curfew.Principal) bool {
	var needs []quorum.Need
	for _, need := range p.Approvals {
		var from []curfew.Principal
		for _, who := range Approvers(k.Config, p, need, asker) {
			if k.isPerson(who) {
				from = append(from, who)
			}
		}
		needs = append(needs, quorum.Need{Count: need.Count, From: from})
	}
	return len(quorum.Lacking(asker, nil, needs)) > 0
}

// Approvers lists who may approve the need for the requester by the
// configuration alone: From, the requester's manager, their peers; sorted,
// without the requester. Whether they are people, enabled and settled is for
// the caller to say.
func Approvers(c curfew.Config, p curfew.Policy, need curfew.ApprovalNeed, requester curfew.Principal) []curfew.Principal {
	all := Members(c, need.From)
	if need.Manager {
		if m := c.Managers[requester]; m != "" {
			all = append(all, m)
		}
	}
	if need.Peer {
		all = append(all, Members(c, p.Who)...)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(p curfew.Principal) bool { return p == "" || p == requester })
}

// Members lists everybody whom the subjects name, sorted, each once.
func Members(c curfew.Config, subjects []curfew.Subject) []curfew.Principal {
	var all []curfew.Principal
	for _, s := range subjects {
		if s.Group != "" {
			all = append(all, c.Groups[s.Group]...)
			continue
		}
		all = append(all, s.Principal)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// wait checks how long something may take, by what it may take at most.
func (k *checker) wait(path []string, d, most time.Duration, usual string) {
	if _, err := curfew.WholeSeconds(d, most); err != nil {
		k.add(path, err.Error(), usual+" is usual")
	}
}
