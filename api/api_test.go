package api

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/engine/postgres"
	"github.com/curfewhq/curfew/history"
	historydb "github.com/curfewhq/curfew/history/sqlite"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/ledger"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/record/local"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/session"
	"github.com/curfewhq/curfew/shelf"
	shelfmem "github.com/curfewhq/curfew/shelf/mem"
)

// office is a server in this process with the people of every story.
type office struct {
	t      *testing.T
	server *Server
	access *access.Service
	id     *identity.Service
	who    map[string]curfew.Principal
	token  map[string]string
	cookie map[string]string
	by     string          // how everybody calls: "" by a token, "browser", "code"
	over   map[string]bool // things that a call has ended
	record *local.Store
	folder string // of the recordings
	signer ledger.Signer
	ledger ledger.Store
	grants int // given by record, to tell them apart
}

func newOffice(t *testing.T) *office {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	_, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	l := ledgermem.New(ledger.NewSigner("office", key))
	must(t, ledger.Begin(ctx, l, ledger.NewSigner("office", key), time.Now()))
	ring := seal.NewRing(seal.NewKey())
	a, err := access.Open(ctx, access.Parts{Ledger: l})
	must(t, err)
	h, err := historydb.Open("")
	must(t, err)
	folder := t.TempDir()
	pg := postgres.New()
	rec, err := local.Open(local.Parts{Folder: folder, Ring: ring, Shape: func(record.Header) func(record.Item) record.Item { return pg.Shape }})
	must(t, err)
	rows := shelf.New(&shelfmem.Rows{}, ring)
	id := identity.New(identity.Parts{Access: a, Shelf: rows, Ring: ring})
	id.At(console)
	id.HashQuickly()
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	wg.Go(func() { _ = history.Follow(ctx, l, h, discard()) })
	wg.Go(func() { _ = rec.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); _ = h.Close() })
	o := &office{t: t, record: rec, folder: folder, signer: ledger.NewSigner("office", key), ledger: l, access: a, id: id, who: map[string]curfew.Principal{}, token: map[string]string{}, cookie: map[string]string{}, over: map[string]bool{}}
	o.server = New(Parts{
		Access: a, Identity: id, History: h, Record: rec, Shelf: rows, Engines: map[curfew.EngineType]engine.Engine{"postgres": pg},
		Doors: map[curfew.EngineType]Door{"postgres": {Host: "127.0.0.1", Port: 7432}, "ssh": {Host: "127.0.0.1", Port: 7022, CA: "ssh-ed25519 AAAA"}}, Hosts: []string{"curfew.test"}, Console: console,
		Doctor: func(context.Context, curfew.Principal) []client.Finding {
			return []client.Finding{{What: "all", OK: true}}
		},
		Setup: func(_ context.Context, name curfew.ResourceName) (string, error) {
			return "-- for " + string(name), nil
		},
		Held: func(id curfew.StatementID) (session.Held, bool) {
			return session.Held{Statement: id, Text: "DROP TABLE canary", Values: []record.Value{{Text: "canary-value"}}}, id == aliceStatement
		},
		Export: func(ctx context.Context, w io.Writer) error { return ledger.Export(ctx, w, l) },
		Verify: func(ctx context.Context) (ledger.Report, error) {
			return ledger.Verify(ctx, ledger.Live(l), access.Checks())
		},
	})
	o.people(ctx)
	o.configure(ctx)
	must(t, o.session(ctx, rec))
	history.Reach(ctx, h, o.size(), time.Minute)
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const console = "http://curfew.test"

const phrase = "correct horse battery"

func (o *office) people(ctx context.Context) {
	var by curfew.Principal
	for _, name := range []string{"root", "alice", "dana", "tom", "mallory", "otto"} {
		who, err := o.id.AddPerson(ctx, strings.ToUpper(name), name+"@acme.io", by)
		must(o.t, err)
		if by == "" {
			by = who
		}
		o.who[name] = who
		inviter := by
		if name == "root" {
			inviter = ""
		}
		link, err := o.id.IssueLink(ctx, who, inviter, time.Hour)
		must(o.t, err)
		_, err = o.id.Join(ctx, link, phrase)
		must(o.t, err)
		o.signIn(ctx, name)
	}
}

