package access

import (
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// day is short here: clocks tick often in a bubble.
const day = time.Minute

// retain changes the retention; two people where that takes something away.
func (w *world) retain(d time.Duration) {
	w.t.Helper()
	c := baseConfig()
	c.Retention.Recordings = d
	w.apply(root, c)
	w.s.View(func(st *State) { c = st.Config })
	if c.Retention.Recordings != d {
		w.do(Agree{Plan: w.onlyPlan(), By: ben})
	}
}

// recorded opens and ends a session of Alice's, and returns its grant first.
func (w *world) recorded() RemoveRecording {
	w.t.Helper()
	_, g := w.ask(alice, "read", time.Hour)
	w.do(Start{Grant: g})
	p, err := w.open(alice, g)
	if err != nil {
		w.t.Fatal(err)
	}
	c := RemoveRecording{Session: p.Session(), Grant: g, Opened: w.s.Now(), Head: []byte("head")}
	w.do(EndSession{SessionEnded: curfew.SessionEnded{Session: p.Session(), Cause: curfew.CauseClosed}})
	c.Ended = w.s.Now()
	w.do(Return{Grant: g, By: alice})
	return c
}

func TestRetentionIsTheLongestSince(t *testing.T) {
	inWorld(t, "what was recorded before the first retention is kept for ever", func(w *world) {
		c := w.recorded()
		w.pass(time.Second)
		w.retain(30 * day)
		w.pass(40 * day)
		w.refused(c, "recording.kept")
	})
	inWorld(t, "a shorter one does not act on what was recorded under the longer", func(w *world) {
		w.retain(90 * day)
		w.pass(time.Second)
		old := w.recorded()
		w.pass(time.Second)
		w.retain(day)
		w.pass(time.Second)
		young := w.recorded()
		w.pass(2 * day)
		w.do(young)
		w.refused(old, "recording.kept")
		w.pass(87 * day)
		w.refused(old, "recording.kept")
		w.pass(2 * day)
		r := w.do(old)
		if k := r.Events[0].Kind; k != curfew.KindRecordingRemoved {
			t.Errorf("it became %s", k)
		}
	})
	inWorld(t, "a longer one acts at once, and is not taken back by a shorter one after it", func(w *world) {
		w.retain(day)
		w.pass(time.Second)
		c := w.recorded()
		w.pass(time.Second)
		w.retain(30 * day)
		w.pass(time.Second)
		w.retain(day)
		w.pass(10 * day)
		w.refused(c, "recording.kept")
		w.pass(21 * day)
		w.do(c)
	})
}

func TestShorteningTheRetentionTakesTwo(t *testing.T) {
	inWorld(t, "one administrator proposes it, and nothing happens", func(w *world) {
		c := baseConfig()
		c.Retention.Recordings = day
		w.apply(root, c)
		w.s.View(func(st *State) {
			if len(st.Promises) > 0 || st.Config.Retention.Recordings != 0 {
				t.Errorf("%v %v", st.Promises, st.Config.Retention)
			}
		})
		w.refused(Agree{Plan: w.onlyPlan(), By: root}, "plan.second")
	})
}

func TestWhatLivesIsNotRemoved(t *testing.T) {
	inWorld(t, "a session that is open, a grant that is live", func(w *world) {
		w.retain(day)
		w.pass(time.Second)
		_, g := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: g})
		p, err := w.open(alice, g)
		if err != nil {
			t.Fatal(err)
		}
		c := RemoveRecording{Session: p.Session(), Grant: g, Opened: w.s.Now(), Ended: w.s.Now()}
		long := c
		long.Opened, long.Ended = w.s.Now().Add(-9*day), w.s.Now().Add(-9*day) // as somebody could claim
		w.refused(long, "recording.kept")
		w.do(EndSession{SessionEnded: curfew.SessionEnded{Session: p.Session(), Cause: curfew.CauseClosed}})
		w.refused(RemoveRecording{Session: c.Session}, "recording.kept")
		backwards := c
		backwards.Ended = c.Opened.Add(-9 * day)
		w.refused(backwards, "recording.kept")
		w.refused(long, "recording.kept") // the grant goes on
		w.do(Return{Grant: g, By: alice})
		c.Ended = w.s.Now()
		w.pass(2 * day)
		w.do(c)
	})
}

