package ledger_test

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/ledger/ledgertest"
)

func TestEveryEventIsProvedInEveryHead(t *testing.T) {
	l, _ := begun(t)
	at := ledgertest.Start()
	for size := uint64(1); size <= 70; size++ {
		h := l.Head()
		if h.Size != size {
			t.Fatalf("%d events, want %d", h.Size, size)
		}
		var all []uint64
		for p := uint64(1); p <= size; p++ {
			all = append(all, p)
		}
		proved, err := ledger.Prove(t.Context(), l, h, all)
		if err != nil || len(proved) != len(all) {
			t.Fatalf("%d of %d: %v", len(proved), size, err)
		}
		for i, p := range proved {
			if p.Event.Position != all[i] || !p.In(h.Size, h.Root) {
				t.Fatalf("event %d is not proved in a head over %d", all[i], size)
			}
			unproved(t, p, h)
		}
		at = at.Add(time.Second)
		ledgertest.MustAppend(t, l, at, ledgertest.Drafts("x", 1)...)
	}
	if _, err := ledger.Prove(t.Context(), l, l.Head(), []uint64{3, 2}); err == nil {
		t.Error("positions that do not rise are proved")
	}
	h := l.Head()
	h.Root[0] ^= 1
	if _, err := ledger.Prove(t.Context(), l, h, []uint64{3}); curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("in another tree: %v", err)
	}
	h = l.Head()
	h.Size += 5
	if _, err := ledger.Prove(t.Context(), l, h, []uint64{3}); curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("in a longer tree: %v", err)
	}
}

// unproved changes a proof in every way there is.
func unproved(t *testing.T, p ledger.Proved, h ledger.Head) {
	t.Helper()
	wrong := func(what string, change func(*ledger.Proved)) {
		t.Helper()
		bad := ledger.Proved{Event: p.Event, Path: append([]ledger.Hash(nil), p.Path...)}
		change(&bad)
		if bad.In(h.Size, h.Root) {
			t.Fatalf("%s of %d is proved: %s", what, h.Size, p.Event.Kind)
		}
	}
	wrong("another body", func(b *ledger.Proved) { b.Event.Body = []byte(`{}`) })
	wrong("another kind", func(b *ledger.Proved) { b.Event.Kind += "x" })
	wrong("another time", func(b *ledger.Proved) { b.Event.Time = b.Event.Time.Add(1) })
	wrong("another position", func(b *ledger.Proved) { b.Event.Position++ })
	wrong("no position", func(b *ledger.Proved) { b.Event.Position = 0 })
	wrong("a longer path", func(b *ledger.Proved) { b.Path = append(b.Path, h.Root) })
	if len(p.Path) > 0 {
		wrong("a shorter path", func(b *ledger.Proved) { b.Path = b.Path[1:] })
		wrong("another path", func(b *ledger.Proved) { b.Path[0][5] ^= 4 })
	}
}