// signIn gives somebody what they call with.
func (o *office) signIn(ctx context.Context, name string) {
	var err error
	if o.by == "code" {
		o.token[name], _, err = o.id.IssueAskingToken(ctx, o.who[name], identity.From{Device: "test"})
	} else {
		o.token[name], _, err = o.id.IssueToken(ctx, o.who[name], "test")
	}
	must(o.t, err)
	o.cookie[name], _, err = o.id.IssueBrowser(ctx, o.who[name], identity.From{Device: "test"})
	must(o.t, err)
}

func (o *office) configure(ctx context.Context) {
	c := curfew.Config{
		Settings: curfew.Settings{Settle: time.Second},
		Groups: map[curfew.GroupName][]curfew.Principal{
			"payments": {o.who["alice"], o.who["dana"]}, curfew.Auditors: {o.who["tom"]}, curfew.Administrators: {o.who["root"], o.who["otto"]},
		},
		Resources: map[curfew.ResourceName]curfew.Resource{"db": {Name: "db", Type: "postgres", Address: "db:5432", Login: "env:DB", Account: curfew.Fixed}},
		Roles: map[curfew.RoleName]curfew.Role{
			"read":  {Name: "read", On: "db", May: []string{"read orders"}, Longest: time.Hour},
			"write": {Name: "write", On: "db", May: []string{"update orders"}, Longest: time.Hour},
		},
		Policies: map[curfew.PolicyName]curfew.Policy{
			"reading": {Name: "reading", Who: []curfew.Subject{{Group: "payments"}}, Roles: []curfew.RoleName{"read"}, AnswerWithin: time.Hour, UseWithin: time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive,
				Release: curfew.Release{Statements: []curfew.StatementClass{curfew.ClassDrop}, By: curfew.ApprovalNeed{Count: 1, From: []curfew.Subject{{Group: "payments"}}}, Within: time.Hour}},
			"writing": {Name: "writing", Who: []curfew.Subject{{Group: "payments"}}, Roles: []curfew.RoleName{"write"}, AnswerWithin: time.Hour, UseWithin: time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive,
				Approvals: []curfew.ApprovalNeed{{Count: 1, From: []curfew.Subject{{Group: "payments"}}}}},
		},
	}
	_, err := o.access.Do(ctx, access.Propose{Change: o.access.Plan(c), Author: o.who["root"]})
	must(o.t, err)
	c.Groups["payments"] = append(c.Groups["payments"], o.who["root"]) // waits for a second person
	_, err = o.access.Do(ctx, access.Propose{Change: o.access.Plan(c), Author: o.who["root"]})
	must(o.t, err)
	_, err = o.access.Do(ctx, access.OpenWorkflow{ID: "INC-1", Kind: curfew.Incident, By: o.who["dana"]})
	must(o.t, err)
}

// Identifiers of Alice's things, and of a plan of root's.
const (
	aliceRequest   = "rq_0000000000000000"
	aliceGrant     = "gr_0000000000000000"
	aliceSession   = "s_0000000000000000"
	aliceStatement = "st_0000000000000000" // of it
)

