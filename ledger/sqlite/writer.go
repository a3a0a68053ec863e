package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"

	"github.com/curfewhq/curfew"
)

// writer is the one connection that writes; the turn, or the ledger's mu, guards it.
type writer struct {
	db   *sql.DB
	conn *sql.Conn
	room reserve
	fold *checkpointer

	begin, commit, insert, insertMany, sign *sql.Stmt
}

func openWriter(path, reservePath string) (*writer, error) {
	ctx := context.Background()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would let others read it
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the ledger")
	}
	if err := f.Close(); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the ledger")
	}
	w := &writer{}
	if w.db, err = sql.Open("sqlite", dsn(path, "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(0)")); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the ledger")
	}
	if w.conn, err = w.db.Conn(ctx); err == nil {
		err = checkSchema(ctx, w.conn)
	}
	if err == nil {
		err = w.prepare(ctx)
	}
	if err == nil {
		w.room, err = openReserve(reservePath)
	}
	if err == nil {
		w.fold, err = startCheckpointer(path)
	}
	if err != nil {
		if curfew.CodeOf(err) == curfew.Internal { // a bare error of the driver
			err = curfew.Wrap(curfew.Unavailable, err, "open the ledger")
		}
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) prepare(ctx context.Context) error {
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&w.begin, `BEGIN IMMEDIATE`},
		{&w.commit, `COMMIT`},
		{&w.insert, `INSERT INTO event VALUES (?,?,?,?,?)`},
		{&w.insertMany, `INSERT INTO event VALUES (?,?,?,?,?)` + strings.Repeat(`,(?,?,?,?,?)`, many-1)},
		{&w.sign, `INSERT INTO head VALUES (?,?,?)`},
	} {
		var err error
		if *p.stmt, err = w.conn.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return nil
}

// many is how many events one statement inserts: the driver's cost for a statement
// is several times SQLite's for a row.
const many = 32

// settle makes what the file holds certain and durable, or fails.
func (w *writer) settle(ctx context.Context) error {
	var blocked, frames, done int
	err := w.conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&blocked, &frames, &done)
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "find out what the ledger holds")
	}
	if blocked != 0 {
		return curfew.Errorf(curfew.Unavailable, "find out what the ledger holds: somebody reads it")
	}
	return nil
}

// finishFold folds the whole WAL, so that it starts over with the next commit. It
// waits for readers no longer than the driver's timeout; then it is tried again later.
func (w *writer) finishFold() {
	_, _ = w.conn.ExecContext(context.Background(), `PRAGMA wal_checkpoint(RESTART)`)
	w.fold.wal = 0
}

func (w *writer) close() error {
	var errs []error
	if w.fold != nil {
		errs = append(errs, w.fold.close())
	}
	for _, s := range []*sql.Stmt{w.begin, w.commit, w.insert, w.insertMany, w.sign} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(append(errs, w.db.Close())...)
}
