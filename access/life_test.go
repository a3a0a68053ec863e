package access

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// inWorld runs f in a bubble of its own time and checks the laws at the end.
func inWorld(t *testing.T, name string, f func(w *world)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.settle()
			f(w)
			w.lawful()
			w.stop()
		})
	})
}

// settle lets everybody's relations grow old enough.
func (w *world) settle() {
	w.pass(11 * time.Minute)
}

// pass lets time go by, and everything that is due happen.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestLifeOfAGrant(t *testing.T) {
	inWorld(t, "asked, approved, started, used, over on time", func(w *world) {
		id, _ := w.ask(alice, "write", 45*time.Minute)
		w.pass(20 * time.Minute) // a slow approver does not eat the requester's time
		a := w.approving(dana, id)
		w.do(a)
		if g := w.grant(a.Grant); g.Status != Scheduled {
			t.Fatalf("after approval the grant is %s", g.Status)
		}
		w.do(Start{Grant: a.Grant, Tested: true})
		g := w.grant(a.Grant)
		if g.Status != Active || g.End.Sub(g.Start) != 45*time.Minute {
			t.Fatalf("the grant is %s for %s", g.Status, g.End.Sub(g.Start))
		}
		p, err := w.open(alice, a.Grant)
		if err != nil {
			t.Fatal(err)
		}
		w.pass(44*time.Minute + 59*time.Second)
		if p.Over() {
			t.Fatal("the session is over early")
		}
		w.pass(2 * time.Second)
		var e Ended
		if !p.Over() || !errors.As(context.Cause(p.Context()), &e) || e.Cause != curfew.CauseExpired {
			t.Fatalf("after the end the permit is over: %v, cause %v", p.Over(), context.Cause(p.Context()))
		}
		if _, err := w.open(alice, a.Grant); ruleOf(err) == "" {
			t.Fatalf("a session opened after the end: %v", err)
		}
	})
	inWorld(t, "the clock starts thirty seconds after approval at the latest", func(w *world) {
		_, gid := w.ask(alice, "read", time.Hour)
		w.pass(startBound + time.Second)
		if g := w.grant(gid); g.Status != Active || g.Tested {
			t.Fatalf("the grant is %s, tested %v", g.Status, g.Tested)
		}
	})
	inWorld(t, "where no account is made, the clock starts at approval", func(w *world) {
		c := baseConfig()
		db := c.Resources["db"]
		db.Account = curfew.Fixed
		c.Resources["db"] = db
		w.apply(root, c)
		w.do(Agree{Plan: w.onlyPlan(), By: ben})
		_, gid := w.ask(alice, "read", time.Hour)
		if g := w.grant(gid); g.Status != Active || time.Until(g.End) > time.Hour {
			w.t.Fatalf("after approval the grant is %s until %s", g.Status, g.End)
		}
		later := w.asking(dana, "read", time.Hour)
		later.Start = time.Now().Add(20 * time.Minute)
		w.do(later)
		w.pass(20*time.Minute - time.Second)
		if g := w.grant(later.Grant); g.Status != Scheduled {
			w.t.Fatalf("before its start the grant is %s", g.Status)
		}
		w.pass(2 * time.Second)
		if g := w.grant(later.Grant); g.Status != Active {
			w.t.Fatalf("after its start the grant is %s", g.Status)
		}
	})
	inWorld(t, "a session opened one second before the end dies with the grant", func(w *world) {
		_, gid := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: gid})
		w.pass(time.Hour - time.Second)
		p, err := w.open(alice, gid)
		if err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if !p.Over() {
			t.Fatal("it lives")
		}
	})
	inWorld(t, "an unanswered request lapses", func(w *world) {
		id, _ := w.ask(alice, "write", time.Hour)
		w.pass(31 * time.Minute)
		w.refused(w.approving(dana, id), "not_found")
	})
	inWorld(t, "an approval nobody uses lapses", func(w *world) {
		c := baseConfig()
		p := c.Policies["reading"]
		p.Starts = curfew.AtFirstUse
		c.Policies["reading"] = p
		w.apply(root, c)
		w.do(Agree{Plan: w.onlyPlan(), By: ben})
		_, gid := w.ask(alice, "read", time.Hour)
		w.pass(7 * time.Hour)
		if w.grant(gid).Status != Scheduled {
			t.Fatal("the clock started without use")
		}
		w.pass(2 * time.Hour)
		if g := w.grant(gid); g.ID != "" {
			t.Fatalf("it is %s", g.Status)
		}
	})
	inWorld(t, "extending moves a live session's end, and never beyond the role's longest", func(w *world) {
		_, gid := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: gid})
		p, err := w.open(alice, gid)
		if err != nil {
			t.Fatal(err)
		}
		before := p.End()
		more := Ask{Request: "rq_more", Grant: "gr_x", Question: Question{Principal: alice, Duration: 90 * time.Minute, Reason: "longer"}, Extends: gid}
		w.do(more)
		if got := p.End().Sub(before); got != time.Hour {
			t.Fatalf("moved by %s, want the 1h that is left of the longest", got)
		}
		more.Request = "rq_again"
		w.refused(more, "policy.duration")
	})
	inWorld(t, "shortening acts on live sessions", func(w *world) {
		_, gid := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: gid})
		p, _ := w.open(alice, gid)
		w.do(Shorten{Grant: gid, By: ben, Left: 5 * time.Minute})
		w.pass(5*time.Minute + time.Second)
		if !p.Over() {
			t.Fatal("it lives")
		}
	})
	inWorld(t, "a single-use credential opens one session", func(w *world) {
		_, gid := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: gid})
		c := OpenSession{Session: "s_1", Credential: Credential{ID: "c_1", Principal: alice, Grant: gid, Until: time.Now().Add(time.Minute), Once: true}}
		if _, err := w.s.OpenSession(w.ctx, c); err != nil {
			t.Fatal(err)
		}
		c.Session = "s_2"
		if _, err := w.s.OpenSession(w.ctx, c); ruleOf(err) != "credential.used" {
			t.Fatalf("used twice: %v", err)
		}
	})
}

