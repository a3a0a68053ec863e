package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
)

// slow are lists that have come no further than until.
type slow struct {
	history.Store
	until *atomic.Uint64
}

func (s slow) Position() uint64 { return min(s.Store.Position(), s.until.Load()) }

func (s slow) Entries(ctx context.Context, f history.Filter) ([]history.Entry, error) {
	if b := s.until.Load() + 1; b != 0 && (f.Before == 0 || f.Before > b) {
		f.Before = b
	}
	return s.Store.Entries(ctx, f)
}

// holdLists keeps the lists from coming further than a position; let lets them.
func (o *office) holdLists(at uint64) (let func()) {
	o.t.Helper()
	var until atomic.Uint64
	until.Store(at)
	o.server.parts.History = slow{o.server.parts.History, &until}
	return func() { until.Store(^uint64(0)) }
}

// denies has dana deny what alice asked for.
func (o *office) denies(t *testing.T) {
	t.Helper()
	_, err := o.access.Do(t.Context(), access.Deny{Request: aliceRequest, By: o.who["dana"]})
	must(t, err)
}

// However long the lists lag behind what happened, who follows is told of it once they do not.
func TestTheFeedWaitsForTheListsToTell(t *testing.T) {
	o := newOffice(t)
	let := o.holdLists(o.size())
	f := o.stream("dana", "/api/v1/feed")
	time.Sleep(300 * time.Millisecond)
	o.denies(t)
	time.Sleep(listBound + 500*time.Millisecond)
	let()
	time.Sleep(2 * time.Second)
	if got := hints(t, f.stop()); !slices.Contains(got, "requests") {
		t.Errorf("she is told of %v", got)
	}
}

// The events that are followed are each said once, as themselves, however far the lists lag.
func TestFollowedEventsAreEachThemselves(t *testing.T) {
	o := newOffice(t)
	from := o.size()
	let := o.holdLists(from)
	f := o.stream("tom", fmt.Sprintf("/api/v1/events?after=%d", from))
	time.Sleep(300 * time.Millisecond)
	o.denies(t)
	time.Sleep(listBound + 500*time.Millisecond)
	let()
	time.Sleep(2 * time.Second)
	text := f.stop()
	if !strings.Contains(text, fmt.Sprintf("id: %d\n", from+1)) || !strings.Contains(text, fmt.Sprintf(`"position":%d`, from+1)) || strings.Contains(text, fmt.Sprintf(`"position":%d,`, from)) {
		t.Errorf("told after %d: %s", from, text)
	}
}

