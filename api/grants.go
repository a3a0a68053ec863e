package api

import (
	"context"
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/identity"
)

func (s *Server) grantRoutes() {
	add(s, SignedIn, http.MethodGet, "/grants", "List grants: one's own, or all one may see", s.listGrants)
	add(s, SignedIn, http.MethodGet, "/grants/{id}", "Show a grant", s.showGrant)
	add(s, SignedIn, http.MethodPost, "/grants/{id}/extend", "Ask for more time; a request like any other", s.extend)
	add(s, SignedIn, http.MethodPost, "/grants/{id}/return", "Give one's own grant back", s.giveBack)
	add(s, SignedIn, http.MethodPost, "/grants/{id}/revoke", "End somebody's grant now", s.revoke)
	add(s, SignedIn, http.MethodPost, "/grants/{id}/shorten", "Move a grant's end nearer", s.shorten)
	add(s, SignedIn, http.MethodPost, "/grants/{id}/credential", "Make a connection credential for a native client", s.credential)
	add(s, SignedIn, http.MethodPost, "/credentials", "Make a connection credential whose first connection asks for access and waits for the answer", s.asking)
}

func (s *Server) findGrant(ctx context.Context, c caller, id string) (history.Grant, error) {
	g, err := one(ctx, s, func() (history.Grant, error) { return s.parts.History.Grant(ctx, curfew.GrantID(id)) })
	if err == nil && !s.maySeeGrant(c, g) {
		err = curfew.Errorf(curfew.NotFound, "there is no grant %.60q", id)
	}
	return g, err
}

// maySeeGrant: the holder, whoever approved it or may end it, administrators and auditors.
func (s *Server) maySeeGrant(c caller, g history.Grant) bool {
	if c.admin || c.audit || g.Principal == c.who {
		return true
	}
	for _, p := range g.By {
		if p == c.who {
			return true
		}
	}
	ok := false
	now := s.parts.Access.Now()
	s.parts.Access.View(func(st *access.State) {
		if live := st.Grants[g.Grant]; live != nil {
			ok = st.MayRevoke(live, c.who, now)
		}
	})
	return ok
}

func (s *Server) showGrant(ctx context.Context, c caller, in *struct {
	IDIn
	Position uint64 `query:"position"`
}) (*body[client.Grant], error) {
	at, _ := s.caughtUp(ctx, in.Position)
	g, err := s.findGrant(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[client.Grant]{s.grant(ctx, g, at)}, nil
}

func (s *Server) listGrants(ctx context.Context, c caller, in *ListIn) (*body[client.List[client.Grant]], error) {
	at, behind := s.caughtUp(ctx, in.Position)
	f := in.filter()
	if in.Scope != "all" {
		f.Principal = c.who
	}
	found, more, err := sift(ctx, f, s.parts.History.Grants,
		func(g history.Grant) bool { return s.maySeeGrant(c, g) },
		func(g history.Grant) uint64 { return g.Position })
	if err != nil {
		return nil, err
	}
	out := client.List[client.Grant]{Items: []client.Grant{}, Position: at, Behind: behind, Next: more}
	for _, g := range found {
		out.Items = append(out.Items, s.grant(ctx, g, at))
	}
	return &body[client.List[client.Grant]]{out}, nil
}

func (s *Server) extend(ctx context.Context, c caller, in *struct {
	IDIn
	Body client.More
}) (*body[client.Request], error) {
	d, err := parseFor(in.Body.For)
	if err != nil {
		return nil, err
	}
	return s.submit(ctx, c, access.Ask{
		Question: access.Question{Principal: c.who, Duration: d, Reason: in.Body.Reason},
		Extends:  curfew.GrantID(in.ID),
	})
}

// took is the answer to taking access away.
func took(r access.Receipt, err error) (*body[client.Done], error) {
	if err != nil {
		return nil, err
	}
	return &body[client.Done]{client.Done{Written: r.Written, Position: r.Position}}, nil
}

func (s *Server) giveBack(ctx context.Context, c caller, in *IDIn) (*body[client.Done], error) {
	return took(s.parts.Access.Do(ctx, access.Return{Grant: curfew.GrantID(in.ID), By: c.who}))
}

func (s *Server) revoke(ctx context.Context, c caller, in *struct {
	IDIn
	Body client.Why
}) (*body[client.Done], error) {
	if _, err := s.findGrant(ctx, c, in.ID); err != nil {
		return nil, err
	}
	why, err := s.parts.Identity.Seal(ctx, c.who, in.Body.Why)
	if err != nil {
		return nil, err
	}
	return took(s.parts.Access.Do(ctx, access.Revoke{Grant: curfew.GrantID(in.ID), By: c.who, Why: why}))
}

func (s *Server) shorten(ctx context.Context, c caller, in *struct {
	IDIn
	Body client.More
}) (*body[client.Done], error) {
	d, err := parseFor(in.Body.For)
	if err != nil {
		return nil, err
	}
	return took(s.parts.Access.Do(ctx, access.Shorten{Grant: curfew.GrantID(in.ID), By: c.who, Left: d}))
}

func (s *Server) credential(ctx context.Context, c caller, in *struct {
	IDIn
	Body client.WantCredential
}) (*body[client.Credential], error) {
	life := time.Hour
	if in.Body.For != "" {
		var err error
		if life, err = parseFor(in.Body.For); err != nil {
			return nil, err
		}
	}
	var res curfew.Resource
	s.parts.Access.View(func(st *access.State) {
		if g := st.Grants[curfew.GrantID(in.ID)]; g != nil && g.Principal == c.who {
			res = st.Config.Resources[g.Resource]
		}
	})
	if res.Name == "" {
		return nil, curfew.Errorf(curfew.Lapsed, "you have no live grant %.60q", in.ID).WithRule("grant.ended").WithFix("ask: curfew request")
	}
	door, ok := s.parts.Doors[res.Type]
	if !ok {
		return nil, curfew.Errorf(curfew.Unavailable, "the gateway has no door for %s", res.Type)
	}
	var cred identity.Credential
	var err error
	if in.Body.Hand && !in.Body.Many {
		cred, err = s.parts.Identity.IssueByHand(ctx, c.who, curfew.GrantID(in.ID))
	} else {
		cred, err = s.parts.Identity.IssueCredential(ctx, c.who, curfew.GrantID(in.ID), !in.Body.Many, life)
	}
	if err != nil {
		return nil, err
	}
	return through(door, res, cred), nil
}

// through is a credential with the door that it opens.
func through(door Door, res curfew.Resource, cred identity.Credential) *body[client.Credential] {
	tls := "plain"
	if door.CA != "" {
		tls = door.CA
	}
	return &body[client.Credential]{client.Credential{
		Engine: string(res.Type), Host: door.Host, Port: door.Port, Database: string(res.Name), User: string(cred.ID), Password: cred.Secret,
		Until: cred.Until, Once: cred.Once, TLS: tls,
	}}
}
