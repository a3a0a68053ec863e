package local

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

// settleAll settles and anchors until ctx ends.
func (s *Store) settleAll(ctx context.Context) {
	tick := time.NewTicker(settleEvery / 2)
	defer tick.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if turn%2 == 0 {
			s.settle()
		} else {
			s.anchor(ctx)
		}
	}
}

// settle starts to make durable every file that is not, a few at a time: one
// that hangs holds up no other. Segments that nobody needs any more are named in
// the journal, and removed once that is durable.
func (s *Store) settle() {
	s.mu.Lock()
	all := make([]*writer, 0, len(s.live))
	for _, w := range s.live {
		all = append(all, w)
	}
	removable, older := s.retired, slices.Clone(s.segments) // a writer made from here on needs none of these
	s.retired = nil
	s.mu.Unlock()
	for _, n := range removable {
		if err := removeSegment(s.folder, n); err != nil {
			s.parts.Log.Warn("a segment of the recordings' journal could not be removed", "segment", n, "err", err)
		}
	}
	for _, w := range all {
		if w.unsettled() {
			s.settleSoon(w)
		}
	}
	s.retire(older, all)
}

// settleSoon settles a writer that has been claimed for it.
func (s *Store) settleSoon(w *writer) {
	s.wg.Go(func() {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
		w.settle()
	})
}

// retire finds the older segments that no writer needs.
func (s *Store) retire(older []uint64, all []*writer) {
	if len(older) == 0 {
		return
	}
	needed := map[uint64]bool{}
	for _, w := range all {
		for _, n := range w.needed() {
			needed[n] = true
		}
	}
	s.mu.Lock()
	for _, n := range older {
		if !needed[n] && !s.pinned[n] {
			s.retiring[n] = true
		}
	}
	some := len(s.retiring) > 0
	s.mu.Unlock()
	if some {
		signal(s.wake)
	}
}

// finished lets go of a recording that is closed and settled. A whole one gets
// its final name; a broken one is left for the next start to end.
func (s *Store) finished(w *writer, broken error) {
	w.put <- struct{}{}
	err := w.file.Close()
	<-w.put
	from, _ := s.path(w.head.Session, openSuffix)
	to, _ := s.path(w.head.Session, suffix)
	if broken == nil {
		err = errors.Join(err, os.Rename(from, to))
	} else {
		s.parts.Log.Error("a recording is not whole", "session", w.head.Session, "err", broken)
	}
	if err != nil {
		s.parts.Log.Warn("a recording could not be put away", "session", w.head.Session, "err", err)
	}
	needed := w.needed()
	s.mu.Lock()
	delete(s.live, w.head.Session)
	for _, n := range needed {
		s.pinned[n] = true
	}
	s.incomplete = s.incomplete || broken != nil
	s.mu.Unlock()
	if broken == nil && err == nil {
		s.listSoon(w.head.Session)
	}
}

// end removes the journal when every recording is whole, so that the next start
// has nothing to look at.
func (s *Store) end() error {
	err := s.journal.close()
	s.mu.Lock()
	clean := len(s.live) == 0 && !s.incomplete && len(s.dirty) == 0
	s.mu.Unlock()
	if err != nil || !clean {
		return err
	}
	if err := syncFolder(s.parts.Folder); err != nil { // the final names, before what they would be made from again is gone
		return err
	}
	for _, n := range append(s.journal.older, s.retired...) {
		err = errors.Join(err, removeSegment(s.folder, n))
	}
	if err == nil {
		err = removeSegment(s.folder, s.journal.number)
	}
	return err
}

// anchorLater keeps the head of a durable file for the next anchoring.
func (s *Store) anchorLater(id curfew.SessionID, head [32]byte) {
	s.mu.Lock()
	s.anchors[id] = head[:]
	s.mu.Unlock()
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
