package access

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

var errFull = curfew.Errorf(curfew.Unavailable, "no space left on device")

// holding is Alice with a grant and a session under it, at a gateway with a reserve.
func (w *world) holding(workflow curfew.WorkflowID) (*Permit, curfew.GrantID) {
	w.t.Helper()
	a := w.asking(alice, "read", time.Hour)
	a.Workflow = workflow
	w.do(a)
	w.do(Start{Grant: a.Grant})
	p, err := w.open(alice, a.Grant)
	if err != nil {
		w.t.Fatal(err)
	}
	return p, a.Grant
}

// ways are all commands that take access away, and what must be so once each has acted.
func ways() []struct {
	name string
	c    func(w *world, p *Permit, g curfew.GrantID) Command
	gate func(w *world, p *Permit) bool // at once
	then func(st *State, g curfew.GrantID) bool
} {
	shut := func(_ *world, p *Permit) bool { return p.Over() }
	ended := func(st *State, g curfew.GrantID) bool { return st.Grants[g] == nil || !st.Grants[g].Live() }
	return []struct {
		name string
		c    func(w *world, p *Permit, g curfew.GrantID) Command
		gate func(w *world, p *Permit) bool
		then func(st *State, g curfew.GrantID) bool
	}{
		{"a grant is revoked", func(_ *world, _ *Permit, g curfew.GrantID) Command { return Revoke{Grant: g, By: ben} }, shut, ended},
		{"a grant is given back", func(_ *world, _ *Permit, g curfew.GrantID) Command { return Return{Grant: g, By: alice} }, shut, ended},
		{"a session is cut", func(_ *world, p *Permit, _ curfew.GrantID) Command { return CutSession{Session: p.Session(), By: ben} }, shut,
			func(st *State, _ curfew.GrantID) bool { return len(st.Sessions) == 0 }},
		{"a person is disabled", func(*world, *Permit, curfew.GrantID) Command { return Disable{Principal: alice, By: ben} },
			func(w *world, p *Permit) bool {
				return p.Over() && w.s.Withdrawn(alice, "") && !w.s.Withdrawn(dana, "")
			},
			func(st *State, g curfew.GrantID) bool { return ended(st, g) && !st.Enabled(alice) }},
		{"a workflow is closed", func(*world, *Permit, curfew.GrantID) Command { return CloseWorkflow{ID: "INC-1", By: ben} }, shut,
			func(st *State, g curfew.GrantID) bool { return ended(st, g) && st.Workflows["INC-1"] == nil }},
		{"an account is used outside", func(*world, *Permit, curfew.GrantID) Command {
			return UsedOutside{curfew.LeaseTrouble{Lease: "l_1", What: "seen"}}
		}, shut, ended},
		{"a grant is shortened", func(_ *world, _ *Permit, g curfew.GrantID) Command {
			return Shorten{Grant: g, By: ben, Left: time.Minute}
		}, func(_ *world, p *Permit) bool { return time.Until(p.End()) <= time.Minute },
			func(st *State, g curfew.GrantID) bool { return time.Until(st.Grants[g].End) <= time.Minute }},
		{"somebody signs out everywhere", func(*world, *Permit, curfew.GrantID) Command { return SignOutEverywhere{alice, alice} },
			func(w *world, _ *Permit) bool { return w.s.Withdrawn(alice, "t_1") },
			func(st *State, _ curfew.GrantID) bool { return st.People[alice].Generation == 1 && len(st.Tokens) == 0 }},
		{"a client signs out", func(*world, *Permit, curfew.GrantID) Command {
			return WithdrawToken{curfew.SecretUnlisted{ID: "t_1", By: alice}}
		}, func(w *world, _ *Permit) bool { return w.s.Withdrawn(alice, "t_1") && !w.s.Withdrawn(alice, "t_2") },
			func(st *State, _ curfew.GrantID) bool { return len(st.Tokens) == 0 }},
	}
}

// acting brings a world to where each of the ways has something to take away.
func (w *world) acting() (*Permit, curfew.GrantID) {
	next := baseConfig()
	reading := next.Policies["reading"]
	reading.Workflows = []curfew.WorkflowNeed{{Kind: curfew.Incident}}
	next.Policies["reading"] = reading
	w.apply(root, next)
	w.do(Agree{Plan: w.onlyPlan(), By: ben})
	w.keep()
	w.do(OpenWorkflow{ID: "INC-1", Kind: curfew.Incident, By: ben})
	w.do(IssueToken{curfew.SecretListed{ID: "t_1", Principal: alice, Until: time.Now().Add(time.Hour)}})
	p, g := w.holding("INC-1")
	w.do(PlanLease{Lease: "l_1", Grant: g})
	return p, g
}

