package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/ledger/ledgertest"
)

func begun(t *testing.T) (*Ledger, ledger.Signer) {
	t.Helper()
	s := ledgertest.Signer(t)
	l, err := Open(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledger.Genesis(s))
	return l, s
}

func (l *Ledger) exec(t *testing.T, text string) {
	t.Helper()
	if _, err := l.w.conn.ExecContext(context.Background(), text); err != nil {
		t.Fatal(err)
	}
}

// fillUp appends until SQLite says that the disk is full, and returns the error.
func fillUp(t *testing.T, l *Ledger, d ledger.Draft) error {
	t.Helper()
	d.Body = make([]byte, 20_000)
	for range 1000 {
		if _, _, err := ledgertest.Append(l, ledgertest.Start(), d); err != nil {
			return err
		}
	}
	t.Fatal("the disk never was full")
	return nil
}

// The file is held to a number of pages; giving up the reserve raises it.
func TestFullDiskStillTakesEndsAndAlarms(t *testing.T) {
	l, s := begun(t)
	l.exec(t, `PRAGMA max_page_count = 60`)
	room := errors.New("no room")
	l.w.room.hold = func() error { return room }
	l.w.room.give = func() error { l.exec(t, `PRAGMA max_page_count = 120`); return nil }

	before := l.Head()
	err := fillUp(t, l, ledger.Draft{Kind: "grant.asked"})
	if curfew.CodeOf(err) != curfew.Unavailable || errors.Is(err, ledger.ErrUnknown) {
		t.Fatalf("a full disk: %v", err)
	}
	if l.Head().Size == before.Size || l.w.room.given {
		t.Fatal("the reserve was used for what is not urgent")
	}
	for i := range 3 {
		if _, _, err := ledgertest.Append(l, ledgertest.Start(), ledger.Draft{Kind: "grant.ended", Body: make([]byte, 20_000), Urgent: true}); err != nil {
			t.Fatalf("end %d on a full disk: %v", i, err)
		}
	}
	if _, _, err := ledgertest.Append(l, ledgertest.Start(), ledgertest.Drafts("a", 1)...); curfew.CodeOf(err) != curfew.Unavailable {
		t.Fatalf("what is not urgent used the reserve: %v", err)
	}
	if err := fillUp(t, l, ledger.Draft{Kind: "grant.ended", Urgent: true}); curfew.CodeOf(err) != curfew.Unavailable {
		t.Fatalf("the reserve too is full: %v", err)
	}
	room = nil // somebody made space
	l.exec(t, `PRAGMA max_page_count = 1000000`)
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("a", 1)...)
	if l.w.room.given {
		t.Error("the reserve was not taken up again")
	}
	ledgertest.MustVerify(t, l, s)
}

func TestReserveTakesSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserve")
	r, err := openReserve(path)
	if err != nil || r.given {
		t.Fatal(r, err)
	}
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if size() != reserveSize || !r.release() || size() != 0 || r.release() {
		t.Errorf("a reserve of %d bytes, given up: %v", size(), r.given)
	}
	if r.before(true) != nil || size() != 0 || r.before(false) != nil || size() != reserveSize {
		t.Errorf("not taken up again: %d bytes", size())
	}
}

// SQLite's own commit hook makes COMMIT fail, as an fsync that failed would.
func TestUnknownOutcomeIsFoundOut(t *testing.T) {
	l, s := begun(t)
	fail := true
	if err := l.w.conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			if fail {
				return 1
			}
			return 0
		})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, _, err := ledgertest.Append(l, ledgertest.Start(), ledgertest.Drafts("a", 3)...)
	if !errors.Is(err, ledger.ErrUnknown) {
		t.Fatalf("a commit that failed: %v", err)
	}
	fail = false
	events, err := l.Read(context.Background(), 2, 10)
	if err != nil || len(events) != 0 {
		t.Fatalf("found %d events, %v", len(events), err)
	}
	if got := ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("b", 1)...); got[0].Position != 2 {
		t.Fatalf("event %d after one that was not kept", got[0].Position)
	}
	ledgertest.MustVerify(t, l, s)
}

// A batch that was kept although its commit seemed to fail is found, inside the
// turn and after it.
func TestUnknownOutcomeThatWasKept(t *testing.T) {
	l, s := begun(t)
	tip := l.tip
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("kept", 2)...)
	l.tip = tip // as if the answer had been lost
	l.head.Store(&tip.Head)
	l.unsure.Store(true)
	if err := l.Turn(context.Background(), func(turn ledger.Turn) error {
		if turn.Head().Size != 3 {
			t.Errorf("the turn begins after %d events", turn.Head().Size)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("next", 2)...)
	ledgertest.MustVerify(t, l, s)
}

func TestChangedEventIsNotRead(t *testing.T) {
	l, _ := begun(t)
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("a", 5)...)
	l.exec(t, `UPDATE event SET body = x'7b7d' WHERE position = 3`)
	if _, err := l.Read(context.Background(), 3, 1); curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("a changed event was read: %v", err)
	}
	if events, err := l.Read(context.Background(), 4, 10); err != nil || len(events) != 3 {
		t.Errorf("the rest: %d events, %v", len(events), err)
	}
	l.exec(t, `DELETE FROM event WHERE position = 5`)
	if _, err := l.Read(context.Background(), 4, 10); curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("a gap was read over: %v", err)
	}
}

func TestLongWALStartsOver(t *testing.T) {
	l, s := begun(t)
	for range 20 {
		l.w.fold.wal = foldForce // as after 64 MiB without a pause
		ledgertest.MustAppend(t, l, ledgertest.Start(), ledger.Draft{Kind: "x", Body: make([]byte, 1<<20)})
	}
	info, err := os.Stat(filepath.Join(l.folder, fileName+"-wal"))
	if err != nil || info.Size() > 6<<20 {
		t.Errorf("the WAL has %d bytes after 20 MiB, %v", info.Size(), err)
	}
	ledgertest.MustVerify(t, l, s)
}

func TestSnapshotsAreThinned(t *testing.T) {
	now := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	var files []snapshotFile
	for h := range 24 * 100 { // one an hour, for a hundred days
		files = append(files, snapshotFile{at: now.Add(-time.Duration(h) * time.Hour)})
	}
	for i := range files {
		files[i].path = files[i].at.Format(time.RFC3339)
	}
	drop := spare(files, now)
	// Three of today, one a day for 31 days (today's is among the three), and the
	// newest of January and December; February's last day is among the days.
	if kept := len(files) - len(drop); kept != 3+30+1+2 {
		t.Errorf("%d of %d are kept", kept, len(files))
	}
	if len(spare(files[:3], now)) != 0 {
		t.Error("the newest three are not kept")
	}
}
