// Package local keeps recordings as files of one folder, one a session. It
// deletes nothing, and never writes a byte that is not sealed.
package local

import (
	"context"
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

// Bounds of mode live: an item is durable within durableBound; flushes come in
// steps of flushEvery, so that one fsync serves many items.
const (
	flushEvery   = 25 * time.Millisecond
	durableBound = 50 * time.Millisecond
	// A recorder that is behind for this long has failed: the session ends.
	stuckBound = 10 * time.Second
	// anchorEvery is how often heads that changed go to the ledger.
	anchorEvery = 3 * time.Second
)

// Parts are what a Store is made of.
type Parts struct {
	Folder string
	Ring   *seal.Ring // wraps the sessions' keys for the gateway
	// Anchor writes heads into the ledger. It may fail; they are anchored later.
	Anchor func(context.Context, map[curfew.SessionID][]byte) error
	Log    *slog.Logger
}

// Store is a folder of recordings.
type Store struct {
	parts Parts
	pack  *record.Packer
	slots chan struct{} // bounds the flushes under way

	mu      sync.Mutex
	live    map[curfew.SessionID]*writer // guarded by mu
	dirty   map[*writer]bool             // guarded by mu
	anchors map[curfew.SessionID][]byte  // guarded by mu; changed since the last anchoring
	wake    chan struct{}                // has an item when something is dirty
	wg      sync.WaitGroup
}

// Open opens the folder, or makes it. Run flushes.
func Open(p Parts) (*Store, error) {
	if err := os.MkdirAll(p.Folder, 0o700); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the recordings folder")
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	pack, err := record.NewPacker()
	if err != nil {
		return nil, err
	}
	return &Store{
		parts: p, pack: pack, slots: make(chan struct{}, 8), live: map[curfew.SessionID]*writer{}, dirty: map[*writer]bool{},
		anchors: map[curfew.SessionID][]byte{}, wake: make(chan struct{}, 1),
	}, nil
}

// Run flushes and anchors until ctx ends; then it flushes once more.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.anchorAll(ctx) })
	defer wg.Wait()
	defer s.wg.Wait()
	for {
		select {
		case <-ctx.Done():
			s.flushDirty()
			return nil
		case <-s.wake:
		}
		s.flushDirty()
		select { // gather what comes meanwhile
		case <-time.After(flushEvery):
		case <-ctx.Done():
		}
	}
}

// flushDirty starts a flush of every writer that has something, each by itself:
// one that hangs holds up no other.
func (s *Store) flushDirty() {
	s.mu.Lock()
	todo := make([]*writer, 0, len(s.dirty))
	for w := range s.dirty {
		todo = append(todo, w)
	}
	clear(s.dirty)
	s.mu.Unlock()
	for _, w := range todo {
		s.wg.Go(func() {
			s.slots <- struct{}{}
			defer func() { <-s.slots }()
			w.flush()
		})
	}
}

func (s *Store) mark(w *writer) {
	s.mu.Lock()
	s.dirty[w] = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Store) anchorAll(ctx context.Context) {
	tick := time.NewTicker(anchorEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.anchor(ctx)
		}
	}
}

// anchor writes the heads that changed since the last time.
func (s *Store) anchor(ctx context.Context) {
	s.mu.Lock()
	heads := s.anchors
	s.anchors = map[curfew.SessionID][]byte{}
	s.mu.Unlock()
	if len(heads) == 0 || s.parts.Anchor == nil {
		return
	}
	if err := s.parts.Anchor(ctx, heads); err != nil {
		s.parts.Log.Warn("recordings could not be anchored yet", "err", err)
		s.mu.Lock()
		for id, h := range heads {
			if s.anchors[id] == nil {
				s.anchors[id] = h
			}
		}
		s.mu.Unlock()
	}
}

func (s *Store) path(id curfew.SessionID) (string, error) {
	if !curfew.HasPrefix(string(id), "s") {
		return "", curfew.Errorf(curfew.NotFound, "there is no recording %.40q", string(id))
	}
	return filepath.Join(s.parts.Folder, string(id)+".rec"), nil
}

// Create starts a recording.
func (s *Store) Create(h record.Header) (record.Writer, error) {
	path, err := s.path(h.Session)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "start the recording of %s", h.Session)
	}
	key := seal.NewKey()
	if err := record.WriteHeader(f, s.parts.Ring, h, key); err != nil {
		return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "start the recording of %s", h.Session), f.Close(), os.Remove(path))
	}
	w := newWriter(s, h, f, record.NewChain(h.Session, key, s.pack))
	s.mu.Lock()
	s.live[h.Session] = w
	s.mu.Unlock()
	return w, nil
}

// Read opens a recording.
func (s *Store) Read(id curfew.SessionID) (record.Reader, error) {
	path, err := s.path(id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	w := s.live[id]
	s.mu.Unlock()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, curfew.Errorf(curfew.NotFound, "there is no recording of %s", id)
	} else if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the recording of %s", id)
	}
	return newReader(f, s, id, w)
}