func (w *world) onlyPlan() (id curfew.PlanID) {
	w.s.View(func(st *State) {
		for p := range st.Plans {
			id = p
		}
	})
	return id
}

func TestEveryEndCutsLiveSessions(t *testing.T) {
	ends := map[string]struct {
		by    func(w *world, gid curfew.GrantID)
		cause curfew.Cause
	}{
		"revoked":         {func(w *world, g curfew.GrantID) { w.do(Revoke{Grant: g, By: ben}) }, curfew.CauseRevoked},
		"returned":        {func(w *world, g curfew.GrantID) { w.do(Return{Grant: g, By: alice}) }, curfew.CauseReturned},
		"person disabled": {func(w *world, _ curfew.GrantID) { w.do(Disable{Principal: alice, By: root}) }, curfew.CauseDisabled},
		"group left": {func(w *world, _ curfew.GrantID) {
			c := baseConfig()
			c.Groups["payments"] = []curfew.Principal{dana}
			w.apply(root, c)
		}, curfew.CauseGroup},
		"role removed": {func(w *world, _ curfew.GrantID) {
			c := baseConfig()
			delete(c.Roles, "read")
			delete(c.Policies, "reading")
			w.apply(root, c)
		}, curfew.CauseRole},
		"policy removed": {func(w *world, _ curfew.GrantID) {
			c := baseConfig()
			delete(c.Policies, "reading")
			w.apply(root, c)
		}, curfew.CausePolicy},
		"resource removed": {func(w *world, _ curfew.GrantID) {
			w.apply(root, curfew.Config{Groups: baseConfig().Groups, Settings: baseConfig().Settings})
		}, curfew.CauseRole},
	}
	for name, end := range ends {
		inWorld(t, name, func(w *world) {
			_, gid := w.ask(alice, "read", time.Hour)
			w.do(Start{Grant: gid})
			p, err := w.open(alice, gid)
			if err != nil {
				t.Fatal(err)
			}
			end.by(w, gid)
			var e Ended
			if !p.Over() || !errors.As(context.Cause(p.Context()), &e) || e.Cause != end.cause {
				t.Fatalf("over %v, cause %v, want %s", p.Over(), context.Cause(p.Context()), end.cause)
			}
			if _, err := w.open(alice, gid); err == nil {
				t.Fatal("a session opened after the end")
			}
		})
	}
}

