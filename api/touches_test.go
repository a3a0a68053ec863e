package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/passkey/passkeytest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/session"
)

// sends calls as somebody, by their browser or by their token, and reads the answer.
func sends[T any](o *office, by, as, path string, in any) (out T, r reply) {
	o.t.Helper()
	text, err := json.Marshal(in)
	must(o.t, err)
	before := o.by
	o.by = by
	r = o.call(as, http.MethodPost, client.Base+path, string(text))
	o.by = before
	if r.status < 300 {
		must(o.t, json.Unmarshal([]byte(r.text), &out))
	}
	return out, r
}

// enrol gives somebody their first passkey, by their passphrase.
func (o *office) enrol(name string) *passkeytest.Authenticator {
	o.t.Helper()
	a := passkeytest.New(o.who[name], console)
	m, r := sends[client.PasskeyMaking](o, "browser", name, "/passkeys/make", client.PasskeyAsk{Passphrase: phrase})
	data, attestation := a.Make(m.Challenge)
	added, r2 := sends[client.PasskeyAdded](o, "browser", name, "/passkeys", client.PasskeyMade{Ticket: m.Ticket, ClientData: data, Attestation: attestation})
	if added.Passkey == nil {
		o.t.Fatalf("%s has no passkey: %s %s", name, r.text, r2.text)
	}
	return a
}

// touched has an authenticator sign what is asked for, and sends it.
func (o *office) touched(name, id string, a *passkeytest.Authenticator, lies ...func(*passkeytest.Said)) (client.Touch, reply) {
	o.t.Helper()
	c, r := sends[client.TouchChallenge](o, "browser", name, "/touches/"+id+"/challenge", struct{}{})
	if len(c.Record) == 0 {
		return client.Touch{}, r
	}
	if !bytes.Equal(c.Challenge, curfew.Challenge(c.Record)) || c.RP != "curfew.test" {
		o.t.Errorf("the challenge is not of the record, or of %q", c.RP)
	}
	t := a.Touch(c.Record, lies...)
	return sends[client.Touch](o, "browser", name, "/touches/"+id+"/touch", client.Touched{Passkey: t.Passkey, ClientData: t.ClientData, Authenticator: t.Authenticator, Signature: t.Signature})
}

func (o *office) digestOf(id curfew.RequestID) (d string) {
	o.access.View(func(st *access.State) { d = hex.EncodeToString(st.Requests[id].Digest) })
	return d
}

// verified checks the office's ledger offline, with every touch in it.
func (o *office) verified() {
	o.t.Helper()
	checks := access.Checks()
	checks.EveryHead = true
	rep, err := ledger.Verify(context.Background(), ledger.Live(o.ledger), checks)
	must(o.t, err)
	if !rep.OK {
		o.t.Errorf("the ledger does not verify: %s", rep.Problem)
	}
}

