package http

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/gateway"
	who "github.com/curfewhq/curfew/identity"
)

// Where browsers find things in these tests.
const (
	consoleAt = "http://curfew.console.test"
	adminAt   = "http://admin.apps.test"
)

func withBrowsers(o *enginetest.Options) {
	o.Browsers = gateway.Browsers{Console: consoleAt, Apps: "http://*.apps.test", Names: []string{"clients.test"}}
}

// tab is a person's browser at the application.
type tab struct {
	t       *testing.T
	w       *enginetest.World
	b       *browser
	session string // its cookie at the console
	cookies string
}

// navigation is what Chromium says of a person who goes somewhere.
func navigation(site string) []string {
	return []string{"Accept", "text/html,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", site}
}

func newTab(t *testing.T, w *enginetest.World, p curfew.Principal) *tab {
	t.Helper()
	x := &tab{t: t, w: w, b: through(w, enginetest.Grant{})}
	var err error
	if x.session, _, err = w.Identity.IssueBrowser(t.Context(), p, who.From{Device: "a browser"}); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *tab) send(method, target string, header ...string) (*http.Response, string) {
	x.t.Helper()
	if x.cookies != "" {
		header = append(header, "Cookie", x.cookies)
	}
	ctx, cancel := context.WithTimeout(x.t.Context(), 10*time.Second)
	defer cancel()
	res, text, err := x.b.ask(ctx, method, target, "", header...)
	if err != nil {
		x.t.Fatal(method, target, err)
	}
	return res, text
}

// signedIn is the identity behind the tab's session at the console.
func (x *tab) signedIn() who.SignedIn {
	x.t.Helper()
	in, err := x.w.Identity.Browser(x.t.Context(), x.session)
	if err != nil {
		x.t.Fatal(err)
	}
	return in
}

// code is what the console gives for a challenge.
func (x *tab) code(app curfew.ResourceName, challenge string) string {
	x.t.Helper()
	code, err := x.w.Identity.VisitCode(x.signedIn(), app, challenge)
	if err != nil {
		x.t.Fatal(err)
	}
	return code
}

func challengeOf(keep string) string {
	sum := sha256.Sum256([]byte(keep))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// enter goes the whole way in, and keeps the application's cookie.
func (x *tab) enter() {
	x.t.Helper()
	res, text := x.send("GET", "/orders?x=1", navigation("none")...)
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusSeeOther || to.Scheme+"://"+to.Host+to.Path != consoleAt+"/go" || to.Query().Get("app") != "admin" || to.Query().Get("to") != "/orders?x=1" {
		x.t.Fatal(res, text)
	}
	way := res.Cookies()[0]
	weak(x.t, way)
	x.cookies = way.Name + "=" + way.Value
	if to.Query().Get("way") != challengeOf(way.Value) {
		x.t.Fatal("the challenge is not of what the browser keeps")
	}
	code := x.code("admin", to.Query().Get("way"))
	res, text = x.send("GET", "/.curfew/enter?code="+code+"&to=%2Forders%3Fx%3D1", navigation("cross-site")...)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/orders?x=1" || len(res.Cookies()) != 2 {
		x.t.Fatal(res, text)
	}
	for _, c := range res.Cookies() {
		weak(x.t, c)
		if c.Name == appCookie {
			x.cookies = c.Name + "=" + c.Value
		}
	}
}

func weak(t *testing.T, c *http.Cookie) {
	t.Helper()
	if !strings.HasPrefix(c.Name, "__Host-") || !c.HttpOnly || !c.Secure || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("a weak cookie: %s", c)
	}
}