func TestAHoldNeedsAnotherPersonToBeReleased(t *testing.T) {
	inWorld(t, "who holds, who releases", func(w *world) {
		w.retain(day)
		w.pass(time.Second)
		c := w.recorded()
		hold := HoldRecording{Session: c.Session, Whose: alice, By: root}
		w.refused(HoldRecording{Session: c.Session, Whose: alice, By: alice}, "auditor")
		w.refused(HoldRecording{Session: c.Session, Whose: alice, By: dana}, "auditor")
		w.do(hold)
		w.refused(hold, "recording.held")
		w.pass(3 * day)
		w.refused(c, "recording.kept")
		w.refused(ReleaseRecording{Session: c.Session, By: root}, "recording.second")
		w.refused(ReleaseRecording{Session: c.Session, By: alice}, "recording.second")
		w.refused(ReleaseRecording{Session: c.Session, By: dana}, "recording.second")
		w.do(HoldRecording{Session: c.Session, Whose: alice, By: ben})
		if _, err := w.s.Do(w.ctx, ReleaseRecording{Session: c.Session, By: ben}); curfew.CodeOf(err) != curfew.Ambiguous {
			t.Errorf("which hold: %v", err)
		}
		w.do(ReleaseRecording{Session: c.Session, By: ben, Of: root})
		w.refused(c, "recording.kept") // Ben's hold is another matter
		w.refused(ReleaseRecording{Session: c.Session, By: ben}, "recording.second")
		w.do(ReleaseRecording{Session: c.Session, By: root})
		w.do(c)
		if _, err := w.s.Do(w.ctx, ReleaseRecording{Session: c.Session, By: root}); curfew.CodeOf(err) != curfew.NotFound {
			t.Errorf("nothing is held: %v", err)
		}
	})
	inWorld(t, "whose session it is never releases it", func(w *world) {
		w.do(HoldRecording{Session: "s_0000000000000000", Whose: ben, By: root})
		w.refused(ReleaseRecording{Session: "s_0000000000000000", By: ben}, "recording.second")
	})
}

func TestALedgerThatRemovesWhatIsHeldIsUnlawful(t *testing.T) {
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	event := func(kind curfew.Kind, at time.Time, body string) curfew.Event {
		return curfew.Event{Kind: kind, Time: at, Body: []byte(body)}
	}
	ended := at.Add(time.Second).Format(time.RFC3339)
	retention := event(curfew.KindRetentionChanged, at, `{"retention":{"recordings":60000000000}}`)
	applied := event(curfew.KindConfigApplied, at, `{"plan":"plan_1","author":"p_a","gains":true,"bootstrap":true}`)
	removed := event(curfew.KindRecordingRemoved, at.Add(2*day), `{"session":"s_1","ended":"`+ended+`"}`)
	held := event(curfew.KindRecordingHeld, at, `{"session":"s_1","whose":"p_a","by":"p_b"}`)
	for _, c := range []struct {
		name   string
		events []curfew.Event
		ok     bool
	}{
		{"removed in time", []curfew.Event{applied, retention, removed}, true},
		{"without any retention", []curfew.Event{removed}, false},
		{"too soon", []curfew.Event{applied, retention, event(curfew.KindRecordingRemoved, at.Add(12*time.Second), `{"session":"s_1","ended":"`+ended+`"}`)}, false},
		{"while it is held", []curfew.Event{applied, retention, held, removed}, false},
		{"released by who holds it", []curfew.Event{held, event(curfew.KindRecordingReleased, at, `{"session":"s_1","whose":"p_a","by":"p_b","of":"p_b"}`)}, false},
		{"released by whose it is", []curfew.Event{held, event(curfew.KindRecordingReleased, at, `{"session":"s_1","whose":"p_a","by":"p_a","of":"p_b"}`)}, false},
		{"released by a third", []curfew.Event{applied, retention, held, event(curfew.KindRecordingReleased, at, `{"session":"s_1","whose":"p_a","by":"p_c","of":"p_b"}`), removed}, true},
	} {
		laws := NewLaws()
		var err error
		for _, e := range c.events {
			if err == nil {
				err = laws.Check(e)
			}
		}
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestASnapshotRemembersHoldsAndPromises(t *testing.T) {
	inWorld(t, "copied", func(w *world) {
		w.retain(day)
		w.do(HoldRecording{Session: "s_0000000000000000", Whose: alice, By: root})
		w.s.View(func(st *State) {
			again, err := st.clone()
			if err != nil || len(again.Holds["s_0000000000000000"]) != 1 || !slices.EqualFunc(again.Promises, st.Promises, func(a, b Promise) bool { return a.Since.Equal(b.Since) && a.For == b.For }) {
				t.Errorf("%v %+v %+v", err, again.Holds, again.Promises)
			}
		})
	})
}
