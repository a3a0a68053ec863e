package mysql

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

// Wait watches a client that waits for an answer: it has nothing to say until it
// is let in. A closed connection is its leaving.
func (c *client) Wait(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	_ = c.conn.SetReadDeadline(time.Time{})
	go func() {
		defer close(done)
		var b [1]byte
		switch n, err := c.conn.Read(b[:]); {
		case n == 1:
			cancel(malformed("a packet before the client was let in"))
		case ctx.Err() == nil && !isTimeout(err):
			cancel(curfew.Errorf(curfew.Lapsed, "the client went away while it waited").WithRule("client.left"))
		}
	}()
	return ctx, func() {
		cancel(nil)
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.conn.SetReadDeadline(time.Time{})
	}
}

// Tell has nothing to say it with: until a client is let in, the protocol knows only
// yes and no.
func (*client) Tell(say.Notice) error { return nil }

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
