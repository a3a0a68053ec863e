package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// smallDisk gives the gateway a disk of its own: a tmpfs in a mount namespace that
// a holder keeps, so that it outlives the gateway and nothing else sees it.
func (g *gateway) smallDisk(size string) {
	g.t.Helper()
	enter := []string{"nsenter", "-m", "-t"}
	namespace := []string{"-m"}
	if os.Getuid() != 0 {
		enter, namespace = []string{"nsenter", "-U", "--preserve-credentials", "-m", "-t"}, []string{"-r", "-m"}
	}
	script := fmt.Sprintf("mount -t tmpfs -o size=%s,mode=0700 tmpfs '%s' && : > '%s/ready' && exec sleep 100000", size, g.folder, g.folder)
	holder := launch(g.t, exec.Command("unshare", append(namespace, "sh", "-c", script)...))
	g.seen = filepath.Join("/proc", fmt.Sprint(holder.pid()), "root", g.folder)
	if !within(10*time.Second, func() bool { _, err := os.Stat(g.path("ready")); return err == nil || holder.over() }) || holder.over() {
		g.t.Fatal("this test needs a small disk to fill, and a tmpfs in a mount namespace (unshare -m) cannot be made here: " +
			"run it as root, or where unprivileged user namespaces are allowed")
	}
	g.wrap = append(enter, fmt.Sprint(holder.pid()), "--")
}

// fill leaves not one byte free, and returns how to make room again.
func (g *gateway) fill() (free func()) {
	g.t.Helper()
	ballast := g.path("ballast")
	f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for chunk := 1 << 20; chunk > 0; {
		if _, err = f.Write(make([]byte, chunk)); errors.Is(err, syscall.ENOSPC) {
			chunk /= 4
		} else if err != nil {
			g.t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			g.t.Error(err)
		}
	}
}

// A full disk, with the node's folder on it too, as `curfew up` has it unless told.
func TestFullDiskGivesNothingAndTakesAtOnce(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "full", loginOf(pg))
	g.smallDisk("64m")
	g.start()
	people := g.everybody(pg)
	grant := g.given(people["w1"])
	conn, cred := g.connected(people["w1"], grant.ID)
	other := g.given(people["w2"])
	if err := works(conn); err != nil {
		t.Fatal(err)
	}
	free := g.fill()

	// What is asked is refused, with the reason, once the space that is allocated is used.
	var refusal *client.Failure
	if !within(30*time.Second, func() bool {
		_, err := people["w3"].Ask(ctx, client.Ask{Role: "shop/reader", For: "30m", Reason: strings.Repeat("more ", 300)})
		refusal = client.FailureOf(err)
		if err == nil {
			if mine, err := people["w3"].Grants(ctx, client.Listing{Status: "active"}); err == nil && len(mine.Items) > 0 {
				_, _ = people["w3"].GiveBack(ctx, mine.Items[0].ID)
			}
		}
		return refusal != nil && refusal.Status == 503
	}) {
		t.Fatalf("on a full disk, asking gets: %+v\n%s", refusal, tail(g.log()))
	}
	if !strings.Contains(refusal.Detail, "ledger") && !strings.Contains(refusal.Detail, "disk") {
		t.Errorf("the refusal does not say why: %+v", refusal.Fault)
	}
	if g.run.over() {
		t.Fatalf("the gateway ended on a full disk:\n%s", tail(g.log()))
	}

	g.revokedWithinASecond(people["ada"], grant.ID, conn)
	if _, err := people["ada"].Revoke(ctx, other.ID, client.Why{}); err != nil {
		t.Errorf("a second revoke: %v", err)
	}
	g.kill()
	free()
	g.start()
	g.staysRevoked(people["ada"], cred, grant.ID, other.ID)
}

// revokedWithinASecond revokes while something is wrong with the disk: the live
// session is cut, and the answer comes, whether it is written yet or not.
func (g *gateway) revokedWithinASecond(admin person, grant string, conn interface{ IsClosed() bool }) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	gone := make(chan time.Time, 1)
	go func() {
		waitForEnd(conn)
		gone <- time.Now()
	}()
	began := time.Now()
	done, err := admin.Revoke(ctx, grant, client.Why{Why: "out"})
	answered := time.Since(began)
	if err != nil {
		g.t.Fatalf("revoke: %v\n%s", err, tail(g.log()))
	}
	select {
	case at := <-gone:
		g.t.Logf("cut after %s, answered after %s, written: %v", at.Sub(began).Round(time.Millisecond), answered.Round(time.Millisecond), done.Written)
		if at.Sub(began) > time.Second {
			g.t.Errorf("the session was cut after %s", at.Sub(began))
		}
	case <-time.After(5 * time.Second):
		g.t.Fatalf("the session lives on after its grant was revoked\n%s", tail(g.log()))
	}
	if answered > 3*time.Second {
		g.t.Errorf("the answer took %s", answered)
	}
}

// staysRevoked checks, after a restart, that nothing was revived and that the
// revocations are in the ledger.
func (g *gateway) staysRevoked(admin person, cred client.Credential, grants ...string) {
	g.t.Helper()
	ctx := context.Background()
	if c, err := dial(ctx, cred); err == nil {
		_ = c.Close(ctx)
		g.t.Error("a session of the revoked grant opened after the restart")
	}
	for _, id := range grants {
		head, err := admin.LedgerHead(ctx)
		if err != nil {
			g.t.Fatal(err)
		}
		got, err := admin.Grant(ctx, id, head.Size)
		if err != nil || got.Cause != "revoked" {
			g.t.Errorf("after the restart the grant %s is %s, %q: %v", id, got.Status, got.Cause, err)
		}
		found, err := admin.Audit(ctx, client.Search{Kind: "grant.ended", Grant: id, Position: head.Size})
		if err != nil || len(found.Items) != 1 {
			g.t.Errorf("the ledger has %d ends of %s: %v", len(found.Items), id, err)
		}
	}
	g.verify(admin)
}
