package access

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// fakeLedger keeps events in memory and can be told to fail.
type fakeLedger struct {
	mu     sync.Mutex // held for a turn
	data   sync.Mutex
	events []curfew.Event // guarded by data
	grew   chan struct{}  // guarded by data
	snaps  map[[32]byte][]byte
	fail   func([]ledger.Draft) error // called with a batch, before it is kept
	after  func([]ledger.Draft) error // called with a batch, after it is kept
	read   func() error
}

func newFakeLedger() *fakeLedger {
	return &fakeLedger{grew: make(chan struct{}), snaps: map[[32]byte][]byte{}}
}

// failing has every batch from now on fail as f says; nil: none.
func (l *fakeLedger) failing(f func([]ledger.Draft) error) {
	l.data.Lock()
	defer l.data.Unlock()
	l.fail = f
}

type fakeTurn struct{ l *fakeLedger }

func (l *fakeLedger) Turn(_ context.Context, f func(ledger.Turn) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return f(fakeTurn{l})
}

func (t fakeTurn) Head() ledger.Head { return t.l.Head() }

func (t fakeTurn) Append(at time.Time, drafts []ledger.Draft) ([]curfew.Event, ledger.Head, error) {
	t.l.data.Lock()
	fail := t.l.fail
	t.l.data.Unlock()
	if fail != nil {
		if err := fail(drafts); err != nil {
			return nil, ledger.Head{}, err
		}
	}
	t.l.data.Lock()
	var out []curfew.Event
	for _, d := range drafts {
		e := curfew.Event{Position: uint64(len(t.l.events) + 1), Time: at, Kind: d.Kind, Body: d.Body}
		t.l.events, out = append(t.l.events, e), append(out, e)
	}
	close(t.l.grew)
	t.l.grew = make(chan struct{})
	t.l.data.Unlock()
	if t.l.after != nil {
		if err := t.l.after(drafts); err != nil {
			return nil, ledger.Head{}, err
		}
	}
	return out, t.l.Head(), nil
}

func (l *fakeLedger) Head() ledger.Head {
	l.data.Lock()
	defer l.data.Unlock()
	h := ledger.Head{Size: uint64(len(l.events))}
	if h.Size > 0 {
		h.Time = l.events[h.Size-1].Time
	}
	return h
}

func (l *fakeLedger) Read(_ context.Context, from uint64, limit int) ([]curfew.Event, error) {
	if l.read != nil {
		if err := l.read(); err != nil {
			return nil, err
		}
	}
	l.data.Lock()
	defer l.data.Unlock()
	if from > uint64(len(l.events)) {
		return nil, nil
	}
	rest := l.events[from-1:]
	return append([]curfew.Event(nil), rest[:min(limit, len(rest))]...), nil
}

