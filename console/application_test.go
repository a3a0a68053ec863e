package console

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/identity"
)

// withApplication is an office with an application that alice may ask for, dana agrees to, and mallory nothing.
func withApplication(t *testing.T) *office {
	t.Helper()
	o := newOffice(t, "alice", "dana", "mallory")
	c := curfew.Config{
		Settings:  curfew.Settings{Settle: time.Second},
		Groups:    map[curfew.GroupName][]curfew.Principal{curfew.Administrators: {o.who["root"]}},
		Resources: map[curfew.ResourceName]curfew.Resource{"shop": {Name: "shop", Type: "http", Address: "127.0.0.1:9", Account: curfew.Fixed}},
		Roles:     map[curfew.RoleName]curfew.Role{"clerk": {Name: "clerk", On: "shop", May: []string{"read /**"}, Longest: time.Hour}},
		Policies: map[curfew.PolicyName]curfew.Policy{"clerks": {
			Name: "clerks", Who: []curfew.Subject{{Principal: o.who["alice"]}}, Roles: []curfew.RoleName{"clerk"}, AnswerWithin: time.Hour, UseWithin: time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive,
			Approvals: []curfew.ApprovalNeed{{Count: 1, From: []curfew.Subject{{Principal: o.who["dana"]}}}},
		}},
	}
	_, err := o.access.Do(t.Context(), access.Propose{Change: o.access.Plan(c), Author: o.who["root"]})
	must(t, err)
	o.server.parts.App = func(name curfew.ResourceName) string { return "http://" + string(name) + ".apps.test" }
	o.server.parts.Apps = "http://*.apps.test"
	return o
}

func (o *office) signedIn(name string) *tab {
	o.t.Helper()
	b := o.tab()
	if p := b.signIn(name); p.status != http.StatusSeeOther {
		o.t.Fatal(p.status, p.text)
	}
	return b
}

