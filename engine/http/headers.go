package http

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

type counter struct{ atomic.Int64 }

func itoa(n int) string { return strconv.Itoa(n) }

// cutText bounds a text that is shown or recorded.
func cutText(s string) string {
	const most = 8 << 10
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// identity reports whether a header says who is asking, or by which way, or what is
// really asked for: no client may say that to an application behind a proxy.
func identity(name string) bool {
	name = strings.ToLower(name)
	if strings.Contains(name, "_") {
		return true // some applications cannot tell it from a dash
	}
	switch name {
	case "forwarded", "via", "remote-user", "remote-groups", "remote-name", "remote-email", "x-real-ip", "x-client-ip", "x-cluster-client-ip",
		"true-client-ip", "client-ip", "x-remote-user", "x-user", "x-username", "x-email", "x-groups", "x-roles", "x-userid", "x-override-url", "x-forwarded",
		"x-host", "x-jwt-assertion", "teleport-jwt-assertion", "x-http-method-override", "x-http-method", "x-method-override", "x-ssl-client-cert",
		"x-client-cert", "x-client-dn", "ssl-client-cert", "x-arr-clientcert", "front-end-https", "proxy", "x-proxy-user", "x-wap-profile":
		return true
	}
	for _, p := range []string{"x-forwarded-", "x-auth-", "x-authenticated-", "x-webauth-", "x-remote-", "x-ssl-", "x-user-", "x-goog-authenticated-", "x-goog-iap-",
		"x-amzn-oidc-", "x-ms-client-principal", "x-ms-token-", "cf-access-", "cf-connecting-", "x-envoy-", "x-vouch-", "x-pomerium-", "x-token-", "x-oidc-",
		"x-original-", "x-rewrite-", "x-authentik-", "x-consumer-", "x-credential-",
		"tailscale-", "curfew-", "x-curfew-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// outgoing makes a request's headers those of the gateway: what the client says of
// itself is taken away, ours is added.
func (x *exchange) outgoing(h http.Header) {
	for name := range h {
		if identity(name) {
			delete(h, name)
		}
	}
	if x.run.inject != nil || !x.own {
		h.Del("Authorization")
	}
	h.Del("Proxy-Authorization")
	withoutOurs(h)
	if x.run.inject != nil {
		x.run.inject(h)
	}
	if from, _, err := net.SplitHostPort(x.from); err == nil {
		h.Set("X-Forwarded-For", from)
	}
	h.Set("X-Forwarded-Host", x.host)
	h.Set("X-Forwarded-Proto", map[bool]string{true: "https", false: "http"}[x.secure])
	p := x.run.s.Permit()
	h.Set("Curfew-Principal", string(p.Grant().Principal))
	h.Set("Curfew-Role", string(p.Grant().Role))
	h.Set("Curfew-Grant", string(p.Grant().ID))
	if x.token != "" {
		h.Set("Curfew-Identity", x.token)
	}
	if x.method == upgrade {
		h.Del("Sec-Websocket-Extensions") // frames are read as they are
	}
	if p.Grant().Record.Results() || strings.Contains(h.Get("Accept"), "text/event-stream") {
		h.Set("Accept-Encoding", "identity") // so are bodies, and streams that are told their end
	}
}

// incoming makes an answer's headers fit the application's origin here.
func (x *exchange) incoming(h http.Header) {
	for name := range h {
		if l := strings.ToLower(name); strings.HasPrefix(l, "curfew-") {
			delete(h, name)
		}
	}
	if cookies := h.Values("Set-Cookie"); len(cookies) > 0 {
		h.Del("Set-Cookie")
		for _, c := range cookies {
			if name, _, _ := strings.Cut(c, "="); !ourCookie(name) {
				h.Add("Set-Cookie", hostOnly(c))
			}
		}
	}
	if to := h.Get("Location"); to != "" {
		h.Set("Location", x.here(to))
	}
	p := x.run.s.Permit()
	h.Set("Curfew-Grant", string(p.Grant().ID))
	h.Set("Curfew-Ends", p.End().UTC().Format(http.TimeFormat))
	if n := x.run.s.Notice(); n != nil {
		h.Set("Curfew-Warning", "ends-in="+strconv.Itoa(int(n.Left.Seconds())))
	}
}

// hostOnly takes the domain from a cookie: it stays on the application's own name.
func hostOnly(cookie string) string {
	parts := strings.Split(cookie, ";")
	out := parts[:1]
	for _, p := range parts[1:] {
		name, _, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "domain") {
			out = append(out, p)
		}
	}
	return strings.Join(out, ";")
}

// here turns a redirection to the application's own address into one to its name here.
func (x *exchange) here(to string) string {
	for _, host := range []string{x.run.set.Host, x.run.s.Permit().Resource().Address} {
		for _, scheme := range []string{"http://", "https://"} {
			rest, ok := strings.CutPrefix(to, scheme+host)
			if ok && (rest == "" || rest[0] == '/' || rest[0] == '?' || rest[0] == '#') {
				if rest == "" || rest[0] != '/' {
					rest = "/" + rest
				}
				if strings.HasPrefix(rest, "//") {
					return to // it would name another host
				}
				return rest
			}
		}
	}
	return to
}
