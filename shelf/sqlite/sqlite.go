// Package sqlite keeps shelf rows in a file of their own. It never sees what is in
// them: they come and go sealed.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/curfewhq/curfew"
)

// Rows is one file.
type Rows struct{ db *sql.DB }

// Open opens the file, or makes it.
func Open(path string) (*Rows, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would let others read it
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the shelf")
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+pragmas.Encode())
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the shelf")
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS row (kind TEXT, name TEXT, box BLOB NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID`); err != nil {
		return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "open the shelf"), db.Close())
	}
	return &Rows{db}, nil
}

// Store keeps a row.
func (r *Rows) Store(ctx context.Context, kind, name string, box []byte) error {
	_, err := r.db.ExecContext(ctx, `INSERT OR REPLACE INTO row VALUES (?,?,?)`, kind, name, box)
	return wrap(err, "write the shelf")
}

// Load returns a row.
func (r *Rows) Load(ctx context.Context, kind, name string) (box []byte, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT box FROM row WHERE kind = ? AND name = ?`, kind, name).Scan(&box)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, curfew.Errorf(curfew.NotFound, "there is no such row")
	}
	return box, wrap(err, "read the shelf")
}

// Delete removes a row.
func (r *Rows) Delete(ctx context.Context, kind, name string) error {
	_, err := r.db.ExecContext(ctx, `DELETE FROM row WHERE kind = ? AND name = ?`, kind, name)
	return wrap(err, "write the shelf")
}

// List returns the names of a kind.
func (r *Rows) List(ctx context.Context, kind string) ([]string, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT name FROM row WHERE kind = ? ORDER BY name`, kind)
	if err != nil {
		return nil, wrap(err, "read the shelf")
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, wrap(err, "read the shelf")
		}
		out = append(out, name)
	}
	return out, wrap(rows.Err(), "read the shelf")
}

// Close closes the file.
func (r *Rows) Close() error { return r.db.Close() }

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return curfew.Wrap(curfew.Unavailable, err, "%s", what)
}
