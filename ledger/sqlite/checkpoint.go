package sqlite

import (
	"context"
	"database/sql"
	"sync"
)

// Folding the WAL into the file takes two fsyncs and many writes. SQLite would do
// it within a commit; here a goroutine does it beside the commits (PASSIVE blocks
// no writer). A writer that never pauses would keep the WAL from starting over, so
// that beyond a length the writer itself finishes the fold, between two commits.
const (
	foldEvery = 1000   // pages written, as SQLite's own default
	foldForce = 16_000 // pages of WAL, 64 MiB
	pageSize  = 4096
)

type checkpointer struct {
	db      *sql.DB
	due     chan struct{} // holds a token when there is something to fold
	done    sync.WaitGroup
	stop    context.CancelFunc
	written int // pages since the last token; the writer's
	wal     int // pages since the WAL was last seen to start over; the writer's
}

func startCheckpointer(path string) (*checkpointer, error) {
	db, err := sql.Open("sqlite", dsn(path, "synchronous(FULL)", "wal_autocheckpoint(0)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(context.Background())
	f := &checkpointer{db: db, due: make(chan struct{}, 1), stop: stop}
	f.done.Go(func() { f.run(ctx) })
	return f, nil
}

func (f *checkpointer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.due:
		}
		// What fails here (a full disk) is tried again; the WAL keeps all of it.
		_, _ = f.db.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
	}
}

// wrote notes a commit, and says whether the writer must fold before the next.
func (f *checkpointer) wrote(bytes int) (force bool) {
	pages := 4 + bytes/pageSize
	f.written, f.wal = f.written+pages, f.wal+pages
	if f.written >= foldEvery {
		f.written = 0
		select {
		case f.due <- struct{}{}:
		default:
		}
	}
	return f.wal >= foldForce
}

func (f *checkpointer) close() error {
	f.stop()
	f.done.Wait()
	return f.db.Close()
}
