// Package toycall is an example: an engine for a protocol of calls, many under way at
// the same time on one connection, of which some wait for a second person's release. It
// is not part of the program. Each line is JSON. A client's first says who it is:
// {"user":"c_…","secret":"…"}; then come calls, {"id":1,"call":"get","with":"x"}, which
// the target answers in any order, {"id":1,"ok":"…"}. A role says which calls may be
// made: "call get". Calls whose name begins with drop are of the class drop.
package toycall

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// Bounds of a line, of calls under way, and of the time until a client has proved who it is.
const (
	maxLine    = 4 << 10
	maxCalls   = 16
	loginBound = 10 * time.Second
)

// Engine speaks calls.
type Engine struct{}

// New returns the engine.
func New() *Engine { return &Engine{} }

// Type is "toycall".
func (*Engine) Type() curfew.EngineType { return "toycall" }

// Holds is what calls are told apart by.
func (*Engine) Holds() []curfew.StatementClass { return []curfew.StatementClass{curfew.ClassDrop} }

// CheckResource wants an address, and an account that is not made anew.
func (*Engine) CheckResource(res curfew.Resource) error {
	if _, _, err := net.SplitHostPort(res.Address); err != nil || res.Account != curfew.Fixed {
		return curfew.Errorf(curfew.Invalid, "calls have an address and a fixed account").WithFix("address: host:port, account: fixed")
	}
	return nil
}

// CheckPermission takes "call NAME".
func (*Engine) CheckPermission(_ curfew.Resource, p curfew.Permission) error {
	_, err := calls(p)
	return err
}

func calls(p curfew.Permission) (out []string, err error) {
	for _, line := range p.May {
		name, ok := strings.CutPrefix(line, "call ")
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n\"") {
			return nil, curfew.Errorf(curfew.Invalid, "%.80q is no permission for calls", line).WithFix("call NAME")
		}
		if !slices.Contains(p.Never, line) {
			out = append(out, name)
		}
	}
	return out, nil
}

// Effect reads a permission aloud.
func (*Engine) Effect(p curfew.Permission) (effect string, dangers []string) {
	all, _ := calls(p)
	return "call " + strings.Join(all, ", "), nil
}

// Covers reports whether b calls nothing that a may not.
func (*Engine) Covers(a, b curfew.Permission) bool {
	mine, err1 := calls(a)
	theirs, err2 := calls(b)
	return err1 == nil && err2 == nil && !slices.ContainsFunc(theirs, func(c string) bool { return !slices.Contains(mine, c) })
}

// line is what goes either way.
type line struct {
	User   string `json:"user,omitempty"`
	Secret string `json:"secret,omitempty"`
	ID     uint64 `json:"id,omitempty"`
	Call   string `json:"call,omitempty"`
	With   string `json:"with,omitempty"`
	OK     string `json:"ok,omitempty"`
	No     string `json:"no,omitempty"`
	Wait   string `json:"wait,omitempty"` // it waits for somebody's release
}

func read(r *bufio.Reader) (l line, err error) {
	b, err := r.ReadSlice('\n')
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	return l, err
}

func (l line) bytes() []byte {
	b, _ := json.Marshal(l) // strings and numbers always marshal
	return append(b, '\n')
}

// Serve speaks with one client.
func (*Engine) Serve(ctx context.Context, conn net.Conn, gate engine.Gatekeeper) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(loginBound))
	in := bufio.NewReaderSize(conn, maxLine)
	login, err := read(in)
	if err != nil || !gate.Verifier(ctx, curfew.CredentialID(login.User)).Fits(login.Secret) {
		_, _ = conn.Write(line{No: "Curfew: these credentials are not valid"}.bytes())
		return
	}
	stop()
	_ = conn.SetDeadline(time.Time{})
	s, err := gate.Open(ctx, access.Claim{Credential: curfew.CredentialID(login.User), Client: conn.RemoteAddr().String()}, nil)
	if err != nil {
		_, _ = conn.Write(line{No: "Curfew: " + say.Clean(err.Error(), 200)}.bytes())
		return
	}
	cause := curfew.CauseClosed
	defer func() { s.Close(cause, "") }()
	dialing, cancel := context.WithTimeout(s.Context(), loginBound)
	target, err := s.Dial(dialing)
	cancel()
	if err != nil {
		cause = curfew.CauseTarget
		return
	}
	r := &relay{s: s, client: conn, target: target, waits: map[uint64]call{}}
	r.may, _ = calls(s.Permit().Permission())
	if s.Attach(session.Legs{Client: conn, Target: target, Farewell: r.farewell}) == nil {
		cause = r.run(in)
	}
	_ = target.Close()
	r.under.Wait()
}

