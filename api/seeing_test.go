package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/evidence"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/record"
)

// said gives somebody a session under a grant of their own, in which the statements
// were said; it is over unless its recording is left open.
func (o *office) said(who string, open bool, statements ...string) (curfew.SessionID, record.Writer) {
	o.t.Helper()
	ctx := context.Background()
	for _, g := range o.live(who, "read") {
		if g != aliceGrant {
			_, err := o.access.Do(ctx, access.Return{Grant: g, By: o.who[who]})
			must(o.t, err)
		}
	}
	o.grants++
	g, id := curfew.GrantID(curfew.NewID("gr")), curfew.SessionID(curfew.NewID("s"))
	if live := o.live(who, "read"); len(live) > 0 {
		g = live[0]
	} else {
		sealed, err := o.id.Seal(ctx, o.who[who], "again")
		must(o.t, err)
		_, err = o.access.Do(ctx, access.Ask{Request: curfew.RequestID(curfew.NewID("rq")), Grant: g, Sealed: sealed,
			Question: access.Question{Principal: o.who[who], Role: "read", Duration: time.Hour, Reason: "again"}})
		must(o.t, err)
		_, err = o.access.Do(ctx, access.Start{Grant: g})
		must(o.t, err)
	}
	_, err := o.access.OpenSession(ctx, access.OpenSession{Session: id,
		Credential: access.Credential{ID: curfew.CredentialID(fmt.Sprint("c_said", o.grants)), Principal: o.who[who], Grant: g, Until: time.Now().Add(time.Minute)}})
	must(o.t, err)
	w, err := o.record.Create(record.Header{Session: id, Grant: g, Principal: o.who[who], Resource: "db", Mode: curfew.RecordFirst})
	must(o.t, err)
	for i, text := range statements {
		must(o.t, w.Write(record.Item{Kind: record.Statement, Ref: uint64(i + 1), Text: text}))
	}
	if !open {
		must(o.t, w.Close(record.Item{Kind: record.Closed}))
		_, err = o.access.Do(ctx, access.EndSession{SessionEnded: curfew.SessionEnded{Session: id, Cause: curfew.CauseClosed}})
		must(o.t, err)
	}
	history.Reach(ctx, o.server.parts.History, o.size(), 10*time.Second)
	return id, w
}

func (o *office) search(as, words, more string) (client.Hits, reply) {
	o.t.Helper()
	r := o.call(as, "GET", fmt.Sprint("/api/v1/sessions/search?words=", url.QueryEscape(words), "&position=", o.size(), more), "")
	var h client.Hits
	if r.status == http.StatusOK {
		must(o.t, json.Unmarshal([]byte(r.text), &h))
	}
	return h, r
}

