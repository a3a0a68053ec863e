package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
)

// goesOn writes into a recording until a stream that reads it is over, and returns
// how often it was shown that.
func goesOn(t *testing.T, r stream, w record.Writer) int {
	t.Helper()
	late := time.After(10 * time.Second)
	for n := uint64(0); ; n++ {
		must(t, w.Write(record.Item{Kind: record.Statement, Ref: 10 + n, Text: "SELECT 'later'"}))
		select {
		case <-r.over:
			return strings.Count(r.stop(), "event: item")
		case <-late:
			t.Fatal("it goes on being read")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// A browser's stream ends with its sign-in as a command line's does.
func TestABrowsersStreamEndsWithItsSignIn(t *testing.T) {
	for name, out := range map[string]func(*office) access.Command{
		"signed out": func(o *office) access.Command {
			in, err := o.id.Browser(t.Context(), o.cookie["root"])
			must(t, err)
			return access.WithdrawToken{SecretUnlisted: curfew.SecretUnlisted{ID: in.ID, By: o.who["root"]}}
		},
		"everywhere": func(o *office) access.Command {
			return access.SignOutEverywhere{Principal: o.who["root"], By: o.who["root"]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.by = "browser"
			id, w := o.said("alice", true, "SELECT 1")
			r := o.stream("root", "/api/v1/sessions/"+string(id)+"/watch")
			time.Sleep(200 * time.Millisecond)
			_, err := o.access.Do(t.Context(), out(o))
			must(t, err)
			goesOn(t, r, w)
		})
	}
}

// Who may know of a session no longer follows it no longer, not even its shape.
func TestAWatchEndsWithTheRightToIt(t *testing.T) {
	for _, path := range []string{"/api/v1/sessions/%s/watch", "/api/v1/sessions/%s/watch?gather=true", "/api/v1/peek?session=%s"} {
		o := newOffice(t)
		id, w := o.said("alice", true, "SELECT 1")
		r := o.stream("tom", fmt.Sprintf(path, id))
		time.Sleep(200 * time.Millisecond)
		o.noAuditors()
		goesOn(t, r, w)
	}
}

// peeks are what a stream has said of a session, oldest first.
func peeks(t *testing.T, text string, id curfew.SessionID) (of []client.Peek) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var p client.Peek
			must(t, json.Unmarshal([]byte(data), &p))
			if p.Session == string(id) {
				of = append(of, p)
			}
		}
	}
	return of
}

// One of several sessions that somebody may see no longer is over for them, and nothing more of
// it is shown; the others go on, also where the page opens the stream anew.
func TestAPeekGoesOnWithoutASessionThatMayBeSeenNoMore(t *testing.T) {
	o := newOffice(t)
	lost, g := overseen(t, o)
	lw, err := o.record.Create(record.Header{Session: lost, Grant: g, Principal: o.who["alice"], Resource: "db", Mode: curfew.RecordFirst})
	must(t, err)
	must(t, lw.Write(record.Item{Kind: record.Statement, Ref: 1, Text: "SELECT 1 FROM shown"}))
	own, w := o.said("mallory", true, "SELECT 'mine'")
	path := "/api/v1/peek?session=" + string(lost) + "&session=" + string(own)
	f := o.stream("mallory", path)
	time.Sleep(1200 * time.Millisecond)
	_, err = o.access.Do(t.Context(), access.Return{Grant: g, By: o.who["alice"]})
	must(t, err)
	time.Sleep(admitEvery + 2*peekEvery)
	must(t, lw.Write(record.Item{Kind: record.Statement, Ref: 2, Text: "SELECT 2 FROM canary"}))
	must(t, w.Write(record.Item{Kind: record.Statement, Ref: 2, Text: "SELECT 'still mine'"}))
	time.Sleep(3 * peekEvery)
	select {
	case <-f.over:
		t.Error("the stream is over, for her own session too")
	default:
	}
	text := f.stop()
	said := peeks(t, text, lost)
	if n := len(said); n < 2 || said[0].Over || said[0].Statements != 1 {
		t.Errorf("of the one she is told %+v", said)
	} else if last := said[n-1]; !reflect.DeepEqual(last, client.Peek{Session: string(lost), Over: true}) || strings.Contains(text, "canary") {
		t.Errorf("at last she is told of it %+v", last)
	}
	if !strings.Contains(text, "still mine") {
		t.Errorf("of her own she is told %+v", peeks(t, text, own))
	}
	must(t, w.Close(record.Item{Kind: record.Closed}))
	r := o.call("mallory", "GET", path+"&session=s_nobodys", "")
	if r.status != http.StatusOK || !strings.Contains(r.text, "still mine") || strings.Contains(r.text, "shown") {
		t.Errorf("opened anew: %d %s", r.status, r.text)
	}
	for _, id := range []curfew.SessionID{lost, "s_nobodys"} { // whether it ever was is not told
		if said := peeks(t, r.text, id); len(said) != 1 || !reflect.DeepEqual(said[0], client.Peek{Session: string(id), Over: true}) {
			t.Errorf("of %s she is told %+v", id, said)
		}
	}
	before := len(o.events(curfew.KindRecordingWatched))
	if r := o.call("mallory", "GET", "/api/v1/peek?session="+string(lost)+"&session=s_nobodys", ""); r.status != http.StatusNotFound {
		t.Errorf("of none that she may see: %d %s", r.status, r.text)
	}
	if n := len(o.events(curfew.KindRecordingWatched)); n != before {
		t.Error("it was opened")
	}
}

func (o *office) noAuditors() {
	o.t.Helper()
	var next curfew.Config
	o.access.View(func(st *access.State) { next = st.Config })
	next.Groups = maps.Clone(next.Groups)
	next.Groups[curfew.Auditors] = nil
	_, err := o.access.Do(o.t.Context(), access.Propose{Change: o.access.Plan(next), Author: o.who["root"]})
	must(o.t, err)
}

// The feed goes on for who is no auditor any more, and says what the others are told.
func TestTheFeedTellsByTheRightsOfNow(t *testing.T) {
	o := newOffice(t)
	r := o.stream("tom", "/api/v1/feed")
	time.Sleep(200 * time.Millisecond)
	o.noAuditors()
	time.Sleep(time.Second)
	_, err := o.access.Do(t.Context(), access.CutSession{Session: aliceSession, By: o.who["root"]})
	must(t, err)
	time.Sleep(time.Second)
	if got := hints(t, r.stop()); slices.Contains(got, "sessions") || !slices.Contains(got, "config") && !slices.Contains(got, "people") {
		t.Errorf("he is told of %v", got)
	}
}

// Who was away for long, or says so, has nothing read for them: they look at everything.
func TestTheFeedReadsNoLongPast(t *testing.T) {
	o := newOffice(t)
	for i := range uint64(mostMissed + 10) {
		_, err := o.access.Do(t.Context(), access.OpenWorkflow{ID: curfew.WorkflowID("INC-" + itoa(1000+i)), Kind: curfew.Incident, By: o.who["dana"]})
		must(t, err)
	}
	for _, after := range []string{"1", "9999999", "18446744073709551615"} {
		r := o.stream("mallory", "/api/v1/feed?after="+after)
		time.Sleep(500 * time.Millisecond)
		text := r.stop()
		if got := hints(t, text); !slices.Equal(got, everything()) || strings.Count(text, "event: hint") != 1 {
			t.Errorf("after %s: %d hints, of %v", after, strings.Count(text, "event: hint"), got)
		}
	}
}
