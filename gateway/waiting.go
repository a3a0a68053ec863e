package gateway

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/say"
)

// Bounds of connections that wait for an answer. They hold no account and no
// connection to a target, only their socket.
const (
	mostWaitingEach = 8   // of one person: a small pool, and no more
	mostWaiting     = 200 // in all
	tellEvery       = 30 * time.Second
	lookEvery       = time.Second // for what acts before it is written
	// comeBack is how long a request stays after the last connection that waited for
	// it has gone: a client whose own patience is shorter connects again meanwhile.
	comeBack = 15 * time.Second
)

// waiting counts the connections that wait.
type waiting struct {
	comeBack time.Duration

	mu   sync.Mutex
	all  int                        // guarded by mu
	each map[curfew.Principal]int   // guarded by mu
	asks map[curfew.RequestID]*asks // guarded by mu; requests that connections wait for
}

// asks is one request and how many wait for it.
type asks struct {
	waiting int
	gone    *time.Timer // withdraws it; nil while somebody waits
}

// enter takes a place for somebody who waits.
func (w *waiting) enter(who curfew.Principal) (leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.each[who] >= mostWaitingEach:
		return nil, curfew.Errorf(curfew.Limited, "%d connections of yours wait for an answer already", mostWaitingEach).WithRule("waiting.many").WithFix("wait for that answer, and connect then")
	case w.all >= mostWaiting:
		return nil, curfew.Errorf(curfew.Limited, "%d connections wait for answers already, the most this gateway keeps", mostWaiting).WithRule("waiting.many").
			WithFix("ask first, and connect when it is approved: curfew request")
	}
	if w.each == nil {
		w.each, w.asks = map[curfew.Principal]int{}, map[curfew.RequestID]*asks{}
	}
	w.all++
	w.each[who]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all--
		if w.each[who]--; w.each[who] == 0 {
			delete(w.each, who)
		}
	}, nil
}

// join waits for a request with whoever else does. part calls gone when nobody
// has waited for it for comeBack.
func (w *waiting) join(id curfew.RequestID, gone func()) (part func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.asks[id]
	if a == nil {
		a = &asks{}
		w.asks[id] = a
	}
	if a.gone != nil {
		a.gone.Stop()
		a.gone = nil
	}
	a.waiting++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if a.waiting--; a.waiting == 0 {
			a.gone = time.AfterFunc(w.comeBack, func() {
				if w.over(id, a) {
					gone()
				}
			})
		}
	}
}

// over forgets a request that nobody waits for; false if somebody came back.
func (w *waiting) over(id curfew.RequestID, a *asks) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.waiting > 0 {
		return false
	}
	delete(w.asks, id)
	return true
}

// waitFor returns the live grant of what a credential asks for. Where there is
// none it asks, once, and keeps the client waiting for the answer.
func (g *Gateway) waitFor(ctx context.Context, cred access.Credential, w engine.Waiter) (curfew.GrantID, error) {
	h := &hold{g: g, cred: cred, w: w}
	if id, err := h.look(); id != "" || err != nil {
		return id, err
	}
	if w == nil {
		return "", curfew.Errorf(curfew.Denied, "you have no access to %s now, and this client cannot wait for it", cred.Resource).WithRule("waiting.client").WithFix("curfew request %s", cred.Asks.Role)
	}
	leave, err := g.waiting.enter(cred.Principal)
	if err != nil {
		return "", err
	}
	defer leave()
	watched, stop := w.Wait(ctx)
	defer stop()
	for range 3 { // somebody else may ask or answer meanwhile
		if h.soon {
			return h.wait(ctx, watched)
		}
		if err = h.ask(watched); err == nil {
			return h.wait(ctx, watched)
		}
		if rule := ruleOf(err); rule != "credential.asked" && rule != "request.waiting" && rule != "grant.exists" {
			return "", err
		}
		if id, lookErr := h.look(); id != "" || lookErr != nil {
			return id, lookErr
		}
	}
	return "", h.spent(err)
}

