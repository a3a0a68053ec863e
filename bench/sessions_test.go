package bench

import (
	"crypto/tls"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// howMany is how many idle sessions a run holds: BENCH_SESSIONS, or 4,500, all that
// 20,000 descriptors let it, or few.
func howMany() int {
	if n, err := strconv.Atoi(os.Getenv("BENCH_SESSIONS")); err == nil {
		return n
	}
	if full() {
		return 4500
	}
	return 60
}

const kib = 1024

// BenchmarkSessionsIdle is P7: what one live idle session of the PostgreSQL engine
// costs this process (gateway, state, in-memory ledger; the clients, the server and
// the proxy are other processes), beside a plain TCP proxy with as many connections.
func BenchmarkSessionsIdle(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(fmt.Sprintf("tls=%v", secure), func(b *testing.B) {
			for b.Loop() {
				n := howMany()
				var conf *tls.Config
				if secure {
					conf = serverTLS(b)
				}
				c := newCrowd(b, min(30, n/5), conf)
				settle()
				before, was := resident(b, os.Getpid()), memory()
				c.fill(b, n, 0)
				time.Sleep(time.Second)
				raw := resident(b, os.Getpid())
				settle()
				is := memory()
				ours, theirs := (resident(b, os.Getpid())-before)/float64(n), plainProxy(b, n)
				b.ReportMetric(float64(n), "sessions")
				b.ReportMetric(ours/kib, "KiB/session")
				b.ReportMetric((raw-before)/float64(n)/kib, "KiB/session-before-gc")
				b.ReportMetric(float64(is.HeapInuse-was.HeapInuse)/float64(n)/kib, "heap-KiB/session")
				b.ReportMetric(float64(is.StackInuse-was.StackInuse)/float64(n)/kib, "stack-KiB/session")
				b.ReportMetric(theirs/kib, "proxy-KiB/conn")
				b.ReportMetric(ours/theirs, "×proxy")
				writeHeap(b)
				c.endAll(b)
			}
		})
	}
}

// plainProxy is what one idle connection costs a proxy that does nothing else.
func plainProxy(b *testing.B, n int) float64 {
	c := startChild(b, "clients", "")
	p := startChild(b, "proxy", c.first)
	before := resident(b, p.cmd.Process.Pid)
	for i := range n {
		c.tell(b, fmt.Sprintf("%d tcp %s", i, p.first))
	}
	c.await(b, "connect through the proxy", time.Minute, func() bool { return c.up == n })
	time.Sleep(time.Second)
	return (resident(b, p.cmd.Process.Pid) - before) / float64(n)
}

// BenchmarkSessionsRevoke is R2: from asking for a revocation to the client's
// reading that it is over, one grant after another, while all others live.
func BenchmarkSessionsRevoke(b *testing.B) {
	var seen, gone, worked []float64
	revokes := 40
	if full() {
		revokes = 400
	}
	for b.Loop() {
		c := newCrowd(b, revokes+20, nil)
		c.fill(b, howMany(), revokes)
		for i := range revokes {
			number := c.of[i][0]
			began := time.Now()
			c.world.Revoke(c.grants[i].ID)
			worked = append(worked, ms(time.Since(began)))
			c.clients.await(b, "the end", 10*time.Second, func() bool { return !c.clients.gone[number].IsZero() })
			c.clients.mu.Lock()
			seen = append(seen, ms(c.clients.end[number].Sub(began)))
			gone = append(gone, ms(c.clients.gone[number].Sub(began)))
			c.clients.mu.Unlock()
			time.Sleep(5 * time.Millisecond)
		}
		c.endAll(b)
	}
	b.ReportMetric(float64(howMany()), "sessions")
	b.ReportMetric(float64(len(seen)), "revokes")
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"worst", 1}} {
		b.ReportMetric(at(seen, q.at), "seen-"+q.name+"-ms")
	}
	b.ReportMetric(at(gone, 0.99), "socket-p99-ms")
	b.ReportMetric(median(worked), "durable-p50-ms")
}

// mostGrants is how many accounts are made for R3; more would take longer than the
// rest of all benchmarks. The sessions are spread over them.
const mostGrants = 500

// BenchmarkSessionsSameInstant is R3: a freeze ends every grant at one instant;
// how long after it all gates are shut, and all the clients' sockets gone.
func BenchmarkSessionsSameInstant(b *testing.B) {
	var shut, gone, told, cleaned []float64
	n, ahead := howMany(), 3*time.Second
	grants := min(n, mostGrants)
	if full() {
		ahead = 45 * time.Second
	}
	for b.Loop() {
		c := newCrowd(b, grants, nil)
		c.fill(b, n, grants)
		permits := c.permits(b)
		instant := time.Now().Add(ahead).Truncate(time.Second)
		c.apply(b, func(cfg *curfew.Config) {
			cfg.Freezes["end"] = curfew.Freeze{Name: "end", From: instant, To: instant.Add(time.Hour)}
		})
		for _, p := range permits {
			if !p.End().Equal(instant) {
				b.Fatal("a grant does not end with the others")
			}
		}
		time.Sleep(time.Until(instant) - time.Millisecond)
		for _, p := range permits {
			for !p.Over() {
				time.Sleep(50 * time.Microsecond)
			}
		}
		shut = append(shut, ms(time.Since(instant)))
		c.clients.await(b, "all sockets", time.Minute, func() bool { return len(c.clients.gone) == n })
		gone = append(gone, ms(latest(c.clients.gone).Sub(instant)))
		told = append(told, ms(latest(c.clients.end).Sub(instant)))
		c.clean(10 * time.Minute)
		cleaned = append(cleaned, ms(time.Since(instant)))
	}
	b.ReportMetric(float64(n), "sessions")
	b.ReportMetric(float64(grants), "grants")
	b.ReportMetric(median(shut), "gates-shut-ms")
	b.ReportMetric(median(told), "all-told-ms")
	b.ReportMetric(median(gone), "sockets-gone-ms")
	b.ReportMetric(median(cleaned), "accounts-gone-ms")
}

// permits are those of all live sessions.
func (c *crowd) permits(b *testing.B) (out []*access.Permit) {
	var ids []curfew.SessionID
	c.world.Access.View(func(st *access.State) {
		for id := range st.Sessions {
			ids = append(ids, id)
		}
	})
	for _, id := range ids {
		s := c.world.Gateway.Session(id)
		if s == nil {
			b.Fatal("a session is over already")
		}
		out = append(out, s.Permit())
	}
	return out
}

func latest(m map[string]time.Time) (out time.Time) {
	for _, t := range m {
		if t.After(out) {
			out = t
		}
	}
	return out
}