// events are the newest events of a kind.
func (o *office) events(kind curfew.Kind) (out []curfew.Event) {
	o.t.Helper()
	all, err := o.access.Ledger().Read(context.Background(), 1, 1<<20)
	must(o.t, err)
	for _, e := range all {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func searches(t *testing.T, o *office) {
	t.Helper()
	whole, _ := o.said("alice", false, "SELECT * FROM invoices WHERE iban = 'DE89canary' AND n = 4711", "UPDATE invoices SET paid = true")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) { // its list is made once it is whole
		if _, err := o.record.Words(whole); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		as, words string
		found     int
	}{
		{"alice", "invoices", 2}, {"alice", "DE89canary", 1}, {"alice", "de89* invoices", 1}, {"alice", "4711 invoices", 1}, {"alice", "invoices nothing", 0},
		{"alice", "de89canary paid", 0}, // not in one item
		{"dana", "invoices", 0}, {"mallory", "invoices", 0},
		// Auditors and administrators may see shapes: no value is found, nor counted.
		{"tom", "invoices", 2}, {"tom", "DE89canary", 0}, {"tom", "de89*", 0}, {"tom", "4711", 0}, {"tom", "invoices 4711", 0}, {"tom", "paid", 1},
		{"root", "DE89canary", 0}, {"otto", "iban", 1},
	} {
		h, r := o.search(c.as, c.words, "")
		n := 0
		for _, hit := range h.Items {
			n += len(hit.Items)
			if hit.Session.ID != string(whole) || hit.Fault != "" || hit.Partial || hit.More {
				t.Errorf("%s for %q: %+v", c.as, c.words, hit)
			}
		}
		if r.status != 200 || n != c.found || c.as != "alice" && strings.Contains(r.text, "canary") {
			t.Errorf("%s for %q: %d found, want %d: %s", c.as, c.words, n, c.found, r.text)
		}
	}
	// What differs for who may see shapes is not told by how much was looked at either.
	there, _ := o.search("tom", "DE89canary", "")
	absent, _ := o.search("tom", "DE89absent", "")
	if there.Looked != absent.Looked || there.Next != absent.Next || len(there.Items) != len(absent.Items) {
		t.Errorf("a value shows by counts: %+v, %+v", there, absent)
	}
	for query, want := range map[string]int{"&person=alice": 1, "&person=me": 0, "&person=dana": 0, "&resource=db": 1, "&resource=other": 0,
		"&since=2001-01-01T00:00:00Z": 1, "&until=2001-01-01T00:00:00Z": 0, "&since=2999-01-01T00:00:00Z": 0} {
		if h, r := o.search("tom", "invoices", query); len(h.Items) != want {
			t.Errorf("%s: %d %s", query, len(h.Items), r.text)
		}
	}
	for query, want := range map[string]string{"words=": "missing", "words=%2A": "no word", "words=a%2A": "too short", "words=x&person=nobody": "there is nobody", "": "words",
		"words=x&limit=1000": "limit", "words=" + strings.Repeat("w+", 500) + "x": "length"} {
		r := o.call("tom", "GET", "/api/v1/sessions/search?"+query, "")
		if r.status < 400 || r.status >= 500 || !strings.Contains(r.text, want) {
			t.Errorf("%s: %d %s", query, r.status, r.text)
		}
	}
}

func searchIsWritten(t *testing.T, o *office) {
	t.Helper()
	id, _ := o.said("alice", false, "SELECT secretword FROM written")
	before := len(o.events(curfew.KindRecordingsSearched))
	h, _ := o.search("tom", "secretword written", "&person=alice&resource=db")
	after := o.events(curfew.KindRecordingsSearched)
	if len(h.Items) != 1 || len(after) != before+1 {
		t.Fatalf("%d found, %d events", len(h.Items), len(after)-before)
	}
	var b curfew.RecordingsSearched
	must(t, json.Unmarshal(after[before].Body, &b))
	if b.By != o.who["tom"] || b.Words != 2 || b.Person != o.who["alice"] || b.Resource != "db" || b.Looked < 1 || !slices.Equal(b.Shown, []curfew.SessionID{id}) {
		t.Errorf("%+v", b)
	}
	if strings.Contains(string(after[before].Body), "secretword") {
		t.Errorf("the words are in the ledger: %s", after[before].Body)
	}
	if r := o.call("root", "GET", fmt.Sprint("/api/v1/sessions/", id, "?position=", o.size()), ""); !strings.Contains(r.text, `"viewed":["TOM"]`) {
		t.Errorf("what was shown counts as seen: %s", r.text)
	}
	if _, r := o.search("mallory", "secretword", ""); r.status != 200 || len(o.events(curfew.KindRecordingsSearched)) != before+2 {
		t.Error("a search that finds nothing is an event too")
	}
}

func searchGoesOn(t *testing.T, o *office) {
	t.Helper()
	for i := range 5 {
		o.said("alice", false, fmt.Sprintf("SELECT manyfold, %d", i))
	}
	seen, more, pages := map[string]bool{}, "", 0
	for {
		h, r := o.search("tom", "manyfold", "&limit=2"+more)
		for _, hit := range h.Items {
			if seen[hit.Session.ID] {
				t.Errorf("%s comes twice", hit.Session.ID)
			}
			seen[hit.Session.ID] = true
		}
		if pages++; h.Next == "" || pages > 10 {
			break
		}
		if len(h.Items) > 2 {
			t.Errorf("%d at once: %s", len(h.Items), r.text)
		}
		more = "&before=" + h.Next
	}
	if len(seen) != 5 || pages < 3 || pages > 10 {
		t.Errorf("%d in %d pages", len(seen), pages)
	}
}

func searchLive(t *testing.T, o *office) {
	t.Helper()
	id, w := o.said("alice", true, "SELECT justnow FROM orders WHERE x = 'livecanary'")
	if h, _ := o.search("alice", "justnow livecanary", ""); len(h.Items) != 1 || h.Items[0].Session.ID != string(id) || !h.Items[0].Session.Live {
		t.Errorf("%+v", h)
	}
	if h, _ := o.search("tom", "justnow", ""); len(h.Items) != 1 {
		t.Errorf("%+v", h)
	}
	if h, _ := o.search("tom", "livecanary", ""); len(h.Items) != 0 {
		t.Errorf("%+v", h)
	}
	must(t, w.Close(record.Item{Kind: record.Closed}))
	_, err := o.access.Do(context.Background(), access.EndSession{SessionEnded: curfew.SessionEnded{Session: id, Cause: curfew.CauseClosed}})
	must(t, err)
}

func searchHuge(t *testing.T, o *office) {
	t.Helper()
	o.said("alice", false, "SELECT hugeitem, "+strings.Repeat("é, ", 2<<20)+"1")
	h, r := o.search("alice", "hugeitem", "")
	if len(h.Items) != 1 || len(h.Items[0].Items) != 1 || !h.Items[0].Items[0].Cut || len(r.text) > 10_000 {
		t.Errorf("%d bytes, %.200s", len(r.text), r.text)
	}
}

func (o *office) export(as string, id curfew.SessionID) (reply, evidence.Report) {
	o.t.Helper()
	r := o.call(as, "GET", fmt.Sprint("/api/v1/sessions/", id, "/export"), "")
	if r.status != http.StatusOK {
		return r, evidence.Report{}
	}
	rep, err := evidence.Verify(strings.NewReader(r.text), evidence.Checks{Genesis: o.signer.Public(), Session: id})
	must(o.t, err)
	return r, rep
}

func exports(t *testing.T, o *office) {
	t.Helper()
	id, _ := o.said("alice", false, "SELECT 'exportcanary' FROM orders")
	before := len(o.events(curfew.KindRecordingExported))
	r, rep := o.export("alice", id)
	if !rep.OK || rep.Shapes || rep.Items != 2 || rep.By != o.who["alice"] || rep.Role != "read" || rep.Ended.IsZero() || !strings.Contains(r.text, "exportcanary") {
		t.Errorf("%+v", rep)
	}
	for _, who := range []string{"tom", "root"} {
		r, rep := o.export(who, id)
		if !rep.OK || !rep.Shapes || rep.Items != 2 || rep.By != o.who[who] || strings.Contains(r.text, "canary") || strings.Contains(r.text, "curfew-secret") || !strings.Contains(r.text, "SELECT ? FROM orders") {
			t.Errorf("%s: %+v\n%s", who, rep, r.text)
		}
	}
	if got := len(o.events(curfew.KindRecordingExported)); got != before+3 {
		t.Errorf("%d events of three exports", got-before)
	}
	for _, who := range []string{"mallory", "dana"} {
		if r, _ := o.export(who, id); r.status != http.StatusNotFound {
			t.Errorf("%s: %d", who, r.status)
		}
	}
	live, w := o.said("alice", true, "SELECT 1")
	if _, rep := o.export("alice", live); !rep.OK || rep.Closed || rep.Items != 1 || !rep.Ended.IsZero() {
		t.Errorf("a session that is open: %+v", rep)
	}
	must(t, w.Close(record.Item{Kind: record.Closed}))
	_, err := o.access.Do(context.Background(), access.EndSession{SessionEnded: curfew.SessionEnded{Session: live, Cause: curfew.CauseClosed}})
	must(t, err)
}

// damaged changes a recording's file: everything says so, nothing else fails.
func damaged(t *testing.T, o *office) {
	t.Helper()
	id, _ := o.said("alice", false, "SELECT damagedone")
	path := filepath.Join(o.folder, string(id)+".rec")
	var b []byte
	for end := time.Now().Add(10 * time.Second); b == nil && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := o.record.Words(id); err == nil {
			b, _ = os.ReadFile(path)
		}
	}
	must(t, os.WriteFile(path, append(bytes.Clone(b[:len(b)-4]), 0, 0, 0, 0), 0o600))
	h, r := o.search("alice", "damagedone", "")
	if len(h.Items) != 1 || h.Items[0].Fault == "" {
		t.Errorf("%s", r.text)
	}
	if r, _ := o.export("alice", id); r.status == http.StatusOK || !strings.Contains(r.text, "is not what was written") {
		t.Errorf("%d %s", r.status, r.text)
	}
	must(t, os.WriteFile(path, b[:len(b)-4], 0o600)) // cut short: what is left is whole, and less than was said
	if h, r := o.search("alice", "damagedone", ""); len(h.Items) != 0 {
		t.Errorf("%s", r.text)
	}
	must(t, os.Remove(path))
	if r := o.call("alice", "GET", fmt.Sprint("/api/v1/sessions/", id, "/transcript"), ""); r.status != http.StatusNotFound {
		t.Errorf("%d %s", r.status, r.text)
	}
}

