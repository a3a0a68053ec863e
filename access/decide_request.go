package access

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/quorum"
)

// MostPending is how many requests one principal may have waiting: nobody's
// screen is flooded (THREATS 13).
const MostPending = 3

// Ask asks for a role. With Extends it asks for more time on a live grant.
type Ask struct {
	Request  curfew.RequestID
	Grant    curfew.GrantID // for the grant, if nobody has to agree
	Question                // Reason is looked at and not kept; Sealed is
	Sealed   curfew.Sealed
	Extends  curfew.GrantID
	Inside   curfew.SessionID // asked from inside this session, where an injected text could ask too: somebody must agree
	// Credential is what the connection that asks, and waits, came with; Made and Until
	// are when it was made and when it ends.
	Credential  curfew.CredentialID
	Made, Until time.Time
}

func (c Ask) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	if err := st.mustBeEnabled(c.Principal); err != nil {
		return nil, err
	}
	if c.Extends != "" {
		if err := c.adopt(st); err != nil {
			return nil, err
		}
	}
	d, err := curfew.WholeSeconds(c.Duration, curfew.LongestGrant)
	if err != nil {
		return nil, err
	}
	c.Duration = d
	if c.Start.Sub(now) > curfew.LongestWait {
		return nil, curfew.Errorf(curfew.Invalid, "the start %s is more than %s away", c.Start.Format(time.RFC3339), curfew.LongestWait)
	}
	f, err := st.facts(c.Question, now)
	if err != nil {
		return nil, err
	}
	if err := c.once(st, f.Resource.Name, now); err != nil {
		return nil, err
	}
	if err := c.notAlready(st, f.Resource.Name, now); err != nil {
		return nil, err
	}
	if c.Extends != "" { // holding it is why one extends it
		f.Holding = nil
	}
	answer := st.rules().set.Decide(f)
	if !answer.OK {
		return nil, Refuse(c.Question, answer)
	}
	return c.asked(st, f, *answer.Best, now)
}

// adopt takes role, resource and workflow from the grant that is extended.
func (c *Ask) adopt(st *State) error {
	g := st.Grants[c.Extends]
	if g == nil || g.Principal != c.Principal {
		return curfew.Errorf(curfew.NotFound, "you have no grant %s", c.Extends)
	}
	if g.Status != Active {
		return curfew.Errorf(curfew.Lapsed, "the grant %s is %s; only a live grant can be extended", g.ID, g.Status).WithFix("ask again: curfew request %s", g.Role)
	}
	if st.Config.Policies[g.Policy].Extensions == curfew.NoExtensions {
		return curfew.Errorf(curfew.Denied, "the policy %s allows no extensions", g.Policy).WithRule("policy.extensions")
	}
	c.Role, c.Resource, c.Start = g.Role, g.Resource, time.Time{}
	if c.Workflow == "" {
		c.Workflow = g.Workflow
	}
	return nil
}

func (c Ask) notAlready(st *State, on curfew.ResourceName, now time.Time) error {
	pending := 0
	for _, r := range st.Requests {
		if r.Principal != c.Principal {
			continue
		}
		pending++
		if r.Role == c.Role && r.Resource == on && r.Extends == c.Extends {
			return curfew.Errorf(curfew.Conflict, "you have asked for %s on %s already; %s waits until %s", c.Role, on, r.Request, r.Lapses.Format("15:04 MST")).
				WithRule("request.waiting").WithFix("curfew show %s", r.Request)
		}
	}
	if pending >= MostPending {
		return curfew.Errorf(curfew.Limited, "you have %d requests waiting, the most one may have", pending).WithFix("withdraw one: curfew cancel")
	}
	if c.Extends != "" {
		return nil
	}
	for _, g := range st.byHolder[c.Principal] {
		if g.Live() && g.Role == c.Role && g.Resource == on {
			e := curfew.Errorf(curfew.Conflict, "you have %s on %s already (%s)", c.Role, on, g.ID).WithRule("grant.exists")
			return e.WithFix("for more time: curfew extend %s", g.ID)
		}
	}
	return nil
}

