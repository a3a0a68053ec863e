package local

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
)

// reader reads one recording, and follows it while its session lives.
type reader struct {
	file    *os.File
	buf     *bufio.Reader
	head    record.Header
	chain   *record.Chain
	live    *writer // nil: the session was over when it was opened
	watched *writer
	offset  int64 // of the next chunk
	base    int64 // where the chunks begin
	items   []record.Item
	ended   bool // the closing item has been read
	key     seal.Key
}

func newReader(f *os.File, s *Store, id curfew.SessionID, w *writer) (*reader, error) {
	h, key, err := record.ReadHeader(f, s.parts.Ring, id)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "read the recording of %s", id), f.Close())
	}
	return &reader{file: f, buf: bufio.NewReaderSize(f, 64<<10), head: h, chain: record.NewChain(id, key, s.pack), key: key, live: w, watched: w, offset: at, base: at}, nil
}

func (r *reader) Header() record.Header { return r.head }

// Next returns the next item. See record.Reader.
func (r *reader) Next(ctx context.Context, follow bool) (record.Item, error) {
	for len(r.items) == 0 {
		more, changed := r.durable()
		if more {
			if err := r.chunk(); err != nil {
				return record.Item{}, err
			}
			continue
		}
		if r.ended {
			return record.Item{}, io.EOF
		}
		if changed == nil || !follow {
			return record.Item{}, r.end()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return record.Item{}, context.Cause(ctx)
		}
	}
	it := r.items[0]
	r.items = r.items[1:]
	r.ended = r.ended || it.Kind == record.Closed
	return it, nil
}

// durable reports whether a whole chunk can be read now, and what to wait on
// otherwise: nil once nothing more will come.
func (r *reader) durable() (bool, <-chan struct{}) {
	if r.live == nil {
		_, err := r.buf.Peek(1)
		return err == nil, nil
	}
	w := r.live
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.offset < r.base+w.size {
		return true, nil
	}
	if w.spoilt || (w.err != nil || w.closed && w.durable == w.taken) && w.filed == w.going {
		return false, nil
	}
	return false, w.changes()
}

func (r *reader) chunk() error {
	counted := &counter{r: r.buf}
	items, err := r.chain.Open(counted)
	if errors.Is(err, io.EOF) {
		return r.end() // the last chunk was torn
	}
	if err != nil {
		return err
	}
	r.offset += counted.n
	r.items = items
	return nil
}

func (r *reader) end() error {
	if r.ended {
		return io.EOF
	}
	return record.ErrOpen
}

func (r *reader) Close() error {
	if r.watched != nil {
		r.watched.watch(-1)
		r.watched = nil
	}
	return r.file.Close()
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Verify recomputes the chain. See record.Store.
func (s *Store) Verify(id curfew.SessionID, anchors [][]byte) (rep record.Report, err error) {
	rd, err := s.Read(id)
	if err != nil {
		return rep, err
	}
	defer func() { _ = rd.Close() }()
	r := rd.(*reader)
	r.live = nil
	seen := 0
	defer func() { h := r.chain.Head(); rep.Head = h[:] }()
	for {
		for seen < len(anchors) {
			if h := r.chain.Head(); string(h[:]) != string(anchors[seen]) {
				break
			}
			seen++
		}
		items, err := r.chain.Open(r.buf)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			rep.Fault = err.Error()
			return rep, nil
		}
		rep.Chunks++
		rep.Items += len(items)
		for _, it := range items {
			rep.Closed = it.Kind == record.Closed
			if it.Kind == record.Broken && it.Code == journalCode {
				rep.Fault = it.Text
			}
		}
	}
	if seen < len(anchors) {
		rep.Fault = "the recording does not pass through a head that the ledger holds: it was cut short or written again"
	}
	return rep, nil
}
