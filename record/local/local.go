// Package local keeps recordings as files of one folder, one a session, and a
// journal that makes what all sessions say durable with one fsync a step. The
// files follow the journal, without haste; after a crash they are completed from
// it. It removes a recording only when it is told to, and never writes a byte that is not sealed.
package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
)

// Bounds of mode live: an item is durable within durableBound; steps of the
// journal come every flushEvery, so that one fsync serves many items.
const (
	flushEvery   = 25 * time.Millisecond
	durableBound = 50 * time.Millisecond
	// A recorder that is behind for this long has failed: the session ends.
	stuckBound = 10 * time.Second
	// settleEvery is how often files that have changed are made durable and their
	// heads go to the ledger.
	settleEvery = 3 * time.Second
	// settling is how many files are being made durable at the same time.
	settling = 4
)

// Names of a recording's file: whole, and before it is known to be.
const (
	suffix     = ".rec"
	openSuffix = ".rec.open"
)

// Parts are what a Store is made of.
type Parts struct {
	Folder string
	Ring   *seal.Ring // wraps the sessions' keys for the gateway
	// Anchor writes heads into the ledger. It may fail; they are anchored later.
	Anchor func(context.Context, map[curfew.SessionID][]byte) error
	// Shape says how the items of a recording look to those who may not see values;
	// nil: to them nothing of it can be found.
	Shape func(record.Header) func(record.Item) record.Item
	Log   *slog.Logger
}

// Store is a folder of recordings.
type Store struct {
	parts  Parts
	folder string // the journal's
	pack   *record.Packer
	slots  chan struct{} // bounds the settling under way
	wake   chan struct{} // has an item when something is dirty
	hurry  chan struct{} // has an item when somebody waits for a step
	wg     sync.WaitGroup

	listPack *record.Packer // of its own: a list that takes long holds up no recording
	lists    sync.Mutex     // held while a list of words is put down, or a recording removed
	unlisted chan struct{}  // has an item when there is something in whole

	// The journal and what a step uses again belong to step.
	journal *journal
	todo    []*writer
	pieces  []byte

	mu       sync.Mutex
	live     map[curfew.SessionID]*writer // guarded by mu; until the file is whole
	dirty    []*writer                    // guarded by mu
	anchors  map[curfew.SessionID][]byte  // guarded by mu; heads of durable files, changed since the last anchoring
	pinned   map[uint64]bool              // guarded by mu; segments that a spoilt file needs
	segments []uint64                     // guarded by mu; the older ones that are there
	retiring map[uint64]bool              // guarded by mu; not needed, to be said in the journal
	retired  []uint64                     // guarded by mu; said durably, to be removed
	// incomplete says that a recording has failed: the next start ends it from the journal.
	incomplete bool               // guarded by mu
	whole      []curfew.SessionID // guarded by mu; recordings that have become whole, and have no list of words yet
}

// Open opens the folder, or makes it, and completes what a crash has left
// incomplete. Run takes the steps.
func Open(p Parts) (*Store, error) {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	folder := filepath.Join(p.Folder, "journal")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the recordings folder")
	}
	pack, err := record.NewPacker()
	if err != nil {
		return nil, err
	}
	listPack, err := record.NewPacker()
	if err != nil {
		return nil, err
	}
	s := &Store{
		parts: p, folder: folder, pack: pack, listPack: listPack, slots: make(chan struct{}, settling), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), unlisted: make(chan struct{}, 1),
		live: map[curfew.SessionID]*writer{}, anchors: map[curfew.SessionID][]byte{}, pinned: map[uint64]bool{}, retiring: map[uint64]bool{},
	}
	if s.journal, err = s.recover(folder); err != nil {
		return nil, err
	}
	return s, nil
}

// Run takes steps of the journal, settles files and anchors until ctx ends; then
// it does all three once more.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.settleAll(ctx) })
	wg.Go(func() { s.listAll(ctx) })
	for {
		select {
		case <-ctx.Done():
			s.step()
			wg.Wait()
			s.settle()
			s.wg.Wait()
			return s.end()
		case <-s.wake:
		}
		s.step()
		select { // gather what comes meanwhile
		case <-time.After(flushEvery):
		case <-s.hurry:
		case <-ctx.Done():
		}
	}
}

