package local

import (
	"bytes"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// Bounds of what a writer holds before its session waits, and of one chunk.
const (
	mostHeld   = 4 << 20
	spillBytes = 256 << 10 // of durable lines: then they go to the file
	chunkBytes = 2 << 20
	keepBytes  = 64 << 10 // a larger buffer is not kept for the next step
)

// writer is the recording of one session. An item is fresh, then under way to
// the journal, then ready (durable there), then in the file, then durable there.
type writer struct {
	store *Store
	head  record.Header

	// file and chain are used by whoever has put's token, one at a time.
	put   chan struct{}
	file  *os.File
	chain *record.Chain

	mu       sync.Mutex
	start    []byte        // guarded by mu; the file's start, until the journal has it
	fresh    []byte        // guarded by mu; lines
	underway []byte        // guarded by mu; lines
	ready    []byte        // guarded by mu; lines
	freshAt  time.Time     // guarded by mu; when the first line of fresh came
	oldest   time.Time     // guarded by mu; likewise of underway
	taken    uint64        // guarded by mu; items ever queued
	going    uint64        // guarded by mu; how many of them are under way or durable
	durable  uint64        // guarded by mu; items durable in the journal
	marked   bool          // guarded by mu; it is among the store's dirty ones
	mark     record.Mark   // guarded by mu; how far the journal was at durable
	watchers int           // guarded by mu; readers that follow: the file is kept up with the journal
	spilling bool          // guarded by mu; a spill has been started
	settling bool          // guarded by mu; likewise
	filed    uint64        // guarded by mu; items in the file
	size     int64         // guarded by mu; bytes of the file after its start
	closed   bool          // guarded by mu; nothing more is taken
	err      error         // guarded by mu; the recording has failed
	onFail   func(error)   // guarded by mu; hears of it
	spoilt   bool          // guarded by mu; its file has: the journal is needed until the next start
	changed  chan struct{} // guarded by mu; nil: nobody waits. Closed when durable, size, err or closed changes

	// Segments that hold items of ready, of the part of the file that may not be
	// durable, of the part that is being made so. Guarded by mu.
	inReady, inFile, inSync []uint64
	named                   bool // guarded by mu; the folder's entry of the file is durable
	gone                    bool // guarded by mu; all is done
}

func newWriter(s *Store, h record.Header, f *os.File, start []byte, c *record.Chain) *writer {
	return &writer{store: s, head: h, file: f, chain: c, start: start, put: make(chan struct{}, 1)}
}

// Write queues the item. See record.Writer.
func (w *writer) Write(it record.Item) error {
	now := time.Now()
	if it.At.IsZero() {
		it.At = now.UTC()
	}
	w.mu.Lock()
	if err := w.err; err != nil || w.closed {
		w.mu.Unlock()
		if err == nil { // it is no failure of the recording, which may still be on its way to the disk
			err = curfew.Errorf(curfew.Unavailable, "the recording of %s is closed", w.head.Session)
		}
		return err
	}
	if len(w.fresh) == 0 {
		w.freshAt = now
	}
	oldest := w.freshAt
	if len(w.underway) > 0 {
		oldest = w.oldest
	}
	before := len(w.fresh)
	w.fresh = record.AppendLine(w.fresh, &it)
	if n := len(w.fresh) - before; n > record.MaxLine {
		if w.fresh = w.fresh[:before]; before == 0 {
			w.fresh = nil
		}
		w.mu.Unlock()
		return curfew.Errorf(curfew.Invalid, "an item of %d bytes is too large to be recorded", n)
	}
	w.taken++
	mine := w.taken
	first := !w.marked
	w.marked = true
	behind := len(w.fresh)+len(w.underway) > mostHeld || len(w.ready) > 2*mostHeld || now.Sub(oldest) > durableBound
	w.mu.Unlock()
	urgent := w.head.Mode.First()
	if first || urgent {
		w.store.dirtied(w, first, urgent)
	}
	if urgent || behind {
		return w.wait(mine)
	}
	return nil
}

// wait returns once the first n items are durable and there is room for more, or
// the recording has failed.
func (w *writer) wait(n uint64) error {
	timer := time.NewTimer(stuckBound)
	defer timer.Stop()
	for {
		w.mu.Lock()
		done, err, changed := w.durable >= n && len(w.ready) <= 2*mostHeld, w.err, w.changes()
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
	w.broke(err)
}

// broke ends the recording, and tells the session. The caller holds mu.
func (w *writer) broke(err error) {
	if w.err == nil {
		w.err = err
		if w.onFail != nil {
			w.onFail(err)
		}
	}
	w.announce()
}

// OnFail calls f once if the recording fails. See record.Writer.
func (w *writer) OnFail(f func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onFail = f; w.err != nil {
		f(w.err)
	}
}

// changes is closed at the next change. The caller holds mu.
func (w *writer) changes() <-chan struct{} {
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

// announce wakes whoever waits for a change. The caller holds mu.
func (w *writer) announce() {
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// take adds what is fresh to a record of the journal.
func (w *writer) take(pieces []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marked = false
	if w.err != nil || len(w.fresh) == 0 {
		return pieces
	}
	if w.start != nil {
		pieces = appendPiece(pieces, piece{kind: pieceHeader, session: string(w.head.Session), data: w.start})
	}
	pieces = appendPiece(pieces, piece{kind: pieceItems, session: string(w.head.Session), first: w.going + 1, count: w.taken - w.going, data: w.fresh})
	w.fresh, w.underway = w.underway[:0], w.fresh
	w.going, w.oldest = w.taken, w.freshAt
	return pieces
}

// took says that what take gave is durable, in the segment and up to the record, or failed.
func (w *writer) took(segment uint64, m record.Mark, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.underway) == 0 {
		return
	}
	if err != nil {
		w.underway, w.going = nil, w.durable
		w.broke(err)
		return
	}
	w.start = nil
	w.ready = append(w.ready, w.underway...)
	if w.underway = w.underway[:0]; cap(w.underway) > keepBytes {
		w.underway = nil
	}
	w.durable, w.mark = w.going, m
	if !slices.Contains(w.inReady, segment) {
		w.inReady = append(w.inReady, segment)
	}
	w.announce()
	if (w.watchers > 0 || len(w.ready) >= spillBytes) && !w.spilling && !w.spoilt {
		w.spilling = true
		w.store.wg.Go(w.spill)
	}
}

// spill writes what is ready to the file, not durably: the journal is that.
func (w *writer) spill() {
	w.put <- struct{}{}
	w.mu.Lock()
	lines, m, upTo := w.ready, w.mark, w.durable
	w.ready, w.spilling = nil, false
	for _, n := range w.inReady {
		if !slices.Contains(w.inFile, n) {
			w.inFile = append(w.inFile, n)
		}
	}
	w.inReady = nil
	spoilt := w.spoilt
	w.mu.Unlock()
	var n int64
	var err error
	if !spoilt {
		n, err = w.chunks(m, lines)
	}
	w.mu.Lock()
	w.size += n
	if err == nil && !spoilt {
		w.filed = upTo
	} else if err != nil {
		w.spoilt = true
		w.broke(err)
	}
	w.announce()
	w.mu.Unlock()
	<-w.put // the next spill, which may have nothing to write, must not say before this one that all is in the file
}

// chunks seals lines and writes them. The caller has put's token.
func (w *writer) chunks(m record.Mark, lines []byte) (n int64, err error) {
	for len(lines) > 0 {
		k := min(chunkBytes, len(lines))
		if end := bytes.LastIndexByte(lines[:k], '\n'); end >= 0 {
			k = end + 1
		} else {
			k += bytes.IndexByte(lines[k:], '\n') + 1
		}
		chunk, err := w.chain.Seal(m, lines[:k])
		if err != nil {
			return n, err
		}
		if _, err := w.file.Write(chunk); err != nil {
			return n, curfew.Wrap(curfew.Unavailable, err, "write the recording of %s", w.head.Session)
		}
		n += int64(len(chunk))
		lines = lines[k:]
	}
	return n, nil
}

// settle makes the file durable: the journal is not needed for it any more. Once
// the recording is closed, the file gets its final name.
func (w *writer) settle() {
	w.spill()
	w.put <- struct{}{}
	head := w.chain.Head()
	w.mu.Lock()
	w.inSync, w.inFile = append(w.inSync, w.inFile...), nil
	busy, spoilt, named := len(w.inSync) > 0, w.spoilt, w.named
	w.mu.Unlock()
	<-w.put

	var err error
	if busy && !spoilt {
		err = w.file.Sync()
		if err == nil && !named {
			err = syncFolder(w.store.parts.Folder)
		}
	}
	w.mu.Lock()
	w.settling = false
	if len(w.fresh)+len(w.underway) == 0 {
		w.fresh, w.underway = nil, nil // an idle session holds no buffer
	}
	if err != nil {
		w.spoilt = true
		w.broke(curfew.Wrap(curfew.Unavailable, err, "write the recording of %s", w.head.Session))
	}
	durable := busy && !w.spoilt
	if durable {
		w.inSync, w.named = nil, true
	}
	over := w.closed && !w.gone && len(w.underway) == 0 && (w.spoilt || len(w.ready) == 0 && (len(w.fresh) == 0 || w.err != nil))
	if over {
		w.gone = true
	}
	broken := w.err
	if broken == nil && w.durable != w.taken {
		broken = curfew.Errorf(curfew.Unavailable, "the recording of %s was closed before all of it was written", w.head.Session)
	}
	w.mu.Unlock()
	if durable {
		w.store.anchorLater(w.head.Session, head)
	}
	if over {
		w.store.finished(w, broken)
	}
}

// needed lists the segments that hold what the file does not hold durably.
func (w *writer) needed() []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Concat(w.inReady, w.inFile, w.inSync)
}

// unsettled reports whether settle has something to do, and claims it.
func (w *writer) unsettled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.settling || w.gone || len(w.inReady)+len(w.inFile)+len(w.inSync) == 0 && !w.closed || w.spoilt && !w.closed {
		return false
	}
	w.settling = true
	return true
}

// Close writes the last item and waits until it is durable.
func (w *writer) Close(last record.Item) error {
	err := w.Write(last)
	w.mu.Lock()
	n := w.taken
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	if again {
		return err
	}
	if err == nil {
		err = w.wait(n)
	}
	w.spill() // so that the file is whole for whoever reads it now
	w.mu.Lock()
	if err == nil {
		err = w.err
	}
	w.announce()
	w.mu.Unlock()
	if w.unsettled() {
		w.store.settleSoon(w)
	}
	return err
}

// watch counts a reader that begins or ends. The file is kept up with the journal
// as long as there is one.
func (w *writer) watch(n int) {
	w.mu.Lock()
	w.watchers += n
	behind := w.watchers > 0 && len(w.ready) > 0
	w.mu.Unlock()
	if behind {
		w.spill()
	}
}
