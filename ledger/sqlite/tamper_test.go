package sqlite

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

func signer(t *testing.T) ledger.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.NewSigner("office", key)
}

// filled makes a ledger with batches of 1 to 4 events, 40 in all.
func filled(t *testing.T, folder string, s ledger.Signer, from int) {
	t.Helper()
	l, err := Open(folder, s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if l.Head().Size == 0 {
		if err := ledger.Begin(context.Background(), l, s, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for i := from; i < from+16; i++ {
		var drafts []ledger.Draft
		for k := range i%4 + 1 {
			drafts = append(drafts, ledger.Draft{Kind: curfew.KindErrandRun, Body: []byte(fmt.Sprintf(`{"what":"errand %d.%d"}`, i, k))})
		}
		if err := l.Turn(context.Background(), func(turn ledger.Turn) error {
			_, _, err := turn.Append(time.Now(), drafts)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"ledger.db", "ledger.db-wal"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			_ = os.Remove(filepath.Join(to, name))
			continue
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Remove(filepath.Join(to, "ledger.db-shm"))
}

// TestHandMadeChangesAreNamed changes the database by hand, every way there is.
func TestHandMadeChangesAreNamed(t *testing.T) {
	const last = `(SELECT max(position) FROM event)`
	cases := []struct{ name, sql, want string }{
		{"an event's body edited", `UPDATE event SET body = CAST('{"what":"nothing"}' AS BLOB) WHERE position = 20`, "event 20 was edited"},
		{"an event's kind edited", `UPDATE event SET kind = 'grant.ended' WHERE position = 20`, "event 20 was edited"},
		{"an event's time edited", `UPDATE event SET time = time + 1 WHERE position = 20`, "event 20 was edited"},
		{"the last event's time edited", `UPDATE event SET time = time + 1 WHERE position = 41`, "event 41 was edited"},
		{"an event's hash edited", `UPDATE event SET hash = zeroblob(32) WHERE position = 20`, "event 20 was edited"},
		{"an event's hash cut short", `UPDATE event SET hash = x'00' WHERE position = 20`, "event 20 was edited"},
		{"an event edited and hashed anew", `forge 20`, "the events 18 to 21"},
		{"the genesis event edited and hashed anew", `forge 1`, "does not found"},
		{"two events swapped", `UPDATE event SET position = 99 WHERE position = 20; UPDATE event SET position = 20 WHERE position = 30; UPDATE event SET position = 30 WHERE position = 99`, "event 20 was edited, or another was put in its place"},
		{"an event removed", `DELETE FROM event WHERE position = 20`, "event 20 is missing"},
		{"the first event removed", `DELETE FROM event WHERE position = 1`, "event 1 is missing"},
		{"an event removed and the rest moved up", `DELETE FROM event WHERE position = 20; UPDATE event SET position = position - 1 WHERE position > 20`, "event 20 was edited, or another"},
		{"the last event removed", `DELETE FROM event WHERE position = ` + last, "event 41 is missing"},
		{"an event added", `INSERT INTO event SELECT position + 1, time, kind, body, hash FROM event WHERE position = ` + last, "event 42 was edited, or another was put in its place"},
		{"an event added and hashed", `forge 42`, "no signed head is over the events after 41"},
		{"an event added before the first", `PRAGMA ignore_check_constraints = 1; INSERT INTO event SELECT -5, time, kind, body, hash FROM event WHERE position = 1`, "event -5 stands in its place"},
		{"the end cut off, heads too", `DELETE FROM head WHERE size > 21; DELETE FROM event WHERE position > 21`, "rolled back"},
		{"the newest head edited", `UPDATE head SET note = CAST(replace(CAST(note AS TEXT), 'clock 1', 'clock 2') AS BLOB) WHERE size = (SELECT max(size) FROM head)`, "not signed by a key"},
		{"a head edited", `UPDATE head SET note = CAST(replace(CAST(note AS TEXT), 'clock 1', 'clock 2') AS BLOB) WHERE size = 21`, "head over 21 events was edited"},
		{"a head's root edited", `UPDATE head SET note = (SELECT note FROM head WHERE size = 17), size = 21 WHERE size = 21`, "head after the one over 17 events was edited"},
		{"a head stored under another size", `UPDATE head SET size = 20 WHERE size = 21`, "head after the one over 17 events was edited"},
		{"a head removed", `DELETE FROM head WHERE size = 21`, "one after it removed"},
		{"a head added", `INSERT INTO head SELECT 19, note, edge FROM head WHERE size = 21`, "head after the one over 17 events was edited"},
		{"the newest head removed", `DELETE FROM head WHERE size = (SELECT max(size) FROM head)`, "added by hand, or the end was cut off"},
		{"all heads removed", `DELETE FROM head`, "no signed head"},
		{"an edge edited", `UPDATE head SET edge = zeroblob(32) WHERE size = 1`, "edge that is stored"},
		{"an edge removed", `UPDATE head SET edge = NULL WHERE size = 1`, "edge that is stored with the head over 1 events was edited"},
		{"an edge added", `UPDATE head SET edge = zeroblob(96) WHERE size = 21`, "edge that is stored"},
		{"a trigger", `CREATE TRIGGER t AFTER INSERT ON event BEGIN UPDATE event SET body = x'' WHERE position = new.position - 1; END`, "its tables are not"},
		{"a table", `CREATE TABLE access (who TEXT)`, "its tables are not"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			folder, s := t.TempDir(), signer(t)
			filled(t, folder, s, 0)
			l, err := Open(folder, s)
			if err != nil {
				t.Fatal(err)
			}
			memory := l.Head()
			_ = l.Close()
			db, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "ledger.db"))
			if err != nil {
				t.Fatal(err)
			}
			if position, ok := strings.CutPrefix(c.sql, "forge "); ok {
				forge(t, db, position)
			} else if _, err := db.Exec(c.sql); err != nil {
				t.Fatal(err)
			}
			_ = db.Close()
			if rep := verifyFolder(t, folder, s); !rep.OK {
				if !strings.Contains(rep.Problem, c.want) {
					t.Fatalf("%+v, want %q", rep, c.want)
				}
				if l, err := Open(folder, s); err == nil { // what lies far back is left to Verify
					_ = l.Close()
				} else if curfew.CodeOf(err) != curfew.Corrupt {
					t.Errorf("opening it: %v", err)
				}
				return
			}
			// What verifies by itself is a shorter past: the node's memory refuses
			// it; or it is a change that only acts later: opening refuses it.
			if l, err = Open(folder, s); err == nil {
				err = ledger.Check(context.Background(), l, memory)
				_ = l.Close()
			}
			if curfew.CodeOf(err) != curfew.Corrupt || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("nobody noticed: %v", err)
			}
		})
	}
}

func verifyFolder(t *testing.T, folder string, s ledger.Signer) ledger.Report {
	t.Helper()
	store, err := OpenStore(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	rep, err := ledger.Verify(context.Background(), ledger.Live(store), ledger.Checks{Genesis: s.Public()})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// forge edits an event and the hash beside it, as somebody would who knows how it is made.
func forge(t *testing.T, db *sql.DB, position string) {
	t.Helper()
	var e curfew.Event
	var at int64
	if err := db.QueryRow(`SELECT `+position+`, time, kind FROM event WHERE position <= `+position+` ORDER BY position DESC LIMIT 1`).Scan(&e.Position, &at, &e.Kind); err != nil {
		t.Fatal(err)
	}
	e.Time, e.Body = time.Unix(0, at), []byte(`{"what":"nothing"}`)
	h := ledger.LeafHash(e)
	if _, err := db.Exec(`INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?)`, int64(e.Position), at, string(e.Kind), e.Body, h[:]); err != nil {
		t.Fatal(err)
	}
}

func TestYesterdaysFileAndAForkAreRefused(t *testing.T) {
	folder, yesterday, s := t.TempDir(), t.TempDir(), signer(t)
	filled(t, folder, s, 0)
	copyFolder(t, folder, yesterday)
	filled(t, folder, s, 100)
	l, err := Open(folder, s)
	if err != nil {
		t.Fatal(err)
	}
	memory := l.Head()
	if err := ledger.Check(context.Background(), l, memory); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()

	copyFolder(t, yesterday, folder)
	l, err = Open(folder, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Check(context.Background(), l, memory); err == nil || !strings.Contains(err.Error(), "rolled back") {
		t.Fatalf("yesterday's file: %v", err)
	}
	_ = l.Close()

	filled(t, folder, s, 200) // goes another way, as long
	filled(t, folder, s, 300)
	l, err = Open(folder, s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := ledger.Check(context.Background(), l, memory); err == nil || !strings.Contains(err.Error(), "forked") {
		t.Fatalf("a fork: %v", err)
	}
	rep, err := ledger.Verify(context.Background(), ledger.Live(l), ledger.Checks{Genesis: s.Public(), Witnessed: [][]byte{memory.Note}})
	if err != nil || rep.OK || !strings.Contains(rep.Problem, "left the machine") {
		t.Fatalf("a fork, against a head that left the machine: %+v %v", rep, err)
	}
	if err := ledger.Check(context.Background(), l, ledger.Head{}); err == nil || !strings.Contains(err.Error(), "no memory") {
		t.Fatalf("a node without memory: %v", err)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	folder, s := t.TempDir(), signer(t)
	l, err := Open(folder, s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := Open(folder, s); curfew.CodeOf(err) != curfew.Conflict {
		t.Fatal(err)
	}
}

func TestAnotherKeyIsRefused(t *testing.T) {
	folder, s := t.TempDir(), signer(t)
	filled(t, folder, s, 0)
	if _, err := Open(folder, signer(t)); curfew.CodeOf(err) != curfew.Corrupt {
		t.Fatal(err)
	}
}

func TestAnExportVerifiesAnywhere(t *testing.T) {
	folder, s := t.TempDir(), signer(t)
	filled(t, folder, s, 0)
	l, err := Open(folder, s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var buf bytes.Buffer
	if err := ledger.Export(context.Background(), &buf, l); err != nil {
		t.Fatal(err)
	}
	whole := buf.Bytes()
	x, err := ledger.ReadExport(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	rep, err := ledger.Verify(context.Background(), x, ledger.Checks{Genesis: s.Public(), EveryHead: true})
	if err != nil || !rep.OK || rep.Events != 41 || rep.Heads != 17 {
		t.Fatalf("%+v %v", rep, err)
	}
	x, _ = ledger.ReadExport(bytes.NewReader(whole))
	if rep, _ := ledger.Verify(context.Background(), x, ledger.Checks{Genesis: signer(t).Public()}); rep.OK || !strings.Contains(rep.Problem, "another key") {
		t.Fatal("it verifies against another deployment's key")
	}
	for i := len(whole) / 10; i < len(whole); i += len(whole) / 37 { // a bit flipped anywhere
		text := append([]byte(nil), whole...)
		text[i] ^= 4
		x, err := ledger.ReadExport(bytes.NewReader(text))
		if err != nil {
			continue
		}
		if rep, _ := ledger.Verify(context.Background(), x, ledger.Checks{Genesis: s.Public(), EveryHead: true}); rep.OK {
			t.Errorf("a bit flipped at %d of %d is not noticed", i, len(whole))
		}
	}
	if x, err := ledger.ReadExport(bytes.NewReader(whole[:len(whole)*2/3])); err == nil {
		if rep, _ := ledger.Verify(context.Background(), x, ledger.Checks{Genesis: s.Public()}); rep.OK {
			t.Error("an export that was cut short is whole")
		}
	}
}
