package crash

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/client"
)

// theEnd is the last that a session of these tests shows.
const theEnd = "the end of it all 4711"

// printed is what one run came to: how much in how long.
type printed struct {
	n    float64
	unit string
	took time.Duration
	end  time.Time
}

func (p printed) rate() float64 { return p.n / p.took.Seconds() }

// TestConsoleWatch watches sessions that say much: a host that prints 5 MB a second, a
// database that returns much, one that is asked as fast as it answers. Neither the page nor the
// session stalls, and the page comes to the end. CURFEW_WATCH_FOR says how long each goes on,
// and has more of them.
func TestConsoleWatch(t *testing.T) {
	needBrowser(t)
	together(t)
	long, which := 2*time.Second, []string{"ssh", "statements"}
	if text := os.Getenv("CURFEW_WATCH_FOR"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		which = []string{"ssh", "ssh at once", "rows", "statements"}
	}
	pg := shop(t)
	g := newGateway(t, "watch", loginOf(pg))
	host, text := g.hosted(audited(configurationOf(pg)))
	g.start()
	people := g.everybody(pg)
	people["ada"].applies(t, text)
	g.trusts(people["ada"], host)
	place, err := host.Workplace("prints")
	if err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	for i := 0; block.Len() < 512<<10; i++ {
		fmt.Fprintf(&block, "\x1b[%dmline %06d\x1b[0m of what is printed, \x1b[1mand\x1b[22m more of it until the line is full\n", 31+i%7, i)
	}
	if err := os.WriteFile(filepath.Join(place, "block"), block.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	loads := map[string]func(started chan<- struct{}, print <-chan struct{}) printed{
		// Five megabytes a second, as far as the session goes along.
		"ssh": func(started chan<- struct{}, print <-chan struct{}) printed {
			times := int(long.Seconds() * 10)
			return g.prints(people["w1"], fmt.Sprintf("echo ready; read x; i=0; while [ $i -lt %d ]; do cat %s/block; sleep 0.02; i=$((i+1)); done; echo '%s'; sleep 1", times, place, theEnd), started, print)
		},
		// As much as it can.
		"ssh at once": func(started chan<- struct{}, print <-chan struct{}) printed {
			times := int(long.Seconds() * 20)
			return g.prints(people["w1"], fmt.Sprintf("echo ready; read x; i=0; while [ $i -lt %d ]; do cat %s/block; i=$((i+1)); done; echo '%s'; sleep 1", times, place, theEnd), started, print)
		},
		"rows": func(started chan<- struct{}, print <-chan struct{}) printed {
			return g.queries(people["w2"], long, func(ctx context.Context, c *pgx.Conn) (float64, error) {
				rows, err := c.Query(ctx, "SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
				n := 0
				for err == nil && rows.Next() {
					n += len(rows.RawValues()[0])
				}
				rows.Close()
				return float64(n) / 1e6, err
			}, "MB", started, print)
		},
		"statements": func(started chan<- struct{}, print <-chan struct{}) printed {
			return g.queries(people["w2"], long, func(ctx context.Context, c *pgx.Conn) (float64, error) {
				_, err := c.Exec(ctx, "SELECT count(*) FROM orders WHERE id = 1 AND cents > 7")
				return 1, err
			}, "statements", started, print)
		},
	}
	alone := map[string]printed{}
	var ended chan printed
	var print chan struct{}
	browse(t, g, "watch.mjs", map[string]any{"end": theEnd, "loads": which, "people": map[string]any{"dana": shownAs("lea", "Lea Lead")}}, done(func(what string) {
		do, load, _ := strings.Cut(what, " ")
		switch do {
		case "alone": // nobody watches
			started, print := make(chan struct{}), make(chan struct{})
			close(print)
			alone[load] = loads[load](started, print)
		case "begin":
			started := make(chan struct{})
			ended, print = make(chan printed, 1), make(chan struct{})
			go func() { ended <- loads[load](started, print) }()
			select {
			case <-started:
			case <-time.After(20 * time.Second):
				t.Errorf("%s does not begin", load)
			}
		case "print":
			close(print)
		case "end": // with the time at which the page showed it
			load, text, _ := strings.Cut(load, " at ms ")
			at, _ := strconv.ParseFloat(text, 64)
			p := <-ended
			lag := time.UnixMilli(int64(at)).Sub(p.end).Round(time.Millisecond)
			t.Logf("FIGURE %s: alone %.1f %s/s, watched %.1f (%.0f %%); the page is at the end %s after the client", load, alone[load].rate(), p.unit, p.rate(), 100*p.rate()/alone[load].rate(), lag)
			if p.took > 3*alone[load].took+5*time.Second {
				t.Errorf("%s took %s, and %s while somebody watched", load, alone[load].took, p.took)
			}
			if lag > 10*time.Second {
				t.Errorf("the page is %s behind %s", lag, load)
			}
		default:
			t.Errorf("nobody can %s", what)
		}
	}))
}

// prints runs a command on a terminal and reads all that it shows.
func (g *gateway) prints(who person, command string, started chan<- struct{}, print <-chan struct{}) printed {
	c := g.atHost(who, "")
	defer func() { _ = c.Close() }()
	s, err := c.NewSession()
	if err != nil {
		g.t.Error(err)
		return printed{}
	}
	_ = s.RequestPty("xterm-256color", 30, 100, nil)
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if err := s.Start(command); err != nil {
		g.t.Error(err)
		return printed{}
	}
	buf, last, n := make([]byte, 64<<10), "", 0
	read := func(until string) bool {
		for !strings.Contains(last, until) {
			k, err := out.Read(buf)
			n += k
			if last += string(buf[:k]); len(last) > 200 {
				last = last[len(last)-200:]
			}
			if err != nil {
				g.t.Errorf("it ends with %v before %q:\n%s", err, until, tail(g.log()))
				return false
			}
		}
		return true
	}
	if !read("ready") {
		return printed{}
	}
	close(started)
	<-print
	began, before := time.Now(), n
	_, _ = in.Write([]byte("\n"))
	if !read(theEnd) {
		return printed{}
	}
	p := printed{n: float64(n-before) / 1e6, unit: "MB", end: time.Now()}
	p.took = p.end.Sub(began)
	_ = s.Wait()
	return p
}

// queries asks the database again and again for so long.
func (g *gateway) queries(who person, long time.Duration, ask func(context.Context, *pgx.Conn) (float64, error), unit string, started chan<- struct{}, print <-chan struct{}) printed {
	ctx, cancel := context.WithTimeout(context.Background(), long+time.Minute)
	defer cancel()
	var grant string
	list, err := who.Grants(ctx, client.Listing{Status: "active"})
	if err == nil && len(list.Items) > 0 {
		grant = list.Items[0].ID
	} else {
		grant = g.given(who).ID
	}
	conn, _ := g.connected(who, grant)
	defer func() { _ = conn.Close(ctx) }()
	if _, err := ask(ctx, conn); err != nil {
		g.t.Error(err)
		return printed{}
	}
	close(started)
	<-print
	p := printed{unit: unit}
	began := time.Now()
	for time.Since(began) < long {
		n, err := ask(ctx, conn)
		if p.n += n; err != nil {
			g.t.Error(err)
			return p
		}
	}
	if _, err := conn.Exec(ctx, "SELECT '"+theEnd+"' FROM orders LIMIT 1"); err != nil {
		g.t.Error(err)
	}
	p.end = time.Now()
	p.took = p.end.Sub(began)
	time.Sleep(time.Second)
	return p
}
