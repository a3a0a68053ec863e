package ledger_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	"github.com/curfewhq/curfew/ledger/mem"
)

// records is a Source that a test may do anything to.
type records []ledger.Record

func (r records) Records(context.Context) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for _, x := range r {
			if !yield(x, nil) {
				return
			}
		}
	}
}

func recordsOf(t *testing.T, l ledgertest.Log) records {
	t.Helper()
	var out records
	for r, err := range ledger.Live(l).Records(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func verify(t *testing.T, src ledger.Source, c ledger.Checks) ledger.Report {
	t.Helper()
	rep, err := ledger.Verify(context.Background(), src, c)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func begun(t *testing.T) (*mem.Ledger, ledger.Signer) {
	t.Helper()
	s := ledgertest.Signer(t)
	l := mem.New(s)
	if err := ledger.Begin(t.Context(), l, s, ledgertest.Start()); err != nil {
		t.Fatal(err)
	}
	return l, s
}

func admit(t *testing.T, key ed25519.PublicKey) ledger.Draft {
	t.Helper()
	body, err := json.Marshal(curfew.NodeAdmitted{Node: "b", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Draft{Kind: curfew.KindNodeAdmitted, Body: body}
}

// grow continues records with a batch that another node signs.
func grow(t *testing.T, r records, s ledger.Signer, drafts ...ledger.Draft) records {
	t.Helper()
	tip := ledger.NewTip(s)
	for _, x := range r {
		if x.Note == nil {
			tip.Tree.Append(x.Hash)
			continue
		}
		tip.Head = ledger.Head{Size: x.Size, Time: ledgertest.Start(), Note: x.Note}
	}
	b, err := tip.Next(ledgertest.Start(), time.Now(), drafts)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range b.Events {
		r = append(r, ledger.Record{Event: e, Hash: b.Hashes[i]})
	}
	return append(r, ledger.Record{Note: b.Head.Note, Size: b.Head.Size, Edge: b.Edge})
}

func TestKeyCountsOnceAnOlderOneSignedForIt(t *testing.T) {
	l, genesis := begun(t)
	b := ledgertest.Signer(t)
	start := recordsOf(t, l)
	c := ledger.Checks{Genesis: genesis.Public()}

	admitted := grow(t, start, genesis, admit(t, b.Public()))
	if rep := verify(t, grow(t, admitted, b, ledgertest.Drafts("b", 2)...), c); !rep.OK {
		t.Errorf("an admitted node's head: %s", rep.Problem)
	}
	if rep := verify(t, grow(t, start, b, ledgertest.Drafts("b", 2)...), c); rep.OK || !strings.Contains(rep.Problem, "not signed") {
		t.Errorf("a stranger's head: %+v", rep)
	}
	forged := grow(t, start, b, admit(t, b.Public()))
	if rep := verify(t, forged, c); rep.OK || rep.Position != 2 {
		t.Errorf("a key that admits itself: %+v", rep)
	}
	forged = grow(t, forged, b, ledgertest.Drafts("b", 2)...)
	if rep := verify(t, forged, c); rep.OK || rep.Position != 2 {
		t.Errorf("a key that admitted itself: %+v", rep)
	}
}

func TestLawsAreCheckedOverEventsThatWereSigned(t *testing.T) {
	l, s := begun(t)
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("a", 5)...)
	var seen uint64
	law := func(e curfew.Event) error {
		if seen++; e.Position != seen {
			t.Errorf("event %d in place %d", e.Position, seen)
		}
		if e.Position == 4 {
			return errors.New("a session without a grant")
		}
		return nil
	}
	rep := verify(t, ledger.Live(l), ledger.Checks{Genesis: s.Public(), Law: law})
	if rep.OK || rep.Position != 4 || !strings.Contains(rep.Problem, "a session without a grant") {
		t.Errorf("%+v", rep)
	}
	seen = 0
	r := recordsOf(t, l)
	r[5].Event.Body = []byte("{}")
	if rep = verify(t, r, ledger.Checks{Law: law}); rep.Position != 5 || !strings.Contains(rep.Problem, "edited") {
		t.Errorf("an edited event is not told before a broken law: %+v", rep)
	}
}

func TestWitnessFileBindsThePast(t *testing.T) {
	l, s := begun(t)
	path := filepath.Join(t.TempDir(), "witness")
	heads := []ledger.Head{l.Head()}
	for range 4 {
		ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("a", 3)...)
		heads = append(heads, l.Head())
	}
	for _, h := range heads[1:4] {
		if err := ledger.Witness(path, h); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	notes := ledger.SplitWitness(text)
	if len(notes) != 3 || !bytes.Equal(notes[0], heads[1].Note) || !bytes.Equal(notes[2], heads[3].Note) {
		t.Fatalf("%d heads: %q", len(notes), notes)
	}
	for n := range text { // cut off anywhere, what is left still is heads
		for i, note := range ledger.SplitWitness(text[:n]) {
			if !bytes.Equal(note, notes[i]) && i+1 < len(ledger.SplitWitness(text[:n])) {
				t.Fatalf("cut after %d bytes: %q", n, note)
			}
		}
	}
	if rep := verify(t, ledger.Live(l), ledger.Checks{Witnessed: notes}); !rep.OK {
		t.Errorf("%+v", rep)
	}

	// The same node writes another history: each head is signed and fits.
	other := mem.New(s)
	ledgertest.MustAppend(t, other, ledgertest.Start(), ledger.Genesis(s))
	ledgertest.MustAppend(t, other, ledgertest.Start(), ledgertest.Drafts("a", 3)...)
	ledgertest.MustAppend(t, other, ledgertest.Start(), ledgertest.Drafts("rewritten", 20)...)
	rep := verify(t, ledger.Live(other), ledger.Checks{Genesis: s.Public(), Witnessed: notes})
	if rep.OK || rep.Position != 5 || rep.Until != 7 || !strings.Contains(rep.Problem, "written again") {
		t.Errorf("a rewritten prefix: %+v", rep)
	}
	if rep = verify(t, ledger.Live(l), ledger.Checks{Witnessed: [][]byte{[]byte("nonsense")}}); rep.OK {
		t.Error("a witness that cannot be read was passed over")
	}
	_, stranger := begun(t)
	foreign := grow(t, nil, stranger, ledger.Genesis(stranger))
	if rep = verify(t, ledger.Live(l), ledger.Checks{Witnessed: [][]byte{foreign[1].Note}}); rep.OK {
		t.Error("a stranger's witness was passed over")
	}
}

func TestARestoreExplainsTheHeadsThatItLost(t *testing.T) {
	l, s := begun(t)
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("kept", 2)...)
	older := mem.New(s)
	ledgertest.MustAppend(t, older, ledgertest.Start(), ledger.Genesis(s))
	ledgertest.MustAppend(t, older, ledgertest.Start(), ledgertest.Drafts("kept", 2)...)
	witnessed := [][]byte{l.Head().Note}
	for range 3 {
		ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("lost", 2)...)
		witnessed = append(witnessed, l.Head().Note)
	}
	restored := func(lostTo int) ledger.Draft {
		return ledger.Draft{Kind: curfew.KindLedgerRestored, Body: fmt.Appendf(nil, `{"lost_from":4,"lost_to":%d,"how":"take over"}`, lostTo)}
	}
	ledgertest.MustAppend(t, older, ledgertest.Start(), restored(9))
	rep := verify(t, ledger.Live(older), ledger.Checks{Genesis: s.Public(), Witnessed: witnessed})
	if !rep.OK || len(rep.Restored) != 1 || rep.Restored[0].Position != 4 || rep.Restored[0].Heads != 3 {
		t.Errorf("a lawful restore: %+v", rep)
	}
	ledgertest.MustAppend(t, older, ledgertest.Start(), ledgertest.Drafts("since", 9)...)
	if rep = verify(t, ledger.Live(older), ledger.Checks{Witnessed: witnessed}); !rep.OK || rep.Restored[0].Heads != 3 {
		t.Errorf("grown since: %+v", rep)
	}

	// What the restore does not name is not explained by it, nor what came later.
	short := mem.New(s)
	ledgertest.MustAppend(t, short, ledgertest.Start(), ledger.Genesis(s))
	ledgertest.MustAppend(t, short, ledgertest.Start(), ledgertest.Drafts("kept", 2)...)
	ledgertest.MustAppend(t, short, ledgertest.Start(), restored(7))
	if rep = verify(t, ledger.Live(short), ledger.Checks{Witnessed: witnessed}); rep.OK || !strings.Contains(rep.Problem, "rolled back") {
		t.Errorf("a head over more than the restore names: %+v", rep)
	}
	ledgertest.MustAppend(t, l, ledgertest.Start().Add(time.Hour), ledgertest.Drafts("late", 1)...)
	unknown := mem.New(s)
	ledgertest.MustAppend(t, unknown, ledgertest.Start(), ledger.Genesis(s))
	ledgertest.MustAppend(t, unknown, ledgertest.Start(), ledgertest.Drafts("kept", 2)...)
	ledgertest.MustAppend(t, unknown, ledgertest.Start(), restored(0))
	if rep = verify(t, ledger.Live(unknown), ledger.Checks{Witnessed: append(witnessed, l.Head().Note)}); rep.OK {
		t.Error("a head from after the restore is explained by it")
	}
}

func TestEventsSaidInAnotherOrder(t *testing.T) {
	l, s := begun(t)
	for range 3 {
		ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("a", 2)...)
	}
	for _, c := range []struct {
		name string
		edit func(records) records
		want uint64
	}{
		{"two events swapped", func(r records) records { r[2], r[3] = r[3], r[2]; return r }, 2},
		{"an event twice", func(r records) records { r[3] = r[2]; return r }, 3},
		{"a head before its last event", func(r records) records { r[3], r[4] = r[4], r[3]; return r }, 3},
		{"a head twice", func(r records) records { r[7] = r[4]; return r }, 3},
		{"a batch cut out", func(r records) records { return append(r[:2:2], r[5:]...) }, 2},
		{"the first batch cut out", func(r records) records { return r[2:] }, 1},
		{"time that goes back", func(r records) records {
			r[3].Event.Time = r[3].Event.Time.Add(-time.Hour)
			r[3].Hash = ledger.LeafHash(r[3].Event)
			return r
		}, 3},
		{"nothing", func(records) records { return nil }, 0},
		{"no head", func(r records) records { return r[:1] }, 1},
	} {
		rep := verify(t, c.edit(recordsOf(t, l)), ledger.Checks{Genesis: s.Public()})
		if rep.OK || rep.Position != c.want {
			t.Errorf("%s: %+v, want event %d", c.name, rep, c.want)
		}
	}
	if rep := verify(t, recordsOf(t, l), ledger.Checks{Genesis: s.Public()}); !rep.OK {
		t.Errorf("untouched: %+v", rep)
	}
}

func FuzzReadExport(f *testing.F) {
	l := mem.New(ledger.NewSigner("acme", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))))
	s := ledger.NewSigner("acme", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err := ledger.Begin(context.Background(), l, s, ledgertest.Start(), ledgertest.Drafts("a", 2)...); err != nil {
		f.Fatal(err)
	}
	var file bytes.Buffer
	if err := ledger.Export(context.Background(), &file, l); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte("curfew ledger export 1\ne\x00\x3f\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ledger.ReadExport(bytes.NewReader(b))
		if err != nil {
			return
		}
		rep, err := ledger.Verify(context.Background(), x, ledger.Checks{Genesis: s.Public()})
		if err != nil {
			t.Fatal(err) // whatever the bytes are, it is a report
		}
		if rep.OK && rep.Events != 3 && rep.Events != 0 && !bytes.Equal(b, file.Bytes()) {
			t.Fatalf("what nobody signed verifies: %+v", rep)
		}
	})
}

