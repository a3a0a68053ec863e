package crash

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// restore runs `curfew restore` and returns what it says.
func restore(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command(program, append([]string{"restore"}, args...)...).CombinedOutput()
	return string(out), err
}

func TestACopyIsADeploymentOfItsOwn(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "orig", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	grant := g.given(people["w1"])
	conn, cred := g.connected(people["w1"], grant.ID)

	c := newGateway(t, "stage", loginOf(pg)) // the same login at hand: what it does with it counts
	from := []string{"--how", "copy", "--from", g.path("curfew-data"), "--from-node", g.path("curfew-node"), "--data", c.path("curfew-data"), "--node", c.path("curfew-node")}
	if said, err := restore(t, append(from, "--deployment", "orig")...); err == nil || !strings.Contains(said, "called orig too") {
		t.Fatalf("a copy under the same name: %v\n%s", err, said)
	}
	said, err := restore(t, append(from, "--deployment", "stage")...)
	if err != nil || !strings.Contains(said, "5 people") || !strings.Contains(said, "never touches accounts of orig") {
		t.Fatalf("copy: %v\n%s", err, said)
	}
	c.start()
	if c.said["link"] == "" {
		t.Fatal("the copy offers no first sign-in")
	}
	if _, err := c.api("").SignIn(ctx, client.SignIn{Email: "lea@shop.example", Passphrase: passphrase("lea@shop.example"), Device: "test"}); err == nil {
		t.Error("a passphrase of the original signs in at its copy")
	}
	ada := c.join("ada@shop.example", c.said["link"])
	list, err := ada.People(ctx)
	if err != nil || len(list.Items) != 5 || list.Items[0].Name == "(erased)" {
		t.Errorf("the copy's people: %+v %v", list.Items, err)
	}
	if policies, err := ada.Policies(ctx); err != nil || len(policies.Items) != 2 {
		t.Errorf("the copy's policies: %+v %v", policies, err)
	}
	time.Sleep(2 * time.Second)
	if accounts(t, pg, "orig") != "1" || works(conn) != nil {
		t.Error("the copy touched an account of the original")
	}
	if stray, err := dial(ctx, withPort(cred, c)); err == nil {
		_ = stray.Close(ctx)
		t.Error("a credential of the original opens a session at its copy")
	}
	c.verify(ada)
	g.verify(people["ada"])
	if said, err := restore(t, append(from, "--deployment", "other")...); err == nil || !strings.Contains(said, "has a ledger already") {
		t.Errorf("a copy over a deployment: %v\n%s", err, said)
	}
}

func withPort(c client.Credential, g *gateway) client.Credential {
	u := g.said["postgres"]
	host, port, _ := strings.Cut(u, ":")
	c.Host, c.Port = host, 0
	for _, d := range port {
		c.Port = c.Port*10 + int(d-'0')
	}
	return c
}

func TestALostNodeIsSaidAndHasASuccessor(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "lost", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	g.given(people["w1"])
	g.kill()
	if err := os.RemoveAll(g.path("curfew-node")); err != nil {
		t.Fatal(err)
	}
	if said := g.refused(); !strings.Contains(said, "no node in") || !strings.Contains(said, "restore --how new-key") {
		t.Errorf("without its node it says:\n%s", said)
	}
	c := newGateway(t, "next", loginOf(pg))
	said, err := restore(t, "--how", "new-key", "--from", g.path("curfew-data"), "--data", c.path("curfew-data"), "--node", c.path("curfew-node"), "--deployment", "next")
	if err != nil || !strings.Contains(said, "account curfew_lost_l_") {
		t.Fatalf("new-key: %v\n%s", err, said)
	}
	c.start()
	ada := c.join("ada@shop.example", c.said["link"])
	found, err := ada.Audit(ctx, client.Search{Kind: "ledger.restored"})
	if err != nil || len(found.Items) != 1 || found.Items[0].Body["how"] != "new key" {
		t.Errorf("what the successor's ledger says: %+v %v", found.Items, err)
	}
	c.verify(ada)
}
