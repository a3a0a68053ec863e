package access

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// holding is the base configuration whose writing policy holds statements for two people.
func holding(count int) curfew.Config {
	c := baseConfig()
	p := c.Policies["writing"]
	p.Release = curfew.Release{
		Statements: []curfew.StatementClass{curfew.ClassDrop}, Within: 10 * time.Minute,
		By: curfew.ApprovalNeed{Count: count, From: []curfew.Subject{{Group: "payments"}, {Principal: ben}}},
	}
	c.Policies["writing"] = p
	return c
}

// writing opens a session of alice that holds statements.
func (w *world) writing(count int) (curfew.GrantID, *Permit) {
	w.t.Helper()
	w.apply(root, holding(count))
	var plan curfew.PlanID
	w.s.View(func(st *State) {
		for id := range st.Plans {
			plan = id
		}
	})
	if plan != "" {
		w.do(Agree{Plan: plan, By: ben})
	}
	w.settle()
	r, _ := w.ask(alice, "write", time.Hour)
	c := w.approving(dana, r)
	w.do(c)
	p, err := w.open(alice, c.Grant)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Grant, p
}

func hold(p *Permit, id curfew.StatementID) Hold {
	return Hold{Statement: id, Session: p.Session(), Classes: []curfew.StatementClass{curfew.ClassDrop}, Digest: []byte("digest of " + id)}
}

func releasing(by curfew.Principal, id curfew.StatementID) ReleaseStatement {
	return ReleaseStatement{Statement: id, By: by, Digest: []byte("digest of " + id)}
}

func (w *world) held() (n int) {
	w.s.View(func(st *State) { n = len(st.Held) })
	return n
}

func TestAStatementIsReleasedBySomebodyElseOnce(t *testing.T) {
	inWorld(t, "by one", func(w *world) {
		_, p := w.writing(1)
		before := w.l.Head().Size
		w.do(hold(p, "st_1"))
		w.refused(hold(p, "st_2"), string(curfew.Conflict)) // a session waits for one at a time
		w.refused(releasing(alice, "st_1"), "approver")
		w.refused(releasing(root, "st_1"), "approver")
		w.refused(ReleaseStatement{Statement: "st_1", By: dana, Digest: []byte("another")}, "request.changed")
		w.refused(ReleaseStatement{Statement: "st_1", By: dana}, "request.changed")
		w.do(releasing(dana, "st_1"))
		r, ok, err := w.s.ReleaseOf(w.ctx, "st_1", before)
		if err != nil || !ok || !r.OK || r.By != dana || len(r.All) != 1 {
			w.t.Errorf("%+v %v %v", r, ok, err)
		}
		w.refused(releasing(ben, "st_1"), string(curfew.NotFound)) // it is used up
		w.do(hold(p, "st_3"))                                      // an equal one waits anew
		if _, ok, _ := w.s.ReleaseOf(w.ctx, "st_3", before); ok || w.held() != 1 {
			w.t.Error("a later one rode on the first one's release")
		}
		w.do(RefuseStatement{Statement: "st_3", By: ben})
		if r, ok, _ := w.s.ReleaseOf(w.ctx, "st_3", before); !ok || r.OK || r.Cause != curfew.CauseDenied {
			w.t.Errorf("%+v %v", r, ok)
		}
	})
	inWorld(t, "by two different people", func(w *world) {
		_, p := w.writing(2)
		w.do(hold(p, "st_1"))
		w.do(releasing(dana, "st_1"))
		w.refused(releasing(dana, "st_1"), "approver")
		if w.held() != 1 {
			w.t.Error("one of two was enough")
		}
		w.do(releasing(ben, "st_1"))
		if w.held() != 0 {
			w.t.Error("two of two were not enough")
		}
	})
	inWorld(t, "not by somebody who was disabled since", func(w *world) {
		_, p := w.writing(2)
		w.do(hold(p, "st_1"))
		w.do(releasing(dana, "st_1"))
		w.do(Disable{Principal: dana, By: root})
		w.do(releasing(ben, "st_1"))
		if w.held() != 1 {
			w.t.Error("a disabled person counts")
		}
	})
}

func TestEveryWayAHeldStatementEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, g curfew.GrantID, p *Permit)
		want curfew.Cause
	}{
		"lapsed": {func(w *world, _ curfew.GrantID, _ *Permit) { w.pass(10*time.Minute + time.Second) }, curfew.CauseLapsed},
		"taken back": {func(w *world, _ curfew.GrantID, _ *Permit) {
			w.do(DropStatement{Statement: "st_1", Cause: curfew.CauseWithdrawn})
		}, curfew.CauseWithdrawn},
		"session closed": {func(w *world, _ curfew.GrantID, p *Permit) {
			_ = w.s.CloseSession(w.ctx, p, curfew.SessionEnded{Session: p.Session(), Cause: curfew.CauseClosed})
		}, curfew.CauseClosed},
		"restart": {func(w *world, _ curfew.GrantID, _ *Permit) { w.stop(); w.start(); w.pass(time.Second) }, curfew.CauseRestart},
	} {
		inWorld(t, name, func(w *world) {
			g, p := w.writing(1)
			before := w.l.Head().Size
			w.do(hold(p, "st_1"))
			c.end(w, g, p)
			r, ok, _ := w.s.ReleaseOf(w.ctx, "st_1", before)
			if !ok || r.OK || r.Cause != c.want || w.held() != 0 {
				w.t.Errorf("%+v %v, %d wait", r, ok, w.held())
			}
			w.refused(releasing(dana, "st_1"), "")
		})
	}
	inWorld(t, "a revoked grant releases nothing", func(w *world) {
		g, p := w.writing(1)
		w.do(hold(p, "st_1"))
		w.do(Revoke{Grant: g, By: ben})
		w.refused(releasing(dana, "st_1"), "grant.ended")
		w.refused(hold(p, "st_2"), "grant.ended")
	})
}