// busy is a store to which somebody appends just when a walk has found its end:
// after the empty-th empty answer in a row.
type busy struct {
	*mem.Ledger
	t           *testing.T
	empty, have int
	grew        bool
}

func (b *busy) Events(ctx context.Context, after uint64, first bool, limit int) ([]ledger.Record, error) {
	found, err := b.Ledger.Events(ctx, after, first, limit)
	if b.have++; len(found) > 0 {
		b.have = 0
	}
	if b.have == b.empty && !b.grew { // once: the walk would never end otherwise
		b.grew = true
		ledgertest.MustAppend(b.t, b.Ledger, ledgertest.Start(), ledgertest.Drafts("late", 1)...)
	}
	return found, err
}

func TestExportOfALedgerThatGrowsVerifies(t *testing.T) {
	for empty := 1; empty <= 2; empty++ {
		l, s := begun(t)
		ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("a", 3)...)
		growing := &busy{Ledger: l, t: t, empty: empty}
		var export bytes.Buffer
		if err := ledger.Export(t.Context(), &export, growing); err != nil {
			t.Fatal(err)
		}
		src, err := ledger.ReadExport(&export)
		if err != nil {
			t.Fatal(err)
		}
		if rep := verify(t, src, ledger.Checks{Genesis: s.Public()}); !rep.OK {
			t.Errorf("nobody touched it: %s", rep.Problem)
		}
		if !growing.grew {
			t.Error("it did not grow: this shows nothing")
		}
	}
}
