package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// lineBound is the longest line of a stream.
const lineBound = 16 << 20

// reconnects is how often in a row a broken stream is taken up again.
const reconnects = 5

// frame is one Server-Sent Event.
type frame struct {
	id    uint64
	event string
	data  []byte
}

// errEnd says that a stream ended because it is complete.
var errEnd = errors.New("the stream is complete")

// Watch calls f with every item of a session's recording, from the first, until
// the session ends. A stream that breaks is taken up again where it broke.
func (c *Client) Watch(ctx context.Context, session string, f func(Item) error) error {
	var seen uint64
	return c.follow(ctx, "/sessions/"+seg(session)+"/watch", nil, &seen, func(fr frame) error {
		if fr.id != 0 && fr.id <= seen {
			return nil // the server begins again at the first
		}
		switch fr.event {
		case "end":
			return errEnd
		case "item", "fault":
			var it Item
			if err := json.Unmarshal(fr.data, &it); err != nil {
				return fmt.Errorf("decode an item: %w", err)
			}
			if err := f(it); err != nil {
				return err
			}
			if fr.event == "fault" {
				return errEnd
			}
		}
		return nil
	})
}

// Events calls f with every event of the ledger after a position, until ctx ends.
func (c *Client) Events(ctx context.Context, after uint64, f func(Entry) error) error {
	q := url.Values{}
	setNumber(q, "after", after)
	seen := after
	return c.follow(ctx, "/events", q, &seen, func(fr frame) error {
		if fr.event != "event" || (fr.id != 0 && fr.id <= seen) {
			return nil
		}
		var e Entry
		if err := json.Unmarshal(fr.data, &e); err != nil {
			return fmt.Errorf("decode an event: %w", err)
		}
		return f(e)
	})
}

// stop is an error of f's own: the stream is not taken up again after it.
type stop struct{ error }

// follow reads a stream and resumes it; seen is the last identifier.
func (c *Client) follow(ctx context.Context, path string, q url.Values, seen *uint64, f func(frame) error) error {
	for broken := 0; ; broken++ {
		before := *seen
		err := c.stream(ctx, path, q, *seen, func(fr frame) error {
			if err := f(fr); err != nil {
				return stop{err}
			}
			*seen = max(*seen, fr.id)
			return nil
		})
		var own stop
		switch {
		case errors.As(err, &own):
			if errors.Is(own.error, errEnd) {
				return nil
			}
			return own.error
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if f := FailureOf(err); f != nil && f.Status != 0 {
			return err // it was refused, not broken
		}
		if *seen > before {
			broken = 0
		}
		if broken >= reconnects {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(broken+1) * 300 * time.Millisecond):
		}
	}
}

// stream reads a stream once.
func (c *Client) stream(ctx context.Context, path string, q url.Values, last uint64, f func(frame) error) error {
	r, err := c.request(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream, application/problem+json")
	if last > 0 {
		r.Header.Set("Last-Event-ID", strconv.FormatUint(last, 10))
	}
	resp, err := c.send(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := readFrames(resp.Body, f); err != nil {
		return err
	}
	return c.unreachable(io.ErrUnexpectedEOF)
}

// readFrames reads Server-Sent Events (WHATWG HTML, 9.2.6), as far as our
// server writes them: comments and unknown fields are passed over.
func readFrames(r io.Reader, f func(frame) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, lineBound)
	var fr frame
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if fr.data != nil {
				if err := f(fr); err != nil {
					return err
				}
			}
			fr = frame{}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			fr.id, _ = strconv.ParseUint(value, 10, 64)
		case "event":
			fr.event = value
		case "data":
			if fr.data != nil {
				fr.data = append(fr.data, '\n')
			}
			fr.data = append(fr.data, value...)
			if len(fr.data) > lineBound {
				return bufio.ErrTooLong
			}
		}
	}
	return lines.Err()
}

// Transcript calls f with every item of a recording as far as it goes now.
func (c *Client) Transcript(ctx context.Context, session string, f func(Item) error) error {
	r, err := c.request(ctx, http.MethodGet, "/sessions/"+seg(session)+"/transcript", nil, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/x-ndjson, application/problem+json")
	resp, err := c.send(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, lineBound)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var it Item
		if err := json.Unmarshal(lines.Bytes(), &it); err != nil {
			return fmt.Errorf("decode an item: %w", err)
		}
		if err := f(it); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return c.unreachable(err)
	}
	return nil
}
