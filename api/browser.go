package api

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/seal"
)

// Cookies of the console's origin. The prefix has browsers take them only from that
// very host, over TLS or from this machine, for every path: no other application, nor a
// name below or above it, can set one.
const (
	Cookie      = "__Host-curfew"
	KnownCookie = "__Host-curfew-known"
)

// CSRFHeader carries what a browser's own pages know and nobody else's do.
const CSRFHeader = "Curfew-CSRF"

// Headers sets what every answer has, whatever it is. A page that needs more says so itself.
func Headers(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with less, browsers send no Origin with our own forms
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Origin-Agent-Cluster", "?1")
	h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), serial=(), usb=()")
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// Known refuses requests to a name that is not ours (DNS rebinding), and those that
// pages of another origin sent.
func (s *Server) Known(r *http.Request) error {
	if !s.hostKnown(r.Host) {
		return curfew.Errorf(curfew.Denied, "this server does not answer to that name").WithRule("host")
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != s.parts.Console && origin != OriginOf(r) {
		return curfew.Errorf(curfew.Denied, "requests from other origins are refused").WithRule("origin")
	}
	return nil
}

// OriginOf is the origin that a request was sent to.
func OriginOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (s *Server) hostKnown(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	for _, known := range s.parts.Hosts {
		if strings.EqualFold(name, known) {
			return true
		}
	}
	return false
}

// AtConsole reports whether a request came to the one origin whose cookies count. Ports
// do not keep cookies apart, so another name of this machine gets none of ours.
func (s *Server) AtConsole(r *http.Request) bool {
	_, host, ok := strings.Cut(s.parts.Console, "://")
	return ok && strings.EqualFold(host, r.Host)
}

// shown is what a request shows of who sends it, and from where.
type shown struct {
	bearer, cookie, csrf string
	origin, site         string // what the browser says of the page that sent it
	console              string // the origin it would have to be
	changes              bool
	address              string
	browser              *identity.SignedIn // whose cookie it is; nil: no browser's that is signed in
}

type shownKey struct{}

func (s *Server) shown(r *http.Request) shown {
	x := shown{
		csrf: r.Header.Get(CSRFHeader), origin: r.Header.Get("Origin"), site: r.Header.Get("Sec-Fetch-Site"), console: s.parts.Console,
		changes: r.Method != http.MethodGet && r.Method != http.MethodHead, address: r.RemoteAddr,
	}
	x.bearer, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if x.bearer == "" && s.AtConsole(r) {
		x.cookie = only(r, Cookie)
	}
	return x
}

// only is the value of a cookie that is there once. Two of one name are somebody's
// attempt to slip another one in.
func only(r *http.Request, name string) string {
	if found := r.CookiesNamed(name); len(found) == 1 {
		return found[0].Value
	}
	return ""
}

func addressOf(ctx context.Context) string {
	x, _ := ctx.Value(shownKey{}).(shown)
	return x.address
}

// caller is who a request comes from: by a token, or by a browser's cookie.
func (s *Server) caller(ctx context.Context) (caller, error) {
	x, _ := ctx.Value(shownKey{}).(shown)
	if x.browser != nil { // asked again: a stream asks long after meant did
		in, err := s.parts.Identity.Browser(ctx, x.cookie)
		return caller{who: in.Principal, token: in.ID, browser: true, csrf: in.CSRF, until: in.Until}, err
	}
	in, err := s.parts.Identity.Bearer(ctx, x.bearer)
	return caller{who: in.Principal, token: in.ID, asks: in.Asks, until: in.Until}, err
}

// meant says whose browser it is, and refuses what a page of somebody else's had it
// send. What a browser sends by itself is not enough to change anything: the page must
// be ours, and know what only our pages are told. This comes before anything is read.
func (s *Server) meant(ctx context.Context, x *shown) error {
	if x.cookie == "" {
		return nil
	}
	in, err := s.parts.Identity.Browser(ctx, x.cookie)
	if err != nil {
		return nil //nolint:nilerr // nobody's: who asks as a stranger is a stranger
	}
	x.browser = &in
	if x.site != "" && x.site != "same-origin" && x.site != "none" {
		return curfew.Errorf(curfew.Denied, "another site's page sent this").WithRule("request.site")
	}
	if x.changes && (x.origin != x.console || !seal.Equal([]byte(x.csrf), []byte(in.CSRF))) {
		return curfew.Errorf(curfew.Denied, "this change did not come from a page of ours").WithRule("request.csrf").WithFix("open the page again")
	}
	return nil
}

// forgotten has a browser forget its session; "" for other callers.
func (c caller) forgotten() string {
	if !c.browser {
		return ""
	}
	return Forget(Cookie).String()
}

// Remember is a cookie of the console's.
func Remember(name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// Forget takes a cookie of the console's away.
func Forget(name string) *http.Cookie {
	c := Remember(name, "")
	c.MaxAge = -1
	return c
}
