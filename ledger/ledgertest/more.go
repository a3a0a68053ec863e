package ledgertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

func waiting(t *testing.T, s *stand) {
	l := s.begun(t)
	if err := l.Wait(context.Background(), 0); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("enough")
	woken := make(chan error, 3)
	for range 2 {
		go func() { woken <- l.Wait(context.Background(), 2) }()
	}
	go func() { woken <- l.Wait(ctx, 100) }()
	MustAppend(t, l, Start(), Drafts("a", 1)...)
	MustAppend(t, l, Start(), Drafts("b", 1)...)
	for range 2 {
		if err := <-woken; err != nil {
			t.Error(err)
		}
	}
	cancel(cause)
	if err := <-woken; !errors.Is(err, cause) {
		t.Errorf("%v, want the cause", err)
	}
}

func following(t *testing.T, s *stand) {
	l := s.begun(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	var seen []curfew.Event
	done := make(chan error, 1)
	go func() {
		done <- ledger.Follow(ctx, l, 0, func(events []curfew.Event) error {
			if seen = append(seen, events...); len(seen) == 31 {
				cancel(enough)
			}
			return nil
		})
	}()
	for range 10 {
		MustAppend(t, l, Start(), Drafts("a", 3)...)
	}
	if err := <-done; !errors.Is(err, enough) {
		t.Error(err)
	}
	for i, e := range seen {
		if e.Position != uint64(i+1) {
			t.Fatalf("event %d came in place %d", e.Position, i+1)
		}
	}
}

func snapshots(t *testing.T, s *stand) {
	l, ctx := s.begun(t), context.Background()
	for _, data := range [][]byte{{}, []byte("a fold"), bytes.Repeat([]byte("x"), 1<<20)} {
		h, err := l.SaveSnapshot(ctx, 1, data)
		if err != nil || h != sha256.Sum256(data) {
			t.Fatalf("%x, %v", h, err)
		}
		if got, err := l.LoadSnapshot(ctx, h); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
	}
	_, err := l.LoadSnapshot(ctx, sha256.Sum256([]byte("never saved")))
	wantCode(t, "a snapshot that is not there", err, curfew.NotFound)
}

func faults(t *testing.T, s *stand) {
	l := s.begun(t)
	f, bad := &Faulty{Ledger: l}, errors.New("the disk is gone")
	f.Before(func([]ledger.Draft) error { return bad })
	_, _, err := Append(f, Start(), Drafts("a", 2)...)
	wantCode(t, "a failed append", err, curfew.Unavailable)
	if l.Head().Size != 1 {
		t.Error("a failed append left something")
	}
	f.Before(nil)
	f.After(func([]ledger.Draft) error { return bad })
	if _, _, err = Append(f, Start(), Drafts("a", 2)...); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("an unknown outcome: %v", err)
	}
	f.After(nil)
	if events := all(t, f); len(events) != 3 {
		t.Errorf("%d events after an append that was kept", len(events))
	}
	MustAppend(t, f, Start(), Drafts("b", 1)...)
	MustVerify(t, l, s.signer)
}

func heads(t *testing.T, s *stand) {
	l, ctx := s.begun(t), context.Background()
	remembered := []ledger.Head{l.Head()}
	for i := range 20 {
		MustAppend(t, l, Start(), Drafts("a", i%3+1)...)
		remembered = append(remembered, l.Head())
	}
	for _, h := range remembered {
		if err := ledger.Check(ctx, l, h); err != nil {
			t.Errorf("the head over %d events: %v", h.Size, err)
		}
		if got, err := ledger.ParseHead(h.Note, "acme", s.signer.Public()); err != nil || got.Root != h.Root || got.Size != h.Size {
			t.Errorf("the note over %d events says %+v, %v", h.Size, got, err)
		}
	}
	notes, err := l.Heads(ctx, remembered[3].Size, 2)
	if err != nil || len(notes) != 2 || !bytes.Equal(notes[0], remembered[4].Note) {
		t.Errorf("Heads gave %q, %v", notes, err)
	}
	wantCode(t, "no memory", ledger.Check(ctx, l, ledger.Head{}), curfew.Corrupt)
	other := (&stand{Maker: s.Maker, folder: t.TempDir(), signer: s.signer}).begun(t)
	MustAppend(t, other, Start(), Drafts("another life", 60)...)
	for _, h := range remembered[1:] {
		if err := ledger.Check(ctx, other, h); err == nil || !strings.Contains(err.Error(), "forked") {
			t.Errorf("a fork after %d events: %v", h.Size, err)
		}
	}
	if err := ledger.Check(ctx, l, other.Head()); err == nil || !strings.Contains(err.Error(), "rolled back") {
		t.Errorf("a shorter ledger: %v", err)
	}
}

