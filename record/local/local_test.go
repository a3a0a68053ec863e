package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
)

func store(t *testing.T) (*Store, *seal.Ring, string) {
	t.Helper()
	dir, ring := t.TempDir(), seal.NewRing(seal.NewKey())
	s, err := Open(Parts{Folder: dir, Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return s, ring, dir
}

func header(mode curfew.RecordMode) record.Header {
	return record.Header{Session: curfew.SessionID(curfew.NewID("s")), Grant: "gr_1", Principal: "p_1", Resource: "db", Mode: mode, Started: time.Now().UTC()}
}

func all(t *testing.T, r record.Reader) ([]record.Item, error) {
	t.Helper()
	var out []record.Item
	for {
		it, err := r.Next(context.Background(), false)
		if err != nil {
			return out, err
		}
		out = append(out, it)
	}
}

// whole waits until a closed recording has its final name, and returns its bytes.
func whole(t *testing.T, dir string, id curfew.SessionID) []byte {
	t.Helper()
	for {
		b, err := os.ReadFile(filepath.Join(dir, string(id)+suffix))
		if err == nil {
			return b
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

func TestWhatIsWrittenIsReadInOrder(t *testing.T) {
	for _, mode := range []curfew.RecordMode{curfew.RecordLive, curfew.RecordFirst} {
		s, _, dir := store(t)
		h := header(mode)
		w, err := s.Create(h)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			it := record.Item{Kind: record.Statement, Ref: uint64(i), Text: fmt.Sprintf("SELECT 'canary %d'", i), Values: []record.Value{{Text: "canary"}, {Null: true}}}
			if err := w.Write(it); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(record.Item{Kind: record.Closed}); err != nil {
			t.Fatal(err)
		}
		r, err := s.Read(h.Session)
		if err != nil {
			t.Fatal(err)
		}
		items, err := all(t, r)
		if !errors.Is(err, io.EOF) || len(items) != 201 || items[7].Text != "SELECT 'canary 7'" || !items[7].Values[1].Null {
			t.Fatalf("%s: %d items, %v", mode, len(items), err)
		}
		text := whole(t, dir, h.Session)
		if strings.Contains(string(text), "canary") || strings.Contains(string(text), "p_1") {
			t.Fatal("the file says something to those without the key")
		}
		rep, err := s.Verify(h.Session, nil)
		if err != nil || !rep.Closed || rep.Items != 201 || rep.Fault != "" {
			t.Fatalf("%+v %v", rep, err)
		}
		if err := w.Write(record.Item{Kind: record.Statement}); err == nil {
			t.Fatal("a closed recording takes more")
		}
	}
}

func TestWatchingStartsFromTheFirstItemAndMissesNone(t *testing.T) {
	s, _, _ := store(t)
	h := header(curfew.RecordLive)
	w, _ := s.Create(h)
	const n = 3000
	for i := range n / 2 {
		_ = w.Write(record.Item{Kind: record.Statement, Ref: uint64(i + 1)})
	}
	r, err := s.Read(h.Session)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := n / 2; i < n; i++ {
			_ = w.Write(record.Item{Kind: record.Statement, Ref: uint64(i + 1)})
		}
		_ = w.Close(record.Item{Kind: record.Closed})
	}()
	for i := range n {
		it, err := r.Next(context.Background(), true)
		if err != nil || it.Ref != uint64(i+1) {
			t.Fatalf("item %d is %d: %v", i+1, it.Ref, err)
		}
	}
	if it, err := r.Next(context.Background(), true); err != nil || it.Kind != record.Closed {
		t.Fatal(it, err)
	}
	if _, err := r.Next(context.Background(), true); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

func TestAFailedRecorderStopsThatSessionAndNoOther(t *testing.T) {
	s, _, _ := store(t)
	bad, _ := s.Create(header(curfew.RecordFirst))
	good, _ := s.Create(header(curfew.RecordFirst))
	_ = bad.(*writer).file.Close() // as if its file were gone
	if err := bad.Write(record.Item{Kind: record.Statement}); err != nil {
		t.Fatal(err) // the journal has it
	}
	bad.(*writer).settle()
	if err := bad.Write(record.Item{Kind: record.Statement}); err == nil {
		t.Fatal("an item that is not recorded was let through")
	}
	if err := good.Write(record.Item{Kind: record.Statement}); err != nil {
		t.Fatal(err)
	}
}

func TestTamperingIsFound(t *testing.T) {
	s, _, dir := store(t)
	h := header(curfew.RecordFirst)
	w, _ := s.Create(h)
	var anchors [][]byte
	for i := range 3 {
		_ = w.Write(record.Item{Kind: record.Statement, Ref: uint64(i)})
		w.(*writer).spill()
		head := w.(*writer).chain.Head()
		anchors = append(anchors, append([]byte(nil), head[:]...))
	}
	_ = w.Close(record.Item{Kind: record.Closed})
	path := filepath.Join(dir, string(h.Session)+".rec")
	text := whole(t, dir, h.Session)
	check := func(name string, text []byte, anchored [][]byte, want string) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		rep, err := s.Verify(h.Session, anchored)
		if err != nil {
			rep.Fault = err.Error()
		}
		if (want == "") != (rep.Fault == "") || !strings.Contains(rep.Fault, want) {
			t.Errorf("%s: %+v", name, rep)
		}
	}
	check("whole", text, anchors, "")
	flipped := append([]byte(nil), text...)
	flipped[len(flipped)-40] ^= 1
	check("a bit flipped", flipped, anchors, "not what was written")
	check("cut short", text[:len(text)*2/3], anchors, "cut short")
	other := header(curfew.RecordFirst)
	w2, _ := s.Create(other)
	_ = w2.Close(record.Item{Kind: record.Closed})
	foreign := whole(t, dir, other.Session)
	check("another recording in its place", foreign, anchors, "does not open")
}

func TestATornTailIsSaid(t *testing.T) {
	s, _, dir := store(t)
	h := header(curfew.RecordFirst)
	w, _ := s.Create(h)
	_ = w.Write(record.Item{Kind: record.Statement, Ref: 1})
	w.(*writer).spill()
	_ = w.Write(record.Item{Kind: record.Statement, Ref: 2})
	w.(*writer).spill()
	path := filepath.Join(dir, string(h.Session)+openSuffix)
	text, _ := os.ReadFile(path)
	_ = os.WriteFile(path, text[:len(text)-5], 0o600)
	s.mu.Lock()
	delete(s.live, h.Session) // as after a crash
	s.mu.Unlock()
	r, err := s.Read(h.Session)
	if err != nil {
		t.Fatal(err)
	}
	items, err := all(t, r)
	if len(items) != 1 || !errors.Is(err, record.ErrOpen) {
		t.Fatalf("%d items, %v", len(items), err)
	}
}

func TestNamesAreNotPaths(t *testing.T) {
	s, _, _ := store(t)
	for _, id := range []curfew.SessionID{"../../etc/passwd", "s_../x", "", "s_"} {
		if _, err := s.Read(id); curfew.CodeOf(err) != curfew.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestHeadsAreAnchored(t *testing.T) {
	got := make(chan map[curfew.SessionID][]byte, 1)
	s, err := Open(Parts{Folder: t.TempDir(), Ring: seal.NewRing(seal.NewKey()), Anchor: func(_ context.Context, h map[curfew.SessionID][]byte) error {
		got <- h
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := header(curfew.RecordFirst)
	w, _ := s.Create(h)
	go func() { _ = w.Write(record.Item{Kind: record.Statement}) }()
	for s.anchorsLen() == 0 {
		s.step()
		s.settle()
		s.wg.Wait()
	}
	s.anchor(context.Background())
	if heads := <-got; len(heads[h.Session]) != 32 {
		t.Fatal(heads)
	}
}

func (s *Store) anchorsLen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.anchors)
}
