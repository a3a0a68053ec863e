package mysql

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/servers"
)

// account is the name of a grant's account at the target.
func account(t *testing.T, w *enginetest.World, id curfew.GrantID) (name string) {
	t.Helper()
	w.Access.View(func(st *access.State) {
		if l := st.LeaseOf(id); l != nil {
			name = l.Account
		}
	})
	if name == "" {
		t.Fatal("the grant has no account")
	}
	return name
}

func grants(t *testing.T, account string) []string {
	t.Helper()
	db, err := maria.Connect(servers.Super, servers.SuperPassword, "")
	must(t, err)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(within(t), "SHOW GRANTS FOR "+accountName(account))
	must(t, err)
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var line string
		must(t, rows.Scan(&line))
		line, _, _ = strings.Cut(line, " TO ")
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func TestAnAccountHoldsExactlyItsPermission(t *testing.T) {
	w := world(t, "exact", func(o *enginetest.Options) {
		o.Roles["columns"] = []string{"read shop.refunds (status, id)", "update refunds (note)", "insert refunds", "delete refunds", "call two", "create in database scratch_1"}
		o.Roles["all"] = []string{"read *"}
	})
	for role, want := range map[curfew.RoleName][]string{
		"columns": {
			"GRANT CREATE, CREATE VIEW ON `scratch\\_1`.*",
			"GRANT EXECUTE ON PROCEDURE `shop`.`two`",
			"GRANT SELECT (`id`, `status`), INSERT, UPDATE (`note`), DELETE ON `shop`.`refunds`",
			"GRANT USAGE ON *.*",
		},
		"all": {"GRANT SELECT ON `shop`.`orders`", "GRANT SELECT ON `shop`.`refunds`", "GRANT USAGE ON *.*"},
	} {
		g := w.Grant(role, time.Hour)
		if got := grants(t, account(t, w, g.ID)); !sameRights(got, want) {
			t.Errorf("%s: %q, want %q", role, got, want)
		}
	}
}

// sameRights compares lines of SHOW GRANTS; the order of columns in them is the server's.
func sameRights(got, want []string) bool {
	letters := func(lines []string) []string {
		var out []string
		for _, l := range lines {
			words := strings.FieldsFunc(l, func(r rune) bool { return strings.ContainsRune(" ,()", r) })
			slices.Sort(words)
			out = append(out, strings.Join(words, " "))
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(letters(got), letters(want))
}

func TestAnAccountCannotOpenItself(t *testing.T) {
	w := world(t, "opens")
	g := w.Grant("write", time.Hour)
	name := account(t, w, g.ID)
	c := connect(t, w, g)
	for _, s := range []string{
		"SET PASSWORD = PASSWORD('mine')", "ALTER USER CURRENT_USER() IDENTIFIED BY 'mine' ACCOUNT UNLOCK", "ALTER USER " + accountName(name) + " ACCOUNT UNLOCK",
		"EXECUTE IMMEDIATE CONCAT('SET PASS', 'WORD = PASSWORD(''mine'')')", "UPDATE mysql.global_priv SET Priv = '{}'", "GRANT SELECT ON mysql.user TO CURRENT_USER()",
	} {
		_, err := c.ExecContext(within(t), s)
		t.Logf("%s: %v", s, err)
	}
	for _, password := range []string{"mine", "", g.Password} {
		db, err := maria.Connect(name, password, "")
		must(t, err)
		if err := db.PingContext(within(t)); err == nil {
			t.Errorf("the account lets somebody in directly with %q", password)
		} else if n := number(t, err); password == "mine" && n != 4151 && n != errAccessDenied {
			t.Errorf("%v", err)
		}
		_ = db.Close()
	}
	var n int
	must(t, c.QueryRowContext(within(t), "SELECT 1").Scan(&n)) // the session goes on
}

func TestAnAccountThatIsUsedOutsideEndsItsGrant(t *testing.T) {
	w := world(t, "outside")
	g := w.Grant("read", time.Hour)
	name := account(t, w, g.ID)
	must(t, maria.Exec(context.Background(), "", "ALTER USER "+accountName(name)+" IDENTIFIED BY 'forced' ACCOUNT UNLOCK"))
	db, err := maria.Connect(name, "forced", "")
	must(t, err)
	defer func() { _ = db.Close() }()
	c, err := db.Conn(within(t))
	must(t, err)
	defer func() { _ = c.Close() }()
	w.Await(g.ID, access.Gone)
	if err := c.PingContext(within(t)); err == nil {
		t.Error("the connection past the gateway lives")
	}
}

func TestWhatAnAccountLeavesIsNamedAndServesNobody(t *testing.T) {
	w := world(t, "left")
	g := w.Grant("create", time.Hour)
	c := connect(t, w, g)
	_, err := c.ExecContext(within(t), "CREATE VIEW scratch_1.peek AS SELECT * FROM shop.orders")
	must(t, err)
	_, err = c.ExecContext(within(t), "CREATE TABLE scratchx1.elsewhere (id INT)")
	if n := number(t, err); n != 1142 {
		t.Errorf("a database whose name the pattern would have matched: %v", err)
	}
	w.Revoke(g.ID)
	w.Await(g.ID, access.Gone)
	k := New().Keeper(newTarget("gate_left", "left")).(*keeper)
	defer k.Close()
	left, err := k.Accounts(within(t))
	must(t, err)
	if len(left) != 0 {
		t.Errorf("accounts are left: %v", left)
	}
	if err := maria.Exec(context.Background(), "", "SELECT * FROM scratch_1.peek"); err == nil || !strings.Contains(err.Error(), "definer") {
		t.Errorf("the view serves somebody: %v", err)
	}
	must(t, maria.Exec(context.Background(), "", "DROP VIEW scratch_1.peek"))
}

func TestAPreparedTransactionForbidsVerified(t *testing.T) {
	w := world(t, "prepared")
	g := w.Grant("write", time.Hour)
	c := connect(t, w, g)
	for _, s := range []string{"XA START 'curfew-xa'", "INSERT INTO orders (cust) VALUES ('xa')", "XA END 'curfew-xa'", "XA PREPARE 'curfew-xa'"} {
		_, err := c.ExecContext(within(t), s)
		must(t, err)
	}
	w.Revoke(g.ID)
	time.Sleep(1500 * time.Millisecond)
	there := false
	w.Access.View(func(st *access.State) { there = st.LeaseOf(g.ID) != nil || len(st.Leases) > 0 })
	if !there {
		t.Error("the account was verified to be gone while its prepared transaction holds locks")
	}
	must(t, maria.Exec(context.Background(), "", "XA ROLLBACK 'curfew-xa'"))
	w.Await(g.ID, access.Gone)
}

// newTarget is the shared server as a keeper of a deployment reaches it.
func newTarget(login, deployment string) lease.Target {
	return lease.Target{
		Deployment: deployment, Resource: resource(),
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", maria.Address())
		},
		Login: func(context.Context) (lease.Login, error) {
			return lease.Login{User: login, Password: servers.AdminPassword, Database: "shop", Options: map[string]string{"sslmode": "disable"}}, nil
		},
	}
}

func planFor(deployment string, may ...string) lease.Plan {
	id := curfew.LeaseID(curfew.NewID("l"))
	return lease.Plan{
		Lease: id, Grant: curfew.GrantID(curfew.NewID("gr")), Account: access.AccountName(deployment, id), Permission: curfew.Permission{May: may}, Until: time.Now().Add(time.Hour),
	}
}

func TestWhatEverybodyMayDoIsRefusedOrAccepted(t *testing.T) {
	must(t, maria.Exec(context.Background(), "", "CREATE DATABASE loose", "GRANT SELECT ON loose.* TO PUBLIC"))
	defer func() {
		must(t, maria.Exec(context.Background(), "", "REVOKE SELECT ON loose.* FROM PUBLIC", "DROP DATABASE loose"))
	}()
	must(t, maria.MakeAdmin(context.Background(), "gate_everybody", "shop"))
	plan := planFor("everybody", "read orders")
	tg := newTarget("gate_everybody", "everybody")
	k := New().Keeper(tg).(*keeper)
	defer k.Close()
	made, err := k.Make(within(t), plan)
	if e := asError(err); e == nil || e.Rule != "role.exceeds" || !strings.Contains(e.Message, "loose") {
		t.Fatalf("%v", err)
	}
	if left, err := k.Accounts(within(t)); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	tg.Resource.Accepts = made.Digest
	k2 := New().Keeper(tg).(*keeper)
	defer k2.Close()
	if made, err = k2.Make(within(t), plan); err != nil {
		t.Fatal(err)
	}
	residue, err := k2.Remove(within(t), plan, made)
	if err != nil || !residue.Gone || !residue.Powerless {
		t.Errorf("%+v, %v", residue, err)
	}
	if residue, err = k2.Remove(within(t), plan, made); err != nil || !residue.Gone {
		t.Errorf("removing it again: %+v, %v", residue, err)
	}
}

func TestTheKeeperTouchesOnlyItsOwn(t *testing.T) {
	k := New().Keeper(newTarget("gate_none", "mine")).(*keeper)
	good := planFor("mine", "read orders").Account
	for name, account := range map[string]string{
		"another deployment's": strings.Replace(good, "_mine_", "_other_", 1), "a person's": "root", "one with a quote": good + "'", "one in capitals": strings.ToUpper(good), "none": "",
	} {
		if k.ours(account) == nil {
			t.Errorf("%s: %q", name, account)
		}
	}
	if err := k.ours(good); err != nil {
		t.Error(err)
	}
}

func TestRolesThatNameNothingAreRefused(t *testing.T) {
	must(t, maria.MakeAdmin(context.Background(), "gate_nothing", "shop"))
	k := New().Keeper(newTarget("gate_nothing", "nothing")).(*keeper)
	defer k.Close()
	for _, line := range []string{"read nowhere", "call nothing", "read mysql.user", "read orders (nope)", "read billing.invoices"} {
		_, err := k.Make(within(t), planFor("nothing", line))
		if e := asError(err); e == nil || e.Rule != "role.object" {
			t.Errorf("%s: %v", line, err)
		}
	}
	if err := k.wrap(&mysql.MySQLError{Number: 1227, Message: "denied"}); curfew.CodeOf(err) != curfew.Denied {
		t.Errorf("%v", err)
	}
}
