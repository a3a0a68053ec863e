package api

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/identity"
)

// With a cookie alone nobody changes anything: not by any route, whoever's cookie it is.
func TestNoRouteChangesAnythingByACookieAlone(t *testing.T) {
	o := newOffice(t)
	in, err := o.id.Browser(t.Context(), o.cookie["root"])
	must(t, err)
	other, err := o.id.Browser(t.Context(), o.cookie["alice"])
	must(t, err)
	ways := map[string]map[string]string{
		"no origin, no token":         {},
		"our origin, no token":        {"Origin": console},
		"no origin, a token":          {CSRFHeader: in.CSRF},
		"our origin, another's token": {"Origin": console, CSRFHeader: other.CSRF},
		"another origin, a token":     {"Origin": "http://evil.test", CSRFHeader: in.CSRF},
		"a null origin, a token":      {"Origin": "null", CSRFHeader: in.CSRF},
		"another port":                {"Origin": console + ":81", CSRFHeader: in.CSRF},
		"another scheme":              {"Origin": "https://curfew.test", CSRFHeader: in.CSRF},
		"a sibling's page":            {"Origin": console, CSRFHeader: in.CSRF, "Sec-Fetch-Site": "same-site"},
		"another site's page":         {"Origin": console, CSRFHeader: in.CSRF, "Sec-Fetch-Site": "cross-site"},
	}
	before, tried := o.size(), 0
	for _, route := range o.server.Routes() {
		if route.Level == Anybody {
			continue
		}
		for way, header := range ways {
			if route.Method == http.MethodGet && !strings.Contains(way, "page") {
				continue // reads are refused to other sites' pages; they need no token
			}
			path := strings.NewReplacer("{id}", aliceGrant, "{name}", "db").Replace(route.Path)
			req := httptest.NewRequest(route.Method, console+path, strings.NewReader(`{"passphrase":"`+phrase+`"}`))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Cookie", Cookie+"="+o.cookie["root"])
			for name, value := range header {
				req.Header.Set(name, value)
			}
			tried++
			if r := o.send(req); r.status != http.StatusForbidden || r.code != "request.csrf" && r.code != "request.site" && r.code != "origin" {
				t.Errorf("%s %s with %s: %d %s", route.Method, route.Path, way, r.status, r.text)
			}
		}
	}
	if o.size() != before || tried < 100 {
		t.Errorf("%d tries wrote %d events", tried, o.size()-before)
	}
}

func TestACookieCountsAtTheConsoleOnly(t *testing.T) {
	o := newOffice(t)
	o.server.parts.Hosts = append(o.server.parts.Hosts, "127.0.0.1")
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"as it is":                      {func(*http.Request) {}, 200},
		"another name of ours":          {func(r *http.Request) { r.Host = "127.0.0.1" }, 401},
		"another port of ours":          {func(r *http.Request) { r.Host = "curfew.test:81" }, 401},
		"a name that is not ours":       {func(r *http.Request) { r.Host = "evil.test" }, 403},
		"another cookie of the name":    {func(r *http.Request) { r.Header.Add("Cookie", Cookie+"="+o.cookie["dana"]) }, 401},
		"a cookie without the prefix":   {func(r *http.Request) { r.Header.Set("Cookie", "curfew="+o.cookie["alice"]) }, 401},
		"a token in the cookie":         {func(r *http.Request) { r.Header.Set("Cookie", Cookie+"="+o.token["alice"]) }, 401},
		"a token with another's secret": {func(r *http.Request) { r.Header.Set("Cookie", Cookie+"="+mix(o.cookie["alice"], o.cookie["dana"])) }, 401},
		"the cookie's text as a token":  {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+o.cookie["alice"]) }, 401},
		"the cookie as a token, spelled so": {func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer cft"+strings.TrimPrefix(o.cookie["alice"], "cfb"))
		}, 401},
	} {
		req := httptest.NewRequest("GET", console+client.Base+"/me", nil)
		req.Header.Set("Cookie", Cookie+"="+o.cookie["alice"])
		c.change(req)
		if r := o.send(req); r.status != c.status {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
	}
}

// mix is one's identifier with another's secret.
func mix(a, b string) string {
	return a[:strings.LastIndex(a, ".")] + b[strings.LastIndex(b, "."):]
}

func TestADecisionByABrowserTakesThePassphrase(t *testing.T) {
	o := newOffice(t)
	o.by = "browser"
	if r := o.call("dana", "POST", client.Base+"/requests/"+aliceRequest+"/deny", `{}`); r.status != http.StatusForbidden || r.code != "needs_sign_in" {
		t.Errorf("without: %d %s", r.status, r.text)
	}
	if r := o.call("dana", "POST", client.Base+"/requests/"+aliceRequest+"/deny", `{"passphrase":"`+phrase+`"}`); r.status != http.StatusOK {
		t.Errorf("with: %d %s", r.status, r.text)
	}
}

