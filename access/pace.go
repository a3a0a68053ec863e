package access

import (
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// Rates that keep one client from filling the ledger.
const (
	opensPerSecond, opensBurst = 50, 500
	asksPerMinute, asksBurst   = 10, 20
)

// pace limits how often sessions open under a grant and how often a principal asks.
type pace struct {
	mu    sync.Mutex
	opens map[curfew.GrantID]bucket   // guarded by mu
	asks  map[curfew.Principal]bucket // guarded by mu
}

type bucket struct {
	left float64
	at   time.Time
}

func (p *pace) open(g curfew.GrantID, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opens == nil || len(p.opens) > 100_000 {
		p.opens = map[curfew.GrantID]bucket{}
	}
	if !take(p.opens, g, now, opensPerSecond, opensBurst) {
		return curfew.Errorf(curfew.Limited, "this grant opens more than %d sessions a second", opensPerSecond).WithRule("session.rate").WithFix("use a connection pool")
	}
	return nil
}

func (p *pace) ask(who curfew.Principal, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asks == nil || len(p.asks) > 100_000 {
		p.asks = map[curfew.Principal]bucket{}
	}
	if !take(p.asks, who, now, asksPerMinute/60.0, asksBurst) {
		return curfew.Errorf(curfew.Limited, "more than %d requests a minute", asksPerMinute).WithRule("request.rate").WithFix("wait a minute")
	}
	return nil
}

// take removes one from the bucket of k, which refills at rate a second.
func take[K comparable](m map[K]bucket, k K, now time.Time, rate, burst float64) bool {
	b, ok := m[k]
	if !ok {
		b = bucket{burst, now}
	}
	b.left = min(burst, b.left+rate*max(now.Sub(b.at).Seconds(), 0))
	b.at = now
	ok = b.left >= 1
	if ok {
		b.left--
	}
	m[k] = b
	return ok
}
