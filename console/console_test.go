package console

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/api"
	"github.com/curfewhq/curfew/engine"
	enginehttp "github.com/curfewhq/curfew/engine/http"
	"github.com/curfewhq/curfew/history"
	historydb "github.com/curfewhq/curfew/history/sqlite"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/ledger"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
	"github.com/curfewhq/curfew/record/local"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/shelf"
	shelfmem "github.com/curfewhq/curfew/shelf/mem"
)

const (
	origin = "http://curfew.test"
	phrase = "correct horse battery"
)

// office is a console in this process, and the people who use it.
type office struct {
	t      *testing.T
	server *Server
	access *access.Service
	id     *identity.Service
	who    map[string]curfew.Principal
}

// newOffice has root, who has signed in, and the others, who have if joined says so.
func newOffice(t *testing.T, joined ...string) *office {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	_, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	signer := ledger.NewSigner("office", key)
	l := ledgermem.New(signer)
	must(t, ledger.Begin(ctx, l, signer, time.Now()))
	ring := seal.NewRing(seal.NewKey())
	a, err := access.Open(ctx, access.Parts{Ledger: l})
	must(t, err)
	h, err := historydb.Open("")
	must(t, err)
	rec, err := local.Open(local.Parts{Folder: t.TempDir(), Ring: ring})
	must(t, err)
	id := identity.New(identity.Parts{Access: a, Shelf: shelf.New(&shelfmem.Rows{}, ring), Ring: ring})
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	wg.Go(func() { _ = history.Follow(ctx, l, h, slog.New(slog.DiscardHandler)) })
	wg.Go(func() { _ = rec.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); _ = h.Close() })
	o := &office{t: t, access: a, id: id, who: map[string]curfew.Principal{}}
	id.At(origin)
	id.HashQuickly()
	served := api.New(api.Parts{
		Access: a, Identity: id, History: h, Record: rec, Engines: map[curfew.EngineType]engine.Engine{"http": enginehttp.New()},
		Hosts: []string{"curfew.test", "127.0.0.1"}, Console: origin,
	})
	o.server, err = New(Parts{API: served, Origin: origin})
	must(t, err)
	for _, name := range append([]string{"root"}, joined...) {
		o.join(name)
	}
	return o
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// link adds somebody and returns their one-time link.
func (o *office) link(name string) string {
	o.t.Helper()
	ctx := o.t.Context()
	who, err := o.id.AddPerson(ctx, name+" <b>", name+"@acme.io", o.who["root"])
	must(o.t, err)
	o.who[name] = who
	by := o.who["root"]
	if name == "root" {
		by = ""
	}
	link, err := o.id.IssueLink(ctx, who, by, time.Hour)
	must(o.t, err)
	return link
}

func (o *office) join(name string) {
	o.t.Helper()
	_, err := o.id.Join(o.t.Context(), o.link(name), phrase)
	must(o.t, err)
}

func (o *office) size() (n uint64) {
	o.access.View(func(st *access.State) { n = st.Size })
	return n
}

// tab is a browser: it keeps its cookies, and says where its forms come from.
type tab struct {
	o       *office
	cookies map[string]string
	address string
}

func (o *office) tab() *tab {
	return &tab{o: o, cookies: map[string]string{}, address: "192.0.2.1:1111"}
}

type page struct {
	status int
	text   string
	to     string
	header http.Header
}

func (b *tab) send(r *http.Request) page {
	b.o.t.Helper()
	r.RemoteAddr = b.address
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.o.server.ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		if !c.HttpOnly || !c.Secure || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") || c.SameSite == http.SameSiteNoneMode || c.SameSite == 0 {
			b.o.t.Errorf("a weak cookie: %s", c)
		}
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	text, _ := io.ReadAll(res.Body)
	p := page{res.StatusCode, string(text), res.Header.Get("Location"), res.Header}
	csp := p.header.Get("Content-Security-Policy")
	if strings.Contains(csp, "unsafe-inline") || !strings.Contains(csp, "frame-ancestors 'none'") || p.header.Get("X-Content-Type-Options") != "nosniff" {
		b.o.t.Errorf("%s %s: headers %v", r.Method, r.URL, p.header)
	}
	shown := p.text
	if strings.Contains(p.text, "<title>Sign in ·") { // the one page that has a script, by name
		shown = strings.Replace(shown, `<script src="`+scriptAt+`" defer></script>`, "", 1)
	} else if strings.Contains(csp, "script-src") && strings.Contains(p.text, " · Curfew</title>") {
		b.o.t.Errorf("%s %s may run scripts: %s", r.Method, r.URL, csp)
	}
	for _, bad := range []string{"<script", " style=", " onclick", "<b>"} { // <b> is a name's
		if strings.Contains(shown, bad) {
			b.o.t.Errorf("%s %s holds %q: %s", r.Method, r.URL, bad, p.text)
		}
	}
	return p
}