func TestSignInsAreSeenAndEndedByTheirOwner(t *testing.T) {
	o := newOffice(t)
	o.by = "browser"
	ctx := context.Background()
	mine := o.cookie["alice"]
	_, _, err := o.id.IssueBrowser(ctx, o.who["alice"], identity.From{Device: "phone", Address: "192.0.2.7:1234"})
	must(t, err)
	r := o.call("alice", "GET", client.Base+"/sign-ins", "")
	for _, want := range []string{`"device":"phone"`, `"address":"192.0.2.7"`, `"kind":"token"`, `"current":true`} {
		if !strings.Contains(r.text, want) {
			t.Errorf("no %s in %s", want, r.text)
		}
	}
	if strings.Contains(r.text, "cfb.") || strings.Contains(r.text, mine) {
		t.Errorf("it holds a secret: %s", r.text)
	}
	in, err := o.id.Browser(ctx, mine)
	must(t, err)
	if r := o.call("dana", "POST", client.Base+"/sign-ins/"+in.ID+"/sign-out", ""); r.status != http.StatusNotFound {
		t.Errorf("Dana ends Alice's: %d", r.status)
	}
	if r := o.call("dana", "GET", client.Base+"/sign-ins", ""); strings.Contains(r.text, "phone") {
		t.Errorf("Dana sees Alice's: %s", r.text)
	}
	r = o.call("alice", "POST", client.Base+"/sign-ins/"+in.ID+"/sign-out", "")
	if r.status/100 != 2 || !strings.Contains(r.header.Get("Set-Cookie"), Cookie+"=; Path=/; Max-Age=0") {
		t.Errorf("her own: %d %s %q", r.status, r.text, r.header.Get("Set-Cookie"))
	}
	if _, err := o.id.Browser(ctx, mine); err == nil {
		t.Error("the cookie opens after it was signed out")
	}
	if r := o.call("dana", "GET", client.Base+"/me", ""); r.header.Values("Set-Cookie") != nil {
		t.Errorf("a cookie for nothing: %q", r.header.Values("Set-Cookie"))
	}
	r = o.call("dana", "POST", client.Base+"/sign-out-everywhere", "")
	if _, err := o.id.Browser(ctx, o.cookie["dana"]); err == nil || r.status != 200 {
		t.Errorf("signed out everywhere, and the browser is not: %d", r.status)
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	o := newOffice(t)
	for _, path := range []string{"/healthz", client.Base + "/me", client.Base + "/nothing", "/nothing", client.Base + "/openapi.json"} {
		for _, host := range []string{"curfew.test", "evil.test"} {
			req := httptest.NewRequest("GET", "http://"+host+path, nil)
			r := o.send(req)
			for name, want := range map[string]string{
				"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "camera=()", "Cache-Control": "no-store",
			} {
				if !strings.Contains(r.header.Get(name), want) {
					t.Errorf("%s%s: %s is %q", host, path, name, r.header.Get(name))
				}
			}
			if strings.Contains(r.header.Get("Content-Security-Policy"), "unsafe") || r.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %v", path, r.header)
			}
		}
	}
}

func TestAnswersAreTaggedAndCompressed(t *testing.T) {
	o := newOffice(t)
	ask := func(path string, header ...string) reply {
		req := httptest.NewRequest("GET", console+client.Base+path, nil)
		req.Header.Set("Authorization", "Bearer "+o.token["root"])
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		return o.send(req)
	}
	history.Reach(context.Background(), o.server.parts.History, o.size(), 10*time.Second) // the list is what it stays
	plain := ask("/audit")
	small := ask("/audit", "Accept-Encoding", "br, gzip;q=1.0")
	z, err := gzip.NewReader(strings.NewReader(small.text))
	must(t, err)
	text, err := io.ReadAll(z)
	must(t, err)
	if string(text) != plain.text || small.header.Get("Content-Encoding") != "gzip" || len(small.text) >= len(plain.text) || plain.header.Get("Content-Encoding") != "" {
		t.Errorf("%v %s", small.header, text)
	}
	tag := plain.header.Get("ETag")
	if r := ask("/audit", "If-None-Match", `"x", `+tag); tag == "" || r.status != http.StatusNotModified || r.text != "" || r.header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d %q %v", r.status, r.text, r.header)
	}
	if r := ask("/audit", "Accept-Encoding", "gzip;q=0"); r.header.Get("Content-Encoding") != "" {
		t.Error("compressed for who takes none")
	}
	if r := ask("/me", "Accept-Encoding", "gzip"); r.header.Get("Content-Encoding") != "" || r.header.Get("ETag") == "" {
		t.Errorf("what holds a secret: %v", r.header)
	}
	if r := ask("/nothing", "Accept-Encoding", "gzip"); r.status != http.StatusNotFound || r.header.Get("ETag") != "" {
		t.Errorf("%d %v", r.status, r.header)
	}
	if r := ask("/ledger/export", "Accept-Encoding", "gzip"); r.status != 200 || r.header.Get("Content-Encoding") != "" || len(r.text) < 100 {
		t.Errorf("an export: %d %v", r.status, r.header)
	}
	if r := o.call("root", "GET", client.Base+"/events", ""); !strings.Contains(r.text, "event: event") {
		t.Errorf("a stream: %d %.200s", r.status, r.text)
	}
}
