package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/api"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/passkey/passkeytest"
)

// enrol gives somebody a passkey.
func (o *office) enrol(name string) *passkeytest.Authenticator {
	o.t.Helper()
	a := passkeytest.New(o.who[name], origin)
	m, err := o.id.MakePasskey(o.t.Context(), o.who[name], phrase)
	must(o.t, err)
	data, attestation := a.Make(m.Challenge)
	add, err := o.id.Made(o.who[name], m.Ticket, data, attestation)
	must(o.t, err)
	_, err = o.access.Do(o.t.Context(), add)
	must(o.t, err)
	return a
}

// passkeyForm is what the page's script sends after a touch.
func (b *tab) passkeyForm(a *passkeytest.Authenticator, lies ...func(*passkeytest.Said)) url.Values {
	b.o.t.Helper()
	var c client.TouchChallenge
	must(b.o.t, json.Unmarshal([]byte(b.get("/sign-in/passkey").text), &c))
	t := a.Touch(c.Record, lies...)
	text := base64.StdEncoding.EncodeToString
	return url.Values{
		"next": {"/account"}, "record": {text(t.Record)}, "passkey": {text(t.Passkey)}, "client_data": {text(t.ClientData)}, "authenticator": {text(t.Authenticator)}, "signature": {text(t.Signature)},
	}
}

func TestAPasskeySignsABrowserIn(t *testing.T) {
	o := newOffice(t, "alice")
	alice := o.enrol("alice")
	b := o.tab()
	before := o.size()
	form := b.passkeyForm(alice)
	if o.size() != before {
		t.Error("asking for a challenge wrote something")
	}
	if p := b.post("/sign-in/passkey", form); p.status != http.StatusSeeOther || p.to != "/account" || b.cookies[api.Cookie] == "" {
		t.Fatalf("%d %s", p.status, p.text)
	}
	if p := b.get("/account"); !strings.Contains(p.text, "alice &lt;b&gt;") {
		t.Errorf("signed in as somebody else: %s", p.text)
	}
	refused := map[string]url.Values{
		"the same again":           form,
		"an unknown authenticator": b.passkeyForm(passkeytest.New(o.who["root"], origin)),
		"on another page":          b.passkeyForm(alice, func(s *passkeytest.Said) { s.Origin = "http://evil.test" }),
		"not verified":             b.passkeyForm(alice, func(s *passkeytest.Said) { s.Flags = passkeytest.Present }),
		"nothing":                  {},
		"garbage":                  {"record": {"!"}, "passkey": {"AA"}, "signature": {strings.Repeat("A", 8000)}},
	}
	for what, form := range refused {
		c := o.tab()
		if p := c.post("/sign-in/passkey", form); p.status != http.StatusUnauthorized || !strings.Contains(p.text, "does not sign anybody in") || c.cookies[api.Cookie] != "" {
			t.Errorf("%s: %d %s", what, p.status, p.text)
		}
	}
	c := o.tab()
	form = c.passkeyForm(alice)
	form.Set("next", "//evil.test")
	if p := c.post("/sign-in/passkey", form); p.to != "/" {
		t.Errorf("led to %q", p.to)
	}
}

func TestTheSignInPageRunsOneScriptOfOurs(t *testing.T) {
	o := newOffice(t)
	b := o.tab()
	p := b.get("/sign-in")
	if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.HasSuffix(csp, "; script-src 'self'; connect-src 'self'") {
		t.Errorf("the policy: %s", csp)
	}
	if p := b.get(scriptAt); p.status != 200 || !strings.HasPrefix(p.header.Get("Content-Type"), "text/javascript") {
		t.Errorf("the script: %d %v", p.status, p.header)
	}
}

func TestWhoHasAPasskeyIsLedToTheConsole(t *testing.T) {
	o := withApplication(t)
	asked := o.signedIn("alice")
	p := asked.post("/ask", url.Values{"csrf": {asked.csrf()}, "app": {"shop"}, "to": {"/"}, "role": {"clerk"}, "for": {"30m"}, "reason": {"why"}})
	id, _, _ := strings.Cut(strings.TrimPrefix(p.to, "/r/"), "?")
	b := o.signedIn("dana")
	if p := b.get("/r/" + id); !strings.Contains(p.text, `action="/r/`+id+`/approve"`) {
		t.Fatalf("no form: %s", p.text)
	}
	o.enrol("dana")
	if p := b.get("/r/" + id); strings.Contains(p.text, `name="passphrase"`) || !strings.Contains(p.text, `href="/requests?id=`+id+`"`) {
		t.Errorf("no way to the console: %s", p.text)
	}
	if p := b.post("/r/"+id+"/approve", url.Values{"csrf": {b.csrf()}, "passphrase": {phrase}}); p.status != http.StatusForbidden || !strings.Contains(p.text, "passkey") {
		t.Errorf("approved by passphrase: %d %s", p.status, p.text)
	}
}
