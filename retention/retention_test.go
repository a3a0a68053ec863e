package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/history"
	historydb "github.com/curfewhq/curfew/history/sqlite"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	"github.com/curfewhq/curfew/ledger/mem"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/record/local"
	"github.com/curfewhq/curfew/seal"
)

// breaking is a store whose removals fail as told.
type breaking struct {
	*local.Store
	fails int
}

func (b *breaking) Remove(id curfew.SessionID) error {
	if b.fails > 0 {
		b.fails--
		return errors.New("the power went")
	}
	return b.Store.Remove(id)
}

// world is everything that a keeper looks at, in a bubble of its own time.
type world struct {
	t       *testing.T
	ctx     context.Context
	ledger  ledger.Ledger
	access  *access.Service
	history *historydb.Store
	store   *breaking
	folder  string
	keeper  *Keeper
	config  curfew.Config
	n       int
}

const root, ben, alice = curfew.Principal("p_root"), curfew.Principal("p_ben"), curfew.Principal("p_alice")

func inWorld(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		w := &world{t: t, ctx: ctx, folder: t.TempDir()}
		var err error
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		s := ledgertest.Signer(t)
		l := mem.New(s)
		must(ledger.Begin(ctx, l, s, time.Now()))
		w.ledger = l
		w.access, err = access.Open(ctx, access.Parts{Ledger: l})
		must(err)
		w.history, err = historydb.Open("")
		must(err)
		rec, err := local.Open(local.Parts{Folder: w.folder, Ring: seal.NewRing(seal.NewKey())})
		must(err)
		w.store = &breaking{Store: rec}
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.access.Run(ctx) })
		wg.Go(func() { _ = history.Follow(ctx, l, w.history, slog.New(slog.DiscardHandler)) })
		wg.Go(func() { _ = rec.Run(ctx) })
		w.keeper = New(Parts{Access: w.access, History: w.history, Record: w.store})
		w.begin()
		f(w)
		cancel()
		wg.Wait()
		must(w.history.Close())
	})
}

