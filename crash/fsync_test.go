package crash

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/client"
)

// waitForEnd returns when the session has ended, seen from its client.
func waitForEnd(conn interface{ IsClosed() bool }) {
	c := conn.(*pgx.Conn)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, _ = c.WaitForNotification(ctx) // nobody notifies: it reads until the connection breaks
}

// inject has the kernel's answers to the gateway's fsyncs changed from now on,
// until the function that it returns kills it.
func (g *gateway) inject(how string) (stop func()) {
	g.t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		g.t.Fatal("strace is needed and not found: scripts/need-tools")
	}
	log := g.logs + ".strace"
	s := launch(g.t, exec.Command("strace", "-f", "-o", log, "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:"+how, "-p", fmt.Sprint(g.run.pid())))
	traced := func() bool {
		status, _ := exec.Command("grep", "-h", "TracerPid", fmt.Sprintf("/proc/%d/status", g.run.pid())).Output()
		return strings.TrimSpace(strings.TrimPrefix(string(status), "TracerPid:")) == fmt.Sprint(s.pid())
	}
	if !within(10*time.Second, func() bool { return traced() || s.over() }) || s.over() {
		g.t.Fatal("strace cannot trace here (ptrace is not allowed): the tests of fsync errors and stalls did not run")
	}
	time.Sleep(200 * time.Millisecond) // its other threads
	return func() {                    // the gateway is killed first: it never sees the disk well again
		g.run.signal(syscall.SIGKILL)
		s.end(syscall.SIGKILL)
		<-g.run.gone
	}
}

// injected counts how often the kernel's answer was changed: a test in which that never happened shows nothing.
func (g *gateway) injected() int {
	out, _ := exec.Command("grep", "-c", "INJECTED", g.logs+".strace").Output()
	var n int
	_, _ = fmt.Sscan(string(out), &n)
	return n
}

func TestFsyncErrors(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "eio", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	grant := g.given(people["w1"])
	conn, cred := g.connected(people["w1"], grant.ID)
	stop := g.inject("error=EIO")

	began := time.Now()
	r, err := people["w2"].Ask(ctx, client.Ask{Role: "shop/reader", For: "30m", Reason: "while the disk fails"})
	took := time.Since(began).Round(time.Millisecond)
	if f := client.FailureOf(err); f == nil || f.Status != 503 || !strings.HasPrefix(f.Code, "ledger.") {
		t.Errorf("asking while nothing is durable gets: %+v %v", r, err)
	} else {
		t.Logf("asking gets, after %s, %d %s: %s", took, f.Status, f.Code, f.Detail)
	}
	if took > 8*time.Second {
		t.Errorf("asking took %s", took)
	}
	if c, err := dial(ctx, cred); err == nil {
		_ = c.Close(ctx)
		t.Error("a session opened while nothing is durable")
	}
	g.revokedWithinASecond(people["ada"], grant.ID, conn)
	if n := g.injected(); n == 0 {
		t.Error("no fsync failed")
	} else {
		t.Logf("%d fsyncs failed", n)
	}
	stop()
	g.start()
	g.staysRevoked(people["ada"], cred, grant.ID)
	g.given(people["w3"])
}

func TestFsyncStalls(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "stall", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	grant := g.given(people["w1"])
	conn, cred := g.connected(people["w1"], grant.ID)
	out, err := people["w3"].Me(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop := g.inject("delay_enter=30000000")

	asked := make(chan string, 1)
	bound, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	go func() {
		r, _ := people["w2"].Ask(bound, client.Ask{Role: "shop/reader", For: "30m", Reason: "while the disk stalls"})
		asked <- r.Grant
	}()
	time.Sleep(2 * time.Second)
	if len(asked) > 0 {
		t.Errorf("somebody was answered while the disk stalled: %q", <-asked)
	}
	g.revokedWithinASecond(people["ada"], grant.ID, conn)
	if done, err := people["ada"].Disable(ctx, out.ID); err != nil || done.Written {
		t.Errorf("disabling somebody while the disk stalls: %+v %v", done, err)
	}
	if _, err := people["w3"].Me(ctx); err == nil {
		t.Error("who is disabled still reads")
	}
	if got := <-asked; got != "" {
		t.Errorf("the grant %s was acknowledged while nothing was durable", got)
	}
	stop()
	g.start()
	g.staysRevoked(people["ada"], cred, grant.ID)
	if _, err := people["w3"].Me(ctx); err == nil {
		t.Error("who was disabled is signed in again after the gateway was killed")
	}
	all, err := people["ada"].People(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all.Items {
		if p.ID == out.ID && p.Enabled {
			t.Error("who was disabled is enabled again after the gateway was killed")
		}
	}
}
