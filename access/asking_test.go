package access

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// fromConnection is a question of a connection whose credential was made now.
func (w *world) fromConnection(who curfew.Principal, role curfew.RoleName, id curfew.CredentialID) Ask {
	a := w.asking(who, role, time.Hour)
	a.Credential, a.Made, a.Until = id, time.Now(), time.Now().Add(2*time.Hour)
	return a
}

func (w *world) waiting() (n int) {
	w.s.View(func(st *State) { n = len(st.Requests) })
	return n
}

func TestACredentialAsksOnce(t *testing.T) {
	inWorld(t, "answered", func(w *world) {
		a := w.fromConnection(alice, "write", "c_1")
		w.do(a)
		w.refused(w.fromConnection(alice, "write", "c_1"), "credential.asked")
		w.settle()
		w.do(w.approving(dana, a.Request))
		w.refused(w.fromConnection(alice, "write", "c_1"), "credential.asked")
		w.pass(3 * time.Hour) // the credential is over, and is remembered no longer than it could be used
		b := w.fromConnection(alice, "write", "c_2")
		w.do(b)
		w.s.View(func(st *State) {
			if len(st.Asked) != 1 {
				w.t.Errorf("%d credentials are remembered", len(st.Asked))
			}
		})
	})
	inWorld(t, "denied", func(w *world) {
		w.settle()
		earlier := w.fromConnection(alice, "write", "c_2")
		w.pass(time.Minute)
		byHand, _ := w.ask(alice, "write", time.Hour)
		w.do(Deny{Request: byHand, By: dana})
		w.refused(earlier, "request.denied") // the no silences what was made before it
		w.pass(time.Minute)
		w.do(w.fromConnection(alice, "write", "c_3"))
	})
	inWorld(t, "had access already", func(w *world) {
		_, id := w.ask(alice, "read", time.Hour)
		c := Credential{ID: "c_1", Principal: alice, Grant: id, Resource: "db", Asks: &Asking{Role: "read"}, Until: time.Now().Add(2 * time.Hour)}
		if _, err := w.s.OpenSession(w.ctx, OpenSession{Session: "s_1", Credential: c}); err != nil {
			w.t.Fatal(err)
		}
		w.do(Return{Grant: id, By: alice})
		w.refused(w.fromConnection(alice, "read", "c_1"), "credential.asked")
	})
}

func TestWhoSignsOutWithdrawsWhatTheirConnectionsAsk(t *testing.T) {
	inWorld(t, "signing out", func(w *world) {
		w.do(w.fromConnection(alice, "write", "c_1"))
		byHand, _ := w.ask(dana, "write", time.Hour)
		w.do(SignOutEverywhere{Principal: alice, By: alice})
		w.do(SignOutEverywhere{Principal: dana, By: dana})
		w.s.View(func(st *State) {
			if len(st.Requests) != 1 || st.Requests[byHand] == nil {
				w.t.Errorf("%d requests wait", len(st.Requests))
			}
		})
	})
}

func TestARestartWithdrawsWhatNoConnectionWaitsForAnyMore(t *testing.T) {
	inWorld(t, "a restart", func(w *world) {
		a := w.fromConnection(alice, "write", "c_1")
		w.do(a)
		byHand, _ := w.ask(dana, "write", time.Hour)
		w.stop()
		w.start()
		w.settle()
		w.s.View(func(st *State) {
			if st.Requests[a.Request] != nil || st.Requests[byHand] == nil {
				w.t.Errorf("%d requests wait", len(st.Requests))
			}
		})
		answer, ok, err := w.s.AnswerTo(w.ctx, a.Request, 0)
		if err != nil || !ok || answer.Kind != curfew.KindRequestWithdrawn || answer.Cause != curfew.CauseRestart {
			w.t.Errorf("%+v %v %v", answer, ok, err)
		}
		w.refused(w.approving(ben, a.Request), string(curfew.NotFound))
	})
}

func TestACredentialThatAskedTwiceBreaksTheLaw(t *testing.T) {
	laws := NewLaws()
	for i, want := range []bool{true, false} {
		b := curfew.RequestAsked{Request: curfew.RequestID(curfew.NewID("rq")), Principal: alice, Credential: "c_1"}
		b.Digest = digestOf(b)
		body, _ := json.Marshal(b)
		if err := laws.Check(curfew.Event{Position: uint64(i + 1), Kind: curfew.KindRequestAsked, Body: body}); (err == nil) != want {
			t.Errorf("question %d: %v", i+1, err)
		}
	}
}

func TestAConnectionAsksAsMuchAsAPersonAndNoMore(t *testing.T) {
	inWorld(t, "many credentials", func(w *world) {
		w.do(w.fromConnection(alice, "write", "c_1"))
		w.refused(w.fromConnection(alice, "write", "c_2"), "request.waiting") // it joins that one
		w.refused(w.fromConnection(ben, "write", "c_3"), "")                  // no policy names him
		if n := w.waiting(); n != 1 {
			w.t.Errorf("%d requests wait", n)
		}
	})
}
