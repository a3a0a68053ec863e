package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
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
	most  int
	all   map[uint64]*screen.Screen
	last  uint64
	over  bool              // the last has ended; it is shown until another prints
	order []uint64          // of all, whoever printed last at the end
	sizes map[uint64][2]int // of those that were forgotten and may print again; the engine bounds them
}

// Bounds of how many programs' screens are kept at the same time: one is two and a half
// megabytes at most, and only the one that printed last is shown.
const (
	mostScreens = 8
	peekScreens = 2 // of each of several sessions
)

// following is a recording's terminals, of which so many are kept.
func following(most int) terminals { return terminals{most: most, all: map[uint64]*screen.Screen{}} }

// take reports whether an item changed a screen.
func (t *terminals) take(it client.Item) bool {
	switch record.Kind(it.Kind) {
	case record.Statement:
		if columns, rows, ok := record.SizeOf(it.Tag); ok {
			t.show(it.Ref, columns, rows)
			return true
		}
	case record.Resize:
		return t.resize(it)
	case record.Output:
		if size, ok := t.sizes[it.Ref]; ok { // it was silent for long, and prints again
			t.show(it.Ref, size[0], size[1])
		}
		if sc := t.all[it.Ref]; sc != nil {
			t.front(it.Ref)
			sc.Write(it.Text)
			return true
		}
	case record.Outcome:
		delete(t.sizes, it.Ref)
		if it.Ref == t.last {
			t.over = true
		} else {
			t.forget(it.Ref)
		}
	}
	return false
}

func (t *terminals) resize(it client.Item) bool {
	columns, rows, ok := record.SizeOf(it.Text)
	if !ok {
		return false
	}
	if _, away := t.sizes[it.Ref]; away {
		t.sizes[it.Ref] = [2]int{columns, rows}
	}
	sc := t.all[it.Ref]
	if sc != nil {
		sc.Resize(columns, rows)
	}
	return sc != nil
}

// show makes a program's screen. However many there are, the newest has one: the one
// that was silent for longest makes room.
func (t *terminals) show(ref uint64, columns, rows int) {
	t.front(ref)
	t.all[ref] = screen.Live(columns, rows)
	delete(t.sizes, ref)
	for len(t.all) > t.most {
		oldest := t.order[0]
		if t.sizes == nil {
			t.sizes = map[uint64][2]int{}
		}
		columns, rows := t.all[oldest].Size()
		t.sizes[oldest] = [2]int{columns, rows}
		t.forget(oldest)
	}
}

// front makes a program the one that printed last.
func (t *terminals) front(ref uint64) {
	if ref == t.last && len(t.order) > 0 && t.order[len(t.order)-1] == ref {
		return
	}
	if t.over {
		t.forget(t.last)
	}
	t.order = append(slices.DeleteFunc(t.order, func(r uint64) bool { return r == ref }), ref)
	t.last, t.over = ref, false
}

func (t *terminals) forget(ref uint64) {
	delete(t.all, ref)
	t.order = slices.DeleteFunc(t.order, func(r uint64) bool { return r == ref })
}

func (t *terminals) frame() (client.Screen, bool) {
	sc := t.all[t.last]
	if sc == nil {
		return client.Screen{}, false
	}
	columns, rows := sc.Size()
	return client.Screen{Columns: columns, Rows: rows, Lines: sc.Lines(), Runs: runs(sc.Runs()), Ref: t.last}, true
}

// runs are the coloured lines of a screen; nil if there are none.
func runs(rows [][]screen.Run) (out [][]client.Run) {
	for i, row := range rows {
		if row == nil {
			continue
		}
		for len(out) <= i {
			out = append(out, nil)
		}
		for _, r := range row {
			p := r.Pen
			out[i] = append(out[i], client.Run{
				Text: r.Text, Ink: p.Ink(), Paper: p.Paper(), Bold: p.Has(screen.Bold), Dim: p.Has(screen.Dim), Italic: p.Has(screen.Italic),
				Underline: p.Has(screen.Underline), Inverse: p.Has(screen.Inverse), Strike: p.Has(screen.Strike),
			})
		}
	}
	return out
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
	done, err := s.follows(c.who, 1)
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
	items, failed := make(chan record.Item, 64), make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait() // nobody reads any more when the recording is closed
	defer cancel()
	wg.Go(func() { follow(ctx, r, items, failed) })
	send, n, changed := s.stream(h), 0, false
	t := following(mostScreens)
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