func TestClosingAWorkflowEndsWhatRestsOnIt(t *testing.T) {
	inWorld(t, "incident", func(w *world) {
		c := baseConfig()
		p := c.Policies["reading"]
		p.Workflows = []curfew.WorkflowNeed{{Kind: curfew.Incident}}
		c.Policies["reading"] = p
		w.apply(root, c)
		w.do(Agree{Plan: w.onlyPlan(), By: ben})
		w.refused(w.asking(alice, "read", time.Hour), "policy.workflow")

		w.do(OpenWorkflow{ID: "INC-1", Kind: curfew.Incident, By: alice})
		own := w.asking(alice, "read", time.Hour)
		own.Workflow = "INC-1"
		w.refused(own, "policy.workflow") // one's own word is nobody else's

		w.do(OpenWorkflow{ID: "INC-2", Kind: curfew.Incident, By: dana})
		a := w.asking(alice, "read", time.Hour)
		a.Workflow = "INC-2"
		w.do(a)
		w.do(Start{Grant: a.Grant})
		s, err := w.open(alice, a.Grant)
		if err != nil {
			t.Fatal(err)
		}
		w.do(CloseWorkflow{ID: "INC-2", By: dana})
		if !s.Over() {
			t.Fatal("the session outlived its incident")
		}
	})
}

func TestWhoMayApprove(t *testing.T) {
	inWorld(t, "asker cannot approve", func(w *world) {
		id, _ := w.ask(dana, "write", time.Hour)
		w.refused(w.approving(dana, id), "approver")
	})
	inWorld(t, "an administrator has no exception", func(w *world) {
		id, _ := w.ask(alice, "write", time.Hour)
		w.refused(w.approving(root, id), "approver")
	})
	inWorld(t, "approving something else than was shown", func(w *world) {
		id, _ := w.ask(alice, "write", time.Hour)
		a := w.approving(dana, id)
		a.Digest = []byte("something else")
		w.refused(a, "request.changed")
	})
	inWorld(t, "an approver cannot widen", func(w *world) {
		id, _ := w.ask(alice, "write", 30*time.Minute)
		a := w.approving(dana, id)
		a.For = time.Hour
		w.refused(a, "invalid")
	})
	inWorld(t, "a concurrent no wins", func(w *world) {
		id, _ := w.ask(alice, "write", time.Hour)
		yes := w.approving(dana, id)
		w.do(Deny{Request: id, By: ben})
		w.refused(yes, "not_found")
	})
	inWorld(t, "two clicks at once give one grant", func(w *world) {
		id, _ := w.ask(alice, "write", time.Hour)
		a, b := w.approving(dana, id), w.approving(ben, id)
		results := make(chan error, 2)
		for _, c := range []Approve{a, b} {
			go func() { _, err := w.s.Do(w.ctx, c); results <- err }()
		}
		if e1, e2 := <-results, <-results; (e1 == nil) == (e2 == nil) {
			t.Fatalf("%v, %v", e1, e2)
		}
	})
	inWorld(t, "a relation that is not settled does not count", func(w *world) {
		c := baseConfig()
		c.Groups["payments"] = append(c.Groups["payments"], root)
		w.apply(ben, c)
		w.refused(Agree{Plan: w.onlyPlan(), By: root}, "plan.second") // root gains by it
		w.do(DropPlan{Plan: w.onlyPlan(), By: ben})
	})
	inWorld(t, "a change of the role voids what waits", func(w *world) {
		id, _ := w.ask(alice, "write", time.Hour)
		c := baseConfig()
		r := c.Roles["write"]
		r.May = []string{"update orders", "delete orders"}
		c.Roles["write"] = r
		w.apply(root, c)
		w.do(Agree{Plan: w.onlyPlan(), By: ben})
		w.refused(w.approving(dana, id), "not_found")
	})
}

func TestOneAdministratorGivesNobodyAnything(t *testing.T) {
	inWorld(t, "proposing, agreeing, dropping", func(w *world) {
		c := baseConfig()
		c.Groups["payments"] = append(c.Groups["payments"], root)
		w.apply(root, c)
		id := w.onlyPlan()
		if id == "" {
			t.Fatal("the change acted at once")
		}
		w.refused(Agree{Plan: id, By: root}, "plan.second")
		w.refused(Agree{Plan: id, By: dana}, "plan.second")
		w.refused(w.asking(root, "read", time.Hour), "policy.who")
		w.do(Agree{Plan: id, By: ben})
		w.do(w.asking(root, "read", time.Hour))
	})
	inWorld(t, "a change that only takes away acts at once", func(w *world) {
		c := baseConfig()
		delete(c.Policies, "reading")
		delete(c.Roles, "read")
		w.apply(root, c)
		if w.onlyPlan() != "" {
			t.Fatal("it waits")
		}
		w.refused(w.asking(alice, "read", time.Hour), "role.unknown")
	})
	inWorld(t, "the last administrator stays", func(w *world) {
		c := baseConfig()
		c.Groups[curfew.Administrators] = []curfew.Principal{"p_nobody"}
		w.do(Propose{Change: w.s.Plan(c), Author: root})
		w.refused(Agree{Plan: w.onlyPlan(), By: ben}, "administrator.last")
	})
	inWorld(t, "no link for somebody who has signed in", func(w *world) {
		w.refused(IssueLink{curfew.SecretListed{ID: "k_again", Principal: dana, Until: time.Now().Add(time.Hour), By: root}}, "link.joined")
	})
}

