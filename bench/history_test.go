package bench

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/curfewhq/curfew/history"
	historydb "github.com/curfewhq/curfew/history/sqlite"
)

// BenchmarkHistory is A1's other half: how fast the lists keep up, beside how fast
// the ledger takes the same events.
func BenchmarkHistory(b *testing.B) {
	events := 20_000
	if full() {
		events = 200_000
	}
	var appended, followed []float64
	for b.Loop() {
		l := openLedger(b, b.TempDir(), newSigner(b))
		began := time.Now()
		(&story{b: b, at: began, live: 100}).write(l, events, group)
		appended = append(appended, float64(l.Head().Size)/time.Since(began).Seconds())

		h, err := historydb.Open(filepath.Join(b.TempDir(), "history.db"))
		must(b, err)
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		began = time.Now()
		go func() { done <- history.Follow(ctx, l, h, slog.New(slog.DiscardHandler)) }()
		if !history.Reach(ctx, h, l.Head().Size, 5*time.Minute) {
			b.Fatal("history did not come so far")
		}
		followed = append(followed, float64(l.Head().Size)/time.Since(began).Seconds())
		cancel()
		must(b, <-done)
		must(b, h.Close())
	}
	b.ReportMetric(float64(events), "events")
	b.ReportMetric(median(followed), "history-events/s")
	b.ReportMetric(median(appended), "ledger-events/s")
	b.ReportMetric(median(followed)/median(appended), "×ledger")
}
