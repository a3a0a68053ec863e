package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/say"
)

// Bounds of what waits for a touch. All of it is in memory: a gateway that starts anew
// knows none, and whoever asked asks again.
const (
	touchWait   = 10 * time.Minute
	touchesEach = 10
	touchesMost = 1000
	touchBytes  = 8 << 20  // of all bodies of one person
	allBytes    = 64 << 20 // of everybody's
)

// Where a touch stands.
const (
	touchWaiting = "waiting"
	touchDone    = "done"
	touchFailed  = "failed"
)

// touch is something that waits for its owner's touch: what is done is fixed when it is
// asked for, and what is shown of it comes from the same.
type touch struct {
	id           string
	who          curfew.Principal
	path         string
	level        Level
	what         prepared
	size         int
	by           string
	page         bool // a page of ours asked, which somebody sits before
	asked, until time.Time

	// Guarded by the store's mu.
	ticket  string // of the newest challenge
	running bool
	status  string
	result  any
	fault   *client.Fault
}

// touches are what waits.
type touches struct {
	mu   sync.Mutex
	byID map[string]*touch // guarded by mu
}

// sweep forgets what is over. The caller holds mu.
func (t *touches) sweep(now time.Time) {
	for id, x := range t.byID {
		if now.After(x.until) {
			delete(t.byID, id)
		}
	}
}

// of are one person's, with those first that make room first: what is over, then what
// clients ask for, then pages; the oldest of each. The caller holds mu.
func (t *touches) of(who curfew.Principal) (theirs []*touch, bytes int) {
	for _, x := range t.byID {
		if x.who == who {
			theirs = append(theirs, x)
			bytes += x.size
		}
	}
	rank := func(x *touch) int {
		switch {
		case x.status != touchWaiting:
			return 0
		case !x.page:
			return 1
		}
		return 2
	}
	slices.SortFunc(theirs, func(a, b *touch) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), a.asked.Compare(b.asked)) })
	return theirs, bytes
}

// put keeps what waits. Where there is no room, what is over makes it, and for somebody
// who sits before a page also what their clients ask for: whoever has a token of theirs
// does not keep them from deciding.
func (t *touches) put(x *touch, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[string]*touch{}
	}
	t.sweep(now)
	theirs, bytes := t.of(x.who)
	for _, y := range theirs {
		if len(theirs) < touchesEach && bytes+x.size <= touchBytes || y.running || y.status == touchWaiting && (y.page || !x.page) {
			break
		}
		delete(t.byID, y.id)
		bytes -= y.size
		theirs = theirs[1:]
	}
	all := x.size
	for _, y := range t.byID {
		all += y.size
	}
	if len(theirs) >= touchesEach || len(t.byID) >= touchesMost || bytes+x.size > touchBytes || all > allBytes {
		return curfew.Errorf(curfew.Limited, "too much waits for a touch").WithRule("touch.many").WithFix("touch for what waits, or drop it")
	}
	t.byID[x.id] = x
	return nil
}

// find is one of somebody's own, and no one else's.
func (t *touches) find(id string, who curfew.Principal, now time.Time) (*touch, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	if x := t.byID[id]; x != nil && x.who == who {
		return x, nil
	}
	return nil, curfew.Errorf(curfew.NotFound, "nothing of yours waits for a touch as %.60q, or no longer", id).WithRule("touch.unknown").WithFix("begin again")
}

// browsing are the routes that only a page of ours uses: a client's token never decides,
// whatever it sends (THREATS 8).
//
//nolint:gochecknoglobals // a table
var browsing = map[string]bool{"POST /passkeys/make": true, "POST /passkeys": true, "POST /touches/{id}/challenge": true, "POST /touches/{id}/touch": true}

func (s *Server) touchRoutes() {
	s.actRoutes()
	add(s, SignedIn, http.MethodPost, "/touches", "Have a change wait for the caller's passkey, to be touched in their browser", s.askTouch)
	add(s, SignedIn, http.MethodGet, "/touches/{id}", "Show what waits for the caller's touch, or how it went", s.showTouch)
	add(s, SignedIn, http.MethodPost, "/touches/{id}/challenge", "What the authenticator signs, for the change as it is now", s.challenge)
	add(s, SignedIn, http.MethodPost, "/touches/{id}/touch", "Touch: the change is made", s.touch)
	add(s, SignedIn, http.MethodPost, "/touches/{id}/drop", "Take it back: nothing is changed", s.dropTouch)
}

func (s *Server) askTouch(ctx context.Context, c caller, in *struct{ Body client.TouchAsk }) (*body[client.Touch], error) {
	a, id, ok := s.actAt(in.Body.Path)
	if !ok {
		return nil, curfew.Errorf(curfew.Invalid, "%.80q is nothing that takes a touch", in.Body.Path)
	}
	if err := c.allowed(a.level); err != nil {
		return nil, err
	}
	text, err := json.Marshal(in.Body.Body)
	if err != nil {
		return nil, curfew.Errorf(curfew.Invalid, "the body cannot be read")
	}
	what, err := a.prepare(ctx, c, id, text)
	if err != nil {
		return nil, err
	}
	return s.await(ctx, c, in.Body.Path, a.level, what, len(text))
}

// await keeps a change until it is touched for.
func (s *Server) await(ctx context.Context, c caller, path string, level Level, what prepared, size int) (*body[client.Touch], error) {
	if !s.hasPasskey(c.who) {
		return nil, curfew.Errorf(curfew.Conflict, "you have no passkey").WithRule("passkey.none").WithFix("add one in the console's settings, or decide by passphrase")
	}
	now := s.parts.Access.Now()
	x := &touch{id: curfew.NewID("to"), who: c.who, path: path, level: level, what: what, size: size, by: s.signInText(ctx, c), page: c.browser, asked: now, until: now.Add(touchWait), status: touchWaiting}
	if err := s.touches.put(x, now); err != nil {
		return nil, err
	}
	return s.touchBody(x)
}