func TestATouchDecidesWhatAPassphraseNoLongerDoes(t *testing.T) {
	o := newOffice(t)
	dana := o.enrol("dana")
	path, body := "/requests/"+aliceRequest+"/approve", client.Decision{Digest: o.digestOf(aliceRequest), For: "30m"}
	withPhrase := body
	withPhrase.Passphrase = phrase
	for _, by := range []string{"browser", "token"} {
		if _, r := sends[client.Request](o, by, "dana", path, withPhrase); r.code != "passkey.needed" {
			t.Errorf("by passphrase in a %s: %d %s", by, r.status, r.text)
		}
	}
	// A command line asks; the page says what it is, and whoever sits there touches.
	w, r := sends[client.Touch](o, "token", "dana", "/touches", client.TouchAsk{Path: path, Body: body})
	if w.Status != "waiting" || !strings.HasPrefix(w.Title, "Approve: ALICE") || w.Page != console+"/touch/"+w.ID || w.By != "test" {
		t.Fatalf("%+v %s", w, r.text)
	}
	if all := strings.Join(w.Lines, "\n"); !strings.Contains(all, "to mend it") || strings.ContainsAny(all, "\x1b\u202e") {
		t.Errorf("what is shown: %q", all)
	}
	for _, route := range []string{"/challenge", "/touch"} {
		if _, r := sends[client.Touch](o, "token", "dana", "/touches/"+w.ID+route, client.Touched{Passkey: []byte{1}, ClientData: []byte{1}, Authenticator: []byte{1}, Signature: []byte{1}}); r.code != "touch.browser" {
			t.Errorf("%s by a token: %d %s", route, r.status, r.text)
		}
	}
	for _, other := range []string{"alice", "mallory", "root"} { // it is nobody else's, not even an administrator's
		for _, route := range []string{"/challenge", "/drop"} {
			if _, r := sends[client.Touch](o, "browser", other, "/touches/"+w.ID+route, struct{}{}); r.status != http.StatusNotFound {
				t.Errorf("%s of Dana's by %s: %d %s", route, other, r.status, r.text)
			}
		}
	}
	if _, r := o.touched("dana", w.ID, passkeytest.New(o.who["dana"], console)); !strings.HasPrefix(r.code, "passkey.") {
		t.Errorf("an unknown authenticator: %d %s", r.status, r.text)
	}
	if _, r := o.touched("dana", w.ID, dana, func(s *passkeytest.Said) { s.Origin = "http://evil.test" }); r.code != "passkey.wrong" {
		t.Errorf("on another page: %d %s", r.status, r.text)
	}
	done, r := o.touched("dana", w.ID, dana) // what was wrong left it waiting
	if done.Status != "done" || !strings.Contains(r.text, `"passkey":true`) && !strings.Contains(r.text, `"status":"approved"`) {
		t.Fatalf("touched: %d %s", r.status, r.text)
	}
	if _, r := o.touched("dana", w.ID, dana); r.code != "touch.over" {
		t.Errorf("twice: %d %s", r.status, r.text)
	}
	if r := o.call("dana", "GET", client.Base+"/touches/"+w.ID, ""); !strings.Contains(r.text, `"done"`) {
		t.Errorf("the command line learns: %s", r.text)
	}
	if r := o.call("dana", "GET", client.Base+"/requests/"+aliceRequest, ""); !strings.Contains(r.text, `"passkey":true`) || !strings.Contains(r.text, `"for":"30m0s"`) {
		t.Errorf("the request does not say that it was by passkey: %s", r.text)
	}
	o.verified()
}

func TestOneTouchDecidesOnce(t *testing.T) {
	o := newOffice(t)
	dana := o.enrol("dana")
	w, _ := sends[client.Touch](o, "browser", "dana", "/touches", client.TouchAsk{Path: "/requests/" + aliceRequest + "/approve", Body: client.Decision{Digest: o.digestOf(aliceRequest)}})
	c, _ := sends[client.TouchChallenge](o, "browser", "dana", "/touches/"+w.ID+"/challenge", struct{}{})
	said := dana.Touch(c.Record)
	text, err := json.Marshal(client.Touched{Passkey: said.Passkey, ClientData: said.ClientData, Authenticator: said.Authenticator, Signature: said.Signature})
	must(t, err)
	o.by = "browser"
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 8 {
		wg.Go(func() {
			r := o.call("dana", "POST", client.Base+"/touches/"+w.ID+"/touch", string(text))
			mu.Lock()
			defer mu.Unlock()
			if r.status == http.StatusOK {
				done++
			}
		})
	}
	wg.Wait()
	if done != 1 {
		t.Errorf("one touch decided %d times", done)
	}
	// Nor does what was signed for one decision make another.
	w, _ = sends[client.Touch](o, "browser", "dana", "/touches", client.TouchAsk{Path: "/people/invite", Body: client.Invite{Email: "x@acme.io"}})
	if w.ID != "" {
		t.Errorf("Dana, who is no administrator, may be asked to invite: %+v", w)
	}
	o.verified()
}

