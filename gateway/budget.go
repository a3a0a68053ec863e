package gateway

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/session"
)

// metered is the meter of a grant, kept as long as a session of it is not written as ended.
type metered struct {
	*session.Meter
	sessions int
}

// meter is what the sessions of a grant spend together. The caller calls unmeter
// when the end of its session is written.
func (g *Gateway) meter(id curfew.GrantID) *session.Meter {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.meters[id]
	if m == nil {
		m = &metered{}
		g.parts.Access.View(func(st *access.State) {
			for old := range g.meters { // kept because the end of a session was not written
				if st.Grants[old] == nil {
					delete(g.meters, old)
				}
			}
			if grant := st.Grants[id]; grant != nil {
				m.Meter = session.NewMeter(grant.Budget, grant.Spent)
			}
		})
		if m.Meter == nil { // it has ended meanwhile: the session's permit says so
			m.Meter = session.NewMeter(curfew.Budget{}, curfew.Budget{})
		}
		g.meters[id] = m
	}
	m.sessions++
	return m.Meter
}

func (g *Gateway) unmeter(id curfew.GrantID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.meters[id]; m != nil {
		if m.sessions--; m.sessions <= 0 {
			delete(g.meters, id)
		}
	}
}

// spent ends a grant whose budget is spent.
func (g *Gateway) spent(id curfew.GrantID) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := g.parts.Access.Do(ctx, access.Spend{Grant: id}); err != nil {
		g.parts.Log.Error("a grant whose budget is spent could not be ended", "grant", id, "err", err)
	}
}