func TestHoldsThroughTheAPI(t *testing.T) {
	o := newOffice(t)
	path := "/api/v1/sessions/" + aliceSession
	act := func(as, what, body string) reply { return o.call(as, "POST", path+"/"+what, body) }
	with := func(extra string) string { return `{"reason":"inquiry 7",` + extra + `"passphrase":"` + phrase + `"}` }
	if r := act("tom", "hold", `{"reason":"x"}`); r.code != string(curfew.NeedsSignIn) {
		t.Errorf("with a token alone: %d %s", r.status, r.text)
	}
	if r := act("tom", "hold", `{"reason":" ","passphrase":"`+phrase+`"}`); r.status != http.StatusBadRequest || !strings.Contains(r.text, "say why") {
		t.Errorf("without a reason: %d %s", r.status, r.text)
	}
	if r := act("tom", "hold", with("")); r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if r := act("tom", "hold", with("")); r.status != http.StatusConflict || r.code != "recording.held" {
		t.Errorf("twice: %d %s", r.status, r.text)
	}
	shown := func(as string) string {
		return o.call(as, "GET", fmt.Sprint(path, "?position=", o.size()), "").text
	}
	if text := shown("root"); !strings.Contains(text, `"by":"TOM"`) || !strings.Contains(text, "inquiry 7") {
		t.Errorf("an administrator does not see the hold: %s", text)
	}
	if text := shown("alice"); strings.Contains(text, "TOM") || strings.Contains(text, "inquiry") {
		t.Errorf("whose it is sees the hold: %s", text)
	}
	if r := act("tom", "release", with("")); r.status != http.StatusForbidden || r.code != "recording.second" {
		t.Errorf("by who holds it: %d %s", r.status, r.text)
	}
	if r := act("root", "release", with(`"of":"nobody",`)); r.status != http.StatusNotFound {
		t.Errorf("of nobody: %d %s", r.status, r.text)
	}
	if r := act("root", "release", with(`"of":"tom@acme.io",`)); r.status != http.StatusOK {
		t.Errorf("by another: %d %s", r.status, r.text)
	}
	if text := shown("root"); strings.Contains(text, "inquiry 7") {
		t.Errorf("it is still held: %s", text)
	}
	if r := o.call("root", "POST", "/api/v1/sessions/s_9999999999999999/hold", with("")); r.status != http.StatusNotFound {
		t.Errorf("no such session: %d %s", r.status, r.text)
	}
	for _, e := range o.events(curfew.KindRecordingHeld) {
		if strings.Contains(string(e.Body), "inquiry") {
			t.Errorf("the reason is in the ledger in clear: %s", e.Body)
		}
	}
}

