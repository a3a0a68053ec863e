package gateway

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// summaryEvery is how often repeats of a refusal are summed up.
const summaryEvery = time.Minute

// mostRefusals bounds how many different refusals are counted apart at once.
const mostRefusals = 1000

// refusals counts repeats, so that nobody fills the ledger by being refused: the
// first refusal of a principal or address, for a resource and a cause, is an
// event; the rest of a minute's are one more.
type refusals struct {
	mu    sync.Mutex
	since time.Time
	count map[curfew.SessionRefused]int // guarded by mu
}

// add counts a refusal and reports whether it is the first of its kind.
func (r *refusals) add(b curfew.SessionRefused) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count, r.since = map[curfew.SessionRefused]int{}, time.Now()
	}
	if _, ok := r.count[b]; !ok && len(r.count) >= mostRefusals {
		b = curfew.SessionRefused{Rule: "others"}
	}
	r.count[b]++
	return r.count[b] == 1
}

// take returns what was counted beyond the first, and starts again.
func (r *refusals) take() (out []curfew.RefusalsCounted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for b, n := range r.count {
		if n > 1 {
			out = append(out, curfew.RefusalsCounted{SessionRefused: b, Times: n - 1, Since: r.since})
		}
	}
	r.count, r.since = nil, time.Time{}
	return out
}

// refuse records that a connection was not let in, and why.
func (g *Gateway) refuse(ctx context.Context, c access.Claim, who access.Credential, err error) {
	b := curfew.SessionRefused{Principal: who.Principal, Resource: who.Resource, Rule: ruleOf(err)}
	if host, _, splitErr := net.SplitHostPort(c.Client); splitErr == nil {
		b.Client = host
	}
	g.parts.Access.View(func(st *access.State) {
		if grant := st.Grants[who.Grant]; grant != nil {
			b.Resource = grant.Resource
		}
	})
	if !g.refusals.add(b) {
		return
	}
	if _, err := g.parts.Access.Do(context.WithoutCancel(ctx), access.Note{Kind: curfew.KindSessionRefused, Body: b}); err != nil {
		g.parts.Log.Error("a refusal could not be written", "err", err)
	}
}

func ruleOf(err error) string {
	if e, ok := errors.AsType[*curfew.Error](err); ok && e.Rule != "" {
		return e.Rule
	}
	return string(curfew.CodeOf(err))
}

// SumUp writes the counted refusals once a minute until ctx ends, and withdraws what
// connections asked and none waits for.
func (g *Gateway) SumUp(ctx context.Context) error {
	tick := time.NewTicker(summaryEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		g.tidy()
		for _, b := range g.refusals.take() {
			if _, err := g.parts.Access.Do(ctx, access.Note{Kind: curfew.KindRefusalsCounted, Body: b}); err != nil {
				g.parts.Log.Error("refusals could not be summed up", "err", err)
			}
		}
	}
}
