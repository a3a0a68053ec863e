package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/record"
)

// stream is a stream that somebody reads until stop.
type stream struct {
	rec  *httptest.ResponseRecorder
	stop func() string
	over <-chan struct{}
}

func (o *office) stream(as, path string) stream {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://curfew.test"+path, http.NoBody)
	if o.by == "browser" {
		req.Header.Set("Cookie", Cookie+"="+o.cookie[as])
	} else {
		req.Header.Set("Authorization", "Bearer "+o.token[as])
	}
	rec, over := httptest.NewRecorder(), make(chan struct{})
	go func() { defer close(over); o.server.ServeHTTP(rec, req) }()
	return stream{rec: rec, over: over, stop: func() string { cancel(); <-over; return rec.Body.String() }}
}

// hints are the topics that a feed has named.
func hints(t *testing.T, text string) (topics []string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var h client.Hint
		must(t, json.Unmarshal([]byte(data), &h))
		topics = append(topics, h.Topics...)
	}
	return topics
}

func TestTheFeedSaysOnlyWhatOneMaySee(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	readers := map[string]stream{}
	for _, who := range []string{"alice", "dana", "mallory", "tom"} {
		readers[who] = o.stream(who, "/api/v1/feed")
	}
	time.Sleep(200 * time.Millisecond) // they follow from here on
	o.denies(t)
	_, err := o.access.Do(ctx, access.RefuseStatement{Statement: aliceStatement, By: o.who["dana"]})
	must(t, err)
	_, err = o.access.Do(ctx, access.CutSession{Session: aliceSession, By: o.who["root"]})
	must(t, err)
	time.Sleep(1500 * time.Millisecond)
	got := map[string][]string{}
	for who, r := range readers {
		got[who] = hints(t, r.stop())
	}
	for who, want := range map[string][]string{"alice": {"requests", "sessions", "statements"}, "dana": {"requests", "statements"}, "tom": {"requests", "sessions"}} {
		for _, topic := range want {
			if !slices.Contains(got[who], topic) {
				t.Errorf("%s was not told of %s: %v", who, topic, got[who])
			}
		}
	}
	if len(got["mallory"]) > 0 || slices.Contains(got["dana"], "sessions") {
		t.Errorf("mallory was told of %v, dana of %v", got["mallory"], got["dana"])
	}
}

// A page that was away finds in the feed what it has missed.
func TestTheFeedIsTakenUpWhereItBroke(t *testing.T) {
	o := newOffice(t)
	before := o.size()
	_, err := o.access.Do(context.Background(), access.OpenWorkflow{ID: "INC-9", Kind: curfew.Incident, By: o.who["dana"]})
	must(t, err)
	r := o.stream("mallory", "/api/v1/feed?after="+url.QueryEscape(itoa(before)))
	time.Sleep(time.Second)
	if got := hints(t, r.stop()); !slices.Contains(got, "workflows") {
		t.Errorf("it was told of %v", got)
	}
}

// A page that reads lists which lag, as it begins to follow, is told of what they lacked.
func TestTheFeedTellsWhatTheListsLackedWhenItBegan(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	r, err := o.access.Do(ctx, access.OpenWorkflow{ID: "INC-9", Kind: curfew.Incident, By: o.who["dana"]})
	must(t, err)
	history.Reach(ctx, o.server.parts.History, r.Position, time.Minute)
	let := o.holdLists(r.Position - 1)
	f := o.stream("mallory", "/api/v1/feed")
	time.Sleep(500 * time.Millisecond)
	let()
	time.Sleep(time.Second)
	if got := hints(t, f.stop()); !slices.Contains(got, "workflows") {
		t.Errorf("it was told of %v", got)
	}
}