// session gives Alice a pending request, a live grant, and a session with a recording.
func (o *office) session(ctx context.Context, rec record.Store) error {
	ask := func(id, g string, role curfew.RoleName) error {
		reason := "to mend it \x1b]0;pwned\a \u202e"
		sealed, err := o.id.Seal(ctx, o.who["alice"], reason)
		if err != nil {
			return err
		}
		_, err = o.access.Do(ctx, access.Ask{Request: curfew.RequestID(id), Grant: curfew.GrantID(g), Sealed: sealed,
			Question: access.Question{Principal: o.who["alice"], Role: role, Duration: time.Hour, Reason: reason}})
		return err
	}
	if err := ask(aliceRequest, "gr_1111111111111111", "write"); err != nil {
		return err
	}
	if err := ask("rq_1111111111111111", aliceGrant, "read"); err != nil {
		return err
	}
	if _, err := o.access.Do(ctx, access.Start{Grant: aliceGrant}); err != nil {
		return err
	}
	if _, err := o.access.OpenSession(ctx, access.OpenSession{Session: aliceSession, Client: "127.0.0.1:1",
		Credential: access.Credential{ID: "c_1", Principal: o.who["alice"], Grant: aliceGrant, Until: time.Now().Add(time.Minute)}}); err != nil {
		return err
	}
	if _, err := o.access.Do(ctx, access.Hold{Statement: aliceStatement, Session: aliceSession, Classes: []curfew.StatementClass{curfew.ClassDrop}, Digest: []byte{1, 2, 3}}); err != nil {
		return err
	}
	w, err := rec.Create(record.Header{Session: aliceSession, Mode: curfew.RecordFirst})
	if err != nil {
		return err
	}
	if err := w.Write(record.Item{Kind: record.Statement, Ref: 1, Text: "SELECT * FROM orders WHERE card = '4111-canary'", Values: []record.Value{{Text: "canary"}}}); err != nil {
		return err
	}
	return w.Close(record.Item{Kind: record.Closed})
}

type reply struct {
	status int
	code   string
	text   string
	header http.Header
}

// through reports whether the caller was let through to the thing itself.
func (r reply) through() bool {
	return r.status != http.StatusUnauthorized && r.status != http.StatusNotFound &&
		(r.status != http.StatusForbidden || r.code == string(curfew.NeedsSignIn))
}

func (o *office) call(as, method, path, body string) reply {
	o.t.Helper()
	bound := 30 * time.Second
	if strings.HasSuffix(path, "/events") || strings.HasSuffix(path, "/feed") || strings.HasSuffix(path, "/screen") || strings.HasSuffix(path, "/watch") { // streams that nobody ends
		bound = 500 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, method, "http://curfew.test"+path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case as == "stranger":
	case o.by == "browser":
		in, err := o.id.Browser(ctx, o.cookie[as])
		must(o.t, err)
		req.Header.Set("Cookie", Cookie+"="+o.cookie[as])
		req.Header.Set("Origin", console)
		req.Header.Set(CSRFHeader, in.CSRF)
	default:
		req.Header.Set("Authorization", "Bearer "+o.token[as])
	}
	return o.send(req)
}

func (o *office) send(req *http.Request) reply {
	o.t.Helper()
	rec := httptest.NewRecorder()
	o.server.ServeHTTP(rec, req)
	r := reply{status: rec.Code, text: rec.Body.String(), header: rec.Header()}
	var f client.Fault
	if json.Unmarshal(rec.Body.Bytes(), &f) == nil {
		r.code = f.Code
	}
	return r
}

func (o *office) plan() (id string) {
	o.access.View(func(st *access.State) {
		for p := range st.Plans {
			id = string(p)
		}
	})
	return id
}

