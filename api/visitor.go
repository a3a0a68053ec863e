package api

import (
	"context"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/seal"
)

// Visitor is somebody whose browser shows a page of package console. Only a Server
// makes valid ones.
type Visitor struct{ c caller }

// Who is the visitor.
func (v Visitor) Who() curfew.Principal { return v.c.who }

// CSRF goes into every form of a page.
func (v Visitor) CSRF() string { return v.c.csrf }

// Visitor says whose browser a request comes from. Anybody's page may lead to one of
// ours; Posted says whether a form was sent by ours.
func (s *Server) Visitor(r *http.Request) (Visitor, error) {
	x := s.shown(r)
	in, err := s.parts.Identity.Browser(r.Context(), x.cookie)
	if err != nil {
		return Visitor{}, err
	}
	c := caller{who: in.Principal, token: in.ID, browser: true, csrf: in.CSRF, until: in.Until}
	s.parts.Access.View(func(st *access.State) {
		c.admin = st.InGroup(c.who, curfew.Administrators)
		c.audit = st.InGroup(c.who, curfew.Auditors)
	})
	return Visitor{c}, nil
}

// FromOurs refuses a form that a page of another origin sent: also before anybody has
// signed in, or a browser would be signed in as somebody else without noticing.
func (s *Server) FromOurs(r *http.Request) error {
	if site := r.Header.Get("Sec-Fetch-Site"); r.Header.Get("Origin") != s.parts.Console || site != "" && site != "same-origin" {
		return curfew.Errorf(curfew.Denied, "this form did not come from a page of ours").WithRule("request.csrf").WithFix("open the page again")
	}
	return nil
}

// Posted refuses a form that was not sent by a page of ours to this visitor.
func (s *Server) Posted(r *http.Request, v Visitor) error {
	if err := s.FromOurs(r); err != nil {
		return err
	}
	if v.c.csrf == "" || !seal.Equal([]byte(r.PostFormValue("csrf")), []byte(v.c.csrf)) {
		return curfew.Errorf(curfew.Denied, "this form is of another sign-in").WithRule("request.csrf").WithFix("open the page again")
	}
	return nil
}

// Me says who the visitor is.
func (s *Server) Me(ctx context.Context, v Visitor) client.Me {
	me := s.whoIs(ctx, v.c.who)
	me.Until = v.c.until
	return me
}

// SignIns are the visitor's sign-ins that count.
func (s *Server) SignIns(ctx context.Context, v Visitor) ([]client.SignInOf, error) {
	out, err := s.signIns(ctx, v.c, nil)
	if err != nil {
		return nil, err
	}
	return out.Body.Items, nil
}

// SignOut ends one of the visitor's sign-ins; "" is the one they visit by.
func (s *Server) SignOut(ctx context.Context, v Visitor, id string) (itself bool, err error) {
	if id == "" {
		id = v.c.token
	}
	_, err = s.signOutOf(ctx, v.c, &IDIn{ID: id})
	return id == v.c.token, err
}

// SignOutEverywhere makes every earlier credential of the visitor worthless.
func (s *Server) SignOutEverywhere(ctx context.Context, v Visitor) error {
	_, err := s.signOutEverywhere(ctx, v.c, nil)
	return err
}

// SignInBrowser signs a browser in by address and passphrase.
func (s *Server) SignInBrowser(ctx context.Context, email, passphrase string, from identity.From) (cookie, known string, err error) {
	who, err := s.parts.Identity.SignInFrom(ctx, email, passphrase, from)
	if err != nil {
		return "", "", err
	}
	return s.signedIn(ctx, who, from)
}

// JoinBrowser uses a one-time link, and signs the browser in.
func (s *Server) JoinBrowser(ctx context.Context, link, passphrase string, from identity.From) (cookie, known string, err error) {
	who, err := s.parts.Identity.Join(ctx, link, passphrase)
	if err != nil {
		return "", "", err
	}
	return s.signedIn(ctx, who, from)
}

func (s *Server) signedIn(ctx context.Context, who curfew.Principal, from identity.From) (cookie, known string, err error) {
	cookie, _, err = s.parts.Identity.IssueBrowser(ctx, who, from)
	return cookie, s.parts.Identity.Familiar(who), err
}

