package access

import (
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/quorum"
)

// compiled is what the configuration comes to, made once a change.
type compiled struct {
	set       *policy.Set
	roles     map[curfew.RoleName]string     // versions
	resources map[curfew.ResourceName]string // versions
	policies  map[curfew.PolicyName]string   // versions
}

// rules returns the compiled configuration. It is made here when it is missing;
// readers never find it missing, because the service makes it before they see the state.
func (st *State) rules() *compiled {
	if st.compiled != nil {
		return st.compiled
	}
	c := &compiled{roles: map[curfew.RoleName]string{}, resources: map[curfew.ResourceName]string{}, policies: map[curfew.PolicyName]string{}}
	policies := make([]curfew.Policy, 0, len(st.Config.Policies))
	for name, p := range st.Config.Policies {
		policies = append(policies, p)
		c.policies[name] = policy.PolicyVersion(p)
	}
	c.set = policy.Compile(policies)
	for name := range st.Config.Roles {
		c.roles[name] = policy.RoleVersion(st.Config.Roles, name)
	}
	for name, r := range st.Config.Resources {
		c.resources[name] = policy.ResourceVersion(r)
	}
	st.compiled = c
	return c
}

// Question is what somebody could ask for.
type Question struct {
	Principal curfew.Principal
	Role      curfew.RoleName
	Resource  curfew.ResourceName // empty: the role's own
	Duration  time.Duration       // zero: as long as the rules allow
	Start     time.Time
	Reason    string
	Workflow  curfew.WorkflowID
}

// Decide answers the question as of now, with every reason. It asks for nothing.
func (st *State) Decide(q Question, now time.Time) (policy.Decision, error) {
	f, err := st.facts(q, now)
	if err != nil {
		return policy.Decision{}, err
	}
	return st.rules().set.Decide(f), nil
}

// facts gathers what a decision may look at. A role or resource that does not
// exist is an error; everything else is for the policies to judge.
func (st *State) facts(q Question, now time.Time) (policy.Facts, error) {
	role, ok := st.Config.Roles[q.Role]
	if !ok {
		return policy.Facts{}, curfew.Errorf(curfew.NotFound, "there is no role %s", q.Role).WithRule("role.unknown")
	}
	if q.Resource == "" {
		one, err := st.onlyResource(role)
		if err != nil {
			return policy.Facts{}, err
		}
		q.Resource = one
	}
	resource, ok := st.Config.Resources[q.Resource]
	if !ok {
		return policy.Facts{}, curfew.Errorf(curfew.NotFound, "there is no resource %s", q.Resource).WithRule("resource.unknown")
	}
	f := policy.Facts{
		Now: now, Principal: q.Principal, Enabled: st.Enabled(q.Principal), InGroup: st.InGroup,
		Role: role, Roles: st.Config.Roles, Resource: resource, Start: q.Start, Duration: q.Duration, Reason: q.Reason,
		Freezes: st.freezes(),
		Approvers: func(p curfew.Policy, n curfew.ApprovalNeed) []curfew.Principal {
			return st.approvers(q.Principal, p, n, now)
		},
	}
	if p := st.People[q.Principal]; p != nil {
		f.Kind = p.Kind
	}
	if q.Workflow != "" {
		f.Workflow = st.workflow(q.Workflow)
	}
	for _, g := range st.byHolder[q.Principal] {
		if g.Live() {
			f.Holding = append(f.Holding, g.Role)
		}
	}
	slices.Sort(f.Holding)
	return f, nil
}

// workflow returns the workflow as known now; one that is not known is closed.
func (st *State) workflow(id curfew.WorkflowID) *curfew.Workflow {
	if w := st.Workflows[id]; w != nil {
		return w
	}
	return &curfew.Workflow{ID: id}
}

func (st *State) onlyResource(role curfew.Role) (curfew.ResourceName, error) {
	var found []curfew.ResourceName
	for name, r := range st.Config.Resources {
		if role.Covers(r) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", curfew.Errorf(curfew.NotFound, "the role %s is on no resource that exists", role.Name).WithRule("role.resource")
	}
	return "", curfew.Errorf(curfew.Ambiguous, "the role %s is on %d resources (%s, …)", role.Name, len(found), found[0]).
		WithFix("name the resource with --on")
}

