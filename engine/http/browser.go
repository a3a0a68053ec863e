package http

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
)

// Cookies of an application's origin that are ours. The prefix has browsers take them
// from this very host alone. They go no further than the gateway.
const (
	appCookie  = "__Host-curfew-app"
	wayCookie  = "__Host-curfew-way" // what the browser keeps while it is at the console
	oursPrefix = "__host-curfew"
)

// visitPrefix begins the identifiers of browsers' credentials.
const visitPrefix = "v"

// wayLife is how long somebody may take to sign in at the console.
const wayLife = 15 * time.Minute

func ourCookie(name string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(name)), oursPrefix)
}

// withoutOurs takes our cookies out of a request.
func withoutOurs(h http.Header) {
	lines := h.Values("Cookie")
	h.Del("Cookie")
	for _, line := range lines {
		var left []string
		for part := range strings.SplitSeq(line, ";") {
			if name, _, _ := strings.Cut(part, "="); !ourCookie(name) && strings.TrimSpace(part) != "" {
				left = append(left, strings.TrimSpace(part))
			}
		}
		if len(left) > 0 {
			h.Add("Cookie", strings.Join(left, "; "))
		}
	}
}

// only is the value of a cookie that is there once; two of one name are an attempt to
// slip another one in.
func only(r *http.Request, name string) string {
	if found := r.CookiesNamed(name); len(found) == 1 {
		return found[0].Value
	}
	return ""
}

func hasCookie(r *http.Request) bool { return len(r.CookiesNamed(appCookie)) > 0 }