// hold is one connection that waits.
type hold struct {
	g     *Gateway
	cred  access.Credential
	w     engine.Waiter
	from  uint64 // the ledger's size before it asked
	size  uint64 // of the state that was looked at last
	req   access.Request
	found bool // the request still waits
	soon  bool // it was approved, and starts within moments
}

// look returns the grant that is there, or why this credential gets none any more.
func (h *hold) look() (id curfew.GrantID, err error) {
	a := h.g.parts.Access
	now := a.Now()
	a.View(func(st *access.State) {
		h.size = st.Size
		if err = st.Counts(h.cred, now); err != nil {
			return
		}
		h.soon = false
		if grant := st.GrantFor(h.cred); grant != nil {
			if left := grant.NotBefore.Sub(now); grant.Status == access.Scheduled && left > 0 && left <= curfew.Undo {
				h.soon = true
			} else {
				id = grant.ID
			}
		}
		_, h.found = st.Requests[h.req.Request]
	})
	switch {
	case err != nil:
		return "", err
	case a.Draining():
		return "", curfew.Errorf(curfew.Unavailable, "the gateway is restarting").WithRule("gateway.restart").WithFix("connect again in a moment")
	case a.Withdrawn(h.cred.Principal, h.cred.SignIn):
		return "", curfew.Errorf(curfew.NotSignedIn, "this credential was withdrawn").WithRule("credential.withdrawn").WithFix("curfew connect")
	}
	return id, nil
}

// ask finds the request that waits already, or asks.
func (h *hold) ask(ctx context.Context) error {
	a := h.g.parts.Access
	found, spent, now := false, error(nil), a.Now()
	a.View(func(st *access.State) {
		h.from = st.Size
		if r := st.RequestFor(h.cred); r != nil {
			h.req, found = *r, true
		}
		spent = st.MayAsk(h.cred, now)
	})
	switch {
	case found:
		return nil
	case spent != nil:
		return spent
	}
	// Not with the client's context: what was asked for one that left is withdrawn by name.
	id, _, err := h.g.parts.Identity.AskFor(context.WithoutCancel(ctx), h.cred)
	if err != nil {
		return err
	}
	a.View(func(st *access.State) {
		if r := st.Requests[id]; r != nil {
			h.req = *r
		}
	})
	h.req.Request = id // nobody had to agree: it is a grant already
	return nil
}

// wait waits for the answer, and tells the client so.
func (h *hold) wait(ctx, watched context.Context) (curfew.GrantID, error) {
	defer h.g.waiting.join(h.req.Request, h.withdraw)()
	told := false
	next := time.Now().Add(h.g.parts.TellEvery)
	for {
		id, err := h.look()
		switch {
		case id != "" || err != nil:
			if err != nil && h.req.Credential == h.cred.ID && !h.g.parts.Access.Draining() {
				h.withdraw() // at once: its credential is worth nothing any more. After a restart it is in any case
			}
			return id, err
		case h.soon: // the approval can still be undone
		case !h.found:
			return "", h.over(watched)
		case !told:
			told, err = true, h.w.Tell(say.Waiting(h.words()))
		case time.Now().After(next):
			next, err = time.Now().Add(h.g.parts.TellEvery), h.w.Tell(say.StillWaiting(h.words(), time.Now()))
		}
		if err != nil {
			return "", curfew.Wrap(curfew.Lapsed, err, "the client went away while it waited").WithRule("client.left")
		}
		tick, cancel := context.WithTimeout(watched, lookEvery)
		_ = h.g.parts.Access.Changed(tick, h.size)
		cancel()
		if ctx.Err() != nil {
			return "", curfew.Errorf(curfew.Unavailable, "the gateway is restarting").WithRule("gateway.restart").WithFix("connect again in a moment")
		}
		if watched.Err() != nil {
			return "", context.Cause(watched)
		}
	}
}