var challenge = func() string { //nolint:gochecknoglobals // a constant
	sum := sha256.Sum256([]byte("what the browser keeps"))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

func TestGoingToAnApplication(t *testing.T) {
	o := withApplication(t)
	alice := o.signedIn("alice")
	p := alice.get("/go?app=shop&way=" + challenge + "&to=%2Forders%3Fx%3D1")
	to, err := url.Parse(p.to)
	if err != nil || p.status != 303 || to.Host != "shop.apps.test" || to.Path != "/.curfew/enter" || to.Query().Get("to") != "/orders?x=1" {
		t.Fatal(p.status, p.to, p.text)
	}
	if _, _, err := o.id.Enter(t.Context(), "shop", to.Query().Get("code"), "what the browser keeps"); err != nil {
		t.Error(err)
	}
	for name, path := range map[string]string{
		"no challenge": "/go?app=shop", "a short one": "/go?app=shop&way=AAAA", "no application": "/go?way=" + challenge, "another address": "/go?app=evil.test/x&way=" + challenge, "an unknown one": "/go?app=nope&way=" + challenge,
	} {
		if p := alice.get(path); p.status == 303 || p.to != "" {
			t.Errorf("%s leads to %s", name, p.to)
		}
	}
	// One that is there and not for her, and one that is not there, are the same to Mallory.
	mallory := o.signedIn("mallory")
	same := regexp.MustCompile(`\(ref [^)]*\)`)
	for _, path := range []string{"/go?way=" + challenge + "&app=", "/ask?app="} {
		a, b := mallory.get(path+"shop"), mallory.get(path+"nope")
		if a.status != 404 || b.status != 404 || same.ReplaceAllString(strings.ReplaceAll(a.text, "shop", "nope"), "") != same.ReplaceAllString(b.text, "") {
			t.Errorf("%s: %d %d\n%s\n%s", path, a.status, b.status, a.text, b.text)
		}
	}
}

func TestAskingWaitingAndBeingAnswered(t *testing.T) {
	o := withApplication(t)
	alice, dana, mallory := o.signedIn("alice"), o.signedIn("dana"), o.signedIn("mallory")
	if p := alice.get("/ask?app=shop&to=/orders"); p.status != 200 || !strings.Contains(p.text, "clerk") || !strings.Contains(p.header.Get("Content-Security-Policy"), "form-action 'self' http://*.apps.test") {
		t.Fatal(p.status, p.text)
	}
	form := url.Values{"csrf": {alice.csrf()}, "app": {"shop"}, "to": {"/orders"}, "role": {"clerk"}, "for": {"soon"}, "reason": {"<script>alert(1)</script> \u202e why"}}
	if p := alice.post("/ask", form); p.status != 400 || !strings.Contains(p.text, "no duration") || !strings.Contains(p.text, "&lt;script") {
		t.Fatal(p.status, p.text)
	}
	form.Set("for", "10m")
	p := alice.post("/ask", form)
	if p.status != 303 || !strings.HasPrefix(p.to, "/r/rq_") || !strings.HasSuffix(p.to, "?to=%2Forders") {
		t.Fatal(p.status, p.to, p.text)
	}
	at, _, _ := strings.Cut(p.to, "?")
	if p := alice.get(p.to); p.status != 200 || !strings.Contains(p.text, `http-equiv="refresh"`) || !strings.Contains(p.text, "dana") || strings.Contains(p.text, "/approve") || strings.Contains(p.text, "\u202e") {
		t.Fatal(p.status, p.text)
	}
	if p := alice.get("/ask?app=shop&to=/orders"); p.status != 303 || !strings.HasPrefix(p.to, at) {
		t.Errorf("asking again while it waits: %d %s", p.status, p.to)
	}
	// The wrong person learns nothing: a request there is, and one there is not.
	size := o.size()
	wrong, none := mallory.get(at), mallory.get("/r/rq_0000000000000000")
	if wrong.status != 404 || none.status != 404 || strings.Contains(wrong.text, "shop") || strings.Contains(wrong.text, "alice") {
		t.Errorf("Mallory sees %d %s", wrong.status, wrong.text)
	}
	if p := o.tab().get(at); p.status != 303 || !strings.HasPrefix(p.to, "/sign-in?") {
		t.Errorf("a stranger: %d %s", p.status, p.to)
	}
	for range 50 { // a scanner with Dana's browser, even
		if p := dana.get(at); p.status != 200 {
			t.Fatal(p.status)
		}
	}
	card := dana.get(at)
	digest := regexp.MustCompile(`name="digest" value="([0-9a-f]+)"`).FindStringSubmatch(card.text)
	if digest == nil || o.size() != size {
		t.Fatalf("looking wrote %d events, or there is no form: %s", o.size()-size, card.text)
	}
	decide := url.Values{"csrf": {dana.csrf()}, "digest": digest[1:], "for": {"5m"}, "passphrase": {"not hers at all"}}
	if p := dana.post(at+"/approve", decide); p.status != 403 || !strings.Contains(p.text, "not your passphrase") {
		t.Errorf("a wrong passphrase: %d %s", p.status, p.text)
	}
	decide.Set("passphrase", "")
	if p := dana.post(at+"/approve", decide); p.status != 403 {
		t.Errorf("no passphrase: %d", p.status)
	}
	hers := url.Values{"csrf": {alice.csrf()}, "digest": digest[1:], "passphrase": {phrase}}
	if p := alice.post(at+"/approve", hers); p.status/100 != 4 {
		t.Errorf("Alice approves her own: %d", p.status)
	}
	theirs := url.Values{"csrf": {mallory.csrf()}, "digest": digest[1:], "passphrase": {phrase}}
	if p := mallory.post(at+"/approve", theirs); p.status != 404 {
		t.Errorf("Mallory approves: %d", p.status)
	}
	decide.Set("passphrase", phrase)
	if p := dana.post(at+"/approve", decide); p.status != 303 {
		t.Fatal(p.status, p.text)
	}
	if p := dana.get(at); p.status != 200 || !strings.Contains(p.text, "It was approved") || strings.Contains(p.text, "/approve") {
		t.Errorf("%d %s", p.status, p.text)
	}
	if p := alice.get(at + "?to=%2Forders"); p.status != 303 || p.to != "http://shop.apps.test/orders" {
		t.Fatalf("she does not go on: %d %s", p.status, p.to)
	}
	if p := alice.get("/ask?app=shop&to=//evil.test"); p.status != 303 || p.to != "http://shop.apps.test/" {
		t.Errorf("with access: %d %s", p.status, p.to)
	}
	// Her grant's page, while it lives and after.
	var grant string
	o.access.View(func(st *access.State) {
		for _, g := range st.GrantsOf(o.who["alice"]) {
			grant = string(g.ID)
		}
	})
	if p := alice.get("/g/" + grant); p.status != 200 || !strings.Contains(p.text, "Give it back") {
		t.Errorf("%d %s", p.status, p.text)
	}
	if p := mallory.get("/g/" + grant); p.status != 404 || strings.Contains(p.text, "shop") {
		t.Errorf("Mallory sees %d %s", p.status, p.text)
	}
	if p := alice.post("/g/"+grant+"/give-back", url.Values{"csrf": {alice.csrf()}}); p.status != 303 {
		t.Error(p.status, p.text)
	}
	if p := alice.get("/g/" + grant); p.status != 200 || !strings.Contains(p.text, "Access to shop ended") || !strings.Contains(p.text, "Ask again") {
		t.Errorf("%d %s", p.status, p.text)
	}
	if p := alice.get(at); p.status != 200 || !strings.Contains(p.text, "Ask again") {
		t.Errorf("the request's page after it: %d %s", p.status, p.text)
	}
}

func TestACodeLetsInWhoAsksAndNothingMore(t *testing.T) {
	o := withApplication(t)
	alice := o.signedIn("alice")
	secret, code, _, err := o.id.Await(identity.From{Device: "a <b>box</b>", Address: "192.0.2.9:1"})
	must(t, err)
	csrf := alice.csrf()
	if p := alice.get("/device?code=" + code); strings.Contains(p.text, code) {
		t.Error("a link fills the code in")
	}
	before := o.size()
	look := alice.post("/device", url.Values{"csrf": {csrf}, "code": {" " + strings.ToLower(strings.ReplaceAll(code, "-", "")) + " "}})
	if look.status != 200 || !strings.Contains(look.text, "a &lt;b&gt;box") || !strings.Contains(look.text, "192.0.2.9") || o.size() != before {
		t.Fatal(look.status, look.text)
	}
	if _, token, _, err := o.id.Collect(secret); token != "" || err != nil {
		t.Fatalf("looking lets it in: %v", err)
	}
	if p := alice.post("/device", url.Values{"csrf": {csrf}, "code": {code}, "let": {"in"}}); p.status != 200 || !strings.Contains(p.text, "It is in") {
		t.Fatal(p.status, p.text)
	}
	if p := alice.post("/device", url.Values{"csrf": {csrf}, "code": {code}, "let": {"in"}}); p.status != 404 {
		t.Errorf("a second time: %d", p.status)
	}
	who, token, _, err := o.id.Collect(secret)
	if err != nil || who != o.who["alice"] {
		t.Fatal(who, err)
	}
	in, err := o.id.Bearer(t.Context(), token)
	if err != nil || !in.Asks {
		t.Errorf("%+v %v", in, err)
	}
	if _, _, _, err := o.id.Collect(secret); curfew.CodeOf(err) != curfew.NotSignedIn {
		t.Errorf("the token is given twice: %v", err)
	}
	limited := false
	for range 12 {
		limited = limited || alice.post("/device", url.Values{"csrf": {csrf}, "code": {"BBBB-BBBB"}}).status == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("codes may be guessed for ever")
	}
	for i := range 12 {
		if _, _, _, err = o.id.Await(identity.From{Address: "192.0.2.9:1"}); err != nil {
			break
		}
		if i == 11 {
			t.Error("one address has any number of clients wait")
		}
	}
}
