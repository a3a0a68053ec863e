package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/servers"
)

// What somebody gains who steals the login that only calls functions.
func TestTheLimitedLoginIsConfinedToItsOwnAccounts(t *testing.T) {
	limited(t, "small", "scratch")
	login, err := connectAs(t, "curfew_plain", servers.AdminPassword, "shop")
	if err != nil {
		t.Fatal(err)
	}
	verifierText := func() string {
		_, v, err := newVerifier()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}()
	for _, role := range []string{"curfew_small_l_super SUPERUSER", "curfew_small_l_boss CREATEROLE", "curfew_other_l_x", "bystander"} {
		if err := pg.Exec(ctx(t), "shop", "CREATE ROLE "+role); err != nil {
			t.Fatal(err)
		}
	}
	for _, grant := range []string{"GRANT app_owner TO curfew_other_l_x", "GRANT SELECT ON orders TO bystander"} {
		if err := pg.Exec(ctx(t), "shop", grant); err != nil {
			t.Fatal(err)
		}
	}
	ok := func(sql string, args ...any) {
		t.Helper()
		if _, err := login.Exec(ctx(t), sql, args...); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	no := func(sql string, args ...any) {
		t.Helper()
		if _, err := login.Exec(ctx(t), sql, args...); err == nil || !strings.Contains("42501 42883 22023 2BP01 55006 CF001", codeOf(err)) {
			t.Errorf("%s %v: %v", sql, args, err)
		}
	}
	// Nothing of its own.
	for _, sql := range []string{
		"SELECT * FROM orders", "SELECT * FROM salaries", "CREATE ROLE x", "ALTER ROLE bystander LOGIN", "SET ROLE app_owner", "SET ROLE curfew_other_l_x", "GRANT app_owner TO curfew_plain",
		"COPY (SELECT 1) TO PROGRAM 'id'", "SELECT pg_read_file('/etc/passwd')", "INSERT INTO curfew_small.allowed VALUES ('public', '*', '{SELECT}')", "UPDATE curfew_small.allowed SET schema_name = 'public'",
		"CREATE FUNCTION curfew_small.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION curfew_small.drop_role(text)",
		"SELECT curfew_small.must('curfew_small_l_x', 'l')", "SELECT curfew_small.right_text('{}')",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' AND pid <> pg_backend_pid() AND backend_type = 'client backend' LIMIT 1",
	} {
		if _, err := login.Exec(ctx(t), sql); codeOf(err) != "42501" && codeOf(err) != "42P01" && !strings.Contains(sql, "terminate") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// Not by names of others, or names that act.
	for _, name := range []string{"bystander", "app_owner", "postgres", "curfew_plain", "curfew_other_l_x", "curfew_small_l_super", "curfew_small_l_boss", "curfew_small_k_x", "curfew_small_l_X", "",
		`curfew_small_l_x"; DROP TABLE orders; --`, "curfew_small_l_" + strings.Repeat("x", 60), "pg_read_all_data"} {
		no("SELECT curfew_small.make_account($1, 'curfew_small_g_1', 5, now())", name)
		no("SELECT curfew_small.make_account('curfew_small_l_x', $1, 5, now())", name)
		no("SELECT curfew_small.open_account($1, $2)", name, verifierText)
		no("SELECT curfew_small.limit_account($1, now())", name)
		no("SELECT curfew_small.shut_account($1)", name)
		no("SELECT curfew_small.strip_account($1)", name)
		no("SELECT curfew_small.leave_groups($1)", name)
		no("SELECT curfew_small.borrow($1)", name)
		no("SELECT curfew_small.give_back($1)", name)
		no("SELECT curfew_small.keep($1, 'curfew_small_l_x', true)", name)
		no("SELECT curfew_small.drop_role($1)", name)
		no("SELECT curfew_small.disown($1)", name)
		no("SELECT curfew_small.clear_group($1)", name)
		no("SELECT curfew_small.grant_group($1, '[]')", name)
	}
	// Not beyond the allow-list, and never in the system's schemas or its own.
	for _, right := range []string{
		`{"privilege":"SELECT","kind":"TABLE","schema":"public","name":"salaries"}`, `{"privilege":"SELECT","kind":"TABLE","schema":"pg_catalog","name":"pg_authid"}`,
		`{"privilege":"INSERT","kind":"TABLE","schema":"curfew_small","name":"allowed"}`, `{"privilege":"ALL","kind":"TABLE","schema":"scratch","name":"x"}`,
		`{"privilege":"TRIGGER","kind":"TABLE","schema":"scratch","name":"x"}`, `{"privilege":"CREATE","kind":"DATABASE","name":"shop"}`, `{"kind":"TABLE"}`, `{}`,
		`{"privilege":"SELECT ON TABLE orders TO PUBLIC; --","kind":"TABLE","schema":"scratch","name":"x"}`, `{"privilege":"EXECUTE","kind":"ROUTINE","schema":"scratch","name":"f","args":"int) TO PUBLIC; --"}`,
		`{"privilege":"EXECUTE","kind":"ROUTINE","schema":"pg_catalog","name":"pg_read_file","args":"text"}`,
	} {
		if _, err := login.Exec(ctx(t), "SELECT curfew_small.grant_group('curfew_small_g_1', $1)", "["+right+"]"); err == nil {
			t.Errorf("granted: %s", right)
		}
	}
	// Its own business goes on, without passwords in the clear.
	ok("SELECT curfew_small.grant_group('curfew_small_g_1', '[]')")
	ok("SELECT curfew_small.make_account('curfew_small_l_x', 'curfew_small_g_1', 5, now() + interval '1 hour')")
	no("SELECT curfew_small.open_account('curfew_small_l_x', 'a password')")
	no("SELECT curfew_small.borrow('curfew_small_l_x')")
	no("SELECT curfew_small.drop_role('curfew_small_g_1')") // it has a member
	ok("SELECT curfew_small.drop_role('curfew_small_l_x')")
	ok("SELECT curfew_small.drop_role('curfew_small_g_1')")
	if n, _ := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders"); n == "0" || n == "" {
		t.Error("orders:", n)
	}
	if n, err := pg.One(ctx(t), "shop", "SELECT string_agg(n.nspname || '.' || p.proname, ' ') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'curfew_small' AND has_function_privilege('bystander', p.oid, 'EXECUTE') AND has_schema_privilege('bystander', n.oid, 'USAGE')"); err != nil || n != "<nil>" {
		t.Error("everybody may call", n, err)
	}
}

// A whole lease by the limited login, and what its allow-list does not hold.
func TestALeaseByFunctions(t *testing.T) {
	t.Setenv(handsVariable, "1")
	k := newKeeper(t, "fn", resource())
	p, m := made(t, k, "read orders", "update refunds (status)", "create in schema scratch")
	c := as(t, k, p, m)
	for sql, may := range map[string]bool{
		"SELECT count(*) FROM orders": true, "UPDATE refunds SET status = 'x'": true, "UPDATE refunds SET secret = 'x'": false,
		"SELECT * FROM salaries": false, "CREATE TABLE scratch.by_functions (id int)": true,
	} {
		if _, err := c.Exec(ctx(t), sql); (err == nil) != may {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if err := k.Limit(ctx(t), p, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, f := range k.Check(ctx(t)) {
		if !f.OK || f.Warn {
			t.Errorf("the doctor: %+v", f)
		}
	}
	if err := pg.Exec(ctx(t), "shop", "DELETE FROM curfew_fn.allowed WHERE schema_name = 'public'"); err != nil {
		t.Fatal(err)
	}
	_, err := k.Make(ctx(t), planFor("fn", "read orders", "read salaries"))
	if curfew.CodeOf(err) != curfew.Denied || !strings.Contains(err.Error(), "allow-list") {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx(t), pg.URL("curfew_plain", servers.AdminPassword, "shop"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx(t)) }()
	if _, err := conn.Exec(ctx(t), "SELECT * FROM orders"); codeOf(err) != "42501" {
		t.Errorf("the gateway's login reads tables: %v", err)
	}
}

// Whoever may create schemas in the database makes ours first, and would own what
// runs with a superuser's rights.
func TestTheSetupTrustsNothingThatStoodThere(t *testing.T) {
	if err := pg.Exec(ctx(t), "shop", "GRANT CREATE ON DATABASE shop TO app_owner"); err != nil {
		t.Fatal(err)
	}
	must := "CREATE FUNCTION curfew_squat.must(name text, kinds text) RETURNS void LANGUAGE sql AS ''"
	for name, before := range map[string][]string{
		"the schema":       {"SET ROLE app_owner", "CREATE SCHEMA curfew_squat"},
		"a function":       {"CREATE SCHEMA curfew_squat", "GRANT ALL ON SCHEMA curfew_squat TO app_owner", "SET ROLE app_owner", must},
		"the list":         {"CREATE SCHEMA curfew_squat", "GRANT ALL ON SCHEMA curfew_squat TO app_owner", "SET ROLE app_owner", "CREATE TABLE curfew_squat.allowed (schema_name text, object_name text, privileges text[])"},
		"a view for it":    {"CREATE SCHEMA curfew_squat", "CREATE VIEW curfew_squat.allowed AS SELECT ''::text AS schema_name, ''::text AS object_name, '{}'::text[] AS privileges"},
		"another overload": {"CREATE SCHEMA curfew_squat", "GRANT ALL ON SCHEMA curfew_squat TO app_owner", "SET ROLE app_owner", "CREATE FUNCTION curfew_squat.must(name varchar, kinds varchar) RETURNS void LANGUAGE sql AS ''"},
	} {
		if err := pg.Exec(ctx(t), "shop", before...); err != nil {
			t.Fatal(name, err)
		}
		err := pg.Exec(ctx(t), "shop", setup("squat", "curfew"))
		if codeOf(err) != "42501" && !strings.Contains(err.Error(), "not a superuser") {
			t.Errorf("%s: the set-up goes on: %v", name, err)
		}
		if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = 'curfew_squat' AND prosecdef"); err != nil || n != "0" {
			t.Errorf("%s: %s functions with a superuser's rights were left (%v)", name, n, err)
		}
		if err := pg.Exec(ctx(t), "shop", "DROP SCHEMA curfew_squat CASCADE"); err != nil {
			t.Fatal(name, err)
		}
	}
	conn, err := connectAs(t, servers.Admin, servers.AdminPassword, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx(t), "SET ROLE app_owner"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx(t), setup("squat", "curfew")); err == nil {
		t.Error("somebody who is no superuser set it up")
	}
	for range 2 { // and again after an upgrade
		if err := pg.Exec(ctx(t), "shop", setup("squat", "curfew")); err != nil {
			t.Error(err)
		}
	}
	_ = pg.Exec(ctx(t), "shop", "DROP SCHEMA curfew_squat CASCADE")
}

// A removal that is cut off while it holds the account's membership goes on.
func TestARemovalThatWasCutOffGoesOn(t *testing.T) {
	t.Setenv(handsVariable, "1")
	k := newKeeper(t, "cutoff", resource())
	p := planFor("cutoff", "read orders")
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	c := as(t, k, p, m)
	for _, sql := range []string{"BEGIN", "SELECT lo_create(0)", "PREPARE TRANSACTION 'cutoff'"} {
		if _, err := c.Exec(ctx(t), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	login, err := connectAs(t, "curfew_plain", servers.AdminPassword, "shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"SELECT curfew_cutoff.strip_account('" + p.Account + "')", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + p.Account + "'",
		"SELECT curfew_cutoff.leave_groups('" + p.Account + "')", "SELECT curfew_cutoff.borrow('" + p.Account + "')", "SET ROLE " + quote(p.Account), "ROLLBACK PREPARED 'cutoff'",
	} {
		if strings.Contains(sql, "terminate") {
			_, err = super(t).Exec(ctx(t), sql)
			for n := "1"; err == nil && n != "0"; {
				n, err = pg.One(ctx(t), "shop", "SELECT count(*)::text FROM pg_stat_activity WHERE usename = '"+p.Account+"'")
			}
		} else {
			_, err = login.Exec(ctx(t), sql)
		}
		if err != nil {
			t.Fatal(sql, err)
		}
	}
	_ = login.Close(ctx(t))
	if r, err := k.Remove(ctx(t), p, m); err != nil || !r.Gone {
		t.Errorf("%+v %v", r, err)
	}
}

// Rights that a lease gave on, and that were given on from there, are taken back whole.
func TestRightsGivenOnAreTakenBackWhole(t *testing.T) {
	for _, role := range []string{"given_on LOGIN PASSWORD 'x'", "given_further"} {
		if err := pg.Exec(ctx(t), "shop", "SET log_statement = 'none'", "CREATE ROLE "+role); err != nil {
			t.Fatal(err)
		}
	}
	k := newKeeper(t, "givenon", resource())
	p := planFor("givenon", "create in schema scratch")
	m, err := k.Make(ctx(t), p)
	if err != nil {
		t.Fatal(err)
	}
	c := as(t, k, p, m)
	for _, sql := range []string{"CREATE TABLE scratch.givenon (id int)", "GRANT SELECT ON scratch.givenon TO given_on WITH GRANT OPTION"} {
		if _, err := c.Exec(ctx(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := pg.Exec(ctx(t), "shop", "GRANT USAGE ON SCHEMA scratch TO given_on", "SET ROLE given_on", "GRANT SELECT ON scratch.givenon TO given_further"); err != nil {
		t.Fatal(err)
	}
	if r, err := k.Remove(ctx(t), p, m); err != nil || !r.Gone {
		t.Errorf("%+v %v", r, err)
	}
	if n, err := pg.One(ctx(t), "shop", "SELECT (has_table_privilege('given_on', 'scratch.givenon', 'SELECT') OR has_table_privilege('given_further', 'scratch.givenon', 'SELECT'))::text"); err != nil || n != "false" {
		t.Error("somebody still reads it:", n, err)
	}
}