func TestWhatTakesAwayActsAtOnceAndIsNotLost(t *testing.T) {
	for _, way := range ways() {
		inWorld(t, way.name+" on a full disk, and the gateway is killed", func(w *world) {
			p, g := w.acting()
			w.l.failing(func([]ledger.Draft) error { return errFull })
			r, err := w.s.Do(w.ctx, way.c(w, p, g))
			if err != nil || r.Written {
				w.t.Fatalf("%+v %v", r, err)
			}
			if !way.gate(w, p) {
				w.t.Error("it was answered, and the gate does not know")
			}
			w.stop()
			w.l.failing(nil)
			w.start()
			synctest.Wait()
			w.s.View(func(st *State) {
				if !way.then(st, g) {
					w.t.Error("it was answered, and is lost")
				}
			})
			from := w.l.Head().Size
			w.stop()
			w.start()
			if kinds := w.kinds(from + 1); len(kinds) != 0 {
				w.t.Errorf("the next start writes it again: %v", kinds)
			}
		})
		inWorld(t, way.name+" while the disk stalls", func(w *world) {
			p, g := w.acting()
			stall := make(chan struct{})
			w.l.failing(func([]ledger.Draft) error { <-stall; return nil })
			go func() { _, _ = w.s.Do(w.ctx, w.asking(dana, "read", time.Hour)) }()
			synctest.Wait()
			began := time.Now()
			r, err := w.s.Do(w.ctx, way.c(w, p, g))
			if err != nil || r.Written || time.Since(began) > writtenBound {
				w.t.Fatalf("%+v %v after %s", r, err, time.Since(began))
			}
			if !way.gate(w, p) {
				w.t.Error("it was answered, and the gate does not know")
			}
			close(stall)
			synctest.Wait()
			w.l.failing(nil)
			w.s.View(func(st *State) {
				if !way.then(st, g) && way.name != "a session is cut" { // the session says itself that it has ended
					w.t.Error("it was never written")
				}
			})
			if len(w.s.acts) != 0 || w.kept.live != 0 {
				w.t.Errorf("%d acts and %d lines are left", len(w.s.acts), w.kept.live)
			}
		})
		inWorld(t, way.name+" where nothing can keep it", func(w *world) {
			p, g := w.acting()
			w.l.failing(func([]ledger.Draft) error { return errFull })
			w.kept.mu.Lock()
			w.kept.used = reserveSize
			w.kept.mu.Unlock()
			_, err := w.s.Do(w.ctx, way.c(w, p, g))
			if ruleOf(err) != "ledger.unwritten" {
				w.t.Errorf("it can be lost, and the answer is %v", err)
			}
			if !way.gate(w, p) {
				w.t.Error("the gate does not know")
			}
			w.kept.mu.Lock()
			w.kept.used = 0
			w.kept.mu.Unlock()
			w.l.failing(nil)
			w.pass(2 * time.Second)
			w.s.View(func(st *State) {
				if !way.then(st, g) && way.name != "a session is cut" {
					w.t.Error("it is not written once the ledger answers")
				}
			})
		})
	}
}

func TestAChangeThatTakesAwayActsAtOnceAndIsAnsweredOnceWritten(t *testing.T) {
	inWorld(t, "a policy goes while the disk stalls", func(w *world) {
		w.keep()
		p, g := w.holding("")
		next := baseConfig()
		delete(next.Policies, "reading")
		stall := make(chan struct{})
		w.l.failing(func([]ledger.Draft) error { <-stall; return nil })
		_, err := w.s.Do(w.ctx, Propose{Change: w.s.Plan(next), Author: root})
		if !p.Over() {
			w.t.Error("the gate is open")
		}
		if ruleOf(err) != "ledger.unwritten" {
			w.t.Errorf("it can be lost, and the answer is %v", err)
		}
		close(stall)
		synctest.Wait()
		if x := w.grant(g); x.ID != "" && x.Live() {
			w.t.Error("it was never written")
		}
	})
}

