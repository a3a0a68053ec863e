package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// pageVitals is what a page holds after its garbage has been collected.
type pageVitals struct{ Heap, Nodes, Listeners float64 }

// TestConsoleStaysFlat keeps four pages of the console open while requests are asked and
// withdrawn, and real sessions are opened and closed, some events a second: what the pages and the
// gateway hold does not grow. CURFEW_CONSOLE_FOR says how long, where the usual is not long enough.
func TestConsoleStaysFlat(t *testing.T) {
	needBrowser(t)
	together(t)
	long, every := consoleFor, 30*time.Second
	if text := os.Getenv("CURFEW_CONSOLE_FOR"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	every = min(every, long/5)
	pg := shop(t)
	g := newGateway(t, "flat", loginOf(pg))
	g.flags = []string{"--metrics", "127.0.0.1:0"}
	g.start()
	names := []string{"w4", "w5", "w6", "w7", "w8"}
	people := g.everybody(pg, names...)
	text := configurationOf(pg)
	for _, who := range names {
		text = strings.Replace(text, "\ngroups:\n  workers: [", "  "+who+"@shop.example: { name: Worker }\n\ngroups:\n  workers: ["+who+"@shop.example, ", 1)
	}
	people["ada"].applies(t, audited(text))

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var asked, opened, failed atomic.Int64
	for i, name := range append(names, "w1", "w2", "w3") {
		wg.Go(func() { asks(ctx, people[name], time.Duration(i)*900*time.Millisecond, &asked, &failed) })
	}
	for _, name := range []string{"w1", "w2"} {
		wg.Go(func() { connects(ctx, people[name], &opened, &failed) })
	}

	gateways := []vitals{}
	pages := map[string][]pageVitals{}
	began := time.Now()
	browseFor(t, g, long+5*time.Minute, "flat.mjs", map[string]any{"for": long.Milliseconds(), "every": every.Milliseconds(), "people": map[string]any{"dana": shownAs("lea", "Lea Lead")}}, done(func(what string) {
		var seen map[string]pageVitals
		if err := json.Unmarshal([]byte(strings.TrimPrefix(what, "sample ")), &seen); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		v := g.vitals()
		line := fmt.Sprintf("%s: gateway %.1f MiB, %.0f goroutines, %.0f descriptors", time.Since(began).Round(time.Second), v.resident/(1<<20), v.goroutines, v.descriptors)
		for _, page := range slices.Sorted(maps.Keys(seen)) {
			p := seen[page]
			pages[page] = append(pages[page], p)
			line += fmt.Sprintf("; %s %.2f MB, %.0f nodes, %.0f listeners", page, p.Heap/1e6, p.Nodes, p.Listeners)
		}
		t.Log(line)
		gateways = append(gateways, v)
	}))
	took := time.Since(began)
	end, err := people["ada"].LedgerHead(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests asked and withdrawn, %d sessions, in %s; %d events in the ledger, %.1f a second; %d attempts failed", asked.Load(), opened.Load(), took.Round(time.Second), end.Size, float64(end.Size)/took.Seconds(), failed.Load())
	if len(pages) != 4 || asked.Load() == 0 || opened.Load() == 0 || failed.Load() > asked.Load()/5 {
		t.Errorf("%d pages, %d requests, %d sessions, %d failed:\n%s", len(pages), asked.Load(), opened.Load(), failed.Load(), tail(g.log()))
	}
	for page, all := range pages {
		last := all[len(all)-1]
		if last.Heap > 80e6 || last.Nodes > 40_000 || last.Listeners > 8_000 {
			t.Errorf("%s holds %+v", page, last)
		}
		if long >= 20*time.Minute { // before, lists fill up to their first page
			level(t, page, all)
		}
	}
	if long >= 20*time.Minute {
		flat(t, gateways)
	}
}

// level compares the second quarter of what a page holds with the last.
func level(t *testing.T, page string, all []pageVitals) {
	t.Helper()
	quarter := len(all) / 4
	for name, c := range map[string]struct {
		of    func(pageVitals) float64
		slack float64
	}{
		"heap":      {func(v pageVitals) float64 { return v.Heap }, 2e6},
		"nodes":     {func(v pageVitals) float64 { return v.Nodes }, 1000},
		"listeners": {func(v pageVitals) float64 { return v.Listeners }, 200},
	} {
		middle := func(from []pageVitals) float64 {
			var values []float64
			for _, v := range from {
				values = append(values, c.of(v))
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		first, last := middle(all[quarter:2*quarter]), middle(all[len(all)-quarter:])
		t.Logf("%s, %s: %.0f, at the end %.0f", page, name, first, last)
		if last > first*1.15+c.slack {
			t.Errorf("%s: %s grew from %.0f to %.0f", page, name, first, last)
		}
	}
}

// asks asks for what needs an approval and withdraws it, some times a minute.
func asks(ctx context.Context, who person, first time.Duration, done, failed *atomic.Int64) {
	wait := first
	for pause(ctx, wait) {
		wait = 4 * time.Second
		r, err := who.Ask(ctx, client.Ask{Role: "shop/mender", Resource: "shop-db", For: "20m", Reason: "a steady feed, number " + time.Now().Format("15:04:05.000")})
		if err == nil && pause(ctx, 3*time.Second) {
			_, err = who.Withdraw(ctx, r.ID)
		}
		if err == nil {
			done.Add(1)
		} else if ctx.Err() == nil {
			failed.Add(1)
		}
	}
}

// connects opens sessions, says something in each and closes it again.
func connects(ctx context.Context, who person, done, failed *atomic.Int64) {
	var cred client.Credential
	for pause(ctx, 500*time.Millisecond) {
		if cred.User == "" {
			r, err := who.Ask(ctx, client.Ask{Role: "shop/reader", For: "50m", Reason: "a steady feed"})
			if err == nil {
				cred, err = who.Credential(ctx, r.Grant, client.WantCredential{Many: true, For: "50m"})
			}
			if err != nil && ctx.Err() == nil {
				failed.Add(1)
				_ = pause(ctx, 5*time.Second)
			}
			continue
		}
		conn, err := dial(ctx, cred)
		if err != nil {
			if ctx.Err() == nil {
				failed.Add(1)
				cred = client.Credential{} // the grant is over
			}
			continue
		}
		for n := range 3 {
			_, err = conn.Exec(ctx, fmt.Sprintf("SELECT count(*), 'statement %d' FROM orders", n))
			if !pause(ctx, 300*time.Millisecond) {
				break
			}
		}
		_ = conn.Close(context.WithoutCancel(ctx))
		if err == nil {
			done.Add(1)
		} else if ctx.Err() == nil {
			failed.Add(1)
		}
	}
}

// pause waits, and says whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
