package local

import (
	"os"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// Bounds of what a writer holds before its session waits, and of one chunk.
const (
	mostHeld   = 4 << 20
	chunkItems = 2 << 20 // bytes of text and values, roughly
)

// writer is the recording of one session.
type writer struct {
	store *Store
	head  record.Header
	file  *os.File
	chain *record.Chain // only flush uses it

	mu      sync.Mutex
	queue   []record.Item // guarded by mu
	held    int           // guarded by mu; bytes in queue
	oldest  time.Time     // guarded by mu; when the first item of queue, or of the flush under way, came
	written uint64        // guarded by mu; items durable
	taken   uint64        // guarded by mu; items ever queued
	busy    bool          // guarded by mu; a flush is under way
	size    int64         // guarded by mu; durable bytes of the file
	closed  bool          // guarded by mu; nothing more is taken
	err     error         // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced when written, err or closed changes
}

func newWriter(s *Store, h record.Header, f *os.File, c *record.Chain) *writer {
	return &writer{store: s, head: h, file: f, chain: c, changed: make(chan struct{})}
}

func sizeOf(it record.Item) int {
	n := 160 + len(it.Text) + len(it.Error)
	for _, v := range it.Values {
		n += 48 + len(v.Text)
	}
	return n
}

// Write queues the item. See record.Writer.
func (w *writer) Write(it record.Item) error {
	if it.At.IsZero() {
		it.At = time.Now().UTC()
	}
	w.mu.Lock()
	if w.err == nil && w.closed {
		w.err = curfew.Errorf(curfew.Unavailable, "the recording of %s is closed", w.head.Session)
	}
	if w.err != nil {
		defer w.mu.Unlock()
		return w.err
	}
	if len(w.queue) == 0 && !w.busy {
		w.oldest = it.At
	}
	w.queue = append(w.queue, it)
	w.held += sizeOf(it)
	w.taken++
	mine := w.taken
	first := len(w.queue) == 1
	behind := w.held > mostHeld || time.Since(w.oldest) > durableBound
	w.mu.Unlock()
	if first {
		w.store.mark(w)
	}
	if w.head.Mode == curfew.RecordFirst || behind {
		return w.wait(mine)
	}
	return nil
}

// wait returns once the first n items are durable, or the recording has failed.
func (w *writer) wait(n uint64) error {
	timer := time.NewTimer(stuckBound)
	defer timer.Stop()
	for {
		w.mu.Lock()
		done, err, changed := w.written >= n, w.err, w.changed
		w.mu.Unlock()
		if err != nil || done {
			return err
		}
		select {
		case <-changed:
		case <-timer.C:
			w.fail(curfew.Errorf(curfew.Unavailable, "the recorder has been behind for %s", stuckBound))
		}
	}
}

// fail ends the recording. The caller does not hold mu.
func (w *writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		w.announce()
	}
}

// announce wakes whoever waits for a change. The caller holds mu.
func (w *writer) announce() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// flush writes what is queued and makes it durable. One flush at a time.
func (w *writer) flush() {
	w.mu.Lock()
	if w.busy || w.err != nil || len(w.queue) == 0 {
		w.mu.Unlock()
		return
	}
	w.busy = true
	items := w.queue
	w.queue, w.held = nil, 0
	w.mu.Unlock()

	n, err := w.put(items)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = false
	if err != nil {
		if w.err == nil {
			w.err = err
		}
		w.announce()
		return
	}
	w.written += uint64(len(items))
	w.size += n
	w.announce()
	if len(w.queue) > 0 {
		w.oldest = w.queue[0].At
		go w.store.mark(w) // mark takes the store's lock; not under ours
	}
}

// put writes items as chunks and syncs the file.
func (w *writer) put(items []record.Item) (n int64, err error) {
	for len(items) > 0 {
		size, k := 0, 0
		for k < len(items) && (k == 0 || size+sizeOf(items[k]) <= chunkItems) {
			size += sizeOf(items[k])
			k++
		}
		chunk, err := w.chain.Seal(items[:k])
		if err != nil {
			return n, err
		}
		if _, err := w.file.Write(chunk); err != nil {
			return n, curfew.Wrap(curfew.Unavailable, err, "write the recording of %s", w.head.Session)
		}
		n += int64(len(chunk))
		items = items[k:]
	}
	if err := w.file.Sync(); err != nil {
		return n, curfew.Wrap(curfew.Unavailable, err, "write the recording of %s", w.head.Session)
	}
	head := w.chain.Head()
	w.store.mu.Lock()
	w.store.anchors[w.head.Session] = head[:]
	w.store.mu.Unlock()
	return n, nil
}

// Close writes the last item and waits until it is durable.
func (w *writer) Close(last record.Item) error {
	err := w.Write(last)
	w.mu.Lock()
	n := w.taken
	w.closed = true
	w.mu.Unlock()
	if err == nil {
		err = w.wait(n)
	}
	w.store.mu.Lock()
	delete(w.store.live, w.head.Session)
	delete(w.store.dirty, w)
	w.store.mu.Unlock()
	w.mu.Lock()
	w.announce()
	w.mu.Unlock()
	if cerr := w.file.Close(); err == nil && cerr != nil {
		err = curfew.Wrap(curfew.Unavailable, cerr, "close the recording of %s", w.head.Session)
	}
	return err
}
