package bench

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/ledger"
	ledgerdb "github.com/curfewhq/curfew/ledger/sqlite"
	"github.com/curfewhq/curfew/servers"
)

// product is the binary, built, and a folder for its data.
type product struct{ program, folder string }

func buildProduct(b *testing.B) product {
	b.Helper()
	program, err := servers.BuildProgram(b.TempDir())
	must(b, err)
	return product{program: program, folder: b.TempDir()}
}

func (p product) file(name string) string { return filepath.Join(p.folder, name) }

// up starts the gateway and waits until it answers over HTTP; it says how long
// that took, and how to kill it.
func (p product) up(b *testing.B) (time.Duration, func()) {
	b.Helper()
	addresses := p.file("addresses")
	if err := os.Remove(addresses); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.Fatal(err)
	}
	cmd := exec.Command(p.program, "up", "--data", p.file("data"), "--node", p.file("node"), "--http", "127.0.0.1:0",
		"--postgres", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--mysql", "127.0.0.1:0", "--apps", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--deployment", "bench", "--addresses", addresses, "--quiet")
	var said strings.Builder
	cmd.Stderr = &said
	began := time.Now()
	must(b, cmd.Start())
	kill := func() {
		_ = cmd.Process.Kill() // SIGKILL
		_ = cmd.Wait()
	}
	for time.Since(began) < 2*time.Minute {
		if text, err := os.ReadFile(addresses); err == nil {
			api, _, _ := strings.Cut(strings.TrimPrefix(string(text), "api "), "\n")
			if answers(api) {
				return time.Since(began), kill
			}
		}
		time.Sleep(500 * time.Microsecond)
	}
	kill()
	b.Fatal("it did not start: ", said.String())
	return 0, nil
}

// BenchmarkStartEmpty is P8: from starting the binary to its first answer, in new folders.
func BenchmarkStartEmpty(b *testing.B) {
	p := buildProduct(b)
	var took []float64
	for b.Loop() {
		for _, name := range []string{"data", "node"} {
			must(b, os.RemoveAll(p.file(name)))
		}
		d, kill := p.up(b)
		kill()
		took = append(took, ms(d))
	}
	reportStart(b, took)
}

// BenchmarkStartKilled is P8: the same after a SIGKILL, with many events and a
// snapshot that the product made.
func BenchmarkStartKilled(b *testing.B) {
	events := 110_000 // a little more than lie between two snapshots
	if full() {
		events = 1_000_000
	}
	p := buildProduct(b)
	p.fill(b, events)
	first, kill := p.up(b)
	p.awaitSnapshot(b)
	kill()
	var took []float64
	for b.Loop() {
		d, kill := p.up(b)
		kill()
		took = append(took, ms(d))
	}
	b.ReportMetric(float64(events), "events")
	b.ReportMetric(ms(first), "no-snapshot-ms")
	reportStart(b, took)
}

func reportStart(b *testing.B, took []float64) {
	b.ReportMetric(median(took), "p50-ms")
	b.ReportMetric(at(took, 1), "worst-ms")
}

// fill makes the node and the ledger as the binary does, a year ago, and writes
// the story of that year with a thousand grants that are live.
func (p product) fill(b *testing.B, events int) {
	node, err := ledger.CreateNode(p.file("node"), "bench")
	must(b, err)
	l, err := ledgerdb.Open(p.file("data"), node.Signer())
	must(b, err)
	s := &story{b: b, at: time.Now().AddDate(-1, 0, 0), live: 1000}
	must(b, ledger.Begin(b.Context(), l, node.Signer(), s.at))
	s.write(l, events, 4000)
	must(b, node.Remember(l.Head(), true))
	must(b, l.Close())
}

// awaitSnapshot waits until a running gateway has written one, and named it.
func (p product) awaitSnapshot(b *testing.B) {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if found, _ := filepath.Glob(p.file("data/snapshots/*")); len(found) > 0 {
			time.Sleep(2 * time.Second) // its event, and its place on the shelf
			return
		}
	}
	b.Fatal("no snapshot was written")
}

// answers reports whether an API answers anything at all.
func answers(base string) bool {
	resp, err := http.Get(base + "/healthz")
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.Body.Close() == nil
}
