package postgres

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/servers"
)

// pg is the server that this package's tests share.
var pg *servers.Postgres //nolint:gochecknoglobals // set once by TestMain

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "curfew-pg-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		ctx := context.Background()
		if pg, err = servers.StartPostgresWith(ctx, servers.Options{Folder: dir, TLS: true}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = pg.Stop() }()
		if err = pg.Prepare(ctx, "shop"); err == nil {
			err = pg.Exec(ctx, "shop", shopTables()...)
		}
		if err == nil {
			err = pg.Prepare(ctx, "billing")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		_ = pg.Stop()
		if err := goleak.Find(); err != nil && code == 0 && flag.Lookup("test.fuzzworker").Value.String() != "true" {
			fmt.Fprintln(os.Stderr, "something goes on after the tests:", err)
			return 1
		}
		return code
	}())
}

func shopTables() []string {
	return []string{
		`SET ROLE app_owner`,
		`CREATE TABLE orders (id serial PRIMARY KEY, cust text, total int)`,
		`INSERT INTO orders (cust, total) SELECT 'c' || i, i FROM generate_series(1, 100) i`,
		`CREATE TABLE refunds (id serial PRIMARY KEY, status text, note text, secret text)`,
		`INSERT INTO refunds (status, note, secret) SELECT 'pending', '', 's' FROM generate_series(1, 10)`,
		`CREATE TABLE salaries (who text, amount int)`,
		`CREATE TABLE "x""; DROP TABLE orders; --" (id int)`,
		`CREATE TABLE "Größe.ñ" ("a.b" int)`,
		`CREATE SCHEMA scratch`,
	}
}

func resource() curfew.Resource {
	return curfew.Resource{Name: "shop-db", Type: "postgres", Address: pg.Address(), Login: "env:X", Account: curfew.Leased}
}

func newKeeper(t *testing.T, deployment string, res curfew.Resource) *keeper {
	t.Helper()
	user := loginOf(t, deployment)
	k := &keeper{target: lease.Target{
		Deployment: deployment, Resource: res,
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", pg.Address())
		},
		Login: func(context.Context) (lease.Login, error) {
			return lease.Login{User: user, Password: servers.AdminPassword, Database: "shop", Options: map[string]string{"sslmode": "disable"}}, nil
		},
	}}
	t.Cleanup(k.Close)
	return k
}

// handsVariable makes these tests use a login without CREATEROLE and the
// functions of setup: all that holds for the one login holds for the other.
const handsVariable = "CURFEW_TEST_FUNCTIONS"

// loginOf is the gateway's own login for a deployment.
func loginOf(t *testing.T, deployment string) string {
	t.Helper()
	if os.Getenv(handsVariable) == "" {
		return servers.Admin
	}
	return limited(t, deployment, "public", "scratch")
}

// limited sets a deployment up for a login that can do nothing of its own, and
// puts the schemas on its allow-list.
func limited(t *testing.T, deployment string, schemas ...string) string {
	t.Helper()
	const user = "curfew_plain"
	statements := []string{
		`SET log_statement = 'none'`,
		`DO $$ BEGIN CREATE ROLE ` + user + ` LOGIN PASSWORD '` + servers.AdminPassword + `'; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`,
		setup(deployment, user),
	}
	for _, s := range schemas {
		statements = append(statements, `INSERT INTO `+quote(schemaOf(deployment))+`.allowed VALUES (`+literal(s)+`, '*', '{SELECT,INSERT,UPDATE,DELETE,USAGE,CREATE,EXECUTE}')`)
	}
	for _, db := range []string{"shop", "billing"} {
		if err := pg.Exec(ctx(t), db, statements...); err != nil {
			t.Fatal(err)
		}
	}
	return user
}

func planFor(deployment string, may ...string) lease.Plan {
	id := curfew.LeaseID(curfew.NewID("l"))
	return lease.Plan{
		Lease: id, Grant: "gr_1", Account: "curfew_" + deployment + "_" + strings.ToLower(string(id)),
		Permission: curfew.Permission{May: may}, Until: time.Now().Add(time.Hour),
	}
}

// made makes a lease that is removed at the end of the test.
func made(t *testing.T, k *keeper, may ...string) (lease.Plan, lease.Made) {
	t.Helper()
	p := planFor(k.target.Deployment, may...)
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removed(t, k, p, m) })
	return p, m
}