// call is one that the target has not answered yet.
type call struct {
	id    uint64 // the client's
	began time.Time
}

// relay carries calls, as many at a time as come.
type relay struct {
	s              *session.Session
	client, target net.Conn
	may            []string
	under          sync.WaitGroup

	mu       sync.Mutex
	waits    map[uint64]call // guarded by mu; by our own numbers, which are the target's identifiers
	toClient sync.Mutex      // held while a line goes to the client
}

func (r *relay) run(in *bufio.Reader) curfew.Cause {
	ctx, cancel := context.WithCancel(r.s.Context()) // of what waits for a release
	defer cancel()
	gone := make(chan struct{})
	go func() { defer close(gone); r.answers(); _ = r.client.SetReadDeadline(time.Unix(1, 0)) }()
	places := make(chan struct{}, maxCalls)
	for ref := uint64(1); ; ref++ {
		l, err := read(in)
		if err != nil {
			break
		}
		places <- struct{}{}
		r.under.Go(func() { defer func() { <-places }(); r.call(ctx, ref, l) })
	}
	select {
	case <-gone:
		return curfew.CauseTarget
	default:
		return curfew.CauseClosed
	}
}

// call judges one call, waits where it must, and sends it.
func (r *relay) call(ctx context.Context, ref uint64, l line) {
	it := record.Item{Kind: record.Statement, Ref: ref, Text: l.Call, Values: []record.Value{{Text: l.With}}}
	no := ""
	if !slices.Contains(r.may, l.Call) {
		no = say.Clean(l.Call, 40) + " is not in your role"
	} else if r.s.Release().Holds(classes(l.Call)) != nil {
		no = r.released(ctx, ref, l, it)
	}
	if no != "" {
		it.Kind, it.Code = record.Refused, "calls.refused"
		if r.s.Observe(it) == nil {
			_ = r.tell(line{ID: l.ID, No: "Curfew: " + no})
		}
		return
	}
	if r.s.Observe(it) != nil {
		return
	}
	r.mu.Lock()
	r.waits[ref] = call{l.ID, time.Now()}
	r.mu.Unlock()
	_ = r.s.Forward(r.target, line{ID: ref, Call: l.Call, With: l.With}.bytes()) // an error: the session is over
}

func classes(name string) []curfew.StatementClass {
	if strings.HasPrefix(name, "drop") {
		return []curfew.StatementClass{curfew.ClassDrop}
	}
	return nil
}

// released waits until somebody has released a call; else it says why it is not sent.
func (r *relay) released(ctx context.Context, ref uint64, l line, it record.Item) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "toycall %s %d %q %q", r.s.Permit().Session(), ref, l.Call, l.With))
	h := session.Held{Statement: curfew.StatementID(curfew.NewID("st")), Classes: classes(l.Call), Text: it.Text, Values: it.Values, Digest: sum[:]}
	it.Kind, it.Code = record.Held, string(h.Statement)
	if err := r.s.Observe(it); err != nil {
		return "it could not be recorded"
	}
	tell := func(n say.Notice) error { return r.tell(line{ID: l.ID, Wait: n.Line}) }
	if _, err := r.s.Hold(ctx, h, tell); err != nil {
		return say.Clean(err.Error(), 200)
	}
	return ""
}

// answers carries what the target answers, in whatever order.
func (r *relay) answers() {
	for in := bufio.NewReaderSize(r.target, maxLine); ; {
		l, err := read(in)
		if err != nil {
			return
		}
		r.mu.Lock()
		c, ok := r.waits[l.ID]
		delete(r.waits, l.ID)
		r.mu.Unlock()
		if !ok {
			return // the target answers what was not asked
		}
		out := record.Item{Kind: record.Outcome, Ref: l.ID, Rows: 1, Bytes: int64(len(l.OK)), Took: time.Since(c.began)}
		if r.s.Observe(out) != nil || r.tell(line{ID: c.id, OK: l.OK, No: l.No}) != nil {
			return
		}
	}
}

func (r *relay) tell(l line) error {
	r.toClient.Lock()
	defer r.toClient.Unlock()
	_, err := r.client.Write(l.bytes())
	return err
}

// farewell tells a client that reads why it is over.
func (r *relay) farewell(e access.Ended, by time.Time) {
	if r.toClient.TryLock() {
		defer r.toClient.Unlock()
		_ = r.client.SetWriteDeadline(by)
		_, _ = r.client.Write(line{No: "Curfew: your access ended: " + say.Cause(e.Cause)}.bytes())
	}
}
