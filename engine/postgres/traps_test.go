package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/lease"
)

func codeOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// super is a connection as the superuser.
func super(t *testing.T) *pgx.Conn {
	t.Helper()
	c, err := connectAs(t, "postgres", "throw-away-super", "shop")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWorkersOfAParallelQueryAreNoStrays(t *testing.T) {
	k := newKeeper(t, "pw", resource())
	p, m := made(t, k, "read orders")
	c := as(t, k, p, m)
	forced := "SET force_parallel_mode = on"
	if major(c) >= 16 { // renamed
		forced = "SET debug_parallel_query = on"
	}
	for _, set := range []string{forced, "SET parallel_setup_cost = 0", "SET parallel_tuple_cost = 0", "SET min_parallel_table_scan_size = 0"} {
		if _, err := c.Exec(ctx(t), set); err != nil {
			t.Fatal(set, err)
		}
	}
	known := []string{workID(c.PgConn().PID(), p.Account)}
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "SELECT count(*), sum(length(md5(a.cust || b.cust))) FROM orders a, orders b, orders c WHERE a.id <> b.id")
		done <- err
	}()
	seen := false
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND usename = $1", p.Account)
		if err != nil {
			t.Fatal(err)
		}
		seen = seen || n != "0"
		if s, err := k.Strays(ctx(t), m, known); err != nil || len(s) != 0 {
			t.Fatal("its own worker is taken for somebody else:", s, err)
		}
	}
	if !seen {
		t.Log("no worker was caught at work")
	}
}

func TestAGhostIsFoundByItsOid(t *testing.T) {
	k := newKeeper(t, "gh", resource())
	p := planFor("gh", "read orders")
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	c := as(t, k, p, m)
	if _, err := super(t).Exec(ctx(t), "DROP ROLE "+quote(p.Account)); err != nil { // somebody else drops it: the session lives on
		t.Fatal(err)
	}
	if err := c.Ping(ctx(t)); err != nil {
		t.Fatal("no ghost on this server:", err)
	}
	r, err := k.Remove(ctx(t), p, m)
	if err != nil || !r.Gone {
		t.Fatalf("%+v %v", r, err)
	}
	if err := c.Ping(ctx(t)); err == nil {
		t.Fatal("verified, and the ghost lives")
	}
}