// step writes what is fresh in all sessions to the journal, and makes it durable.
func (s *Store) step() {
	s.mu.Lock()
	s.todo, s.dirty = s.dirty, s.todo[:0]
	var retiring []byte
	said := map[uint64]bool{}
	for n := range s.retiring {
		retiring = binary.BigEndian.AppendUint64(retiring, n)
		said[n] = true
	}
	s.mu.Unlock()
	if len(s.todo) == 0 && len(said) == 0 {
		return
	}
	s.pieces = s.pieces[:0]
	if len(said) > 0 {
		s.pieces = appendPiece(s.pieces, piece{kind: pieceRetired, data: retiring})
	}
	var err error
	for _, w := range s.todo {
		s.pieces = w.take(s.pieces)
		if len(s.pieces) >= recordBytes && err == nil {
			err = s.journal.write(s.pieces)
			s.pieces = s.pieces[:0]
		}
	}
	if len(s.pieces) > 0 && err == nil {
		err = s.journal.write(s.pieces)
	}
	if err == nil && s.journal.file != nil {
		err = s.journal.sync()
	}
	if cap(s.pieces) > 4*recordBytes {
		s.pieces = nil
	}
	m := record.Mark{Journal: s.journal.name, Record: s.journal.next - 1}
	for i, w := range s.todo {
		w.took(s.journal.number, m, err)
		s.todo[i] = nil
	}
	if err != nil {
		s.parts.Log.Error("the recordings' journal could not be written: the sessions that it was for end", "err", err)
		return
	}
	if len(said) > 0 {
		s.journal.retired(said)
	}
	if err := s.journal.turn(); err != nil {
		s.parts.Log.Error("the recordings' journal could not go on in a new segment", "err", err)
	}
	s.mu.Lock()
	for n := range said {
		delete(s.retiring, n)
		s.retired = append(s.retired, n)
	}
	s.segments = append(s.segments[:0], s.journal.older...)
	s.mu.Unlock()
}

// dirtied says that the writer has something for the next step; urgent, that
// somebody waits for it.
func (s *Store) dirtied(w *writer, first, urgent bool) {
	if first {
		s.mu.Lock()
		s.dirty = append(s.dirty, w)
		s.mu.Unlock()
		signal(s.wake)
	}
	if urgent {
		signal(s.hurry)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Store) path(id curfew.SessionID, end string) (string, error) {
	if !curfew.HasPrefix(string(id), "s") {
		return "", curfew.Errorf(curfew.NotFound, "there is no recording %.40q", string(id))
	}
	return filepath.Join(s.parts.Folder, string(id)+end), nil
}

// Create starts a recording.
func (s *Store) Create(h record.Header) (record.Writer, error) {
	path, err := s.path(h.Session, openSuffix)
	if err != nil {
		return nil, err
	}
	whole, _ := s.path(h.Session, suffix)
	if _, err := os.Lstat(whole); !errors.Is(err, fs.ErrNotExist) {
		return nil, curfew.Errorf(curfew.Unavailable, "there is a recording of %s already", h.Session)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "start the recording of %s", h.Session)
	}
	key := seal.NewKey()
	var start bytes.Buffer
	err = record.WriteHeader(&start, s.parts.Ring, h, key)
	if err == nil {
		_, err = f.Write(start.Bytes())
	}
	if err != nil {
		return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "start the recording of %s", h.Session), f.Close(), os.Remove(path))
	}
	w := newWriter(s, h, f, start.Bytes(), record.NewChain(h.Session, key, s.pack))
	s.mu.Lock()
	s.live[h.Session] = w
	s.mu.Unlock()
	return w, nil
}

// Read opens a recording.
func (s *Store) Read(id curfew.SessionID) (record.Reader, error) {
	s.mu.Lock()
	w := s.live[id]
	s.mu.Unlock()
	if w != nil {
		w.watch(1)
	}
	f, err := s.open(id)
	if err == nil {
		var r *reader
		if r, err = newReader(f, s, id, w); err == nil {
			return r, nil
		}
	}
	if w != nil {
		w.watch(-1)
	}
	return nil, err
}

// open finds the file, which may be getting its final name meanwhile.
func (s *Store) open(id curfew.SessionID) (*os.File, error) {
	for _, end := range []string{suffix, openSuffix, suffix} {
		path, err := s.path(id, end)
		if err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if err == nil {
			return f, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, curfew.Wrap(curfew.Unavailable, err, "read the recording of %s", id)
		}
	}
	return nil, curfew.Errorf(curfew.NotFound, "there is no recording of %s", id)
}