// opening is what the ledger says of a session's beginning and end.
func (o *office) opening(id curfew.SessionID) (c access.RemoveRecording) {
	for _, e := range o.events(curfew.KindSessionOpened) {
		var b curfew.SessionOpened
		must(o.t, json.Unmarshal(e.Body, &b))
		if b.Session == id {
			c.Session, c.Grant, c.Opened = id, b.Grant, e.Time
		}
	}
	for _, e := range o.events(curfew.KindSessionEnded) {
		var b curfew.SessionEnded
		must(o.t, json.Unmarshal(e.Body, &b))
		if b.Session == id {
			c.Ended = e.Time
		}
	}
	return c
}

func TestARemovedRecordingSaysSoEverywhere(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	var c curfew.Config
	o.access.View(func(st *access.State) { c = access.CopyConfig(st.Config) })
	c.Retention.Recordings = 1
	change := o.access.Plan(c)
	_, err := o.access.Do(ctx, access.Propose{Change: change, Author: o.who["root"]})
	must(t, err)
	_, err = o.access.Do(ctx, access.Agree{Plan: change.Plan, By: o.who["otto"]})
	must(t, err)
	id, _ := o.said("dana", false, "SELECT goodbye FROM orders")
	if h, _ := o.search("tom", "goodbye", ""); len(h.Items) != 1 || h.Removed != 0 {
		t.Fatal("it is not there")
	}
	for _, g := range o.live("dana", "read") {
		_, err := o.access.Do(ctx, access.Return{Grant: g, By: o.who["dana"]})
		must(t, err)
	}
	_, err = o.access.Do(ctx, o.opening(id))
	must(t, err)
	history.Reach(ctx, o.server.parts.History, o.size(), 10*time.Second)
	// Whether the file is still there or gone already makes no difference.
	for _, gone := range []bool{false, true} {
		if gone {
			for err = o.record.Remove(id); curfew.CodeOf(err) == curfew.Conflict; err = o.record.Remove(id) {
				time.Sleep(5 * time.Millisecond) // its file is being put away
			}
			must(t, err)
		}
		for _, what := range []string{"GET transcript", "GET watch", "GET export", "POST hold", "POST release"} {
			method, name, _ := strings.Cut(what, " ")
			body := ""
			if method == "POST" {
				body = `{"reason":"x","passphrase":"` + phrase + `"}`
			}
			r := o.call("tom", method, fmt.Sprint("/api/v1/sessions/", id, "/", name), body)
			if r.status != http.StatusNotFound || r.code != "recording.removed" || !strings.Contains(r.text, "was removed on ") || !strings.Contains(r.text, "by the retention of ") {
				t.Errorf("%s: %d %s", what, r.status, r.text)
			}
		}
		if h, r := o.search("tom", "goodbye", ""); len(h.Items) != 0 || h.Removed != 1 {
			t.Errorf("%s", r.text)
		}
		if r := o.call("dana", "GET", fmt.Sprint("/api/v1/sessions/", id), ""); r.status != http.StatusOK || !strings.Contains(r.text, `"removed_why":"the retention of `) {
			t.Errorf("%d %s", r.status, r.text)
		}
	}
	if r := o.call("mallory", "GET", fmt.Sprint("/api/v1/sessions/", id, "/transcript"), ""); r.code == "recording.removed" {
		t.Error("who may not know of it is told that it was removed")
	}
	if r := o.call("mallory", "GET", "/api/v1/retention", ""); r.status != http.StatusOK || !strings.Contains(r.text, "are removed") {
		t.Errorf("%d %s", r.status, r.text)
	}
}

func TestOnePersonKeepsNobodyWaiting(t *testing.T) {
	s := &Server{reading: make(chan struct{}, searching)}
	ctx, cancel := context.WithCancel(context.Background())
	one, err := s.busy(ctx, "p_1")
	must(t, err)
	if _, err := s.busy(ctx, "p_1"); curfew.CodeOf(err) != curfew.Limited {
		t.Errorf("a second of one person: %v", err)
	}
	two, err := s.busy(ctx, "p_2")
	must(t, err)
	cancel()
	if _, err := s.busy(ctx, "p_3"); curfew.CodeOf(err) != curfew.Unavailable {
		t.Errorf("a third at the same time: %v", err)
	}
	one()
	two()
	for range 2 { // everything was given back
		again, err := s.busy(context.Background(), "p_3")
		must(t, err)
		again()
	}
	_, err = s.busy(context.Background(), "p_1")
	must(t, err)
}
