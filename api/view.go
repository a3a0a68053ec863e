package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/say"
)

// names shows principals by name.
func (s *Server) names(ctx context.Context) say.Names {
	return func(p curfew.Principal) string { return s.parts.Identity.Name(ctx, p) }
}

func (s *Server) person(st *access.State, id curfew.Principal) client.Person {
	out := client.Person{ID: string(id)}
	if p := st.People[id]; p != nil {
		out.Enabled, out.Joined = p.Enabled, p.Joined
		for _, g := range st.GroupsOf(id) {
			out.Groups = append(out.Groups, string(g))
		}
	}
	return out
}

// fillPerson fills in what needs keys; never under the state's lock.
func (s *Server) fillPerson(ctx context.Context, p *client.Person) {
	p.Name = s.parts.Identity.Name(ctx, curfew.Principal(p.ID))
	p.Email = s.parts.Identity.Email(ctx, curfew.Principal(p.ID))
}

// effect says what a role lets somebody do on a resource, in its engine's words.
func (s *Server) effect(st *access.State, role curfew.RoleName, on curfew.ResourceName) (effect string, dangers []string) {
	may, err := st.Permission(role)
	if err != nil {
		return "nothing: the role is not there any more", nil
	}
	res := st.Config.Resources[on]
	e := s.parts.Engines[res.Type]
	if e == nil {
		return strings.Join(may.May, "; "), nil
	}
	effect, dangers = e.Effect(may)
	if res.Account == curfew.Fixed {
		dangers = append(dangers, "the wall is the gateway, which reads every statement: "+string(on)+" itself lets its fixed account do more")
	}
	return effect, dangers
}

func span(d time.Duration) string { return d.String() }

// request shows a request to somebody.
func (s *Server) request(ctx context.Context, c caller, r history.Request, position uint64) client.Request {
	id := s.parts.Identity
	out := client.Request{
		ID: string(r.Request), Status: r.Status, Principal: string(r.Principal), Who: id.Name(ctx, r.Principal), Role: string(r.Role),
		Resource: string(r.Resource), For: span(r.Duration), Start: r.Start, Reason: id.Text(ctx, r.Principal, r.Reason),
		Workflow: string(r.Workflow), Policy: string(r.Policy), Extends: string(r.Extends), Asked: r.At, Lapses: r.Lapses, Checks: r.Checks,
		Digest: hex.EncodeToString(r.Digest), Grant: string(r.Grant), Position: position,
	}
	if r.Credential != "" {
		out.From = "a connection that waits for the answer"
	}
	if r.DecidedBy != "" {
		out.DecidedBy = id.Name(ctx, r.DecidedBy)
		out.Answer = id.Text(ctx, r.DecidedBy, r.Why)
	}
	for _, v := range r.Votes {
		out.Votes = append(out.Votes, client.Vote{By: id.Name(ctx, v.By), At: v.At, For: span(v.For), Passkey: v.Passkey})
	}
	var waiting []curfew.Principal
	var p curfew.Policy
	var freezes []client.Span
	now := s.parts.Access.Now()
	s.parts.Access.View(func(st *access.State) {
		out.Effect, out.Dangers = s.effect(st, r.Role, r.Resource)
		out.Account = string(st.Config.Resources[r.Resource].Account)
		p = st.Config.Policies[r.Policy]
		if !p.DuringFreezes {
			freezes = frozenAround(st.Config.Freezes, now)
		}
		if live := st.Requests[r.Request]; live != nil && r.Status == "pending" {
			out.MayDecide, out.WhyNot = st.MayDecide(live, c.who, now)
			waiting = st.Deciders(live, now)
		}
	})
	if p.Name != "" {
		out.Sentence = say.Policy(p, s.names(ctx))
		out.Risk, out.Recorded = string(p.Risk), say.Recorded(p.Record)
		for _, need := range r.Needs {
			out.Takes = append(out.Takes, say.Approval(need, p.Who, s.names(ctx)))
		}
		if r.Status == "pending" {
			out.Open, out.Frozen = openAround(p.Hours, now), freezes
		}
	}
	for _, w := range waiting {
		out.Waiting = append(out.Waiting, id.Name(ctx, w))
	}
	out.Title = say.Effect(out.Who, out.Effect, out.Resource, r.Duration)
	return out
}

