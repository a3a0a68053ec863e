package http

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/record"
)

// quiet is where net/http says what clients do wrong.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// handler answers the requests of one client's connection.
type handler struct {
	engine *Engine
	gate   engine.Gatekeeper
	secure bool
}

// ownHeader carries a client's credential where Authorization is the application's.
const ownHeader = "Curfew-Credential"

// credential reads what the client proves itself with: id and secret, in one of
// three places. Without any, given is false; one of another form fits nobody.
func credential(h http.Header) (id curfew.CredentialID, secret string, own, given bool) {
	text := h.Get(ownHeader)
	if own = text != ""; !own {
		kind, rest, _ := strings.Cut(h.Get("Authorization"), " ")
		switch {
		case strings.EqualFold(kind, "Bearer"):
			text = strings.TrimSpace(rest)
		case strings.EqualFold(kind, "Basic"):
			plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
			if err != nil {
				return "", "", false, true
			}
			text = strings.Replace(string(plain), ":", ".", 1)
		}
	}
	name, secret, _ := strings.Cut(text, ".")
	return curfew.CredentialID(name), secret, own, text != ""
}

// application is the resource that a request is for: the first part of the host's
// name. Each application has an origin of its own; an address has none.
func application(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return ""
	}
	name, rest, found := strings.Cut(host, ".")
	if !found || rest == "" {
		return ""
	}
	return strings.ToLower(name)
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(callerKey{}).(*caller) // set in Serve
	name, browsers := h.named(r.Host)
	if name == "" {
		problem(w, r, http.StatusMisdirectedRequest, curfew.Errorf(curfew.Invalid, "this address is no application").WithRule("request.host").
			WithFix("each application has a name of its own: NAME.%s", strings.TrimPrefix(r.Host, "www.")))
		return
	}
	if path, ours := strings.CutPrefix(r.URL.Path, ownPath); ours {
		h.ours(w, r, path, name, browsers)
		return
	}
	if browsers && r.Header.Get(ownHeader) == "" && (hasCookie(r) || r.Header.Get("Authorization") == "" && navigates(r)) {
		h.browser(w, r, c, name)
		return
	}
	id, secret, own, given := credential(r.Header)
	if given && curfew.HasPrefix(string(id), visitPrefix) { // it is a browser's, which shows it as a cookie
		problem(w, r, statusOf(strangers()), strangers())
		return
	}
	if !given {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Curfew"`)
		problem(w, r, http.StatusUnauthorized, curfew.Errorf(curfew.NotSignedIn, "this application is reached with a credential").WithRule("credential").
			WithFix("curfew env %s, and send it as Authorization: Bearer", name))
		return
	}
	h.pass(w, r, c, name, access.Claim{Credential: id, Resource: name, Client: r.RemoteAddr, Program: r.UserAgent()}, secret, own)
}

// pass carries a request of somebody who has shown a credential; one that is proved
// already has no secret.
func (h *handler) pass(w http.ResponseWriter, r *http.Request, c *caller, name string, claim access.Claim, secret string, own bool) {
	run, err := h.engine.join(r.Context(), h.gate, claim, secret)
	if err != nil {
		problem(w, r, statusOf(err), err)
		return
	}
	defer run.leave()
	if !c.carries(run) {
		return
	}
	res := run.s.Permit().Resource()
	if !strings.EqualFold(name, string(res.Name)) {
		problem(w, r, http.StatusMisdirectedRequest, curfew.Errorf(curfew.Denied, "these credentials are for %s, not for %s", res.Name, name).WithRule("resource.other"))
		return
	}
	run.serve(w, r, h.secure, own)
}

// named is the application that a request is for, and whether browsers sign in at that
// name; "" for a name that is none of ours.
func (h *handler) named(host string) (name string, browsers bool) {
	name = application(host)
	by, ok := h.gate.(engine.Usher)
	if !ok || name == "" {
		return name, false
	}
	app, browsers, ok := by.Named(host)
	if !ok {
		return "", false
	}
	return string(app), browsers
}

// ownPath begins what the gateway itself answers on every application's name.
const ownPath = "/.curfew/"