func export(t *testing.T, s *stand) {
	l, ctx := s.begun(t), context.Background()
	ends := map[int]uint64{}
	var file bytes.Buffer
	for i := range 12 {
		MustAppend(t, l, Start(), Drafts("a", i%3+1)...)
		file.Reset()
		if err := ledger.Export(ctx, &file, l); err != nil {
			t.Fatal(err)
		}
		ends[file.Len()] = l.Head().Size
	}
	witness := [][]byte{l.Head().Note}
	for n := file.Len(); n >= 0; n -= 7 { // cut anywhere
		rep := verifyBytes(t, file.Bytes()[:n], ledger.Checks{Genesis: s.signer.Public()})
		if rep.OK && ends[n] != rep.Events && rep.Events != 1 {
			t.Fatalf("an export cut after %d bytes is whole: %+v", n, rep)
		}
		if rep = verifyBytes(t, file.Bytes()[:n], ledger.Checks{Witnessed: witness}); rep.OK != (n == file.Len()) {
			t.Fatalf("cut after %d bytes, against a witness: %+v", n, rep)
		}
	}
}

// verifyBytes verifies an export; one that cannot be opened is not OK.
func verifyBytes(t *testing.T, file []byte, c ledger.Checks) ledger.Report {
	t.Helper()
	x, err := ledger.ReadExport(bytes.NewReader(file))
	if err != nil {
		return ledger.Report{Problem: err.Error()}
	}
	rep, err := ledger.Verify(context.Background(), x, c)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// agrees compares a ledger with a slice of events, step by step.
func agrees(t *testing.T, s *stand) {
	rapid.Check(t, func(rt *rapid.T) {
		one := &stand{Maker: s.Maker, folder: t.TempDir(), signer: s.signer}
		l, err := one.Open(one.folder, one.signer)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		if err := ledger.Begin(context.Background(), l, one.signer, Start()); err != nil {
			rt.Fatal(err)
		}
		model := all(t, l)
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			step(rt, l, &model)
		}
		MustVerify(rt, l, one.signer)
	})
}

func step(rt *rapid.T, l ledger.Ledger, model *[]curfew.Event) {
	at := (*model)[len(*model)-1].Time.Add(rapid.SampledFrom([]time.Duration{-1, 0, 0, 1, 1e9}).Draw(rt, "later"))
	var drafts []ledger.Draft
	for range rapid.IntRange(1, 70).Draw(rt, "events") {
		drafts = append(drafts, ledger.Draft{Kind: "k", Body: rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(rt, "body")})
	}
	events, _, err := Append(l, at, drafts...)
	if early := at.Before((*model)[len(*model)-1].Time); early != (err != nil) {
		rt.Fatalf("at %v: %v", at, err)
	}
	for i, e := range events {
		want := curfew.Event{Position: uint64(len(*model) + 1), Time: at, Kind: "k", Body: drafts[i].Body}
		if !sameEvent(e, want) {
			rt.Fatalf("appended %+v, want %+v", e, want)
		}
		*model = append(*model, want)
	}
	from, limit := rapid.Uint64Range(1, 200).Draw(rt, "from"), rapid.IntRange(0, 100).Draw(rt, "limit")
	got, err := l.Read(context.Background(), from, limit)
	want := (*model)[min(int(from)-1, len(*model)):]
	want = want[:min(limit, len(want))]
	if err != nil || len(got) != len(want) {
		rt.Fatalf("Read(%d, %d): %d events, want %d, %v", from, limit, len(got), len(want), err)
	}
	for i := range got {
		if !sameEvent(got[i], want[i]) {
			rt.Fatalf("read %+v, want %+v", got[i], want[i])
		}
	}
}

func closed(t *testing.T, s *stand) {
	if s.Forgets {
		return // in memory there is nothing to close
	}
	l := s.begun(t)
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := Append(l, Start(), Drafts("late", 1)...)
	wantCode(t, "append", err, curfew.Unavailable)
	_, err = l.Read(context.Background(), 1, 1)
	wantCode(t, "read", err, curfew.Unavailable)
}

func reopen(t *testing.T, s *stand) {
	if s.Forgets {
		return // stated by its Maker
	}
	l := s.begun(t)
	for i := range 40 { // across stored edges and full statements
		MustAppend(t, l, Start(), Drafts("a", i*7%90+1)...)
		if i%5 != 0 {
			continue
		}
		before, events := l.Head(), all(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = s.open(t)
		if after := l.Head(); after.Size != before.Size || after.Root != before.Root || !after.Time.Equal(before.Time) || !bytes.Equal(after.Note, before.Note) {
			t.Fatalf("head %+v, was %+v", after, before)
		}
		if again := all(t, l); len(again) != len(events) {
			t.Fatalf("%d events, were %d", len(again), len(events))
		}
	}
	MustVerify(t, l, s.signer)
	if _, err := s.Open(s.folder, s.signer); curfew.CodeOf(err) != curfew.Conflict {
		t.Errorf("opened twice: %v", err)
	}
}