func (c Ask) asked(st *State, f policy.Facts, v policy.Verdict, now time.Time) ([]Fact, error) {
	p := st.Config.Policies[v.Policy]
	rules := st.rules()
	if c.Extends != "" {
		if _, err := st.extended(st.Grants[c.Extends], p.Name, c.Duration, now); err != nil {
			return nil, err
		}
	}
	answer := p.AnswerWithin
	if answer <= 0 || answer > curfew.LongestWait {
		answer = 30 * time.Minute
	}
	b := curfew.RequestAsked{
		Request: c.Request, Principal: c.Principal, Role: c.Role, Resource: f.Resource.Name, Duration: c.Duration, Start: c.Start,
		Reason: c.Sealed, Workflow: c.Workflow, Policy: v.Policy, Extends: c.Extends, Lapses: now.Add(answer),
		RoleVersion: rules.roles[c.Role], PolicyVersion: rules.policies[v.Policy], ResourceVersion: rules.resources[f.Resource.Name],
		Needs: p.Approvals,
	}
	for _, ch := range v.Checks {
		b.Checks = append(b.Checks, ch.Need+": "+ch.Saw)
	}
	if c.Inside != "" {
		if len(p.Approvals) == 0 {
			return nil, curfew.Errorf(curfew.Denied, "nobody has to agree by the policy %s, and what a connection asks for somebody must agree to", p.Name).WithRule("request.inside").
				WithFix("ask outside of it: curfew extend %s", c.Extends)
		}
		b.Checks = append(b.Checks, "asked from inside: "+string(c.Inside))
	}
	if c.Credential != "" {
		b.Credential, b.CredentialUntil = c.Credential, c.Until
		b.Checks = append(b.Checks, "asked from a connection that waits: "+string(c.Credential))
	}
	b.Digest = digestOf(b)
	facts := []Fact{{curfew.KindRequestAsked, b}}
	if len(p.Approvals) == 0 {
		r := &Request{RequestAsked: b, At: now}
		won, err := st.won(r, c.Grant, nil, c.Duration, now)
		if err != nil {
			return nil, err
		}
		facts = append(facts, won...)
	}
	return facts, nil
}

// digestOf is SHA-256 over the canonical record of a request: everything an approver is shown.
func digestOf(b curfew.RequestAsked) []byte {
	b.Digest = nil
	text, _ := json.Marshal(struct { // strings, times and numbers always marshal
		Domain string
		curfew.RequestAsked
	}{"curfew request v1", b})
	sum := sha256.Sum256(text)
	return sum[:]
}

// won is what happens when everybody who must agree has: a grant, or its extension.
func (st *State) won(r *Request, id curfew.GrantID, by []curfew.Principal, d time.Duration, now time.Time) ([]Fact, error) {
	if r.Extends != "" {
		g := st.Grants[r.Extends]
		if g == nil || g.Status != Active {
			return []Fact{{curfew.KindRequestVoided, curfew.RequestActed{Request: r.Request, Cause: curfew.CauseChanged}}}, nil
		}
		moved, err := st.extended(g, r.Policy, d, now)
		if err != nil {
			return nil, err
		}
		moved.Request = r.Request
		return []Fact{{curfew.KindGrantExtended, moved}}, nil
	}
	p := st.Config.Policies[r.Policy]
	use := p.UseWithin
	if use <= 0 || use > curfew.LongestWait {
		use = 8 * time.Hour
	}
	start := r.Start
	if undo := now.Add(curfew.Undo); p.Risk == curfew.HighRisk && len(by) > 0 && start.Before(undo) {
		start = undo
	}
	from := now
	if start.After(now) {
		from = start
	}
	record := p.Record
	if record == "" {
		record = curfew.RecordLive
	}
	starts := p.Starts
	if starts == "" {
		starts = curfew.AtApproval
	}
	b := curfew.GrantApproved{
		Grant: id, Request: r.Request, Principal: r.Principal, Role: r.Role, Resource: r.Resource, Policy: r.Policy,
		Workflow: r.Workflow, Duration: d, Start: start, UseBy: from.Add(use), Starts: starts, Record: record,
		By: by, Budget: p.Budget, Release: p.Release, RoleVersion: r.RoleVersion, ResourceVersion: r.ResourceVersion,
	}
	facts := []Fact{{curfew.KindGrantApproved, b}}
	if g := st.approvedGrant(now, b); !g.Leased && g.Starts == curfew.AtApproval && !g.NotBefore.After(now) {
		facts = append(facts, st.started(g, false, now)...) // no account is made first: nothing is waited for
	}
	return facts, nil
}