func TestWhatWasTouchedForIsWhatIsDone(t *testing.T) {
	o := newOffice(t)
	root := o.enrol("root")
	// The touch is for one invitation; the challenge of another one is not good for it.
	one, _ := sends[client.Touch](o, "browser", "root", "/touches", client.TouchAsk{Path: "/people/invite", Body: client.Invite{Email: "one@acme.io"}})
	two, _ := sends[client.Touch](o, "browser", "root", "/touches", client.TouchAsk{Path: "/people/invite", Body: client.Invite{Email: "two@acme.io"}})
	c, _ := sends[client.TouchChallenge](o, "browser", "root", "/touches/"+one.ID+"/challenge", struct{}{})
	_, _ = sends[client.TouchChallenge](o, "browser", "root", "/touches/"+two.ID+"/challenge", struct{}{})
	said := root.Touch(c.Record)
	in := client.Touched{Passkey: said.Passkey, ClientData: said.ClientData, Authenticator: said.Authenticator, Signature: said.Signature}
	if _, r := sends[client.Touch](o, "browser", "root", "/touches/"+two.ID+"/touch", in); !strings.HasPrefix(r.code, "passkey.") {
		t.Errorf("the touch of another act: %d %s", r.status, r.text)
	}
	if _, known := o.id.ByEmail("two@acme.io"); known {
		t.Error("somebody was invited by the touch for somebody else")
	}
	done, r := o.touched("root", two.ID, root)
	if done.Status != "done" || !strings.Contains(r.text, "cfl.") {
		t.Errorf("touched: %d %s", r.status, r.text)
	}
	// The configuration changes between: what was shown is not what would be applied.
	files := client.Files{Files: []client.File{{Name: "x", Text: "curfew: v1\n"}}}
	plan, r := sends[client.Plan](o, "token", "root", "/config/plan", files)
	if plan.ID == "" {
		t.Fatalf("no plan: %s", r.text)
	}
	files.Plan = plan.ID
	w, r := sends[client.Touch](o, "token", "root", "/touches", client.TouchAsk{Path: "/config/apply", Body: files})
	if w.Status != "waiting" || len(w.Lines) == 0 {
		t.Fatalf("%s", r.text)
	}
	var cfg curfew.Config
	o.access.View(func(st *access.State) { cfg = access.CopyConfig(st.Config) })
	delete(cfg.Policies, "writing")
	_, err := o.access.Do(t.Context(), access.Propose{Change: o.access.Plan(cfg), Author: o.who["otto"]})
	must(t, err)
	if _, r := o.touched("root", w.ID, root); r.code != "plan.changed" {
		t.Errorf("a plan that changed: %d %s", r.status, r.text)
	}
	if r := o.call("root", "GET", client.Base+"/touches/"+w.ID, ""); !strings.Contains(r.text, `"failed"`) || !strings.Contains(r.text, "plan.changed") {
		t.Errorf("whoever asked learns nothing: %s", r.text)
	}
}

func TestPasskeysAreMadeAndRemovedByTheirOwner(t *testing.T) {
	o := newOffice(t)
	first := o.enrol("alice")
	second := passkeytest.NewEdDSA(o.who["alice"], console)
	m, _ := sends[client.PasskeyMaking](o, "browser", "alice", "/passkeys/make", client.PasskeyAsk{Passphrase: phrase})
	data, attestation := second.Make(m.Challenge)
	added, r := sends[client.PasskeyAdded](o, "browser", "alice", "/passkeys", client.PasskeyMade{Ticket: m.Ticket, ClientData: data, Attestation: attestation})
	if added.Passkey != nil || added.Touch == nil {
		t.Fatalf("a second one without a touch: %s", r.text)
	}
	if _, r := o.touched("alice", added.Touch.ID, second); !strings.HasPrefix(r.code, "passkey.") {
		t.Errorf("by itself: %d %s", r.status, r.text)
	}
	if w, r := o.touched("alice", added.Touch.ID, first); w.Status != "done" {
		t.Errorf("by the first: %d %s", r.status, r.text)
	}
	list := o.call("alice", "GET", client.Base+"/passkeys", "")
	if strings.Count(list.text, `"origin":"`+console+`"`) != 2 {
		t.Errorf("the list: %s", list.text)
	}
	path := "/passkeys/" + base64.RawURLEncoding.EncodeToString(first.Passkey.ID) + "/remove"
	if _, r := sends[client.Done](o, "browser", "alice", path, struct{}{}); r.code != "passkey.needed" {
		t.Errorf("removed without a touch: %d %s", r.status, r.text)
	}
	o.enrol("mallory")
	if _, r := sends[client.Touch](o, "browser", "mallory", "/touches", client.TouchAsk{Path: path}); r.status != http.StatusNotFound {
		t.Errorf("somebody else's: %d %s", r.status, r.text)
	}
	w, r := sends[client.Touch](o, "browser", "alice", "/touches", client.TouchAsk{Path: path})
	if w.Status != "waiting" {
		t.Fatalf("%s", r.text)
	}
	if w, r = o.touched("alice", w.ID, second); w.Status != "done" {
		t.Errorf("by the second: %d %s", r.status, r.text)
	}
	if list := o.call("alice", "GET", client.Base+"/passkeys", ""); strings.Count(list.text, `"id"`) != 1 {
		t.Errorf("the list: %s", list.text)
	}
	o.verified()
}