func TestWhatCannotBeHeld(t *testing.T) {
	inWorld(t, "bounds", func(w *world) {
		_, p := w.writing(1)
		c := hold(p, "st_1")
		c.Classes = []curfew.StatementClass{curfew.ClassInsert}
		w.refused(c, string(curfew.Internal)) // the policy holds none of these
		c.Classes = []curfew.StatementClass{curfew.ClassUnknown}
		c.Digest = nil
		w.refused(c, string(curfew.Internal))
		w.do(Disable{Principal: dana, By: root})
		w.do(hold(p, "st_1"))
		w.do(DropStatement{Statement: "st_1", Cause: curfew.CauseWithdrawn})
		w.s.View(func(*State) {})
		for i := range MostHeld {
			q, err := w.open(alice, p.Grant().ID)
			if err != nil {
				w.t.Fatal(err)
			}
			w.do(hold(q, curfew.StatementID("st_m"+string(rune('a'+i)))))
		}
		w.refused(hold(p, "st_9"), "release.many")
	})
	inWorld(t, "where nobody could release it", func(w *world) {
		_, p := w.writing(2)
		w.do(Disable{Principal: dana, By: root})
		w.refused(hold(p, "st_1"), "release.nobody") // ben alone is one
	})
}

func TestReleasesThatBreakTheLaw(t *testing.T) {
	held := curfew.StatementHeld{Statement: "st_1", Session: "s_1", Grant: "gr_1", Principal: alice, Digest: []byte("d"), By: curfew.ApprovalNeed{Count: 1}, Lapses: time.Unix(100, 0)}
	acted := func(by curfew.Principal, digest string) curfew.StatementActed {
		return curfew.StatementActed{Statement: "st_1", By: by, Digest: []byte(digest)}
	}
	type step struct {
		kind curfew.Kind
		at   int64
		body any
	}
	for name, c := range map[string]struct {
		steps []step
		ok    bool
	}{
		"in order":         {[]step{{curfew.KindStatementHeld, 1, held}, {curfew.KindStatementApproved, 2, acted(dana, "d")}, {curfew.KindStatementReleased, 2, acted(dana, "d")}}, true},
		"by oneself":       {[]step{{curfew.KindStatementHeld, 1, held}, {curfew.KindStatementApproved, 2, acted(alice, "d")}}, false},
		"by a machine":     {[]step{{curfew.KindStatementHeld, 1, held}, {curfew.KindStatementApproved, 2, acted("p_bot", "d")}}, false},
		"something else":   {[]step{{curfew.KindStatementHeld, 1, held}, {curfew.KindStatementApproved, 2, acted(dana, "e")}}, false},
		"too late":         {[]step{{curfew.KindStatementHeld, 1, held}, {curfew.KindStatementApproved, 100, acted(dana, "d")}}, false},
		"without approval": {[]step{{curfew.KindStatementHeld, 1, held}, {curfew.KindStatementReleased, 2, acted(dana, "d")}}, false},
		"twice":            {[]step{{curfew.KindStatementHeld, 1, held}, {curfew.KindStatementApproved, 2, acted(dana, "d")}, {curfew.KindStatementReleased, 2, acted(dana, "d")}, {curfew.KindStatementReleased, 3, acted(dana, "d")}}, false},
		"never held":       {[]step{{curfew.KindStatementReleased, 2, acted(dana, "d")}}, false},
		"of others":        {[]step{{curfew.KindStatementHeld, 1, func() any { h := held; h.By.Count = 0; return h }()}}, false},
		"after its grant":  {[]step{{curfew.KindStatementHeld, 1, held}, {curfew.KindStatementApproved, 2, acted(dana, "d")}, {curfew.KindGrantEnded, 2, curfew.GrantEnded{Grant: "gr_1"}}, {curfew.KindStatementReleased, 3, acted(dana, "d")}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLaws()
			l.people[alice], l.people[dana], l.people["p_bot"] = curfew.Person, curfew.Person, curfew.Service
			l.grants["gr_1"] = &lawGrant{start: time.Unix(0, 1), end: time.Unix(1000, 0), longest: time.Hour, release: curfew.Release{By: held.By}}
			l.sessions["s_1"] = "gr_1"
			var err error
			for _, s := range c.steps {
				body, _ := json.Marshal(s.body)
				if err = l.Check(curfew.Event{Time: time.Unix(s.at, 0), Kind: s.kind, Body: body}); err != nil {
					break
				}
			}
			if (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
}
