package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// noon is when these tests happen.
func noon() time.Time { return time.Date(2026, 6, 2, 14, 2, 0, 0, time.UTC) }

func at(minutes int) time.Time { return noon().Add(time.Duration(minutes) * time.Minute) }

// handler answers a route: a value as JSON, with status 200.
type handler func(body []byte) (status int, answer any)

// fake is a gateway that answers what it is told, and remembers what it was asked.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	routes map[string]handler // guarded by mu
	calls  []call             // guarded by mu
}

type call struct {
	route string
	query string
	token string
	body  string
}

func gives(v any) handler { return func([]byte) (int, any) { return http.StatusOK, v } }

func faults(status int, code, detail string, fix ...client.Fix) handler {
	return func([]byte) (int, any) {
		return status, client.Fault{Code: code, Title: http.StatusText(status), Detail: detail, Status: status, Fix: fix, RequestID: "01JF8K2"}
	}
}

func newFake(t testing.TB) *fake {
	f := &fake{routes: world()}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) on(route string, h handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.routes[route] = h
}

func (f *fake) called(route string) (out []call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.route == route {
			out = append(out, c)
		}
	}
	return out
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	route := r.Method + " " + strings.TrimPrefix(r.URL.Path, client.Base)
	f.mu.Lock()
	f.calls = append(f.calls, call{route, r.URL.RawQuery, r.Header.Get("Authorization"), string(body)})
	h := f.routes[route]
	f.mu.Unlock()
	if h == nil {
		h = faults(http.StatusNotFound, "not_found", "there is no such thing")
	}
	status, answer := h(body)
	if text, ok := answer.(string); ok { // a stream, as it is
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func list[T any](items ...T) client.List[T] {
	if items == nil {
		items = []T{}
	}
	return client.List[T]{Items: items, Position: 41}
}

func endedGrant() client.Grant {
	g := aGrant()
	g.ID, g.Status, g.Sessions, g.Cause, g.CauseText, g.EndedAt, g.Verified = "gr_8R3", "verified", 0, "returned", "it was given back", at(18), at(18)
	g.Used = client.Used{Sessions: 1, Statements: 14, Rows: 38, Refused: 1}
	g.Receipt = "Used 18 min of 45 min, 1 session, 14 statements, 38 rows, 1 refused. Seen to be gone at the target 0.3 s after the end."
	return g
}

func aGrant() client.Grant {
	return client.Grant{
		ID: "gr_7Q2", Request: "rq_1", Principal: "p_alice", Who: "Alice Moreau", Role: "orders/refund-fixer", Resource: "orders-db", Policy: "fix-refunds",
		Workflow: "INC-1423", Status: "active", For: "45m0s", Approved: at(0), By: []string{"Dana Roux"}, Start: at(0), End: at(45),
		Bound: "45 min asked, 2 h allowed by role", Tested: true, Sessions: 1, Position: 41,
	}
}

func aRequest(status string) client.Request {
	r := client.Request{
		ID: "rq_1", Status: status, Principal: "p_alice", Who: "Alice Moreau", Role: "orders/refund-fixer", Resource: "orders-db",
		Title: "Alice Moreau may change refunds (status, note) on orders-db for 45 min.", Effect: "change refunds (status, note)", Dangers: []string{"no deletes"},
		Risk: "high", Takes: []string{"one other person in payments approves"}, Recorded: "Everything is recorded.", Open: []client.Span{{From: at(-300), To: at(240)}},
		For: "45m0s", Reason: "refunds stuck in pending", Workflow: "INC-1423", Policy: "fix-refunds", Sentence: "Anyone in payments may have orders/refund-fixer.",
		Asked: at(-3), Lapses: at(27), Checks: []string{"incident INC-1423 is open"}, Waiting: []string{"Dana Roux", "Ben Okafor"}, MayDecide: true,
		Digest: "a1b2c3", Account: "leased", Position: 41,
	}
	switch status {
	case "approved":
		r.Grant, r.Waiting = "gr_7Q2", nil
		r.Votes = []client.Vote{{By: "Dana Roux", At: at(-1), For: "45m0s"}}
	case "denied":
		r.DecidedBy, r.Answer, r.Waiting = "Dana Roux", "wrong cluster", nil
	}
	return r
}

func aStatement() client.Held {
	return client.Held{
		ID: "st_1", Status: "waiting", Principal: "p_alice", Who: "Alice Moreau", Role: "orders/refund-fixer", Resource: "orders-db", Session: "s_1", Grant: "gr_7Q2",
		Classes: []string{"delete-without-where"}, Effects: []string{"delete rows without a condition"}, Text: "delete from refunds\nusing orders -- all of them",
		Values: []client.Value{{Text: "42"}, {Null: true}, {Binary: true, Text: "00ff"}}, Open: true, Asked: at(-2), Lapses: at(8), Waiting: []string{"Dana Roux", "Ben Okafor"},
		MayDecide: true, Digest: "d1e2f3", Position: 41,
	}
}

func aSession() client.Session {
	return client.Session{
		ID: "s_1", Grant: "gr_7Q2", Principal: "p_alice", Who: "Alice Moreau", Role: "orders/refund-fixer", Resource: "orders-db", Client: "10.0.0.7",
		Program: "psql", Opened: at(1), Live: true, Statements: 3, Refused: 1, Rows: 12, Bytes: 400, Viewed: []string{"Tom Okafor"}, MayCut: true,
	}
}

func aPlan(status string) client.Plan {
	return client.Plan{
		ID: "plan_0011223344556677", Lines: []string{"+ policy fix-refunds   new"}, Gains: []string{"payments can ask for orders/refund-fixer"},
		Gainers: []string{"Alice Moreau"}, Status: status, Author: "Tom Okafor", At: at(-9), MayAgree: true, Position: 42,
	}
}

func aCredential() client.Credential {
	return client.Credential{
		Engine: "postgres", Host: "127.0.0.1", Port: 6432, Database: "orders-db", User: "c_PUBLIC", Password: "s3cr:et\\canary", Until: at(1), Once: true, TLS: "plain",
	}
}

// endedSession is a session that is over, and its recording with it.
func endedSession(id string) client.Session {
	s := aSession()
	s.ID, s.Live, s.Ended, s.Cause, s.CauseText, s.Terminated, s.MayCut = id, false, at(18), "closed", "the client closed the connection", true, false
	return s
}

func removedSession() client.Session {
	s := endedSession("s_2")
	s.Removed, s.RemovedWhy = at(60*24*90), "the retention of 90 days"
	return s
}

func heldSession() client.Session {
	s := endedSession("s_3")
	s.KeptUntil = at(60 * 24 * 90)
	s.Held = []client.Hold{{By: "Tom Okafor", At: at(20), Why: "inquiry 7"}}
	return s
}

func theHits() client.Hits {
	it := client.Item{At: at(3), Kind: "statement", Ref: 1, Text: "select * from refunds where status = 'pending'"}
	return client.Hits{
		Items: []client.Hit{
			{Session: endedSession("s_2"), Items: []client.Found{{Item: it, Number: 1}, {Item: it, Number: 7, Cut: true}}, More: true},
			{Session: aSession(), Items: []client.Found{}, Partial: true},
			{Session: endedSession("s_3"), Items: []client.Found{}, Fault: "its recording is not what was written, or cannot be read"},
		},
		Looked: 14, Removed: 1, Position: 41, Next: "23",
	}
}

const items = `{"at":"2026-06-02T14:03:00Z","kind":"opened","text":"psql"}
{"at":"2026-06-02T14:03:01Z","kind":"statement","ref":1,"text":"select *\nfrom orders where id = $1","values":[{"text":"42"}]}
{"at":"2026-06-02T14:03:01Z","kind":"outcome","ref":1,"tag":"SELECT 1","rows":1,"bytes":40,"took_ms":1.5}
{"at":"2026-06-02T14:03:09Z","kind":"refused","ref":2,"text":"drop table orders","error":"DROP is not in orders/refund-fixer"}
`

// world is a gateway on an ordinary afternoon.
func world() map[string]handler {
	me := client.Me{
		Person:     client.Person{ID: "p_alice", Name: "Alice Moreau", Email: "alice@acme.io", Groups: []string{"payments"}, Enabled: true, Joined: true},
		Deployment: "acme", Admin: true, Until: at(238), Now: noon(), Position: 41,
	}
	offers := list(
		client.Offer{Role: "orders/read", Resource: "orders-db", Effect: "read orders", Longest: "2h0m0s", Workflow: "INC-1423"},
		client.Offer{Role: "orders/refund-fixer", Resource: "orders-db", Effect: "change refunds", Longest: "2h0m0s", Approvals: []string{"one other person in payments"}},
		client.Offer{Role: "web/shell", Resource: "web-1", Effect: "log in", Longest: "1h0m0s"},
		client.Offer{Role: "web/shell", Resource: "web-2", Effect: "log in", Longest: "1h0m0s"},
	)
	entry := client.Entry{
		Position: 41, At: at(-1), Kind: "grant.activated", Text: "Alice Moreau: grant activated orders/refund-fixer on orders-db", Who: "Alice Moreau",
		Resource: "orders-db", Grant: "gr_7Q2", Body: map[string]any{"grant": "gr_7Q2"},
	}
	done := gives(client.Done{Written: true, Position: 43})
	return map[string]handler{
		"POST /sign-in": gives(client.SignedIn{Token: "cft.new", Me: me}), "POST /sign-out": gives(struct{}{}), "POST /sign-out-everywhere": done,
		"POST /passphrase": gives(struct{}{}), "GET /me": gives(me), "GET /passkeys": gives(list(client.Passkey{ID: "AQIDBAUGBwg", Origin: "https://curfew.acme.io", Added: at(-60)})), "GET /find": gives(offers),
		"GET /requests": gives(list(aRequest("pending"))), "POST /requests": gives(aRequest("pending")), "GET /requests/rq_1": gives(aRequest("approved")),
		"POST /requests/rq_1/approve": gives(aRequest("approved")), "POST /requests/rq_1/deny": gives(aRequest("denied")), "POST /requests/rq_1/withdraw": gives(aRequest("withdrawn")),
		"GET /grants": gives(list(aGrant())), "GET /grants/gr_7Q2": gives(aGrant()), "GET /grants/gr_8R3": gives(endedGrant()), "POST /grants/gr_7Q2/extend": gives(aRequest("pending")),
		"POST /grants/gr_7Q2/return": done, "POST /grants/gr_7Q2/revoke": done, "POST /grants/gr_7Q2/shorten": done,
		"POST /grants/gr_7Q2/credential": gives(aCredential()),
		"GET /statements":                gives(list(aStatement())), "GET /statements/st_1": gives(aStatement()), "POST /statements/st_1/release": done, "POST /statements/st_1/refuse": done,
		"GET /sessions": gives(list(aSession())), "GET /sessions/s_1": gives(aSession()), "POST /sessions/s_1/cut": done,
		"GET /sessions/s_2": gives(removedSession()), "GET /sessions/s_3": gives(heldSession()), "GET /sessions/search": gives(theHits()),
		"GET /sessions/s_1/export": gives("{\"evidence\":{}}\n"), "POST /sessions/s_1/hold": done, "POST /sessions/s_1/release": done,
		"GET /retention":               gives(client.Retention{Recordings: "2160h0m0s", Sentence: "Recordings are removed 90 days after their session's end, unless somebody holds them."}),
		"GET /sessions/s_1/transcript": gives(items),
		"GET /sessions/s_1/watch":      gives("id: 1\nevent: item\ndata: " + strings.Split(items, "\n")[1] + "\n\nid: 2\nevent: end\ndata: {}\n\n"),
		"GET /audit":                   gives(list(entry)), "GET /ledger/head": gives(client.Head{Size: 41, Time: at(0), Note: "acme\n41\nroot\n\n— acme sig\n"}),
		"GET /ledger/export": gives("curfew ledger export 1\n"),
		"GET /config":        gives(aConfiguration("curfew.yaml")), "GET /plans": gives(list(aPlan("waiting"))), "POST /plans/plan_0011223344556677/agree": done, "POST /plans/plan_0011223344556677/drop": done,
		"POST /config/validate": gives(client.Plan{Status: "planned", Lines: []string{}}), "POST /config/plan": gives(aPlan("planned")), "POST /config/apply": gives(aPlan("applied")),
		"GET /policies":            gives(list(client.Policy{Name: "fix-refunds", Sentence: "Anyone in payments may have orders/refund-fixer.", Roles: []string{"orders/refund-fixer"}})),
		"GET /why":                 gives(client.Answer{Person: me.Person, Role: "orders/admin", At: noon(), Text: "No. Alice Moreau can't ask for orders/admin.\n  policy dba   needs group dba", Position: 41}),
		"GET /reach":               gives(client.Reachable{Person: me.Person, At: noon(), Paths: []client.Path{{Resource: "orders-db", Person: me.Person, Role: "orders/refund-fixer", Effect: "change refunds", How: "may ask", Policy: "fix-refunds", Why: "one approval"}}}),
		"GET /requests/rq_1/facts": gives(client.Facts{Person: "payments", Usual: "18m0s", Facts: []client.Fact{{Text: "Alice had this role here 4 times in 90 days"}, {Text: "Alice holds 1 other live grant now", Warn: true}}}),
		"GET /who-can":             gives(client.Reach{Resource: "orders-db", At: noon(), Paths: []client.Path{{Person: me.Person, Role: "orders/refund-fixer", Effect: "change refunds", How: "active", Policy: "fix-refunds", Grant: "gr_7Q2", Until: at(45), Why: "INC-1423"}}}),
		"GET /workflows":           gives(list(client.Workflow{ID: "INC-1423", Kind: "incident", Title: "refunds stuck", Assignee: "Alice Moreau", Opened: at(-30)})),
		"POST /workflows":          gives(client.Workflow{ID: "INC-1423", Kind: "incident", Title: "refunds stuck", Opened: at(0)}), "POST /workflows/INC-1423/close": done,
		"GET /people":         gives(list(me.Person)),
		"POST /people/invite": gives(client.Invited{Person: me.Person, Link: "cfl.k_1.secret", Until: at(1440)}), "POST /people/p_alice/disable": done,
		"GET /resources/orders-db/setup": gives(client.Setup{Resource: "orders-db", Lines: []string{"-- Run it as a superuser.", "BEGIN;", "  SELECT 1;", "COMMIT;"}}),
		"GET /doctor":                    gives(list(client.Finding{What: "clock", OK: true, Text: "within 1 s"})), "POST /clock/confirm": done,
	}
}

// person is somebody at a terminal.
type person struct{ secrets []string }

func (p *person) Interactive() bool { return p != nil }

func (p *person) ReadSecret(context.Context, string) (string, error) {
	if len(p.secrets) == 0 {
		return "", io.EOF
	}
	s := p.secrets[0]
	p.secrets = p.secrets[1:]
	return s, nil
}

// shell runs commands against a gateway.
type shell struct {
	t      testing.TB
	env    map[string]string
	person *person
	verify func(context.Context, VerifyArgs) error
}

func newShell(t testing.TB, f *fake) *shell {
	return &shell{t: t, env: map[string]string{"CURFEW_SERVER": f.URL, "CURFEW_TOKEN": "cft.alice", "CURFEW_CONFIG_DIR": t.TempDir()}}
}

// run runs a command and returns its code, standard output and standard error.
func (s *shell) run(stdin string, args ...string) (int, string, string) {
	s.t.Helper()
	return s.runIn(s.t.Context(), stdin, args...)
}

func (s *shell) runIn(ctx context.Context, stdin string, args ...string) (int, string, string) {
	var out, errs bytes.Buffer
	p := Parts{
		Version: "1.2.3", Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Now: noon, Env: func(k string) string { return s.env[k] },
		Terminal: s.person, Verify: s.verify, Up: func(context.Context, []string) error { return nil },
	}
	code := run(ctx, p, args)
	return code, out.String(), errs.String()
}

func (s *shell) must(stdin string, args ...string) string {
	s.t.Helper()
	code, out, errs := s.run(stdin, args...)
	if code != 0 {
		s.t.Fatalf("curfew %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func has(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}

func hasNot(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if strings.Contains(text, w) {
			t.Errorf("%q in\n%s", w, text)
		}
	}
}