func TestAnExtensionOnItsWayDoesNotUndoAShortening(t *testing.T) {
	inWorld(t, "the nearer end holds", func(w *world) {
		w.keep()
		p, g := w.holding("")
		stall := make(chan struct{})
		w.l.failing(func([]ledger.Draft) error { <-stall; return nil })
		more := w.asking(alice, "", 30*time.Minute)
		more.Extends = g
		go func() { _, _ = w.s.Do(w.ctx, more) }()
		synctest.Wait()
		if _, err := w.s.Do(w.ctx, Shorten{Grant: g, By: ben, Left: time.Minute}); err != nil {
			w.t.Fatal(err)
		}
		w.l.failing(func([]ledger.Draft) error { return errFull }) // the extension is written, the shortening not yet
		close(stall)
		synctest.Wait()
		if left := time.Until(p.End()); left > time.Minute {
			w.t.Errorf("the session has %s left", left)
		}
		w.l.failing(nil)
	})
}

func TestASessionOnItsWayInMeetsWhatHasActed(t *testing.T) {
	inWorld(t, "revoked while the session's event is written", func(w *world) {
		w.keep()
		_, g := w.holding("")
		stall := make(chan struct{})
		w.l.failing(func([]ledger.Draft) error { <-stall; return nil })
		opened := make(chan *Permit, 1)
		go func() {
			p, _ := w.open(alice, g)
			opened <- p
		}()
		synctest.Wait()
		if _, err := w.s.Do(w.ctx, Revoke{Grant: g, By: ben}); err != nil {
			w.t.Fatal(err)
		}
		w.l.failing(func([]ledger.Draft) error { return errFull })
		close(stall)
		if p := <-opened; p != nil && !p.Over() {
			w.t.Error("the session opened")
		}
		w.l.failing(nil)
	})
}

// Every command answers within a bound, whatever the ledger does.
func TestASilentLedgerIsSaidToBeSilent(t *testing.T) {
	inWorld(t, "nobody knows what became of it", func(w *world) {
		w.keep()
		_, g := w.holding("")
		var alive atomic.Bool
		w.l.read = func() error {
			if !alive.Load() {
				return errors.New("input/output error")
			}
			return nil
		}
		w.l.after = func([]ledger.Draft) error {
			if !alive.Load() {
				return ledger.ErrUnknown
			}
			return nil
		}
		rules := make(chan string, 2)
		ask := func() {
			began := time.Now()
			_, err := w.s.Do(context.Background(), w.asking(alice, "write", time.Hour))
			if curfew.CodeOf(err) != curfew.Unavailable || time.Since(began) > answerBound {
				w.t.Errorf("after %s: %v", time.Since(began), err)
			}
			rules <- ruleOf(err)
		}
		go ask() // its outcome is unknown
		synctest.Wait()
		go ask() // it waits behind that
		if got := []string{<-rules, <-rules}; !slices.Contains(got, "ledger.unknown") || !slices.Contains(got, "ledger.silent") {
			w.t.Errorf("the answers are %v", got)
		}
		w.pass(time.Second)
		began := time.Now()
		if _, err := w.open(alice, g); ruleOf(err) != "ledger.silent" || time.Since(began) > 0 {
			w.t.Errorf("a session, after %s: %v", time.Since(began), err)
		}
		if r, err := w.s.Do(w.ctx, Revoke{Grant: g, By: ben}); err != nil || r.Written {
			w.t.Errorf("revoking: %+v %v", r, err)
		}
		alive.Store(true)
		w.pass(2 * time.Second)
		n := 0
		w.s.View(func(st *State) { n = len(st.Requests) })
		if n != 1 {
			w.t.Errorf("%d requests wait: the first was in the ledger, the second never decided", n)
		}
		if x := w.grant(g); x.ID != "" && x.Live() {
			w.t.Error("the end is not written once the ledger answers")
		}
	})
	inWorld(t, "a session that nobody waits for any more does not live", func(w *world) {
		_, g := w.holding("")
		stall := make(chan struct{})
		w.l.failing(func([]ledger.Draft) error { <-stall; return nil })
		if _, err := w.open(alice, g); ruleOf(err) != "ledger.unknown" {
			w.t.Errorf("it got %v", err)
		}
		close(stall)
		w.l.failing(nil)
		synctest.Wait()
		n := 0
		w.s.View(func(st *State) { n = len(st.Sessions) })
		if n != 1 || w.s.Live() != 1 { // the one of holding
			w.t.Errorf("%d sessions in the ledger, %d permits", n, w.s.Live())
		}
	})
	inWorld(t, "a session's end is written as soon as can be", func(w *world) {
		p, _ := w.holding("")
		w.l.failing(func([]ledger.Draft) error { return errFull })
		if err := w.s.CloseSession(w.ctx, p, curfew.SessionEnded{Session: p.Session(), Cause: curfew.CauseClosed}); ruleOf(err) != "ledger.unwritten" {
			w.t.Errorf("closing got %v", err)
		}
		w.l.failing(nil)
		w.pass(2 * time.Second)
		w.s.View(func(st *State) {
			if len(st.Sessions) != 0 {
				w.t.Error("the session is live for ever")
			}
		})
	})
}

