// Package sqlite is a ledger in one SQLite file, written by one process. It
// keeps order and durability; what an event means it does not know.
package sqlite

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// schema: events have no index but their position.
const schema = `
CREATE TABLE IF NOT EXISTS event (position INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS head (size INTEGER PRIMARY KEY, note BLOB NOT NULL, edge BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS snapshot (hash BLOB PRIMARY KEY, size INTEGER NOT NULL, data BLOB NOT NULL);`

// keepSnapshots is how many snapshots stay.
const keepSnapshots = 3

// Ledger is one file.
type Ledger struct {
	signer ledger.Signer
	keys   []ed25519.PublicKey // whose heads count
	db     *sql.DB             // reads
	w      *sql.DB             // one connection, writes
	lock   *os.File
	growth ledger.Growth
	head   atomic.Pointer[ledger.Head]

	turn   sync.Mutex
	tree   ledger.Frontier // guarded by turn
	unsure bool            // guarded by turn; what the file holds must be read again
	insert *sql.Stmt       // of w
	sign   *sql.Stmt       // of w
}

// Open opens the ledger of a folder, or makes an empty one. keys are those whose
// heads count beside the signer's own. It refuses a file that another process
// has, and one whose newest head does not fit its events.
func Open(folder string, s ledger.Signer, keys ...ed25519.PublicKey) (*Ledger, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the folder %s", folder)
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	l := &Ledger{signer: s, lock: lock, keys: append(keys, s.Public())}
	if err := l.open(filepath.Join(folder, "ledger.db")); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func lockFolder(folder string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the folder %s", folder)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(curfew.Errorf(curfew.Conflict, "another Curfew uses the folder %s", folder).
			WithFix("stop it first, or use another folder: curfew up --data FOLDER"), f.Close())
	}
	return f, nil
}

func (l *Ledger) open(path string) error {
	dsn := "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_txlock=immediate"
	var err error
	if l.w, err = sql.Open("sqlite", dsn); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "open the ledger")
	}
	l.w.SetMaxOpenConns(1)
	if _, err := l.w.Exec(schema); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "open the ledger")
	}
	if l.insert, err = l.w.Prepare(`INSERT INTO event VALUES (?,?,?,?)`); err == nil {
		l.sign, err = l.w.Prepare(`INSERT INTO head VALUES (?,?,?)`)
	}
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "open the ledger")
	}
	if l.db, err = sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)"); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "open the ledger")
	}
	l.db.SetMaxOpenConns(4)
	return nil
}

// load reads the newest head and checks that it is signed, that its edge gives
// its root, and that the events end where it says.
func (l *Ledger) load() error {
	var size uint64
	var signed, edge []byte
	err := l.w.QueryRow(`SELECT size, note, edge FROM head ORDER BY size DESC LIMIT 1`).Scan(&size, &signed, &edge)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	var count uint64
	if err := l.w.QueryRow(`SELECT coalesce(max(position), 0) FROM event`).Scan(&count); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	if count != size {
		return corrupt("its newest head is over %d events, and it holds %d", size, count)
	}
	h := ledger.Head{Root: (&ledger.Frontier{}).Root()}
	if size > 0 {
		if h, err = ledger.ParseHead(signed, l.signer.Deployment(), l.keys...); err != nil {
			return corrupt("its newest head is not signed by a key of this deployment")
		}
		if l.tree, err = ledger.ParseFrontier(size, edge); err != nil || h.Size != size || l.tree.Root() != h.Root {
			return corrupt("its newest head does not fit its tree")
		}
	}
	l.head.Store(&h)
	l.growth.Set(size)
	return nil
}

func corrupt(format string, args ...any) error {
	return curfew.Errorf(curfew.Corrupt, "the ledger was changed by hand: "+format, args...).
		WithFix("find out what with: curfew ledger verify; the lawful way back is: curfew restore")
}

type turn struct {
	l    *Ledger
	used bool
}

// Turn runs f while nobody else appends.
func (l *Ledger) Turn(ctx context.Context, f func(ledger.Turn) error) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	if ctx.Err() != nil {
		return curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "wait for the turn")
	}
	if l.unsure {
		if err := l.load(); err != nil {
			return err
		}
		l.unsure = false
	}
	return f(&turn{l: l})
}

func (t *turn) Head() ledger.Head { return *t.l.head.Load() }

// Append makes the drafts durable. See ledger.Turn.
func (t *turn) Append(at time.Time, drafts []ledger.Draft) ([]curfew.Event, ledger.Head, error) {
	if t.used {
		return nil, ledger.Head{}, curfew.Errorf(curfew.Internal, "a turn appends once")
	}
	t.used = true
	l := t.l
	tree := l.tree.Clone()
	events, h, err := ledger.Next(&tree, l.head.Load().Time, l.signer, at, drafts)
	if err != nil {
		return nil, ledger.Head{}, err
	}
	if err := l.write(events, h, tree.Bytes()); err != nil {
		l.unsure = true
		return nil, ledger.Head{}, err
	}
	l.tree = tree
	l.head.Store(&h)
	l.growth.Set(h.Size)
	return events, h, nil
}

