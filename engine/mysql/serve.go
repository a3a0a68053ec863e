package mysql

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// leaveBound is how long an answer that is under way may take after a client has
// closed its side.
const leaveBound = 100 * time.Millisecond

// guest is a client that has been let in: what lives as long as its session does.
type guest struct {
	engine *Engine
	conn   net.Conn // the client's
	target *target
	thread uint32
	s      *session.Session
	relay  *relay
}

// receive opens the session of a client that has proved who it is, and logs in at
// the target.
func (e *Engine) receive(ctx context.Context, c *client, gate engine.Gatekeeper, claim access.Claim) *guest {
	_ = c.conn.SetDeadline(time.Time{})
	s, err := gate.Open(ctx, claim, c)
	if err != nil {
		_ = c.send(refused(err))
		return nil
	}
	t, err := e.connectTarget(s, c.hello)
	if err != nil {
		s.Close(c.noTarget(s, err))
		return nil
	}
	g := &guest{engine: e, conn: c.conn, target: t, thread: c.thread, s: s, relay: newRelay(e, s, c.conn, t)}
	if err := s.Attach(session.Legs{Client: parting{c.conn}, Target: t.Conn, Farewell: g.relay.farewell}); err != nil {
		g.leave(curfew.CauseClosed, "")
		return nil
	}
	e.threads.add(c.thread, thread{grant: s.Permit().Grant().ID, target: t.thread, relay: g.relay})
	err = c.send(okPayload(t.status))
	_ = c.conn.SetDeadline(time.Time{})
	if err != nil {
		g.leave(curfew.CauseClosed, "")
		return nil
	}
	return g
}

// noTarget tells a client that its target did not let it in, and returns why the
// session is over.
func (c *client) noTarget(s *session.Session, err error) (cause curfew.Cause, why string) {
	res := s.Permit().Resource()
	cause, why = curfew.CauseTarget, err.Error()
	if ended, over := s.Ended(); over {
		err = curfew.Errorf(curfew.Lapsed, "your access to %s is over: %s", res.Name, say.Cause(ended.Cause)).WithRule("grant." + string(ended.Cause))
	}
	_ = c.send(refused(err))
	return cause, why
}

// stay relays until one side is done.
func (g *guest) stay() { g.leave(g.relay.run()) }

// leave ends what was let in.
func (g *guest) leave(cause curfew.Cause, why string) {
	g.engine.threads.remove(g.thread)
	_ = g.target.Close()
	g.s.Close(cause, why)
	_ = g.conn.Close()
}

// run relays until one side is done, and says why.
func (r *relay) run() (curfew.Cause, string) {
	down := make(chan error, 1)
	go func() {
		err := r.down()
		if !r.leaving.Load() { // cuts: the client hears it now, not at its next statement
			r.s.Permit().Fail(causeOf(err), targetWords(err))
		}
		down <- err
	}()
	upErr := r.up()
	r.leaving.Store(true)
	if errors.Is(upErr, errLeft) {
		// The client said good-bye or closed: what it sent is sent; the target ends by itself or is reset.
		_ = r.target.SetReadDeadline(time.Now().Add(leaveBound))
	} else {
		_ = r.target.SetReadDeadline(time.Unix(1, 0))
	}
	downErr := <-down
	switch {
	case errors.Is(upErr, errLeft):
		return curfew.CauseClosed, ""
	case isProtocol(upErr):
		return curfew.CauseProtocol, upErr.Error()
	}
	return causeOf(downErr), targetWords(downErr)
}

func isProtocol(err error) bool {
	e := asError(err)
	return e != nil && e.Rule == "protocol"
}

func causeOf(err error) curfew.Cause {
	if isProtocol(err) {
		return curfew.CauseProtocol
	}
	return curfew.CauseTarget
}

func targetWords(err error) string {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, errTargetLeft) {
		return "the target closed the connection"
	}
	return err.Error()
}