func TestAPreparedTransactionInAnotherDatabase(t *testing.T) {
	k := newKeeper(t, "pd", resource())
	p := planFor("pd", "read orders")
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	password, shut, err := k.Unlock(ctx(t), p, m)
	if err != nil {
		t.Fatal(err)
	}
	c, err := connectAs(t, p.Account, password, "billing") // past the gateway: PUBLIC may connect
	if err != nil {
		t.Fatal(err)
	}
	if err := shut(ctx(t)); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"BEGIN", "SELECT lo_create(0)", "PREPARE TRANSACTION 'it''s \\left'", "SELECT lo_create(0)"} {
		if _, err := c.Exec(ctx(t), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	r, err := k.Remove(ctx(t), p, m)
	if err != nil || !r.Gone || r.Prepared != 1 || len(r.Kept) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
}

func TestTheOwnerOfWhatIsKeptCanDoNothing(t *testing.T) {
	k := newKeeper(t, "kp", resource())
	p := planFor("kp", "read orders", "create in schema scratch")
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	c := as(t, k, p, m)
	for _, sql := range []string{
		"CREATE FUNCTION scratch.kp() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM public.orders'",
		"CREATE VIEW scratch.kpv AS SELECT * FROM public.orders",
	} {
		if _, err := c.Exec(ctx(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	r, err := k.Remove(ctx(t), p, lease.Made{}) // as if the answer had been lost
	if err != nil || !r.Gone || len(r.Kept) == 0 {
		t.Fatalf("%+v %v", r, err)
	}
	for _, sql := range []string{"SELECT scratch.kp()", "SELECT * FROM scratch.kpv"} { // as the superuser: as the object's owner sees it
		if _, err := super(t).Exec(ctx(t), sql); codeOf(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	own := strings.Contains(m.Group, "_g_l_")
	if own == (major(super(t)) >= 16) {
		t.Errorf("%s: a lease that may create has a group of its own where members can act as the group, and only there", m.Group)
	}
	if n, _ := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM pg_roles WHERE rolname = $1", m.Group); own && n != "0" {
		t.Error("a group of one lease alone outlived it")
	}
}

func TestDefaultsLeftInASharedGroupAreTakenBack(t *testing.T) {
	k := newKeeper(t, "sg", resource())
	p, m := planFor("sg", "read orders"), lease.Made{}
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	_, other := made(t, k, "read orders")
	if other.Group != m.Group {
		t.Fatal("two groups for the same rights")
	}
	c := as(t, k, p, m)
	if major(c) >= 16 {
		return // nobody acts in the group's name there
	}
	for _, sql := range []string{
		"SET ROLE " + quote(m.Group), "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC", "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
		"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO PUBLIC", "ALTER ROLE " + quote(m.Group) + " SET search_path = pg_temp", "SELECT lo_create(0)",
	} {
		if _, err := c.Exec(ctx(t), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	if r, err := k.Remove(ctx(t), p, m); err != nil || !r.Gone {
		t.Fatalf("%+v %v", r, err)
	}
	if n, _ := pg.One(ctx(t), "shop", "SELECT (SELECT count(*) FROM pg_default_acl)::text || (SELECT count(*) FROM pg_db_role_setting WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = $1))::text", m.Group); n != "00" {
		t.Error("left behind:", n)
	}
}

func TestRightsGivenToAGroupByHandAreRefused(t *testing.T) {
	k := newKeeper(t, "dr", resource())
	_, m := made(t, k, "read orders")
	if err := pg.Exec(ctx(t), "shop", "GRANT SELECT ON salaries TO "+quote(m.Group)); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Make(ctx(t), planFor("dr", "read orders")); curfew.CodeOf(err) != curfew.Denied || !strings.Contains(err.Error(), "salaries") {
		t.Fatal(err)
	}
	if err := pg.Exec(ctx(t), "shop", "REVOKE SELECT ON salaries FROM "+quote(m.Group)); err != nil {
		t.Fatal(err)
	}
}

func TestAGrantThatOnlyWarnsIsAFailure(t *testing.T) {
	if err := pg.Exec(ctx(t), "shop", "CREATE TABLE foreign_owner (id int)"); err != nil { // the superuser's: not ours to give
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Exec(context.Background(), "shop", "DROP TABLE foreign_owner") })
	k := newKeeper(t, "gw", resource())
	if _, err := k.Make(ctx(t), planFor("gw", "read foreign_owner")); curfew.CodeOf(err) != curfew.Denied {
		t.Fatal(err)
	}
	if all := mustAccounts(t, k); len(all) != 0 {
		t.Error("an account was left:", all)
	}
}

func TestNeverSubtracts(t *testing.T) {
	k := newKeeper(t, "nv", resource())
	p := planFor("nv", "read *")
	p.Permission.Never = []string{"read salaries", "read refunds (secret)"}
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removed(t, k, p, m) })
	c := as(t, k, p, m)
	for sql, want := range map[string]string{
		"SELECT count(*) FROM orders": "", "SELECT id, note FROM refunds": "", "SELECT secret FROM refunds": "42501", "SELECT who FROM salaries": "42501",
	} {
		if _, err := c.Exec(ctx(t), sql); codeOf(err) != want {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestSixteenMakeOneGroup(t *testing.T) {
	var wg sync.WaitGroup
	groups := make([]string, 16)
	for i := range groups { // sixteen nodes: a keeper each
		k := newKeeper(t, "six", resource())
		wg.Go(func() {
			p := planFor("six", "read orders", "read refunds", "update refunds (status)")
			m, err := k.Make(ctx(t), p)
			if err != nil {
				t.Error(err)
				return
			}
			groups[i] = m.Group
			removed(t, k, p, m)
		})
	}
	wg.Wait()
	for _, g := range groups {
		if g != groups[0] {
			t.Error("several groups:", groups)
			break
		}
	}
}

func TestOtherDeploymentsAccountsAreNotOurs(t *testing.T) {
	k := newKeeper(t, "a", resource())
	for _, account := range []string{"curfew_b_l_0123456789abcdef", "curfew_a_l_", "postgres", "curfew_a_l_l_0123456789abcde", "curfew_a_l_0123456789ABCDEF"} {
		p := lease.Plan{Account: account, Until: time.Now().Add(time.Hour), Permission: curfew.Permission{May: []string{"read orders"}}}
		_, err1 := k.Make(ctx(t), p)
		_, err2 := k.Remove(ctx(t), p, lease.Made{})
		_, _, err3 := k.Unlock(ctx(t), p, lease.Made{})
		for _, err := range []error{err1, err2, err3, k.Limit(ctx(t), p, p.Until)} {
			if curfew.CodeOf(err) != curfew.Denied {
				t.Errorf("%s: %v", account, err)
			}
		}
	}
}

func TestAUseOutsideTheGatewayEndsTheGrant(t *testing.T) {
	w := world(t, "outside")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "")
	var account string
	if err := c.QueryRow(ctx(t), "SELECT current_user::text").Scan(&account); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx(t), "ALTER ROLE "+quote(account)+" PASSWORD 'mine'"); err != nil {
		t.Fatal(err)
	}
	if _, err := connectAs(t, account, "mine", "shop"); err == nil {
		t.Fatal("the door is open")
	}
	if err := pg.Exec(ctx(t), "shop", "ALTER ROLE "+quote(account)+" LOGIN"); err != nil { // force the window
		t.Fatal(err)
	}
	stray, err := connectAs(t, account, "mine", "shop")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for stray.Ping(ctx(t)) == nil && time.Since(began) < 5*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a session past the gateway lived for %s", took)
	}
	w.Await(g.ID, "verified")
}

func TestTheGatewaysSecretsStayAway(t *testing.T) {
	w := world(t, "canary", func(o *enginetest.Options) {})
	g := w.Grant("write", time.Hour)
	c := through(t, w, g, "")
	if _, err := c.Exec(ctx(t), "ALTER ROLE CURRENT_USER PASSWORD 'canary-of-the-client'"); err != nil {
		t.Fatal(err)
	}
	_ = c.Close(ctx(t))
	for _, it := range items(t, w, g.ID) {
		if strings.Contains(it.Text, "canary-of-the-client") {
			t.Error("the recording holds a password:", it.Text)
		}
	}
	for _, secret := range []string{"throw-away-admin", g.Password} {
		if strings.Contains(pg.Log(), secret) {
			t.Error("the server's log holds a secret")
		}
	}
}
