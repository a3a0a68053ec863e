package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// WordSearch says what to search recordings for, and where.
type WordSearch struct {
	Words            string // all of them in one item; refund* is whatever begins with refund
	Person, Resource string
	Session          string    // this one alone
	Since, Until     time.Time // of a session's opening
	Before, Position uint64
	Limit            int // sessions; 0: the gateway's own
}

// SearchSessions finds what was said in sessions. That one searched is recorded.
func (c *Client) SearchSessions(ctx context.Context, in WordSearch) (Hits, error) {
	q := url.Values{"words": {in.Words}}
	set(q, "person", in.Person)
	set(q, "resource", in.Resource)
	set(q, "session", in.Session)
	setTime(q, "since", in.Since)
	setTime(q, "until", in.Until)
	setNumber(q, "before", in.Before)
	setNumber(q, "position", in.Position)
	setNumber(q, "limit", uint64(max(in.Limit, 0)))
	return get[Hits](ctx, c, "/sessions/search", q)
}

// ExportSession copies a session's evidence to w. That one exported is recorded.
func (c *Client) ExportSession(ctx context.Context, session string, w io.Writer) (int64, error) {
	return c.copyTo(ctx, "/sessions/"+seg(session)+"/export", w)
}

// HoldRecording keeps a recording, whatever the retention says.
func (c *Client) HoldRecording(ctx context.Context, session string, in Holding) (Done, error) {
	return post[Done](ctx, c, "/sessions/"+seg(session)+"/hold", in)
}

// ReleaseRecording takes somebody else's hold on a recording away.
func (c *Client) ReleaseRecording(ctx context.Context, session string, in Holding) (Done, error) {
	return post[Done](ctx, c, "/sessions/"+seg(session)+"/release", in)
}

// Retention says how long recordings are kept.
func (c *Client) Retention(ctx context.Context) (Retention, error) {
	return get[Retention](ctx, c, "/retention", nil)
}

// copyTo copies an answer of any length to w; one that was cut off is an error.
func (c *Client) copyTo(ctx context.Context, path string, w io.Writer) (int64, error) {
	r, err := c.request(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept", "*/*")
	resp, err := c.send(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, c.unreachable(err)
	}
	return n, nil
}
