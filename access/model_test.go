package access

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
)

// model is what a person with pencil and paper would keep: who holds what until
// when. It shares no code with the service.
type model struct {
	disabled map[curfew.Principal]bool
	waiting  map[curfew.RequestID]*modelRequest
	grants   map[curfew.GrantID]*modelGrant
	spent    map[curfew.CredentialID]bool // have asked
	held     map[curfew.StatementID]*modelHeld
}

type modelHeld struct {
	grant  *modelGrant
	permit *Permit
	lapses time.Time
}

type modelRequest struct {
	who    curfew.Principal
	role   curfew.RoleName
	lasts  time.Duration
	lapses time.Time
}

type modelGrant struct {
	who      curfew.Principal
	lasts    time.Duration
	approved time.Time
	end      time.Time // zero: not started
	over     bool
	permits  []*Permit
}

func (m *model) live(g *modelGrant, now time.Time) bool {
	return !g.over && !m.disabled[g.who] && (g.end.IsZero() || now.Before(g.end))
}

// step is one random command and what the model says of it.
type run struct {
	w     *world
	m     *model
	t     *rapid.T
	laws  *Laws
	seen  uint64
	known []curfew.GrantID
	asked []curfew.RequestID
	began time.Time

	statements []curfew.StatementID
}

func (r *run) who(label string) curfew.Principal {
	return rapid.SampledFrom([]curfew.Principal{alice, dana, ben, root, "p_nobody"}).Draw(r.t, label)
}

func (r *run) check(ok bool, format string, args ...any) {
	r.t.Helper()
	if !ok {
		r.t.Fatalf(format, args...)
	}
}

func (r *run) ask() {
	role := rapid.SampledFrom([]curfew.RoleName{"read", "write", "none"}).Draw(r.t, "role")
	who := r.who("asker")
	d := rapid.SampledFrom([]time.Duration{-1, 0, 1, time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 9e18}).Draw(r.t, "for")
	a := r.w.asking(who, role, d)
	if rapid.Bool().Draw(r.t, "from a connection") {
		a.Credential = rapid.SampledFrom([]curfew.CredentialID{"c_1", "c_2", "c_3"}).Draw(r.t, "credential")
		a.Made, a.Until = r.began, r.began.Add(2*time.Hour)
	}
	if _, err := r.w.s.Do(r.w.ctx, a); err != nil {
		return
	}
	r.check(!r.m.disabled[who] && (who == alice || who == dana) && d >= time.Minute && d <= 2*time.Hour && role != "none", "%s got %s for %s", who, role, d)
	now := time.Now()
	if a.Credential != "" {
		r.check(!r.m.spent[a.Credential] && now.Before(a.Until), "%s asked again", a.Credential)
		r.m.spent[a.Credential] = true
	}
	if role == "read" {
		r.m.grants[a.Grant] = &modelGrant{who: who, lasts: d, approved: now}
		r.known = append(r.known, a.Grant)
		return
	}
	r.m.waiting[a.Request] = &modelRequest{who: who, role: role, lasts: d, lapses: now.Add(30 * time.Minute)}
	r.asked = append(r.asked, a.Request)
}

func (r *run) approve() {
	if len(r.asked) == 0 {
		return
	}
	id := rapid.SampledFrom(r.asked).Draw(r.t, "request")
	by := r.who("approver")
	c := r.w.approving(by, id)
	q := r.m.waiting[id]
	_, err := r.w.s.Do(r.w.ctx, c)
	may := q != nil && by != q.who && (by == dana || by == alice || by == ben) && !r.m.disabled[by] && !r.m.disabled[q.who] && time.Now().Before(q.lapses)
	r.check((err == nil) == may, "%s approving %s: %v, the model says %v", by, id, err, may)
	if err == nil {
		delete(r.m.waiting, id)
		r.m.grants[c.Grant] = &modelGrant{who: q.who, lasts: q.lasts, approved: time.Now()}
		r.known = append(r.known, c.Grant)
	}
}

func (r *run) grant() (curfew.GrantID, *modelGrant) {
	if len(r.known) == 0 {
		return "", nil
	}
	id := rapid.SampledFrom(r.known).Draw(r.t, "grant")
	return id, r.m.grants[id]
}