// Request is a request as the visitor may see it; curfew.NotFound for one that is not theirs to see.
func (s *Server) Request(ctx context.Context, v Visitor, id string) (client.Request, error) {
	out, err := s.showRequest(ctx, v.c, &IDIn{ID: id})
	if err != nil {
		return client.Request{}, err
	}
	return out.Body, nil
}

// Approve and Deny decide a request, by the visitor's passphrase.
func (s *Server) Approve(ctx context.Context, v Visitor, id string, d client.Decision) (client.Request, error) {
	return bodyOf(s.approve(ctx, v.c, &decideIn{ID: id, Body: d}))
}

// Deny denies a request.
func (s *Server) Deny(ctx context.Context, v Visitor, id string, d client.Decision) (client.Request, error) {
	return bodyOf(s.deny(ctx, v.c, &decideIn{ID: id, Body: d}))
}

// Withdraw takes the visitor's own request back.
func (s *Server) Withdraw(ctx context.Context, v Visitor, id string) (client.Request, error) {
	return bodyOf(s.withdraw(ctx, v.c, &IDIn{ID: id}))
}

// AskFor asks for a role.
func (s *Server) AskFor(ctx context.Context, v Visitor, ask client.Ask) (client.Request, error) {
	return bodyOf(s.ask(ctx, v.c, &struct{ Body client.Ask }{ask}))
}

func bodyOf[T any](out *body[T], err error) (t T, _ error) {
	if err != nil {
		return t, err
	}
	return out.Body, nil
}

// Grant is a grant as the visitor may see it.
func (s *Server) Grant(ctx context.Context, v Visitor, id string) (client.Grant, error) {
	var size uint64
	s.parts.Access.View(func(st *access.State) { size = st.Size })
	at, _ := s.caughtUp(ctx, size)
	g, err := s.findGrant(ctx, v.c, id)
	if err != nil {
		return client.Grant{}, err
	}
	return s.grant(ctx, g, at), nil
}

// GiveBack ends the visitor's own grant.
func (s *Server) GiveBack(ctx context.Context, v Visitor, id string) error {
	_, err := s.giveBack(ctx, v.c, &IDIn{ID: id})
	return err
}

// Standing is how somebody stands at an application.
type Standing struct {
	Known   bool           // there is such an application
	Grant   curfew.GrantID // the live one that was approved last
	Pending curfew.RequestID
	Offers  []client.Offer // what they may ask for now
}

// Standing says how the visitor stands at an application.
func (s *Server) Standing(ctx context.Context, v Visitor, app curfew.ResourceName) (Standing, error) {
	var out Standing
	now := s.parts.Access.Now()
	s.parts.Access.View(func(st *access.State) {
		out.Known = st.Config.Resources[app].Type == "http"
		for _, g := range st.GrantsOf(v.c.who) {
			if g.Resource == app && !now.Before(g.NotBefore) {
				out.Grant = g.ID
			}
		}
		for id, r := range st.Requests {
			if r.Principal == v.c.who && r.Resource == app && r.Extends == "" {
				out.Pending = max(out.Pending, id)
			}
		}
	})
	all, err := s.find(ctx, v.c, nil)
	if err != nil || !out.Known {
		return out, err
	}
	for _, o := range all.Body.Items {
		if o.Resource == string(app) {
			out.Offers = append(out.Offers, o)
		}
	}
	return out, nil
}

// VisitCode lets the visitor's browser in at an application, once.
func (s *Server) VisitCode(v Visitor, app curfew.ResourceName, challenge string) (string, error) {
	return s.parts.Identity.VisitCode(identity.SignedIn{Principal: v.c.who, ID: v.c.token}, app, challenge)
}

// Device is the client that waits with a code.
func (s *Server) Device(v Visitor, code string) (identity.Device, error) {
	return s.parts.Identity.Waiting(v.c.who, code)
}

// LetIn lets a client in that waits with a code: it asks, and uses nothing.
func (s *Server) LetIn(ctx context.Context, v Visitor, code string) (identity.Device, error) {
	return s.parts.Identity.LetIn(ctx, v.c.who, code)
}
