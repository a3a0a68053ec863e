package gateway

import (
	"cmp"
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// Held is what a statement that waits says; ok is false if none such waits. It is
// kept here alone, in memory: its session does not outlive this process either.
func (g *Gateway) Held(id curfew.StatementID) (h session.Held, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h, ok = g.held[id]
	return h, ok
}

// hold asks for the release of a statement and waits for the answer.
func (g *Gateway) hold(ctx context.Context, p *access.Permit, h session.Held, tell func(say.Notice) error) ([]string, error) {
	g.mu.Lock()
	g.held[h.Statement] = h
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.held, h.Statement)
		g.mu.Unlock()
	}()
	var from uint64
	g.parts.Access.View(func(st *access.State) { from = st.Size })
	// Not with the client's context: what was held for one that left is taken back by name.
	_, err := g.parts.Access.Do(context.WithoutCancel(ctx), access.Hold{Statement: h.Statement, Session: p.Session(), Classes: h.Classes, Digest: h.Digest})
	if err != nil {
		if ruleOf(err) == "ledger.unknown" {
			g.drop(h.Statement)
		}
		return nil, err
	}
	if err := g.awaitRelease(ctx, h, tell); err != nil {
		if !p.Over() { // the end of a session ends what waits in it
			g.drop(h.Statement)
		}
		return nil, err
	}
	r, ok, err := g.parts.Access.ReleaseOf(ctx, h.Statement, from)
	switch {
	case err != nil:
		return nil, err
	case ok && r.OK && string(r.Digest) == string(h.Digest):
		return g.people(r.All), nil
	}
	cause := cmp.Or(r.Cause, curfew.CauseChanged)
	by, why := "", ""
	if r.By != "" {
		by, why = g.parts.Identity.Name(ctx, r.By), g.parts.Identity.Text(ctx, r.By, r.Why)
	}
	return nil, curfew.Errorf(curfew.Denied, "%s", say.NotReleased(cause, by, why, r.At.Local())).WithRule("release." + string(cause)).
		WithFix("nothing of it was sent; send it again to ask again")
}

// awaitRelease returns nil once the statement waits no more.
func (g *Gateway) awaitRelease(ctx context.Context, h session.Held, tell func(say.Notice) error) error {
	told := false
	next := time.Now().Add(g.parts.TellEvery)
	for {
		n := say.Hold{Statement: h.Statement, Classes: h.Classes, Open: h.Open}
		waits, size, now := false, uint64(0), g.parts.Access.Now()
		var who []curfew.Principal
		g.parts.Access.View(func(st *access.State) {
			size = st.Size
			if held := st.Held[h.Statement]; held != nil {
				waits, who, n.Lapses = true, st.Releasers(held, now), held.Lapses.Local()
			}
		})
		n.All, n.Who = len(who), g.people(who[:min(len(who), 3)])
		var err error
		switch {
		case !waits:
			return nil
		case !told:
			told, err = true, tell(say.Holding(n))
		case time.Now().After(next):
			next, err = time.Now().Add(g.parts.TellEvery), tell(say.StillHolding(n, time.Now()))
		}
		if err != nil {
			return err
		}
		tick, cancel := context.WithDeadline(ctx, next)
		_ = g.parts.Access.Changed(tick, size)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// drop takes a statement back whose session no longer waits for it.
func (g *Gateway) drop(id curfew.StatementID) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := g.parts.Access.Do(ctx, access.DropStatement{Statement: id, Cause: curfew.CauseWithdrawn}); err != nil {
		g.parts.Log.Error("a statement that was taken back could not be written so", "statement", id, "err", err)
	}
}

// people are principals by name.
func (g *Gateway) people(who []curfew.Principal) (out []string) {
	for _, p := range who {
		out = append(out, g.parts.Identity.Name(context.Background(), p))
	}
	return out
}
