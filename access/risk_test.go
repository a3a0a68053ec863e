package access

import (
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// risky makes what writing gives one of high risk, on a resource with accounts of either kind.
func (w *world) risky(account curfew.AccountKind) {
	w.t.Helper()
	c := baseConfig()
	db, p := c.Resources["db"], c.Policies["writing"]
	db.Account, p.Risk = account, curfew.HighRisk
	c.Resources["db"], c.Policies["writing"] = db, p
	w.apply(root, c)
	w.do(Agree{Plan: w.onlyPlan(), By: ben})
}

// THREATS 24: what is undone within its time has given nothing.
func TestHighRiskStartsAfterTheUndoHasPassed(t *testing.T) {
	for _, account := range []curfew.AccountKind{curfew.Leased, curfew.Fixed} {
		inWorld(t, "not before, with an account that is "+string(account), func(w *world) {
			w.risky(account)
			id, _ := w.ask(alice, "write", 45*time.Minute)
			a := w.approving(dana, id)
			w.do(a)
			for range 9 {
				w.pass(time.Second)
				if _, err := w.open(alice, a.Grant); ruleOf(err) != "grant.early" {
					t.Fatalf("a session opens within the undo: %v", err)
				}
				w.refused(Start{Grant: a.Grant, Tested: true}, "grant.early")
				if w.grant(a.Grant).Status != Scheduled {
					t.Fatalf("the grant is %s", w.grant(a.Grant).Status)
				}
			}
			w.pass(time.Second)
			w.do(Start{Grant: a.Grant, Tested: true})
			g := w.grant(a.Grant)
			if g.Status != Active || g.End.Sub(g.Start) != 45*time.Minute {
				t.Fatalf("the undo eats time: %s, %s", g.Status, g.End.Sub(g.Start))
			}
			if _, err := w.open(alice, a.Grant); err != nil {
				t.Fatal(err)
			}
		})
		inWorld(t, "undone in time it gives nothing, with an account that is "+string(account), func(w *world) {
			w.risky(account)
			id, _ := w.ask(alice, "write", 45*time.Minute)
			a := w.approving(dana, id)
			w.do(a)
			w.pass(9 * time.Second)
			w.do(Revoke{Grant: a.Grant, By: dana})
			w.pass(2 * time.Second)
			if _, err := w.open(alice, a.Grant); err == nil {
				t.Fatal("what was undone opens a session")
			}
			for _, k := range w.kinds(1) {
				if k == curfew.KindGrantStarted || k == curfew.KindLeasePlanned || k == curfew.KindSessionOpened {
					t.Fatalf("what was undone has had %s", k)
				}
			}
		})
	}
	inWorld(t, "without anybody's approval there is nothing to undo", func(w *world) {
		c := baseConfig()
		db, p := c.Resources["db"], c.Policies["reading"]
		db.Account, p.Risk = curfew.Fixed, curfew.HighRisk
		c.Resources["db"], c.Policies["reading"] = db, p
		w.apply(root, c)
		w.do(Agree{Plan: w.onlyPlan(), By: ben})
		_, gid := w.ask(alice, "read", time.Hour)
		if g := w.grant(gid); g.Status != Active {
			t.Fatalf("the grant is %s", g.Status)
		}
	})
	inWorld(t, "a later start that was asked for stays", func(w *world) {
		w.risky(curfew.Fixed)
		asking := w.asking(alice, "write", 30*time.Minute)
		asking.Start = time.Now().Add(20 * time.Minute)
		w.do(asking)
		a := w.approving(dana, asking.Request)
		w.do(a)
		if g := w.grant(a.Grant); !g.NotBefore.Equal(asking.Start) {
			t.Fatalf("it starts %s, not %s", g.NotBefore, asking.Start)
		}
	})
}

// Whichever is first, nobody is in once the undo is answered.
func TestUndoRacesConnect(t *testing.T) {
	for i := range 20 {
		inWorld(t, "at the very moment", func(w *world) {
			w.risky(curfew.Fixed)
			id, _ := w.ask(alice, "write", 45*time.Minute)
			a := w.approving(dana, id)
			w.do(a)
			w.pass(curfew.Undo - time.Duration(i%3)*time.Millisecond)
			var permit *Permit
			var undone error
			var both sync.WaitGroup
			both.Go(func() { permit, _ = w.open(alice, a.Grant) })
			both.Go(func() { _, undone = w.s.Do(w.ctx, Revoke{Grant: a.Grant, By: dana}) })
			both.Wait()
			if undone != nil {
				t.Fatal(undone)
			}
			if permit != nil && !permit.Over() {
				t.Fatal("a session lives after the undo was answered")
			}
			if _, err := w.open(alice, a.Grant); err == nil {
				t.Fatal("a session opens after the undo was answered")
			}
		})
	}
}