// matrix says of every route who gets through to it, for things that are Alice's
// (or, of plans, root's). A route that is not here fails the test.
func matrix() map[string]struct{ body, who string } {
	all := "alice dana tom mallory otto root"
	return map[string]struct{ body, who string }{
		"POST /api/v1/device": {`{}`, "stranger " + all}, "POST /api/v1/device/token": {`{"secret":"x"}`, ""}, // there is no client with it
		"GET /healthz": {"", "stranger " + all}, "GET /api/v1/sign-ins": {"", all}, "POST /api/v1/sign-ins/{id}/sign-out": {"", ""}, // of somebody else's: there is none
		"POST /api/v1/sign-in":                 {`{"email":"a@b.c","passphrase":"wrong wrong wrong"}`, ""},
		"GET /api/v1/me":                       {"", all},
		"GET /api/v1/requests":                 {"", all},
		"POST /api/v1/requests":                {`{"role":"read","for":"0s","reason":"x"}`, all},
		"GET /api/v1/requests/{id}":            {"", "alice dana tom otto root"},
		"POST /api/v1/requests/{id}/approve":   {`{"digest":"00"}`, "alice dana tom otto root"}, // to the passphrase; access decides who may
		"POST /api/v1/requests/{id}/deny":      {`{}`, "alice dana tom otto root"},
		"GET /api/v1/requests/{id}/facts":      {"", "alice dana tom otto root"},
		"GET /api/v1/grants":                   {"", all},
		"GET /api/v1/grants/{id}":              {"", "alice tom otto root"},
		"POST /api/v1/grants/{id}/extend":      {`{"for":"0s","reason":"x"}`, "alice"},
		"POST /api/v1/grants/{id}/credential":  {`{}`, "alice"},
		"POST /api/v1/credentials":             {`{"role":"read","resource":"db","for":"0s","reason":"x"}`, all}, // access decides who may
		"POST /api/v1/grants/{id}/shorten":     {`{"for":"50m"}`, "alice otto root"},
		"GET /api/v1/statements":               {"", all},
		"GET /api/v1/statements/{id}":          {"", "alice dana tom otto root"},
		"POST /api/v1/statements/{id}/release": {`{"digest":"00"}`, "alice dana tom otto root"}, // to the passphrase; access decides who may
		"POST /api/v1/statements/{id}/refuse":  {`{}`, "alice dana tom otto root"},
		"GET /api/v1/sessions":                 {"", all},
		"GET /api/v1/sessions/{id}":            {"", "alice tom otto root"},
		"GET /api/v1/sessions/{id}/transcript": {"", "alice tom otto root"},
		"GET /api/v1/sessions/{id}/watch":      {"", "alice tom otto root"},
		"GET /api/v1/sessions/{id}/screen":     {"", "alice"}, // the others could not have the role
		"POST /api/v1/sessions/{id}/cut":       {`{}`, "alice otto root"},
		"GET /api/v1/sessions/{id}/export":     {"", "alice tom otto root"},
		"GET /api/v1/sessions/search":          {"?words=orders", all},
		"POST /api/v1/sessions/{id}/hold":      {`{"reason":"x"}`, "tom otto root"}, // to the passphrase; access decides who may
		"POST /api/v1/sessions/{id}/release":   {`{"reason":"x"}`, "tom otto root"},
		"GET /api/v1/retention":                {"", all},
		"POST /api/v1/config/validate":         {`{"files":[]}`, all},
		"POST /api/v1/config/plan":             {`{"files":[]}`, "otto root"},
		"POST /api/v1/config/apply":            {`{"files":[{"name":"x","text":"curfew: v2"}]}`, "otto root"},
		"GET /api/v1/plans":                    {"", "otto root"},
		"GET /api/v1/config":                   {"", "otto root"},
		"GET /api/v1/config/schema":            {"", all},
		"POST /api/v1/plans/{id}/agree":        {`{}`, "otto root"},
		"GET /api/v1/policies":                 {"", all},
		"GET /api/v1/people":                   {"", all},
		"POST /api/v1/people/invite":           {`{"email":"x@acme.io"}`, "otto root"},
		"POST /api/v1/passphrase":              {`{"old":"","new":""}`, all},
		"GET /api/v1/find":                     {"", all},
		"GET /api/v1/why":                      {"?role=read", all},
		"GET /api/v1/who-can":                  {"?resource=db", all},
		"GET /api/v1/workflows":                {"", all},
		"GET /api/v1/feed":                     {"", all}, // what it says is each caller's own
		"GET /api/v1/resources":                {"", all},
		"GET /api/v1/roles":                    {"", all},
		"GET /api/v1/reach":                    {"?person=alice", "alice tom otto root"},
		"GET /api/v1/peek":                     {"?session=" + aliceSession, "alice tom otto root"},
		"GET /api/v1/insights":                 {"", "tom otto root"},
		"POST /api/v1/workflows":               {`{"id":"INC 2","kind":"incident"}`, all},
		"POST /api/v1/workflows/{id}/close":    {"", "dana otto root"},
		"GET /api/v1/audit":                    {"", "tom otto root"},
		"GET /api/v1/events":                   {"", "tom otto root"},
		"GET /api/v1/ledger/head":              {"", "tom otto root"},
		"GET /api/v1/ledger/check":             {"", "tom otto root"},
		"GET /api/v1/ledger/export":            {"", "tom otto root"},
		"GET /api/v1/doctor":                   {"", "otto root"},
		"GET /api/v1/resources/{name}/setup":   {"", "otto root"},
		"POST /api/v1/restore/confirm":         {`{}`, "otto root"},
		"POST /api/v1/clock/confirm":           {`{}`, "otto root"},
		"POST /api/v1/requests/{id}/withdraw":  {"", "alice"},
		"POST /api/v1/grants/{id}/return":      {"", "alice"},
		"POST /api/v1/grants/{id}/revoke":      {`{}`, "alice otto root"},
		"POST /api/v1/plans/{id}/drop":         {`{}`, "otto root"},
		"POST /api/v1/people/{id}/disable":     {"", "otto root"},
		"POST /api/v1/ssh-certificate":         {`{"public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZjn7zGYdJ0o8MFX7+dvMIQbSDTsyTcCUV1bOEV3eoT"}`, all},
		"GET /api/v1/passkeys":                 {"", all},
		"POST /api/v1/passkeys/make":           {`{}`, all}, // to the passphrase
		"POST /api/v1/passkeys":                {`{"ticket":"x","client_data":"AA==","attestation":"AA=="}`, all},
		"POST /api/v1/passkeys/{id}/remove":    {"", ""}, // of somebody else's: there is none
		"POST /api/v1/touches":                 {`{"path":"/requests/` + aliceRequest + `/approve","body":{"digest":"00"}}`, "alice dana tom otto root"},
		"GET /api/v1/touches/{id}":             {"", ""}, // of somebody else's: there is none
		"POST /api/v1/touches/{id}/challenge":  {"", ""},
		"POST /api/v1/touches/{id}/touch":      {`{"passkey":"AA==","client_data":"AA==","authenticator":"AA==","signature":"AA=="}`, ""},
		"POST /api/v1/touches/{id}/drop":       {"", ""},
		"POST /api/v1/sign-out":                {"", all},
		"POST /api/v1/sign-out-everywhere":     {"", all},
	}
}

