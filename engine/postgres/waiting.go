package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

// tellBound is how long a client that waits may take to be told something.
const tellBound = 5 * time.Second

// Wait watches a client that waits for an answer: it has nothing to say until it
// is let in. A good-bye or a closed connection is its leaving.
func (c *client) Wait(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	_ = c.conn.SetReadDeadline(time.Time{})
	go func() {
		defer close(done)
		var b [1]byte
		switch n, err := c.conn.Read(b[:]); {
		case n == 1 && b[0] != 'X':
			cancel(malformed("a message before the client was let in"))
		case n == 1 || ctx.Err() == nil && !isTimeout(err):
			cancel(left())
		}
	}()
	return ctx, func() {
		cancel(nil)
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.conn.SetReadDeadline(time.Time{})
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func left() error {
	return curfew.Errorf(curfew.Lapsed, "the client went away while it waited").WithRule("client.left")
}

// Tell tells a client that waits how things are: notices are allowed between
// AuthenticationOk and ReadyForQuery, and clients print them as they come.
func (c *client) Tell(n say.Notice) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(tellBound))
	err := c.send(notice("NOTICE", "00000", n))
	_ = c.conn.SetWriteDeadline(time.Time{})
	return err
}
