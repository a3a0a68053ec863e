package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/postgres"
	"github.com/curfewhq/curfew/servers"
)

// ways is a real server, and the ways to it.
type ways struct {
	server *servers.Postgres
	world  *enginetest.World
	urls   map[string]string
	names  []string
}

func newWays(b *testing.B) *ways {
	b.Helper()
	ctx := context.Background()
	p, err := servers.StartPostgresWith(ctx, servers.Options{Folder: b.TempDir(), Settings: []string{"log_statement=none"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Stop() })
	for _, err := range []error{p.Prepare(ctx, "shop"), p.Sample(ctx, "shop"), p.Exec(ctx, "shop", "CREATE ROLE plain LOGIN PASSWORD 'plain'", "GRANT app_owner TO plain")} {
		if err != nil {
			b.Fatal(err)
		}
	}
	w := enginetest.New(b, enginetest.Options{
		Engine: postgres.New(), Deployment: "bench", Login: p.URL(servers.Admin, servers.AdminPassword, "shop"),
		Resource: curfew.Resource{Name: "shop", Type: "postgres", Address: p.Address(), Account: curfew.Leased},
		Roles:    map[curfew.RoleName][]string{"all": {"read *", "insert *", "update *", "delete *"}},
	})
	g := w.Grant("all", time.Hour)
	bare := bareRelay(b, p.Address())
	return &ways{server: p, world: w, names: []string{"direct", "bare", "engine"}, urls: map[string]string{
		"direct": p.URL("plain", "plain", "shop"),
		"bare":   "postgres://plain:plain@" + bare + "/shop?sslmode=disable",
		"engine": urlOf(w, g),
	}}
}

func urlOf(w *enginetest.World, g enginetest.Grant) string {
	return fmt.Sprintf("postgres://%s:%s@%s/shop?sslmode=disable", g.User, g.Password, w.Address)
}

func (w *ways) connect(b *testing.B, name string) *pgconn.PgConn {
	b.Helper()
	c, err := pgconn.Connect(context.Background(), w.urls[name])
	if err != nil {
		b.Fatal(name, err)
	}
	b.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// bareRelay is the reference: a goroutine a direction, frames, no gate, no recording.
func bareRelay(b *testing.B, target string) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				return
			}
			go relayFrames(up, client, false)
			go relayFrames(client, up, true)
		}
	}()
	return ln.Addr().String()
}

