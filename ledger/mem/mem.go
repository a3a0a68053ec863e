// Package mem is a ledger in memory, for tests and trials. It forgets everything.
package mem

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// Ledger is a ledger in memory.
type Ledger struct {
	signer ledger.Signer
	turn   sync.Mutex // held for a turn
	growth ledger.Growth

	mu     sync.Mutex
	events []curfew.Event               // guarded by mu
	heads  []ledger.Head                // guarded by mu
	tree   ledger.Frontier              // guarded by mu
	snaps  map[[sha256.Size]byte][]byte // guarded by mu
	faults func(stage string) error     // guarded by mu
}

// New returns an empty ledger whose heads the signer signs.
func New(s ledger.Signer) *Ledger { return &Ledger{signer: s, snaps: map[[sha256.Size]byte][]byte{}} }

// Fault lets f fail appends, for tests: it is called with "before" and with
// "after" a batch is kept; an error of "after" leaves the outcome unknown.
func (l *Ledger) Fault(f func(stage string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
}

type turn struct {
	l    *Ledger
	used bool
}

// Turn runs f while nobody else appends.
func (l *Ledger) Turn(ctx context.Context, f func(ledger.Turn) error) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	if err := ctx.Err(); err != nil {
		return curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "wait for the turn")
	}
	return f(&turn{l: l})
}

func (t *turn) Head() ledger.Head { return t.l.Head() }

func (t *turn) Append(at time.Time, drafts []ledger.Draft) ([]curfew.Event, ledger.Head, error) {
	if t.used {
		return nil, ledger.Head{}, curfew.Errorf(curfew.Internal, "a turn appends once")
	}
	t.used = true
	l := t.l
	l.mu.Lock()
	fault := l.faults
	l.mu.Unlock()
	if fault != nil {
		if err := fault("before"); err != nil {
			return nil, ledger.Head{}, err
		}
	}
	l.mu.Lock()
	tree := l.tree.Clone()
	var last time.Time
	if n := len(l.heads); n > 0 {
		last = l.heads[n-1].Time
	}
	events, h, err := ledger.Next(&tree, last, l.signer, at, drafts)
	if err == nil {
		l.events, l.heads, l.tree = append(l.events, events...), append(l.heads, h), tree
	}
	l.mu.Unlock()
	if err != nil {
		return nil, ledger.Head{}, err
	}
	l.growth.Set(h.Size)
	if fault != nil {
		if err := fault("after"); err != nil {
			return nil, ledger.Head{}, err
		}
	}
	return events, h, nil
}

// Head is the newest head.
func (l *Ledger) Head() ledger.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.heads); n > 0 {
		return l.heads[n-1]
	}
	return ledger.Head{Root: l.tree.Root()}
}

// Read returns events from a position on.
func (l *Ledger) Read(_ context.Context, from uint64, limit int) ([]curfew.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from == 0 || limit < 0 {
		return nil, curfew.Errorf(curfew.Invalid, "the first event has position 1")
	}
	if from > uint64(len(l.events)) {
		return nil, nil
	}
	rest := l.events[from-1:]
	return append([]curfew.Event(nil), rest[:min(limit, len(rest))]...), nil
}

// Heads returns signed heads after a size, in order.
func (l *Ledger) Heads(_ context.Context, after uint64, limit int) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out [][]byte
	for _, h := range l.heads {
		if h.Size > after && len(out) < limit {
			out = append(out, h.Note)
		}
	}
	return out, nil
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
