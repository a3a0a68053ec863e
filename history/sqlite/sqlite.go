// Package sqlite keeps history in a file of its own, which may be deleted.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/history"
)

// schema: documents as JSON with what they are found by beside them; one row of
// entries an event. The version is in the name of the table of positions: a
// history of another version is not read, and built again.
const schema = `
CREATE TABLE IF NOT EXISTS doc (
  kind TEXT, id TEXT, at INTEGER, principal TEXT, resource TEXT, grant_id TEXT, status TEXT, position INTEGER, body TEXT,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS doc_at ON doc (kind, position);
CREATE TABLE IF NOT EXISTS entry (
  position INTEGER PRIMARY KEY, at INTEGER, kind TEXT, principal TEXT, resource TEXT, grant_id TEXT, request TEXT, session TEXT);
CREATE TABLE IF NOT EXISTS position_v3 (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER);
INSERT OR IGNORE INTO position_v3 VALUES (1, 0);`

// Store is a history file.
type Store struct {
	db       *sql.DB
	position atomic.Uint64
}

// Open opens the file, or makes it; "" keeps everything in memory.
func Open(path string) (*Store, error) {
	dsn := "file::memory:"
	if path != "" {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would let others read it
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return nil, curfew.Wrap(curfew.Unavailable, err, "open the history")
		}
		dsn = "file:" + (&url.URL{Path: path}).EscapedPath()
	}
	db, err := sql.Open("sqlite", dsn+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the history")
	}
	db.SetMaxOpenConns(1)
	s := &Store{db: db}
	var n uint64
	if _, err = db.Exec(schema); err == nil {
		err = db.QueryRow(`SELECT position FROM position_v3`).Scan(&n)
	}
	if err != nil {
		return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "open the history").WithFix("delete the file %s; it is built again", path), db.Close())
	}
	s.position.Store(n)
	return s, nil
}