func (b *tab) get(path string) page {
	r := httptest.NewRequest("GET", origin+path, nil)
	r.Header.Set("Accept", "text/html")
	return b.send(r)
}

func (b *tab) post(path string, form url.Values, change ...func(*http.Request)) page {
	r := httptest.NewRequest("POST", origin+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, f := range change {
		f(r)
	}
	return b.send(r)
}

func (b *tab) signIn(name string) page {
	return b.post("/sign-in", url.Values{"email": {name + "@acme.io"}, "passphrase": {phrase}, "next": {"/account"}})
}

// csrf is what the pages of this browser's session know.
func (b *tab) csrf() string {
	found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(b.get("/account").text)
	if found == nil {
		return ""
	}
	return found[1]
}

func TestABrowserSignsInAndOut(t *testing.T) {
	o := newOffice(t)
	b := o.tab()
	if p := b.get("/account"); p.status != http.StatusSeeOther || p.to != "/sign-in?next=%2Faccount" {
		t.Fatalf("a stranger: %d %s", p.status, p.to)
	}
	if p := b.get("/sign-in?next=%2Faccount"); p.status != 200 || !strings.Contains(p.text, `name="next" value="/account"`) {
		t.Fatalf("the form: %d %s", p.status, p.text)
	}
	if p := b.signIn("root"); p.status != http.StatusSeeOther || p.to != "/account" || b.cookies[api.Cookie] == "" {
		t.Fatalf("signing in: %d %s %v", p.status, p.text, b.cookies)
	}
	if p := b.get("/account"); p.status != 200 || !strings.Contains(p.text, "root &lt;b&gt;") || !strings.Contains(p.text, "this browser") {
		t.Fatalf("signed in: %d %s", p.status, p.text)
	}
	kept := b.cookies[api.Cookie]
	if p := b.post("/sign-out", url.Values{"csrf": {b.csrf()}}); p.status != 200 || b.cookies[api.Cookie] != "" {
		t.Errorf("signing out: %d %v", p.status, b.cookies)
	}
	b.cookies[api.Cookie] = kept
	if p := b.get("/account"); p.status != http.StatusSeeOther {
		t.Errorf("a cookie that was signed out opens: %d", p.status)
	}
}

func TestSigningInAgainEndsTheSessionBefore(t *testing.T) {
	o := newOffice(t, "alice")
	b := o.tab()
	b.signIn("root")
	before := b.cookies[api.Cookie]
	b.signIn("alice")
	if _, err := o.id.Browser(t.Context(), before); err == nil {
		t.Error("the session before goes on")
	}
}

func TestALinkIsNotUsedByLookingAtIt(t *testing.T) {
	o := newOffice(t)
	link := o.link("alice")
	before := o.size()
	for range 50 {
		if p := o.tab().get("/join?key=" + link); p.status != 200 {
			t.Fatal(p.status)
		}
	}
	if o.size() != before {
		t.Error("looking wrote something")
	}
	b := o.tab()
	form := url.Values{"key": {link}, "passphrase": {phrase}, "again": {phrase + "x"}}
	if p := b.post("/join", form); p.status != 400 || !strings.Contains(p.text, "differ") || o.size() != before {
		t.Errorf("two passphrases: %d", p.status)
	}
	form.Set("again", "short")
	form.Set("passphrase", "short")
	if p := b.post("/join", form); p.status != 400 || o.size() != before {
		t.Errorf("a short one: %d", p.status)
	}
	form.Set("again", phrase)
	form.Set("passphrase", phrase)
	if p := b.post("/join", form); p.status != http.StatusSeeOther || b.cookies[api.Cookie] == "" {
		t.Errorf("joining: %d %s", p.status, p.text)
	}
	if p := o.tab().post("/join", form); p.status != http.StatusUnauthorized || !strings.Contains(p.text, "(ref ") {
		t.Errorf("a second time: %d %s", p.status, p.text)
	}
}

// Every form there is: without our origin or the session's own word nothing happens.
func TestNoFormOfAnotherSiteChangesAnything(t *testing.T) {
	o := newOffice(t, "alice")
	b, other := o.tab(), o.tab()
	b.signIn("root")
	other.signIn("alice")
	good, others := b.csrf(), other.csrf()
	link := o.link("carol")
	before, forms := o.size(), 0
	for _, route := range o.server.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if method != "POST" {
			continue
		}
		forms++
		path = strings.NewReplacer("{id}", "rq_0000000000000000").Replace(path)
		form := url.Values{"csrf": {good}, "id": {"x"}, "email": {"alice@acme.io"}, "passphrase": {phrase}, "again": {phrase}, "key": {link}}
		ways := map[string]func(*http.Request){
			"no origin":         func(r *http.Request) { r.Header.Del("Origin") },
			"another origin":    func(r *http.Request) { r.Header.Set("Origin", "http://evil.test") },
			"a null origin":     func(r *http.Request) { r.Header.Set("Origin", "null") },
			"a sibling":         func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"another name":      func(r *http.Request) { r.Host = "127.0.0.1" },
			"a stranger's name": func(r *http.Request) { r.Host = "evil.test" },
		}
		for way, change := range ways {
			if p := b.post(path, form, change); p.status != http.StatusForbidden {
				t.Errorf("%s with %s: %d", route, way, p.status)
			}
		}
		if path == "/sign-in" || path == "/sign-in/passkey" || path == "/join" {
			continue // there is no session yet
		}
		for _, csrf := range []string{"", others, good + "x"} {
			form.Set("csrf", csrf)
			if p := b.post(path, form); p.status != http.StatusForbidden {
				t.Errorf("%s with the word %q: %d", route, csrf, p.status)
			}
		}
		if p := o.tab().post(path, form); p.status != http.StatusUnauthorized {
			t.Errorf("%s as a stranger: %d", route, p.status)
		}
	}
	if o.size() != before || forms < 5 {
		t.Errorf("%d forms wrote %d events", forms, o.size()-before)
	}
}