func TestABrowserComesInByACodeOfItsOwn(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpbrowser", a, withBrowsers)
	g := w.Grant("look", time.Hour)
	x := newTab(t, w, g.Principal)
	x.enter()
	res, text := x.send("GET", "/orders?x=1", navigation("cross-site")...) // the browser calls the way back so
	if res.StatusCode != http.StatusOK || text != "GET /orders" {
		t.Fatal(res, text)
	}
	if got := a.last().header.Get("Curfew-Principal"); got != string(g.Principal) {
		t.Errorf("the application is told %q", got)
	}
	if sessions := w.Sessions(g.ID); len(sessions) != 1 {
		t.Errorf("%d sessions", len(sessions))
	}
}

func TestNobodyComesInByAnothersCode(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpcodes", a, withBrowsers)
	g := w.Grant("look", time.Hour)
	x := newTab(t, w, g.Principal)
	const mine, attackers = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBE"
	used := x.code("admin", challengeOf(mine))
	for _, c := range []struct {
		name, code, cookies string
		status              int
	}{
		{"a browser that did not begin", x.code("admin", challengeOf(mine)), "", 401},
		{"a browser that began otherwise: signed in as an attacker", x.code("admin", challengeOf(attackers)), wayCookie + "=" + mine, 401},
		{"two cookies of the name", x.code("admin", challengeOf(mine)), wayCookie + "=" + attackers + "; " + wayCookie + "=" + mine, 401},
		{"a name without the prefix", x.code("admin", challengeOf(mine)), "curfew-way=" + mine, 401},
		{"another application's", x.code("billing", challengeOf(mine)), wayCookie + "=" + mine, 401},
		{"none", "", wayCookie + "=" + mine, 401},
		{"the right one", used, wayCookie + "=" + mine, 303},
		{"the right one again", used, wayCookie + "=" + mine, 401},
	} {
		x.cookies = c.cookies
		res, text := x.send("GET", "/.curfew/enter?code="+c.code+"&to=/", navigation("cross-site")...)
		if res.StatusCode != c.status || c.status != 303 && len(res.Cookies()) != 0 {
			t.Errorf("%s: %s %s %v", c.name, res.Status, text, res.Cookies())
		}
		if c.status == 401 && c.name == "a browser that did not begin" { // it is used up all the same
			x.cookies = wayCookie + "=" + mine
			if res, _ := x.send("GET", "/.curfew/enter?code="+c.code, navigation("cross-site")...); res.StatusCode != 401 {
				t.Errorf("a code that was shown is good still: %s", res.Status)
			}
		}
	}
	// A code dies with the session that it is of.
	code := x.code("admin", challengeOf(mine))
	if err := w.Identity.SignOut(t.Context(), g.Principal, x.signedIn().ID); err != nil {
		t.Fatal(err)
	}
	x.cookies = wayCookie + "=" + mine
	if res, _ := x.send("GET", "/.curfew/enter?code="+code, navigation("cross-site")...); res.StatusCode != 401 {
		t.Errorf("a code of a session that was signed out: %s", res.Status)
	}
}

func TestTheWayInLeadsNowhereElse(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpwayin", a, withBrowsers)
	x := newTab(t, w, w.Grant("look", time.Hour).Principal)
	const keep = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, to := range []string{"//evil.test", "https://evil.test", "/\\evil.test", "/.curfew/sign-out", "/.CURFEW/x", "", "x", "/" + strings.Repeat("x", 3000)} {
		x.cookies = wayCookie + "=" + keep
		res, _ := x.send("GET", "/.curfew/enter?"+url.Values{"code": {x.code("admin", challengeOf(keep))}, "to": {to}}.Encode(), navigation("cross-site")...)
		if res.StatusCode != 303 || res.Header.Get("Location") != "/" {
			t.Errorf("%q leads to %s %q", to, res.Status, res.Header.Get("Location"))
		}
	}
}

