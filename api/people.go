package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/identity"
)

// linkLife is how long an invitation is good for.
const linkLife = 24 * time.Hour

func (s *Server) signInRoutes() {
	add(s, Anybody, http.MethodPost, "/sign-in", "Sign in by a one-time link, or by address and passphrase", s.signIn)
	add(s, SignedIn, http.MethodPost, "/sign-out", "Withdraw the token of this client", s.signOut)
	add(s, SignedIn, http.MethodPost, "/sign-out-everywhere", "Make every earlier credential of the caller worthless", s.signOutEverywhere)
	add(s, SignedIn, http.MethodGet, "/me", "Who the caller is", s.me)
	add(s, SignedIn, http.MethodPost, "/passphrase", "Change one's passphrase", s.passphrase)
}

func (s *Server) peopleRoutes() {
	add(s, SignedIn, http.MethodGet, "/people", "List people", s.listPeople)
	add(s, Admin, http.MethodPost, "/people/invite", "Add a person, and make their one-time sign-in link", s.invite)
	add(s, Admin, http.MethodPost, "/people/{id}/disable", "Disable a person: everything they have ends", s.disable)
}

func (s *Server) signIn(ctx context.Context, _ caller, in *struct{ Body client.SignIn }) (*body[client.SignedIn], error) {
	from := identity.From{Address: addressOf(ctx), Device: in.Body.Device}
	var who curfew.Principal
	var err error
	if in.Body.Link != "" {
		who, err = s.parts.Identity.Join(ctx, in.Body.Link, in.Body.Passphrase)
	} else {
		who, err = s.parts.Identity.SignInFrom(ctx, in.Body.Email, in.Body.Passphrase, from)
	}
	if err != nil {
		return nil, err
	}
	token, until, err := s.parts.Identity.IssueTokenFrom(ctx, who, from)
	if err != nil {
		return nil, err
	}
	me := s.whoIs(ctx, who)
	me.Until = until
	return &body[client.SignedIn]{client.SignedIn{Token: token, Me: me}}, nil
}

func (s *Server) signOut(ctx context.Context, c caller, _ *struct{}) (*signedOut, error) {
	return &signedOut{Cookie: c.forgotten()}, s.parts.Identity.SignOut(ctx, c.who, c.token)
}

func (s *Server) signOutEverywhere(ctx context.Context, c caller, _ *struct{}) (*body[client.Done], error) {
	return took(s.parts.Access.Do(ctx, access.SignOutEverywhere{Principal: c.who, By: c.who}))
}

func (s *Server) me(ctx context.Context, c caller, _ *struct{}) (*body[client.Me], error) {
	me := s.whoIs(ctx, c.who)
	me.Until, me.CSRF, me.Asks = c.until, c.csrf, c.asks
	return &body[client.Me]{me}, nil
}

func (s *Server) whoIs(ctx context.Context, who curfew.Principal) client.Me {
	me := client.Me{Now: s.parts.Access.Now()}
	s.parts.Access.View(func(st *access.State) {
		me.Person = s.person(st, who)
		me.Passkey = st.HasPasskey(who)
		me.Deployment, me.Position, me.Bootstrap = st.Deployment, st.Size, st.Bootstrap()
		me.Admin, me.Auditor = st.InGroup(who, curfew.Administrators), st.InGroup(who, curfew.Auditors)
	})
	s.fillPerson(ctx, &me.Person)
	return me
}

func (s *Server) passphrase(ctx context.Context, c caller, in *struct {
	Body struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
}) (*struct{}, error) {
	return &struct{}{}, s.parts.Identity.ChangePassphrase(ctx, c.who, in.Body.Old, in.Body.New)
}

// listPeople shows names and groups to everybody, addresses to administrators
// and auditors: who could approve is no secret among people who ask.
func (s *Server) listPeople(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.Person]], error) {
	out := client.List[client.Person]{Items: []client.Person{}}
	s.parts.Access.View(func(st *access.State) {
		out.Position = st.Size
		touches := map[curfew.Principal]bool{}
		for _, k := range st.Passkeys {
			touches[k.Principal] = touches[k.Principal] || !k.Removed
		}
		for id := range st.People {
			p := s.person(st, id)
			p.Passkey = touches[id] && (c.admin || c.audit || id == c.who)
			out.Items = append(out.Items, p)
		}
	})
	for i := range out.Items {
		s.fillPerson(ctx, &out.Items[i])
		if !c.admin && !c.audit && out.Items[i].ID != string(c.who) {
			out.Items[i].Email = ""
		}
	}
	slices.SortFunc(out.Items, func(a, b client.Person) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return &body[client.List[client.Person]]{out}, nil
}

func (s *Server) invite(ctx context.Context, c caller, in *struct{ Body client.Invite }) (*body[client.Invited], error) {
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	who, known := s.parts.Identity.ByEmail(in.Body.Email)
	var err error
	if !known {
		if who, err = s.parts.Identity.AddPerson(ctx, in.Body.Name, in.Body.Email, c.who); err != nil {
			return nil, err
		}
	}
	link, err := s.parts.Identity.IssueLink(ctx, who, c.who, linkLife)
	if err != nil {
		return nil, err
	}
	out := client.Invited{Person: s.whoIs(ctx, who).Person, Link: link, Until: s.parts.Access.Now().Add(linkLife)}
	return &body[client.Invited]{out}, nil
}

func (s *Server) disable(ctx context.Context, c caller, in *IDIn) (*body[client.Done], error) {
	return took(s.parts.Access.Do(ctx, access.Disable{Principal: curfew.Principal(in.ID), By: c.who}))
}