// Approve is one person's agreement to exactly what they were shown.
type Approve struct {
	Request curfew.RequestID
	By      curfew.Principal
	Digest  []byte         // of the request that was shown
	For     time.Duration  // agree to less; zero: as asked
	Touch   *curfew.Touch  // by which; nil: by a passphrase, which the caller has checked
	Grant   curfew.GrantID // for the grant, if this is the last approval
}

func (c Approve) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	r, err := st.decidable(c.Request, c.By, now)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(c.Digest, r.Digest) {
		return nil, curfew.Errorf(curfew.Conflict, "the request is not the one that was shown").WithRule("request.changed").WithFix("look again: curfew show %s", r.Request)
	}
	d := r.Duration
	if c.For != 0 {
		if d, err = curfew.WholeSeconds(c.For, curfew.LongestGrant); err != nil {
			return nil, err
		}
		if d > r.Duration {
			return nil, curfew.Errorf(curfew.Invalid, "%s is more than was asked for, %s; an approver cannot widen a request", d, r.Duration)
		}
	}
	if facts, err := st.stillAs(r, now); facts != nil || err != nil {
		return facts, err
	}
	if err := st.touched(c.By, c.Touch, st.requestRecord(r, curfew.ActApprove, c.By, d), now); err != nil {
		return nil, err
	}
	facts := []Fact{{curfew.KindRequestApproved, curfew.RequestActed{Request: r.Request, By: c.By, For: d, Digest: r.Digest, Touch: c.Touch}}}
	votes := make([]quorum.Vote, 0, len(r.Votes)+1)
	for _, v := range append(slices.Clone(r.Votes), Vote{By: c.By, At: now, For: d}) {
		votes = append(votes, quorum.Vote{By: v.By, Kind: st.kindOf(v.By), Yes: st.Enabled(v.By), At: v.At})
		d = min(d, v.For)
	}
	votes = slices.DeleteFunc(votes, func(v quorum.Vote) bool { return !v.Yes }) // disabled since: neither yes nor no
	tally := quorum.Tally(r.Principal, nil, st.needs(r.Principal, r.Policy, r.Needs, now), votes)
	if tally.State != quorum.Won {
		return facts, nil
	}
	won, err := st.won(r, c.Grant, tally.Yes, d, now)
	return append(facts, won...), err
}

func (st *State) kindOf(p curfew.Principal) curfew.PrincipalKind {
	if q := st.People[p]; q != nil {
		return q.Kind
	}
	return curfew.Service
}

// decidable returns the request if the person may decide it now.
func (st *State) decidable(id curfew.RequestID, by curfew.Principal, now time.Time) (*Request, error) {
	r := st.Requests[id]
	if r == nil {
		return nil, curfew.Errorf(curfew.NotFound, "no request %s is waiting", id).WithFix("what is: curfew review")
	}
	if !now.Before(r.Lapses) {
		return nil, curfew.Errorf(curfew.Lapsed, "the request %s lapsed at %s", id, r.Lapses.Format("15:04 MST"))
	}
	if ok, why := st.MayDecide(r, by, now); !ok {
		return nil, curfew.Errorf(curfew.Denied, "you may not decide this: %s", why).WithRule("approver")
	}
	return r, nil
}

