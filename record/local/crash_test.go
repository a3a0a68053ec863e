package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
)

// disk is the folder's files and what they hold.
type disk map[string][]byte

func snapshot(t *testing.T, dir string) disk {
	t.Helper()
	d := disk{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		d[name] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d disk) lay(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range d {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (d disk) with(name string, b []byte) disk {
	c := maps.Clone(d)
	c[name] = b
	return c
}

func (d disk) without(names ...string) disk {
	c := maps.Clone(d)
	for _, n := range names {
		delete(c, n)
	}
	return c
}

// named lists the files whose name contains the text.
func (d disk) named(text string) (names []string) {
	for n := range d {
		if strings.Contains(n, text) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// story is a small recording of two sessions, taken step by step, with the disk
// and what had been acknowledged after each step.
type story struct {
	ring   *seal.Ring
	ids    []curfew.SessionID
	states []state
}

type state struct {
	name  string
	disk  disk
	acked map[curfew.SessionID]int // items that are durable
	file  map[curfew.SessionID]int // items that fsync has put into the file
	ended map[curfew.SessionID]bool
}

// tell makes the story: steps, spills, settling, a second segment, a close.
func tell(t *testing.T) story {
	t.Helper()
	dir := t.TempDir()
	st := story{ring: seal.NewRing(seal.NewKey())}
	s, err := Open(Parts{Folder: dir, Ring: st.ring})
	if err != nil {
		t.Fatal(err)
	}
	var ws []*writer
	for range 2 {
		h := header(curfew.RecordLive)
		w, err := s.Create(h)
		if err != nil {
			t.Fatal(err)
		}
		ws, st.ids = append(ws, w.(*writer)), append(st.ids, h.Session)
	}
	now := state{acked: map[curfew.SessionID]int{}, file: map[curfew.SessionID]int{}, ended: map[curfew.SessionID]bool{}}
	count := map[*writer]int{}
	keep := func(name string) {
		st.states = append(st.states, state{name, snapshot(t, dir), maps.Clone(now.acked), maps.Clone(now.file), maps.Clone(now.ended)})
	}
	write := func(w *writer, n int) {
		for range n {
			count[w]++
			if err := w.Write(record.Item{Kind: record.Statement, Ref: uint64(count[w]), Text: fmt.Sprintf("SELECT 'canary %d'", count[w])}); err != nil {
				t.Fatal(err)
			}
		}
	}
	step := func(name string) {
		s.step()
		for _, w := range ws {
			now.acked[w.head.Session] = int(w.durable)
		}
		keep(name)
	}
	keep("created")
	write(ws[0], 2)
	step("one speaks")
	write(ws[0], 1)
	write(ws[1], 3)
	step("both speak")
	ws[0].spill()
	keep("one's file follows")
	write(ws[0], 2)
	step("more")
	ws[0].settle()
	now.file[st.ids[0]] = now.acked[st.ids[0]]
	keep("one's file is durable")
	s.journal.size = segmentBytes
	write(ws[1], 2)
	step("a second segment")
	write(ws[0], 1)
	write(ws[1], 1)
	step("both in the second segment")
	ws[1].settle()
	now.file[st.ids[1]] = now.acked[st.ids[1]]
	s.settle()
	s.wg.Wait()
	now.file[st.ids[0]] = now.acked[st.ids[0]]
	keep("all durable")
	s.retire(s.segments, ws) // all durable by now
	step("the first segment is retired")
	s.settle()
	keep("the first segment is gone")
	write(ws[0], 1)
	write(ws[1], 2)
	step("the second goes on")
	ended := make(chan error)
	go func() { ended <- ws[1].Close(record.Item{Kind: record.Closed}) }()
	for done := false; !done; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
			s.step()
		}
	}
	count[ws[1]]++
	now.acked[st.ids[1]], now.ended[st.ids[1]] = count[ws[1]], true
	s.wg.Wait()
	keep("one is closed")
	if d := st.states[len(st.states)-1].disk; len(d.named("journal/")) != 1 {
		t.Fatal("the story has no retired segment")
	}
	return st
}

// stride is how far the next cut is: every byte, but fewer in a short run. The
// last byte is always one of them.
func stride(left int) int {
	if testing.Short() && left > 0 {
		return min(17, left)
	}
	return 1
}

// scratch is a folder that is quick to write durably, where there is one.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "curfew-test-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "again")
}

// outcome is what is read of a session after a start.
type outcome struct {
	items  int  // of the session itself, from the first on
	gap    bool // they are not in a row
	closed bool
	broken bool
	fault  string
}

// restart opens the folder and reads all recordings that are there.
func (st story) restart(t *testing.T, dir string) (map[curfew.SessionID]outcome, string) {
	t.Helper()
	var log strings.Builder
	s, err := Open(Parts{Folder: dir, Ring: st.ring, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.journal.close(); err != nil {
		t.Fatal(err)
	}
	out := map[curfew.SessionID]outcome{}
	for _, id := range st.ids {
		out[id] = look(s, id)
	}
	return out, log.String()
}

func look(s *Store, id curfew.SessionID) (o outcome) {
	rep, err := s.Verify(id, nil)
	if err != nil {
		return outcome{fault: err.Error()}
	}
	o.closed, o.fault = rep.Closed, rep.Fault
	r, err := s.Read(id)
	if err != nil {
		return outcome{fault: err.Error()}
	}
	defer func() { _ = r.Close() }()
	for {
		it, err := r.Next(context.Background(), false)
		if errors.Is(err, io.EOF) != o.closed && err != nil && o.fault == "" {
			o.fault = "reading ends with " + err.Error()
		}
		if err != nil {
			return o
		}
		switch it.Kind {
		case record.Broken:
			o.broken = true
		case record.Closed:
			o.items++
		default:
			o.items++
			o.gap = o.gap || it.Ref != uint64(o.items)
		}
	}
}

// sound checks what a crash may leave: every item that was acknowledged, in
// order, and an end that says what it is.
func (was state) sound(t *testing.T, what string, got map[curfew.SessionID]outcome) {
	t.Helper()
	for id, n := range was.acked {
		o := got[id]
		if o.items < n || o.gap || o.fault != "" || was.ended[id] && !o.closed || !o.closed && !o.broken {
			t.Errorf("%s, %s: %d items were acknowledged: %+v", was.name, what, n, o)
		}
	}
}

func TestACrashBetweenAnyTwoStepsLosesNothingAcknowledged(t *testing.T) {
	st, dir := tell(t), scratch(t)
	for _, was := range st.states {
		was.disk.lay(t, dir)
		got, log := st.restart(t, dir)
		was.sound(t, "killed", got)
		if strings.Contains(log, "journal is damaged") {
			t.Errorf("%s: %s", was.name, log)
		}
		after := snapshot(t, dir)
		again, _ := st.restart(t, dir)
		if !maps.Equal(got, again) {
			t.Errorf("%s: a second start changes %+v to %+v", was.name, got, again)
		}
		for name, b := range after {
			if strings.Contains(string(b), "canary") {
				t.Errorf("%s says something to those without the key", name)
			}
		}
	}
}

// A power cut keeps the journal as far as fsync went, and of the files what it likes.
func TestAPowerCutMayTakeWhatWasNotSynced(t *testing.T) {
	st, dir := tell(t), scratch(t)
	for i, was := range st.states {
		for _, name := range was.disk.named(".rec") {
			id := curfew.SessionID(strings.TrimSuffix(strings.TrimSuffix(name, ".open"), ".rec"))
			if was.acked[id] == 0 {
				continue
			}
			low := 0 // what fsync has put there stays
			for _, before := range st.states[:i+1] {
				if b := before.disk[string(id)+openSuffix]; before.file[id] > 0 {
					low = max(low, len(b))
				}
				if before.file[id] == was.file[id] && before.file[id] > 0 {
					break
				}
			}
			whole := was.disk[name]
			if i > 0 && bytes.Equal(whole, st.states[i-1].disk[name]) {
				continue
			}
			for cut := low; cut <= len(whole); cut += stride(len(whole) - cut) {
				d := was.disk.with(name, whole[:cut])
				if cut == 0 && low == 0 {
					d = was.disk.without(name)
				}
				d.lay(t, dir)
				got, _ := st.restart(t, dir)
				was.sound(t, fmt.Sprintf("%s cut at %d of %d", name, cut, len(whole)), got)
			}
			zeros := append(slices.Clone(whole[:low]), make([]byte, len(whole)-low)...)
			was.disk.with(name, zeros).lay(t, dir)
			got, _ := st.restart(t, dir)
			was.sound(t, name+" zeroed", got)
			if t.Failed() {
				return
			}
		}
	}
}

// The step that is under way at a power cut may be torn anywhere; what was
// acknowledged before it stays.
func TestATornStepCostsThatStepAlone(t *testing.T) {
	st, dir := tell(t), scratch(t)
	nextBytes := frameBytes + seal.Overhead + len(appendPiece(nil, piece{kind: pieceNext, data: make([]byte, 8)}))
	for i, next := range st.states[1:] {
		was := st.states[i]
		names := next.disk.named("journal/")
		for _, name := range names {
			before, after := was.disk[name], next.disk[name]
			if len(before) == len(after) || before == nil && len(was.disk.named("journal/")) == 0 {
				continue
			}
			for cut := len(before); cut <= len(after); cut += stride(len(after) - cut) {
				d := was.disk.with(name, after[:cut])
				if latest := names[len(names)-1]; latest != name && cut > len(after)-nextBytes { // there before the record that says so
					d[latest] = next.disk[latest]
				}
				d.lay(t, dir)
				got, _ := st.restart(t, dir)
				was.sound(t, fmt.Sprintf("%s cut at %d of %d", name, cut, len(after)), got)
			}
			zeros := append(slices.Clone(before), make([]byte, len(after)-len(before))...)
			was.disk.with(name, zeros).lay(t, dir)
			got, _ := st.restart(t, dir)
			was.sound(t, name+" zeroed", got)
			if t.Failed() {
				return
			}
		}
	}
}

// honest checks what tampering must not do: pass off less than was acknowledged
// as whole.
func (was state) honest(t *testing.T, what string, got map[curfew.SessionID]outcome) {
	t.Helper()
	for id, n := range was.acked {
		o := got[id]
		if o.fault == "" && (o.closed && o.items < n || o.gap) || o.fault == "" && !o.closed && !o.broken && o.items > 0 {
			t.Errorf("%s, %s: %d items were acknowledged: %+v", was.name, what, n, o)
		}
	}
}

func TestAJournalThatWasTouchedNeverPassesOffLessAsWhole(t *testing.T) {
	st, dir := tell(t), scratch(t)
	for _, was := range st.states {
		if was.name != "more" && was.name != "both in the second segment" && was.name != "one is closed" {
			continue
		}
		for _, name := range was.disk.named("journal/") {
			b := was.disk[name]
			for at := 0; at < len(b); at += 13 * stride(len(b)-at) {
				flipped := slices.Clone(b)
				flipped[at] ^= 1
				was.disk.with(name, flipped).lay(t, dir)
				got, _ := st.restart(t, dir)
				was.honest(t, fmt.Sprintf("%s flipped at %d", name, at), got)
				was.disk.with(name, b[:at]).lay(t, dir)
				got, _ = st.restart(t, dir)
				was.honest(t, fmt.Sprintf("%s cut at %d", name, at), got)
			}
		}
	}
}

func TestAMissingOrForeignJournalIsNamed(t *testing.T) {
	st, other, dir := tell(t), tell(t), scratch(t)
	at := func(st story, name string) state {
		for _, s := range st.states {
			if s.name == name {
				return s
			}
		}
		t.Fatal("no state", name)
		return state{}
	}
	mustName := func(what string, d disk, want string, ids ...curfew.SessionID) {
		t.Helper()
		d.lay(t, dir)
		got, log := st.restart(t, dir)
		for _, id := range ids {
			if !strings.Contains(got[id].fault, want) || !strings.Contains(log, want) {
				t.Errorf("%s: %+v, and the log says %q", what, got[id], log)
			}
		}
	}
	both := at(st, "both speak").disk
	mustName("the journal deleted", both.without(both.named("journal/")...), "it is missing", st.ids...)
	second := at(st, "both in the second segment").disk
	segments := second.named("journal/")
	if len(segments) != 2 {
		t.Fatal(segments)
	}
	mustName("the first segment deleted", second.without(segments[0]), "segment 1 is missing", st.ids...)
	mustName("the second segment deleted", second.without(segments[1]), "segment 2 is missing", st.ids...)
	mustName("the segments swapped", second.with(segments[0], second[segments[1]]).with(segments[1], second[segments[0]]), "is not what was written", st.ids...)
	foreign := at(other, "both in the second segment").disk
	mustName("another journal in its place", second.with(segments[0], foreign[segments[0]]).with(segments[1], foreign[segments[1]]), "is not what was written", st.ids...)
	late := at(st, "the second goes on").disk
	older := at(st, "one speaks").disk
	mustName("an older copy of the journal", late.without(late.named("journal/")...).with(older.named("journal/")[0], older[older.named("journal/")[0]]), "ends before record", st.ids...)
}

// Records of a segment that are lost, repeated or exchanged are found by their numbers.
func TestLostRepeatedAndReorderedWritesAreNamed(t *testing.T) {
	st, dir := tell(t), scratch(t)
	var grown []disk // the first segment after each of its records
	for _, s := range st.states {
		names := s.disk.named("journal/")
		if len(names) == 1 && (len(grown) == 0 || len(s.disk[names[0]]) > len(grown[len(grown)-1][names[0]])) {
			grown = append(grown, s.disk)
		}
	}
	name := grown[0].named("journal/")[0]
	if len(grown) < 4 {
		t.Fatal(len(grown))
	}
	head, last := grown[0][name], grown[3]
	part := func(i int) []byte { return grown[i][name][len(grown[i-1][name]):] }
	for _, c := range []struct {
		what, want string
		segment    []byte
	}{
		{"a record lost", "records 2 to 2 of its segment 1 are missing", slices.Concat(head, part(1), part(3))},
		{"a record zeroed", "records 2 to 2 of its segment 1 are missing", slices.Concat(head, part(1), make([]byte, len(part(2))), part(3))},
		{"a record repeated", "record 2 of its segment 1 appears again", slices.Concat(head, part(1), part(2), part(2), part(3))},
		{"two exchanged", "appears again", slices.Concat(head, part(2), part(1), part(3))},
		{"bytes put between", "before record 2 are not what was written", slices.Concat(head, part(1), []byte("between"), part(2), part(3))},
	} {
		last.with(name, c.segment).lay(t, dir)
		got, log := st.restart(t, dir)
		if !strings.Contains(log, c.want) || got[st.ids[0]].fault == "" {
			t.Errorf("%s: %+v, and the log says %q", c.what, got, log)
		}
	}
}

// An error of the disk costs the sessions whose items were under way, and nobody
// else; the journal goes on in a new segment, and a start finds no fault.
func TestAFailedJournalEndsWhoWasWaitingForIt(t *testing.T) {
	dir, ring := t.TempDir(), seal.NewRing(seal.NewKey())
	s, err := Open(Parts{Folder: dir, Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	bad, good := header(curfew.RecordLive), header(curfew.RecordLive)
	var ws []*writer
	for _, h := range []record.Header{bad, good} {
		w, err := s.Create(h)
		if err != nil {
			t.Fatal(err)
		}
		ws = append(ws, w.(*writer))
		if err := w.Write(record.Item{Kind: record.Statement, Ref: 1}); err != nil {
			t.Fatal(err)
		}
	}
	s.step()
	_ = s.journal.file.Close()
	if err := ws[0].Write(record.Item{Kind: record.Statement, Ref: 2}); err != nil {
		t.Fatal(err)
	}
	s.step()
	if err := ws[0].Write(record.Item{Kind: record.Statement, Ref: 3}); curfew.CodeOf(err) != curfew.Unavailable {
		t.Fatal("the session goes on:", err)
	}
	if err := ws[1].Write(record.Item{Kind: record.Statement, Ref: 2}); err != nil {
		t.Fatal(err)
	}
	s.step()
	if err := ws[1].wait(2); err != nil {
		t.Fatal(err)
	}
	st := story{ring: ring, ids: []curfew.SessionID{bad.Session, good.Session}}
	again := scratch(t)
	snapshot(t, dir).lay(t, again)
	got, log := st.restart(t, again)
	state{name: "after the error", acked: map[curfew.SessionID]int{bad.Session: 1, good.Session: 2}}.sound(t, "killed", got)
	if log != "" {
		t.Error(log)
	}
}

func TestAJournalIsRemovedOnceEverythingIsWhole(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Parts{Folder: dir, Ring: seal.NewRing(seal.NewKey())})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w, err := s.Create(header(curfew.RecordLive))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(record.Item{Kind: record.Closed}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if d := snapshot(t, dir); len(d.named("journal/")) != 0 || len(d.named(".open")) != 0 {
		t.Fatal(d.named(""))
	}
}
