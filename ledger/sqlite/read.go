package sqlite

import (
	"context"
	"database/sql"
	"iter"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// Read returns events from a position on, each checked against the hash stored
// with it: curfew.Corrupt names the first that was changed.
func (l *Ledger) Read(ctx context.Context, from uint64, limit int) ([]curfew.Event, error) {
	if from == 0 || limit < 0 {
		return nil, curfew.Errorf(curfew.Invalid, "the first event has position 1")
	}
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	rows, err := l.read(ctx, from, l.Head().Size, limit)
	if err != nil {
		return nil, err
	}
	events := make([]curfew.Event, len(rows))
	for i, r := range rows {
		events[i] = r.Event
	}
	return events, nil
}

// read returns events from a position on, up to one, checked.
func (l *Ledger) read(ctx context.Context, from, to uint64, limit int) ([]ledger.Record, error) {
	rows, err := l.rows(ctx, `WHERE position >= ? AND position <= ? ORDER BY position LIMIT ?`, key(from), key(to), limit)
	if err != nil {
		return nil, err
	}
	for i, r := range rows {
		if r.Event.Position != from+uint64(i) {
			return nil, corrupt("event %d is missing", from+uint64(i))
		}
		if ledger.LeafHash(r.Event) != r.Hash {
			return nil, corrupt("event %d is not what was written", r.Event.Position)
		}
	}
	return rows, nil
}

// Store is a ledger's file, opened only to be verified or exported: also one that
// Open refuses, and one that another process writes.
type Store struct{ db *sql.DB }

// OpenStore opens the ledger of a data folder; curfew.NotFound where there is none.
func OpenStore(folder string) (*Store, error) {
	path := filepath.Join(folder, fileName)
	if _, err := os.Stat(path); err != nil {
		return nil, curfew.Wrap(curfew.NotFound, err, "there is no ledger in %s", folder)
	}
	return openReader(path)
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Records makes a Store a ledger.Source.
func (s *Store) Records(ctx context.Context) iter.Seq2[ledger.Record, error] {
	return ledger.Live(s).Records(ctx)
}

// Events returns rows as they are stored. See ledger.Store.
func (s *Store) Events(ctx context.Context, after uint64, first bool, limit int) ([]ledger.Record, error) {
	return s.rows(ctx, `WHERE position > ? ORDER BY position LIMIT ?`, start(after, first), limit)
}

func (s *Store) rows(ctx context.Context, where string, args ...any) ([]ledger.Record, error) {
	return query(ctx, s.db, `SELECT position, time, kind, body, hash FROM event `+where, args, func(rows *sql.Rows) (ledger.Record, error) {
		var r ledger.Record
		var position, at int64
		var kind string
		var hash []byte
		err := rows.Scan(&position, &at, &kind, &r.Event.Body, &hash)
		r.Event.Position, r.Event.Time, r.Event.Kind = uint64(position), time.Unix(0, at).UTC(), curfew.Kind(kind)
		if len(hash) == len(r.Hash) {
			copy(r.Hash[:], hash)
		}
		return r, err
	})
}

// Heads returns signed heads over more than after events, in order.
func (l *Ledger) Heads(ctx context.Context, after uint64, limit int) ([][]byte, error) {
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	heads, err := l.SignedHeads(ctx, after, false, limit)
	var notes [][]byte
	for _, h := range heads {
		notes = append(notes, h.Note)
	}
	return notes, err
}

// SignedHeads returns heads as they are stored. See ledger.Store.
func (s *Store) SignedHeads(ctx context.Context, after uint64, first bool, limit int) ([]ledger.Record, error) {
	const text = `SELECT size, note, edge FROM head WHERE size > ? ORDER BY size LIMIT ?`
	return query(ctx, s.db, text, []any{start(after, first), limit}, func(rows *sql.Rows) (ledger.Record, error) {
		var r ledger.Record
		var size int64
		err := rows.Scan(&size, &r.Note, &r.Edge)
		r.Size = uint64(size)
		return r, err
	})
}

// start is what every wanted key is greater than; hand-made ones may be negative.
func start(after uint64, first bool) int64 {
	if first {
		return math.MinInt64
	}
	return key(after)
}

// key is a position as SQLite has it; those it cannot have lie beyond all others.
func key(position uint64) int64 { return int64(min(position, math.MaxInt64)) }

func query(ctx context.Context, db *sql.DB, text string, args []any, scan func(*sql.Rows) (ledger.Record, error)) ([]ledger.Record, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	defer func() { _ = rows.Close() }()
	var out []ledger.Record
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, corrupt("a row cannot be read: %s", err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	return out, nil
}
