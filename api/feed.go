package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
)

// aliveEvery is how often a stream that says nothing shows that it lives.
const aliveEvery = 15 * time.Second

// aliveSign is what it shows then: an event, for a page sees no comment. It has no number, so
// that a reader who comes back says the one of the last hint.
const aliveSign = "event: alive\ndata: {}\n\n"

// hintEvery is how often one reader is told at most.
const hintEvery = 100 * time.Millisecond

// admitEvery is how often a stream asks whether its reader may still read.
const admitEvery = time.Second

func (s *Server) feedRoutes() {
	add(s, SignedIn, http.MethodGet, "/feed", "Follow what changes of what one may see (Server-Sent Events, resumed by Last-Event-ID)", s.feed)
}

// mostMissed is how many events a reader who was away is told of one by one. Whoever
// missed more looks at everything: nobody has the gateway read its ledger for a hint.
const mostMissed = 500

// everything is all the topics there are.
func everything() []string {
	return []string{"audit", "config", "grants", "people", "requests", "sessions", "statements", "workflows"}
}

// topics are the lists that an event changes. What everybody may ask for, and who may reach
// what, are read under grants, and follow from the configuration, the people and the workflows;
// so does who may decide what waits. Whoever may read the ledger is told of audit besides,
// whatever happens.
func topics(k curfew.Kind) []string {
	switch subjectOf(k) {
	case "request":
		return []string{"requests"}
	case "grant":
		return []string{"grants", "requests", "sessions"}
	case "lease":
		return []string{"grants"}
	case "session", "recording", "recordings":
		return []string{"sessions", "grants"}
	case "statement":
		return []string{"statements"}
	case "workflow":
		return []string{"workflows", "grants", "requests"}
	case "config", "resource", "role", "policy", "settings", "freeze":
		return []string{"config", "grants", "requests"}
	case "plan":
		return []string{"config", "grants"}
	case "retention":
		return []string{"config"}
	case "principal", "group", "manager":
		return []string{"people", "grants", "requests"}
	case "token", "passphrase", "passkey", "link":
		return []string{"people"}
	}
	return nil
}

// feed tells a page what to look at again. It says of nothing that the caller may not see.
func (s *Server) feed(ctx context.Context, c caller, in *struct {
	After  uint64 `query:"after"`
	LastID uint64 `header:"Last-Event-ID"`
}) (*huma.StreamResponse, error) {
	after, now := max(in.After, in.LastID), uint64(0)
	s.parts.Access.View(func(st *access.State) { now = st.Size })
	missed := after > now || after != 0 && now-after > mostMissed
	if missed {
		s.caughtUp(ctx, now)
	}
	late := false
	if missed || after == 0 {
		// What the lists do not hold yet is told of when they do: a page that reads them as it
		// begins to follow may have read them too early. Where that is much, all of it at once.
		after = now
		if at := s.parts.History.Position(); at < now && now-at <= mostMissed {
			after = at
		} else {
			late = at < now
		}
	}
	done, err := s.follows(c.who, 1)
	if err != nil {
		return nil, err
	}
	still := s.still(ctx, SignedIn)
	f := s.follower(ctx, c)
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer done()
		ctx, cancel := context.WithCancel(h.Context())
		changed := make(chan client.Hint)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() {
			defer close(changed)
			if late && f.all(ctx, now, changed) != nil {
				return
			}
			_ = s.parts.Access.Follow(ctx, after, func(batch []curfew.Event) error { return f.hint(ctx, batch, changed) })
		})
		alive := time.NewTicker(aliveEvery)
		defer alive.Stop()
		send := s.stream(h)
		say := func(text string) error {
			w := s.patient(h)
			_, err := fmt.Fprint(w, text)
			w.Flush()
			return err
		}
		if say(": following\n\n"+aliveSign) != nil || missed && send("hint", int(now), client.Hint{Position: now, Topics: everything()}) != nil {
			return
		}
		for {
			var err error
			select {
			case hint, ok := <-changed:
				if !ok || still() != nil {
					return
				}
				err = send("hint", int(hint.Position), hint)
			case <-alive.C:
				if still() != nil {
					return
				}
				err = say(aliveSign)
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}}, nil
}

// mostStreams is how many streams one person follows at the same time.
const mostStreams = 40

// follows takes n places among the streams of somebody; done gives them back.
func (s *Server) follows(who curfew.Principal, n int) (done func(), err error) {
	s.streamsMu.Lock()
	defer s.streamsMu.Unlock()
	if s.streams[who]+n > mostStreams {
		return nil, curfew.Errorf(curfew.Limited, "you follow %d streams already", mostStreams).WithRule("reading.busy").WithFix("close some pages, or end other watches")
	}
	s.streams[who] += n
	return func() {
		s.streamsMu.Lock()
		defer s.streamsMu.Unlock()
		if s.streams[who] -= n; s.streams[who] <= 0 {
			delete(s.streams, who)
		}
	}, nil
}

// still returns what asks, at most once a second, whether who began to read may
// still: a stream ends with the sign-in that it began with, and with the right to know
// of the sessions that it shows.
func (s *Server) still(ctx context.Context, level Level, of ...curfew.SessionID) func() error {
	ask := s.stillOf(ctx, level, of...)
	return func() error {
		gone, err := ask()
		if err == nil && len(gone) > 0 {
			err = curfew.Errorf(curfew.NotFound, "there is no session %.60q", gone[0])
		}
		return err
	}
}

// stillOf is still for a stream that goes on without the sessions that its reader may not
// know of any more.
func (s *Server) stillOf(ctx context.Context, level Level, of ...curfew.SessionID) func() (gone []curfew.SessionID, err error) {
	asked := time.Now()
	return func() (gone []curfew.SessionID, err error) {
		if time.Since(asked) < admitEvery {
			return nil, nil
		}
		asked = time.Now()
		c, err := s.admit(context.WithoutCancel(ctx), level)
		if err != nil {
			return nil, err
		}
		for _, id := range of {
			_, err := s.findSession(context.WithoutCancel(ctx), c, string(id))
			if curfew.CodeOf(err) == curfew.NotFound {
				gone = append(gone, id)
			} else if err != nil {
				return nil, err
			}
		}
		return gone, nil
	}
}

// listed waits until the lists hold a position, however far behind they are: who looks again
// before, looks too early, and is told of it no other time. It ends with the stream alone.
func (s *Server) listed(ctx context.Context, position uint64) error {
	for !history.Reach(ctx, s.parts.History, position, listBound) {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
