package crash

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// psql starts psql with a credential.
func psql(t *testing.T, c client.Credential, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command("psql", append([]string{"-X", "-A", "-t"}, args...)...)
	cmd.Env = append(os.Environ(), "PGHOST="+c.Host, "PGPORT="+strconv.Itoa(c.Port), "PGDATABASE="+c.Database, "PGUSER="+c.User, "PGPASSWORD="+c.Password, "PGSSLMODE=require")
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// mendFirst is what the workers ask for from their connections.
func mendFirst() client.Ask {
	return client.Ask{Role: "shop/mender", Resource: "shop-db", For: "30m", Reason: "refunds are stuck"}
}

// waits waits for the one request that somebody may decide.
func (g *gateway) waits(who person) client.Request {
	g.t.Helper()
	var list client.List[client.Request]
	if !within(15*time.Second, func() bool {
		list, _ = who.Requests(context.Background(), client.Listing{Scope: "review"})
		return len(list.Items) == 1
	}) {
		g.t.Fatalf("%d requests wait\n%s", len(list.Items), tail(g.log()))
	}
	return list.Items[0]
}

func TestAConnectionThatWaitsAndAStatementThatDoes(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "wait", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	ada, lea, w1 := people["ada"], people["lea"], people["w1"]

	// A rule of release takes away: one administrator applies it.
	text := strings.Replace(fmt.Sprintf(configuration, pg.Address()), "        not: requester\n", "        not: requester\n    release: { statements: [update-without-where], by: { approvals: 1, from: leads } }\n", 1)
	files := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: text}}}
	plan, err := ada.Plan(ctx, files)
	if err != nil || len(plan.Problems) > 0 || len(plan.Gains) > 0 {
		t.Fatalf("plan: %v %+v", err, plan)
	}
	files.Plan, files.Passphrase = plan.ID, passphrase(ada.email)
	if plan, err = ada.Apply(ctx, files); err != nil || plan.Status != "applied" {
		t.Fatalf("apply: %+v %v", plan, err)
	}

	// A gateway that is killed leaves no question behind that nobody waits for.
	cred, err := w1.Asking(ctx, mendFirst())
	if err != nil {
		t.Fatal(err)
	}
	cmd, out := psql(t, cred, "-c", "SELECT 1")
	asked := g.waits(lea)
	if asked.From == "" || asked.Reason != "refunds are stuck" {
		t.Errorf("%+v", asked)
	}
	g.kill()
	if err := cmd.Wait(); err == nil {
		t.Errorf("psql went on: %s", out)
	}
	g.start()
	r, err := lea.Request(ctx, asked.ID)
	for end := time.Now().Add(10 * time.Second); err == nil && r.Status == "pending" && time.Now().Before(end); r, err = lea.Request(ctx, asked.ID) {
		time.Sleep(20 * time.Millisecond)
	}
	if err == nil && r.Status == "pending" {
		t.Errorf("after the restart it still waits: %+v", r)
	}
	cmd, out = psql(t, cred, "-c", "SELECT 1")
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "this credential asks no second time") {
		t.Errorf("%v %s", err, out)
	}

	// The whole way: psql waits, somebody approves; its statement waits, and is released.
	if cred, err = w1.Asking(ctx, mendFirst()); err != nil {
		t.Fatal(err)
	}
	cmd, out = psql(t, cred, "-c", "UPDATE refunds SET note = 'seen'")
	asked = g.waits(lea)
	if _, err := lea.Approve(ctx, asked.ID, client.Decision{Digest: asked.Digest, Passphrase: passphrase(lea.email)}); err != nil {
		t.Fatal(err)
	}
	var held client.List[client.Held]
	if !within(20*time.Second, func() bool {
		held, err = lea.Statements(ctx)
		return err == nil && len(held.Items) == 1 && held.Items[0].Text != ""
	}) {
		t.Fatalf("no statement waits: %+v %v\n%s\n%s", held, err, out, tail(g.log()))
	}
	h := held.Items[0]
	if h.Text != "UPDATE refunds SET note = 'seen'" || !h.MayDecide || h.Role != "shop/mender" {
		t.Errorf("%+v", h)
	}
	if own, err := w1.Statement(ctx, h.ID); err != nil || own.MayDecide || own.Text != h.Text {
		t.Errorf("%+v %v", own, err)
	}
	if _, err := w1.ReleaseStatement(ctx, h.ID, client.Decision{Digest: h.Digest, Passphrase: passphrase(w1.email)}); err == nil {
		t.Error("they released their own")
	}
	if _, err := lea.ReleaseStatement(ctx, h.ID, client.Decision{Digest: h.Digest, Passphrase: passphrase(lea.email)}); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	for _, want := range []string{"Curfew: asked Lea Lead; waiting until ", "Curfew: asked Lea Lead to release this statement; waiting until ", "Curfew: Lea Lead released this statement.", "UPDATE "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("psql shows no %q (%v):\n%s", want, err, out)
		}
	}
	g.verify(ada)
}
