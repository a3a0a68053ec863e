package bench

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/curfewhq/curfew/ledger"
	ledgerdb "github.com/curfewhq/curfew/ledger/sqlite"
)

// eventBody is as long as a usual event's.
var eventBody = []byte(`{"grant":"gr_01hq8z7k3v9w2x4y6z8a0b2c4d","session":"s_01hq8z7k3v9w2x4y6z8a0b2c4e","principal":"p_01hq8z7k3v9w2x4y6z8a0b2c4f","source":"10.1.2.3"}`)

const group = 256 // events of a batch, as many sessions deciding at once

func drafts(n int) []ledger.Draft {
	out := make([]ledger.Draft, n)
	for i := range out {
		out[i] = ledger.Draft{Kind: "session.opened", Body: eventBody}
	}
	return out
}

func newSigner(b *testing.B) ledger.Signer {
	_, key, err := ed25519.GenerateKey(nil)
	must(b, err)
	return ledger.NewSigner("bench", key)
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func openLedger(b *testing.B, folder string, s ledger.Signer) *ledgerdb.Ledger {
	l, err := ledgerdb.Open(folder, s)
	must(b, err)
	if l.Head().Size == 0 {
		must(b, ledger.Begin(b.Context(), l, s, time.Now()))
	}
	b.Cleanup(func() { must(b, l.Close()) })
	return l
}

// appendEvents appends a batch and says how long it took.
func appendEvents(b *testing.B, l ledger.Ledger, ds []ledger.Draft) time.Duration {
	from := time.Now()
	must(b, l.Turn(b.Context(), func(t ledger.Turn) error {
		_, _, err := t.Append(from, ds)
		return err
	}))
	return time.Since(from)
}

// bare is SQLite alone, as the ledger uses it: WAL, FULL, one table.
type bare struct{ db *sql.DB }

func openBare(b *testing.B) bare {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	must(b, err)
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { must(b, db.Close()) })
	_, err = db.Exec(`CREATE TABLE event (position INTEGER PRIMARY KEY, time INTEGER, kind TEXT, eventBody BLOB)`)
	must(b, err)
	return bare{db}
}

func (r bare) append(b *testing.B, n int) time.Duration {
	from := time.Now()
	tx, err := r.db.Begin()
	must(b, err)
	stmt, err := tx.Prepare(`INSERT INTO event (time, kind, eventBody) VALUES (?,?,?)`)
	must(b, err)
	for range n {
		_, err := stmt.Exec(from.UnixNano(), "session.opened", eventBody)
		must(b, err)
	}
	must(b, tx.Commit())
	return time.Since(from)
}

func durationAt(d []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// eventsBefore is how many events the ledger holds before what is measured:
// CURFEW_BENCH_EVENTS, or few, so that a brief run is brief.
func eventsBefore(b *testing.B) int {
	n, err := strconv.Atoi(os.Getenv("CURFEW_BENCH_EVENTS"))
	if err != nil {
		return 20_000
	}
	return n
}

func fillLedger(b *testing.B, l ledger.Ledger, events int) {
	for ds := drafts(10_000); events > 0; events -= len(ds) {
		appendEvents(b, l, ds[:min(events, len(ds))])
	}
}

// A1: one lone commit beside SQLite alone.
func BenchmarkLedgerLoneCommit(b *testing.B) {
	l, r := openLedger(b, b.TempDir(), newSigner(b)), openBare(b)
	one := drafts(1)
	var ours, theirs []time.Duration
	for b.Loop() {
		theirs = append(theirs, r.append(b, 1))
		ours = append(ours, appendEvents(b, l, one))
	}
	reportBeside(b, ours, theirs)
}

// A1: group commit beside SQLite alone, in a ledger that is not empty.
func BenchmarkLedgerGroupCommit(b *testing.B) {
	for _, events := range []int{10_000, max(10_000, eventsBefore(b))} {
		b.Run(fmt.Sprintf("after=%d", events), func(b *testing.B) {
			l, r := openLedger(b, b.TempDir(), newSigner(b)), openBare(b)
			fillLedger(b, l, events)
			ds := drafts(group)
			var ours, theirs []time.Duration
			var total time.Duration
			for b.Loop() {
				theirs = append(theirs, r.append(b, group))
				ours = append(ours, appendEvents(b, l, ds))
				total += ours[len(ours)-1]
			}
			b.ReportMetric(float64(len(ours)*group)/total.Seconds(), "events/s")
			reportBeside(b, ours, theirs)
		})
	}
}

func reportBeside(b *testing.B, ours, theirs []time.Duration) {
	b.ReportMetric(float64(durationAt(ours, 0.5))/float64(durationAt(theirs, 0.5)), "×bare-p50")
	b.ReportMetric(float64(durationAt(ours, 0.99))/float64(durationAt(theirs, 0.99)), "×bare-p99")
	b.ReportMetric(ms(durationAt(ours, 0.5)), "p50-ms")
	b.ReportMetric(ms(durationAt(ours, 0.99)), "p99-ms")
	b.ReportMetric(ms(slices.Max(ours)), "worst-ms")
	b.ReportMetric(ms(slices.Max(theirs)), "bare-worst-ms")
}

// A3: offline verification of an export on one core, beside hashing the same
// bytes: in batches as group commit makes them, and one event a head.
func BenchmarkLedgerVerify(b *testing.B) {
	for _, batch := range []int{group, 16, 1} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			s := newSigner(b)
			l := openLedger(b, b.TempDir(), s)
			events := min(eventsBefore(b), 4_000*batch)
			for ds := drafts(batch); int(l.Head().Size) < events; {
				appendEvents(b, l, ds)
			}
			var export bytes.Buffer
			must(b, ledger.Export(b.Context(), &export, l))
			var took time.Duration
			for b.Loop() {
				from := time.Now()
				x, err := ledger.ReadExport(bytes.NewReader(export.Bytes()))
				must(b, err)
				rep, err := ledger.Verify(context.Background(), x, ledger.Checks{Genesis: s.Public()})
				must(b, err)
				if !rep.OK || rep.Events != l.Head().Size {
					b.Fatal(rep)
				}
				took += time.Since(from)
			}
			b.ReportMetric(float64(l.Head().Size)*float64(b.N)/took.Seconds(), "events/s")
		})
	}
}

// P8, the ledger's part of it: opening, and a look at the last events.
func BenchmarkLedgerOpen(b *testing.B) {
	s, folder := newSigner(b), b.TempDir()
	l, err := ledgerdb.Open(folder, s)
	must(b, err)
	must(b, ledger.Begin(b.Context(), l, s, time.Now()))
	fillLedger(b, l, eventsBefore(b))
	must(b, l.Close())
	for b.Loop() {
		l, err := ledgerdb.Open(folder, s)
		must(b, err)
		must(b, l.Close())
	}
}