func TestNothingLeadsElsewhere(t *testing.T) {
	o := newOffice(t)
	for _, next := range []string{"//evil.test", "https://evil.test", "/\\evil.test", "\\/evil.test", "/\t/evil.test", "javascript:alert(1)", "", "/" + strings.Repeat("x", 3000), "/a b"} {
		b := o.tab()
		p := b.post("/sign-in", url.Values{"email": {"root@acme.io"}, "passphrase": {phrase}, "next": {next}})
		if p.status != http.StatusSeeOther || p.to != "/" {
			t.Errorf("%q leads to %q (%d)", next, p.to, p.status)
		}
	}
	r := httptest.NewRequest("GET", "http://127.0.0.1/join?key=cfl.x.y", nil)
	if p := o.tab().send(r); p.status != http.StatusSeeOther || p.to != origin+"/join?key=cfl.x.y" {
		t.Errorf("by another name of ours: %d %s", p.status, p.to)
	}
}

// Strangers who guess shut each other out, and neither the person at a browser that has
// signed in before nor everybody else.
func TestGuessingLocksNobodyOutForEver(t *testing.T) {
	o := newOffice(t, "alice")
	known := o.tab()
	known.signIn("alice")
	wrong := url.Values{"email": {"alice@acme.io"}, "passphrase": {"not the passphrase"}}
	limited := 0
	for place := range 6 {
		b := o.tab()
		b.address = fmt.Sprintf("198.51.100.%d:1", place)
		for range 6 {
			if p := b.post("/sign-in", wrong); p.status == http.StatusTooManyRequests {
				limited++
			}
		}
	}
	fresh := o.tab()
	fresh.address = "203.0.113.9:1"
	if p := fresh.signIn("alice"); p.status != http.StatusTooManyRequests || limited < 12 {
		t.Errorf("guesses from many places go on: %d, %d were refused", p.status, limited)
	}
	delete(known.cookies, api.Cookie)
	known.address = "203.0.113.10:1"
	if p := known.signIn("alice"); p.status != http.StatusSeeOther {
		t.Errorf("Alice's own browser is locked out: %d %s", p.status, p.text)
	}
	if p := fresh.signIn("root"); p.status != http.StatusSeeOther {
		t.Errorf("somebody else is locked out: %d", p.status)
	}
	stolen := o.tab() // another's familiar browser is none of Alice's
	stolen.cookies[api.KnownCookie] = fresh.cookies[api.KnownCookie]
	if p := stolen.post("/sign-in", wrong); p.status != http.StatusTooManyRequests {
		t.Errorf("with root's browser Alice is guessed at: %d", p.status)
	}
}