// last are routes after which the things are no longer what they were.
func last() []string {
	return []string{
		"POST /api/v1/workflows/{id}/close", "POST /api/v1/requests/{id}/withdraw", "POST /api/v1/sessions/{id}/cut", "POST /api/v1/grants/{id}/return",
		"POST /api/v1/grants/{id}/revoke", "POST /api/v1/plans/{id}/drop", "POST /api/v1/sign-out", "POST /api/v1/sign-out-everywhere", "POST /api/v1/people/{id}/disable",
	}
}

func TestEveryRouteForEveryCaller(t *testing.T) { everyRoute(newOffice(t)) }

// A browser may do what its owner's token may, and no more.
func TestEveryRouteForEveryBrowser(t *testing.T) {
	o := newOffice(t)
	o.by = "browser"
	everyRoute(o)
}

// A sign-in from a code asks, and does nothing else (THREATS 8).
func TestEveryRouteForEverySignInFromACode(t *testing.T) {
	o := newOffice(t)
	o.by = "code"
	for name := range o.who {
		o.signIn(t.Context(), name)
	}
	everyRoute(o)
}

func everyRoute(o *office) {
	t := o.t
	table := matrix()
	var routes []string
	for _, r := range o.server.Routes() {
		routes = append(routes, r.Method+" "+r.Path)
	}
	for route := range table {
		if !slices.Contains(routes, route) {
			t.Errorf("the matrix speaks of %s, which there is not", route)
		}
	}
	slices.SortStableFunc(routes, func(a, b string) int { return slices.Index(last(), a) - slices.Index(last(), b) })
	for _, route := range routes {
		row, ok := table[route]
		if !ok {
			t.Errorf("the route %s is not in the matrix: say who may use it", route)
			continue
		}
		o.row(route, row.body, row.who)
	}
}