// A feed whose lists never catch up ends with its stream all the same.
func TestTheFeedEndsWhileItWaitsForTheLists(t *testing.T) {
	o := newOffice(t)
	o.holdLists(o.size())
	f := o.stream("dana", "/api/v1/feed")
	time.Sleep(300 * time.Millisecond)
	o.denies(t)
	time.Sleep(200 * time.Millisecond)
	over := make(chan string, 1)
	go func() { over <- f.stop() }()
	select {
	case text := <-over:
		if got := hints(t, text); len(got) != 0 {
			t.Errorf("she is told of %v, which no list has", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}

// A page sees that its feed lives, from the first on, and takes it up at the last hint all the same.
func TestTheFeedShowsThatItLives(t *testing.T) {
	o := newOffice(t)
	f := o.stream("dana", "/api/v1/feed")
	time.Sleep(500 * time.Millisecond)
	if text := f.stop(); text != ": following\n\nevent: alive\ndata: {}\n\n" {
		t.Errorf("it says %q", text)
	}
}

// incidents opens so many, each of them one event, which the lists hold then.
func (o *office) incidents(n uint64) {
	o.t.Helper()
	for i := range n {
		_, err := o.access.Do(o.t.Context(), access.OpenWorkflow{ID: curfew.WorkflowID("INC-" + itoa(1000+i)), Kind: curfew.Incident, By: o.who["dana"]})
		must(o.t, err)
	}
	history.Reach(o.t.Context(), o.server.parts.History, o.size(), time.Minute)
}

// A feed that begins while the lists are far behind, as when they are built anew, says when they
// are whole: whoever began to follow has read less.
func TestTheFeedSaysWhenTheListsAreWhole(t *testing.T) {
	o := newOffice(t)
	before := o.size()
	o.incidents(mostMissed + 10)
	for _, from := range []string{"", "?after=1"} {
		whole := o.server.parts.History
		let := o.holdLists(before)
		f := o.stream("dana", "/api/v1/feed"+from)
		time.Sleep(listBound + 500*time.Millisecond) // also who missed too much is told at once, and once more
		let()
		time.Sleep(time.Second)
		text := f.stop()
		o.server.parts.History = whole
		want := everything()
		if from != "" {
			want = append(want, want...)
		}
		if got := hints(t, text); !slices.Equal(got, want) {
			t.Errorf("%q: she is told of %v", from, got)
		}
	}
}

// A batch of events is told of from its first on, however large it is.
func TestTheFeedTellsALargeBatchWhole(t *testing.T) {
	o := newOffice(t)
	before := o.size()
	f := o.server.follower(t.Context(), caller{who: o.who["alice"]})
	_, err := o.access.Do(t.Context(), access.RefuseStatement{Statement: aliceStatement, By: o.who["dana"]})
	must(t, err)
	o.incidents(1050)
	var batch []curfew.Event
	_ = o.access.Follow(t.Context(), before, func(b []curfew.Event) error { batch = b; return context.Canceled })
	out := make(chan client.Hint, 1)
	must(t, f.hint(t.Context(), batch, out))
	if h := <-out; !slices.Contains(h.Topics, "statements") || len(batch) < 500 {
		t.Errorf("of %d events, of which the first is %s, she is told of %v", len(batch), batch[0].Kind, h.Topics)
	}
}

// agreed has two administrators agree to a configuration.
func (o *office) agreed(next curfew.Config) {
	o.t.Helper()
	_, err := o.access.Do(o.t.Context(), access.Propose{Change: o.access.Plan(next), Author: o.who["root"]})
	must(o.t, err)
	var plans []curfew.PlanID
	o.access.View(func(st *access.State) {
		for id := range st.Plans {
			plans = append(plans, id)
		}
	})
	for _, p := range plans {
		_, err = o.access.Do(o.t.Context(), access.Agree{Plan: p, By: o.who["otto"]})
		must(o.t, err)
	}
}

// overseen gives alice a live session under a grant that dana approved, with mallory as another of
// those who could have: she may see it, and end it.
func overseen(t *testing.T, o *office) (id curfew.SessionID, g curfew.GrantID) {
	t.Helper()
	var next curfew.Config
	o.access.View(func(st *access.State) { next = st.Config })
	next.Groups = maps.Clone(next.Groups)
	next.Groups["payments"] = append(slices.Clone(next.Groups["payments"]), o.who["mallory"])
	_, err := o.access.Do(t.Context(), access.DropPlan{Plan: curfew.PlanID(o.plan()), By: o.who["root"]})
	must(t, err)
	o.agreed(next)
	time.Sleep(1200 * time.Millisecond) // it settles
	rq := curfew.RequestID(curfew.NewID("rq"))
	g = curfew.GrantID(curfew.NewID("gr"))
	_, _ = o.access.Do(t.Context(), access.Withdraw{Request: aliceRequest, By: o.who["alice"]})
	sealed, err := o.id.Seal(t.Context(), o.who["alice"], "again")
	must(t, err)
	_, err = o.access.Do(t.Context(), access.Ask{Request: rq, Grant: g, Sealed: sealed, Question: access.Question{Principal: o.who["alice"], Role: "write", Duration: time.Hour, Reason: "again"}})
	must(t, err)
	var digest []byte
	o.access.View(func(st *access.State) { digest = st.Requests[rq].Digest })
	_, err = o.access.Do(t.Context(), access.Approve{Request: rq, By: o.who["dana"], Digest: digest, Grant: g})
	must(t, err)
	_, err = o.access.Do(t.Context(), access.Start{Grant: g})
	must(t, err)
	id = curfew.SessionID(curfew.NewID("s"))
	_, err = o.access.OpenSession(t.Context(), access.OpenSession{Session: id, Credential: access.Credential{ID: "c_overseen", Principal: o.who["alice"], Grant: g, Until: time.Now().Add(time.Minute)}})
	must(t, err)
	return id, g
}

// Who could have ended a grant sees its sessions live, and is told when they end, though they
// may see neither any more then.
func TestTheFeedTellsWhoSawASessionLiveThatItEnds(t *testing.T) {
	o := newOffice(t)
	id, g := overseen(t, o)
	history.Reach(t.Context(), o.server.parts.History, o.size(), time.Minute)
	if l := list[client.Session](o, "mallory", "/sessions?scope=all&status=live"); !slices.ContainsFunc(l, func(s client.Session) bool { return s.ID == string(id) && s.MayCut }) {
		t.Fatalf("she does not see it: %+v", l)
	}
	f, tells := o.stream("mallory", "/api/v1/feed"), o.follower("mallory")
	time.Sleep(300 * time.Millisecond)
	_, err := o.access.Do(t.Context(), access.Return{Grant: g, By: o.who["alice"]})
	must(t, err)
	if got := tells(); !slices.Contains(got, "grants") {
		t.Errorf("of the grant she is told of %v", got)
	}
	_, err = o.access.Do(t.Context(), access.EndSession{SessionEnded: curfew.SessionEnded{Session: id, Cause: curfew.CauseReturned}})
	must(t, err)
	if got := tells(); !slices.Contains(got, "sessions") {
		t.Errorf("of the session she is told of %v", got)
	}
	if l := list[client.Session](o, "mallory", "/sessions?scope=all&status=live"); len(l) != 0 {
		t.Fatalf("it lives on: %+v", l)
	}
	time.Sleep(time.Second)
	if got := hints(t, f.stop()); !slices.Contains(got, "sessions") || !slices.Contains(got, "grants") {
		t.Errorf("she is told of %v", got)
	}
	// What happens to the recording later is not hers to know.
	_, err = o.access.Do(t.Context(), access.Note{Kind: curfew.KindRecordingWatched, Body: curfew.RecordingWatched{Session: id, By: o.who["tom"], How: "watch"}})
	must(t, err)
	if got := tells(); len(got) != 0 {
		t.Errorf("after the end she is told of %v", got)
	}
}

// Also of a grant that came after the feed began and went between two of its looks.
func TestTheFeedTellsOfWhatCameAndWentAtOnce(t *testing.T) {
	o := newOffice(t)
	tells := o.follower("mallory")
	id, g := overseen(t, o)
	_, err := o.access.Do(t.Context(), access.Return{Grant: g, By: o.who["alice"]})
	must(t, err)
	_, err = o.access.Do(t.Context(), access.EndSession{SessionEnded: curfew.SessionEnded{Session: id, Cause: curfew.CauseReturned}})
	must(t, err)
	if got := tells(); !slices.Contains(got, "sessions") {
		t.Errorf("she is told of %v", got)
	}
}

// Of a grant that goes on nothing is told to who could not end it any more.
func TestTheFeedTellsNothingOnceTheRightIsGone(t *testing.T) {
	o := newOffice(t)
	id, _ := overseen(t, o)
	tells := o.follower("mallory")
	var next curfew.Config
	o.access.View(func(st *access.State) { next = st.Config })
	next.Groups = maps.Clone(next.Groups)
	next.Groups["payments"] = slices.DeleteFunc(slices.Clone(next.Groups["payments"]), func(p curfew.Principal) bool { return p == o.who["mallory"] })
	o.agreed(next)
	tells()
	_, err := o.access.Do(t.Context(), access.CutSession{Session: id, By: o.who["root"]})
	must(t, err)
	if got := tells(); len(got) != 0 {
		t.Errorf("she is told of %v", got)
	}
}

// What a page shows has a topic: events that change it name that.
func TestEventsNameWhatTheyChange(t *testing.T) {
	for topic, kinds := range map[string][]curfew.Kind{
		"sessions": {curfew.KindRecordingsSearched, curfew.KindRecordingWatched},
		"people":   {curfew.KindPasskeyAdded, curfew.KindPasskeyRemoved, curfew.KindGroupChanged},
		"grants": { // what is offered, and the map
			curfew.KindConfigApplied, curfew.KindPlanProposed, curfew.KindResourceChanged, curfew.KindRoleRemoved, curfew.KindPolicyChanged, curfew.KindSettingsChanged,
			curfew.KindFreezeChanged, curfew.KindGroupChanged, curfew.KindManagerChanged, curfew.KindPrincipalDisabled, curfew.KindWorkflowOpened,
		},
		"requests": {curfew.KindGroupChanged, curfew.KindManagerChanged, curfew.KindPrincipalDisabled, curfew.KindPolicyChanged, curfew.KindWorkflowClosed}, // who decides
	} {
		for _, k := range kinds {
			if got := topics(k); !slices.Contains(got, topic) {
				t.Errorf("%s: %v, and %s change", k, got, topic)
			}
			for _, got := range topics(k) {
				if !slices.Contains(everything(), got) {
					t.Errorf("%s names %s, which is not among everything", k, got)
				}
			}
		}
	}
	if !slices.Contains(everything(), "audit") {
		t.Error("everything is without audit")
	}
}

// Whoever may read the ledger is told of every event, also of those that no list shows; nobody else is.
func TestTheFeedTellsOfEveryEventToWhoReadsTheLedger(t *testing.T) {
	o := newOffice(t)
	tells := map[string]func() []string{}
	for who := range o.who {
		tells[who] = o.follower(who)
	}
	_, err := o.access.Do(t.Context(), access.Note{Kind: curfew.KindErrandRun, Body: struct{}{}})
	must(t, err)
	for who, told := range tells {
		want := []string{"audit"}
		if !slices.Contains([]string{"root", "otto", "tom"}, who) {
			want = nil
		}
		if got := told(); !slices.Equal(got, want) {
			t.Errorf("%s is told of %v", who, got)
		}
	}
	o.denies(t)
	for who, told := range tells {
		got := told()
		if slices.Contains(got, "audit") != slices.Contains([]string{"root", "otto", "tom"}, who) || slices.Contains(got, "requests") != (who != "mallory") {
			t.Errorf("%s is told of %v", who, got)
		}
	}
}

func TestAFollowerRemembersSoManyGrants(t *testing.T) {
	f := &follower{grants: map[curfew.GrantID]uint64{}}
	for i := range uint64(mostGrants + 10) {
		f.note(curfew.GrantID("gr_" + itoa(i)))
	}
	if len(f.grants) != mostGrants {
		t.Errorf("%d grants", len(f.grants))
	}
}

// follower follows as somebody does who looks now; what it returns says what they are told of
// since they looked last.
func (o *office) follower(as string) (tells func() []string) {
	o.t.Helper()
	at := o.size()
	history.Reach(o.t.Context(), o.server.parts.History, at, time.Minute)
	f := o.server.follower(o.t.Context(), caller{who: o.who[as]})
	return func() []string {
		o.t.Helper()
		batch, err := o.access.Ledger().Read(o.t.Context(), at+1, 1000)
		must(o.t, err)
		at = batch[len(batch)-1].Position
		out := make(chan client.Hint, 1)
		must(o.t, f.hint(o.t.Context(), batch, out))
		select {
		case h := <-out:
			return h.Topics
		default:
			return nil
		}
	}
}