func (w *world) do(c access.Command) access.Receipt {
	w.t.Helper()
	r, err := w.access.Do(w.ctx, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) begin() {
	for _, p := range []curfew.Principal{root, ben, alice} {
		by := root
		if p == root {
			by = ""
		}
		w.do(access.AddPerson{PrincipalAdded: curfew.PrincipalAdded{Principal: p, Kind: curfew.Person, By: by}})
		w.do(access.IssueLink{SecretListed: curfew.SecretListed{ID: "k_" + string(p), Principal: p, Until: time.Now().Add(time.Hour), By: by}})
		w.do(access.Join{Link: "k_" + string(p), Passphrase: curfew.SecretListed{ID: string(p), Principal: p}})
	}
	w.config = curfew.Config{
		Groups:    map[curfew.GroupName][]curfew.Principal{curfew.Administrators: {root, ben}, "all": {alice}},
		Resources: map[curfew.ResourceName]curfew.Resource{"db": {Name: "db", Type: "postgres", Address: "db:1", Login: "env:X", Account: curfew.Fixed}},
		Roles:     map[curfew.RoleName]curfew.Role{"read": {Name: "read", On: "db", May: []string{"read x"}, Longest: time.Hour}},
		Policies: map[curfew.PolicyName]curfew.Policy{"p": {Name: "p", Who: []curfew.Subject{{Group: "all"}}, Roles: []curfew.RoleName{"read"},
			AnswerWithin: time.Hour, UseWithin: time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive}},
	}
	w.do(access.Propose{Change: w.access.Plan(w.config), Author: root})
}

// retain changes the retention: who proposes it, and who agrees where that is needed.
func (w *world) retain(d time.Duration) {
	w.t.Helper()
	w.config.Retention.Recordings = d
	change := w.access.Plan(w.config)
	w.do(access.Propose{Change: change, Author: root})
	if len(change.Gains) > 0 {
		w.do(access.Agree{Plan: change.Plan, By: ben})
	}
	w.pass(time.Second)
}

func (w *world) pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

// session records a session of Alice's, and leaves its grant to the caller.
func (w *world) session() (curfew.SessionID, curfew.GrantID) {
	w.t.Helper()
	w.n++
	g, id := curfew.GrantID(curfew.NewID("gr")), curfew.SessionID(curfew.NewID("s"))
	w.do(access.Ask{Request: curfew.RequestID(curfew.NewID("rq")), Grant: g, Question: access.Question{Principal: alice, Role: "read", Duration: 30 * time.Minute, Reason: "x"}})
	w.do(access.Start{Grant: g})
	if _, err := w.access.OpenSession(w.ctx, access.OpenSession{Session: id, Credential: access.Credential{ID: curfew.CredentialID(fmt.Sprint("c_", w.n)), Principal: alice, Grant: g, Until: time.Now().Add(time.Minute)}}); err != nil {
		w.t.Fatal(err)
	}
	rec, err := w.store.Create(record.Header{Session: id, Grant: g, Principal: alice, Resource: "db", Mode: curfew.RecordLive})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := rec.Write(record.Item{Kind: record.Statement, Text: "SELECT 1"}); err != nil {
		w.t.Fatal(err)
	}
	if err := rec.Close(record.Item{Kind: record.Closed}); err != nil {
		w.t.Fatal(err)
	}
	w.do(access.EndSession{SessionEnded: curfew.SessionEnded{Session: id, Cause: curfew.CauseClosed}})
	w.pass(5 * time.Second) // its file gets its final name
	return id, g
}

func (w *world) over() curfew.SessionID {
	w.t.Helper()
	id, g := w.session()
	w.do(access.Return{Grant: g, By: alice})
	return id
}

func (w *world) there(id curfew.SessionID) bool {
	_, err := os.Lstat(filepath.Join(w.folder, string(id)+".rec"))
	return err == nil
}

func (w *world) look(want int) {
	w.t.Helper()
	n, err := w.keeper.Look(w.ctx)
	if n != want || err != nil {
		w.t.Errorf("%d removed, want %d; %v", n, want, err)
	}
}

// lawful checks the laws over everything.
func (w *world) removals() (out []curfew.Event) {
	w.t.Helper()
	laws := access.NewLaws()
	events, err := w.ledger.Read(w.ctx, 1, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		if err := laws.Check(e); err != nil {
			w.t.Errorf("event %d (%s): %v", e.Position, e.Kind, err)
		}
		if e.Kind == curfew.KindRecordingRemoved {
			out = append(out, e)
		}
	}
	return out
}

func TestWhatIsOverGoesAndNothingElse(t *testing.T) {
	inWorld(t, func(w *world) {
		before := w.over()
		w.look(0) // nothing was ever promised
		w.retain(10 * time.Minute)
		young := w.over()
		held := w.over()
		w.do(access.HoldRecording{Session: held, Whose: alice, By: root})
		w.look(0)
		w.pass(11 * time.Minute)
		fresh := w.over()
		live, _ := w.session()
		w.look(1)
		for id, want := range map[curfew.SessionID]bool{before: true, young: false, held: true, fresh: true, live: true} {
			if w.there(id) != want {
				t.Errorf("%s is there: %v, want %v", id, !want, want)
			}
		}
		w.pass(11 * time.Minute)
		w.look(1) // fresh; the grant of live goes on
		if w.there(fresh) || !w.there(live) {
			t.Error("a live grant's recording went, or a fresh one stayed")
		}
		w.do(access.ReleaseRecording{Session: held, By: ben})
		w.pass(20 * time.Minute)
		w.look(2)
		if w.there(held) || w.there(live) || !w.there(before) {
			t.Error("what is over stays, or what is kept for ever went")
		}
		if n := len(w.removals()); n != 4 {
			t.Errorf("%d removals are in the ledger", n)
		}
		x, err := w.history.Session(w.ctx, young)
		if err != nil || x.Removed == nil || x.Removed.Kept != 10*time.Minute {
			t.Errorf("%+v %v", x.Removed, err)
		}
	})
}

func TestAShorterRetentionTakesNoEvidenceAway(t *testing.T) {
	inWorld(t, func(w *world) {
		w.retain(30 * time.Minute)
		id := w.over()
		w.retain(time.Minute)
		w.pass(20 * time.Minute)
		w.look(0)
		if !w.there(id) {
			t.Fatal("it went by a promise that was made after it")
		}
		w.pass(11 * time.Minute)
		w.look(1)
	})
}

func TestARemovalThatWasCutOffIsFinished(t *testing.T) {
	inWorld(t, func(w *world) {
		w.retain(time.Minute)
		id := w.over()
		w.pass(2 * time.Minute)
		w.store.fails = 1
		if _, err := w.keeper.Look(w.ctx); err == nil || !w.there(id) {
			t.Fatalf("it did not fail: %v", err)
		}
		w.look(1) // as after a restart: it is decided once
		if w.there(id) || len(w.removals()) != 1 {
			t.Error("it is there, or was decided twice")
		}
		w.look(0)
	})
}

func TestADamagedRecordingIsSaidToHaveBeenOne(t *testing.T) {
	inWorld(t, func(w *world) {
		w.retain(time.Minute)
		id := w.over()
		path := filepath.Join(w.folder, string(id)+".rec")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-3] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Minute)
		w.look(1)
		if r := w.removals(); len(r) != 1 || !contains(r[0].Body, `"fault":"chunk 1`) {
			t.Errorf("%v", r)
		}
	})
}

func contains(b []byte, s string) bool {
	for i := range len(b) - len(s) + 1 {
		if string(b[i:i+len(s)]) == s {
			return true
		}
	}
	return false
}

func TestAStrangersRecordingIsNotTouched(t *testing.T) {
	inWorld(t, func(w *world) {
		w.retain(time.Minute)
		id := curfew.SessionID(curfew.NewID("s"))
		path := filepath.Join(w.folder, string(id)+".rec")
		if err := os.WriteFile(path, []byte("from elsewhere"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		w.look(0)
		if !w.there(id) {
			t.Error("it was removed")
		}
	})
}

func TestAClockThatWasSteppedRemovesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.retain(time.Minute)
		id := w.over()
		w.do(access.Note{Kind: curfew.KindClockStepped, Body: curfew.ClockStepped{By: 365 * 24 * time.Hour}})
		w.pass(2 * time.Minute)
		w.look(0)
		if !w.there(id) {
			t.Fatal("it went by a clock that nobody confirmed")
		}
		w.do(access.ConfirmClock{By: root})
		w.look(1)
	})
}

func TestItLooksByItself(t *testing.T) {
	inWorld(t, func(w *world) {
		w.retain(time.Minute)
		w.keeper = New(Parts{Access: w.access, History: w.history, Record: w.store, Every: 10 * time.Minute})
		ctx, cancel := context.WithCancel(w.ctx)
		done := make(chan error, 1)
		go func() { done <- w.keeper.Run(ctx) }()
		id := w.over()
		w.pass(11 * time.Minute)
		if w.there(id) {
			t.Error("it is there")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