func TestFilesOfTheConsole(t *testing.T) {
	o := newOffice(t)
	var err error
	o.server.files, err = readFiles(fstest.MapFS{
		"index.html":         {Data: []byte("<!doctype html><title>console</title>")},
		"assets/main-1a2.js": {Data: []byte(strings.Repeat("console.log(1);", 200))},
		"favicon.svg":        {Data: []byte("<svg/>")},
	})
	must(t, err)
	ask := func(path string, header ...string) page {
		r := httptest.NewRequest("GET", origin+path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return o.tab().send(r)
	}
	p := ask("/assets/main-1a2.js", "Accept-Encoding", "br, gzip")
	if p.status != 200 || p.header.Get("Content-Encoding") != "gzip" || !strings.Contains(p.header.Get("Cache-Control"), "immutable") || len(p.text) > 500 || p.header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("%d %v", p.status, p.header)
	}
	if again := ask("/assets/main-1a2.js", "Accept-Encoding", "gzip", "If-None-Match", p.header.Get("ETag")); again.status != http.StatusNotModified || again.text != "" {
		t.Errorf("the same again: %d", again.status)
	}
	if plain := ask("/assets/main-1a2.js"); plain.header.Get("Content-Encoding") != "" || len(plain.text) != 3000 || plain.header.Get("ETag") == p.header.Get("ETag") {
		t.Errorf("uncompressed: %v", plain.header)
	}
	for _, path := range []string{"/", "/requests/rq_1", "/index.html", "/live"} {
		if p := ask(path, "Accept", "text/html"); p.status != 200 || !strings.Contains(p.text, "<title>console") || p.header.Get("Cache-Control") != "no-cache" || !strings.Contains(p.header.Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("%s: %d %s", path, p.status, p.text)
		}
	}
	for _, path := range []string{"/assets/gone.js", "/.env", "/assets/"} {
		if p := ask(path); p.status != 404 {
			t.Errorf("%s: %d %s", path, p.status, p.text)
		}
	}
	if p := ask("/sign-in", "Accept", "text/html"); !strings.Contains(p.text, "Passphrase") {
		t.Error("the sign-in page is the console's own")
	}
	if p := ask("/api/v1/me"); p.status != http.StatusUnauthorized {
		t.Errorf("the API: %d", p.status)
	}
	if _, err := readFiles(fstest.MapFS{"x": {}}); err == nil {
		t.Error("files without a page are taken")
	}
}

func TestDurationsAsPeopleTypeThem(t *testing.T) {
	for in, want := range map[string]string{"30m0s": "30m", "1h0m0s": "1h", "1h30m0s": "1h30m", "45s": "45s", "1m30s": "1m30s", "10h0m0s": "10h"} {
		if got := typed(in); got != want {
			t.Errorf("%s is typed %s, want %s", in, got, want)
		}
		a, err1 := time.ParseDuration(in)
		b, err2 := time.ParseDuration(typed(in))
		if err1 != nil || err2 != nil || a != b {
			t.Errorf("%s and %s: %v %v", in, typed(in), err1, err2)
		}
	}
}
