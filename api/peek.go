package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
)

// Bounds of a stream that looks at several sessions.
const (
	mostPeeks = 24
	peekEvery = 500 * time.Millisecond
	peekEach  = 6 // sessions that count as one stream
	peekLines = 6 // the newest statements, where there is no terminal
)

func (s *Server) peekRoutes() {
	add(s, SignedIn, http.MethodGet, "/peek", "Follow the newest of several sessions, in one stream (Server-Sent Events)", s.peek)
}

// peeking is one session that is looked at.
type peeking struct {
	id curfew.SessionID

	mu      sync.Mutex
	screens terminals   // guarded by mu
	lines   []string    // guarded by mu
	sum     client.Peek // guarded by mu; what the statements came to
	changed bool        // guarded by mu
	over    bool        // guarded by mu
	gone    bool        // guarded by mu; it may be seen no more
}

// end notes that there is nothing more to come.
func (p *peeking) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.over, p.changed = true, true
	}
}

// hide ends it for who may not see it any more: that it is over is all that is said of it.
func (p *peeking) hide() {
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	p.end()
}

func (p *peeking) take(it client.Item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	p.count(it)
	if p.screens.take(it) {
		p.changed = true
		return
	}
	switch record.Kind(it.Kind) {
	case record.Statement, record.Refused, record.Held:
		text := it.Text
		if k := record.Kind(it.Kind); k != record.Statement {
			text = string(k) + ": " + text
		}
		if text, _, _ = strings.Cut(text, "\n"); len(text) > 400 {
			text = strings.ToValidUTF8(text[:400], "") + "…"
		}
		p.lines = append(p.lines, text)
		p.lines = p.lines[max(0, len(p.lines)-peekLines):]
		p.changed = true
	}
}

// count adds up what the caller is shown: where they may not see rows, there are none.
func (p *peeking) count(it client.Item) {
	switch record.Kind(it.Kind) {
	case record.Statement:
		p.sum.Statements++
	case record.Refused:
		p.sum.Refused++
	case record.Outcome:
		if it.Rows == 0 {
			return
		}
		switch verb, _, _ := strings.Cut(it.Tag, " "); verb {
		case "INSERT", "UPDATE", "DELETE", "MERGE":
			p.sum.Changed += it.Rows
		default:
			p.sum.Read += it.Rows
		}
		p.changed = true
	}
}

// news is what has changed since it was last asked.
func (p *peeking) news() (client.Peek, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.changed {
		return client.Peek{}, false
	}
	p.changed = false
	if p.gone {
		return client.Peek{Session: string(p.id), Over: true}, true
	}
	out := p.sum
	out.Session, out.Over = string(p.id), p.over
	if f, ok := p.screens.frame(); ok {
		out.Screen = &f
	} else {
		out.Lines = p.lines
	}
	return out, true
}

// peek is one stream for all that a page shows: a browser opens few to one place. A session
// that the caller may not see, or not any more, is over for them, and the others go on.
func (s *Server) peek(ctx context.Context, c caller, in *struct {
	Sessions []string `query:"session,explode" required:"true" minItems:"1" maxItems:"24" doc:"At most 24, of which each is noted as watched"`
}) (*huma.StreamResponse, error) {
	if len(in.Sessions) > mostPeeks {
		return nil, curfew.Errorf(curfew.Invalid, "at most %d sessions are looked at in one stream", mostPeeks)
	}
	type opened struct {
		*peeking
		reader record.Reader
		show   func(record.Item) client.Item
	}
	slices.Sort(in.Sessions)
	in.Sessions = slices.Compact(in.Sessions) // once is enough
	done, err := s.follows(c.who, (len(in.Sessions)+peekEach-1)/peekEach)
	if err != nil {
		return nil, err
	}
	var all []opened
	var none []string // that cannot be opened: they are over, whether they ever were or not
	var refused []error
	var ids []curfew.SessionID
	closeAll := func() {
		for _, o := range all {
			_ = o.reader.Close()
		}
	}
	for _, id := range in.Sessions {
		r, show, err := s.open(ctx, c, id, "watch")
		if err != nil {
			none, refused = append(none, id), append(refused, err)
			continue
		}
		ids = append(ids, curfew.SessionID(id))
		all = append(all, opened{&peeking{id: curfew.SessionID(id), screens: following(peekScreens)}, r, show})
	}
	if len(all) == 0 {
		done()
		return nil, refused[0]
	}
	for _, err := range refused {
		s.noted(err, "/peek")
	}
	still := s.stillOf(ctx, SignedIn, ids...)
	return &huma.StreamResponse{Body: func(h huma.Context) {
		ctx, cancel := context.WithCancel(h.Context())
		var wg sync.WaitGroup
		defer done()
		defer closeAll()
		defer wg.Wait()
		defer cancel()
		for _, o := range all {
			wg.Go(func() {
				for {
					it, err := o.reader.Next(ctx, true)
					if err != nil {
						o.end()
						return
					}
					o.take(o.show(it))
				}
			})
		}
		send, n := s.stream(h), 0
		for _, id := range none {
			n++
			if send("peek", n, client.Peek{Session: id, Over: true}) != nil {
				return
			}
		}
		tick := time.NewTicker(peekEvery)
		defer tick.Stop()
		for over := 0; over < len(all); {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			gone, err := still()
			if err != nil {
				return
			}
			over = 0
			for _, o := range all {
				if slices.Contains(gone, o.id) {
					o.hide()
				}
				if p, ok := o.news(); ok {
					n++
					if send("peek", n, p) != nil {
						return
					}
				}
				o.mu.Lock()
				if o.over && !o.changed {
					over++
				}
				o.mu.Unlock()
			}
		}
		_ = send("end", n+1, struct{}{})
	}}, nil
}