// stillAs checks that what was asked for is what would be given: a change since
// voids the request, and a policy that no longer admits it refuses.
func (st *State) stillAs(r *Request, now time.Time) ([]Fact, error) {
	if st.changed(r) {
		return []Fact{{curfew.KindRequestVoided, curfew.RequestActed{Request: r.Request, Cause: curfew.CauseChanged}}}, nil
	}
	f, err := st.facts(Question{Principal: r.Principal, Role: r.Role, Resource: r.Resource, Duration: r.Duration, Start: r.Start, Reason: "given", Workflow: r.Workflow}, now)
	if err != nil {
		return nil, err
	}
	if r.Extends != "" {
		f.Holding = nil
	}
	v, ok := st.rules().set.Verdict(r.Policy, f)
	if !ok || !v.OK {
		return nil, Refuse(Question{Principal: r.Principal, Role: r.Role, Resource: r.Resource}, policy.Decision{Verdicts: []policy.Verdict{v}})
	}
	return nil, nil
}

func (st *State) changed(r *Request) bool {
	c := st.rules()
	return c.roles[r.Role] != r.RoleVersion || c.policies[r.Policy] != r.PolicyVersion || c.resources[r.Resource] != r.ResourceVersion
}

// Deny is one person's no; it ends the request, whoever has agreed.
type Deny struct {
	Request curfew.RequestID
	By      curfew.Principal
	Why     curfew.Sealed // for the requester
	Touch   *curfew.Touch // as of Approve
}

func (c Deny) decide(st *State, now time.Time) ([]Fact, error) {
	r, err := st.decidable(c.Request, c.By, now)
	if err != nil {
		return nil, err
	}
	if err := st.touched(c.By, c.Touch, st.requestRecord(r, curfew.ActDeny, c.By, r.Duration), now); err != nil {
		return nil, err
	}
	return []Fact{{curfew.KindRequestDenied, curfew.RequestActed{Request: c.Request, By: c.By, Why: c.Why, Cause: curfew.CauseDenied, Touch: c.Touch}}}, nil
}

// Withdraw takes one's own request back.
type Withdraw struct {
	Request curfew.RequestID
	By      curfew.Principal
	Cause   curfew.Cause // "": withdrawn by hand; closed: the connection that waited is gone
}

func (c Withdraw) decide(st *State, _ time.Time) ([]Fact, error) {
	r := st.Requests[c.Request]
	if r == nil || r.Principal != c.By {
		return nil, curfew.Errorf(curfew.NotFound, "you have no request %s waiting", c.Request)
	}
	return []Fact{{curfew.KindRequestWithdrawn, curfew.RequestActed{Request: c.Request, By: c.By, Cause: cmp.Or(c.Cause, curfew.CauseWithdrawn)}}}, nil
}

// Refuse turns a decision that says no into the one error everybody sees: the
// first reason of the policy that comes nearest, and the way in.
func Refuse(q Question, d policy.Decision) error {
	if len(d.Verdicts) == 0 {
		return curfew.Errorf(curfew.Denied, "no policy gives anybody %s", q.Role).WithRule("policy.none").WithFix("what you can ask for: curfew find")
	}
	v := d.Verdicts[0]
	for _, c := range v.Checks {
		if !c.OK {
			e := curfew.Errorf(curfew.Denied, "you can't have %s now: %s (%s)", q.Role, c.Need, c.Saw).WithRule(c.Rule)
			e.Fix = c.Fix
			return e
		}
	}
	return curfew.Errorf(curfew.Denied, "the policy %s does not allow %s now", v.Policy, q.Role).WithRule("policy")
}
