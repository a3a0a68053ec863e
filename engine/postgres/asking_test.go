package postgres

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
)

// askingWorld is a world in which the administrator must agree to everything.
func askingWorld(t *testing.T, deployment string, more ...func(*enginetest.Options)) *enginetest.World {
	t.Helper()
	return world(t, deployment, append(more, func(o *enginetest.Options) { o.Agreed = true })...)
}

// dialling is a connection on its way.
type dialling struct {
	done  chan struct{}
	raw   net.Conn // once it has been told something
	conn  *pgx.Conn
	err   error
	mu    sync.Mutex
	heard []string // guarded by mu
}

func dial(ctx context.Context, t *testing.T, w *enginetest.World, g enginetest.Grant) *dialling {
	t.Helper()
	cfg, err := pgx.ParseConfig(throughURL(w, g, ""))
	if err != nil {
		t.Fatal(err)
	}
	d := &dialling{done: make(chan struct{})}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.heard = append(d.heard, n.Message+" / "+n.Detail+" / "+n.Hint)
	}
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		var err error
		d.raw, err = new(net.Dialer).DialContext(ctx, network, address)
		return d.raw, err
	}
	go func() {
		defer close(d.done)
		d.conn, d.err = pgx.ConnectConfig(ctx, cfg)
	}()
	t.Cleanup(func() {
		<-d.done
		if d.conn != nil {
			_ = d.conn.Close(context.Background())
		}
	})
	return d
}

func (d *dialling) notices() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.heard, "\n")
}

// told waits until the client has been told something.
func (d *dialling) told(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if strings.Contains(d.notices(), want) {
			return
		}
	}
	t.Fatalf("the client heard %q, want %q", d.notices(), want)
}

func (d *dialling) result(t *testing.T) (*pgx.Conn, *pgconn.PgError) {
	t.Helper()
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the connection still waits")
	}
	e := new(pgconn.PgError)
	if d.err != nil && !errors.As(d.err, &e) {
		t.Fatalf("it ends with %v", d.err)
	}
	return d.conn, e
}

