package access

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
)

// Claim is what somebody who connects asserts, before anything is decided.
type Claim struct {
	Credential curfew.CredentialID // proved by the engine's authentication
	Resource   string              // as the client named it; "" leaves it to the credential
	Client     string              // remote address
	Program    string              // what the client calls itself; proves nothing
	Grant      curfew.GrantID      // for a browser's credential, which is of none: by which of its owner's
}

// Permit is a checked right to use one session of one grant. Only Service makes
// valid ones; reach dials for nobody without one.
type Permit struct {
	session    curfew.SessionID
	grant      Grant
	resource   curfew.Resource
	permission curfew.Permission
	client     string
	program    string

	opened time.Time // with a monotonic reading
	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  atomic.Pointer[Ended] // nil: live
	wall   atomic.Int64          // end, Unix nanoseconds by the wall clock
	mono   atomic.Int64          // end, nanoseconds after opened by the monotonic clock
	moved  atomic.Pointer[func()]
}

// Ended is the cause of a permit's context.
type Ended struct {
	Cause curfew.Cause
	By    curfew.Principal // who, where a person did it
	Why   string           // their words
	At    time.Time
}

func (e Ended) Error() string { return "ended: " + string(e.Cause) }

// newPermit makes a live permit that ends at end. now carries a monotonic reading.
func newPermit(id curfew.SessionID, g Grant, res curfew.Resource, may curfew.Permission, now, end time.Time) *Permit {
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &Permit{session: id, grant: g, resource: res, permission: may, opened: now, ctx: ctx, cancel: cancel}
	p.move(now, end)
	return p
}

// move sets a new end. The monotonic end is as far from now as the wall end is,
// so that a wall clock that is stepped back later moves nothing.
func (p *Permit) move(now, end time.Time) {
	p.wall.Store(end.UnixNano())
	p.mono.Store(int64(now.Sub(p.opened) + end.Round(0).Sub(now.Round(0))))
	if f := p.moved.Load(); f != nil {
		(*f)()
	}
}

// nearer sets a new end unless the permit ends sooner anyway.
func (p *Permit) nearer(now, end time.Time) {
	if end.UnixNano() < p.wall.Load() {
		p.move(now, end)
	}
}

// shut closes the gate and wakes nobody. The first call wins.
func (p *Permit) shut(e Ended) { p.ended.CompareAndSwap(nil, &e) }

// end shuts the permit and starts its session's cut.
func (p *Permit) end(e Ended) {
	p.shut(e)
	p.cancel(*p.ended.Load())
}

// endAll shuts every permit before it starts the first cut: a cut takes the
// processors that the next gate would wait for.
func endAll(permits []*Permit, e func(*Permit) Ended) {
	for _, p := range permits {
		p.shut(e(p))
	}
	for _, p := range permits {
		p.cancel(*p.ended.Load())
	}
}

// Session is the identifier of the session this permit is for.
func (p *Permit) Session() curfew.SessionID { return p.session }

// Grant is the grant as it was when the session opened; End says where its end is now.
func (p *Permit) Grant() Grant { return p.grant }

// Resource is what may be dialled.
func (p *Permit) Resource() curfew.Resource { return p.resource }

// Permission is what the session may do, in the engine's terms.
func (p *Permit) Permission() curfew.Permission { return p.permission }

// Client is the address the session came from, and Program what it calls itself.
func (p *Permit) Client() (address, program string) { return p.client, p.program }

// Context ends when the session must; context.Cause is an Ended.
func (p *Permit) Context() context.Context { return p.ctx }

// End is when the session must be over.
func (p *Permit) End() time.Time { return time.Unix(0, p.wall.Load()) }

// Over reports whether the permit has been shut.
func (p *Permit) Over() bool { return p.ended.Load() != nil }

// Ended is what ended the permit; ok is false while it is live.
func (p *Permit) Ended() (e Ended, ok bool) {
	if e := p.ended.Load(); e != nil {
		return *e, true
	}
	return Ended{}, false
}

// Due reports whether now, which carries a monotonic reading, is at or past the
// end by either clock. It allocates nothing.
func (p *Permit) Due(now time.Time) bool {
	return now.UnixNano() >= p.wall.Load() || int64(now.Sub(p.opened)) >= p.mono.Load()
}

// OnMove calls f whenever the end is moved. One function; the last one set counts.
func (p *Permit) OnMove(f func()) { p.moved.Store(&f) }

// Expire shuts the permit because its time is over; anybody who sees that it is Due may.
func (p *Permit) Expire(at time.Time) { p.end(Ended{Cause: curfew.CauseExpired, At: at}) }

// Fail ends the session for a cause of its own: the client left, the target went
// away, the recorder failed. It changes nothing if the session is over already.
func (p *Permit) Fail(cause curfew.Cause, why string) {
	p.end(Ended{Cause: cause, Why: why, At: time.Now()})
}

// Valid reports whether p was made by a Service and its session is still live.
func (p *Permit) Valid() bool { return p != nil && p.ctx != nil && !p.Over() }