// Every change that takes a passphrase takes a touch instead, and by the touch it is made.
func TestEveryDecisionTakesATouch(t *testing.T) {
	o := newOffice(t)
	keys := map[string]*passkeytest.Authenticator{"dana": o.enrol("dana"), "root": o.enrol("root"), "otto": o.enrol("otto")}
	statement := ""
	o.access.View(func(st *access.State) {
		if h := st.Held[aliceStatement]; h != nil {
			statement = hex.EncodeToString(h.Digest)
		}
	})
	for path, c := range map[string]struct {
		who  string
		body any
		want string // in the answer, or its fault: access decides
	}{
		"/requests/" + aliceRequest + "/deny":        {"dana", client.Decision{Why: "not now"}, `"denied"`},
		"/statements/" + aliceStatement + "/release": {"dana", client.Decision{Digest: statement}, `"position"`},
		"/plans/" + o.plan() + "/agree":              {"otto", client.Decision{}, `"position"`},
		"/people/invite":                             {"root", client.Invite{Email: "new@acme.io"}, "cfl."},
		"/clock/confirm":                             {"root", client.Decision{}, `"position"`},
		"/restore/confirm":                           {"root", client.Decision{}, `"position"`},
		"/sessions/" + aliceSession + "/hold":        {"root", client.Holding{Reason: "a case"}, `"position"`},
	} {
		w, r := sends[client.Touch](o, "token", c.who, "/touches", client.TouchAsk{Path: path, Body: c.body})
		if w.Status != "waiting" || w.Title == "" {
			t.Errorf("%s: %d %s", path, r.status, r.text)
			continue
		}
		_, r = o.touched(c.who, w.ID, keys[c.who])
		refused := path == "/restore/confirm" // there is nothing to confirm; access says so
		if refused && r.status != http.StatusConflict || !refused && !strings.Contains(r.text, c.want) {
			t.Errorf("%s touched for: %d %s", path, r.status, r.text)
		}
	}
	o.verified()
}