// A stream ends with the sign-in that it began with, also in the middle of a watch.
func TestAStreamEndsWithItsSignIn(t *testing.T) {
	for _, path := range []string{"/feed", "/watch", "/events"} {
		t.Run(path, func(t *testing.T) {
			o := newOffice(t)
			at, w := "/api/v1"+path, record.Writer(nil)
			if path == "/watch" {
				var id curfew.SessionID
				id, w = o.said("alice", true, "SELECT 1")
				at = "/api/v1/sessions/" + string(id) + "/watch"
			}
			r := o.stream("root", at)
			time.Sleep(1200 * time.Millisecond)
			_, err := o.access.Do(context.Background(), access.SignOutEverywhere{Principal: o.who["root"], By: o.who["root"]})
			must(t, err)
			late := time.After(10 * time.Second)
			for n := 0; ; n++ {
				if w != nil {
					must(t, w.Write(record.Item{Kind: record.Statement, Ref: uint64(10 + n), Text: "SELECT 'later'"}))
				} else {
					_, err := o.access.Do(context.Background(), access.OpenWorkflow{ID: curfew.WorkflowID("INC-" + itoa(uint64(100+n))), Kind: curfew.Incident, By: o.who["dana"]})
					must(t, err)
				}
				select {
				case <-r.over:
					if n > 0 && strings.Count(r.stop(), "later") > 25 {
						t.Error("it was shown what was said after that")
					}
					return
				case <-late:
					t.Fatal("it goes on being read")
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
}

func itoa(n uint64) string { text, _ := json.Marshal(n); return string(text) }

func list[T any](o *office, as, path string) (out []T) {
	o.t.Helper()
	r := o.call(as, http.MethodGet, "/api/v1"+path, "")
	if r.status != http.StatusOK {
		o.t.Fatalf("%s as %s: %d %s", path, as, r.status, r.text)
	}
	var l client.List[T]
	must(o.t, json.Unmarshal([]byte(r.text), &l))
	return l.Items
}

func TestWhoSeesResourcesAndRoles(t *testing.T) {
	o := newOffice(t)
	if got := list[client.Resource](o, "mallory", "/resources"); len(got) != 0 {
		t.Errorf("mallory sees %v", got)
	}
	if got := list[client.Role](o, "mallory", "/roles"); len(got) != 0 {
		t.Errorf("mallory sees %v", got)
	}
	alice := list[client.Resource](o, "alice", "/resources")
	if len(alice) != 1 || alice[0].Address != "" || !slices.Equal(alice[0].Roles, []string{"read", "write"}) || alice[0].Live != 1 || alice[0].Door != "127.0.0.1:7432" {
		t.Errorf("alice sees %+v", alice)
	}
	if dana := list[client.Resource](o, "dana", "/resources"); len(dana) != 1 || dana[0].Live != 0 {
		t.Errorf("dana sees %+v", dana)
	}
	if tom := list[client.Resource](o, "tom", "/resources"); len(tom) != 1 || tom[0].Address != "db:5432" || tom[0].Live != 1 {
		t.Errorf("tom sees %+v", tom)
	}
	roles := list[client.Role](o, "alice", "/roles")
	if len(roles) != 2 || roles[0].Name != "read" || !slices.Equal(roles[0].Policies, []string{"reading"}) || roles[0].Effect == "" || len(roles[0].Dangers) == 0 {
		t.Errorf("alice sees %+v", roles)
	}
}

func TestWhatSomebodyReaches(t *testing.T) {
	o := newOffice(t)
	read := func(as, more string) client.Reachable {
		r := o.call(as, http.MethodGet, "/api/v1/reach"+more, "")
		if r.status != http.StatusOK {
			t.Fatalf("%s as %s: %s", more, as, r.text)
		}
		var x client.Reachable
		must(t, json.Unmarshal([]byte(r.text), &x))
		return x
	}
	var how []string
	for _, p := range read("tom", "?person=alice@acme.io").Paths {
		how = append(how, p.Resource+" "+p.Role+" "+p.How)
	}
	if !slices.Contains(how, "db read active") || !slices.Contains(how, "db write may ask") {
		t.Errorf("alice reaches %v", how)
	}
	if got := read("mallory", "").Paths; len(got) != 0 {
		t.Errorf("mallory reaches %v", got)
	}
	if r := o.call("mallory", http.MethodGet, "/api/v1/reach?person=alice", ""); r.status != http.StatusForbidden {
		t.Errorf("mallory is told about alice: %d %s", r.status, r.text)
	}
	future := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
	if r := o.call("tom", http.MethodGet, "/api/v1/reach?person=alice&at="+future, ""); r.status < 400 {
		t.Errorf("the future is known: %s", r.text)
	}
}

func TestInsightsCount(t *testing.T) {
	o := newOffice(t)
	_, err := o.access.Do(context.Background(), access.Revoke{Grant: aliceGrant, By: o.who["root"]})
	must(t, err)
	o.call("tom", http.MethodGet, "/api/v1/audit?position="+itoa(o.size()), "") // the lists hold it now
	r := o.call("tom", http.MethodGet, "/api/v1/insights?days=2", "")
	var x client.Insights
	must(t, json.Unmarshal([]byte(r.text), &x))
	if len(x.Days) != 2 || x.Partial {
		t.Fatalf("%+v", x)
	}
	d := x.Days[1]
	if d.Requests+x.Days[0].Requests < 2 || d.Alone+x.Days[0].Alone != 1 || len(x.Causes) != 1 || x.Causes[0].Name != string(curfew.CauseRevoked) || x.Roles[0].Name != "read" {
		t.Errorf("%+v", x)
	}
	if d.Granted+x.Days[0].Granted != 60 {
		t.Errorf("granted %v minutes", d.Granted)
	}
}

func TestWhatUsuallyHappens(t *testing.T) {
	o := newOffice(t)
	read := func(as string) (client.Facts, reply) {
		r := o.call(as, http.MethodGet, "/api/v1/requests/"+aliceRequest+"/facts", "")
		var f client.Facts
		_ = json.Unmarshal([]byte(r.text), &f)
		return f, r
	}
	f, _ := read("dana")
	var all []string
	for _, x := range f.Facts {
		all = append(all, x.Text)
		if strings.Contains(x.Text, "has not had this") && !x.Warn {
			t.Error("a first time does not stand out")
		}
	}
	text := strings.Join(all, "\n")
	if f.Person != "payments" || !strings.Contains(text, "ALICE has not had this role here in 90 days") || !strings.Contains(text, "holds 1 other live grant now") {
		t.Errorf("%+v", f)
	}
	if _, r := read("mallory"); r.status != http.StatusNotFound {
		t.Errorf("mallory is told: %s", r.text)
	}
}

func TestAnOddHour(t *testing.T) {
	at := time.Date(2026, 3, 4, 1, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		hours []int
		want  bool
	}{
		{nil, false}, {[]int{9, 9, 9, 9}, false}, {[]int{9, 10, 11, 12, 13}, true}, {[]int{9, 10, 11, 12, 23}, false}, {[]int{9, 10, 11, 12, 22}, true}, {[]int{9, 10, 11, 12, 3}, false},
	} {
		if got := odd(c.hours, at); got != c.want {
			t.Errorf("%v: %v", c.hours, got)
		}
	}
}

// A screen is sent as it is read, at most every quarter of a second, however much is printed.
func TestTheScreenOfASession(t *testing.T) {
	o := newOffice(t)
	id, w := o.said("alice", true)
	must(t, w.Write(record.Item{Kind: record.Statement, Ref: 1, Text: "shell", Tag: "20x3"}))
	for range 500 {
		must(t, w.Write(record.Item{Kind: record.Output, Ref: 1, Text: strings.Repeat("noise\r\n", 100)}))
	}
	must(t, w.Write(record.Item{Kind: record.Output, Ref: 1, Text: "\x1b[2J\x1b[2;3Hhello\x1b]0;pwned\a"}))
	must(t, w.Close(record.Item{Kind: record.Closed}))
	r := o.call("alice", http.MethodGet, "/api/v1/sessions/"+string(id)+"/screen", "")
	if !strings.Contains(r.text, `"  hello"`) || strings.Contains(r.text, "pwned") || !strings.Contains(r.text, `"columns":20,"rows":3`) {
		t.Errorf("%.600s", r.text)
	}
	if n := strings.Count(r.text, "event: screen"); n > 4 {
		t.Errorf("%d frames", n)
	}
	if r := o.call("alice", http.MethodGet, "/api/v1/sessions/"+string(id)+"/watch?skip=output", ""); strings.Contains(r.text, "noise") || !strings.Contains(r.text, `"text":"shell"`) || !strings.Contains(r.text, "event: end") {
		t.Errorf("%.400s", r.text)
	}
	if r := o.call("root", http.MethodGet, "/api/v1/sessions/"+string(id)+"/screen", ""); r.status != http.StatusForbidden {
		t.Errorf("an administrator without the role is shown the screen: %d", r.status)
	}
}

// One stream tells the newest of several sessions; of one that somebody may not see, nothing is opened.
func TestPeekingAtSeveral(t *testing.T) {
	o := newOffice(t)
	a, aw := o.said("alice", true, "SELECT 'first'")
	must(t, aw.Write(record.Item{Kind: record.Statement, Ref: 9, Text: "shell", Tag: "20x2"}))
	must(t, aw.Write(record.Item{Kind: record.Output, Ref: 9, Text: "\x1b[1;2Hon the screen"}))
	must(t, aw.Close(record.Item{Kind: record.Closed}))
	b, bw := o.said("dana", true, "SELECT 'second'")
	must(t, bw.Close(record.Item{Kind: record.Closed}))
	r := o.call("root", http.MethodGet, "/api/v1/peek?session="+string(a)+"&session="+string(b), "")
	if !strings.Contains(r.text, string(a)) || !strings.Contains(r.text, string(b)) || strings.Contains(r.text, "second") || strings.Contains(r.text, "on the screen") {
		t.Errorf("an administrator without the role sees %s", r.text)
	}
	if r := o.call("alice", http.MethodGet, "/api/v1/peek?session="+string(a), ""); !strings.Contains(r.text, "on the screen") {
		t.Errorf("alice sees %s", r.text)
	}
	before := len(o.events(curfew.KindRecordingWatched))
	if r := o.call("mallory", http.MethodGet, "/api/v1/peek?session="+string(a), ""); r.status != http.StatusNotFound {
		t.Errorf("mallory: %d", r.status)
	}
	if n := len(o.events(curfew.KindRecordingWatched)); n != before {
		t.Error("it was opened")
	}
	if r := o.call("root", http.MethodGet, "/api/v1/peek?session="+strings.Repeat("s_1&session=", 30)+"s_1", ""); r.status < 400 {
		t.Errorf("31 at once: %d", r.status)
	}
}

func TestOnePersonFollowsSoManyStreams(t *testing.T) {
	o := newOffice(t)
	var open []stream
	for range mostStreams {
		open = append(open, o.stream("dana", "/api/v1/feed"))
	}
	count := func() int {
		o.server.streamsMu.Lock()
		defer o.server.streamsMu.Unlock()
		return o.server.streams[o.who["dana"]]
	}
	for end := time.Now().Add(10 * time.Second); count() < mostStreams && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if r := o.call("dana", http.MethodGet, "/api/v1/feed", ""); r.status != http.StatusTooManyRequests {
		t.Errorf("she follows as many as she likes: %d %s", r.status, r.text)
	}
	if r := o.call("tom", http.MethodGet, "/api/v1/feed", ""); r.status != http.StatusOK {
		t.Errorf("tom is kept out: %d", r.status)
	}
	for _, s := range open {
		s.stop()
	}
	if r := o.call("dana", http.MethodGet, "/api/v1/feed", ""); r.status != http.StatusOK {
		t.Errorf("they are over, and she is kept out: %d %s", r.status, r.text)
	}
}