// pending makes a history request of one that the state holds and history may not have yet.
func pending(r *access.Request) history.Request {
	out := history.Request{RequestAsked: r.RequestAsked, At: r.At, Status: "pending"}
	for _, v := range r.Votes {
		out.Votes = append(out.Votes, history.Vote{By: v.By, At: v.At, For: v.For, Passkey: v.Touched})
	}
	return out
}

// grant shows a grant.
func (s *Server) grant(ctx context.Context, g history.Grant, position uint64) client.Grant {
	id := s.parts.Identity
	out := client.Grant{
		ID: string(g.Grant), Request: string(g.Request), Principal: string(g.Principal), Who: id.Name(ctx, g.Principal), Role: string(g.Role),
		Resource: string(g.Resource), Policy: string(g.Policy), Workflow: string(g.Workflow), Status: g.Status, For: span(g.Duration),
		Approved: g.At, Start: g.Started, End: g.End, UseBy: g.UseBy, Bound: g.Bound, Tested: g.Tested, Cause: string(g.Cause), EndedAt: g.EndedAt,
		Verified: g.Verified, Account: g.Account, Trouble: g.Trouble, Position: position,
	}
	if g.Cause != "" {
		out.CauseText = say.Cause(g.Cause)
	}
	for _, p := range g.By {
		out.By = append(out.By, id.Name(ctx, p))
	}
	if g.EndedBy != "" {
		out.EndedBy = id.Name(ctx, g.EndedBy)
		out.EndedWhy = id.Text(ctx, g.EndedBy, g.EndedWhy)
	}
	s.parts.Access.View(func(st *access.State) {
		for _, live := range st.Sessions {
			if live.Grant == g.Grant {
				out.Sessions++
			}
		}
	})
	out.Used = client.Used(g.Used)
	if !g.EndedAt.IsZero() {
		out.Receipt = say.Receipt(say.Sum{
			Asked: g.Duration, Started: g.Started, Ended: g.EndedAt, Verified: g.Verified, Live: out.Sessions, Sessions: g.Used.Sessions,
			Statements: g.Used.Statements, Refused: g.Used.Refused, Rows: g.Used.Rows, Cut: g.Used.Cut, Kept: g.Kept, Notes: g.Notes, Trouble: g.Trouble,
		})
	}
	return out
}

// verdicts shows what the policies say.
func (s *Server) verdicts(ctx context.Context, d policy.Decision) []client.Verdict {
	policies := map[curfew.PolicyName]curfew.Policy{}
	s.parts.Access.View(func(st *access.State) {
		for _, v := range d.Verdicts {
			policies[v.Policy] = st.Config.Policies[v.Policy]
		}
	})
	out := []client.Verdict{}
	for _, v := range d.Verdicts {
		out = append(out, s.verdict(ctx, v, policies[v.Policy]))
	}
	return out
}

func (s *Server) verdict(ctx context.Context, v policy.Verdict, p curfew.Policy) client.Verdict {
	out := client.Verdict{Policy: string(v.Policy), OK: v.OK, Longest: span(v.Longest), Checks: []client.Check{}}
	for _, c := range v.Checks {
		out.Checks = append(out.Checks, client.Check{Rule: c.Rule, OK: c.OK, Need: c.Need, Saw: c.Saw, Fix: c.Fix})
	}
	for _, b := range v.Bounds {
		out.Bounds = append(out.Bounds, b.What)
	}
	out.Approvals = s.approvals(ctx, v)
	if p.Name != "" {
		out.Sentence = say.Policy(p, s.names(ctx))
	}
	return out
}

// approvals says what a verdict still takes, one sentence a need.
func (s *Server) approvals(ctx context.Context, v policy.Verdict) (out []string) {
	for _, a := range v.Approvals {
		var who []string
		for _, p := range a.From {
			who = append(who, s.parts.Identity.Name(ctx, p))
		}
		slices.Sort(who)
		more := ""
		if len(who) > 5 {
			who, more = who[:5], ", …"
		}
		if n := max(a.Need.Count, 1); n == 1 {
			out = append(out, "one approval: "+strings.Join(who, " or ")+more)
		} else {
			out = append(out, fmt.Sprintf("%d approvals out of %s%s", n, strings.Join(who, ", "), more))
		}
	}
	return out
}
