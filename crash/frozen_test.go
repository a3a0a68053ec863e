package crash

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// What a client sends while the gateway is frozen lies in the kernel until it wakes.
func TestFrozenAcrossTheEnd(t *testing.T) {
	pg := shop(t)
	g := newGateway(t, "frozen", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	grant := g.givenFor(people["w1"], "8s")
	conn, cred := g.connected(people["w1"], grant.ID)
	if err := works(conn); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(grant.End.Add(-500 * time.Millisecond)))
	if !time.Now().Before(grant.End) {
		t.Fatal("the machine is too slow to freeze it before the end")
	}
	g.run.signal(syscall.SIGSTOP)
	late := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		time.Sleep(200 * time.Millisecond)
		_, err := conn.Exec(ctx, "SELECT 'a late statement'")
		late <- err
	}()
	time.Sleep(time.Until(grant.End.Add(time.Second)))
	g.run.signal(syscall.SIGCONT)
	woken := time.Now()
	if err := <-late; err == nil {
		t.Error("a statement sent before the end and read after it was answered")
	}
	if took := time.Since(woken); took > time.Second {
		t.Errorf("the session was cut %s after it woke", took)
	}
	if strings.Contains(pg.Log(), "a late statement") {
		t.Error("a late statement reached the target")
	}
	if c, err := dial(context.Background(), cred); err == nil {
		_ = c.Close(context.Background())
		t.Error("a session opened after the end")
	}
	if !within(15*time.Second, func() bool { return accounts(t, pg, "frozen") == "0" }) {
		t.Error("the account stays")
	}
}

func TestTargetDownAtTheEndIsTriedUntilItIsGone(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	g := newGateway(t, "down", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	grant := g.given(people["w1"])
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := people["ada"].Revoke(ctx, grant.ID, client.Why{}); err != nil {
		t.Fatal(err)
	}
	var got client.Grant
	var err error
	if !within(30*time.Second, func() bool {
		got, err = people["ada"].Grant(ctx, grant.ID, 0)
		return err == nil && got.Status == "ended" && got.Trouble != ""
	}) {
		t.Errorf("the grant does not say that its account cannot be removed: %+v %v", got, err)
	}
	t.Logf("it says: %s", got.Trouble)
	g.kill() // it goes on after a crash, too
	g.start()
	if err := pg.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if !within(60*time.Second, func() bool { return accounts(t, pg, "down") == "0" }) {
		t.Error("the account stays when the target is back")
	}
	if !within(10*time.Second, func() bool {
		got, err = people["ada"].Grant(ctx, grant.ID, 0)
		return err == nil && got.Status == "verified"
	}) {
		t.Errorf("the grant is %s: %v", got.Status, err)
	}
}