// signInText says which of somebody's sign-ins asks, for them to recognise it.
func (s *Server) signInText(ctx context.Context, c caller) string {
	all := s.parts.Identity.SignIns(ctx, c.who)
	i := slices.IndexFunc(all, func(in identity.SignInOf) bool { return in.ID == c.token })
	if i < 0 {
		return ""
	}
	text := cmp.Or(say.Clean(all[i].Device, 100), "a client without a name")
	if all[i].Address != "" {
		text += " at " + all[i].Address
	}
	return text
}

func (s *Server) hasPasskey(who curfew.Principal) (has bool) {
	s.parts.Access.View(func(st *access.State) { has = st.HasPasskey(who) })
	return has
}

func (s *Server) touchBody(x *touch) (*body[client.Touch], error) {
	s.touches.mu.Lock()
	defer s.touches.mu.Unlock()
	return &body[client.Touch]{client.Touch{
		ID: x.id, Path: x.path, Status: x.status, Title: x.what.title, Lines: x.what.lines, By: x.by,
		Page: s.parts.Console + "/touch/" + x.id, Asked: x.asked, Until: x.until, Result: x.result, Fault: x.fault,
	}}, nil
}

func (s *Server) showTouch(_ context.Context, c caller, in *IDIn) (*body[client.Touch], error) {
	x, err := s.touches.find(in.ID, c.who, s.parts.Access.Now())
	if err != nil {
		return nil, err
	}
	return s.touchBody(x)
}

func (s *Server) dropTouch(_ context.Context, c caller, in *IDIn) (*body[client.Touch], error) {
	x, err := s.touches.find(in.ID, c.who, s.parts.Access.Now())
	if err != nil {
		return nil, err
	}
	s.touches.mu.Lock()
	if x.status == touchWaiting && !x.running {
		x.status = touchFailed
		x.fault = &client.Fault{Code: string(curfew.Denied), Title: "Dropped", Detail: "it was taken back; nothing was changed", Status: http.StatusForbidden}
	}
	s.touches.mu.Unlock()
	return s.touchBody(x)
}

// challenge makes the record of what would be decided now.
func (s *Server) challenge(_ context.Context, c caller, in *IDIn) (*body[client.TouchChallenge], error) {
	x, err := s.touches.find(in.ID, c.who, s.parts.Access.Now())
	if err != nil {
		return nil, err
	}
	if err := s.waits(x); err != nil {
		return nil, err
	}
	var t identity.Touching
	if x.what.command != nil {
		t, err = s.parts.Identity.AskTouch(c.who, x.what.command)
	} else {
		t, err = s.parts.Identity.AskProof(c.who, x.path, x.what.digest)
	}
	if err != nil {
		return nil, err
	}
	s.touches.mu.Lock()
	x.ticket = t.Ticket
	s.touches.mu.Unlock()
	return &body[client.TouchChallenge]{client.TouchChallenge{Challenge: t.Challenge, Record: t.Record, Passkeys: t.Passkeys, RP: t.RP}}, nil
}

func said(in client.Touched) identity.Said {
	return identity.Said{Passkey: in.Passkey, ClientData: in.ClientData, Authenticator: in.Authenticator, Signature: in.Signature}
}

// touch makes the change, once. A touch that was not the right one leaves it waiting.
func (s *Server) touch(ctx context.Context, c caller, in *struct {
	IDIn
	Body client.Touched
}) (*body[client.Touch], error) {
	x, err := s.touches.find(in.ID, c.who, s.parts.Access.Now())
	if err != nil {
		return nil, err
	}
	if err := c.allowed(x.level); err != nil {
		return nil, err
	}
	ticket, err := s.begin(x)
	if err != nil {
		return nil, err
	}
	// Whoever closes the page now does not have it end half way, with whoever asked told
	// that nothing was done.
	result, err := s.touched(context.WithoutCancel(ctx), c, x, ticket, said(in.Body))
	s.touches.mu.Lock()
	x.running = false
	switch rule := ruleOf(err); {
	case err == nil:
		x.status, x.result = touchDone, result
	case !strings.HasPrefix(rule, "passkey."):
		f := fault(err).Fault
		x.status, x.fault = touchFailed, &f
	}
	s.touches.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.touchBody(x)
}

func touchOver() error {
	return curfew.Errorf(curfew.Conflict, "this was touched for already, or dropped").WithRule("touch.over")
}

func (s *Server) waits(x *touch) error {
	s.touches.mu.Lock()
	defer s.touches.mu.Unlock()
	if x.status != touchWaiting {
		return touchOver()
	}
	return nil
}

// begin claims what waits, so that two touches at once are one.
func (s *Server) begin(x *touch) (ticket string, err error) {
	s.touches.mu.Lock()
	defer s.touches.mu.Unlock()
	if x.running || x.status != touchWaiting {
		return "", touchOver()
	}
	x.running = true
	return x.ticket, nil
}

func (s *Server) touched(ctx context.Context, c caller, x *touch, ticket string, said identity.Said) (any, error) {
	var err error
	if x.what.command != nil {
		c.touch, err = s.parts.Identity.Touch(c.who, ticket, said)
	} else {
		err = s.parts.Identity.ProveByTouch(c.who, x.path, x.what.digest, ticket, said)
		c.proved = err == nil
	}
	if err != nil {
		return nil, err
	}
	return x.what.run(ctx, c)
}

func ruleOf(err error) string {
	if e := asError(err); e != nil {
		return e.Rule
	}
	return ""
}
