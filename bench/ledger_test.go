package bench

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
	ledgerdb "github.com/curfewhq/curfew/ledger/sqlite"
)

const body = `{"session":"s_0123456789ABCDEF","grant":"gr_0123456789ABCDEF","principal":"p_0123456789ABCDEF","resource":"orders-db"}`

func someDrafts(n int) []ledger.Draft {
	out := make([]ledger.Draft, n)
	for i := range out {
		out[i] = ledger.Draft{Kind: curfew.KindSessionOpened, Body: []byte(body)}
	}
	return out
}

func newSigner(b *testing.B) ledger.Signer {
	b.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	return ledger.NewSigner("bench", key)
}

// bare is SQLite alone: one durable transaction of n rows.
func bare(b *testing.B) func(n int) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE event (position INTEGER PRIMARY KEY, time INTEGER, kind TEXT, body BLOB)`); err != nil {
		b.Fatal(err)
	}
	return func(n int) {
		tx, err := db.Begin()
		if err != nil {
			b.Fatal(err)
		}
		stmt, err := tx.Prepare(`INSERT INTO event (time, kind, body) VALUES (?,?,?)`)
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			if _, err := stmt.Exec(time.Now().UnixNano(), "session.opened", []byte(body)); err != nil {
				b.Fatal(err)
			}
		}
		_ = stmt.Close()
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend is A1: durable events a second in batches, and one lone commit,
// each beside SQLite alone in the same run.
func BenchmarkAppend(b *testing.B) {
	for name, n := range map[string]int{"batches of 1000": 1000, "one lone commit": 1} {
		b.Run(name, func(b *testing.B) {
			l, err := ledgerdb.Open(b.TempDir(), newSigner(b))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			drafts, reference := someDrafts(n), bare(b)
			var ours, theirs time.Duration
			for b.Loop() {
				began := time.Now()
				if err := l.Turn(context.Background(), func(t ledger.Turn) error {
					_, _, err := t.Append(time.Now(), drafts)
					return err
				}); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(began)
				began = time.Now()
				reference(n)
				theirs += time.Since(began)
			}
			b.ReportMetric(float64(n*b.N)/ours.Seconds(), "events/s")
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-bare-SQLite")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkVerify is A3: roots recomputed, the last signature checked.
func BenchmarkVerify(b *testing.B) {
	s := newSigner(b)
	l := ledgermem.New(s)
	if err := ledger.Begin(context.Background(), l, s, time.Now()); err != nil {
		b.Fatal(err)
	}
	for range 200 {
		if err := l.Turn(context.Background(), func(t ledger.Turn) error {
			_, _, err := t.Append(time.Now(), someDrafts(500))
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		rep, err := ledger.Verify(context.Background(), l, ledger.Checks{Genesis: s.Public()})
		if err != nil || !rep.OK {
			b.Fatalf("%+v %v", rep, err)
		}
	}
	b.ReportMetric(float64(l.Head().Size)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}
