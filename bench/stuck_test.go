package bench

import (
	"context"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// BenchmarkPostgresBesideStuck is behaviour 16: what sessions lose that have others
// beside them whose client has stopped reading, or whose target hangs (goal: at
// most a tenth), and what a log-in takes behind a thousand silent sockets (goal:
// not a second more). Each measure is taken without and with, one after the other.
func BenchmarkPostgresBesideStuck(b *testing.B) {
	w := newWays(b)
	script := b.TempDir() + "/select.sql"
	if err := writeFile(script, "\\set id random(1, 2000)\nSELECT cents FROM orders WHERE id = :id;\n"); err != nil {
		b.Fatal(err)
	}
	var ratio, alone, crowded []float64
	for b.Loop() {
		without := pgbench(b, w.urls["engine"], script, "simple", "8")
		free := w.stick(b)
		with := pgbench(b, w.urls["engine"], script, "simple", "8")
		free()
		ratio = append(ratio, with/without)
		alone = append(alone, w.login(b))
		silent := make([]net.Conn, 1000)
		for i := range silent {
			c, err := net.Dial("tcp", w.world.Address)
			if err != nil {
				b.Fatal(err)
			}
			silent[i] = c
		}
		crowded = append(crowded, w.login(b))
		for _, c := range silent {
			_ = c.Close()
		}
	}
	b.ReportMetric(median(ratio), "of-alone-x")
	b.ReportMetric(at(ratio, 0), "of-alone-least-x")
	b.ReportMetric(median(alone), "login-ms")
	b.ReportMetric(median(crowded), "login-behind-1000-ms")
	b.ReportMetric(at(crowded, 1), "login-behind-1000-worst-ms")
}

// login is how long the slowest of ten log-ins takes, in ms.
func (w *ways) login(b *testing.B) (worst float64) {
	b.Helper()
	for range 10 {
		began := time.Now()
		c, err := pgconn.Connect(context.Background(), w.urls["engine"])
		if err != nil {
			b.Fatal(err)
		}
		worst = max(worst, ms(time.Since(began)))
		_ = c.Close(context.Background())
	}
	return worst
}

// stick opens ten sessions of another grant: five clients ask for much and do not
// read, five wait for a backend that is stopped.
func (w *ways) stick(b *testing.B) (free func()) {
	b.Helper()
	ctx := context.Background()
	g := w.world.Grant("all", time.Hour)
	var conns []*pgconn.HijackedConn
	for i := range 10 {
		c, err := pgconn.Connect(ctx, urlOf(w.world, g))
		if err != nil {
			b.Fatal(err)
		}
		h, err := c.Hijack()
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, h)
		sql := "SELECT pg_sleep(600)"
		if i < 5 {
			sql = "SELECT repeat('x', 1000) FROM generate_series(1, 2000000)"
		}
		h.Frontend.SendQuery(&pgproto3.Query{String: sql})
		if err := h.Frontend.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(500 * time.Millisecond) // every buffer is full by now
	list, err := w.server.One(ctx, "shop", "SELECT coalesce(string_agg(pid::text, ','), '') FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%' AND state = 'active'")
	if err != nil || list == "" {
		b.Fatal(list, err)
	}
	pids := strings.Split(list, ",")
	for _, pid := range pids {
		if err := syscall.Kill(atoi(b, pid), syscall.SIGSTOP); err != nil {
			b.Fatal(err)
		}
	}
	return func() {
		for _, pid := range pids {
			_ = syscall.Kill(atoi(b, pid), syscall.SIGCONT)
		}
		w.world.Revoke(g.ID)
		w.world.Await(g.ID, "verified")
		for _, h := range conns {
			_ = h.Conn.Close()
		}
	}
}

func atoi(b *testing.B, s string) int {
	b.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