// relayFrames walks the messages, as anything that looks at them must. The first
// packet of a client has no type.
func relayFrames(to, from net.Conn, typed bool) {
	defer func() { _ = to.Close() }()
	buf := make([]byte, 64<<10)
	left := 0
	var head []byte
	for {
		n, err := from.Read(buf)
		for b := buf[:n]; len(b) > 0; {
			if left > 0 {
				k := min(left, len(b))
				b, left = b[k:], left-k
				continue
			}
			size, skip := 5, 1
			if !typed {
				size, skip = 4, 0
			}
			k := min(size-len(head), len(b))
			head, b = append(head, b[:k]...), b[k:]
			if len(head) == size {
				left, head, typed = int(binary.BigEndian.Uint32(head[skip:]))-4, head[:0], true
			}
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return float64(d[min(int(q*float64(len(d))), len(d)-1)].Nanoseconds()) / 1e3
}

// BenchmarkPostgresSelect1 is P3: what a hop adds to one round trip.
func BenchmarkPostgresSelect1(b *testing.B) {
	w := newWays(b)
	conns, took := map[string]*pgconn.PgConn{}, map[string][]time.Duration{}
	for _, name := range w.names {
		conns[name] = w.connect(b, name)
	}
	ctx := context.Background()
	for b.Loop() {
		for _, name := range w.names { // interleaved, in short runs
			for range 20 {
				began := time.Now()
				if _, err := conns[name].Exec(ctx, "SELECT 1").ReadAll(); err != nil {
					b.Fatal(name, err)
				}
				took[name] = append(took[name], time.Since(began))
			}
		}
	}
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		direct, bare, engine := quantile(took["direct"], q.at), quantile(took["bare"], q.at), quantile(took["engine"], q.at)
		b.ReportMetric(direct, "direct-"+q.name+"-µs")
		b.ReportMetric(bare, "bare-"+q.name+"-µs")
		b.ReportMetric(engine, "engine-"+q.name+"-µs")
		b.ReportMetric((engine-direct)/max(bare-direct, 0.001), "added-"+q.name+"-x")
	}
}

// BenchmarkPostgresCopy is P4's bulk load: a million rows in, a million out.
func BenchmarkPostgresCopy(b *testing.B) {
	w := newWays(b)
	var rows bytes.Buffer
	for i := range 1_000_000 {
		rows.WriteString(strconv.Itoa(i))
		rows.WriteString("\tsome text of a row\n")
	}
	took := map[string]time.Duration{}
	ctx := context.Background()
	for b.Loop() {
		for _, name := range w.names {
			c := w.connect(b, name)
			if _, err := c.Exec(ctx, "CREATE TEMP TABLE IF NOT EXISTS bulk (id int, t text); TRUNCATE pg_temp.bulk").ReadAll(); err != nil {
				b.Fatal(name, err)
			}
			began := time.Now()
			if _, err := c.CopyFrom(ctx, bytes.NewReader(rows.Bytes()), "COPY pg_temp.bulk FROM STDIN"); err != nil {
				b.Fatal(name, err)
			}
			if _, err := c.CopyTo(ctx, io.Discard, "COPY pg_temp.bulk TO STDOUT"); err != nil {
				b.Fatal(name, err)
			}
			took[name] += time.Since(began)
			_ = c.Close(ctx)
		}
	}
	b.ReportMetric(took["bare"].Seconds()/took["engine"].Seconds(), "of-bare-x")
	b.ReportMetric(took["direct"].Seconds()/took["engine"].Seconds(), "of-direct-x")
}

// BenchmarkPostgresPgbench is P4: pgbench -S, simple and prepared.
func BenchmarkPostgresPgbench(b *testing.B) {
	if _, err := exec.LookPath("pgbench"); err != nil {
		b.Fatal("pgbench is missing; on Debian: apt-get install postgresql")
	}
	w := newWays(b)
	script := b.TempDir() + "/select.sql"
	if err := writeFile(script, "\\set id random(1, 2000)\nSELECT cents FROM orders WHERE id = :id;\n"); err != nil {
		b.Fatal(err)
	}
	for _, mode := range []string{"simple", "prepared"} {
		for _, clients := range []string{"8", "64"} {
			b.Run(mode+"-"+clients, func(b *testing.B) {
				tps, ratio := map[string][]float64{}, []float64{}
				for b.Loop() {
					round := map[string]float64{}
					for _, name := range w.names {
						round[name] = pgbench(b, w.urls[name], script, mode, clients)
						tps[name] = append(tps[name], round[name])
					}
					ratio = append(ratio, round["engine"]/round["bare"]) // of runs next to each other: the machine has other work
				}
				for _, name := range w.names {
					b.ReportMetric(median(tps[name]), name+"-tps")
				}
				b.ReportMetric(median(ratio), "of-bare-x")
				b.ReportMetric(at(ratio, 0), "of-bare-least-x")
				b.ReportMetric(at(ratio, 1), "of-bare-most-x")
			})
		}
	}
}

func pgbench(b *testing.B, url, script, mode, clients string) float64 {
	b.Helper()
	each := "4000" // transactions of one client
	if clients == "64" {
		each = "500"
	}
	out, err := exec.Command("pgbench", "-n", "-f", script, "-M", mode, "-c", clients, "-j", "1", "-t", each, url).CombinedOutput()
	if err != nil {
		b.Fatalf("pgbench: %v: %s", err, out)
	}
	_, rest, ok := strings.Cut(string(out), "tps = ")
	if !ok {
		b.Fatalf("pgbench said %s", out)
	} // without the time to connect
	text, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatalf("pgbench said %s", out)
	}
	return n
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// BenchmarkPostgresCut is R2: from a revocation to the client's seeing it, with
// fifty sessions of one grant in the middle of a statement.
func BenchmarkPostgresCut(b *testing.B) {
	w := newWays(b)
	const sessions = 50
	var took []time.Duration
	for b.Loop() {
		g := w.world.Grant("all", time.Hour)
		seen := make(chan time.Time, sessions)
		for range sessions {
			c, err := pgconn.Connect(context.Background(), urlOf(w.world, g))
			if err != nil {
				b.Fatal(err)
			}
			go func() {
				_, _ = c.Exec(context.Background(), "SELECT pg_sleep(60)").ReadAll()
				seen <- time.Now()
				_ = c.Close(context.Background())
			}()
		}
		time.Sleep(100 * time.Millisecond) // the statements run
		began := time.Now()
		w.world.Revoke(g.ID)
		for range sessions {
			took = append(took, (<-seen).Sub(began))
		}
		w.world.Await(g.ID, "verified")
	}
	b.ReportMetric(quantile(took, 0.5)/1000, "seen-p50-ms")
	b.ReportMetric(quantile(took, 0.99)/1000, "seen-p99-ms")
	b.ReportMetric(quantile(took, 1)/1000, "seen-worst-ms")
}
