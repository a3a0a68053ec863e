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
	cases := []struct{ name, sql, want string }{
		{"an event's body edited", `UPDATE event SET body = '{"what":"nothing"}' WHERE position = 20`, "18 to 21"},
		{"an event's kind edited", `UPDATE event SET kind = 'grant.ended' WHERE position = 20`, "18 to 21"},
		{"an event's time edited", `UPDATE event SET time = time + 1 WHERE position = 41`, "are not those that were signed"},
		{"two events swapped", `UPDATE event SET body = CASE position WHEN 20 THEN (SELECT body FROM event WHERE position = 30) ELSE (SELECT body FROM event WHERE position = 20) END WHERE position IN (20, 30)`, "18 to 21"},
		{"an event removed", `DELETE FROM event WHERE position = 20`, "20 is missing"},
		{"the last event removed", `DELETE FROM event WHERE position = (SELECT max(position) FROM event)`, "cut off"},
		{"an event added", `INSERT INTO event SELECT max(position) + 1, max(time), 'grant.approved', '{}' FROM event`, "by hand"},
		{"the end cut off, heads too", `DELETE FROM head WHERE size > 20; DELETE FROM event WHERE position > 20`, ""},
		{"a head edited", `UPDATE head SET note = replace(CAST(note AS TEXT), 'office', 'Office') WHERE size = (SELECT max(size) FROM head)`, "not signed"},
		{"all heads removed", `DELETE FROM head`, "by hand"},
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
			if _, err := db.Exec(c.sql); err != nil {
				t.Fatal(err)
			}
			_ = db.Close()
			l, err = Open(folder, s)
			if err != nil { // found at once
				if curfew.CodeOf(err) != curfew.Corrupt {
					t.Fatal(err)
				}
				return
			}
			defer func() { _ = l.Close() }()
			rep, err := ledger.Verify(context.Background(), l, ledger.Checks{Genesis: s.Public()})
			if err != nil {
				t.Fatal(err)
			}
			if !rep.OK {
				if !strings.Contains(rep.Problem, c.want) {
					t.Fatalf("%+v, want %q", rep, c.want)
				}
				return
			}
			// What verifies by itself is a shorter past: the node's memory refuses it.
			if err := ledger.Check(context.Background(), l, memory); curfew.CodeOf(err) != curfew.Corrupt {
				t.Fatalf("nobody noticed: %+v %v", rep, err)
			}
		})
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
	rep, err := ledger.Verify(context.Background(), l, ledger.Checks{Genesis: s.Public(), Witnessed: [][]byte{memory.Note}})
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
	if rep, _ := ledger.Verify(context.Background(), x, ledger.Checks{Genesis: signer(t).Public()}); rep.OK {
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