func (l *fakeLedger) Wait(ctx context.Context, after uint64) error {
	for {
		l.data.Lock()
		n, grew := uint64(len(l.events)), l.grew
		l.data.Unlock()
		if n > after {
			return nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *fakeLedger) SaveSnapshot(_ context.Context, _ uint64, data []byte) ([32]byte, error) {
	h := sha256.Sum256(data)
	l.snaps[h] = data
	return h, nil
}

func (l *fakeLedger) LoadSnapshot(_ context.Context, h [32]byte) ([]byte, error) {
	if d, ok := l.snaps[h]; ok {
		return d, nil
	}
	return nil, curfew.Errorf(curfew.NotFound, "no snapshot")
}

func (l *fakeLedger) Heads(context.Context, uint64, int) ([][]byte, error) { return nil, nil }

func (l *fakeLedger) Close() error { return nil }

// world is a service on a fake ledger with the people of every story.
type world struct {
	t   *testing.T
	l   *fakeLedger
	s   *Service
	ctx context.Context
	end context.CancelFunc
	ran chan struct{}

	reserve string // its path; "": none
	kept    *Reserve
}

const (
	alice = curfew.Principal("p_alice") // asks
	dana  = curfew.Principal("p_dana")  // approves
	ben   = curfew.Principal("p_ben")   // approves, second administrator
	root  = curfew.Principal("p_root")  // first administrator
)

func newWorld(t *testing.T) *world {
	w := &world{t: t, l: newFakeLedger()}
	w.start()
	w.people()
	return w
}

// people makes everybody known, with the base configuration.
func (w *world) people() {
	w.do(AddPerson{curfew.PrincipalAdded{Principal: root, Kind: curfew.Person}})
	w.join(root, "")
	for _, p := range []curfew.Principal{alice, dana, ben} {
		w.do(AddPerson{curfew.PrincipalAdded{Principal: p, Kind: curfew.Person, EmailTag: []byte(p), By: root}})
		w.join(p, root)
	}
	w.apply(root, baseConfig())
}

func (w *world) start() {
	if w.reserve != "" {
		var err error
		if w.kept, err = OpenReserve(w.reserve); err != nil {
			w.t.Fatal(err)
		}
	}
	s, err := Open(context.Background(), Parts{Ledger: w.l, Reserve: w.kept})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.s, w.ctx, w.end, w.ran = s, ctx, cancel, make(chan struct{})
	go func() { _ = s.Run(ctx); close(w.ran) }()
}

func (w *world) stop() {
	w.end()
	<-w.ran
	if w.kept != nil {
		_ = w.kept.Close()
	}
}

// keep starts the service again, with a reserve.
func (w *world) keep() {
	w.stop()
	w.reserve = filepath.Join(w.t.TempDir(), "reserve")
	w.start()
}

func (w *world) do(c Command) Receipt {
	w.t.Helper()
	r, err := w.s.Do(w.ctx, c)
	if err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
	return r
}

func (w *world) refused(c Command, rule string) {
	w.t.Helper()
	_, err := w.s.Do(w.ctx, c)
	if err == nil {
		w.t.Fatalf("%T went through", c)
	}
	if rule != "" && ruleOf(err) != rule {
		w.t.Fatalf("%T was refused by %q (%v), want %q", c, ruleOf(err), err, rule)
	}
}

func ruleOf(err error) string {
	if e, ok := err.(*curfew.Error); ok { //nolint:errorlint // the outermost one
		if e.Rule != "" {
			return e.Rule
		}
		return string(e.Code)
	}
	return ""
}

func (w *world) join(p, by curfew.Principal) {
	id := "k_" + string(p)
	w.do(IssueLink{curfew.SecretListed{ID: id, Principal: p, Until: time.Now().Add(time.Hour), By: by}})
	w.do(Join{Link: id, Passphrase: curfew.SecretListed{ID: string(p), Principal: p}})
}

func (w *world) apply(by curfew.Principal, c curfew.Config) {
	w.t.Helper()
	w.do(Propose{Change: w.s.Plan(c), Author: by})
}

// baseConfig has one database, two roles and a policy each way.
func baseConfig() curfew.Config {
	return curfew.Config{
		Settings: curfew.Settings{Settle: 10 * time.Minute},
		Groups:   map[curfew.GroupName][]curfew.Principal{"payments": {alice, dana}, curfew.Administrators: {root, ben}},
		Resources: map[curfew.ResourceName]curfew.Resource{
			"db": {Name: "db", Type: "postgres", Address: "db:5432", Login: "env:DB", Account: curfew.Leased},
		},
		Roles: map[curfew.RoleName]curfew.Role{
			"read":    {Name: "read", On: "db", May: []string{"read orders"}, Longest: 2 * time.Hour},
			"counted": {Name: "counted", On: "db", May: []string{"read orders"}, Longest: 2 * time.Hour},
			"write":   {Name: "write", On: "db", May: []string{"update orders"}, Longest: time.Hour},
		},
		Policies: map[curfew.PolicyName]curfew.Policy{
			"reading": {Name: "reading", Who: []curfew.Subject{{Group: "payments"}}, Roles: []curfew.RoleName{"read"},
				AnswerWithin: 30 * time.Minute, UseWithin: 8 * time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive},
			"counting": {Name: "counting", Who: []curfew.Subject{{Group: "payments"}}, Roles: []curfew.RoleName{"counted"}, Budget: curfew.Budget{Statements: 10},
				AnswerWithin: 30 * time.Minute, UseWithin: 8 * time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive},
			"writing": {Name: "writing", Who: []curfew.Subject{{Group: "payments"}}, Roles: []curfew.RoleName{"write"},
				Approvals:    []curfew.ApprovalNeed{{Count: 1, From: []curfew.Subject{{Group: "payments"}, {Principal: ben}}}},
				AnswerWithin: 30 * time.Minute, UseWithin: 8 * time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive},
		},
	}
}

func (w *world) ask(who curfew.Principal, role curfew.RoleName, d time.Duration) (curfew.RequestID, curfew.GrantID) {
	w.t.Helper()
	a := w.asking(who, role, d)
	w.do(a)
	return a.Request, a.Grant
}

func (w *world) asking(who curfew.Principal, role curfew.RoleName, d time.Duration) Ask {
	return Ask{
		Request: curfew.RequestID(curfew.NewID("rq")), Grant: curfew.GrantID(curfew.NewID("gr")),
		Question: Question{Principal: who, Role: role, Duration: d, Reason: "to mend it"},
	}
}

func (w *world) approving(by curfew.Principal, id curfew.RequestID) Approve {
	a := Approve{Request: id, By: by, Grant: curfew.GrantID(curfew.NewID("gr"))}
	w.s.View(func(st *State) {
		if r := st.Requests[id]; r != nil {
			a.Digest = r.Digest
		}
	})
	return a
}

func (w *world) grant(id curfew.GrantID) (g Grant) {
	w.s.View(func(st *State) {
		if x := st.Grants[id]; x != nil {
			g = *x
		}
	})
	return g
}

func (w *world) open(who curfew.Principal, id curfew.GrantID) (*Permit, error) {
	return w.s.OpenSession(w.ctx, OpenSession{
		Session:    curfew.SessionID(curfew.NewID("s")),
		Credential: Credential{ID: curfew.CredentialID(curfew.NewID("c")), Principal: who, Grant: id, Until: time.Now().Add(time.Minute), Once: true},
	})
}

// kinds lists the kinds of the events from a position on.
func (w *world) kinds(from uint64) (out []curfew.Kind) {
	events, _ := w.l.Read(w.ctx, from, 1000)
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

// lawful checks the laws over everything that was decided.
func (w *world) lawful() {
	w.t.Helper()
	laws := NewLaws()
	events, _ := w.l.Read(w.ctx, 1, 1<<20)
	for _, e := range events {
		if err := laws.Check(e); err != nil {
			w.t.Fatalf("event %d (%s %s): %v", e.Position, e.Kind, e.Body, err)
		}
	}
}