func removed(t *testing.T, k *keeper, p lease.Plan, m lease.Made) lease.Residue {
	t.Helper()
	r, err := k.Remove(context.Background(), p, m)
	if err != nil || !r.Gone {
		t.Errorf("%s is not gone: %+v %v", p.Account, r, err)
	}
	return r
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return c
}

func connectAs(t *testing.T, account, password, database string) (*pgx.Conn, error) {
	t.Helper()
	c, err := pgx.Connect(ctx(t), pg.URL(account, password, database))
	if err == nil {
		t.Cleanup(func() { _ = c.Close(context.Background()) })
	}
	return c, err
}

// as logs in as the lease, the way a session does, and shuts the door behind.
func as(t *testing.T, k *keeper, p lease.Plan, m lease.Made) *pgx.Conn {
	t.Helper()
	password, shut, err := k.Unlock(ctx(t), p, m)
	if err != nil {
		t.Fatal(err)
	}
	c, err := connectAs(t, p.Account, password, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if err := shut(ctx(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestALeaseHoldsExactlyItsPermission(t *testing.T) {
	k := newKeeper(t, "t1", resource())
	p, m := made(t, k, "read orders", "read refunds", "update refunds (status, note)")
	c := as(t, k, p, m)
	for sql, ok := range map[string]bool{
		"SELECT count(*) FROM orders": true, "SELECT count(*) FROM refunds": true,
		"UPDATE refunds SET status = 'retry' WHERE id = 1": true, "UPDATE refunds SET note = '', status = 'x' WHERE id = 1": true,
		"UPDATE refunds SET secret = '' WHERE id = 1": false, "DELETE FROM refunds": false, "SELECT * FROM salaries": false,
		"INSERT INTO orders (cust) VALUES ('x')": false, "CREATE TABLE mine (id int)": false, "CREATE TABLE scratch.mine (id int)": false,
		"SET ROLE app_owner": false, "COPY orders TO PROGRAM 'id'": false, "SELECT pg_read_file('/etc/passwd')": false,
	} {
		if _, err := c.Exec(ctx(t), sql); (err == nil) != ok {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestAnAccountLogsInOnlyWhileItIsUnlocked(t *testing.T) {
	k := newKeeper(t, "t2", resource())
	p, m := made(t, k, "read orders")
	if err := k.Test(ctx(t), p, m); err != nil {
		t.Fatal(err)
	}
	c := as(t, k, p, m)
	for _, sql := range []string{
		"ALTER ROLE " + quote(p.Account) + " PASSWORD 'mine'",
		"DO $$ BEGIN EXECUTE 'ALTER ROLE " + quote(p.Account) + " PASSWORD ''mine'''; END $$",
	} {
		if _, err := c.Exec(ctx(t), sql); err != nil {
			t.Fatal(err)
		}
		if _, err := connectAs(t, p.Account, "mine", "shop"); err == nil {
			t.Errorf("%s: the account logged in past the gateway", sql)
		}
	}
	if _, err := c.Exec(ctx(t), "ALTER ROLE "+quote(p.Account)+" LOGIN"); err == nil {
		t.Error("the account unlocked itself")
	}
	if _, err := c.Exec(ctx(t), "SELECT count(*) FROM orders"); err != nil {
		t.Error("the live session did not go on:", err)
	}
	if text := pg.Log(); strings.Contains(text, servers.AdminPassword) {
		t.Error("the server's log holds the gateway's password")
	}
}

func TestStraysAreSeenAndTerminated(t *testing.T) {
	k := newKeeper(t, "t3", resource())
	p, m := made(t, k, "read orders")
	c := as(t, k, p, m)
	own := workID(c.PgConn().PID(), p.Account)
	if s, err := k.Strays(ctx(t), m, []string{own}); err != nil || len(s) != 0 {
		t.Fatal(s, err)
	}
	s, err := k.Strays(ctx(t), m, nil)
	if err != nil || len(s) != 1 || s[0] != own {
		t.Fatal(s, err)
	}
	if err := k.Terminate(ctx(t), s); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(ctx(t)); err == nil {
		t.Fatal("the backend lives")
	}
	if err := k.Terminate(ctx(t), []string{"1@postgres", itoa(c.PgConn().PID()) + "@" + "nobody", "nonsense"}); err != nil {
		t.Fatal(err)
	}
}

func TestTerminateEndsWhatCancelDoesNot(t *testing.T) {
	k := newKeeper(t, "t4", resource())
	p, m := made(t, k, "read orders", "insert orders", "use sequence orders_id_seq")
	for name, sql := range map[string]string{
		"a late insert":        "SELECT pg_sleep(3); INSERT INTO orders (cust) VALUES ('late')",
		"a loop that catches":  "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(0.01); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$",
		"a loop that computes": "DO $$ DECLARE i bigint := 0; BEGIN LOOP i := i + 1; END LOOP; END $$",
	} {
		c := as(t, k, p, m)
		done := make(chan error, 1)
		go func() { _, err := c.PgConn().Exec(context.Background(), sql).ReadAll(); done <- err }()
		time.Sleep(50 * time.Millisecond) // the statement runs at the server, in its time
		began := time.Now()
		if err := k.Terminate(ctx(t), []string{workID(c.PgConn().PID(), p.Account)}); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: gone in %s", name, time.Since(began))
		if err := <-done; err == nil {
			t.Errorf("%s went through", name)
		}
	}
	if n, _ := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders WHERE cust = 'late'"); n != "0" {
		t.Errorf("%s late rows", n)
	}
}

func TestRemovalDealsWithEverythingThatIsInTheWay(t *testing.T) {
	k := newKeeper(t, "t5", resource())
	p := planFor("t5", "read orders", "create in schema scratch")
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	c := as(t, k, p, m)
	steps := []string{
		"CREATE TABLE scratch.left_behind (id int)",
		"INSERT INTO scratch.left_behind VALUES (1)",
		"CREATE FUNCTION scratch.door() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'",
		"CREATE VIEW scratch.v AS SELECT * FROM orders",
		"SELECT lo_create(0)",
		"GRANT SELECT ON scratch.left_behind TO PUBLIC",
		"CREATE TEMP TABLE t (id int)",
		"ALTER DEFAULT PRIVILEGES IN SCHEMA scratch GRANT ALL ON TABLES TO PUBLIC",
		"SET ROLE " + quote(m.Group),
		"ALTER ROLE " + quote(m.Group) + " SET work_mem = '64MB'",
		"SELECT lo_create(0)",
		"CREATE FUNCTION scratch.group_door() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'",
		"RESET ROLE",
	}
	for _, sql := range steps {
		if _, err := c.Exec(ctx(t), sql); err != nil {
			if major(c) >= 16 && (strings.Contains(sql, m.Group) || strings.Contains(sql, "group_door")) {
				continue // refused there
			}
			t.Fatal(sql, err)
		}
	}
	d := as(t, k, p, m)
	for _, sql := range []string{"BEGIN", "CREATE TABLE scratch.prep (id int)", "PREPARE TRANSACTION 'left'"} {
		if _, err := d.Exec(ctx(t), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	r := removed(t, k, p, m)
	t.Logf("%+v", r)
	if len(r.Kept) == 0 || r.Prepared != 1 || r.Ended < 1 || !r.Powerless {
		t.Errorf("%+v", r)
	}
	if err := c.Ping(ctx(t)); err == nil {
		t.Error("a connection lives on")
	}
	if n, _ := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM scratch.left_behind"); n != "1" {
		t.Error("the work was destroyed")
	}
	for _, f := range []string{"door", "group_door"} {
		owner, err := pg.One(ctx(t), "shop", "SELECT r.rolname || ' ' || r.rolcanlogin || ' ' || (SELECT count(*) FROM pg_auth_members WHERE member = r.oid) FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE proname = $1", f)
		if err != nil || !strings.HasPrefix(owner, "curfew_t5_k_") || !strings.HasSuffix(owner, " false 0") {
			t.Errorf("%s belongs to %q: %v", f, owner, err)
		}
	}
	// What the first lease left gains the next one nothing.
	q, n := made(t, k, "read orders")
	e := as(t, k, q, n)
	if _, err := e.Exec(ctx(t), "SELECT scratch.door()"); err == nil {
		t.Error("the next lease calls what the last one left")
	}
	if _, err := e.Exec(ctx(t), "SELECT * FROM scratch.left_behind"); err == nil {
		t.Error("the next lease reads what the last one left")
	}
}

func TestWhatPublicGivesIsRefusedByName(t *testing.T) {
	if err := pg.Exec(ctx(t), "shop", "SET ROLE app_owner",
		"CREATE FUNCTION pay() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT sum(amount) FROM salaries'", "GRANT SELECT (who) ON salaries TO PUBLIC"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pg.Exec(context.Background(), "shop", "DROP FUNCTION pay()", "REVOKE SELECT (who) ON salaries FROM PUBLIC")
	})
	k := newKeeper(t, "t6", resource())
	p := planFor("t6", "read orders")
	m, err := k.Make(ctx(t), p)
	if curfew.CodeOf(err) != curfew.Denied || len(m.Exceeds) != 2 || !strings.Contains(err.Error(), "public.pay()") {
		t.Fatalf("%+v %v", m, err)
	}
	if all, _ := k.Accounts(ctx(t)); len(all) != 0 {
		t.Fatal("an account was left:", all)
	}
	res := resource()
	res.Accepts = m.Digest
	k2 := newKeeper(t, "t6", res)
	made(t, k2, "read orders")
	k3 := newKeeper(t, "t6", resource())
	made2, err := k3.Make(ctx(t), planFor("t6", "read orders", "read salaries (who)", "call pay()"))
	if err != nil {
		t.Fatal(err)
	}
	_ = made2
	for _, a := range mustAccounts(t, k3) {
		_, _ = k3.Remove(ctx(t), lease.Plan{Account: a}, lease.Made{})
	}
}

func mustAccounts(t *testing.T, k *keeper) []string {
	t.Helper()
	all, err := k.Accounts(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestExpiredAccountsAreThoseWhoseTimeIsOver(t *testing.T) {
	k := newKeeper(t, "te", resource())
	over, _ := made(t, k, "read orders")
	made(t, k, "read orders")                              // is good
	made(t, newKeeper(t, "tf", resource()), "read orders") // is another deployment's
	soon, _ := made(t, k, "read orders")
	for account, until := range map[string]string{over.Account: "1 hour", soon.Account: "1 minute"} {
		at, err := pg.One(ctx(t), "shop", "SELECT (now() - $1::interval)::text", until)
		if err == nil {
			err = pg.Exec(ctx(t), "shop", `ALTER ROLE "`+account+`" VALID UNTIL '`+at+`'`)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, err := k.Expired(ctx(t)); err != nil || len(got) != 1 || got[0] != over.Account {
		t.Fatal(got, err)
	}
	if left, err := k.Remove(ctx(t), lease.Plan{Account: over.Account}, lease.Made{}); err != nil || !left.Gone {
		t.Fatalf("%+v %v", left, err)
	}
	if got, err := k.Expired(ctx(t)); err != nil || len(got) != 0 {
		t.Fatal(got, err)
	}
}

func TestTwoDeploymentsLeaveEachOtherAlone(t *testing.T) {
	a, b := newKeeper(t, "ta", resource()), newKeeper(t, "tb", resource())
	pa, ma := made(t, a, "read orders")
	made(t, b, "read orders")
	if got := mustAccounts(t, a); len(got) != 1 || got[0] != pa.Account {
		t.Fatal(got)
	}
	c := as(t, a, pa, ma)
	pb, mb := planFor("tb", "read orders"), lease.Made{}
	if _, err := b.Make(ctx(t), pb); err != nil {
		t.Fatal(err)
	}
	removed(t, b, pb, mb)
	if err := c.Ping(ctx(t)); err != nil {
		t.Fatal("another deployment's removal reached this one's session:", err)
	}
}

func TestNamesThatBite(t *testing.T) {
	k := newKeeper(t, "t7", resource())
	p, m := made(t, k, `read "x""; DROP TABLE orders; --"`, `read "Größe.ñ" ("a.b")`)
	c := as(t, k, p, m)
	for _, sql := range []string{`SELECT * FROM "x""; DROP TABLE orders; --"`, `SELECT "a.b" FROM "Größe.ñ"`} {
		if _, err := c.Exec(ctx(t), sql); err != nil {
			t.Error(err)
		}
	}
	if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders"); err != nil || n == "0" {
		t.Fatal(n, err)
	}
	if _, err := k.Make(ctx(t), planFor("t7", "read no_such_table")); curfew.CodeOf(err) != curfew.Invalid {
		t.Fatal(err)
	}
	for _, a := range mustAccounts(t, k) {
		if a != p.Account {
			t.Error("an account was left:", a)
		}
	}
}

func TestATargetThatComesBack(t *testing.T) {
	k := newKeeper(t, "t8", resource())
	p, m := made(t, k, "read orders")
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Remove(ctx(t), p, m); curfew.CodeOf(err) != curfew.Unavailable {
		t.Fatal(err)
	}
	if err := pg.Restart(ctx(t)); err != nil {
		t.Fatal(err)
	}
	removed(t, k, p, m)
}
