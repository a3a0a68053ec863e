package api

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
)

// Bounds of a watch that gathers. Of what is recorded while it looks it sends the newest;
// what was recorded before it began is sent whole, up to what a page holds.
const (
	batchItems = 2000
	batchBytes = 4 << 20
	pastItems  = 20_000
	// behindBy is how far behind an item is that was recorded before the watch caught up.
	behindBy = 2 * time.Second
)

// gathering is one watch of a page.
type gathering struct {
	caller caller
	id     string
	reader record.Reader
	show   func(record.Item) client.Item
	still  func() error
	after  int
	done   func()

	batch  client.Batch
	bytes  int
	sizes  []int // of the batch's items
	past   int   // items sent before it caught up
	caught bool
	// readable: the caller may see what terminals show. Without it nothing is kept of that.
	readable bool
	screens  terminals
	drawn    bool // the screen has changed since it was sent
}

// batches is a watch for a page: however much a session says, whoever looks gets four
// batches a second, and what is too much for them is left out and counted. Nothing of it
// waits anywhere but in the recording.
func (s *Server) batches(ctx context.Context, g gathering) (*huma.StreamResponse, error) {
	x, err := s.findRecording(ctx, g.caller, g.id)
	if err != nil {
		g.done()
		return nil, errors.Join(err, g.reader.Close())
	}
	g.readable, g.screens = s.mayRead(ctx, g.caller, x), following(mostScreens)
	asked := time.Now()
	may := func() error {
		if time.Since(asked) >= admitEvery {
			asked = time.Now()
			if g.readable = s.mayRead(ctx, g.caller, x); !g.readable {
				g.screens = following(mostScreens)
			}
		}
		return g.still()
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer g.done()
		defer func() { _ = g.reader.Close() }()
		ctx, cancel := context.WithCancel(h.Context())
		items, failed := make(chan record.Item, 256), make(chan error, 1)
		var wg sync.WaitGroup
		defer wg.Wait() // nobody reads any more when the recording is closed
		defer cancel()
		wg.Go(func() { follow(ctx, g.reader, items, failed) })
		g.run(ctx, s.stream(h), may, items, failed)
	}}, nil
}

// follow reads a recording to its end.
func follow(ctx context.Context, r record.Reader, items chan<- record.Item, failed chan<- error) {
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
}

func (g *gathering) run(ctx context.Context, send func(kind string, id int, v any) error, may func() error, items <-chan record.Item, failed <-chan error) {
	number := 0
	flush := func() error {
		if err := may(); err != nil {
			return err
		}
		if g.drawn && g.readable {
			if f, ok := g.screens.frame(); ok {
				g.batch.Screen = &f
			}
		}
		g.drawn = false
		if len(g.batch.Items) == 0 && g.batch.Screen == nil {
			return nil
		}
		b := g.batch
		if b.Items == nil {
			b.Items, b.Numbers = []client.Item{}, []int{}
		}
		g.batch, g.bytes, g.sizes = client.Batch{}, 0, nil
		if !g.caught {
			g.past += len(b.Items)
			g.caught = g.past >= pastItems
		}
		return send("batch", number, b)
	}
	take := func(it record.Item) error {
		number++
		g.take(it, number)
		if !g.caught && (len(g.batch.Items) >= batchItems || g.bytes >= batchBytes) {
			return flush()
		}
		return nil
	}
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	soon := time.NewTimer(0) // the first of what there is comes at once
	<-soon.C
	for {
		var err error
		select {
		case it := <-items:
			if err = take(it); number == 1 {
				soon.Reset(frameEvery / 10)
			}
		case <-soon.C:
			err = flush()
		case <-tick.C:
			err = flush()
		case end := <-failed:
			for len(items) > 0 && err == nil {
				err = take(<-items)
			}
			if err == nil {
				err = flush()
			}
			if err == nil && errors.Is(end, io.EOF) {
				_ = send("end", number, struct{}{})
			} else if err == nil && ctx.Err() == nil {
				err = end
			}
			if err != nil {
				_ = send("fault", number, client.Item{Kind: "fault", Error: err.Error()})
			}
			return
		case <-ctx.Done():
			return
		}
		if err != nil {
			_ = send("fault", number, client.Item{Kind: "fault", Error: err.Error()})
			return
		}
	}
}

// take adds an item; of those that are too many the oldest go.
func (g *gathering) take(it record.Item, number int) {
	g.caught = g.caught || time.Since(it.At) < behindBy
	switch it.Kind {
	case record.Output, record.Input:
		if g.readable {
			g.drawn = g.screens.take(item(it)) || g.drawn
		}
		return
	case record.Statement, record.Resize, record.Outcome:
		if g.readable {
			g.drawn = g.screens.take(item(it)) || g.drawn
		}
	}
	if number <= g.after {
		return
	}
	shown := g.show(it)
	size := sizeOf(shown)
	g.batch.Items, g.batch.Numbers, g.sizes = append(g.batch.Items, shown), append(g.batch.Numbers, number), append(g.sizes, size)
	g.bytes += size
	drop := 0
	for g.caught && drop < len(g.sizes)-1 && (len(g.sizes)-drop > batchItems || g.bytes > batchBytes) {
		g.bytes -= g.sizes[drop]
		drop++
	}
	g.batch.Left += drop
	g.batch.Items, g.batch.Numbers, g.sizes = g.batch.Items[drop:], g.batch.Numbers[drop:], g.sizes[drop:]
}

// sizeOf is about how large an item is.
func sizeOf(it client.Item) int {
	n := 200 + len(it.Text) + len(it.Error)
	values := func(row []client.Value) {
		for _, v := range row {
			n += 20 + len(v.Text)
		}
	}
	values(it.Values)
	for _, row := range it.Table {
		values(row)
	}
	return n
}
