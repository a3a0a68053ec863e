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
