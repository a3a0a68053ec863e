package crash

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/servers"
)

// accounts counts a deployment's lease accounts at the target.
func accounts(t *testing.T, pg *servers.Postgres, deployment string) string {
	t.Helper()
	n, err := pg.One(context.Background(), "shop", `SELECT count(*)::text FROM pg_roles WHERE starts_with(rolname, $1)`, "curfew_"+deployment+"_l_")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTwoDeploymentsLeaveEachOthersAccounts(t *testing.T) {
	pg := shop(t)
	one, two := newGateway(t, "one", loginOf(pg)), newGateway(t, "two", loginOf(pg))
	one.start()
	two.start()
	a, b := one.everybody(pg), two.everybody(pg)
	ends, stays := one.given(a["w1"]), two.given(b["w1"])
	conn, cred := two.connected(b["w1"], stays.ID)
	if _, err := a["ada"].Revoke(context.Background(), ends.ID, client.Why{}); err != nil {
		t.Fatal(err)
	}
	if !within(15*time.Second, func() bool { return accounts(t, pg, "one") == "0" }) {
		t.Error("the first deployment's account stays")
	}
	if err := works(conn); err != nil || accounts(t, pg, "two") != "1" {
		t.Errorf("the second deployment has %s accounts and its session: %v", accounts(t, pg, "two"), err)
	}
	two.kill()
	one.kill()
	one.start() // what starts after a crash looks at what is left of its own
	time.Sleep(2 * time.Second)
	if accounts(t, pg, "two") != "1" {
		t.Error("the first deployment swept the second's account")
	}
	two.start()
	again, err := dial(context.Background(), cred)
	if err != nil {
		t.Fatalf("the second deployment's grant does not work any more: %v", err)
	}
	defer func() { _ = again.Close(context.Background()) }()
	if err := works(again); err != nil {
		t.Error(err)
	}
}

func TestSecondGatewayOnTheSameFolderIsRefused(t *testing.T) {
	pg := shop(t)
	g := newGateway(t, "same", loginOf(pg))
	g.start()
	second := *g
	second.http, second.pg = freeAddress(t), freeAddress(t)
	said := second.refused()
	if !strings.Contains(said, "Process "+strconv.Itoa(g.run.pid())) || !strings.Contains(said, "curfew-data") {
		t.Errorf("it says:\n%s", said)
	}
	if _, err := os.Stat(g.path("addresses")); err != nil || g.run.over() {
		t.Errorf("the first one suffered: %v", err)
	}
}

func TestYesterdaysFolderOpensNothing(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "back", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	grant := g.given(people["w1"])
	conn, _ := g.connected(people["w1"], grant.ID)
	_ = conn.Close(ctx)
	g.stop()
	data := g.path("curfew-data")
	copyFolder(t, data, g.path("yesterday"))
	g.start()
	if _, err := people["ada"].Revoke(ctx, grant.ID, client.Why{}); err != nil {
		t.Fatal(err)
	}
	if !within(15*time.Second, func() bool { return accounts(t, pg, "back") == "0" }) {
		t.Error("the account stays")
	}
	g.kill()
	copyFolder(t, data, g.path("today"))
	move := func(from string) {
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		copyFolder(t, g.path(from), data)
	}
	move("yesterday")
	if said := g.refused(); !strings.Contains(said, "rolled back") || !strings.Contains(said, "curfew restore") {
		t.Errorf("it says:\n%s", said)
	}
	if accounts(t, pg, "back") != "0" {
		t.Error("an account came back with yesterday's folder")
	}
	move("today")
	g.start()
	g.verify(people["ada"])
}

func TestDataFolderWithoutItsNodeOpensNothing(t *testing.T) {
	pg := shop(t)
	g := newGateway(t, "mine", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	g.given(people["w1"])
	other := newGateway(t, "mine", loginOf(pg)) // of the same name, with a node of its own
	other.start()
	other.stop()
	g.stop()

	thief := newGateway(t, "mine", loginOf(pg))
	copyFolder(t, g.path("curfew-data"), thief.path("curfew-data"))
	if said := thief.refused(); !strings.Contains(said, "no node in") {
		t.Errorf("without a node it says:\n%s", said)
	}
	copyFolder(t, other.path("curfew-node"), thief.path("curfew-node"))
	if said := thief.refused(); !strings.Contains(said, "ledger") {
		t.Errorf("with a foreign node it says:\n%s", said)
	}
	g.start()
	g.verify(people["ada"])
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error { // CopyFS opens the modes by the umask
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
