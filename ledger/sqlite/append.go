package sqlite

import (
	"context"
	"errors"
	"slices"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// append makes the drafts durable. It runs in the turn.
func (l *Ledger) append(at time.Time, drafts []ledger.Draft) ([]curfew.Event, ledger.Head, error) {
	l.mu.Lock() // readers of the tip wait for the disk only where the outcome is unknown anyway
	defer l.mu.Unlock()
	b, err := l.tip.Next(at, time.Now(), drafts)
	if err != nil {
		return nil, ledger.Head{}, err
	}
	urgent := slices.ContainsFunc(drafts, func(d ledger.Draft) bool { return d.Urgent })
	if err := l.w.write(b, urgent); err != nil {
		l.unsure.Store(errors.Is(err, ledger.ErrUnknown))
		return nil, ledger.Head{}, err
	}
	l.tip.Take(b)
	l.head.Store(&b.Head)
	l.growth.Set(b.Head.Size)
	return b.Events, b.Head, nil
}

// settle finds out what a commit of unknown outcome has done. Folding the whole
// WAL into the file and cutting it to nothing makes durable what was committed,
// and removes for ever what was not.
func (l *Ledger) settle(ctx context.Context) error {
	if l.closed.Load() {
		return errClosed()
	}
	if !l.unsure.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.unsure.Load() {
		return nil
	}
	if err := l.w.settle(ctx); err != nil {
		return err
	}
	if err := l.load(ctx); err != nil {
		return err
	}
	l.unsure.Store(false)
	return nil
}

// write is one transaction. It is not bound to a context: a batch that is stopped
// in the middle would have an unknown outcome for no reason.
func (w *writer) write(b ledger.Batch, urgent bool) error {
	if err := w.room.before(urgent); err != nil {
		return err
	}
	if w.fold.wrote(b.Bytes()) {
		w.finishFold()
	}
	err := w.try(b)
	if full(err) { // what the WAL takes up may be used again
		w.finishFold()
		err = w.try(b)
	}
	if urgent && full(err) && w.room.release() {
		w.finishFold()
		err = w.try(b)
	}
	switch {
	case err == nil || errors.Is(err, ledger.ErrUnknown):
		return err
	case full(err):
		return curfew.Wrap(curfew.Unavailable, err, "write the ledger: the disk is full").WithRule("ledger.full")
	}
	return curfew.Wrap(curfew.Unavailable, err, "write the ledger")
}

// try writes the batch. Its error Is ErrUnknown where the commit itself failed by
// other than a full disk: the frame that commits may or may not be in the file.
// Before the commit, nothing of the batch can come back.
func (w *writer) try(b ledger.Batch) error {
	ctx := context.Background()
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return errors.Join(err, w.undo(ctx)) // of one that could not be undone before
	}
	if err := w.fill(ctx, b); err != nil {
		return errors.Join(err, w.undo(ctx))
	}
	if _, err := w.commit.ExecContext(ctx); err != nil {
		if undo := w.undo(ctx); full(err) || busy(err) {
			return errors.Join(err, undo)
		}
		return errors.Join(ledger.ErrUnknown, err)
	}
	return nil
}

func (w *writer) fill(ctx context.Context, b ledger.Batch) error {
	args := make([]any, 0, 5*many)
	for i := 0; i < len(b.Events); {
		stmt, n := w.insert, 1
		if len(b.Events)-i >= many {
			stmt, n = w.insertMany, many
		}
		args = args[:0]
		for k, e := range b.Events[i : i+n] {
			args = append(args, int64(e.Position), e.Time.UnixNano(), string(e.Kind), e.Body, b.Hashes[i+k][:])
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
		i += n
	}
	_, err := w.sign.ExecContext(ctx, int64(b.Head.Size), b.Head.Note, b.Edge)
	return err
}

// undo ends a transaction that failed; SQLite has often done so already.
func (w *writer) undo(ctx context.Context) error {
	_, err := w.conn.ExecContext(ctx, `ROLLBACK`)
	if is(err, sqlite3.SQLITE_ERROR) { // no transaction is active
		return nil
	}
	return err
}

func full(err error) bool { return is(err, sqlite3.SQLITE_FULL) }
func busy(err error) bool { return is(err, sqlite3.SQLITE_BUSY) }

func is(err error, code int) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == code
}
