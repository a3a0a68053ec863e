package console

import (
	"net/http"

	"github.com/curfewhq/curfew/api"
	"github.com/curfewhq/curfew/client"
)

func (s *Server) accountPages() {
	s.visit("GET /account", func(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
		s.show(w, r, http.StatusOK, "account.html", s.account(r, v))
		return nil
	})
	s.visit("POST /account/sign-out", s.signOutOne)
	s.visit("POST /account/sign-out-everywhere", s.signOutEverywhere)
}

// accountOf is who somebody is here, and where they are signed in.
type accountOf struct {
	Me      client.Me
	SignIns []client.SignInOf
}

func (s *Server) account(r *http.Request, v api.Visitor) view {
	me := s.parts.API.Me(r.Context(), v)
	all, err := s.parts.API.SignIns(r.Context(), v)
	if err != nil {
		s.parts.Log.Warn("the sign-ins of somebody cannot be listed", "err", err)
	}
	return view{Title: "Your sign-ins", Name: me.Name, CSRF: v.CSRF(), Body: accountOf{Me: me, SignIns: all}}
}

func (s *Server) signOutOne(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	itself, err := s.parts.API.SignOut(r.Context(), v, r.PostFormValue("id"))
	if err != nil {
		return err
	}
	if itself {
		return s.left(w, r)
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}

func (s *Server) signOutEverywhere(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	if err := s.parts.API.SignOutEverywhere(r.Context(), v); err != nil {
		return err
	}
	return s.left(w, r)
}
