package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/screen"
)

// frameEvery is how often a screen that changes is sent: however much a program
// prints, who watches is sent no more than this.
const frameEvery = 250 * time.Millisecond

func (s *Server) screenRoutes() {
	add(s, SignedIn, http.MethodGet, "/sessions/{id}/screen", "Follow what a session's terminal shows, as text (Server-Sent Events)", s.screen)
}

// terminals follow a recording and keep the screen of the program that printed last.
type terminals struct {
	all  map[uint64]*screen.Screen
	last uint64
}

// sizeOf reads "80x24".
func sizeOf(text string) (columns, rows int, ok bool) {
	c, r, found := strings.Cut(text, "x")
	columns, err := strconv.Atoi(c)
	rows, err2 := strconv.Atoi(r)
	return columns, rows, found && err == nil && err2 == nil
}

// most bounds how many programs' screens are kept at the same time.
const mostScreens = 32

// take reports whether an item changed a screen.
func (t *terminals) take(it client.Item) bool {
	switch record.Kind(it.Kind) {
	case record.Statement:
		if columns, rows, ok := sizeOf(it.Tag); ok && len(t.all) < mostScreens {
			t.all[it.Ref], t.last = screen.New(columns, rows), it.Ref
			return true
		}
	case record.Resize:
		if sc := t.all[it.Ref]; sc != nil {
			if columns, rows, ok := sizeOf(it.Text); ok {
				sc.Resize(columns, rows)
				return true
			}
		}
	case record.Output:
		if sc := t.all[it.Ref]; sc != nil {
			sc.Write(it.Text)
			t.last = it.Ref
			return true
		}
	case record.Outcome:
		if _, ok := t.all[it.Ref]; ok && it.Ref != t.last {
			delete(t.all, it.Ref)
		}
	}
	return false
}

func (t *terminals) frame() (client.Screen, bool) {
	sc := t.all[t.last]
	if sc == nil {
		return client.Screen{}, false
	}
	columns, rows := sc.Size()
	return client.Screen{Columns: columns, Rows: rows, Lines: sc.Lines(), Ref: t.last}, true
}

// screen is for those who may see what was said: a screen has no shape without it.
func (s *Server) screen(ctx context.Context, c caller, in *IDIn) (*huma.StreamResponse, error) {
	x, err := s.findRecording(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	if !s.mayRead(ctx, c, x) {
		return nil, curfew.Errorf(curfew.Denied, "what the terminal shows is for those who could have the role themselves").WithRule("recording.values").
			WithFix("its statements' shapes: curfew watch %s", x.Session)
	}
	done, err := s.follows(c.who)
	if err != nil {
		return nil, err
	}
	r, _, err := s.open(ctx, c, in.ID, "watch")
	if err != nil {
		done()
		return nil, err
	}
	still := s.still(ctx, SignedIn, x.Session)
	may := func() error {
		if err := still(); err != nil {
			return err
		}
		if !s.mayRead(ctx, c, x) {
			return curfew.Errorf(curfew.Denied, "you may not see this any more")
		}
		return nil
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer done()
		defer func() { _ = r.Close() }()
		s.frames(h, r, may)
	}}, nil
}

// frames sends the screen when it has changed, the newest one only.
func (s *Server) frames(h huma.Context, r record.Reader, may func() error) {
	ctx, cancel := context.WithCancel(h.Context())
	defer cancel()
	items, failed := make(chan record.Item, 64), make(chan error, 1)
	go func() {
		for {
			it, err := r.Next(ctx, true)
			if err != nil {
				failed <- err
				return
			}
			select {
			case items <- it:
			case <-ctx.Done():
				return
			}
		}
	}()
	send, n, changed := events(h), 0, false
	t := terminals{all: map[uint64]*screen.Screen{}}
	flush := func() error {
		if !changed {
			return nil
		}
		if err := may(); err != nil {
			return err
		}
		changed = false
		f, ok := t.frame()
		if !ok {
			return nil
		}
		n++
		return send("screen", n, f)
	}
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	for {
		select {
		case it := <-items:
			changed = t.take(item(it)) || changed
		case <-tick.C:
			if flush() != nil {
				return
			}
		case err := <-failed:
			for len(items) > 0 {
				changed = t.take(item(<-items)) || changed
			}
			_ = flush()
			if errors.Is(err, io.EOF) {
				_ = send("end", n+1, struct{}{})
			}
			return
		case <-ctx.Done():
			return
		}
	}
}