// navigates reports whether a request is a browser going somewhere, which can be led
// to a page of ours: not a picture, not a frame, not a script's question.
func navigates(r *http.Request) bool {
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	return r.Method == http.MethodGet && (mode == "navigate" || mode == "") && (dest == "document" || dest == "") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// own reports whether an origin is the application's own. Where we speak plain, what
// ends TLS before us may have been asked by https.
func (h *handler) own(r *http.Request, origin string) bool {
	return origin == "https://"+r.Host || !h.secure && origin == "http://"+r.Host
}

// meant refuses what a page of another origin has somebody's browser send with our
// cookie: every change, every WebSocket, and every read but a person's going there.
// Applications beside each other are one site to browsers, so that is no excuse.
func (h *handler) meant(r *http.Request) error {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	own := h.own(r, origin)
	fine := false
	switch {
	case headerHas(r.Header, "Connection", "upgrade") || r.Header.Get("Upgrade") != "" || r.Method == http.MethodConnect:
		fine = own
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions:
		// A page that tells nobody where it is sends the origin "null" with its own forms.
		fine = own || (origin == "" || origin == "null") && site == "same-origin"
	case site == "cross-site" || site == "same-site":
		fine = navigates(r)
	default:
		fine = origin == "" || own || origin == "null" && site == "same-origin"
	}
	if fine {
		return nil
	}
	return curfew.Errorf(curfew.Denied, "a page of another origin sent this").WithRule("request.origin").WithFix("do it in the application itself")
}

// browser carries a request of a person's browser: who has no session here is led to
// sign in, who has no access to ask for it.
func (h *handler) browser(w http.ResponseWriter, r *http.Request, c *caller, name string) {
	by := h.gate.(engine.Usher) // named found it
	app := curfew.ResourceName(name)
	v, err := by.Visit(r.Context(), app, only(r, appCookie))
	if curfew.CodeOf(err) == curfew.NotSignedIn {
		h.signIn(w, r, by, app)
		return
	}
	if err == nil {
		err = h.meant(r)
	}
	if err == nil && r.Header.Get("Service-Worker") != "" {
		// It would see the codes of those who come in, answer in our pages' place, and outlive the access.
		err = curfew.Errorf(curfew.Denied, "no application installs a service worker here").WithRule("request.worker")
	}
	if err != nil {
		problem(w, r, statusOf(err), err)
		return
	}
	if v.Grant == "" {
		h.without(w, r, by, app, v)
		return
	}
	h.pass(w, r, c, name, access.Claim{Credential: v.Credential, Resource: name, Client: r.RemoteAddr, Program: r.UserAgent(), Grant: v.Grant}, "", true)
}

// wanted is the path that a browser is led back to.
func wanted(r *http.Request) string { return localPath(r.URL.RequestURI()) }

// localPath is a path of this origin; "/" for what leads elsewhere.
func localPath(to string) string {
	if len(to) > 2048 || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(strings.ToLower(to), ownPath) ||
		strings.ContainsFunc(to, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) {
		return "/"
	}
	return to
}

// signIn leads a browser to the console, and has it keep what the way back is bound to.
func (h *handler) signIn(w http.ResponseWriter, r *http.Request, by engine.Usher, app curfew.ResourceName) {
	if !navigates(r) {
		problem(w, r, http.StatusUnauthorized, curfew.Errorf(curfew.NotSignedIn, "this browser is not signed in here, or no longer").WithRule("visit.none").WithFix("open the application's page, and sign in"))
		return
	}
	keep := only(r, wayCookie)
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(keep); err != nil || len(raw) != 32 {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		keep = base64.RawURLEncoding.EncodeToString(b[:])
	}
	http.SetCookie(w, cookie(wayCookie, keep, int(wayLife.Seconds()))) // several tabs keep one
	sum := sha256.Sum256([]byte(keep))
	lead(w, r, by.SignIn(app, base64.RawURLEncoding.EncodeToString(sum[:]), wanted(r)))
}

func cookie(name, value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

func lead(w http.ResponseWriter, r *http.Request, to string) {
	secureHeaders(w.Header())
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// without answers somebody who has no access: with why it ended, if it just did, or
// with the page that asks for it.
func (h *handler) without(w http.ResponseWriter, r *http.Request, by engine.Usher, app curfew.ResourceName, v engine.Visit) {
	ask := by.Ask(app, wanted(r))
	if p, e, ok := h.engine.endings.of(v.Credential); ok {
		endedAt(w, r, p, e, ask)
		return
	}
	if navigates(r) {
		lead(w, r, ask)
		return
	}
	answerProblem(w, r, details{Type: "about:blank", Title: "You have no access now", Status: http.StatusForbidden, Detail: "nobody has given you access to " + string(app), Rule: "grant.none", Ask: by.Ask(app, "/"), Run: "curfew connect " + string(app)})
}

// reception answers what browsers ask of the gateway itself; false: it is nothing of theirs.
func (h *handler) reception(w http.ResponseWriter, r *http.Request, path, name string) bool {
	by := h.gate.(engine.Usher) // named found it
	app := curfew.ResourceName(name)
	switch {
	case path == "enter" && r.Method == http.MethodGet:
		h.enter(w, r, by, app)
	case path == "" && r.Method == http.MethodGet:
		v, err := by.Visit(r.Context(), app, only(r, appCookie))
		if err != nil {
			h.signIn(w, r, by, app)
			return true
		}
		showReception(w, v, app)
	case path == "sign-out" && r.Method == http.MethodPost:
		if err := h.meant(r); err != nil || !hasCookie(r) {
			problem(w, r, http.StatusForbidden, curfew.Errorf(curfew.Denied, "nobody signed out: the question did not come from here").WithRule("request.origin"))
			return true
		}
		h.signOut(w, r, by, app)
	case path == "page.css" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write([]byte(pageStyle))
	default:
		return false
	}
	return true
}

// enter takes the code that the console sent a browser back with. It is worth nothing
// without what the browser kept when it left.
func (h *handler) enter(w http.ResponseWriter, r *http.Request, by engine.Usher, app curfew.ResourceName) {
	q := r.URL.Query()
	to := localPath(q.Get("to"))
	value, until, err := by.Enter(r.Context(), app, q.Get("code"), only(r, wayCookie))
	if err != nil {
		if _, in := by.Visit(r.Context(), app, only(r, appCookie)); in == nil { // another tab was faster
			lead(w, r, to)
			return
		}
		problem(w, r, statusOf(err), err)
		return
	}
	http.SetCookie(w, cookie(wayCookie, "", -1))
	http.SetCookie(w, cookie(appCookie, value, max(int(time.Until(until).Seconds()), 1)))
	lead(w, r, to)
}

func (h *handler) signOut(w http.ResponseWriter, r *http.Request, by engine.Usher, app curfew.ResourceName) {
	cookieText := only(r, appCookie)
	v, err := by.Visit(r.Context(), app, cookieText)
	if err == nil {
		err = by.Leave(r.Context(), app, cookieText)
	}
	if err != nil && curfew.CodeOf(err) != curfew.NotSignedIn {
		problem(w, r, statusOf(err), err)
		return
	}
	if v.Credential != "" {
		h.engine.end(v.Credential)
	}
	http.SetCookie(w, cookie(appCookie, "", -1))
	showPage(w, http.StatusOK, shownPage{Title: "You are signed out of " + string(app), Lines: []string{"Your access goes on until it ends; this browser uses it no more."}, Link: "/", LinkText: "Sign in again"})
}

// end ends the runs of a credential that is worth nothing any more.
func (e *Engine) end(id curfew.CredentialID) {
	e.mu.Lock()
	var all []*slot
	for by, at := range e.slots {
		if by.credential == id {
			all = append(all, at)
		}
	}
	e.mu.Unlock()
	for _, at := range all {
		at.mu.Lock()
		r := at.run
		at.mu.Unlock()
		if r != nil {
			go r.s.Close(curfew.CauseClosed, "")
		}
	}
}

// standsEvery is how often it is asked whether a browser is still signed in, while
// something of its run may go on without asking.
const standsEvery = time.Second

// stands ends a run whose browser has been signed out.
func (r *run) stands(gate engine.Gatekeeper) {
	by, ok := gate.(engine.Recaller)
	if !ok {
		return
	}
	tick := time.NewTicker(standsEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.s.Finished():
			return
		case <-tick.C:
		}
		if by.Counts(context.Background(), r.id) != nil {
			r.s.Close(curfew.CauseClosed, "")
			return
		}
	}
}

// endings are the last access of browsers, for the page that says why it ended.
type endings struct {
	mu   sync.Mutex
	last map[curfew.CredentialID]*access.Permit // guarded by mu
}

// endingMost bounds how many are remembered.
const endingMost = 5000

// begun remembers what a browser uses.
func (e *endings) begun(id curfew.CredentialID, p *access.Permit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = map[curfew.CredentialID]*access.Permit{}
	}
	for other := range e.last {
		if len(e.last) < endingMost {
			break
		}
		delete(e.last, other)
	}
	e.last[id] = p
}

// of is why a browser's access ended; false where its run only had nothing to do.
func (e *endings) of(id curfew.CredentialID) (*access.Permit, access.Ended, bool) {
	e.mu.Lock()
	p := e.last[id]
	e.mu.Unlock()
	if p == nil {
		return nil, access.Ended{}, false
	}
	ended, over := p.Ended()
	switch {
	case !over && p.Due(time.Now()):
		return p, access.Ended{Cause: curfew.CauseExpired, At: p.End()}, true
	case !over || ended.Cause == curfew.CauseClosed || ended.Cause == curfew.CauseTarget || ended.Cause == curfew.CauseRestart:
		return nil, access.Ended{}, false
	}
	return p, ended, true
}