// write is one transaction. It is not bound to a context: a batch that is cut in
// the middle would have an unknown outcome for no reason.
func (l *Ledger) write(events []curfew.Event, h ledger.Head, edge []byte) error {
	tx, err := l.w.Begin()
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the ledger")
	}
	insert, sign := tx.Stmt(l.insert), tx.Stmt(l.sign)
	for _, e := range events {
		if _, err := insert.Exec(e.Position, e.Time.UnixNano(), string(e.Kind), e.Body); err != nil {
			return l.undo(tx, err)
		}
	}
	if _, err := sign.Exec(h.Size, h.Note, edge); err != nil {
		return l.undo(tx, err)
	}
	if err := tx.Commit(); err != nil {
		return l.committed(h.Size, err)
	}
	return nil
}

func (l *Ledger) undo(tx *sql.Tx, err error) error {
	if rollback := tx.Rollback(); rollback != nil {
		err = errors.Join(err, rollback)
	}
	return curfew.Wrap(curfew.Unavailable, err, "write the ledger")
}

// committed finds out what a commit that failed has done: nothing, or nobody knows.
func (l *Ledger) committed(size uint64, err error) error {
	var there int
	_, _ = l.w.Exec(`ROLLBACK`) // of a transaction that a failed commit left open; fails where there is none
	if look := l.w.QueryRow(`SELECT count(*) FROM head WHERE size >= ?`, size).Scan(&there); look == nil && there == 0 {
		return curfew.Wrap(curfew.Unavailable, err, "write the ledger")
	}
	return errors.Join(ledger.ErrUnknown, err)
}

// Head is the newest durable head.
func (l *Ledger) Head() ledger.Head { return *l.head.Load() }

// Wait waits for the ledger to hold more than after events.
func (l *Ledger) Wait(ctx context.Context, after uint64) error { return l.growth.Wait(ctx, after) }

// Read returns events from a position on.
func (l *Ledger) Read(ctx context.Context, from uint64, limit int) ([]curfew.Event, error) {
	if from == 0 || limit < 0 {
		return nil, curfew.Errorf(curfew.Invalid, "the first event has position 1")
	}
	rows, err := l.db.QueryContext(ctx, `SELECT position, time, kind, body FROM event WHERE position >= ? ORDER BY position LIMIT ?`, from, limit)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	defer func() { _ = rows.Close() }()
	var out []curfew.Event
	for rows.Next() {
		var e curfew.Event
		var at int64
		if err := rows.Scan(&e.Position, &at, &e.Kind, &e.Body); err != nil {
			return nil, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
		}
		e.Time = time.Unix(0, at).UTC()
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	return out, nil
}

// Heads returns signed heads over more than after events, in order.
func (l *Ledger) Heads(ctx context.Context, after uint64, limit int) ([][]byte, error) {
	rows, err := l.db.QueryContext(ctx, `SELECT note FROM head WHERE size > ? ORDER BY size LIMIT ?`, after, limit)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	defer func() { _ = rows.Close() }()
	var out [][]byte
	for rows.Next() {
		var n []byte
		if err := rows.Scan(&n); err != nil {
			return nil, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// SaveSnapshot keeps data under its hash, and drops the oldest beyond a few.
func (l *Ledger) SaveSnapshot(_ context.Context, size uint64, data []byte) ([sha256.Size]byte, error) {
	h := sha256.Sum256(data)
	l.turn.Lock()
	defer l.turn.Unlock()
	if _, err := l.w.Exec(`INSERT OR REPLACE INTO snapshot VALUES (?,?,?)`, h[:], size, data); err != nil {
		return h, curfew.Wrap(curfew.Unavailable, err, "write a snapshot")
	}
	_, err := l.w.Exec(`DELETE FROM snapshot WHERE size NOT IN (SELECT size FROM snapshot ORDER BY size DESC LIMIT ?)`, keepSnapshots)
	if err != nil {
		return h, curfew.Wrap(curfew.Unavailable, err, "drop old snapshots")
	}
	return h, nil
}

// LoadSnapshot returns what was kept under a hash, checked.
func (l *Ledger) LoadSnapshot(ctx context.Context, h [sha256.Size]byte) ([]byte, error) {
	var data []byte
	err := l.db.QueryRowContext(ctx, `SELECT data FROM snapshot WHERE hash = ?`, h[:]).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, curfew.Errorf(curfew.NotFound, "there is no such snapshot")
	}
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read a snapshot")
	}
	if sha256.Sum256(data) != h {
		return nil, curfew.Errorf(curfew.Corrupt, "a snapshot is not what was written")
	}
	return data, nil
}

// Close closes the file and lets others have it.
func (l *Ledger) Close() error {
	var errs []error
	for _, db := range []*sql.DB{l.db, l.w} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if err := l.lock.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