func TestWhatWaitsForATouchIsBounded(t *testing.T) {
	o := newOffice(t)
	o.enrol("root")
	in := client.TouchAsk{Path: "/people/invite", Body: client.Invite{Email: "x@acme.io"}}
	for range touchesEach {
		if w, r := sends[client.Touch](o, "token", "root", "/touches", in); w.ID == "" {
			t.Fatalf("%s", r.text)
		}
	}
	w, r := sends[client.Touch](o, "token", "root", "/touches", in)
	if w.ID != "" || r.code != "touch.many" {
		t.Errorf("one more: %d %s", r.status, r.text)
	}
	for range touchesEach { // whoever sits before a page goes first
		if w, r := sends[client.Touch](o, "browser", "root", "/touches", in); w.ID == "" {
			t.Fatalf("%s", r.text)
		}
	}
	if _, r := sends[client.Touch](o, "browser", "root", "/touches", in); r.code != "touch.many" {
		t.Errorf("one more of a page: %d %s", r.status, r.text)
	}
	first := ""
	for id := range o.server.touches.byID {
		first = id
	}
	if _, r := sends[client.Touch](o, "browser", "root", "/touches/"+first+"/drop", struct{}{}); r.status != http.StatusOK {
		t.Errorf("dropped: %s", r.text)
	}
	if w, r := sends[client.Touch](o, "token", "root", "/touches", in); w.ID == "" { // what is over makes room
		t.Errorf("after one was dropped: %s", r.text)
	}
	for _, path := range []string{"", "/", "/me", "/requests/{id}/approve", "/requests//approve", "/requests/x/y/approve", "/people/invite/", strings.Repeat("/x", 90)} {
		if w, r := sends[client.Touch](o, "token", "root", "/touches", client.TouchAsk{Path: path, Body: client.Decision{}}); w.ID != "" || r.status < 400 || r.status >= 500 {
			t.Errorf("%q: %d %s", path, r.status, r.text)
		}
	}
	for _, body := range []any{1, "x", []int{1}, map[string]any{"email": 1}, map[string]any{"email": "a@b.c", "name": strings.Repeat("x", 500)}, map[string]any{"email": "a@b.c", "admin": true}} {
		if _, r := sends[client.Touch](o, "token", "root", "/touches", client.TouchAsk{Path: "/people/invite", Body: body}); r.status != http.StatusBadRequest {
			t.Errorf("%v: %d %s", body, r.status, r.text)
		}
	}
}

func TestWhoHasNoPasskeyIsTold(t *testing.T) {
	o := newOffice(t)
	_, r := sends[client.Touch](o, "browser", "dana", "/touches", client.TouchAsk{Path: "/requests/" + aliceRequest + "/approve", Body: client.Decision{}})
	if r.code != "passkey.none" {
		t.Errorf("%d %s", r.status, r.text)
	}
	if me := o.call("dana", "GET", client.Base+"/me", ""); strings.Contains(me.text, `"passkey"`) {
		t.Errorf("me: %s", me.text)
	}
	o.enrol("dana")
	if me := o.call("dana", "GET", client.Base+"/me", ""); !strings.Contains(me.text, `"passkey":true`) {
		t.Errorf("me: %s", me.text)
	}
}

// Whatever takes a passphrase takes a touch: who has a passkey is shut out of nothing.
func TestWhateverTakesAPassphraseTakesATouch(t *testing.T) {
	o := newOffice(t)
	spec := o.server.api.OpenAPI()
	found := 0
	for path, item := range spec.Paths {
		path = strings.TrimPrefix(path, client.Base)
		if item.Post == nil || item.Post.RequestBody == nil || slices.Contains([]string{"/sign-in", "/passkeys/make", "/config/plan", "/config/validate"}, path) {
			continue
		}
		schema := item.Post.RequestBody.Content["application/json"].Schema
		if schema.Ref != "" {
			schema = spec.Components.Schemas.SchemaFromRef(schema.Ref)
		}
		if schema.Properties["passphrase"] == nil {
			continue
		}
		found++
		if _, ok := o.server.acts[path]; !ok {
			t.Errorf("%s takes a passphrase and no touch", path)
		}
	}
	if found < 10 {
		t.Errorf("only %d routes take a passphrase", found)
	}
}

// Without the plan that was shown, a change of somebody else's between the showing and
// the touch would be undone unseen.
func TestAConfigurationIsTouchedForByItsPlan(t *testing.T) {
	o := newOffice(t)
	o.enrol("root")
	files := client.Files{Files: []client.File{{Name: "x", Text: "curfew: v1\n"}}}
	w, r := sends[client.Touch](o, "token", "root", "/touches", client.TouchAsk{Path: "/config/apply", Body: files})
	if w.ID != "" || r.code != "plan.changed" {
		t.Errorf("files without their plan wait for a touch: %d %s", r.status, r.text)
	}
}

