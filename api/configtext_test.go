package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/client"
)

// ask calls a route and reads the answer.
func ask[T any](o *office, as, method, path string, in any) (out T, r reply) {
	o.t.Helper()
	text := ""
	if in != nil {
		b, err := json.Marshal(in)
		must(o.t, err)
		text = string(b)
	}
	r = o.call(as, method, "/api/v1"+path, text)
	if r.status == http.StatusOK {
		must(o.t, json.Unmarshal([]byte(r.text), &out))
	}
	return out, r
}

func (o *office) config() client.Configuration {
	o.t.Helper()
	c, r := ask[client.Configuration](o, "root", "GET", "/config", nil)
	if r.status != http.StatusOK {
		o.t.Fatalf("%d %s", r.status, r.text)
	}
	return c
}

func (o *office) put(path string, in client.Files) (client.Plan, reply) {
	return ask[client.Plan](o, "root", "POST", "/config/"+path, in)
}

const comment = "# because finance asked for it"

func TestTheConfigurationIsShownAsItWasApplied(t *testing.T) {
	o := newOffice(t)
	first := o.config()
	if first.Kept || len(first.Files) != 1 || first.Base == "" {
		t.Fatalf("nobody applied a file yet: %+v", first)
	}
	if p, r := o.put("plan", client.Files{Files: first.Files, Base: first.Base}); r.status != 200 || p.Status != "empty" || len(p.Problems) > 0 {
		t.Fatalf("what is written from what holds changes it: %d %s", r.status, r.text)
	}
	text := first.Files[0].Text
	if strings.Contains(text, phrase) || !strings.Contains(text, "login: \"env:DB\"") {
		t.Error(text)
	}

	// Other comments and tests alone: the words are kept, with a passphrase and not without.
	said := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: comment + "\n" + text + "\ntests:\n  - alice can have read\n  - mallory@acme.io cannot have read\n"}}}
	if p, _ := o.put("apply", said); p.Status != "empty" || o.config().Kept {
		t.Errorf("kept without a passphrase: %+v", p)
	}
	said.Passphrase = "wrong wrong wrong"
	if _, r := o.put("apply", said); r.status == 200 || o.config().Kept {
		t.Errorf("kept with a wrong passphrase: %d", r.status)
	}
	said.Passphrase = phrase
	p, r := o.put("apply", said)
	if r.status != 200 || p.Status != "empty" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if len(p.Results) != 2 || !p.Results[0].OK || !p.Results[1].OK || len(p.Spoken) != 5 {
		t.Errorf("%+v %+v", p.Results, p.Spoken)
	}
	now := o.config()
	if !now.Kept || !strings.HasPrefix(now.Files[0].Text, comment) || now.By != "ROOT" {
		t.Errorf("%+v", now)
	}
	list, _ := ask[client.List[client.Policy]](o, "root", "GET", "/policies", nil)
	if !strings.HasPrefix(list.Items[0].Origin, "curfew.yaml:") {
		t.Errorf("a policy says where it stands: %+v", list.Items[0])
	}
	list, _ = ask[client.List[client.Policy]](o, "alice", "GET", "/policies", nil)
	if list.Items[0].Origin != "" {
		t.Errorf("Alice sees files: %+v", list.Items[0])
	}

	// What somebody else has changed since is not undone unseen.
	before, rest, _ := strings.Cut(now.Files[0].Text, "\n  writing:")
	_, after, _ := strings.Cut(rest, "\ntests:")
	less := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: before + "\ntests:" + after}}, Base: now.Base, Passphrase: phrase}
	plan, _ := o.put("plan", less)
	less.Plan = plan.ID
	if p, r := o.put("apply", less); p.Status != "applied" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	for _, path := range []string{"plan", "apply"} {
		if _, r := o.put(path, less); r.status != http.StatusConflict || !strings.Contains(r.text, "config.changed") {
			t.Errorf("%s on another base: %d %s", path, r.status, r.text)
		}
	}
	less.Base = ""
	if _, r := o.put("apply", less); r.status != http.StatusConflict {
		t.Errorf("a plan is applied twice: %d %s", r.status, r.text)
	}
	if c := o.config(); !c.Kept || c.Base == now.Base || strings.Contains(c.Files[0].Text, "writing") {
		t.Errorf("%+v", c)
	}
}

func TestWordsThatDoNotSayWhatHoldsAreNotShown(t *testing.T) {
	o := newOffice(t)
	first := o.config()
	forged := strings.Replace(first.Files[0].Text, "longest: 1h", "longest: 9h", 1)
	o.server.keepText(t.Context(), textApplied, []client.File{{Name: "curfew.yaml", Text: comment + forged}}, o.who["root"])
	if c := o.config(); c.Kept || strings.Contains(c.Files[0].Text, "9h") {
		t.Errorf("%+v", c)
	}
	for _, text := range []string{"curfew: v2", strings.Repeat("[", 100_000), "a: &a [*a]", strings.Repeat("x: ", 400_000)} {
		o.server.keepText(t.Context(), textApplied, []client.File{{Name: "x", Text: text}}, o.who["root"])
		if c := o.config(); c.Kept || len(c.Files) != 1 {
			t.Errorf("%.20s: %+v", text, c.Kept)
		}
	}
}

func TestAPlanThatWaitsKeepsItsWordsForLater(t *testing.T) {
	o := newOffice(t)
	first := o.config()
	more := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: comment + "\n" + strings.Replace(first.Files[0].Text, "longest: 1h", "longest: 2h", 1)}}, Passphrase: phrase}
	plan, r := o.put("apply", more)
	if plan.Status != "waiting" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if o.config().Kept {
		t.Error("what waits is shown as what holds")
	}
	if _, r := ask[client.Done](o, "root", "POST", "/plans/"+plan.ID+"/agree", client.Decision{Passphrase: phrase}); r.status == 200 {
		t.Error("its author agreed")
	}
	if _, r := ask[client.Done](o, "otto", "POST", "/plans/"+plan.ID+"/agree", client.Decision{Passphrase: phrase}); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if c := o.config(); !c.Kept || !strings.HasPrefix(c.Files[0].Text, comment) || c.By != "ROOT" {
		t.Errorf("%+v", c)
	}
	names, err := o.server.parts.Shelf.List(t.Context(), textKind)
	if err != nil || len(names) != 1 {
		t.Errorf("%v %v", names, err)
	}
}

// Whoever may not see whom an address stands for does not learn it from a file of their own.
func TestFilesOfStrangersAreNotReadAloud(t *testing.T) {
	o := newOffice(t)
	files := client.Files{Files: o.config().Files}
	p, r := ask[client.Plan](o, "mallory", "POST", "/config/validate", files)
	if r.status != 200 || len(p.Spoken) > 0 || strings.Contains(r.text, "OTTO") {
		t.Errorf("%d %s", r.status, r.text)
	}
	if s := o.call("mallory", "GET", "/api/v1/config/schema", ""); !strings.Contains(s.text, "may have") || !json.Valid([]byte(s.text)) {
		t.Errorf("%d %.200s", s.status, s.text)
	}
}
