package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/client"
)

// worker lives the life of a grant again and again, whatever happens to the gateway.
type worker struct {
	who, lead, admin person
	role             string
	model            *model
	rand             *rand.Rand
	calm             *sync.RWMutex // held for reading during an act on a grant: who writes has everybody stand still
	failed           func(error)
	conns            []*pgx.Conn
}

func (w *worker) run(ctx context.Context) {
	var g *known
	for ctx.Err() == nil {
		step, cancel := context.WithTimeout(ctx, 10*time.Second)
		if g == nil || w.isOver(g) {
			w.leave(step)
			g = w.ask(step)
		} else {
			w.act(step, g)
		}
		cancel()
		time.Sleep(time.Duration(10+w.rand.IntN(30)) * time.Millisecond)
	}
	w.leave(context.WithoutCancel(ctx))
}

func (w *worker) isOver(g *known) (over bool) {
	w.model.tell(func() { over = g.ended })
	return over
}

// ask gets a grant; one that is there already is taken up again.
func (w *worker) ask(ctx context.Context) *known {
	r, err := w.who.Ask(ctx, client.Ask{Role: w.role, Resource: "shop-db", For: "30m", Reason: "the loop"})
	if f := client.FailureOf(err); f != nil && (f.Code == "grant.exists" || f.Code == "request.waiting") {
		return w.takeUp(ctx)
	}
	if err != nil {
		return nil
	}
	if r.Grant == "" {
		return w.approve(ctx, r)
	}
	return w.learn(r, false)
}

func (w *worker) learn(r client.Request, approved bool) *known {
	k := &known{id: r.Grant, atLeast: time.Now().Add(30 * time.Minute)}
	w.model.tell(func() {
		if had := w.model.grants[k.id]; had != nil {
			k = had
			return
		}
		w.model.grants[k.id] = k
		w.model.given++
		if approved {
			w.model.approved++
		}
	})
	return k
}

func (w *worker) approve(ctx context.Context, r client.Request) *known {
	shown, err := w.lead.Request(ctx, r.ID)
	if err != nil {
		return nil
	}
	if r, err = w.lead.Approve(ctx, r.ID, client.Decision{Digest: shown.Digest, Passphrase: passphrase(w.lead.email)}); err != nil || r.Grant == "" {
		return nil
	}
	return w.learn(r, true)
}

// takeUp goes on with what an act without an answer left behind.
func (w *worker) takeUp(ctx context.Context) *known {
	if list, err := w.who.Requests(ctx, client.Listing{Status: "pending"}); err == nil {
		for _, r := range list.Items {
			if r.Role == w.role {
				return w.approve(ctx, r)
			}
		}
	}
	list, err := w.who.Grants(ctx, client.Listing{})
	if err != nil {
		return nil
	}
	for _, g := range list.Items {
		if g.Role == w.role && (g.Status == "active" || g.Status == "scheduled") {
			return w.learn(client.Request{Grant: g.ID}, false)
		}
	}
	return nil
}

// act does one thing with a live grant.
func (w *worker) act(ctx context.Context, g *known) {
	n := w.rand.IntN(100)
	if n < 45 {
		w.connect(ctx, g)
		return
	}
	w.calm.RLock()
	defer w.calm.RUnlock()
	switch {
	case n < 60:
		w.extend(ctx, g)
	case n < 70:
		w.shorten(ctx, g)
	case n < 90:
		w.end(ctx, g, func() error { _, err := w.admin.Revoke(ctx, g.id, client.Why{Why: "the loop"}); return err }, &w.model.revoked)
	default:
		w.end(ctx, g, func() error { _, err := w.who.GiveBack(ctx, g.id); return err }, &w.model.returned)
	}
}

// answered says whether an act was done; without an answer nothing is sure any more.
func (w *worker) answered(g *known, err error) bool {
	f := client.FailureOf(err)
	if err != nil && (f == nil || f.Status == 0 || f.Status >= 500) {
		w.model.tell(func() { g.unsure, g.atMost = true, time.Time{}; w.model.unsure++ }) // it may have been an extension
	}
	return err == nil
}