func TestDurations(t *testing.T) {
	for name, d := range map[string]time.Duration{"zero": 0, "negative": -1, "a nanosecond": 1, "overflowing": 9e18} {
		inWorld(t, name, func(w *world) { w.refused(w.asking(alice, "read", d), "invalid") })
	}
}

func TestAskingIsLimited(t *testing.T) {
	inWorld(t, "a million asks show three cards at most", func(w *world) {
		for i := range 100 {
			_, _ = w.s.Do(w.ctx, w.asking(alice, []curfew.RoleName{"write", "read"}[i%2], time.Minute))
		}
		n := 0
		w.s.View(func(st *State) { n = len(st.Requests) })
		if n > MostPending {
			t.Fatalf("%d requests wait", n)
		}
	})
}

func TestAStuckLedgerKeepsNobodyIn(t *testing.T) {
	inWorld(t, "gates shut before anything is written", func(w *world) {
		w.keep()
		_, gid := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: gid})
		p, _ := w.open(alice, gid)
		stall := make(chan struct{})
		w.l.fail = func([]ledger.Draft) error { <-stall; return nil }
		r, err := w.s.Do(w.ctx, Revoke{Grant: gid, By: ben})
		if err != nil || r.Written {
			t.Fatalf("%+v %v", r, err)
		}
		if !p.Over() {
			t.Fatal("the gate is open")
		}
		close(stall)
		synctest.Wait()
		w.l.fail = nil
		if g := w.grant(gid); g.ID != "" {
			t.Fatalf("the end was not written: %s", g.Status)
		}
	})
	inWorld(t, "an end that could not be written is written before anything is given", func(w *world) {
		w.keep()
		_, gid := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: gid})
		p, _ := w.open(alice, gid)
		full := true
		w.l.fail = func([]ledger.Draft) error {
			if full {
				return curfew.Errorf(curfew.Unavailable, "no space left on device")
			}
			return nil
		}
		if r, err := w.s.Do(w.ctx, Revoke{Grant: gid, By: ben}); err != nil || r.Written || !p.Over() {
			t.Fatalf("%+v %v over %v", r, err, p.Over())
		}
		if _, err := w.s.Do(w.ctx, w.asking(dana, "read", time.Hour)); curfew.CodeOf(err) != curfew.Unavailable {
			t.Fatalf("access was given by a ledger that takes nothing: %v", err)
		}
		full = false
		from := w.l.Head().Size + 1
		w.pass(2 * time.Second)
		if !slices.Contains(w.kinds(from), curfew.KindGrantEnded) {
			t.Fatalf("what was written: %v", w.kinds(from))
		}
	})
}

func TestUnknownOutcomeIsFoundOut(t *testing.T) {
	inWorld(t, "the batch is there", func(w *world) {
		w.l.after = func([]ledger.Draft) error { w.l.after = nil; return ledger.ErrUnknown }
		id, _ := w.ask(alice, "write", time.Hour)
		w.do(w.approving(dana, id))
	})
	inWorld(t, "the batch is not there", func(w *world) {
		w.l.fail = func([]ledger.Draft) error { w.l.fail = nil; return ledger.ErrUnknown }
		w.refused(w.asking(alice, "write", time.Hour), "")
		w.ask(alice, "write", time.Hour)
	})
}

func TestARestartRevivesNothing(t *testing.T) {
	inWorld(t, "sessions are over, grants live, ended ones do not", func(w *world) {
		_, gid := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: gid})
		p, _ := w.open(alice, gid)
		w.stop()
		if !p.Over() {
			t.Fatal("a session outlived its gateway")
		}
		w.start()
		synctest.Wait()
		n := -1
		w.s.View(func(st *State) { n = len(st.Sessions) })
		if n != 0 || w.grant(gid).Status != Active {
			t.Fatalf("%d sessions, grant %s", n, w.grant(gid).Status)
		}
		w.do(Revoke{Grant: gid, By: ben})
		w.stop()
		w.start()
		if g := w.grant(gid); g.Live() {
			t.Fatal("an ended grant was revived")
		}
	})
}