func (r *run) start() {
	id, g := r.grant()
	if g == nil {
		return
	}
	_, err := r.w.s.Do(r.w.ctx, Start{Grant: id})
	r.check(err == nil, "start: %v", err)
	if r.m.live(g, time.Now()) && g.end.IsZero() {
		g.end = time.Now().Add(g.lasts)
	}
}

func (r *run) open() {
	id, g := r.grant()
	if g == nil {
		return
	}
	who := r.who("connecting")
	p, err := r.w.open(who, id)
	may := r.m.live(g, time.Now()) && who == g.who
	r.check((err == nil) == may, "%s connecting under %s: %v, the model says %v", who, id, err, may)
	if err == nil {
		if g.end.IsZero() {
			g.end = time.Now().Add(g.lasts)
		}
		g.permits = append(g.permits, p)
	}
}

func (r *run) end() {
	id, g := r.grant()
	if g == nil {
		return
	}
	by := r.who("ender")
	var c Command = Return{Grant: id, By: by}
	may := r.m.live(g, time.Now()) && by == g.who
	if rapid.Bool().Draw(r.t, "revoke") {
		c = Revoke{Grant: id, By: by}
		may = r.m.live(g, time.Now()) && !r.m.disabled[by] && by != "p_nobody" && (by == root || by == ben || by == g.who || r.approves(id, by))
	}
	_, err := r.w.s.Do(r.w.ctx, c)
	r.check((err == nil) == may, "%T of %s by %s: %v, the model says %v", c, id, by, err, may)
	if err == nil {
		g.over = true
	}
}

// writes gives somebody a live grant that holds statements, with two sessions, so
// that the steps after it have something to hold.
func (r *run) writes() {
	who := rapid.SampledFrom([]curfew.Principal{alice, dana}).Draw(r.t, "writer")
	a := r.w.asking(who, "write", time.Hour)
	if _, err := r.w.s.Do(r.w.ctx, a); err != nil {
		return
	}
	c := r.w.approving(ben, a.Request)
	if _, err := r.w.s.Do(r.w.ctx, c); err != nil {
		r.t.Fatal(err)
	}
	g := &modelGrant{who: who, lasts: time.Hour, approved: time.Now(), end: time.Now().Add(time.Hour)}
	for range 2 {
		p, err := r.w.open(who, c.Grant)
		if err != nil {
			r.t.Fatal(err)
		}
		g.permits = append(g.permits, p)
	}
	r.m.grants[c.Grant] = g
	r.known = append(r.known, c.Grant)
}

// hold holds a statement in some session, live or not.
func (r *run) hold() {
	_, g := r.grant()
	if g == nil || len(g.permits) == 0 {
		return
	}
	p := rapid.SampledFrom(g.permits).Draw(r.t, "session")
	id := curfew.StatementID(curfew.NewID("st"))
	if _, err := r.w.s.Do(r.w.ctx, hold(p, id)); err != nil {
		return
	}
	now := time.Now()
	r.check(p.Grant().Release.Some() && r.m.live(g, now), "a statement is held in a session of a grant that holds none, or is over")
	for other, h := range r.m.held {
		r.check(h.permit != p || !now.Before(h.lapses), "%s and %s wait in one session", id, other)
	}
	r.m.held[id] = &modelHeld{g, p, now.Add(10 * time.Minute)}
	r.statements = append(r.statements, id)
}

// release has anybody release any statement there ever was.
func (r *run) release() {
	if len(r.statements) == 0 {
		return
	}
	id := rapid.SampledFrom(r.statements).Draw(r.t, "statement")
	by := r.who("releaser")
	h := r.m.held[id]
	_, err := r.w.s.Do(r.w.ctx, releasing(by, id))
	may := h != nil && r.m.live(h.grant, time.Now()) && time.Now().Before(h.lapses) && by != h.grant.who && (by == alice || by == dana || by == ben) && !r.m.disabled[by]
	r.check((err == nil) == may, "%s releasing %s: %v, the model says %v", by, id, err, may)
	if err == nil {
		delete(r.m.held, id) // once
	}
}