// startPsql starts psql against the gateway.
func startPsql(ctx context.Context, t *testing.T, w *enginetest.World, g enginetest.Grant, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	host, port, _ := net.SplitHostPort(w.Address)
	cmd := exec.CommandContext(ctx, "psql", append([]string{"-X", "-A", "-t", "-h", host, "-p", port, "-U", g.User, "-d", "shop-db"}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+g.Password, "PGSSLMODE=disable")
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func TestPsqlWaitsForTheAnswerAndGoesOn(t *testing.T) {
	w := askingWorld(t, "askpsql")
	g := w.Asking("read", 10*time.Minute)
	cmd, out := startPsql(ctx(t), t, w, g, "-c", "SELECT 'in as', count(*) > 0 FROM orders")
	r := w.Waiting(1)[0]
	if r.Credential != curfew.CredentialID(g.User) || !slices.ContainsFunc(r.Checks, func(s string) bool { return strings.Contains(s, "asked from a connection") }) {
		t.Errorf("the request does not say that a connection asked: %+v", r.RequestAsked)
	}
	time.Sleep(200 * time.Millisecond) // a person looks at it
	if planned := enginetest.Events[curfew.LeasePlanned](w, curfew.KindLeasePlanned); len(planned) > 0 {
		t.Errorf("an account was planned for a connection that waits: %+v", planned)
	}
	w.Agree(curfew.GrantID(curfew.NewID("gr")))
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := out.String()
	for _, want := range []string{"NOTICE:  Curfew: asked admin@example.com; waiting until ", "DETAIL:  Request " + string(r.Request) + ": read on shop-db for 10 min.", "HINT:  Leaving withdraws it.", "in as|t"} {
		if !strings.Contains(text, want) {
			t.Errorf("psql shows no %q:\n%s", want, text)
		}
	}
	w.Lawful()
}

func TestEveryWayAWaitingConnectionEnds(t *testing.T) {
	w := askingWorld(t, "askends")
	for name, c := range map[string]struct {
		end                   func(enginetest.Grant, access.Request)
		code, message, detail string
	}{
		"denied": {func(enginetest.Grant, access.Request) { w.Deny() }, "28000", "admin@example.com denied your request for read", "Rule: request.denied"},
		"withdrawn": {func(g enginetest.Grant, r access.Request) {
			_, err := w.Access.Do(ctx(t), access.Withdraw{Request: r.Request, By: g.Principal})
			check(t, err)
		}, "28000", "the request was withdrawn", "Rule: request.withdrawn"},
		"signed out": {func(g enginetest.Grant, _ access.Request) {
			_, err := w.Access.Do(ctx(t), access.SignOutEverywhere{Principal: g.Principal, By: g.Principal})
			check(t, err)
		}, "28000", "this credential was withdrawn", "Rule: credential.withdrawn"},
		"disabled": {func(g enginetest.Grant, _ access.Request) {
			_, err := w.Access.Do(ctx(t), access.Disable{Principal: g.Principal, By: w.Administrator()})
			check(t, err)
		}, "28000", "the credential's owner is disabled", "Rule: grant.principal_disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			g := w.Asking("read", 10*time.Minute)
			d := dial(ctx(t), t, w, g)
			r := w.Waiting(1)[0]
			d.told(t, "waiting until")
			c.end(g, r)
			conn, e := d.result(t)
			if conn != nil || e.Severity != "FATAL" || e.Code != c.code || !strings.Contains(e.Message, c.message) || e.Detail != c.detail || e.Hint == "" {
				t.Errorf("it ends with %s %s %q, %q, %q", e.Severity, e.Code, e.Message, e.Detail, e.Hint)
			}
			w.Waiting(0)
			// A client that tries again and again asks nobody again.
			for range 3 {
				if again, e := dial(ctx(t), t, w, g).result(t); again != nil || e.Severity != "FATAL" || e.Hint == "" {
					t.Errorf("again: %v %+v", again, e)
				}
			}
			w.Waiting(0)
		})
	}
	w.Lawful()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARequestOfAConnectionLapses(t *testing.T) {
	w := askingWorld(t, "asklapse", func(o *enginetest.Options) { o.Lapse = 2 * time.Second })
	g := w.Asking("read", 10*time.Minute)
	if conn, e := dial(ctx(t), t, w, g).result(t); conn != nil || e.Code != "28000" || e.Detail != "Rule: request.lapsed" || !strings.Contains(e.Message, "nobody answered your request for read in time") {
		t.Errorf("%+v", e)
	}
	if conn, e := dial(ctx(t), t, w, g).result(t); conn != nil || e.Detail != "Rule: request.lapsed" || !strings.Contains(e.Message, "asks no second time") {
		t.Errorf("%+v", e)
	}
}

func TestThoseWhoWaitAreToldThatTheyStillDo(t *testing.T) {
	often := func(o *enginetest.Options) { o.TellEvery = 100 * time.Millisecond }
	w := askingWorld(t, "askstill", often)
	d := dial(ctx(t), t, w, w.Asking("read", 10*time.Minute))
	d.told(t, "Curfew: still waiting for admin@example.com, until ")
	w.Agree(curfew.GrantID(curfew.NewID("gr")))
	if conn, e := d.result(t); conn == nil {
		t.Errorf("%+v", e)
	}
	w = holdingWorld(t, "holdstill", often)
	var heard []string
	c := throughNotices(t, w, w.Grant("fix", time.Hour), &heard)
	defer func() { _ = c.Close(context.Background()) }()
	s := do(ctx(t), c, "UPDATE orders SET cust = cust", pgx.QueryExecModeSimpleProtocol)
	w.Held()
	time.Sleep(500 * time.Millisecond)
	w.RefuseOne("no")
	_, err := s.result(t)
	notReleasedBy(t, err, "42501", "release.denied", "did not release")
	if text := strings.Join(heard, "\n"); !strings.Contains(text, "Curfew: still waiting for admin@example.com, until ") {
		t.Errorf("heard %q", text)
	}
}

func TestAClientThatLeavesAtOnceLeavesNothingWaiting(t *testing.T) {
	w := askingWorld(t, "askhasty")
	for i := range 30 { // at another moment each time
		g := w.Asking("read", 10*time.Minute)
		leaving, leave := context.WithCancel(ctx(t))
		d := dial(leaving, t, w, g)
		time.Sleep(time.Duration(i) * 200 * time.Microsecond)
		leave()
		<-d.done
	}
	time.Sleep(200 * time.Millisecond)
	w.Waiting(0)
	if n := len(enginetest.Events[curfew.RequestAsked](w, curfew.KindRequestAsked)); n == 0 {
		t.Error("none of them asked")
	}
	w.Lawful()
}

func TestAClientThatCannotWaitIsRefused(t *testing.T) {
	w := askingWorld(t, "askcannot")
	g := w.Asking("read", 10*time.Minute)
	_, err := w.Gateway.Open(ctx(t), access.Claim{Credential: curfew.CredentialID(g.User)}, nil)
	if e := asError(err); e == nil || e.Rule != "waiting.client" {
		t.Error(err)
	}
	w.Waiting(0)
}

func TestAPoolAsksOnce(t *testing.T) {
	w := askingWorld(t, "askpool")
	g := w.Asking("read", 10*time.Minute)
	var pool []*dialling
	for range 8 {
		pool = append(pool, dial(ctx(t), t, w, g))
	}
	for _, d := range pool {
		d.told(t, "asked admin@example.com; waiting until")
	}
	for range 50 {
		if conn, e := dial(ctx(t), t, w, g).result(t); conn != nil || e.Code != "53300" || e.Detail != "Rule: waiting.many" {
			t.Fatalf("beyond the bound: %+v", e)
		}
	}
	w.Waiting(1)
	if asked := enginetest.Events[curfew.RequestAsked](w, curfew.KindRequestAsked); len(asked) != 1 {
		t.Errorf("a pool asked %d times", len(asked))
	}
	w.Agree(curfew.GrantID(curfew.NewID("gr")))
	for _, d := range pool {
		if conn, e := d.result(t); conn == nil {
			t.Errorf("%+v", e)
		}
	}
	w.Lawful()
}

func TestWhatEndsAccessAsksForNothing(t *testing.T) {
	w := askingWorld(t, "askover")
	g := w.Asking("read", 10*time.Minute)
	d := dial(ctx(t), t, w, g)
	w.Waiting(1)
	id := curfew.GrantID(curfew.NewID("gr"))
	w.Agree(id)
	if conn, e := d.result(t); conn == nil {
		t.Fatalf("%+v", e)
	}
	if conn, e := dial(ctx(t), t, w, g).result(t); conn == nil {
		t.Fatalf("a second connection under the grant: %+v", e)
	}
	w.Revoke(id)
	w.Await(id, access.Gone)
	for range 10 { // as a pool does
		if conn, e := dial(ctx(t), t, w, g).result(t); conn != nil || e.Detail != "Rule: credential.asked" {
			t.Errorf("%+v", e)
		}
	}
	w.Waiting(0)
	// The person asks again by hand: then it opens again.
	g2 := w.AskAgain(g, "read", 5*time.Minute)
	if conn, e := dial(ctx(t), t, w, g).result(t); conn == nil {
		t.Errorf("%+v", e)
	}
	w.Revoke(g2)
	w.Lawful()
}

func TestWhoHadAccessAlreadyNeverAsksFromAConnection(t *testing.T) {
	w := askingWorld(t, "askhad")
	g := w.Grant("read", 10*time.Minute)
	a := w.AskingAs(g.Principal, "read", 10*time.Minute)
	if conn, e := dial(ctx(t), t, w, a).result(t); conn == nil {
		t.Fatalf("%+v", e)
	}
	w.Revoke(g.ID)
	if conn, e := dial(ctx(t), t, w, a).result(t); conn != nil || e.Detail != "Rule: credential.asked" {
		t.Errorf("%+v", e)
	}
	w.Waiting(0)
}

func TestAClientThatLeavesWithdraws(t *testing.T) {
	w := askingWorld(t, "askleave")
	g := w.Asking("read", 10*time.Minute)
	leaving, leave := context.WithCancel(ctx(t))
	d, other := dial(leaving, t, w, g), dial(ctx(t), t, w, g)
	d.told(t, "waiting until")
	other.told(t, "waiting until")
	leave()
	<-d.done
	time.Sleep(200 * time.Millisecond)
	w.Waiting(1) // somebody still waits
	w.Deny()
	<-other.done

	g = w.Asking("read", 10*time.Minute)
	leaving, leave = context.WithCancel(ctx(t))
	d = dial(leaving, t, w, g)
	r := w.Waiting(1)[0]
	d.told(t, "waiting until")
	leave()
	<-d.done
	w.Waiting(0)
	withdrawn := enginetest.Events[curfew.RequestActed](w, curfew.KindRequestWithdrawn)
	if len(withdrawn) != 1 || withdrawn[0].Request != r.Request || withdrawn[0].Cause != curfew.CauseClosed {
		t.Errorf("the ledger says %+v", withdrawn)
	}
	if _, err := w.Access.Do(ctx(t), access.Approve{Request: r.Request, By: w.Administrator(), Digest: r.Digest, Grant: "gr_late"}); err == nil {
		t.Error("what was withdrawn was approved")
	}
	w.Lawful()
}

func TestALeaverTakesItsPlaceAgain(t *testing.T) {
	w := askingWorld(t, "askback", func(o *enginetest.Options) { o.ComeBack = time.Minute })
	g := w.Asking("read", 10*time.Minute)
	leaving, leave := context.WithCancel(ctx(t))
	d := dial(leaving, t, w, g)
	d.told(t, "waiting until")
	leave()
	<-d.done
	d = dial(ctx(t), t, w, g)
	d.told(t, "waiting until")
	w.Agree(curfew.GrantID(curfew.NewID("gr")))
	if conn, e := d.result(t); conn == nil {
		t.Errorf("%+v", e)
	}
}

func TestWhatAPersonAskedByHandStays(t *testing.T) {
	w := askingWorld(t, "askhand")
	g := w.Asking("read", 10*time.Minute)
	byHand := w.AskOnly(g.Principal, "read", 5*time.Minute)
	leaving, leave := context.WithCancel(ctx(t))
	d := dial(leaving, t, w, g)
	d.told(t, "you asked admin@example.com; waiting until")
	d.told(t, "Leaving does not withdraw it.")
	leave()
	<-d.done
	time.Sleep(300 * time.Millisecond)
	if r := w.Waiting(1)[0]; r.Request != byHand {
		t.Errorf("%s waits, want %s", r.Request, byHand)
	}
	d = dial(ctx(t), t, w, g)
	d.told(t, "waiting until")
	w.Deny()
	if conn, e := d.result(t); conn != nil || e.Detail != "Rule: request.denied" {
		t.Errorf("%+v", e)
	}
	// The no silences the credential, which never asked itself.
	if conn, e := dial(ctx(t), t, w, g).result(t); conn != nil || e.Detail != "Rule: request.denied" {
		t.Errorf("%+v", e)
	}
	w.Waiting(0)
}

func TestStrangersAskNothing(t *testing.T) {
	w := askingWorld(t, "askstranger")
	g := w.Asking("read", 10*time.Minute)
	for name, s := range map[string]enginetest.Grant{
		"a wrong password": {User: g.User, Password: "wrong"}, "an unknown credential": {User: "c_0000000000000000", Password: g.Password}, "a name": {User: "p0", Password: g.Password},
	} {
		if conn, e := dial(ctx(t), t, w, s).result(t); conn != nil || e.Code != "28P01" || !strings.Contains(e.Message, "these credentials open nothing") {
			t.Errorf("%s: %+v", name, e)
		}
	}
	w.Waiting(0)
	// Somebody else's grant is nothing to it.
	other := w.Grant("read", 10*time.Minute)
	d := dial(ctx(t), t, w, g)
	d.told(t, "waiting until")
	if r := w.Waiting(1)[0]; r.Principal != g.Principal || r.Principal == other.Principal {
		t.Errorf("%+v", r)
	}
	// Nobody agrees to their own.
	_, err := w.Access.Do(ctx(t), access.Approve{Request: w.Waiting(1)[0].Request, By: g.Principal, Digest: w.Waiting(1)[0].Digest, Grant: "gr_own"})
	if curfew.CodeOf(err) != curfew.Denied {
		t.Error(err)
	}
	w.Deny()
}

func TestAClientThatSpeaksWhileItWaits(t *testing.T) {
	w := askingWorld(t, "askspeak")
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"a query":  {[]byte("Q\x00\x00\x00\x0dSELECT 1\x00"), "protocol"},
		"good-bye": {[]byte("X\x00\x00\x00\x04"), "client.left"},
	} {
		g := w.Asking("read", 10*time.Minute)
		d := dial(ctx(t), t, w, g)
		d.told(t, "waiting until")
		if _, err := d.raw.Write(c.send); err != nil {
			t.Fatal(err)
		}
		<-d.done
		if d.conn != nil {
			t.Errorf("%s: it was let in", name)
		}
		w.Waiting(0)
		refused := enginetest.Events[curfew.SessionRefused](w, curfew.KindSessionRefused)
		if n := len(refused); n == 0 || refused[n-1].Rule != c.want || refused[n-1].Resource != "shop-db" {
			t.Errorf("%s: the ledger says %+v", name, refused)
		}
	}
}

func TestAGatewayThatStopsTellsThoseWhoWait(t *testing.T) {
	w := askingWorld(t, "askstop")
	g := w.Asking("read", 10*time.Minute)
	d := dial(ctx(t), t, w, g)
	d.told(t, "waiting until")
	w.Access.Drain()
	if conn, e := d.result(t); conn != nil || e.Code != "57P03" || e.Detail != "Rule: gateway.restart" {
		t.Errorf("%+v", e)
	}
}

func TestAThousandConnectionsCannotAllWait(t *testing.T) {
	w := askingWorld(t, "askmany")
	var waiting []*dialling
	for range 26 { // eight each: the bound of all is met before that of each
		g := w.Asking("read", 10*time.Minute)
		for range 8 {
			waiting = append(waiting, dial(ctx(t), t, w, g))
		}
	}
	refused := 0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		refused = 0
		still := 0
		for _, d := range waiting {
			select {
			case <-d.done:
				refused++
			default:
				if strings.Contains(d.notices(), "waiting until") {
					still++
				}
			}
		}
		if refused+still == len(waiting) {
			break
		}
	}
	if refused != 8 {
		t.Errorf("%d of %d were refused, want 8", refused, len(waiting))
	}
	w.Deny()
	for _, d := range waiting {
		if conn, e := d.result(t); conn != nil || e.Code != "28000" && e.Code != "53300" {
			t.Errorf("%+v", e)
		}
	}
}
