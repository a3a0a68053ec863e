package browse

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// ready is a gateway on which everybody has signed in, without a browser.
func ready(t *testing.T) *gateway {
	t.Helper()
	g := newGateway(t)
	_, link, _ := strings.Cut(g.said["link"], "#")
	g.signIn("ada", link)
	g.everybody()
	return g
}

// given asks as alice, has Lea agree where that is needed, and returns the live grant.
func (g *gateway) given(role, resource string) client.Grant {
	g.t.Helper()
	ctx := context.Background()
	r, err := g.people["alice"].Ask(ctx, client.Ask{Role: role, Resource: resource, For: "30m", Reason: "to test"})
	if err != nil {
		g.t.Fatal(err)
	}
	if r.Status == "pending" {
		if r, err = g.people["lea"].Approve(ctx, r.ID, client.Decision{Digest: r.Digest, Passphrase: passphrase("lea")}); err != nil {
			g.t.Fatal(err)
		}
	}
	var got client.Grant
	if !within(10*time.Second, func() bool {
		got, err = g.people["alice"].Grant(ctx, r.Grant, r.Position)
		return err == nil && got.Status == "active"
	}) {
		g.t.Fatalf("%+v %v", got, err)
	}
	return got
}

// header is a credential of a grant, as a header's value.
func (g *gateway) header(grant string) string {
	g.t.Helper()
	c, err := g.people["alice"].Credential(context.Background(), grant, client.WantCredential{Many: true, For: "30m"})
	if err != nil {
		g.t.Fatal(err)
	}
	return "Bearer " + c.User + "." + c.Password
}

// said is a line of JSON that a script says.
type said struct {
	Open   bool
	Heard  string
	Status int
	Code   any
	Why    string
	Curfew map[string]string
	After  int
	Error  string
}

// listen starts a script and gives what it says, until it ends.
func listen(t *testing.T, script string, args ...string) <-chan said {
	t.Helper()
	cmd := node(script, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	launch(t, cmd)
	lines := make(chan said, 100)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			var s said
			if json.Unmarshal(in.Bytes(), &s) == nil {
				lines <- s
			}
		}
	}()
	return lines
}

func next(t *testing.T, lines <-chan said) said {
	t.Helper()
	select {
	case s, ok := <-lines:
		if !ok {
			t.Fatal("the client is gone")
		}
		return s
	case <-time.After(15 * time.Second):
		t.Fatal("the client says nothing")
	}
	return said{}
}

// A WebSocket (ws) and streams of events (eventsource) that are held when the grant ends.
func TestWhatRealClientsHearWhenAccessEnds(t *testing.T) {
	g := ready(t)
	ctx := context.Background()
	grant := g.given("live/watcher", "live")
	auth, err := json.Marshal(map[string]string{"Authorization": g.header(grant.ID)})
	if err != nil {
		t.Fatal(err)
	}
	at := strings.TrimPrefix(g.app("live"), "http://")
	socket := listen(t, "socket.mjs", "ws://"+at+"/socket", at, string(auth))
	if s := next(t, socket); !s.Open {
		t.Fatalf("%+v", s)
	}
	if a, b := next(t, socket), next(t, socket); a.Heard != "hello" || b.Heard != "010203" {
		t.Fatalf("%+v %+v", a, b)
	}
	streams := map[string]<-chan said{}
	for _, path := range []string{"/events", "/events-crlf", "/events-gzip"} {
		streams[path] = listen(t, "stream.mjs", "http://"+at+path, string(auth))
		if s := next(t, streams[path]); !s.Open {
			t.Fatalf("%s: %+v", path, s)
		}
	}
	began := time.Now()
	if _, err := g.people["ada"].Revoke(ctx, grant.ID, client.Why{Why: "enough"}); err != nil {
		t.Fatal(err)
	}
	if s := next(t, socket); s.Code != 1008.0 || !strings.Contains(s.Why, "your access to live ended at") {
		t.Errorf("the WebSocket ends with %+v", s)
	}
	for _, path := range []string{"/events", "/events-crlf"} {
		if s := next(t, streams[path]); !strings.Contains(s.Curfew["title"], "your access to live ended at") {
			t.Errorf("%s: the last word is %+v", path, s)
		}
	}
	if s := next(t, streams["/events-gzip"]); s.Error == "" { // it is compressed although we asked for none: it breaks off
		t.Errorf("the compressed stream: %+v", s)
	}
	t.Logf("all over %s after the cut", time.Since(began).Round(time.Millisecond))
	again := listen(t, "socket.mjs", "ws://"+at+"/socket", at, string(auth))
	if s := next(t, again); s.Status != http.StatusForbidden {
		t.Errorf("a new WebSocket: %+v", s)
	}
	foreign := listen(t, "socket.mjs", "ws://"+at+"/socket", at, `{"Cookie":"__Host-curfew-app=cfv.v_0000000000000000.x","Origin":"http://evil.localhost"}`)
	if s := next(t, foreign); s.Status != http.StatusUnauthorized {
		t.Errorf("a WebSocket with a forged cookie: %+v", s)
	}
}