func (o *office) row(route, body, who string) {
	method, path, _ := strings.Cut(route, " ")
	switch {
	case strings.Contains(path, "/requests/"):
		path = strings.Replace(path, "{id}", aliceRequest, 1)
	case strings.Contains(path, "/statements/"):
		path = strings.Replace(path, "{id}", aliceStatement, 1)
	case strings.Contains(path, "/grants/"):
		path = strings.Replace(path, "{id}", aliceGrant, 1)
	case strings.Contains(path, "/sessions/"):
		path = strings.Replace(path, "{id}", aliceSession, 1)
	case strings.Contains(path, "/plans/"):
		path = strings.Replace(path, "{id}", o.plan(), 1)
	case strings.Contains(path, "/workflows/"):
		path = strings.Replace(path, "{id}", "INC-1", 1)
	case strings.Contains(path, "/people/"):
		path = strings.Replace(path, "{id}", string(o.who["mallory"]), 1)
	case strings.Contains(path, "/sign-ins/"):
		path = strings.Replace(path, "{id}", "t_0000000000000000", 1)
	case strings.Contains(path, "/resources/"):
		path = strings.Replace(path, "{name}", "db", 1)
	}
	if strings.HasPrefix(body, "?") {
		path, body = path+body, ""
	}
	allowed := strings.Fields(who)
	if method, path, _ := strings.Cut(route, " "); o.by == "code" && !asking[method+" "+strings.TrimPrefix(path, client.Base)] {
		allowed = slices.DeleteFunc(allowed, func(string) bool { return !slices.Contains(allowed, "stranger") })
	}
	if method, path, _ := strings.Cut(route, " "); o.by != "browser" && browsing[method+" "+strings.TrimPrefix(path, client.Base)] {
		allowed = nil
	}
	callers := []string{"stranger", "mallory", "tom", "dana", "alice", "otto", "root"}
	// Those who are refused come first: whoever gets through may change the thing.
	slices.SortStableFunc(callers, func(a, b string) int {
		return bit(slices.Contains(allowed, a)) - bit(slices.Contains(allowed, b))
	})
	thing := strings.Join(strings.SplitN(path, "/", 6)[:min(5, strings.Count(path, "/")+1)], "/")
	for _, caller := range callers {
		if (strings.Contains(path, "sign-out") || strings.HasSuffix(path, "/disable")) && caller != "stranger" {
			o.signIn(context.Background(), caller)
		}
		r := o.call(caller, method, path, body)
		may := slices.Contains(allowed, caller)
		if may && o.over[thing] && r.status == http.StatusNotFound {
			continue // somebody before has ended it
		}
		if !may && (r.status == http.StatusGone && strings.HasSuffix(path, "/credential") || r.status == http.StatusTooManyRequests) {
			continue // of a grant of somebody else nothing is said but that one has none
		}
		if r.through() != may {
			o.t.Errorf("%s as %s: %d %s (%s), through should be %v", route, caller, r.status, r.code, strings.TrimSpace(r.text), may)
		}
		o.over[thing] = o.over[thing] || r.status == http.StatusOK && slices.Contains(last(), route)
		if r.status == http.StatusInternalServerError {
			o.t.Errorf("%s as %s: %s", route, caller, r.text)
		}
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestATokenDecidesNothing(t *testing.T) {
	o := newOffice(t)
	digest := ""
	o.access.View(func(st *access.State) { digest = hex.EncodeToString(st.Requests[aliceRequest].Digest) })
	body := `{"digest":"` + digest + `"}`
	for _, route := range []string{"/requests/" + aliceRequest + "/approve", "/requests/" + aliceRequest + "/deny"} {
		if r := o.call("dana", "POST", "/api/v1"+route, body); r.status != http.StatusForbidden || r.code != string(curfew.NeedsSignIn) {
			t.Errorf("%s with a token alone: %d %s", route, r.status, r.code)
		}
	}
	if r := o.call("dana", "POST", "/api/v1/requests/"+aliceRequest+"/approve", `{"digest":"`+digest+`","passphrase":"`+phrase+`"}`); r.status != http.StatusOK {
		t.Errorf("with the passphrase: %d %s", r.status, r.text)
	}
	wrong := `{"digest":"` + digest + `","passphrase":"wrong horse battery"}`
	for i := range 6 {
		r := o.call("dana", "POST", "/api/v1/requests/"+aliceRequest+"/approve", wrong)
		if i == 5 && r.status != http.StatusTooManyRequests {
			t.Errorf("guess %d: %d", i+1, r.status)
		}
	}
}

// TestOneOffice are tests that change nothing, in one office: signing people in is slow on purpose.
func TestOneOffice(t *testing.T) {
	o := newOffice(t)
	t.Run("who may not read learns no value", func(t *testing.T) { learnsNoValue(t, o) })
	t.Run("other names and origins are refused", func(t *testing.T) { otherNames(t, o) })
	t.Run("the description is whole", func(t *testing.T) { openAPI(t, o) })
	t.Run("bad input gets a clear answer", func(t *testing.T) { badInput(t, o) })
	t.Run("a search finds what its viewer may see, and no more", func(t *testing.T) { searches(t, o) })
	t.Run("a search is written down without its words", func(t *testing.T) { searchIsWritten(t, o) })
	t.Run("a search goes on where it stopped", func(t *testing.T) { searchGoesOn(t, o) })
	t.Run("a session that is open is searched itself", func(t *testing.T) { searchLive(t, o) })
	t.Run("a search shows the beginning of what is huge", func(t *testing.T) { searchHuge(t, o) })
	t.Run("an export verifies, and tells whom it was for no more than they may see", func(t *testing.T) { exports(t, o) })
	t.Run("a damaged recording is said to be one", func(t *testing.T) { damaged(t, o) })
}

func learnsNoValue(t *testing.T, o *office) {
	t.Helper()
	path := "/api/v1/sessions/" + aliceSession + "/transcript"
	if r := o.call("alice", "GET", path, ""); !strings.Contains(r.text, "4111-canary") {
		t.Fatalf("the holder cannot read her own: %s", r.text)
	}
	for _, who := range []string{"tom", "otto", "root"} {
		r := o.call(who, "GET", path, "")
		if r.status != http.StatusOK || strings.Contains(r.text, "canary") || !strings.Contains(r.text, "FROM orders") {
			t.Errorf("%s: %d %s", who, r.status, r.text)
		}
	}
}

func otherNames(t *testing.T, o *office) {
	t.Helper()
	for name, change := range map[string]func(*http.Request){
		"another Host":   func(r *http.Request) { r.Host = "evil.example" },
		"another Origin": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"a null Origin":  func(r *http.Request) { r.Header.Set("Origin", "null") },
	} {
		req := httptest.NewRequest("GET", "http://curfew.test/api/v1/me", nil)
		req.Header.Set("Authorization", "Bearer "+o.token["root"])
		change(req)
		rec := httptest.NewRecorder()
		o.server.ServeHTTP(rec, req)
		if rec.Code != http.StatusForbidden {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
}

func openAPI(t *testing.T, o *office) {
	t.Helper()
	text, err := o.server.OpenAPI()
	if err != nil || !bytes.Contains(text, []byte(`"openapi":"3.1.0"`)) || !bytes.Contains(text, []byte("/api/v1/grants/{id}/revoke")) {
		t.Fatalf("%v %.200s", err, text)
	}
}

func badInput(t *testing.T, o *office) {
	t.Helper()
	for body, want := range map[string]string{
		`{"role":"read","for":"9000000000s","reason":"x"}`: "longer than the most",
		`{"role":"read","for":"-1m","reason":"x"}`:         "shorter than a second",
		`{"role":"read","for":"1ns","reason":"x"}`:         "shorter than a second",
		`{"role":"read","for":"soon","reason":"x"}`:        "is no duration",
		`{"role":"nope","for":"1m","reason":"x"}`:          "no role",
	} {
		if r := o.call("dana", "POST", "/api/v1/requests", body); r.status < 400 || !strings.Contains(r.text, want) {
			t.Errorf("%s: %d %s", body, r.status, r.text)
		}
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// A list longer than a page is read page by page, each thing once, for each who may see it.
func TestListsGoOnPageByPage(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	for i, who := range []string{"alice", "dana", "alice", "alice", "dana", "alice", "alice"} {
		for _, g := range o.live(who, "read") {
			_, err := o.access.Do(ctx, access.Return{Grant: g, By: o.who[who]})
			must(t, err)
		}
		id := curfew.GrantID(curfew.NewID("gr"))
		sealed, err := o.id.Seal(ctx, o.who[who], "again")
		must(t, err)
		_, err = o.access.Do(ctx, access.Ask{Request: curfew.RequestID(curfew.NewID("rq")), Grant: id, Sealed: sealed,
			Question: access.Question{Principal: o.who[who], Role: "read", Duration: time.Hour, Reason: "again"}})
		must(t, err)
		_, err = o.access.Do(ctx, access.Start{Grant: id})
		must(t, err)
		_, err = o.access.OpenSession(ctx, access.OpenSession{Session: curfew.SessionID(curfew.NewID("s")),
			Credential: access.Credential{ID: curfew.CredentialID(fmt.Sprint("c_", i)), Principal: o.who[who], Grant: id, Until: time.Now().Add(time.Minute)}})
		must(t, err)
	}
	for _, c := range []struct {
		as, path string
		items    int
	}{
		{"alice", "/grants?limit=2", 6}, {"root", "/grants?scope=all&limit=2", 8}, {"mallory", "/grants?scope=all&limit=3", 0},
		{"alice", "/requests?limit=2", 7}, {"root", "/requests?scope=all&limit=4", 9},
		{"alice", "/sessions?limit=5", 6}, {"root", "/sessions?scope=all&limit=2", 8}, {"tom", "/audit?kind=grant.approved&limit=3", 8},
	} {
		seen := map[string]bool{}
		pages, next := 0, ""
		for {
			path := "/api/v1" + c.path
			if next != "" {
				path += "&before=" + next
			}
			r := o.call(c.as, "GET", path+fmt.Sprint("&position=", o.size()), "")
			var l client.List[map[string]any]
			if err := json.Unmarshal([]byte(r.text), &l); err != nil || r.status != 200 {
				t.Fatalf("%s as %s: %d %s", path, c.as, r.status, r.text)
			}
			for _, x := range l.Items {
				id := fmt.Sprint(x["id"], x["position"])
				if seen[id] {
					t.Errorf("%s as %s: %s comes twice", c.path, c.as, id)
				}
				seen[id] = true
			}
			pages++
			if next = l.Next; next == "" || pages > 20 {
				break
			}
		}
		if len(seen) != c.items || (pages < 2) != (c.items == 0) || pages > 20 { // none is not several pages
			t.Errorf("%s as %s: %d in %d pages, want %d", c.path, c.as, len(seen), pages, c.items)
		}
	}
}

// live are somebody's live grants of a role.
func (o *office) live(who string, role curfew.RoleName) (out []curfew.GrantID) {
	o.access.View(func(st *access.State) {
		for id, g := range st.Grants {
			if g.Principal == o.who[who] && g.Role == role && g.Live() {
				out = append(out, id)
			}
		}
	})
	return out
}

func (o *office) size() (n uint64) {
	o.access.View(func(st *access.State) { n = st.Size })
	return n
}

func TestFindSaysHowLongARoleIsUsuallyUsed(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	for used := range 4 {
		r := o.call("alice", "GET", "/api/v1/find", "")
		if got := strings.Contains(r.text, `"usual":"1m0s"`); got != (used >= usualFrom) {
			t.Errorf("after %d uses: %s", used, r.text)
		}
		for _, g := range o.live("alice", "read") {
			_, err := o.access.Do(ctx, access.Return{Grant: g, By: o.who["alice"]})
			must(t, err)
		}
		id := curfew.GrantID(curfew.NewID("gr"))
		_, err := o.access.Do(ctx, access.Ask{Request: curfew.RequestID(curfew.NewID("rq")), Grant: id,
			Question: access.Question{Principal: o.who["alice"], Role: "read", Duration: time.Hour, Reason: "again"}})
		must(t, err)
		history.Reach(ctx, o.server.parts.History, o.size(), time.Minute)
	}
}