// approves: who could approve it may end it; only the write policy asks for approvals.
func (r *run) approves(id curfew.GrantID, by curfew.Principal) bool {
	var role curfew.RoleName
	r.w.s.View(func(st *State) {
		if g := st.Grants[id]; g != nil {
			role = g.Role
		}
	})
	return role == "write" && (by == alice || by == dana)
}

func (r *run) disable() {
	who := rapid.SampledFrom([]curfew.Principal{alice, dana}).Draw(r.t, "disabled")
	by := r.who("by")
	_, err := r.w.s.Do(r.w.ctx, Disable{Principal: who, By: by})
	may := (by == root || by == ben) && !r.m.disabled[who]
	r.check((err == nil) == may, "%s disabling %s: %v", by, who, err)
	if err == nil {
		r.m.disabled[who] = true
		for id, q := range r.m.waiting {
			if q.who == who {
				delete(r.m.waiting, id)
			}
		}
	}
}

func (r *run) pass() {
	d := rapid.SampledFrom([]time.Duration{time.Second, 29 * time.Second, 2 * time.Minute, 31 * time.Minute}).Draw(r.t, "pass")
	r.w.pass(d)
	for _, g := range r.m.grants {
		if g.end.IsZero() && !g.over && !r.m.disabled[g.who] && !time.Now().Before(g.approved.Add(startBound)) {
			g.end = g.approved.Add(startBound + g.lasts)
		}
	}
}

// invariants hold after every step.
func (r *run) invariants() {
	synctest.Wait()
	now := time.Now()
	for id, g := range r.m.grants {
		for _, p := range g.permits {
			if !r.m.live(g, now) {
				r.check(p.Over() || p.Due(now), "a session of %s outlived its grant", id)
			} else {
				r.check(!p.Over(), "a session of %s was cut while its grant lives", id)
			}
		}
		live := r.w.grant(id)
		r.check(live.Live() == r.m.live(g, now), "%s is %q, the model says live: %v", id, live.Status, r.m.live(g, now))
	}
	events, _ := r.w.l.Read(r.w.ctx, r.seen+1, 1<<20)
	for _, e := range events {
		if err := r.laws.Check(e); err != nil {
			r.t.Fatalf("event %d (%s %s): %v", e.Position, e.Kind, e.Body, err)
		}
		r.seen = e.Position
	}
}

// same demands that folding the ledger again gives the state that readers saw.
func (r *run) same() {
	again := NewState()
	events, _ := r.w.l.Read(r.w.ctx, 1, 1<<20)
	for _, e := range events {
		if err := again.Fold(e); err != nil {
			r.t.Fatal(err)
		}
	}
	want, _ := json.Marshal(again)
	var got []byte
	r.w.s.View(func(st *State) { got, _ = json.Marshal(st) })
	r.check(string(got) == string(want), "the state is not the fold of the ledger:\n%s\n%s", got, want)
}

// TestRandomLives runs random commands against the model, with every law checked
// after each step. A failure prints the seed and the steps.
func TestRandomLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(plain{t}, func(rt *rapid.T) {
			w := newWorld(t)
			defer w.stop()
			w.apply(root, holding(1))
			w.settle()
			r := &run{w: w, t: rt, began: time.Now(), laws: NewLaws(), m: &model{
				disabled: map[curfew.Principal]bool{}, waiting: map[curfew.RequestID]*modelRequest{}, grants: map[curfew.GrantID]*modelGrant{}, spent: map[curfew.CredentialID]bool{}, held: map[curfew.StatementID]*modelHeld{},
			}}
			if rapid.Bool().Draw(rt, "somebody writes") {
				r.writes()
			}
			for range rapid.IntRange(1, 40).Draw(rt, "steps") {
				rapid.SampledFrom([]func(){r.ask, r.ask, r.approve, r.approve, r.start, r.open, r.open, r.end, r.disable, r.pass, r.hold, r.hold, r.release, r.release}).Draw(rt, "step")()
				r.invariants()
			}
			r.same()
		})
	})
}

// plain hides testing.T's deadline, which a bubble has no use for.
type plain struct{ rapid.TB }
