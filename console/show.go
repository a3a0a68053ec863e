package console

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

//go:embed pages
var pages embed.FS

// mostText bounds what a stranger wrote, where a page shows it.
const mostText = 4000

//nolint:gochecknoglobals // templates, parsed once
var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"clean": func(s string) string { return say.Clean(s, mostText) },
	"clock": func(t time.Time) string { return t.Local().Format("Mon 2 Jan 15:04 MST") },
	"away":  away,
	"for":   spoken,
	"typed": typed,
}).ParseFS(pages, "pages/*.html"))

// away is how far a moment is from now, in words.
func away(t time.Time) string {
	d := time.Until(t)
	unit := time.Second
	if d > 2*time.Minute || d < -2*time.Minute {
		unit = time.Minute
	}
	if d < 0 {
		return say.Long(-d.Round(unit)) + " ago"
	}
	return "in " + say.Long(d.Round(unit))
}

// typed is a duration as people type it: 30m, not 30m0s.
func typed(s string) string {
	s = strings.TrimSuffix(s, "m0s")
	if h, ok := strings.CutSuffix(s, "h0"); ok {
		return h + "h"
	}
	if s != "" && strings.Trim(s[len(s)-1:], "0123456789") == "" {
		s += "m"
	}
	return s
}

// spoken is a duration as people say it.
func spoken(s string) string {
	d, err := time.ParseDuration(s)
	if err != nil {
		return s
	}
	return say.Long(d)
}

// view is what every page has.
type view struct {
	Title   string
	Name    string // of who is signed in; "" if nobody is
	CSRF    string
	Style   string
	Script  string // "": it has none
	Refresh int    // seconds; 0: it stays as it is
	Body    any
}

// styleAt is where the pages' style sheet is.
const styleAt = "/-/pages.css"

// pagePolicy lets a page have its style sheet and send its forms to us.
const pagePolicy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action "

// show answers with a page.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Style = styleAt
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, v); err != nil {
		s.parts.Log.Error("a page cannot be made", "page", name, "err", err)
		http.Error(w, "The gateway made a mistake; its log says which.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	policy := pagePolicy + s.formAction()
	if v.Script != "" {
		policy += scriptPolicy
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
}

// formAction is where forms may lead: browsers ask it of redirections too.
func (s *Server) formAction() string { return strings.TrimSpace("'self' " + s.parts.Apps) }

// problem is what happened, why, what to do, and a reference (UX.md 3.6).
type problem struct {
	What, Why, Do, Run, Ref string
}

// fail shows what went wrong.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := new(curfew.Error)
	if !errors.As(err, &e) {
		e = curfew.Errorf(curfew.Internal, "the gateway made a mistake; its log says which")
	}
	ref := strings.TrimPrefix(curfew.NewID("e"), "e_")[:8]
	status, what := statusOf(e.Code)
	if status == http.StatusInternalServerError {
		s.parts.Log.Error("a page failed", "path", r.URL.Path, "ref", ref, "err", err)
		e = curfew.Errorf(e.Code, "the gateway made a mistake; its log says which")
	}
	p := problem{What: what, Why: e.Message, Ref: ref}
	if e.Rule != "" {
		p.Ref += ", " + e.Rule
	}
	say, run, isCommand := strings.Cut(e.Fix, "curfew ")
	if p.Do = e.Fix; isCommand {
		p.Do, p.Run = strings.TrimRight(say, ": "), "curfew "+run
	}
	name, csrf := "", ""
	if v, err := s.parts.API.Visitor(r); err == nil {
		name, csrf = s.parts.API.Me(r.Context(), v).Name, v.CSRF()
	}
	s.show(w, r, status, "problem.html", view{Title: what, Name: name, CSRF: csrf, Body: p})
}

func statusOf(c curfew.Code) (status int, what string) {
	switch c {
	case curfew.Invalid, curfew.Ambiguous:
		return http.StatusBadRequest, "That could not be understood"
	case curfew.NotSignedIn:
		return http.StatusUnauthorized, "You are not signed in"
	case curfew.NeedsSignIn:
		return http.StatusForbidden, "This needs your passphrase"
	case curfew.Denied:
		return http.StatusForbidden, "That is not allowed"
	case curfew.NotFound:
		return http.StatusNotFound, "There is nothing here"
	case curfew.Conflict:
		return http.StatusConflict, "It is not in that state any more"
	case curfew.Lapsed:
		return http.StatusGone, "It is over"
	case curfew.Limited:
		return http.StatusTooManyRequests, "Too many tries"
	case curfew.Unavailable, curfew.Clock:
		return http.StatusServiceUnavailable, "Not now"
	}
	return http.StatusInternalServerError, "Something went wrong"
}

// style is the pages' style sheet.
func style(w http.ResponseWriter, r *http.Request) {
	text, err := fs.ReadFile(pages, "pages/pages.css")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	f := newFile("pages.css", text)
	f.serve(w, r, "public, max-age=3600")
}

func tag(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// deviceOf is what a browser calls itself, in few words.
func deviceOf(r *http.Request) string {
	agent := r.UserAgent()
	browser, system := "", ""
	for _, b := range [][2]string{{"Edg/", "Edge"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b[0]) {
			browser = b[1]
			break
		}
	}
	for _, o := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, o[0]) {
			system = " on " + o[1]
			break
		}
	}
	return cmp.Or(browser, "A browser") + system
}
