package crash

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// TestAnApprovalOfHighRiskCanBeUndone has connections wait for an answer: one that is undone in
// time never reaches the target; the next begins once the time has passed.
func TestAnApprovalOfHighRiskCanBeUndone(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "undo", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	ada, lea, w1 := people["ada"], people["lea"], people["w1"]
	ada.applies(t, strings.Replace(configurationOf(pg), "        not: requester\n", "        not: requester\n    risk: high\n", 1))
	approved := func() (client.Request, time.Time) {
		t.Helper()
		asked := g.waits(lea)
		if asked.Risk != "high" || len(asked.Takes) != 1 {
			t.Errorf("%+v", asked)
		}
		r, err := lea.Approve(ctx, asked.ID, client.Decision{Digest: asked.Digest, Passphrase: passphrase(lea.email)})
		if err != nil || r.Grant == "" {
			t.Fatalf("%+v %v", r, err)
		}
		return r, time.Now()
	}

	cred, err := w1.Asking(ctx, mendFirst())
	if err != nil {
		t.Fatal(err)
	}
	cmd, out := psql(t, cred, "-c", "SELECT 'it ran'")
	r, _ := approved()
	if _, err := lea.Revoke(ctx, r.Grant, client.Why{Why: "the approval was undone"}); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || strings.Contains(out.String(), "it ran") {
		t.Errorf("undone in time, and psql went on: %v %s", err, out)
	}

	if cred, err = w1.Asking(ctx, mendFirst()); err != nil {
		t.Fatal(err)
	}
	cmd, out = psql(t, cred, "-c", "SELECT 'it ran'")
	_, at := approved()
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "it ran") {
		t.Errorf("psql did not go on: %v %s", err, out)
	}
	if took := time.Since(at); took < 9*time.Second || took > 30*time.Second {
		t.Errorf("it began %s after the approval", took)
	}
	g.verify(ada)
}