// ours answers what is no application's.
func (h *handler) ours(w http.ResponseWriter, r *http.Request, path, name string, browsers bool) {
	if browsers && h.reception(w, r, path, name) {
		return
	}
	by, ok := h.gate.(engine.Introducer)
	if path != "keys" || r.Method != http.MethodGet || !ok {
		problem(w, r, http.StatusNotFound, curfew.Errorf(curfew.NotFound, "there is nothing here").WithFix("%skeys are the keys that Curfew-Identity is checked with", ownPath))
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(by.Keys())
}

// exchange is one request and its answer.
type exchange struct {
	run    *run
	ref    uint64
	began  time.Time
	path   string
	method string
	secure bool
	own    bool   // the client's own Authorization may go on
	host   string // as the client named it
	from   string
	token  string // who is asking, signed; "" if it is not said
	sent   counter
	back   counter
	status int
	failed error
}

func (r *run) serve(w http.ResponseWriter, req *http.Request, secure, own bool) {
	x := &exchange{run: r, ref: r.ref.Add(1), began: time.Now(), secure: secure, own: own, host: req.Host, from: req.RemoteAddr, method: req.Method}
	var query string
	var err error
	target, query, _ := strings.Cut(req.RequestURI, "?")
	if x.path, err = canonical(target); err == nil {
		err = x.judge(req)
	}
	text := x.method + " " + cutText(target)
	if err == nil {
		text = x.method + " " + x.path
	}
	if query != "" {
		text += "?" + query
	}
	if err != nil {
		it := record.Item{Kind: record.Refused, Ref: x.ref, Text: text, Error: err.Error(), Code: ruleOf(err)}
		if bad := r.s.Observe(it); bad != nil {
			x.refuse(w, req, bad)
			return
		}
		problem(w, req, statusOf(err), err)
		return
	}
	if x.token, err = r.introduction(req.Context()); err != nil {
		problem(w, req, statusOf(err), err)
		return
	}
	it := record.Item{Kind: record.Statement, Ref: x.ref, Text: text}
	if it.Values, err = x.take(req); err == nil {
		err = r.s.Observe(it)
	}
	if err != nil {
		x.refuse(w, req, err)
		return
	}
	defer x.finish()
	out := &answer{ResponseWriter: w, exchange: x}
	defer out.close()
	// The cut resets the target's connections after the farewell, and that ends this.
	r.proxy.ServeHTTP(out, req.WithContext(context.WithValue(req.Context(), exchangeKey{}, x)))
}

type exchangeKey struct{}

// judge refuses what the role does not hold, and what no proxy can carry.
func (x *exchange) judge(req *http.Request) error {
	if headerHas(req.Header, "Connection", "upgrade") { // without it the other header is nothing, and does not go on
		if !strings.EqualFold(req.Header.Get("Upgrade"), "websocket") || req.Method != http.MethodGet {
			return curfew.Errorf(curfew.Denied, "only WebSockets are an upgrade here").WithRule("request.upgrade")
		}
		x.method = upgrade
	}
	if !known(x.method) {
		return curfew.Errorf(curfew.Denied, "the method %.20q is in no role", x.method).WithRule("request.method")
	}
	if !x.run.may.allows(x.method, x.path) {
		role := x.run.s.Permit().Grant().Role
		return curfew.Errorf(curfew.Denied, "%s %.200s is not in %s", x.method, x.path, role).WithRule("request.role").WithFix("ask for a role that holds it: curfew find")
	}
	return nil
}

// upgraded refuses the answer to an upgrade that the application took for a GET, where
// the role does not hold that.
func (x *exchange) upgraded(status int) error {
	if x.method != upgrade || status == http.StatusSwitchingProtocols || status >= http.StatusMultipleChoices || x.run.may.allows(http.MethodGet, x.path) {
		return nil
	}
	role := x.run.s.Permit().Grant().Role
	return curfew.Errorf(curfew.Denied, "%.200s is no WebSocket, and reading it is not in %s", x.path, role).WithRule("request.role")
}

func known(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", upgrade:
		return true
	}
	return false
}

func headerHas(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// refuse answers a request that was not sent because the session is over.
func (x *exchange) refuse(w http.ResponseWriter, req *http.Request, err error) {
	if e, over := x.run.s.Ended(); over {
		endedProblem(w, req, x.run.s.Permit(), e)
		return
	}
	problem(w, req, statusOf(err), err)
}

// finish records how it went.
func (x *exchange) finish() {
	out := record.Item{Kind: record.Outcome, Ref: x.ref, Bytes: x.sent.Load() + x.back.Load(), Took: time.Since(x.began)}
	if x.status != 0 {
		out.Tag = http.StatusText(x.status)
		out.Code = ""
		out.Tag = strings.TrimSpace(itoa(x.status) + " " + out.Tag)
	}
	if x.failed != nil && !errors.Is(x.failed, context.Canceled) {
		out.Error = cutText(x.failed.Error())
	}
	_ = x.run.s.Observe(out)
}
