package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// The schema. Events have no index but their position. A file with anything else
// in it (a trigger could rewrite events as they come) is refused.
const (
	fileName      = "ledger.db"
	schemaVersion = 1
	createEvent   = `CREATE TABLE event (position INTEGER PRIMARY KEY CHECK (position > 0), time INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL) STRICT`
	createHead    = `CREATE TABLE head (size INTEGER PRIMARY KEY CHECK (size > 0), note BLOB NOT NULL, edge BLOB) STRICT`
)

// lockFolder locks the data folder to this process (flock(2)); it names who has it.
func lockFolder(folder string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the folder %s", folder)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := make([]byte, 20)
		n, _ := f.ReadAt(holder, 0)
		who := "another process"
		if pid := strings.TrimSpace(string(holder[:n])); pid != "" {
			who = "process " + pid
		}
		return nil, errors.Join(curfew.Errorf(curfew.Conflict, "%s uses the folder %s", who, folder).
			WithFix("stop it first, or use another folder: curfew up --data FOLDER"), f.Close())
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(f.Truncate(0), writeAll(f, pid)); err != nil {
		return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "lock the folder %s", folder), f.Close())
	}
	return f, nil
}

func writeAll(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	if errors.Is(err, unix.ENOSPC) {
		return nil // the lock holds without its note
	}
	return err
}

// dsn names the file for the driver, with the pragmas that every connection gets.
func dsn(path string, query ...string) string {
	q := url.Values{"_pragma": append(query, "busy_timeout(2000)")}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func openReader(path string) (*Store, error) {
	db, err := sql.Open("sqlite", dsn(path, "query_only(1)"))
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the ledger")
	}
	const readers = 4
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return &Store{db}, nil
}

// checkSchema makes the tables of a new file, and refuses a file that has others.
func checkSchema(ctx context.Context, c *sql.Conn) error {
	found := map[string]bool{}
	rows, err := c.QueryContext(ctx, `SELECT coalesce(sql, name) FROM sqlite_schema`)
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "read the ledger")
		}
		found[text] = true
	}
	if err := rows.Err(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	if len(found) == 0 {
		return makeSchema(ctx, c)
	}
	var v int
	if err := c.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&v); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	if v > schemaVersion {
		return curfew.Errorf(curfew.Conflict, "the ledger's file is of version %d, and this release reads up to %d", v, schemaVersion).
			WithFix("start a newer release")
	}
	if len(found) != 2 || !found[createEvent] || !found[createHead] {
		return corrupt("its tables are not those that were made")
	}
	return nil
}

func makeSchema(ctx context.Context, c *sql.Conn) error {
	text := "BEGIN IMMEDIATE;" + createEvent + ";" + createHead + ";PRAGMA user_version=" + strconv.Itoa(schemaVersion) + ";COMMIT"
	if _, err := c.ExecContext(ctx, text); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "make the ledger")
	}
	return nil
}

// load reads the newest head and checks that it is signed, that the events end
// there, and that the last of them, after the newest stored edge, give its root.
func (l *Ledger) load(ctx context.Context) error {
	tip := ledger.NewTip(l.tip.Signer)
	var size, last uint64
	var signed []byte
	err := l.w.conn.QueryRowContext(ctx, `SELECT size, note FROM head ORDER BY size DESC LIMIT 1`).Scan(&size, &signed)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err == nil {
		err = l.w.conn.QueryRowContext(ctx, `SELECT coalesce(max(position), 0) FROM event`).Scan(&last)
	}
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	if last != size {
		return corrupt("its newest head is over %d events, and its last event is %d", size, last)
	}
	if size > 0 {
		if tip.Head, err = ledger.ParseHead(signed, tip.Signer.Deployment(), l.keys...); err != nil {
			return corrupt("its newest head is not signed by a key of %s", tip.Signer.Deployment())
		}
		if tip.Tree, err = l.tail(ctx, size); err != nil {
			return err
		}
		if tip.Head.Size != size || tip.Tree.Root() != tip.Head.Root {
			return corrupt("the last of its events are not those that were signed")
		}
	}
	l.tip = tip
	l.head.Store(&tip.Head)
	l.growth.Set(size)
	return nil
}

// tail recomputes the tree of a size from the newest stored edge on.
func (l *Ledger) tail(ctx context.Context, size uint64) (ledger.Frontier, error) {
	var at uint64
	var edge []byte
	err := l.w.conn.QueryRowContext(ctx, `SELECT size, edge FROM head WHERE edge IS NOT NULL ORDER BY size DESC LIMIT 1`).Scan(&at, &edge)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return ledger.Frontier{}, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
	}
	tree, err := ledger.ParseFrontier(at, edge)
	if err != nil {
		return tree, corrupt("the edge of the tree over %d events has another length", at)
	}
	for tree.Size < size {
		events, err := l.read(ctx, tree.Size+1, size, pageOfTail)
		if err != nil {
			return tree, err
		}
		if len(events) == 0 {
			return tree, corrupt("event %d is missing", tree.Size+1)
		}
		for _, r := range events {
			tree.Append(r.Hash)
		}
	}
	return tree, nil
}

const pageOfTail = 2048