// approvers are the people who may approve the need for the requester: enabled,
// of a relation that is settled, never the requester, never a machine.
func (st *State) approvers(requester curfew.Principal, p curfew.Policy, n curfew.ApprovalNeed, now time.Time) []curfew.Principal {
	var out []curfew.Principal
	add := func(who curfew.Principal) {
		q := st.People[who]
		if who != requester && q != nil && q.Enabled && q.Joined && q.Kind == curfew.Person && !slices.Contains(out, who) {
			out = append(out, who)
		}
	}
	from := n.From
	if n.Peer {
		from = append(slices.Clone(from), p.Who...)
	}
	for _, s := range from {
		if s.Principal != "" {
			add(s.Principal)
			continue
		}
		for who, since := range st.Since[s.Group] {
			if st.isSettled(since, now) {
				add(who)
			}
		}
	}
	if m := st.Config.Managers[requester]; n.Manager && m != "" && st.isSettled(st.Managed[requester], now) {
		add(m)
	}
	slices.Sort(out)
	return out
}

func (st *State) isSettled(since, now time.Time) bool {
	return since.IsZero() || now.Sub(since) >= st.Config.Settings.Settle
}

// needs turns a policy's approvals into who may give them now.
func (st *State) needs(requester curfew.Principal, name curfew.PolicyName, approvals []curfew.ApprovalNeed, now time.Time) []quorum.Need {
	p := st.Config.Policies[name]
	out := make([]quorum.Need, 0, len(approvals))
	for _, n := range approvals {
		out = append(out, quorum.Need{Count: n.Count, From: st.approvers(requester, p, n, now)})
	}
	return out
}

// MayDecide reports whether a person may approve or deny the request now, and why not.
func (st *State) MayDecide(r *Request, who curfew.Principal, now time.Time) (bool, string) {
	p := st.People[who]
	switch {
	case p == nil || !p.Enabled:
		return false, "only people who are signed in may decide"
	case p.Kind != curfew.Person:
		return false, "a machine never approves"
	case who == r.Principal:
		return false, "nobody approves their own request"
	}
	for _, v := range r.Votes {
		if v.By == who {
			return false, "you have approved it already"
		}
	}
	for _, n := range st.needs(r.Principal, r.Policy, r.Needs, now) {
		if slices.Contains(n.From, who) {
			return true, ""
		}
	}
	return false, st.whyNot(r, who, now)
}

// Deciders are the people who may decide the request and have not yet.
func (st *State) Deciders(r *Request, now time.Time) (out []curfew.Principal) {
	for _, n := range st.needs(r.Principal, r.Policy, r.Needs, now) {
		for _, p := range n.From {
			voted := slices.ContainsFunc(r.Votes, func(v Vote) bool { return v.By == p })
			if !voted && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

func (st *State) whyNot(r *Request, who curfew.Principal, now time.Time) string {
	soon := *st
	soon.Config.Settings.Settle = 0
	for _, n := range soon.needs(r.Principal, r.Policy, r.Needs, now) {
		if slices.Contains(n.From, who) {
			return "the membership that would let you decide is younger than " + st.Config.Settings.Settle.String()
		}
	}
	return "the policy " + string(r.Policy) + " asks other people"
}

// Permission is what a role comes to, with all it includes.
func (st *State) Permission(name curfew.RoleName) (curfew.Permission, error) {
	return policy.Permission(st.Config.Roles, name)
}

// Offered is what asking for a role would be, and what the policies say to it. A workflow
// that must be named is taken from those that are open, in the order of their names.
func (st *State) Offered(who curfew.Principal, role curfew.RoleName, on curfew.ResourceName, now time.Time) (q Question, d policy.Decision, err error) {
	q = Question{Principal: who, Role: role, Resource: on, Reason: "to see what there is"}
	d, err = st.Decide(q, now)
	for _, id := range slices.Sorted(maps.Keys(st.Workflows)) {
		if err != nil || d.OK {
			break
		}
		q.Workflow = id
		d, err = st.Decide(q, now)
	}
	return q, d, err
}

// MayAskFor lists the roles that some policy lets the principal ask for, whatever
// else it demands.
func (st *State) MayAskFor(who curfew.Principal) []curfew.RoleName {
	var out []curfew.RoleName
	for _, p := range st.Config.Policies {
		for _, s := range p.Who {
			if s.Principal == who || s.Group != "" && st.InGroup(who, s.Group) {
				out = append(out, p.Roles...)
				break
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