// What a stranger's request is answered with: only a person who goes somewhere is led away.
func TestOnlyAPersonWhoGoesSomewhereIsLedToSignIn(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpstranger", a, withBrowsers)
	x := &tab{t: t, w: w, b: through(w, enginetest.Grant{})}
	for _, c := range []struct {
		name, method string
		header       []string
		status       int
	}{
		{"a person", "GET", navigation("cross-site"), 303},
		{"an old browser", "GET", []string{"Accept", "text/html"}, 303},
		{"a frame", "GET", []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 401},
		{"a script", "GET", []string{"Accept", "*/*", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 401},
		{"a form", "POST", navigation("same-origin"), 401},
		{"curl", "GET", []string{"Accept", "*/*"}, 401},
		{"a forged cookie", "GET", append(navigation("none"), "Cookie", appCookie+"=cfv.v_0000000000000000.x"), 303},
		{"a forged cookie of a script", "GET", []string{"Accept", "*/*", "Cookie", appCookie + "=x"}, 401},
		{"the console's host", "GET", append(navigation("none"), "Host", "curfew.console.test"), 421},
		{"a stranger's name", "GET", append(navigation("none"), "Host", "admin.evil.test"), 421},
		{"a name for clients", "GET", append(navigation("none"), "Host", "admin.clients.test"), 401},
		{"another port", "GET", append(navigation("none"), "Host", "admin.apps.test:81"), 421},
	} {
		res, text := x.send(c.method, "/orders", c.header...)
		if res.StatusCode != c.status {
			t.Errorf("%s: %s %s", c.name, res.Status, text)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: the policy is %q", c.name, csp)
		}
	}
	if n := len(a.asked); n != 0 {
		t.Errorf("the application was asked %d times", n)
	}
}

// What pages of other origins have somebody's browser send, with its cookie.
func TestPagesOfOtherOriginsDoNothingWithACookie(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httporigins", a, withBrowsers)
	x := newTab(t, w, w.Grant("look", time.Hour).Principal)
	x.enter()
	for _, c := range []struct {
		name, method, target string
		header               []string
		ok                   bool
	}{
		{"its own form", "POST", "/mark/a", []string{"Origin", adminAt, "Sec-Fetch-Site", "same-origin"}, true},
		{"its own form in a browser that says less", "POST", "/mark/a", []string{"Origin", adminAt}, true},
		{"its own form, of a page that hides where it is", "POST", "/mark/a", []string{"Origin", "null", "Sec-Fetch-Site", "same-origin"}, true},
		{"another site's form", "POST", "/mark/x", []string{"Origin", "http://evil.test", "Sec-Fetch-Site", "cross-site"}, false},
		{"a sibling application's form", "POST", "/mark/x", []string{"Origin", "http://live.apps.test", "Sec-Fetch-Site", "same-site"}, false},
		{"another port's form", "POST", "/mark/x", []string{"Origin", adminAt + ":81", "Sec-Fetch-Site", "same-site"}, false},
		{"its own form, where something before us ends TLS", "POST", "/mark/a", []string{"Origin", "https://admin.apps.test", "Sec-Fetch-Site", "same-origin"}, true},
		{"another scheme's form", "POST", "/mark/x", []string{"Origin", "ftp://admin.apps.test"}, false},
		{"a sandboxed frame's form", "POST", "/mark/x", []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, false},
		{"a form of nobody knows whom", "POST", "/mark/x", nil, false},
		{"a null origin alone", "POST", "/mark/x", []string{"Origin", "null"}, false},
		{"the console's form", "POST", "/mark/x", []string{"Origin", consoleAt, "Sec-Fetch-Site", "cross-site"}, false},
		{"its own picture", "GET", "/pic", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors"}, true},
		{"a sibling's picture", "GET", "/secret", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors"}, false},
		{"a sibling's frame", "GET", "/secret", []string{"Accept", "text/html", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate"}, false},
		{"a sibling's script", "GET", "/secret", []string{"Origin", "http://live.apps.test", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"}, false},
		{"a foreign script in an old browser", "GET", "/secret", []string{"Origin", "http://evil.test"}, false},
		{"a link elsewhere", "GET", "/from-a-link", navigation("cross-site"), true},
		{"the address bar", "GET", "/typed", navigation("none"), true},
		{"another site's WebSocket", "GET", "/socket", []string{"Origin", "http://evil.test", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-Fetch-Site", "cross-site"}, false},
		{"a sibling's WebSocket", "GET", "/socket", []string{"Origin", "http://live.apps.test", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-Fetch-Site", "same-site"}, false},
		{"a WebSocket of nobody knows whom", "GET", "/socket", []string{"Connection", "Upgrade", "Upgrade", "websocket"}, false},
		{"a WebSocket that says it navigates", "GET", "/socket", append(navigation("none"), "Connection", "keep-alive, UPGRADE", "Upgrade", "websocket"), false},
	} {
		before := len(a.asked)
		res, text := x.send(c.method, c.target, c.header...)
		asked := len(a.asked) > before
		if (res.StatusCode == http.StatusOK) != c.ok || asked != c.ok || !c.ok && !strings.Contains(text, "request.origin") {
			t.Errorf("%s: %s, the application asked: %v, %s", c.name, res.Status, asked, text)
		}
	}
}

// A service worker would see the codes of those who come in, and answer for us.
func TestNoServiceWorkerIsInstalled(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpworker", a, withBrowsers)
	x := newTab(t, w, w.Grant("look", time.Hour).Principal)
	x.enter()
	res, text := x.send("GET", "/sw.js", "Service-Worker", "script", "Sec-Fetch-Dest", "serviceworker", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "same-origin")
	if res.StatusCode != 403 || !strings.Contains(text, "request.worker") || len(a.asked) != 0 {
		t.Errorf("%s %s", res.Status, text)
	}
}

// What is ours stays here, and what looks like ours does not come in from behind.
func TestOurCookiesGoNoFurther(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpcookies", a, withBrowsers)
	x := newTab(t, w, w.Grant("look", time.Hour).Principal)
	x.enter()
	mine := x.cookies
	x.cookies = "theirs=1; " + mine + "; __HOST-Curfew-app=x;__Host-curfew=console; " + wayCookie + "=y; also=2;"
	if res, text := x.send("GET", "/orders", append(navigation("none"), "Authorization", "Bearer of-the-page")...); res.StatusCode != 200 {
		t.Fatal(res, text)
	}
	got := a.last().header
	if c := got.Values("Cookie"); len(c) != 1 || c[0] != "theirs=1; also=2" {
		t.Errorf("the application gets the cookies %q", c)
	}
	for name, values := range got {
		if strings.Contains(strings.Join(values, " "), strings.TrimPrefix(mine, appCookie+"=")) {
			t.Errorf("the application learns the cookie, in %s", name)
		}
	}
	x.cookies = mine + "; " + mine
	if res, _ := x.send("GET", "/orders", navigation("none")...); res.StatusCode != 303 {
		t.Errorf("two cookies of the name: %s", res.Status)
	}
	for in, want := range map[string]bool{"__Host-curfew-app": true, "__HOST-CURFEW-APP ": true, " __Host-curfew": true, "__Host-curfewish": true, "curfew": false, "app": false, "__Host-app": false} {
		if ourCookie(in) != want {
			t.Errorf("%q is ours: %v", in, !want)
		}
	}
}

// One kind of credential is not the other: a cookie is none for clients, which send no
// origin, and theirs is no cookie.
func TestACookieIsNoCredentialAndACredentialNoCookie(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpkinds", a, withBrowsers)
	g := w.Grant("look", time.Hour)
	x := newTab(t, w, g.Principal)
	x.enter()
	value := strings.TrimPrefix(x.cookies, appCookie+"=")
	x.cookies = ""
	for _, text := range []string{value, strings.TrimPrefix(value, "cfv.")} {
		for _, name := range []string{"Authorization", ownHeader} {
			if name == "Authorization" {
				text = "Bearer " + text
			}
			if res, _ := x.send("GET", "/orders", name, text); res.StatusCode != 401 {
				t.Errorf("%s: %.20s: %s", name, text, res.Status)
			}
		}
	}
	for _, text := range []string{g.User + "." + g.Password, "cfv." + g.User + "." + g.Password, x.session, "cfv" + strings.TrimPrefix(x.session, "cfb")} {
		x.cookies = appCookie + "=" + text
		if res, _ := x.send("GET", "/orders", "Accept", "*/*"); res.StatusCode != 401 {
			t.Errorf("as a cookie %.20s: %s", text, res.Status)
		}
	}
	if len(a.asked) > 0 {
		t.Errorf("the application was asked %v", a.asked)
	}
}

func TestWithoutAccessABrowserIsLedToAsk(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpnoaccess", a, withBrowsers)
	g := w.Grant("look", time.Hour)
	x := newTab(t, w, g.Principal)
	x.enter()
	w.Revoke(g.ID)
	res, _ := x.send("GET", "/orders?x=1", navigation("none")...)
	if res.StatusCode != 303 || res.Header.Get("Location") != consoleAt+"/ask?app=admin&to=%2Forders%3Fx%3D1" {
		t.Errorf("%s %s", res.Status, res.Header.Get("Location"))
	}
	res, text := x.send("GET", "/orders", "Accept", "application/json", "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != 403 || !strings.Contains(text, `"ask":"`+consoleAt) || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s", res.Status, text)
	}
	if len(a.asked) > 0 {
		t.Errorf("the application was asked %v", a.asked)
	}
}

func TestABrowserIsToldWhyItsAccessEnded(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httptold", a, withBrowsers)
	g := w.Grant("look", time.Hour)
	x := newTab(t, w, g.Principal)
	x.enter()
	if res, text := x.send("GET", "/orders", navigation("none")...); res.StatusCode != 200 {
		t.Fatal(res, text)
	}
	w.Revoke(g.ID)
	for range 2 { // as often as they look
		res, text := x.send("GET", "/orders", navigation("none")...)
		if res.StatusCode != 403 || !strings.Contains(text, "Your access to admin ended at") || !strings.Contains(text, consoleAt+"/ask?app=admin") || strings.Contains(text, "<script") {
			t.Errorf("%s %s", res.Status, text)
		}
	}
	res, text := x.send("GET", "/orders", "Accept", "application/json", "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != 403 || !strings.Contains(text, "grant.revoked") || !strings.Contains(text, "ended_at") {
		t.Errorf("%s %s", res.Status, text)
	}
}

// hold opens a WebSocket by the cookie, and reads until it ends.
func (x *tab) hold() (ended chan string) {
	x.t.Helper()
	_, ended = x.talk(nil)
	return ended
}

// talk opens one, says something, and hears as much back.
func (x *tab) talk(says []byte) (heard string, ended chan string) {
	x.t.Helper()
	conn, err := net.Dial("tcp", x.w.Address)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = conn.Close() })
	_, _ = fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: admin.apps.test\r\nCookie: %s\r\nOrigin: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n", x.cookies, adminAt)
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil || !strings.Contains(line, "101") {
		x.t.Fatal(line, err)
	}
	for line != "\r\n" {
		if line, err = r.ReadString('\n'); err != nil {
			x.t.Fatal(err)
		}
	}
	if len(says) > 0 {
		_, _ = conn.Write(says)
		back := make([]byte, len(says)-4) // without a mask
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err := io.ReadFull(r, back)
		if err != nil {
			x.t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Time{})
		heard = string(back)
	}
	ended = make(chan string, 1)
	go func() { rest, _ := io.ReadAll(r); ended <- string(rest) }()
	return heard, ended
}

func awaitEnd(t *testing.T, what string, ended chan string) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(8 * time.Second):
		t.Errorf("%s: a WebSocket goes on", what)
	}
}

func TestSigningOutEndsWhatGoesOn(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpsignout", a, withBrowsers)
	g := w.Grant("look", time.Hour)
	own := []string{"Accept", "text/html", "Origin", adminAt, "Sec-Fetch-Site", "same-origin"}
	t.Run("at the application", func(t *testing.T) {
		x := newTab(t, w, g.Principal)
		x.enter()
		kept, ended := x.cookies, x.hold()
		for name, header := range map[string][]string{"another site's": {"Origin", "http://evil.test"}, "a sibling's": {"Origin", "http://live.apps.test", "Sec-Fetch-Site", "same-site"}, "nobody's": nil} {
			if res, _ := x.send("POST", "/.curfew/sign-out", header...); res.StatusCode != 403 {
				t.Errorf("%s form signs out: %s", name, res.Status)
			}
		}
		if res, text := x.send("GET", "/.curfew/", navigation("none")...); res.StatusCode != 200 || !strings.Contains(text, "/.curfew/sign-out") || !strings.Contains(text, "look") {
			t.Errorf("%s %s", res.Status, text)
		}
		if res, text := x.send("POST", "/.curfew/sign-out", own...); res.StatusCode != 200 || res.Cookies()[0].MaxAge >= 0 {
			t.Errorf("%s %s", res.Status, text)
		}
		awaitEnd(t, "signed out", ended)
		x.cookies = kept
		if res, _ := x.send("GET", "/orders", navigation("none")...); res.StatusCode != 303 || !strings.HasPrefix(res.Header.Get("Location"), consoleAt+"/go") {
			t.Errorf("the cookie opens: %s", res.Status)
		}
		if _, err := w.Identity.Browser(t.Context(), x.session); err != nil {
			t.Error("the session at the console is gone with it")
		}
	})
	t.Run("at the console", func(t *testing.T) {
		x := newTab(t, w, g.Principal)
		x.enter()
		ended := x.hold()
		if err := w.Identity.SignOut(t.Context(), g.Principal, x.signedIn().ID); err != nil {
			t.Fatal(err)
		}
		if res, _ := x.send("GET", "/orders", navigation("none")...); res.StatusCode != 303 {
			t.Errorf("the cookie opens: %s", res.Status)
		}
		awaitEnd(t, "signed out at the console", ended)
	})
	t.Run("everywhere", func(t *testing.T) {
		x := newTab(t, w, g.Principal)
		x.enter()
		ended := x.hold()
		if _, err := w.Access.Do(t.Context(), access.SignOutEverywhere{Principal: g.Principal, By: g.Principal}); err != nil {
			t.Fatal(err)
		}
		awaitEnd(t, "signed out everywhere", ended)
	})
}

// With two grants the one that was approved last is used: it is what was asked for last.
func TestTheNewestGrantIsUsed(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpnewest", a, withBrowsers)
	g := w.Grant("look", time.Hour)
	x := newTab(t, w, g.Principal)
	x.enter()
	if res, text := x.send("POST", "/orders/7/refund", "Origin", adminAt); res.StatusCode != 403 || !strings.Contains(text, "request.role") || !strings.Contains(text, `"ask":"`+consoleAt+`/ask?app=admin\u0026to=%2Forders%2F7%2Frefund\u0026more=1"`) {
		t.Fatal(res, text)
	}
	id := curfew.GrantID(curfew.NewID("gr"))
	if _, err := w.Access.Do(t.Context(), access.Ask{Request: curfew.RequestID(curfew.NewID("rq")), Grant: id, Question: access.Question{Principal: g.Principal, Role: "fix", Duration: time.Hour, Reason: "to mend"}}); err != nil {
		t.Fatal(err)
	}
	if res, text := x.send("POST", "/orders/7/refund", "Origin", adminAt); res.StatusCode != 200 || res.Header.Get("Curfew-Grant") != string(id) {
		t.Error(res, text)
	}
	w.Revoke(id)
	if res, text := x.send("GET", "/orders", navigation("none")...); res.StatusCode != 200 || res.Header.Get("Curfew-Grant") != string(g.ID) {
		t.Error(res, text)
	}
}