// curl, before nginx: what a role may not, however the path is spelled, over HTTP/1.1 and 2.
func TestHoweverCurlSpellsThePath(t *testing.T) {
	g := ready(t)
	auth := g.header(g.given("shop/clerk", "shop").ID)
	at := strings.TrimPrefix(g.app("shop"), "http://")
	ask := func(more ...string) (code, version string) {
		args := append([]string{"-sS", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", "--path-as-is", "--max-time", "15", "-H", "Authorization: " + auth, "--resolve", "shop.localhost:" + at[strings.LastIndex(at, ":")+1:] + ":127.0.0.1"}, more...)
		out, err := exec.Command("curl", args...).Output()
		if err != nil {
			t.Errorf("curl %v: %v", more, err)
		}
		code, version, _ = strings.Cut(string(out), " ")
		return code, version
	}
	// -k: OpenSSL takes no wildcard right below a name of one part, as *.localhost is.
	for _, over := range [][]string{{"http://" + at}, {"https://" + at, "--http2", "-k"}, {"https://" + at, "--http1.1", "-k"}} {
		code, version := ask(append(over[1:], over[0]+"/orders/1")...)
		if code != "200" || strings.HasPrefix(over[0], "https") && (version == "2") != (over[1] == "--http2") {
			t.Errorf("%v: %s over HTTP/%s", over, code, version)
		}
		for _, path := range []string{
			"/admin", "/admin/", "/admin/x", "/ADMIN", "/Admin/x", "//admin", "/./admin", "/x/../admin", "/x/..//admin/", "/%61dmin", "/%41dmin/x", "/admin%2Fx", "/admin%2e", "/admin.", "/admin;x=1", "/x;/../admin", "/x/%2e%2e/admin", "/x/..%2fadmin",
			"/%2e/admin", "/admin%00", "/admin%09", "/%5cadmin", "/\\admin", "/x\\..\\admin", "/%c0%af../admin", "/x/%252e%252e/admin", "/%2561dmin", "/admin%20", "/ａｄｍｉｎ", "/%EF%BD%81dmin", "/aDmIn/%2e", "/orders/../admin?x", "/admin#x", "/adm%69n/..;/admin",
		} {
			if code, _ := ask(append(over[1:], over[0]+path)...); code != "403" && code != "400" {
				t.Errorf("%s%s: %s", over[0][:5], path, code)
			}
		}
		if code, _ := ask(append(over[1:], "-X", "POST", over[0]+"/orders/7/x")...); code != "403" {
			t.Errorf("%v: a POST that is not in the role: %s", over, code)
		}
	}
	for _, line := range g.shop.asked() {
		if strings.Contains(strings.ToLower(line), "dmin") || strings.Contains(line, "curfew.localhost") {
			t.Errorf("nginx was asked %s", line)
		}
		if !strings.Contains(line, "|p_") {
			t.Errorf("nginx was not told who asks: %s", line)
		}
	}
}

// The command line signs in by a code that somebody types into a real browser; it may
// ask then, and not connect.
func TestTheCommandLineSignsInByACode(t *testing.T) {
	g := ready(t)
	c := startChromium(t)
	cmd := exec.Command(program, "login", "--device", "--server", g.said["api"])
	cmd.Env = append(cmd.Environ(), "CURFEW_CONFIG_DIR="+g.path("alice"), "NO_COLOR=1")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	launch(t, cmd)
	in := bufio.NewReader(out)
	line, err := in.ReadString('\n')
	_, code, _ := strings.Cut(line, "/device and type ")
	code, _, _ = strings.Cut(code, " ")
	if err != nil || len(code) != 9 {
		t.Fatalf("%q %v", line, err)
	}
	c.open("scriptless", g.said["console"]+"/device")
	has(t, c.signIn("scriptless", "alice"), "The code that the client shows")
	c.fill("scriptless", "code", strings.ToLower(code))
	has(t, c.click("scriptless", "main form button"), "curfew on", "127.0.0.1", "ask")
	has(t, c.click("scriptless", "main form button"), "It is in")
	rest, _ := io.ReadAll(in)
	if !strings.Contains(string(rest), "This sign-in asks, and uses nothing") {
		t.Fatalf("%s", rest)
	}
	run := func(args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Env = append(cmd.Environ(), "CURFEW_CONFIG_DIR="+g.path("alice"), "NO_COLOR=1")
		text, _ := cmd.CombinedOutput()
		return string(text)
	}
	if text := run("request", "live/watcher", "--for", "5m", "--reason", "from a box"); !strings.Contains(text, "live") {
		t.Errorf("asking: %s", text)
	}
	if text := run("connect", "live", "--", "/"); !strings.Contains(text, "asks, and uses nothing") {
		t.Errorf("connecting: %s", text)
	}
}

// A hostile page, with everything a page can try, before somebody who is signed in
// everywhere and has access.
func TestAHostilePageDoesNothing(t *testing.T) {
	g := ready(t)
	c := startChromium(t)
	const who = "victim"
	grant := g.given("live/watcher", "live")
	c.open(who, g.app("live")+"/")
	has(t, c.signIn(who, "alice"), "Live GET /")
	pending, err := g.people["alice"].Ask(context.Background(), client.Ask{Role: "shop/clerk", Resource: "shop", For: "10m", Reason: "x"})
	if err != nil {
		t.Fatal(err)
	}
	worker := c.do(act{Do: "eval", Who: who, Text: `navigator.serviceWorker.register("/sw.js").then(() => "registered", (e) => e.name)`})
	if string(worker.Value) == `"registered"` {
		t.Error("the application installs a service worker")
	}
	before := c.cookies(who)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/toss" {
			for _, name := range []string{"__Host-curfew", "__Host-curfew-app", "curfew"} {
				w.Header().Add("Set-Cookie", name+"=evil; Path=/; Domain=localhost; Secure")
				w.Header().Add("Set-Cookie", name+"=evil; Path=/; Domain=.localhost")
			}
		}
		_, _ = fmt.Fprintf(w, "<!doctype html><title>evil</title><body>evil<form id=f method=post></form>")
	}))
	defer evil.Close()
	elsewhere := strings.Replace(evil.URL, "127.0.0.1", "evil.localhost", 1)
	app, console := g.app("live"), g.said["console"]
	c.open(who, elsewhere+"/toss")
	js := fmt.Sprintf(`(async () => {
	  const app = %q, console = %q, out = {};
	  const ask = async (name, f) => { try { out[name] = await f(); } catch (e) { out[name] = "no: " + e.name; } };
	  const read = async (u, o) => { const r = await fetch(u, { credentials: "include", ...o }); return r.type + " " + r.status + " " + (await r.text()).slice(0, 40); };
	  await ask("read app", () => read(app + "/"));
	  await ask("read console", () => read(console + "/api/v1/me"));
	  await ask("read pages", () => read(console + "/account"));
	  await ask("post app", () => read(app + "/mark", { method: "POST", mode: "no-cors", body: "x" }));
	  await ask("revoke", () => read(console + "/api/v1/grants/%s/return", { method: "POST", mode: "no-cors" }));
	  await ask("withdraw", () => read(console + "/r/%s/withdraw", { method: "POST", mode: "no-cors", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "csrf=x" }));
	  await ask("socket", () => new Promise((ok, no) => { const s = new WebSocket(app.replace("http", "ws") + "/socket"); s.onopen = () => ok("open"); s.onerror = () => no(new Error("refused")); }));
	  await ask("frame", () => new Promise((ok) => { const f = document.createElement("iframe"); f.src = app + "/framed"; f.onload = () => { try { ok("loaded " + f.contentDocument?.body?.innerText); } catch (e) { ok("no: " + e.name); } }; document.body.append(f); setTimeout(() => ok("no: never"), 4000); }));
	  await ask("frame console", () => new Promise((ok) => { const f = document.createElement("iframe"); f.src = console + "/account"; f.onload = () => { try { ok("loaded " + f.contentDocument?.body?.innerText); } catch (e) { ok("no: " + e.name); } }; document.body.append(f); setTimeout(() => ok("no: never"), 4000); }));
	  await ask("worker", async () => { await navigator.serviceWorker.register(app + "/sw.js"); return "registered"; });
	  return out;
	})()`, app, console, grant.ID, pending.ID)
	var got map[string]string
	if err := json.Unmarshal(c.do(act{Do: "eval", Who: who, Text: js}).Value, &got); err != nil || len(got) != 10 {
		t.Fatal(got, err)
	}
	for name, result := range got {
		if !strings.HasPrefix(result, "no: ") && result != "opaque 0 " && !strings.HasPrefix(result, "loaded undefined") {
			t.Errorf("%s: %s", name, result)
		}
	}
	t.Logf("what the page got: %v", got)
	// Forms that a page submits by itself, going there as a person would.
	for _, to := range []string{app + "/mark", app + "/.curfew/sign-out", console + "/sign-out", console + "/account/sign-out-everywhere", console + "/r/" + pending.ID + "/withdraw"} {
		c.open(who, elsewhere+"/")
		s := c.do(act{Do: "eval", Who: who, Text: fmt.Sprintf(`{ const f = document.getElementById("f"); f.action = %q; f.submit(); 1 }`, to)})
		_ = s
		page := c.do(act{Do: "wait", Who: who, Text: to})
		if !strings.Contains(page.Text, "page of another origin") && !strings.Contains(page.Text, "not come from") && !strings.Contains(page.Text, "other origins are refused") && !strings.Contains(page.Text, "reached with a credential") {
			t.Errorf("a form to %s: %s", to, page.Text)
		}
	}
	// And she goes on as if nothing had been.
	has(t, c.open(who, app+"/still"), "Live GET /still")
	has(t, c.open(who, console+"/account"), "Alice Moreau")
	after := c.cookies(who)
	for name, one := range before {
		if after[name]["value"] != one["value"] {
			t.Errorf("the cookie %s changed", name)
		}
	}
	for name := range after {
		if before[name] == nil && strings.Contains(name, "curfew") {
			t.Errorf("a cookie was tossed: %s", name)
		}
	}
	if r, err := g.people["alice"].Request(context.Background(), pending.ID); err != nil || r.Status != "pending" {
		t.Errorf("the request is %s %v", r.Status, err)
	}
	if x, err := g.people["alice"].Grant(context.Background(), grant.ID, 0); err != nil || x.Status != "active" {
		t.Errorf("the grant is %s %v", x.Status, err)
	}
}
