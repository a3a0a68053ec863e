package gateway

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
)

// Browsers say where people's browsers find the console, and each application.
type Browsers struct {
	Console string // its origin: https://curfew.example.com; "": no browser signs in
	// Apps is the applications' origins, with * for the name of one:
	// https://*.apps.example.net; "": browsers reach none.
	Apps string
	// Names are further domains below which clients with credentials name
	// applications; nil: any.
	Names []string
}

// App is the origin of an application; "" if browsers reach none.
func (b Browsers) App(name curfew.ResourceName) string {
	origin := strings.Replace(b.Apps, "*", string(name), 1)
	if b.Console == "" || !label(string(name)) || hostOf(origin) == hostOf(b.Console) {
		return ""
	}
	return origin
}

// hostOf is an origin's host, without its port: what browsers keep cookies by.
func hostOf(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

// label reports whether a name can be a part of a host's.
func label(name string) bool {
	return name != "" && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && name[0] != '-' && name[len(name)-1] != '-'
}

// Named is the application that a host's name is of.
func (g *Gateway) Named(host string) (app curfew.ResourceName, browsers, ok bool) {
	bare := host
	if name, _, err := net.SplitHostPort(host); err == nil {
		bare = name
	}
	if net.ParseIP(strings.Trim(bare, "[]")) != nil {
		return "", false, false
	}
	name, rest, found := strings.Cut(strings.ToLower(bare), ".")
	if !found || rest == "" || !label(name) || strings.EqualFold(bare, hostOf(g.parts.Browsers.Console)) {
		return "", false, false // the console's own host is no application's, on whatever port
	}
	app = curfew.ResourceName(name)
	b := g.parts.Browsers
	if origin := b.App(app); origin != "" {
		_, its, _ := strings.Cut(origin, "://")
		if strings.EqualFold(its, host) {
			return app, true, true
		}
	}
	return app, false, b.Names == nil || slices.ContainsFunc(b.Names, func(n string) bool { return strings.EqualFold(n, rest) })
}

// SignIn is where a browser goes that is nobody's at an application.
func (g *Gateway) SignIn(app curfew.ResourceName, challenge, to string) string {
	return g.parts.Browsers.Console + "/go?" + url.Values{"app": {string(app)}, "way": {challenge}, "to": {to}}.Encode()
}

// Ask is where somebody goes who has no access to an application.
func (g *Gateway) Ask(app curfew.ResourceName, to string) string {
	return g.parts.Browsers.Console + "/ask?" + url.Values{"app": {string(app)}, "to": {to}}.Encode()
}

// Enter turns a code into a cookie of one application.
func (g *Gateway) Enter(ctx context.Context, app curfew.ResourceName, code, verifier string) (string, time.Time, error) {
	return g.parts.Identity.Enter(ctx, app, code, verifier)
}

// Leave makes a cookie of an application worthless.
func (g *Gateway) Leave(ctx context.Context, app curfew.ResourceName, cookie string) error {
	return g.parts.Identity.Leave(ctx, app, cookie)
}

// Visit says whose browser is at an application, and by which grant.
func (g *Gateway) Visit(ctx context.Context, app curfew.ResourceName, cookie string) (engine.Visit, error) {
	cred, err := g.parts.Identity.Visit(ctx, app, cookie)
	if err != nil {
		return engine.Visit{}, err
	}
	v := engine.Visit{Credential: cred.ID, Principal: cred.Principal}
	now := g.parts.Access.Now()
	g.parts.Access.View(func(st *access.State) {
		if grant := newest(st, cred, now); grant != nil {
			v.Grant, v.Role, v.Until = grant.ID, grant.Role, grant.End
		}
	})
	v.Name = g.parts.Identity.Name(ctx, cred.Principal)
	return v, nil
}

// newest is the grant of a visit that was approved last: what its owner asked for
// after all else is what they want now.
func newest(st *access.State, cred access.Credential, now time.Time) (found *access.Grant) {
	for _, grant := range st.GrantsOf(cred.Principal) {
		if grant.Resource == cred.Resource && !now.Before(grant.NotBefore) && (grant.Status != access.Active || now.Before(grant.End)) {
			found = grant
		}
	}
	return found
}
