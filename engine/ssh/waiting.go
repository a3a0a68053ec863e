package ssh

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

// tellBound is how long a client that waits may take to be told something.
const tellBound = 5 * time.Second

// Wait watches a client that waits for an answer. The library goes on reading what it
// sends, so that its leaving is seen where its bytes come in.
func (c *client) Wait(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	_ = c.conn.SetDeadline(time.Time{})
	c.conn.watch(func() {
		cancel(curfew.Errorf(curfew.Lapsed, "the client went away while it waited").WithRule("client.left"))
	})
	return ctx, func() {
		c.conn.watch(nil)
		cancel(nil)
		_ = c.conn.SetDeadline(time.Now().Add(loginBound))
	}
}

// Tell tells a client that waits how things are: a banner may come at any time before
// it is let in, and clients print it as it comes (RFC 4252, 5.4).
func (c *client) Tell(n say.Notice) error {
	text := n.Line + "\r\n"
	if n.Detail != "" {
		text += "  " + n.Detail + " " + n.Hint + "\r\n"
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(tellBound))
	defer func() { _ = c.conn.SetWriteDeadline(time.Time{}) }()
	return c.pre.SendAuthBanner(text)
}
