package main

import (
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/gateway"
)

// checkURLs reads what browsers call the console and the applications. They may not
// share a registrable domain: pages of one would be the other's site (THREATS 7).
func (o *options) checkURLs() error {
	if o.url != "" {
		u, err := browserURL(o.url)
		if err != nil || strings.Contains(u.Host, "*") {
			return curfew.Errorf(curfew.Invalid, "--url: %.100q is no address of a console", o.url).WithFix("for example --url https://curfew.example.com")
		}
		o.url = u.Scheme + "://" + u.Host
		o.names = append(o.names, u.Hostname())
	}
	if o.appsURL == "" {
		return nil
	}
	u, err := browserURL(o.appsURL)
	rest, ok := "", false
	if err == nil {
		rest, ok = strings.CutPrefix(u.Hostname(), "*.")
	}
	if !ok || rest == "" || strings.Contains(rest, "*") {
		return curfew.Errorf(curfew.Invalid, "--apps-url: %.100q is no address of applications", o.appsURL).WithFix("for example --apps-url 'https://*.apps.example.net'")
	}
	o.appsURL = u.Scheme + "://" + u.Host
	o.names = append(o.names, rest)
	return nil
}

// apart refuses a console and applications that browsers take for one site.
func apart(console, apps string) error {
	if apps == "" {
		return nil
	}
	c, err1 := url.Parse(console)
	a, err2 := url.Parse(strings.Replace(apps, "*", "a", 1))
	if err1 != nil || err2 != nil || site(c.Hostname()) == site(a.Hostname()) {
		return curfew.Errorf(curfew.Invalid, "applications at %s would be of one site with the console at %s, and their pages could act in it", apps, console).
			WithRule("apps.site").WithFix("give applications a registered domain of their own: --apps-url 'https://*.apps.example.net'")
	}
	return nil
}

// site is what browsers go by: the registrable domain, or the host itself.
func site(host string) string {
	if net.ParseIP(host) != nil {
		return host
	}
	if s, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return s
	}
	return host
}

// browserURL is an origin: https, or http on this machine.
func browserURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.ToLower(text))
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !ofThisMachine(u.Hostname())) || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, curfew.Errorf(curfew.Invalid, "%.100q is no origin", text)
	}
	return u, nil
}

// ofThisMachine reports whether browsers take a name for this machine's own.
func ofThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// onThisMachine is the console's name where it listens on loopback: one of its own, so
// that what else runs on this machine is sent none of its cookies.
const onThisMachine = "curfew.localhost"

// consoleURL is the one origin that browsers sign in at.
func (r *running) consoleURL() string {
	if r.opt.url != "" {
		return r.opt.url
	}
	host, port, _ := net.SplitHostPort(r.doors.http.Addr().String()) // a listener's
	if loopback(r.opt.http) {
		return "http://" + net.JoinHostPort(onThisMachine, port)
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = r.certs.names[len(r.certs.names)-1] // one it was told, or the machine's
	}
	return "https://" + net.JoinHostPort(host, port)
}

// appsURL is where browsers reach applications; "" where nobody has said so, and it
// cannot be worked out.
func (r *running) appsURL() string {
	switch {
	case r.doors.apps == nil:
		return ""
	case r.opt.appsURL != "":
		return r.opt.appsURL
	case !loopback(r.opt.apps):
		return ""
	}
	_, port, _ := net.SplitHostPort(r.doors.apps.Addr().String()) // a listener's
	return "http://*.localhost:" + port
}

// passkeysAt has the console's pages make and use passkeys, where it has a name:
// browsers make none for an address. A passkey is of the one origin that it was made at.
func (r *running) passkeysAt(console string) {
	u, err := url.Parse(console)
	if err != nil || net.ParseIP(u.Hostname()) != nil {
		return
	}
	r.identity.At(console)
	elsewhere := map[string]int{}
	r.access.View(func(st *access.State) {
		for _, p := range st.Passkeys {
			if !p.Removed && p.Origin != console {
				elsewhere[p.Origin]++
			}
		}
	})
	for origin, n := range elsewhere {
		r.log.Warn("passkeys that do not count at this console: give it back its address (--url)", "passkeys", n, "made_at", origin, "console", console)
	}
}

// browsers say where people's browsers find everything.
func (r *running) browsers() (gateway.Browsers, error) {
	b := gateway.Browsers{Console: r.consoleURL(), Apps: r.appsURL(), Names: []string{"localhost"}}
	for _, name := range append(append([]string(nil), r.certs.names...), r.opt.names...) {
		b.Names = append(b.Names, strings.TrimPrefix(name, "*.")) // a certificate may be for all names below
	}
	return b, apart(b.Console, b.Apps)
}