// What was kept bars from the first moment of the next process on, though its ledger is silent too.
func TestWhatWasKeptBarsBeforeTheLedgerAnswers(t *testing.T) {
	inWorld(t, "a restart with a ledger that is stuck", func(w *world) {
		w.acting()
		w.l.failing(func([]ledger.Draft) error { return errFull })
		for _, c := range []Command{Disable{Principal: alice, By: ben}, WithdrawToken{curfew.SecretUnlisted{ID: "t_1", By: alice}}} {
			if r, err := w.s.Do(w.ctx, c); err != nil || r.Written {
				w.t.Fatalf("%+v %v", r, err)
			}
		}
		w.stop()
		w.start()
		if !w.s.Withdrawn(alice, "") || !w.s.Withdrawn(dana, "t_1") || w.s.Withdrawn(dana, "") || w.s.Unwritten() != 2 {
			w.t.Errorf("after the restart it lets in who was disabled; %d are said to be unwritten", w.s.Unwritten())
		}
		time.Sleep(3 * time.Second) // it tries, and goes on trying
		w.l.failing(nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.s.View(func(st *State) {
			if len(st.Sessions) != 0 {
				w.t.Error("the last run's session is live")
			}
		})
		if w.s.Unwritten() != 0 || w.s.Withdrawn(dana, "t_1") {
			w.t.Errorf("%d are unwritten after the ledger answers", w.s.Unwritten())
		}
	})
}

// Nobody fills the reserve, in which others' revocations must find room.
func TestOneHolderDoesNotFillTheReserve(t *testing.T) {
	inWorld(t, "the same again and again", func(w *world) {
		p, g := w.acting()
		w.l.failing(func([]ledger.Draft) error { return errFull })
		for i := range 50 {
			r, err := w.s.Do(w.ctx, Return{Grant: g, By: alice})
			if err != nil || r.Written {
				w.t.Fatalf("%d: %+v %v", i, r, err)
			}
		}
		if r, err := w.s.Do(w.ctx, Revoke{Grant: g, By: ben}); err != nil || r.Written {
			w.t.Errorf("%+v %v", r, err)
		}
		if w.s.Unwritten() != 1 || !p.Over() {
			w.t.Errorf("%d acts for one grant", w.s.Unwritten())
		}
	})
	inWorld(t, "a little shorter each time", func(w *world) {
		_, g := w.acting()
		w.l.failing(func([]ledger.Draft) error { return errFull })
		refused := 0
		for i := range 40 {
			_, err := w.s.Do(w.ctx, Shorten{Grant: g, By: alice, Left: 50*time.Minute - time.Duration(i+1)*time.Minute})
			if curfew.CodeOf(err) == curfew.Limited {
				refused++
			} else if err != nil {
				w.t.Fatal(err)
			}
		}
		if w.s.Unwritten() > mostAlike || refused == 0 {
			w.t.Errorf("%d shortenings wait, %d were refused", w.s.Unwritten(), refused)
		}
		if r, err := w.s.Do(w.ctx, Revoke{Grant: g, By: ben}); err != nil || r.Written {
			w.t.Errorf("and then it could not be revoked: %+v %v", r, err)
		}
	})
	inWorld(t, "two at once, with a ledger that answers", func(w *world) {
		_, g := w.acting()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if r, err := w.s.Do(w.ctx, Return{Grant: g, By: alice}); err == nil && !r.Written {
					w.t.Errorf("%+v", r)
				}
			})
		}
		wg.Wait()
	})
}

// A budget that is spent stays so.
func TestASpentBudgetIsNotLost(t *testing.T) {
	inWorld(t, "on a full disk, and the gateway is killed", func(w *world) {
		w.keep()
		_, g := w.ask(alice, "counted", time.Hour)
		w.do(Start{Grant: g})
		w.l.failing(func([]ledger.Draft) error { return errFull })
		if r, err := w.s.Do(w.ctx, Spend{Grant: g}); err != nil || r.Written {
			w.t.Fatalf("%+v %v", r, err)
		}
		w.stop()
		w.l.failing(nil)
		w.start()
		synctest.Wait()
		if x := w.grant(g); x.Live() {
			w.t.Errorf("%+v", x)
		}
	})
}
