// Package mem is a ledger in memory, for tests and trials. It forgets everything.
package mem

import (
	"context"
	"crypto/sha256"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// Ledger is a ledger in memory.
type Ledger struct {
	turn   chan struct{} // holds a token while somebody has the turn
	growth ledger.Growth

	mu     sync.Mutex
	events []ledger.Record              // guarded by mu
	heads  []ledger.Record              // guarded by mu
	tip    ledger.Tip                   // guarded by mu
	snaps  map[[sha256.Size]byte][]byte // guarded by mu
	faults func(stage string) error     // guarded by mu
}

// New returns an empty ledger whose heads the signer signs. Its first event is
// what ledger.Begin writes.
func New(s ledger.Signer) *Ledger {
	return &Ledger{tip: ledger.NewTip(s), turn: make(chan struct{}, 1), snaps: map[[sha256.Size]byte][]byte{}}
}

// Fault lets f fail appends, for tests: it is called with "before" and with
// "after" a batch is kept. Its error is what Append returns, so that of "after"
// should be ledger.ErrUnknown.
func (l *Ledger) Fault(f func(stage string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
}

func (l *Ledger) fault(stage string) error {
	l.mu.Lock()
	f := l.faults
	l.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(stage)
}

// Turn runs f while nobody else appends.
func (l *Ledger) Turn(ctx context.Context, f func(ledger.Turn) error) error {
	return ledger.InTurn(ctx, l.turn, l.Head, l.append, f)
}

func (l *Ledger) append(at time.Time, drafts []ledger.Draft) ([]curfew.Event, ledger.Head, error) {
	if err := l.fault("before"); err != nil {
		return nil, ledger.Head{}, err
	}
	l.mu.Lock()
	b, err := l.tip.Next(at, time.Now(), drafts)
	if err != nil {
		l.mu.Unlock()
		return nil, ledger.Head{}, err
	}
	for i, e := range b.Events {
		l.events = append(l.events, ledger.Record{Event: e, Hash: b.Hashes[i]})
	}
	l.heads = append(l.heads, ledger.Record{Note: b.Head.Note, Size: b.Head.Size, Edge: b.Edge})
	l.tip.Take(b)
	l.mu.Unlock()
	l.growth.Set(b.Head.Size)
	if err := l.fault("after"); err != nil {
		return nil, ledger.Head{}, err
	}
	return b.Events, b.Head, nil
}

// Head is the newest head.
func (l *Ledger) Head() ledger.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tip.Head
}

// Read returns events from a position on.
func (l *Ledger) Read(_ context.Context, from uint64, limit int) ([]curfew.Event, error) {
	if from == 0 || limit < 0 {
		return nil, curfew.Errorf(curfew.Invalid, "the first event has position 1")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []curfew.Event
	for _, r := range after(l.events, position, from-1, limit) {
		out = append(out, r.Event)
	}
	return out, nil
}

// Heads returns signed heads over more than size events, in order.
func (l *Ledger) Heads(_ context.Context, size uint64, limit int) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out [][]byte
	for _, r := range after(l.heads, sizeOf, size, limit) {
		out = append(out, r.Note)
	}
	return out, nil
}

// Records makes a Ledger a ledger.Source.
func (l *Ledger) Records(ctx context.Context) iter.Seq2[ledger.Record, error] {
	return ledger.Live(l).Records(ctx)
}

// Events and SignedHeads make a Ledger a ledger.Store.
func (l *Ledger) Events(_ context.Context, last uint64, _ bool, limit int) ([]ledger.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(after(l.events, position, last, limit)), nil
}

// SignedHeads returns heads as they are stored.
func (l *Ledger) SignedHeads(_ context.Context, last uint64, _ bool, limit int) ([]ledger.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(after(l.heads, sizeOf, last, limit)), nil
}

func position(r ledger.Record) uint64 { return r.Event.Position }
func sizeOf(r ledger.Record) uint64   { return r.Size }

// after is the records whose key is greater than last.
func after(records []ledger.Record, key func(ledger.Record) uint64, last uint64, limit int) []ledger.Record {
	i, _ := slices.BinarySearchFunc(records, last, func(r ledger.Record, last uint64) int {
		if key(r) > last {
			return 1
		}
		return -1
	})
	return records[i:min(len(records), i+limit)]
}

// Wait waits for the ledger to hold more than after events.
func (l *Ledger) Wait(ctx context.Context, after uint64) error { return l.growth.Wait(ctx, after) }

// SaveSnapshot keeps data under its hash.
func (l *Ledger) SaveSnapshot(_ context.Context, _ uint64, data []byte) ([sha256.Size]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := sha256.Sum256(data)
	l.snaps[h] = append([]byte(nil), data...)
	return h, nil
}

// LoadSnapshot returns what was kept under a hash.
func (l *Ledger) LoadSnapshot(_ context.Context, h [sha256.Size]byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if data, ok := l.snaps[h]; ok {
		return data, nil
	}
	return nil, curfew.Errorf(curfew.NotFound, "there is no such snapshot")
}

// Close does nothing.
func (l *Ledger) Close() error { return nil }