// Position is the newest event that is in it.
func (s *Store) Position() uint64 { return s.position.Load() }

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Apply takes the next events in one transaction.
func (s *Store) Apply(ctx context.Context, events []curfew.Event) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the history")
	}
	defer func() { _ = tx.Rollback() }()
	docs := &docs{ctx: ctx, tx: tx, kept: map[string][]byte{}}
	for _, e := range events {
		docs.position = e.Position
		entry, err := history.Change(docs, e)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO entry VALUES (?,?,?,?,?,?,?,?)`, e.Position, e.Time.UnixNano(), string(e.Kind),
			string(entry.Principal), string(entry.Resource), string(entry.Grant), string(entry.Request), string(entry.Session))
		if err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "write the history")
		}
	}
	last := events[len(events)-1].Position
	if _, err := tx.ExecContext(ctx, `UPDATE position_v3 SET position = ?`, last); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the history")
	}
	if err := tx.Commit(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the history")
	}
	s.position.Store(last)
	return nil
}

// docs reads and writes documents within one transaction.
type docs struct {
	ctx      context.Context
	tx       *sql.Tx
	position uint64
	kept     map[string][]byte
}

func (d *docs) Load(kind, id string, into any) (bool, error) {
	if id == "" {
		return false, nil
	}
	body, ok := d.kept[kind+id]
	if !ok {
		err := d.tx.QueryRowContext(d.ctx, `SELECT body FROM doc WHERE kind = ? AND id = ?`, kind, id).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, curfew.Wrap(curfew.Unavailable, err, "read the history")
		}
		d.kept[kind+id] = body
	}
	return true, json.Unmarshal(body, into)
}

func (d *docs) Save(kind, id string, doc any) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode a %s", kind)
	}
	d.kept[kind+id] = body
	var c struct {
		At        time.Time
		Principal string
		Resource  string
		Grant     string
		Status    string
		Live      bool
	}
	_ = json.Unmarshal(body, &c) // a lease's document is a string: it is found by its identifier alone
	if c.Live {
		c.Status = "live"
	}
	_, err = d.tx.ExecContext(d.ctx, `INSERT INTO doc VALUES (?,?,?,?,?,?,?,?,?)
		ON CONFLICT (kind, id) DO UPDATE SET status = excluded.status, grant_id = excluded.grant_id, body = excluded.body`,
		kind, id, c.At.UnixNano(), c.Principal, c.Resource, c.Grant, c.Status, d.position, string(body))
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the history")
	}
	return nil
}

func one[T any](ctx context.Context, s *Store, kind, id string, place func(*T, uint64)) (doc T, err error) {
	var body []byte
	var position uint64
	err = s.db.QueryRowContext(ctx, `SELECT position, body FROM doc WHERE kind = ? AND id = ?`, kind, id).Scan(&position, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return doc, curfew.Errorf(curfew.NotFound, "there is no %s %.60q", kind, id)
	}
	if err == nil {
		err = json.Unmarshal(body, &doc)
	}
	if err != nil {
		return doc, curfew.Wrap(curfew.Unavailable, err, "read the history")
	}
	place(&doc, position)
	return doc, nil
}

// Where the documents say the position of the event that they began with.
func placeRequest(d *history.Request, at uint64) { d.Position = at }
func placeGrant(d *history.Grant, at uint64)     { d.Position = at }
func placeSession(d *history.Session, at uint64) { d.Position = at }

// nanos is an instant as it is stored; before and after what can be, the first and the last.
func nanos(t time.Time) int64 {
	switch first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64); {
	case t.Before(first):
		return math.MinInt64
	case t.After(last):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// where builds the conditions that the filter's fields make on the columns named.
func where(f history.Filter, columns map[string]string) (string, []any) {
	var conditions []string
	var args []any
	add := func(column, op string, value any, given bool) {
		if name := columns[column]; name != "" && given {
			conditions = append(conditions, fmt.Sprintf("%s %s ?", name, op))
			args = append(args, value)
		}
	}
	add("principal", "=", string(f.Principal), f.Principal != "")
	add("resource", "=", string(f.Resource), f.Resource != "")
	add("grant", "=", string(f.Grant), f.Grant != "")
	add("request", "=", string(f.Request), f.Request != "")
	add("session", "=", string(f.Session), f.Session != "")
	add("status", "=", f.Status, f.Status != "")
	add("kind", ">=", f.Kind, f.Kind != "")
	add("kind", "<", f.Kind+"\xff", f.Kind != "")
	add("at", ">=", nanos(f.From), !f.From.IsZero())
	add("at", "<", nanos(f.To), !f.To.IsZero())
	add("position", "<", f.Before, f.Before != 0)
	if len(conditions) == 0 {
		return "1", nil
	}
	return strings.Join(conditions, " AND "), args
}

func many[T any](ctx context.Context, s *Store, kind string, f history.Filter, place func(*T, uint64)) ([]T, error) {
	cond, args := where(f, map[string]string{"principal": "principal", "resource": "resource", "grant": "grant_id", "status": "status", "at": "at", "position": "position"})
	rows, err := s.db.QueryContext(ctx, `SELECT position, body FROM doc WHERE kind = ? AND `+cond+` ORDER BY position DESC LIMIT ?`, append(append([]any{kind}, args...), f.Most())...)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the history")
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		var position uint64
		var body []byte
		var doc T
		if err := rows.Scan(&position, &body); err != nil {
			return nil, curfew.Wrap(curfew.Unavailable, err, "read the history")
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			return nil, curfew.Wrap(curfew.Corrupt, err, "read the history")
		}
		place(&doc, position)
		out = append(out, doc)
	}
	return out, rows.Err()
}

// Request returns one request.
func (s *Store) Request(ctx context.Context, id curfew.RequestID) (history.Request, error) {
	return one[history.Request](ctx, s, history.DocRequest, string(id), placeRequest)
}

// Requests lists requests, newest first.
func (s *Store) Requests(ctx context.Context, f history.Filter) ([]history.Request, error) {
	return many(ctx, s, history.DocRequest, f, placeRequest)
}

// Grant returns one grant.
func (s *Store) Grant(ctx context.Context, id curfew.GrantID) (history.Grant, error) {
	return one[history.Grant](ctx, s, history.DocGrant, string(id), placeGrant)
}

// Grants lists grants, newest first.
func (s *Store) Grants(ctx context.Context, f history.Filter) ([]history.Grant, error) {
	return many(ctx, s, history.DocGrant, f, placeGrant)
}

// Session returns one session.
func (s *Store) Session(ctx context.Context, id curfew.SessionID) (history.Session, error) {
	return one[history.Session](ctx, s, history.DocSession, string(id), placeSession)
}

// Sessions lists sessions, newest first.
func (s *Store) Sessions(ctx context.Context, f history.Filter) ([]history.Session, error) {
	return many(ctx, s, history.DocSession, f, placeSession)
}

// Entries lists events, newest first.
func (s *Store) Entries(ctx context.Context, f history.Filter) ([]history.Entry, error) {
	cond, args := where(f, map[string]string{
		"principal": "principal", "resource": "resource", "grant": "grant_id", "request": "request", "session": "session",
		"kind": "kind", "at": "at", "position": "position",
	})
	rows, err := s.db.QueryContext(ctx, `SELECT position, at, kind, principal, resource, grant_id, request, session FROM entry WHERE `+cond+` ORDER BY position DESC LIMIT ?`, append(args, f.Most())...)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the history")
	}
	defer func() { _ = rows.Close() }()
	var out []history.Entry
	for rows.Next() {
		var e history.Entry
		var at int64
		if err := rows.Scan(&e.Position, &at, &e.Kind, &e.Principal, &e.Resource, &e.Grant, &e.Request, &e.Session); err != nil {
			return nil, curfew.Wrap(curfew.Unavailable, err, "read the history")
		}
		e.At = time.Unix(0, at).UTC()
		out = append(out, e)
	}
	return out, rows.Err()
}