// What a session spent before a crash is not known: where that is bounded, unknown means no.
func TestABudgetDoesNotOutliveWhatIsKnownOfIt(t *testing.T) {
	inWorld(t, "a crash in a session", func(w *world) {
		_, gid := w.ask(alice, "counted", time.Hour)
		w.do(Start{Grant: gid})
		first, err := w.open(alice, gid)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.s.CloseSession(w.ctx, first, curfew.SessionEnded{Session: first.Session(), Spent: curfew.Budget{Statements: 3}}); err != nil {
			t.Fatal(err)
		}
		if g := w.grant(gid); g.Spent != (curfew.Budget{Statements: 3}) || g.Budget.Statements != 10 {
			t.Fatalf("%+v", g)
		}
		w.stop() // nothing is open: what was spent is known
		w.start()
		synctest.Wait()
		if g := w.grant(gid); !g.Live() || g.Spent.Statements != 3 {
			t.Fatalf("%+v", g)
		}
		if _, err := w.open(alice, gid); err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.start()
		synctest.Wait()
		if g := w.grant(gid); g.Live() {
			t.Errorf("%+v", g)
		}
		var last curfew.GrantEnded
		for _, e := range w.l.events {
			if e.Kind == curfew.KindGrantEnded && json.Unmarshal(e.Body, &last) != nil {
				t.Error(e)
			}
		}
		if last.Grant != gid || last.Cause != curfew.CauseBudget {
			t.Errorf("%+v", last)
		}
	})
	inWorld(t, "spent", func(w *world) {
		_, gid := w.ask(alice, "counted", time.Hour)
		w.do(Start{Grant: gid})
		p, err := w.open(alice, gid)
		if err != nil {
			t.Fatal(err)
		}
		w.do(Spend{Grant: gid})
		if e, over := p.Ended(); !over || e.Cause != curfew.CauseBudget {
			t.Fatal(e, over)
		}
		_, other := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: other})
		w.do(Spend{Grant: other}) // it has no budget
		if w.grant(other).Status != Active {
			t.Fatal("ended by a budget that it has not")
		}
	})
}

func TestUnknownEventsCloseEverything(t *testing.T) {
	l := newFakeLedger()
	l.events = []curfew.Event{{Position: 1, Kind: "grant.blessed", Body: []byte(`{}`)}}
	if _, err := Open(context.Background(), Parts{Ledger: l}); err == nil {
		t.Fatal("a kind that is not known was skipped")
	}
}

func TestARestoredLedgerGivesNothingUntilTwoConfirm(t *testing.T) {
	inWorld(t, "restore", func(w *world) {
		_, gid := w.ask(alice, "read", time.Hour)
		w.do(Start{Grant: gid})
		p, err := w.open(alice, gid)
		if err != nil {
			t.Fatal(err)
		}
		w.do(IssueToken{curfew.SecretListed{ID: "t_1", Principal: alice, Until: time.Now().Add(time.Hour)}})
		w.do(Restore{curfew.LedgerRestored{LostFrom: 9, LostTo: 12, How: "take over"}})
		if g := w.grant(gid); !p.Over() || g.Live() {
			t.Fatal("something lives")
		}
		w.s.View(func(st *State) {
			if len(st.Tokens) != 0 || st.People[alice].Generation == 0 {
				t.Fatal("a sign-in outlived the restore")
			}
		})
		w.refused(w.asking(alice, "read", time.Hour), "ledger.restored")
		w.refused(ConfirmRestore{By: dana}, "administrator")
		w.do(ConfirmRestore{By: root})
		w.refused(ConfirmRestore{By: root}, "conflict")
		w.refused(w.asking(alice, "read", time.Hour), "ledger.restored")
		w.do(ConfirmRestore{By: ben})
		w.do(w.asking(alice, "read", time.Hour))
	})
}

func TestAFollowerSeesWhatItIsToldOf(t *testing.T) {
	inWorld(t, "the state holds the events", func(w *world) {
		ctx, cancel := context.WithCancel(w.ctx)
		done := make(chan error, 1)
		go func() {
			done <- w.s.Follow(ctx, 0, func(events []curfew.Event) error {
				w.s.View(func(st *State) {
					if last := events[len(events)-1].Position; st.Size < last {
						t.Errorf("told of event %d by a state of %d", last, st.Size)
					}
				})
				return nil
			})
		}()
		w.l.after = func([]ledger.Draft) error { time.Sleep(time.Millisecond); return nil } // durable, and not yet folded
		w.ask(alice, "write", time.Hour)
		w.ask(dana, "write", time.Hour)
		w.l.after = nil
		synctest.Wait()
		cancel()
		<-done
	})
}
