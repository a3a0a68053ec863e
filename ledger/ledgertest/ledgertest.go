// Package ledgertest is what every ledger must pass, and faults for those who use
// one. It is imported by tests only.
package ledgertest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// Log is a ledger that can be verified.
type Log interface {
	ledger.Ledger
	ledger.Store
}

// Maker opens a ledger in a folder. The suite closes it. Forgets says that a
// ledger is gone once it is closed.
type Maker struct {
	Open    func(folder string, s ledger.Signer) (Log, error)
	Forgets bool
}

// Signer is a new key for the deployment "acme".
func Signer(t testing.TB) ledger.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.NewSigner("acme", key)
}

// Start is the time of the first event of the suite's ledgers.
func Start() time.Time { return time.Date(2026, 3, 3, 14, 3, 0, 1, time.UTC) }

// Drafts makes n drafts that say who made them.
func Drafts(who string, n int) []ledger.Draft {
	var out []ledger.Draft
	for i := range n {
		out = append(out, ledger.Draft{Kind: "test.said", Body: fmt.Appendf(nil, `{"who":%q,"n":%d}`, who, i)})
	}
	return out
}

// Append takes a turn and appends.
func Append(l ledger.Ledger, at time.Time, drafts ...ledger.Draft) ([]curfew.Event, ledger.Head, error) {
	var events []curfew.Event
	var head ledger.Head
	err := l.Turn(context.Background(), func(t ledger.Turn) (err error) {
		events, head, err = t.Append(at, drafts)
		return err
	})
	return events, head, err
}

// MustAppend is Append that does not fail.
func MustAppend(t testing.TB, l ledger.Ledger, at time.Time, drafts ...ledger.Draft) []curfew.Event {
	t.Helper()
	events, _, err := Append(l, at, drafts...)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// Failer is what a testing.TB and a rapid.T have in common.
type Failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// MustVerify checks everything a ledger holds, every signature too.
func MustVerify(t Failer, l Log, s ledger.Signer) ledger.Report {
	t.Helper()
	rep, err := ledger.Verify(context.Background(), ledger.Live(l), ledger.Checks{Genesis: s.Public(), EveryHead: true})
	if err != nil {
		t.Fatal(err)
	}
	if !rep.OK {
		t.Fatalf("it does not verify: %s (event %d)", rep.Problem, rep.Position)
	}
	if head := l.Head(); rep.Events != head.Size || rep.Head != string(head.Note) {
		t.Fatalf("it verifies up to %d, its head is over %d", rep.Events, head.Size)
	}
	return rep
}

// Faulty is a ledger whose appends fail as a test says.
type Faulty struct {
	ledger.Ledger

	mu            sync.Mutex
	before, after func([]ledger.Draft) error // guarded by mu
}

// Before is called with each batch before it is kept: its error is Append's, and
// while it does not return, the disk stalls.
func (f *Faulty) Before(b func([]ledger.Draft) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = b
}

// After is called with each batch once it is kept: with its error, the caller
// does not learn the outcome. The error Is ledger.ErrUnknown.
func (f *Faulty) After(a func([]ledger.Draft) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = a
}

// Turn runs t in a turn with the faults.
func (f *Faulty) Turn(ctx context.Context, run func(ledger.Turn) error) error {
	return f.Ledger.Turn(ctx, func(t ledger.Turn) error { return run(faultyTurn{t, f}) })
}

type faultyTurn struct {
	ledger.Turn
	f *Faulty
}

func (t faultyTurn) Append(at time.Time, drafts []ledger.Draft) ([]curfew.Event, ledger.Head, error) {
	t.f.mu.Lock()
	before, after := t.f.before, t.f.after
	t.f.mu.Unlock()
	if before != nil {
		if err := before(drafts); err != nil {
			return nil, ledger.Head{}, curfew.Wrap(curfew.Unavailable, err, "write the ledger")
		}
	}
	events, head, err := t.Turn.Append(at, drafts)
	if err == nil && after != nil {
		if err := after(drafts); err != nil {
			return nil, ledger.Head{}, errors.Join(ledger.ErrUnknown, err)
		}
	}
	return events, head, err
}

func sameEvent(a, b curfew.Event) bool {
	return a.Position == b.Position && a.Time.Equal(b.Time) && a.Kind == b.Kind && bytes.Equal(a.Body, b.Body)
}
