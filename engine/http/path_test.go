package http

import (
	"net/url"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestOnePathIsJudgedAndSent(t *testing.T) {
	for sent, want := range map[string]string{
		"/":                    "/",
		"/admin":               "/admin",
		"/admin/":              "/admin/",
		"//admin":              "/admin",
		"///":                  "/",
		"/%61dmin":             "/admin",
		"/x/../admin":          "/admin",
		"/x/%2e%2e/admin":      "/admin",
		"/x/.%2E/admin":        "/admin",
		"/./admin/.":           "/admin/",
		"/a/b/..":              "/a/",
		"/a//b":                "/a/b",
		"/caf%C3%A9":           "/café",
		"/a%20b":               "/a b",
		"/ADMIN":               "/ADMIN",
		"/a.b/c..d":            "/a.b/c..d",
		"/a,b:c@d&e=f+g!$'()*": "/a,b:c@d&e=f+g!$'()*",
		"/...":                 "",
		"/admin.":              "",
		"/admin%20":            "",
		"/admin;x":             "",
		"/admin%3bx":           "",
		"/..;/admin":           "",
		"/x%2fadmin":           "",
		"/x%5cadmin":           "",
		"/x\\admin":            "",
		"/%2561dmin":           "",
		"/..":                  "",
		"/x/../../admin":       "",
		"/%zz":                 "",
		"/%":                   "",
		"/a%00b":               "",
		"/a%0d%0aX:%20y":       "",
		"/%ff%fe":              "",
		"/%c0%afadmin":         "", // an overlong slash
		"/x%EF%BC%8Fadmin":     "", // a slash of full width
		"/%E2%80%A5/admin":     "", // one character that stands for two dots
		"/café":                "", // not encoded
		"/a b":                 "",
		"admin":                "",
		"":                     "",
		"*":                    "",
		"http://x/admin":       "",
	} {
		got, err := canonical(sent)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, want %q: %v", sent, got, want, err)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"/a/../b", "/%2e%2e/", "/caf%C3%A9", "//x/.", "/a%2fb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		got, err := canonical(sent)
		if err != nil {
			return
		}
		if !strings.HasPrefix(got, "/") || strings.Contains(got, "//") || strings.ContainsAny(got, "\\;\x00\r\n") {
			t.Fatalf("%q is %q", sent, got)
		}
		for _, p := range strings.Split(got[1:], "/") {
			if p == "." || p == ".." {
				t.Fatalf("%q is %q", sent, got)
			}
		}
		again, err := canonical((&url.URL{Path: got}).EscapedPath())
		if err != nil || again != got {
			t.Fatalf("%q is %q, and that is %q: %v", sent, got, again, err)
		}
	})
}

func TestPermissions(t *testing.T) {
	p, err := parse(curfew.Permission{
		May:   []string{"read /**", "post /orders/*/refund", "delete,PUT /own/**", "websocket /live", "websocket /feed/**"},
		Never: []string{"any /admin/**", "get /orders/secret", "get /feed/raw"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]bool{
		"GET /": true, "GET /orders": true, "HEAD /orders/7": true, "POST /orders/7/refund": true, "DELETE /own/x/y": true, "PUT /own": true,
		"POST /orders/7/refund/": false, "POST /orders//refund": false, "POST /orders": false, "PUT /ownx": false,
		"GET /admin": false, "GET /admin/": false, "GET /ADMIN": false, "GET /Admin/users": false, "GET /administrator": true, "GET /ａdmin": false, "GET /ADMÍN": true,
		"GET /orders/secret": false, "GET /orders/SECRET/": false, "HEAD /orders/secret": false, "OPTIONS /orders/secret": true,
		"WEBSOCKET /live": true, "WEBSOCKET /feed/x": true, "WEBSOCKET /feed/raw": false, "WEBSOCKET /FEED/raw/": false, "WEBSOCKET /other": false, "CONNECT /": false, "TRACE /": false, "BREW /": false,
	} {
		method, path, _ := strings.Cut(request, " ")
		if p.allows(method, path) != want {
			t.Errorf("%s: %v", request, !want)
		}
	}
	for _, bad := range []string{"", "get", "get orders", "get /a b", "brew /x", "any,get /x", "get /a**", "get /**/b", "get /a*", "get /x/../y", "get //x", "get /%61", "get /x;y", "get /x."} {
		if _, err := parse(curfew.Permission{May: []string{bad}}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestCovers(t *testing.T) {
	of := func(may string, never ...string) permission {
		p, err := parse(curfew.Permission{May: []string{may}, Never: never})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		a, b permission
		want bool
	}{
		{of("any /**"), of("get /x"), true},
		{of("any /**"), of("any /x/**"), true},
		{of("get /**"), of("any /x"), false},
		{of("read /**"), of("get /**"), true},
		{of("get /x/*"), of("get /x/y"), true},
		{of("get /x/*"), of("get /x/**"), false},
		{of("get /x/y"), of("get /x/*"), false},
		{of("get /x/**"), of("get /x"), true},
		{of("any /**", "any /admin/**"), of("get /x"), false},
		{of("any /**", "any /admin/**"), of("get /x", "any /admin/**"), true},
		{of("any /**", "get /admin/x"), of("get /x", "any /admin/**"), true},
	} {
		if got := c.a.covers(c.b); got != c.want {
			t.Errorf("%v covers %v: %v", c.a, c.b, got)
		}
	}
}
