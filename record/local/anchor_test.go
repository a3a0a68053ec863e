package local

import (
	"bytes"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// A head that could not go to the ledger before a crash goes there after it: of what
// was whole, and of what the next start ends.
func TestHeadsAreAnchoredAfterACrash(t *testing.T) {
	s, again := driven(t)
	whole, open := create(t, s), create(t, s)
	for _, w := range []*writer{whole, open} {
		if err := w.Write(record.Item{Kind: record.Statement, Ref: 1}); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- whole.Close(record.Item{Kind: record.Closed}) }()
	for over := false; !over; time.Sleep(time.Millisecond) {
		s.step()
		select {
		case err := <-done:
			if over = true; err != nil {
				t.Fatal(err)
			}
		default:
		}
	}
	s.settle()
	s.wg.Wait()
	s, err := again() // as after a crash: nothing was anchored
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []*writer{whole, open} {
		id := w.head.Session
		rep, err := s.Verify(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		head := s.anchors[id]
		s.mu.Unlock()
		if head == nil || !bytes.Equal(head, rep.Head) {
			t.Errorf("%s: anchored %x, its head is %x", id, head, rep.Head)
		}
	}
	// One whose journal says nothing of it any more.
	s.mu.Lock()
	s.anchors = map[curfew.SessionID][]byte{}
	s.mu.Unlock()
	if s.anchorNewest(); s.anchorsLen() != 2 {
		t.Errorf("%d heads are to be anchored again", s.anchorsLen())
	}
}
