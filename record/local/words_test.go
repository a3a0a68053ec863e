package local

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// said makes a whole recording of statements.
func said(t *testing.T, s *Store, dir string, texts ...string) curfew.SessionID {
	t.Helper()
	h := header(curfew.RecordFirst)
	w, err := s.Create(h)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if err := w.Write(record.Item{Kind: record.Statement, Ref: uint64(i + 1), Text: text, Values: []record.Value{{Text: "valuecanary"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(record.Item{Kind: record.Closed}); err != nil {
		t.Fatal(err)
	}
	whole(t, dir, h.Session)
	for { // until it is let go of
		s.mu.Lock()
		live := s.live[h.Session] != nil
		s.mu.Unlock()
		if !live {
			return h.Session
		}
		time.Sleep(time.Millisecond)
	}
}

func may(t *testing.T, s *Store, id curfew.SessionID, text string, shapes bool) bool {
	t.Helper()
	w, err := s.Words(id)
	if err != nil {
		t.Fatal(err)
	}
	q, err := record.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return w.May(q, shapes)
}

// shaping gives a store a shape: statements without their values.
func shaping(s *Store) {
	s.parts.Shape = func(record.Header) func(record.Item) record.Item {
		return func(it record.Item) record.Item { it.Values = nil; return it }
	}
}

func TestTheListBesideARecordingIsSealedAndItsOwn(t *testing.T) {
	s, _, dir := store(t)
	shaping(s)
	one, two := said(t, s, dir, "select textcanary"), said(t, s, dir, "delete other")
	if !may(t, s, one, "textcanary", true) || !may(t, s, one, "valuecanary", false) || may(t, s, one, "valuecanary", true) || may(t, s, one, "other", false) {
		t.Error("the list says something else than the recording")
	}
	if !may(t, s, two, "other", false) {
		t.Error("the other list")
	}
	path := func(id curfew.SessionID) string { return filepath.Join(dir, string(id)+wordsSuffix) }
	text, err := os.ReadFile(path(one))
	if err != nil || bytes.Contains(text, []byte("canary")) {
		t.Fatalf("%v %.40q", err, text)
	}
	// A list moved from another session, an older one, none, or rubbish: it is made again, and says what is there.
	foreign, _ := os.ReadFile(path(two))
	for name, put := range map[string][]byte{"another session's": foreign, "rubbish": []byte("x"), "cut short": text[:len(text)-1], "empty": {}} {
		if err := os.WriteFile(path(one), put, 0o600); err != nil {
			t.Fatal(err)
		}
		if !may(t, s, one, "textcanary", false) || may(t, s, one, "other", false) {
			t.Errorf("%s: believed", name)
		}
		if now, _ := os.ReadFile(path(one)); bytes.Equal(now, put) {
			t.Errorf("%s: left there", name)
		}
	}
	if err := os.Remove(path(one)); err != nil || !may(t, s, one, "textcanary", false) {
		t.Errorf("without a list: %v", err)
	}
}

// A recording that was cut short is not answered for by the list of the whole one.
func TestAListDoesNotOutliveItsRecordingsEnd(t *testing.T) {
	s, _, dir := store(t)
	h := header(curfew.RecordFirst)
	w, _ := s.Create(h)
	big := strings.Repeat("x ", 40<<10)
	for i := range 80 {
		_ = w.Write(record.Item{Kind: record.Statement, Ref: uint64(i + 1), Text: "first " + big})
	}
	_ = w.Write(record.Item{Kind: record.Statement, Text: "lastword"})
	if err := w.Close(record.Item{Kind: record.Closed}); err != nil {
		t.Fatal(err)
	}
	b := whole(t, dir, h.Session)
	for s.anchorsLen() == 0 {
		time.Sleep(time.Millisecond)
	}
	list := filepath.Join(dir, string(h.Session)+wordsSuffix)
	var before []byte
	for try := 0; ; try++ { // once it is made by itself, it stays
		if !may(t, s, h.Session, "lastword", false) {
			t.Fatal("it is not there")
		}
		text, err := os.ReadFile(list)
		if err == nil && bytes.Equal(text, before) {
			break
		}
		if before = text; try == 10 {
			t.Fatalf("a list that is right is made again and again: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, string(h.Session)+suffix), b[:len(b)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	if may(t, s, h.Session, "lastword", false) || !may(t, s, h.Session, "first", false) {
		t.Error("the list speaks of what is not there any more")
	}
	if err := os.WriteFile(filepath.Join(dir, string(h.Session)+suffix), append(bytes.Clone(b[:len(b)-10]), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Words(h.Session); curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("a damaged recording: %v", err)
	}
}

func TestAnOpenRecordingHasNoList(t *testing.T) {
	s, _, _ := store(t)
	h := header(curfew.RecordFirst)
	if _, err := s.Create(h); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Words(h.Session); !errors.Is(err, record.ErrOpen) {
		t.Errorf("%v", err)
	}
	if _, err := s.Words("s_0000000000000000"); curfew.CodeOf(err) != curfew.NotFound || errors.Is(err, record.ErrOpen) {
		t.Errorf("%v", err)
	}
}

func TestWhatIsRemovedIsGone(t *testing.T) {
	s, _, dir := store(t)
	id, other := said(t, s, dir, "canary"), said(t, s, dir, "stays")
	may(t, s, id, "canary", false)
	file := filepath.Join(dir, string(id)+suffix)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link") // what a disk may keep of it
	if err := os.Link(file, link); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again, as after a crash
		if err := s.Remove(id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Read(id); curfew.CodeOf(err) != curfew.NotFound {
		t.Errorf("it is read: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, string(id)+wordsSuffix)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its list: %v", err)
	}
	left, err := os.ReadFile(link)
	if err != nil || bytes.Equal(left, before) {
		t.Fatal("the key is where it was")
	}
	f, _ := os.Open(link)
	defer func() { _ = f.Close() }()
	if _, _, err := record.ReadHeader(f, s.parts.Ring, id); curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("its header opens: %v", err)
	}
	if err := s.putList(id, []byte("late")); err == nil {
		t.Error("a list was put beside nothing")
	}
	ids, err := s.Whole()
	if err != nil || len(ids) != 1 || ids[0] != other {
		t.Errorf("%v %v", ids, err)
	}
	h := header(curfew.RecordFirst)
	if _, err := s.Create(h); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(h.Session); curfew.CodeOf(err) != curfew.Conflict {
		t.Errorf("an open recording: %v", err)
	}
	if err := s.Remove("../../etc"); curfew.CodeOf(err) != curfew.NotFound {
		t.Errorf("a path: %v", err)
	}
}

func TestChunksOpenWithTheKeyAlone(t *testing.T) {
	s, _, dir := store(t)
	id := said(t, s, dir, "one", "two")
	c, err := s.Chunks(id)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	again := record.NewChain(id, c.Key(), s.pack)
	n := 0
	for {
		box, items, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		same, err := again.OpenBox(box)
		if err != nil || len(same) != len(items) {
			t.Fatalf("%d of %d items, %v", len(same), len(items), err)
		}
		n += len(items)
	}
	rep, err := s.Verify(id, nil)
	if head := c.Head(); err != nil || n != 3 || again.Head() != head || !bytes.Equal(rep.Head, head[:]) {
		t.Errorf("%d items, %v", n, err)
	}
}
