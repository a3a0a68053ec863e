package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew/client"
)

// tunnel listens on this machine for the sake of clients that know nothing of the
// gateway. Each connection gets a credential of its own, for one use; connections of
// other accounts of this machine are turned away. With a command, it lasts as long as
// the command; without, until Ctrl-C or the grant's end.
type tunnel struct {
	app   *app
	c     *client.Client
	grant client.Grant
	door  client.Credential // where the gateway is; its secret is not used

	mu    sync.Mutex
	over  error              // guarded by mu; why nothing more goes through
	conns map[net.Conn]bool  // guarded by mu
	end   context.CancelFunc // ends the listening
	began time.Time
}

func (a *app) tunnel(ctx context.Context, c *client.Client, g client.Grant, door client.Credential, l launch) error {
	if l.native && len(l.args) > 0 {
		return usage("a plain TCP resource has no client of its own to give arguments to", "curfew run "+clean(g.Resource)+" -- COMMAND")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen on this machine: %w", err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &tunnel{app: a, c: c, grant: g, door: door, conns: map[net.Conn]bool{}, end: cancel, began: a.now().Add(-5 * time.Second)}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer t.close()
	defer func() { _ = ln.Close() }()
	context.AfterFunc(ctx, func() { _ = ln.Close() })
	wg.Go(func() { t.accept(ctx, ln, &wg) })
	if !l.native {
		path, err := exec.LookPath(l.args[0])
		if err != nil {
			return failed(exitFailed, "client.missing", clean(l.args[0])+" is not on this machine's path")
		}
		code, err := a.child(path, l.args, []string{"CURFEW_ADDRESS=" + ln.Addr().String()})
		if err != nil {
			return err
		}
		return errors.Join(t.why(), endedWith(code))
	}
	a.note("%s is at %s until %s, for this account only. Ctrl-C ends it.", clean(g.Resource), ln.Addr(), a.both(g.End))
	a.outf("%s\n", ln.Addr())
	left := time.NewTimer(max(g.End.Sub(a.now()), 0))
	defer left.Stop()
	select {
	case <-ctx.Done():
	case <-left.C:
		return failed(exitCut, "session.cut", "your access to "+clean(g.Resource)+" ended "+a.both(g.End), "curfew request "+clean(g.Role))
	}
	return t.why()
}

func endedWith(code int) error {
	if code == 0 {
		return nil
	}
	return exit{code: code}
}

func (t *tunnel) why() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over
}

func (t *tunnel) close() {
	t.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		_ = c.Close()
	}
}

func (t *tunnel) hold(c net.Conn) (done func()) {
	t.mu.Lock()
	t.conns[c] = true
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		delete(t.conns, c)
		t.mu.Unlock()
		_ = c.Close()
	}
}

func (t *tunnel) accept(ctx context.Context, ln net.Listener, wg *sync.WaitGroup) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		if err := ownPeer(conn); err != nil {
			t.app.note("a connection was turned away: %v", err)
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			defer t.hold(conn)()
			err := t.carry(ctx, conn)
			if ctx.Err() != nil {
				return
			}
			t.look(ctx)
			if err != nil && ctx.Err() == nil {
				t.app.note("a connection to %s failed: %s", clean(t.grant.Resource), prose(err.Error()))
			}
		})
	}
}

// look ends the listening if access has ended: connections end with it.
func (t *tunnel) look(ctx context.Context) {
	text := t.app.cutText(ctx, t.c, t.grant.ID, t.began)
	if text == "" {
		g, err := t.c.Grant(ctx, t.grant.ID, 0)
		if err != nil || !over(g) {
			return
		}
		text = "Your access to " + clean(g.Resource) + " ended " + t.app.endText(g) + "."
	}
	t.mu.Lock()
	t.over = failed(exitCut, "session.cut", text, "curfew request "+clean(t.grant.Role))
	t.mu.Unlock()
	t.end()
}

// carry takes one connection to the gateway.
func (t *tunnel) carry(ctx context.Context, local net.Conn) error {
	cred, err := t.c.Credential(ctx, t.grant.ID, client.WantCredential{})
	if err != nil {
		return err
	}
	far, err := cred.Dial(ctx)
	if err != nil {
		return err
	}
	defer t.hold(far)()
	_ = far.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintf(far, "CURFEW 1 %s.%s %s\n", cred.User, cred.Password, cred.Database); err != nil {
		return err
	}
	in := bufio.NewReaderSize(far, 1024)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("the gateway closed the connection: %w", err)
	}
	answer, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "NO ")
	if ok {
		what, rest, _ := strings.Cut(answer, "\t")
		_, fix, _ := strings.Cut(rest, "\t")
		return errors.New(strings.TrimSuffix(what+": "+fix, ": "))
	}
	if !strings.HasPrefix(string(line), "OK ") {
		return errors.New("what answers there is no gateway for plain TCP")
	}
	_ = far.SetDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(far, local)
		closeWrite(far)
		close(done)
	}()
	_, _ = io.Copy(local, in)
	closeWrite(local)
	if in.Buffered() == 0 {
		_ = local.SetReadDeadline(time.Now().Add(time.Second)) // the far side is done; what is still on its way may follow
	}
	<-done
	return nil
}

func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	}
}