// What is read aloud of a statement is all of it, line by line, with what hides shown.
func TestAStatementIsShownWholeBeforeItIsTouchedFor(t *testing.T) {
	o := newOffice(t)
	o.enrol("dana")
	shown := session.Held{}
	o.server.parts.Held = func(id curfew.StatementID) (session.Held, bool) {
		return shown, shown.Statement == id
	}
	ask := func() (client.Touch, reply) {
		return sends[client.Touch](o, "token", "dana", "/touches", client.TouchAsk{Path: "/statements/" + aliceStatement + "/release", Body: client.Decision{Digest: "00"}})
	}
	shown = session.Held{
		Statement: aliceStatement, Open: true, Text: "SELECT 1 -- as agreed\nDROP TABLE o\u061crders",
		Values: []record.Value{{Text: "a\u202eb"}, {Null: true}, {Text: "00ff", Binary: true}, {Text: "x'"}},
	}
	w, r := ask()
	want := []string{"│ SELECT 1 -- as agreed", `│ DROP TABLE o\u061crders`, `$1 = 'a\u202eb'`, "$2 = null", "$3 = (binary) 00ff", "$4 = 'x''", "Its transaction is open."}
	if !slices.Equal(w.Lines, want) {
		t.Errorf("%q %s", w.Lines, r.text)
	}
	shown = session.Held{Statement: aliceStatement, Masked: true}
	if w, r = ask(); !slices.Equal(w.Lines, []string{"It sets a secret, which is shown to nobody."}) {
		t.Errorf("%q %s", w.Lines, r.text)
	}
	shown = session.Held{}
	if w, r = ask(); w.ID != "" || r.status != http.StatusConflict {
		t.Errorf("what nobody is shown waits for a touch: %+v %s", w, r.text)
	}
}

// A page that is closed in the middle leaves nothing half known: what was touched for is
// done, and whoever asked learns it.
func TestAPageThatIsClosedDoesNotTakeATouchBack(t *testing.T) {
	o := newOffice(t)
	dana := o.enrol("dana")
	w, _ := sends[client.Touch](o, "token", "dana", "/touches", client.TouchAsk{Path: "/requests/" + aliceRequest + "/approve", Body: client.Decision{Digest: o.digestOf(aliceRequest)}})
	c, _ := sends[client.TouchChallenge](o, "browser", "dana", "/touches/"+w.ID+"/challenge", struct{}{})
	said := dana.Touch(c.Record)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := &struct {
		IDIn
		Body client.Touched
	}{IDIn{w.ID}, client.Touched{Passkey: said.Passkey, ClientData: said.ClientData, Authenticator: said.Authenticator, Signature: said.Signature}}
	if _, err := o.server.touch(ctx, caller{who: o.who["dana"], browser: true}, in); err != nil {
		t.Errorf("touched: %v", err)
	}
	approved := true
	o.access.View(func(st *access.State) {
		approved = st.Requests[aliceRequest] == nil || len(st.Requests[aliceRequest].Votes) > 0
	})
	if r := o.call("dana", "GET", client.Base+"/touches/"+w.ID, ""); !approved || !strings.Contains(r.text, `"done"`) {
		t.Errorf("approved %v, and whoever asked learns %s", approved, r.text)
	}
}

// Whoever has a passkey keeps other words for the same, as others do by passphrase.
func TestOtherWordsAreKeptByATouch(t *testing.T) {
	o := newOffice(t)
	root := o.enrol("root")
	files := client.Files{Files: []client.File{{Name: "x", Text: o.server.text(t.Context()).Files[0].Text + "\n# as agreed on Tuesday\n"}}}
	plan, r := sends[client.Plan](o, "token", "root", "/config/plan", files)
	if plan.Status != "empty" {
		t.Fatalf("%s", r.text)
	}
	files.Plan = plan.ID
	w, r := sends[client.Touch](o, "token", "root", "/touches", client.TouchAsk{Path: "/config/apply", Body: files})
	if w, r = o.touched("root", w.ID, root); w.Status != "done" {
		t.Fatalf("%s", r.text)
	}
	if kept := o.server.text(t.Context()); !strings.Contains(kept.Files[0].Text, "on Tuesday") {
		t.Errorf("they are not kept: %s", kept.Files[0].Text)
	}
}
