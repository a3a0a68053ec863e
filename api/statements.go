package api

import (
	"cmp"
	"context"
	"encoding/hex"
	"net/http"
	"slices"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

func (s *Server) statementRoutes() {
	add(s, SignedIn, http.MethodGet, "/statements", "List statements that wait for a release: one's own, and those one may release", s.listStatements)
	add(s, SignedIn, http.MethodGet, "/statements/{id}", "Show a statement that waits, whole", s.showStatement)
	add(s, SignedIn, http.MethodPost, "/statements/{id}/release", "Release a statement, exactly as it was shown, once", s.releaseStatement)
	add(s, SignedIn, http.MethodPost, "/statements/{id}/refuse", "Refuse a statement", s.refuseStatement)
}

// statement shows one that waits. What it says is for whoever sent it and for whoever
// may release it; administrators and auditors see that it is there.
func (s *Server) statement(ctx context.Context, c caller, h access.Held) (out client.Held, ok bool) {
	id, now := s.parts.Identity, s.parts.Access.Now()
	out = client.Held{
		ID: string(h.Statement), Status: "waiting", Principal: string(h.Principal), Who: id.Name(ctx, h.Principal), Resource: string(h.Resource),
		Session: string(h.Session), Grant: string(h.Grant), Classes: []string{}, Asked: h.At, Lapses: h.Lapses, Digest: hex.EncodeToString(h.Digest),
	}
	for _, k := range h.Classes {
		out.Classes = append(out.Classes, string(k))
		out.Effects = append(out.Effects, say.Class(k))
	}
	var waiting []curfew.Principal
	s.parts.Access.View(func(st *access.State) {
		if g := st.Grants[h.Grant]; g != nil {
			out.Role = string(g.Role)
		}
		out.MayDecide, out.WhyNot = st.MayRelease(&h, c.who, now)
		waiting = st.Releasers(&h, now)
	})
	voted := slices.ContainsFunc(h.Votes, func(v access.Vote) bool { return v.By == c.who })
	sees := out.MayDecide || voted || c.who == h.Principal
	for _, p := range waiting {
		out.Waiting = append(out.Waiting, id.Name(ctx, p))
	}
	for _, v := range h.Votes {
		out.Votes = append(out.Votes, client.Vote{By: id.Name(ctx, v.By), At: v.At, Passkey: v.Touched})
	}
	if text, there := s.held(h.Statement); there && sees {
		out.Text, out.Masked, out.Open = text.Text, text.Masked, text.Open
		for _, v := range text.Values {
			out.Values = append(out.Values, client.Value(v))
		}
	} else if sees {
		out.MayDecide, out.WhyNot = false, "its session is on its way out"
	}
	return out, sees || c.admin || c.audit
}

func (s *Server) held(id curfew.StatementID) (session.Held, bool) {
	if s.parts.Held == nil {
		return session.Held{}, false
	}
	return s.parts.Held(id)
}

func (s *Server) heldStatements() (out []access.Held, position uint64) {
	s.parts.Access.View(func(st *access.State) {
		position = st.Size
		for _, h := range st.Held {
			copied := *h
			copied.Votes = slices.Clone(h.Votes)
			out = append(out, copied)
		}
	})
	slices.SortFunc(out, func(a, b access.Held) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Statement, b.Statement)) })
	return out, position
}

func (s *Server) listStatements(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.Held]], error) {
	held, position := s.heldStatements()
	out := client.List[client.Held]{Items: []client.Held{}, Position: position}
	for _, h := range held {
		if one, ok := s.statement(ctx, c, h); ok {
			out.Items = append(out.Items, one)
		}
	}
	return &body[client.List[client.Held]]{out}, nil
}

// findStatement finds one that the caller may know of.
func (s *Server) findStatement(ctx context.Context, c caller, id string) (client.Held, error) {
	held, position := s.heldStatements()
	for _, h := range held {
		if string(h.Statement) != id {
			continue
		}
		if one, ok := s.statement(ctx, c, h); ok {
			one.Position = position
			return one, nil
		}
	}
	return client.Held{}, curfew.Errorf(curfew.NotFound, "no statement %.60q is waiting", id).WithFix("what is: curfew review")
}

func (s *Server) showStatement(ctx context.Context, c caller, in *IDIn) (*body[client.Held], error) {
	h, err := s.findStatement(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[client.Held]{h}, nil
}

func (s *Server) releaseStatement(ctx context.Context, c caller, in *decideIn) (*body[client.Done], error) {
	if _, err := s.findStatement(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if in.Body.For != "" {
		return nil, curfew.Errorf(curfew.Invalid, "a statement is released once, not for a time")
	}
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	digest, err := hex.DecodeString(in.Body.Digest)
	if err != nil || len(digest) == 0 {
		return nil, curfew.Errorf(curfew.Invalid, "a release says what it is for: the digest of the statement that was shown")
	}
	return took(s.parts.Access.Do(ctx, access.ReleaseStatement{Statement: curfew.StatementID(in.ID), By: c.who, Digest: digest, Touch: c.touch}))
}

func (s *Server) refuseStatement(ctx context.Context, c caller, in *decideIn) (*body[client.Done], error) {
	if _, err := s.findStatement(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	why, err := s.parts.Identity.Seal(ctx, c.who, in.Body.Why)
	if err != nil {
		return nil, err
	}
	return took(s.parts.Access.Do(ctx, access.RefuseStatement{Statement: curfew.StatementID(in.ID), By: c.who, Why: why, Touch: c.touch}))
}

// checkHolds refuses a rule of release where the engine of what the policy's roles
// reach cannot hold: what a policy needs is never skipped.
func (s *Server) checkHolds(d draft, add func(err error, path ...string)) {
	for name, p := range d.config.Policies {
		if !p.Release.Some() {
			continue
		}
		for _, role := range p.Roles {
			for _, res := range d.config.Resources {
				if !d.config.Roles[role].Covers(res) {
					continue
				}
				h, ok := s.parts.Engines[res.Type].(engine.Holder)
				for _, c := range p.Release.Statements {
					if !ok || !slices.Contains(h.Holds(), c) {
						add(curfew.Errorf(curfew.Invalid, "%s is %s, where statements of the kind %s cannot be held", res.Name, res.Type, c), "policies", string(name), "release")
					}
				}
			}
		}
	}
}
