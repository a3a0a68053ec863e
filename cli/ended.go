package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/client"
)

// cutText says why a session or its grant ended before its client did; "" if it did not.
func (a *app) cutText(ctx context.Context, c *client.Client, grant string, since time.Time) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for range 10 {
		list, err := c.Sessions(ctx, client.Listing{Grant: grant})
		if err != nil {
			return ""
		}
		live := false
		for _, s := range list.Items {
			if s.Opened.Before(since) {
				continue
			}
			live = live || s.Live
			if cutCause(s.Cause) {
				return a.why(ctx, c, grant, s)
			}
		}
		if !live {
			return ""
		}
		select { // the gateway is still closing it
		case <-ctx.Done():
			return ""
		case <-time.After(200 * time.Millisecond):
		}
	}
	return ""
}

// cutCause says whether a session ended because somebody or something ended it,
// and not its client or its target.
func cutCause(cause string) bool {
	switch cause {
	case "", "closed", "target", "protocol":
		return false
	}
	return true
}

// why says what ended a session: the grant's words where it was the grant.
func (a *app) why(ctx context.Context, c *client.Client, grant string, s client.Session) string {
	text := fmt.Sprintf("your session on %s was cut at %s: %s", clean(s.Resource), a.clock(s.Ended), prose(s.CauseText))
	g, err := c.Grant(ctx, grant, 0)
	if err != nil || !over(g) {
		return text
	}
	if g.EndedBy != "" && g.EndedBy != g.Who {
		text += ", by " + clean(g.EndedBy)
	}
	if g.EndedWhy != "" {
		text += ": " + quoted(g.EndedWhy)
	}
	return text
}