func (w *worker) extend(ctx context.Context, g *known) {
	r, err := w.who.Extend(ctx, g.id, client.More{For: "1m", Reason: "the loop"})
	if f := client.FailureOf(err); f != nil && f.Code == "request.waiting" {
		err = w.again(ctx, g, &r)
	}
	if !w.answered(g, err) {
		return
	}
	if r.Status == "pending" {
		if r, err = w.lead.Approve(ctx, r.ID, client.Decision{Digest: r.Digest, Passphrase: passphrase(w.lead.email)}); !w.answered(g, err) {
			return
		}
	}
	now, err := w.who.Grant(ctx, g.id, r.Position)
	if err != nil || now.End.IsZero() {
		w.model.tell(func() { g.atMost = time.Time{} })
		return
	}
	w.model.tell(func() { g.atLeast, g.atMost = now.End, now.End; w.model.extended++ })
}

// again finds the extension that waits already.
func (w *worker) again(ctx context.Context, g *known, r *client.Request) error {
	list, err := w.who.Requests(ctx, client.Listing{Status: "pending"})
	if err != nil {
		return err
	}
	for _, one := range list.Items {
		if one.Extends == g.id {
			*r = one
			return nil
		}
	}
	return fmt.Errorf("the extension that waits is not listed")
}

func (w *worker) shorten(ctx context.Context, g *known) {
	left := time.Duration(5+w.rand.IntN(20)) * time.Minute
	if _, err := w.who.Shorten(ctx, g.id, client.More{For: left.String()}); !w.answered(g, err) {
		return
	}
	end := time.Now().Add(left)
	w.model.tell(func() { g.atLeast, g.atMost = end.Add(-slack), end; w.model.shortened++ })
}

// end ends a grant; if that was answered, no session of it says another word.
func (w *worker) end(ctx context.Context, g *known, do func() error, count *int) {
	err := do()
	if f := client.FailureOf(err); f != nil && f.Status == http.StatusGone { // an act without an answer did it
		w.model.tell(func() { g.ended = true })
	}
	if !w.answered(g, err) {
		return
	}
	w.model.tell(func() { g.ended = true; *count++ })
	for _, c := range w.conns {
		if err := works(c); err == nil {
			w.failed(fmt.Errorf("a session of %s works after its end was answered", g.id))
		}
		w.model.tell(func() { w.model.cuts++ })
	}
	w.leave(ctx)
}

// connect opens a session, or uses those that are open.
func (w *worker) connect(ctx context.Context, g *known) {
	if len(w.conns) >= 2 {
		for _, c := range w.conns {
			if w.use(ctx, c) != nil {
				w.leave(ctx)
				return
			}
		}
		return
	}
	if g.cred.User == "" {
		cred, err := w.who.Credential(ctx, g.id, client.WantCredential{Many: true, For: "30m"})
		if err != nil {
			return
		}
		w.model.tell(func() { g.cred = cred })
	}
	c, err := dial(ctx, g.cred)
	if err != nil {
		return
	}
	w.model.tell(func() { w.model.sessions++ })
	w.conns = append(w.conns, c)
	_ = w.use(ctx, c)
}

func (w *worker) use(ctx context.Context, c *pgx.Conn) error {
	query := "SELECT count(*) FROM orders"
	if w.role == "shop/mender" {
		query = "UPDATE refunds SET note = 'seen' WHERE id = 1"
	}
	_, err := c.Exec(ctx, query)
	if err == nil {
		w.model.tell(func() { w.model.statements++ })
	}
	return err
}

func (w *worker) leave(ctx context.Context) {
	for _, c := range w.conns {
		bye, cancel := context.WithTimeout(ctx, time.Second)
		_ = c.Close(bye)
		cancel()
	}
	w.conns = nil
}