// words are what the client is told of its request.
func (h *hold) words() say.Wait {
	a, now := h.g.parts.Access, h.g.parts.Access.Now()
	var who []curfew.Principal
	a.View(func(st *access.State) {
		if r := st.Requests[h.req.Request]; r != nil {
			who = st.Deciders(r, now)
		}
	})
	out := say.Wait{Request: h.req.Request, Role: h.req.Role, Resource: h.req.Resource, For: h.req.Duration, All: len(who), Lapses: h.req.Lapses.Local()}
	for _, p := range who[:min(len(who), 3)] {
		out.Who = append(out.Who, h.g.parts.Identity.Name(context.Background(), p))
	}
	if h.req.Credential == "" {
		out.By = "you asked"
	}
	return out
}

// over is why the request came to nothing.
func (h *hold) over(ctx context.Context) error {
	a, ok, err := h.g.parts.Access.AnswerTo(ctx, h.req.Request, h.from)
	if err != nil {
		return err
	}
	if !ok { // it became a grant, and that is over again
		return curfew.Errorf(curfew.Lapsed, "your access to %s was approved, and is over already", h.cred.Resource).WithRule("grant.ended").WithFix("ask again: curfew request %s", h.cred.Asks.Role)
	}
	id := h.g.parts.Identity
	cause := cmp.Or(a.Cause, causeOf(a.Kind))
	by, why := "", ""
	if cause == curfew.CauseDenied && a.By != "" {
		by, why = id.Name(ctx, a.By), id.Text(ctx, a.By, a.Why)
	}
	return unanswered(cause, h.cred.Asks.Role, by, why, a.At)
}

func unanswered(cause curfew.Cause, role curfew.RoleName, by, why string, at time.Time) error {
	code := curfew.Lapsed
	if cause == curfew.CauseDenied {
		code = curfew.Denied
	}
	return curfew.Errorf(code, "%s", say.Answered(cause, role, by, why, at.Local())).WithRule("request."+string(cause)).WithFix("ask again: curfew request %s", role)
}

func causeOf(k curfew.Kind) curfew.Cause {
	switch k {
	case curfew.KindRequestDenied:
		return curfew.CauseDenied
	case curfew.KindRequestLapsed:
		return curfew.CauseLapsed
	case curfew.KindRequestWithdrawn:
		return curfew.CauseWithdrawn
	}
	return curfew.CauseChanged
}

// spent says what became of the one question that this credential had.
func (h *hold) spent(otherwise error) error {
	var a access.Asked
	h.g.parts.Access.View(func(st *access.State) { a = st.Asked[h.cred.ID] })
	if a.Cause == "" {
		return otherwise
	}
	e := curfew.Errorf(curfew.Denied, "%s; this credential asks no second time", say.Answered(a.Cause, h.cred.Asks.Role, "", "", time.Time{}))
	if a.Cause == curfew.CauseLapsed {
		e = curfew.Errorf(curfew.Lapsed, "nobody answered your request for %s in time; this credential asks no second time", h.cred.Asks.Role)
	}
	return e.WithRule("request."+string(a.Cause)).WithFix("ask again: curfew request %s", h.cred.Asks.Role)
}

// withdraw takes back what nobody waits for any more. What a person asked by hand stays.
func (h *hold) withdraw() {
	if h.req.Credential == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := h.g.parts.Access.Do(ctx, access.Withdraw{Request: h.req.Request, By: h.req.Principal, Cause: curfew.CauseClosed})
	if err != nil && curfew.CodeOf(err) != curfew.NotFound {
		h.g.parts.Log.Error("a request that nobody waits for could not be withdrawn", "request", h.req.Request, "err", err)
	}
}

// tidy withdraws what connections asked and none waits for: the ledger did not say in
// time that it had been asked.
func (g *Gateway) tidy() {
	var left []*hold
	now := g.parts.Access.Now()
	g.parts.Access.View(func(st *access.State) {
		for id, r := range st.Requests {
			if r.Credential != "" && now.Sub(r.At) > time.Minute && !g.waiting.known(id) {
				left = append(left, &hold{g: g, req: *r})
			}
		}
	})
	for _, h := range left {
		h.withdraw()
	}
}

// known reports whether somebody waits for a request, or did until a moment ago.
func (w *waiting) known(id curfew.RequestID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asks[id] != nil
}
