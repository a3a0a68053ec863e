// Package sqlite is a ledger in one SQLite file, written by one process. It
// keeps order and durability; what an event means it does not know. It never
// repairs a file that was changed by hand: it says so and stays closed.
package sqlite

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// Ledger is one file, ledger.db, in a data folder that this process has locked.
type Ledger struct {
	*Store // reads

	folder string
	keys   []ed25519.PublicKey // whose heads count
	lock   *os.File
	w      *writer

	turn   chan struct{} // holds a token while somebody has the turn
	growth ledger.Growth
	head   atomic.Pointer[ledger.Head] // the tip's
	unsure atomic.Bool                 // a commit's outcome is unknown; see settle
	closed atomic.Bool

	mu  sync.Mutex // held while the tip is moved or read anew
	tip ledger.Tip // guarded by mu
}

// Open opens the ledger of a data folder, or makes an empty one. keys are those
// whose heads count beside the signer's own. It refuses a folder that another
// process has, and a file whose end does not fit its newest head; it reads the
// end only (Verify reads all).
func Open(folder string, s ledger.Signer, keys ...ed25519.PublicKey) (*Ledger, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the folder %s", folder)
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		folder: folder, lock: lock, turn: make(chan struct{}, 1), tip: ledger.NewTip(s),
		keys: append([]ed25519.PublicKey{s.Public()}, keys...),
	}
	if err := l.open(filepath.Join(folder, fileName)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Ledger) open(path string) error {
	var err error
	if l.w, err = openWriter(path, filepath.Join(l.folder, "reserve")); err != nil {
		return err
	}
	if l.Store, err = openReader(path); err != nil {
		return err
	}
	return l.load(context.Background())
}

// Turn runs f while nobody else appends.
func (l *Ledger) Turn(ctx context.Context, f func(ledger.Turn) error) error {
	return ledger.InTurn(ctx, l.turn, l.Head, l.append, func(t ledger.Turn) error {
		if l.closed.Load() {
			return errClosed()
		}
		if err := l.settle(ctx); err != nil {
			return err
		}
		return f(t)
	})
}

// Head is the newest durable head.
func (l *Ledger) Head() ledger.Head { return *l.head.Load() }

// Wait waits for the ledger to hold more than after events.
func (l *Ledger) Wait(ctx context.Context, after uint64) error { return l.growth.Wait(ctx, after) }

// Close waits for the turn in progress, closes the file and lets others have it.
func (l *Ledger) Close() error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.closed.Swap(true) {
		return nil
	}
	var errs []error
	if l.Store != nil {
		errs = append(errs, l.Store.Close())
	}
	if l.w != nil {
		errs = append(errs, l.w.close()) // the last connection: SQLite folds the WAL into the file
	}
	errs = append(errs, l.lock.Close()) // and so unlocks it
	if err := errors.Join(errs...); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "close the ledger in %s", l.folder)
	}
	return nil
}

func errClosed() error { return curfew.Errorf(curfew.Unavailable, "the ledger is closed") }

func corrupt(format string, args ...any) *curfew.Error {
	return curfew.Errorf(curfew.Corrupt, "the ledger was changed by hand: "+format, args...).WithRule("ledger.changed").
		WithFix("find out what with: curfew ledger verify; the lawful way back is: curfew restore")
}
