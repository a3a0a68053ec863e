package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/api"
	"github.com/curfewhq/curfew/identity"
)

func (s *Server) signInPages() {
	s.page("GET /sign-in", s.signInPage)
	s.page("POST /sign-in", s.signIn)
	s.page("GET /join", s.joinPage)
	s.page("POST /join", s.join)
	s.visit("POST /sign-out", s.signOut)
}

// signInAt is the sign-in page that leads on to a path of ours.
func signInAt(next string) string {
	return "/sign-in?next=" + url.QueryEscape(localPath(next))
}

// signInForm is what the sign-in page shows.
type signInForm struct {
	Next, Email, Wrong, Already string
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) error {
	form := signInForm{Next: localPath(r.FormValue("next"))}
	s.showSignIn(w, r, http.StatusOK, form)
	return nil
}

func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request, status int, form signInForm) {
	v := view{Title: "Sign in", Script: scriptAt}
	if who, err := s.parts.API.Visitor(r); err == nil {
		v.CSRF, v.Name = who.CSRF(), s.parts.API.Me(r.Context(), who).Name
		form.Already = v.Name
	}
	v.Body = form
	s.show(w, r, status, "sign-in.html", v)
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := s.parts.API.FromOurs(r); err != nil {
		return err
	}
	next, email := localPath(r.PostFormValue("next")), r.PostFormValue("email")
	cookie, known, err := s.parts.API.SignInBrowser(r.Context(), email, r.PostFormValue("passphrase"), from(r))
	switch code := curfew.CodeOf(err); {
	case err != nil && code != curfew.NotSignedIn && code != curfew.Limited:
		return err
	case err != nil:
		status, _ := statusOf(code)
		s.showSignIn(w, r, status, signInForm{Next: next, Email: email, Wrong: err.Error()})
		return nil
	}
	s.remember(w, r, cookie, known)
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// remember gives the browser its session. What it had before is not used again: nobody
// can prepare one for somebody else.
func (s *Server) remember(w http.ResponseWriter, r *http.Request, cookie, known string) {
	if before, err := s.parts.API.Visitor(r); err == nil {
		_, _ = s.parts.API.SignOut(r.Context(), before, "") // if it stays, it ends by itself
	}
	http.SetCookie(w, api.Remember(api.Cookie, cookie))
	seen := api.Remember(api.KnownCookie, known)
	seen.MaxAge = 365 * 24 * 3600
	seen.SameSite = http.SameSiteStrictMode
	http.SetCookie(w, seen)
}

func from(r *http.Request) identity.From {
	f := identity.From{Address: r.RemoteAddr, Device: deviceOf(r)}
	if found := r.CookiesNamed(api.KnownCookie); len(found) == 1 {
		f.Known = found[0].Value
	}
	return f
}

// joinForm is what the page of a first sign-in shows.
type joinForm struct {
	Key, Wrong string
	Shortest   int
}

// joinPage shows the form. Looking at it uses nothing up: scanners and previews look.
func (s *Server) joinPage(w http.ResponseWriter, r *http.Request) error {
	s.show(w, r, http.StatusOK, "join.html", view{Title: "Your first sign-in", Body: joinForm{Key: r.FormValue("key"), Shortest: identity.ShortestPassphrase}})
	return nil
}

func (s *Server) join(w http.ResponseWriter, r *http.Request) error {
	if err := s.parts.API.FromOurs(r); err != nil {
		return err
	}
	form := joinForm{Key: strings.TrimSpace(r.PostFormValue("key")), Shortest: identity.ShortestPassphrase}
	passphrase := r.PostFormValue("passphrase")
	again := func(why string) error {
		form.Wrong = why
		s.show(w, r, http.StatusBadRequest, "join.html", view{Title: "Your first sign-in", Body: form})
		return nil
	}
	if passphrase != r.PostFormValue("again") {
		return again("the two passphrases differ")
	}
	cookie, known, err := s.parts.API.JoinBrowser(r.Context(), form.Key, passphrase, from(r))
	if curfew.CodeOf(err) == curfew.Invalid {
		return again(err.Error())
	}
	if err != nil {
		return err
	}
	s.remember(w, r, cookie, known)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	if _, err := s.parts.API.SignOut(r.Context(), v, ""); err != nil {
		return err
	}
	return s.left(w, r)
}

// left says that the browser is signed out.
func (s *Server) left(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, api.Forget(api.Cookie))
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	s.show(w, r, http.StatusOK, "said.html", view{Title: "You are signed out", Body: "Nothing in this browser acts for you any more, here or at an application."})
	return nil
}
