package local

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
)

// driven is a store whose steps the test takes itself, and what it is opened again with.
func driven(t *testing.T) (*Store, func() (*Store, error)) {
	t.Helper()
	p := Parts{Folder: t.TempDir(), Ring: seal.NewRing(seal.NewKey())}
	s, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.wg.Wait) // what it does beside the steps ends before its folder does
	return s, func() (*Store, error) { return Open(p) }
}

func create(t *testing.T, s *Store) *writer {
	t.Helper()
	w, err := s.Create(header(curfew.RecordLive))
	if err != nil {
		t.Fatal(err)
	}
	return w.(*writer)
}

// A recording that is closed while files are being made durable keeps what has not
// reached the journal yet.
func TestClosedWhileFilesSettle(t *testing.T) {
	s, again := driven(t)
	w := create(t, s)
	say := func(ref uint64) {
		t.Helper()
		if err := w.Write(record.Item{Kind: record.Statement, Ref: ref}); err != nil {
			t.Fatal(err)
		}
	}
	say(1)
	s.step()
	say(2)
	done := make(chan error)
	go func() { done <- w.Close(record.Item{Kind: record.Closed}) }()
	for closed := false; !closed; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		closed = w.closed
		w.mu.Unlock()
	}
	s.settle()
	s.wg.Wait()
	s.step()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.wg.Wait()
	check := func(s *Store) {
		t.Helper()
		if o := look(s, w.head.Session); !o.closed || o.fault != "" || o.items != 3 {
			t.Errorf("%+v", o)
		}
	}
	check(s)
	s, err := again()
	if err != nil {
		t.Fatal(err)
	}
	check(s)
}

// An item that could not be read back is not taken, and the recording goes on.
func TestItemsThatAreTooLarge(t *testing.T) {
	for name, text := range map[string]string{"of many bytes": strings.Repeat("x", 16<<10), "that compresses well": strings.Repeat("\x01", 16<<10)} {
		t.Run(name, func(t *testing.T) {
			s, again := driven(t)
			w := create(t, s)
			large := record.Item{Kind: record.Statement, Ref: 1}
			for range 2000 {
				large.Values = append(large.Values, record.Value{Text: text})
			}
			if err := w.Write(large); curfew.CodeOf(err) != curfew.Invalid {
				t.Fatal(err)
			}
			largest := record.Item{Kind: record.Statement, Ref: 2, Text: strings.Repeat("x", record.MaxLine-200)}
			go func() { _ = w.Write(largest) }() // it waits for room
			for taken := uint64(0); taken == 0; time.Sleep(time.Millisecond) {
				w.mu.Lock()
				taken = w.taken
				w.mu.Unlock()
			}
			s.step()
			s.wg.Wait()
			var closing sync.WaitGroup
			closing.Go(func() { s.closeSoon(t, w) })
			for !w.over() {
				s.step()
				s.settle()
				s.wg.Wait()
			}
			closing.Wait()
			if o := look(s, w.head.Session); !o.closed || o.fault != "" || o.items != 2 {
				t.Errorf("closed %v, fault %q, %d items", o.closed, o.fault, o.items)
			}
			if _, err := again(); err != nil {
				t.Error("it does not start again:", err)
			}
		})
	}
}

func (s *Store) closeSoon(t *testing.T, w *writer) {
	if err := w.Close(record.Item{Kind: record.Closed}); err != nil {
		t.Error(err)
	}
}

func (w *writer) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

// Who follows a recording whose journal fails is told, and so is its session.
func TestAFailedJournalIsHeard(t *testing.T) {
	s, _ := driven(t)
	w := create(t, s)
	heard := make(chan error, 2)
	w.OnFail(func(err error) { heard <- err })
	if err := w.Write(record.Item{Kind: record.Statement, Ref: 1}); err != nil {
		t.Fatal(err)
	}
	s.step()
	r, err := s.Read(w.head.Session)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := r.Next(ctx, true); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(record.Item{Kind: record.Statement, Ref: 2}); err != nil {
		t.Fatal(err)
	}
	_ = s.journal.file.Close()
	s.step()
	select {
	case err := <-heard: // though its session writes nothing more
		if err == nil {
			t.Error("it hears of no error")
		}
	default:
		t.Error("its session hears nothing")
	}
	_ = w.Close(record.Item{Kind: record.Closed})
	s.wg.Wait()
	if _, err := r.Next(ctx, true); !errors.Is(err, record.ErrOpen) {
		t.Errorf("who follows it hears %v", err)
	}
	if len(heard) > 0 {
		t.Error("it hears of it twice")
	}
}

// What comes after the end does not spoil an end that is still on its way to the disk.
func TestWrittenAfterTheEnd(t *testing.T) {
	s, _ := driven(t)
	w := create(t, s)
	if err := w.Write(record.Item{Kind: record.Statement, Ref: 1}); err != nil {
		t.Fatal(err)
	}
	s.step()
	done := make(chan error)
	go func() { done <- w.Close(record.Item{Kind: record.Closed}) }()
	for closed := false; !closed; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		closed = w.closed
		w.mu.Unlock()
	}
	if err := w.Write(record.Item{Kind: record.Outcome, Ref: 1}); curfew.CodeOf(err) != curfew.Unavailable {
		t.Errorf("late: %v", err)
	}
	s.step()
	if err := <-done; err != nil {
		t.Errorf("the end: %v", err)
	}
	if o := look(s, w.head.Session); !o.closed || o.fault != "" || o.items != 2 {
		t.Errorf("%+v", o)
	}
}
