package console

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
)

// scriptAt is the one script of the pages: it has a browser touch a passkey. Without it
// the pages do all else.
const scriptAt = "/-/passkey.js"

// scriptPolicy lets the page of a sign-in run that script, which asks us what to sign.
const scriptPolicy = "; script-src 'self'; connect-src 'self'"

func (s *Server) passkeyPages() {
	s.page("GET /sign-in/passkey", s.passkeyChallenge)
	s.page("POST /sign-in/passkey", s.signInByPasskey)
	s.mux.HandleFunc("GET "+scriptAt, script)
}

// passkeyChallenge is what a browser's authenticator signs. Nothing is kept of it.
func (s *Server) passkeyChallenge(w http.ResponseWriter, _ *http.Request) error {
	c, err := s.parts.API.PasskeyChallenge()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(c)
}

func (s *Server) signInByPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := s.parts.API.FromOurs(r); err != nil {
		return err
	}
	next := localPath(r.PostFormValue("next"))
	field := func(name string) []byte {
		raw, _ := base64.StdEncoding.DecodeString(r.PostFormValue(name)) // what is none signs nobody in
		return raw
	}
	in := client.Touched{Passkey: field("passkey"), ClientData: field("client_data"), Authenticator: field("authenticator"), Signature: field("signature")}
	cookie, known, err := s.parts.API.SignInByPasskey(r.Context(), field("record"), in, from(r))
	if curfew.CodeOf(err) == curfew.NotSignedIn {
		s.showSignIn(w, r, http.StatusUnauthorized, signInForm{Next: next, Wrong: err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	s.remember(w, r, cookie, known)
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

func script(w http.ResponseWriter, r *http.Request) {
	text, err := fs.ReadFile(pages, "pages/passkey.js")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	newFile("passkey.js", text).serve(w, r, "no-cache")
}
