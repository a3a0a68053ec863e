package evidence_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/evidence"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	"github.com/curfewhq/curfew/ledger/mem"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/record/local"
	"github.com/curfewhq/curfew/seal"
)

// story is a ledger and a store with the recordings of two sessions.
type story struct {
	t       *testing.T
	signer  ledger.Signer
	ledger  *mem.Ledger
	store   *local.Store
	at      time.Time
	anchors map[curfew.SessionID][][]byte
	touch   func(asked curfew.Event, q curfew.RequestAsked) *curfew.Touch // of the approver; nil: by passphrase
	given   func(*curfew.GrantApproved)                                   // changes what is given
	also    []uint64                                                      // that was looked up beside what is gathered
}

func (s *story) add(kind curfew.Kind, body any) curfew.Event {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.at = s.at.Add(time.Second)
	return ledgertest.MustAppend(s.t, s.ledger, s.at, ledger.Draft{Kind: kind, Body: text})[0]
}

func tell(t *testing.T) *story {
	t.Helper()
	s := &story{t: t, signer: ledgertest.Signer(t), at: ledgertest.Start(), anchors: map[curfew.SessionID][][]byte{}}
	s.ledger = mem.New(s.signer)
	if err := ledger.Begin(t.Context(), s.ledger, s.signer, s.at); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.store, err = local.Open(local.Parts{Folder: t.TempDir(), Ring: seal.NewRing(seal.NewKey())}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.store.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

const (
	session = curfew.SessionID("s_0000000000000001")
	other   = curfew.SessionID("s_0000000000000002")
)

// use tells how a session came about, records it, and anchors it half way.
func (s *story) use(id curfew.SessionID, n string, items int) {
	s.t.Helper()
	g, rq := curfew.GrantID("gr_"+n), curfew.RequestID("rq_"+n)
	q := curfew.RequestAsked{Request: rq, Principal: "p_alice", Role: "read", Resource: "db", Digest: []byte("shown")}
	asked, acted := s.add(curfew.KindRequestAsked, q), curfew.RequestActed{Request: rq, By: "p_dana", For: time.Minute}
	if s.touch != nil {
		acted.Touch = s.touch(asked, q)
	}
	s.add(curfew.KindRequestApproved, acted)
	given := curfew.GrantApproved{Grant: g, Request: rq, Principal: "p_alice", Role: "read", Resource: "db"}
	if s.given != nil {
		s.given(&given)
	}
	s.add(curfew.KindGrantApproved, given)
	s.add(curfew.KindGrantStarted, curfew.GrantStarted{Grant: g, End: s.at.Add(time.Hour)})
	s.add(curfew.KindSessionOpened, curfew.SessionOpened{Session: id, Grant: g, Principal: "p_alice", Resource: "db"})
	w, err := s.store.Create(record.Header{Session: id, Grant: g, Principal: "p_alice", Resource: "db", Mode: curfew.RecordFirst})
	if err != nil {
		s.t.Fatal(err)
	}
	write := func(from, to int) {
		for i := from; i < to; i++ {
			if err := w.Write(record.Item{Kind: record.Statement, Ref: uint64(i + 1), Text: fmt.Sprintf("SELECT %d <'canary'>", i), Values: []record.Value{{Text: "canary"}},
				Columns: []string{"a", "b"}, Table: [][]record.Value{{{Text: "canary\u2028\xff"}, {Null: true}}, {}}, Left: int64(i)}); err != nil {
				s.t.Fatal(err)
			}
		}
		// A reader has what is there written to the file, as a chunk of its own.
		c, err := s.store.Chunks(id)
		if err != nil {
			s.t.Fatal(err)
		}
		sum, err := evidence.Survey(c, nil)
		_ = c.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		s.add(curfew.KindRecordingsAnchored, curfew.RecordingsAnchored{Heads: map[curfew.SessionID][]byte{id: sum.Head[:], "s_elsewhere": {1}}})
	}
	write(0, items/2)
	write(items/2, items)
	if err := w.Close(record.Item{Kind: record.Closed}); err != nil {
		s.t.Fatal(err)
	}
	s.add(curfew.KindSessionEnded, curfew.SessionEnded{Session: id, Cause: curfew.CauseClosed})
	s.add(curfew.KindGrantEnded, curfew.GrantEnded{Grant: g, Cause: curfew.CauseReturned})
}

// shape shows statements without what is in quotes.
func shape(it record.Item) record.Item {
	it.Text, _, _ = strings.Cut(it.Text, "<")
	it.Text += "\xff" // a shape may be cut anywhere
	it.Values, it.Columns, it.Table = nil, nil, nil
	return it
}

// export exports a session, and returns the file; more are events beside its own.
func (s *story) export(id curfew.SessionID, n string, sh evidence.Shape, more ...uint64) []byte {
	s.t.Helper()
	g := evidence.NewGatherer(id, curfew.GrantID("gr_"+n), curfew.RequestID("rq_"+n))
	events, err := s.ledger.Read(s.t.Context(), 1, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range events {
		g.Take(e)
	}
	for _, p := range s.also {
		g.Also(p)
	}
	open := func() record.Chunks {
		c, err := s.store.Chunks(id)
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = c.Close() })
		return c
	}
	sum, err := evidence.Survey(open(), sh)
	if err != nil {
		s.t.Fatal(err)
	}
	last := s.add(curfew.KindRecordingExported, curfew.RecordingExported{
		Session: id, By: "p_tom", Shapes: sh != nil, Head: sum.Head[:], Chunks: sum.Chunks, Items: sum.Items, Digest: sum.Digest[:], Events: g.Positions(),
	})
	s.add(curfew.KindRecordingWatched, curfew.RecordingWatched{Session: id, By: "p_x"}) // life goes on
	h := s.ledger.Head()
	positions := slices.Concat(g.Positions(), more, []uint64{last.Position})
	slices.Sort(positions)
	proved, err := ledger.Prove(s.t.Context(), s.ledger, h, positions)
	if err != nil {
		s.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := evidence.Write(&b, evidence.File{Session: id, Head: h, Events: proved, Chunks: open(), Sum: sum, Shape: sh}); err != nil {
		s.t.Fatal(err)
	}
	return b.Bytes()
}

func (s *story) verify(file []byte) evidence.Report {
	s.t.Helper()
	r, err := evidence.Verify(bytes.NewReader(file), evidence.Checks{Genesis: s.signer.Public(), Session: session})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestAnExportVerifiesWithTheKeyAlone(t *testing.T) {
	s := tell(t)
	s.use(other, "2", 6)
	s.use(session, "1", 10)
	r := s.verify(s.export(session, "1", nil))
	if !r.OK || r.Items != 11 || r.Chunks < 2 || !r.Closed || r.By != "p_tom" || r.Principal != "p_alice" || len(r.Approved) != 1 || r.Approved[0] != "p_dana" ||
		r.Anchored != 10 || r.Cause != curfew.CauseClosed || r.Events != 11 || r.Deployment == "" {
		t.Errorf("%+v", r)
	}
	shapes := s.export(session, "1", shape)
	if bytes.Contains(shapes, []byte("canary")) || bytes.Contains(shapes, []byte("curfew-secret")) || bytes.Contains(shapes, []byte(`"chunk"`)) {
		t.Error("a file of shapes tells values, or how to open them")
	}
	if r := s.verify(shapes); !r.OK || !r.Shapes || r.Items != 11 || r.Chunks != 0 {
		t.Errorf("%+v", r)
	}
	if r, err := evidence.Verify(bytes.NewReader(shapes), evidence.Checks{}); err != nil || !r.OK {
		t.Errorf("without a key: %+v %v", r, err)
	}
}

// changed is the file with its lines changed.
func changed(file []byte, f func([]string) []string) []byte {
	lines := strings.SplitAfter(string(file), "\n")
	return []byte(strings.Join(f(lines[:len(lines)-1]), ""))
}

// at are the numbers of the lines of a kind.
func at(lines []string, kind string) (out []int) {
	for i, l := range lines {
		if strings.HasPrefix(l, `{"`+kind+`":`) {
			out = append(out, i)
		}
	}
	return out
}

func replace(lines []string, i int, old, now string) []string {
	if !strings.Contains(lines[i], old) {
		panic(old + " is not in " + lines[i])
	}
	lines[i] = strings.Replace(lines[i], old, now, 1)
	return lines
}

func without(lines []string, i int) []string { return append(lines[:i:i], lines[i+1:]...) }

func twice(lines []string, i int) []string {
	return append(append(append([]string{}, lines[:i+1]...), lines[i]), lines[i+1:]...)
}

func swap(lines []string, i, j int) []string {
	lines[i], lines[j] = lines[j], lines[i]
	return lines
}

// event is the number of the line of the first event of a kind.
func event(lines []string, kind curfew.Kind) int {
	for _, i := range at(lines, "event") {
		if strings.Contains(lines[i], `"kind":"`+string(kind)+`"`) {
			return i
		}
	}
	panic(kind)
}

func TestVerifyingNamesWhatWasChanged(t *testing.T) {
	s := tell(t)
	s.use(other, "2", 6)
	s.use(session, "1", 10)
	theirs, more, file := s.export(other, "2", nil), s.export(session, "1", nil, 2), s.export(session, "1", nil)
	strange := tell(t)
	strange.use(session, "1", 10)
	foreign := strings.SplitAfter(string(strange.export(session, "1", nil)), "\n")
	their := strings.SplitAfter(string(theirs), "\n")
	for _, c := range []struct {
		name   string
		change func([]string) []string
		says   string
	}{
		{"an item edited", func(l []string) []string { return replace(l, at(l, "item")[3], "SELECT 3", "SELECT 9") }, "item 4 was edited"},
		{"a value edited", func(l []string) []string { return replace(l, at(l, "item")[7], `"text":"canary"`, `"text":"other"`) }, "item 8 was edited"},
		{"an item removed", func(l []string) []string { return without(l, at(l, "item")[1]) }, "item 2 was removed"},
		{"the last item of a chunk removed", func(l []string) []string { return without(l, at(l, "chunk")[1]-1) }, "was removed"},
		{"the last item removed", func(l []string) []string { return without(l, at(l, "item")[10]) }, "item 11 was removed"},
		{"an item inserted", func(l []string) []string { return twice(l, at(l, "item")[0]) }, "inserted"},
		{"an item inserted at the end", func(l []string) []string { return twice(l, at(l, "item")[10]) }, "inserted after item 11"},
		{"another item inserted", func(l []string) []string {
			i := at(l, "item")[1]
			return append(append(append([]string{}, l[:i]...), `{"item":{"at":"2026-01-01T00:00:00Z","kind":"statement","text":"drop"}}`+"\n"), l[i:]...)
		}, "an item was inserted before item 2"},
		{"items moved", func(l []string) []string { return swap(l, at(l, "item")[0], at(l, "item")[1]) }, "item 1 was moved"},
		{"a box edited", func(l []string) []string {
			i := at(l, "chunk")[1]
			now := "A"
			if l[i][60] == 'A' {
				now = "B"
			}
			l[i] = l[i][:60] + now + l[i][61:]
			return l
		}, "chunk 2"},
		{"chunks moved", func(l []string) []string { return swap(l, at(l, "chunk")[0], at(l, "chunk")[1]) }, "chunk 2 stands where chunk 1 has to be"},
		{"a chunk removed with its items", func(l []string) []string {
			c := at(l, "chunk")
			return append(l[:c[0]:c[0]], l[c[1]:]...)
		}, "chunk 2 stands where chunk 1 has to be"},
		{"the last chunk removed with its items, and the end mended", func(l []string) []string {
			c := at(l, "chunk")
			last := c[len(c)-1]
			items := len(at(l[:last], "item"))
			return append(l[:last:last], fmt.Sprintf(`{"end":{"events":%d,"chunks":%d,"items":%d}}`+"\n", len(at(l, "event")), len(c)-1, items))
		}, "it was cut short or written again"},
		{"another session's chunk", func(l []string) []string { l[at(l, "chunk")[0]] = their[at(their, "chunk")[0]]; return l }, "chunk 1, which begins with item 1, is not what was recorded"},
		{"the header names another session", func(l []string) []string { return replace(l, 0, string(session), string(other)) }, "not of " + string(session)},
		{"the header says shapes", func(l []string) []string { return replace(l, 0, `"head"`, `"shapes":true,"head"`) }, "the header was edited"},
		{"another key in the header", func(l []string) []string {
			i := strings.Index(l[0], "curfew-secret-1:")
			l[0] = l[0][:i] + seal.NewKey().Text() + l[0][i+len(seal.NewKey().Text()):]
			return l
		}, "chunk 1"},
		{"no key in the header", func(l []string) []string { return replace(l, 0, "curfew-secret-1:", "curfew-secret-2:") }, "key in the header was edited"},
		{"another signature under the head", func(l []string) []string { return replace(l, 0, `=\n",`, `=\n— witness.example AAAAAAAA\n",`) }, "not as the ledger writes it"},
		{"its signature written otherwise", func(l []string) []string {
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
			i := strings.Index(l[0], `=\n",`) - 1
			next := alphabet[strings.IndexByte(alphabet, l[0][i])+1:][:1]
			return replace(l, 0, l[0][i:i+2]+`\n",`, next+`=\n",`)
		}, "not as the ledger writes it"},
		{"the head edited", func(l []string) []string { return replace(l, 0, `\ntime `, `\ntime 1`) }, "signed"},
		{"another format", func(l []string) []string { return replace(l, 0, `"format":1`, `"format":2`) }, ""},
		{"an event's body edited", func(l []string) []string { return replace(l, event(l, curfew.KindRequestApproved), "p_dana", "p_root") }, "is not in the signed ledger"},
		{"an event's time edited", func(l []string) []string {
			return replace(l, event(l, curfew.KindSessionOpened), `"time":"2026-`, `"time":"2025-`)
		}, "is not in the signed ledger"},
		{"an event's kind edited", func(l []string) []string {
			return replace(l, event(l, curfew.KindRequestApproved), "approved", "denied")
		}, "is not in the signed ledger"},
		{"an event removed", func(l []string) []string { return without(l, event(l, curfew.KindRequestApproved)) }, "was removed"},
		{"an anchor removed", func(l []string) []string { return without(l, event(l, curfew.KindRecordingsAnchored)) }, "was removed"},
		{"the export's event removed", func(l []string) []string { return without(l, event(l, curfew.KindRecordingExported)) }, "the last event is not the export's own"},
		{"an event twice", func(l []string) []string { return twice(l, event(l, curfew.KindRequestApproved)) }, "moved or repeated"},
		{"events moved", func(l []string) []string {
			i := event(l, curfew.KindSessionOpened)
			return swap(l, i, i+1)
		}, "moved or repeated"},
		{"an event of another session inserted", func([]string) []string { return strings.SplitAfter(strings.TrimSuffix(string(more), "\n"), "\n") }, "event 2 was inserted"},
		{"the deployment's event of another one", func(l []string) []string { l[1] = foreign[1]; return l }, "another key than the genesis key"},
		{"a space in a line", func(l []string) []string { return replace(l, 2, `"position":`, `"position": `) }, "not as such a line is written"},
		{"a key twice", func(l []string) []string { return replace(l, 2, `{"position":`, `{"position":7,"position":`) }, "not as such a line is written"},
		{"an item's key twice", func(l []string) []string { return replace(l, at(l, "item")[2], `"kind":`, `"kind":"notice","kind":`) }, "item 3 was edited"},
		{"a line of another kind", func(l []string) []string { return append(append(l[:3:3], `{"note":1}`+"\n"), l[3:]...) }, ""},
		{"rubbish", func(l []string) []string { return append(append(l[:3:3], "rubbish\n"), l[3:]...) }, "the line was edited"},
		{"cut short between lines", func(l []string) []string { return l[:len(l)-3] }, "cut short"},
		{"cut short among the events", func(l []string) []string { return l[:5] }, "cut short after 4 events"},
		{"the end removed", func(l []string) []string { return l[:len(l)-1] }, "cut short after 11 items"},
		{"cut short in a line", func(l []string) []string { l[len(l)-1] = l[len(l)-1][:9]; return l }, "cut short in the middle of a line"},
		{"a line after the end", func(l []string) []string { return append(l, l[0]) }, "after the end"},
		{"a line without end", func(l []string) []string { l[4] = strings.Repeat("x", 30<<20); return l }, "longer than any line"},
		{"the whole file of another session", func([]string) []string { return their[:len(their)-1] }, "not of " + string(session)},
		{"the whole file of another deployment", func([]string) []string { return foreign[:len(foreign)-1] }, "another key than the genesis key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := changed(file, c.change)
			if bytes.Equal(bad, file) {
				t.Fatal("nothing was changed")
			}
			r, err := evidence.Verify(bytes.NewReader(bad), evidence.Checks{Genesis: s.signer.Public(), Session: session})
			if err != nil && c.says != "" || r.OK || !strings.Contains(r.Problem, c.says) {
				t.Errorf("%+v %v, want %q", r.Problem, err, c.says)
			}
		})
	}
}

// TestAForgerWithTheSessionsKey seals the recording again: everything in the file
// agrees, but not with the heads that the ledger holds.
func TestAForgerWithTheSessionsKey(t *testing.T) {
	s := tell(t)
	s.use(session, "1", 10)
	pack, err := record.NewPacker()
	if err != nil {
		t.Fatal(err)
	}
	forged := changed(s.export(session, "1", nil), func(l []string) []string {
		var h struct{ Evidence struct{ Key string } }
		if err := json.Unmarshal([]byte(l[0]), &h); err != nil {
			t.Fatal(err)
		}
		key, err := seal.ParseKey(h.Evidence.Key)
		if err != nil {
			t.Fatal(err)
		}
		chain, out := record.NewChain(session, key, pack), l[:at(l, "chunk")[0]:at(l, "chunk")[0]]
		for n, i := range at(l, "chunk") {
			var lines, items []byte
			for _, line := range l[i+1:] {
				item, ok := strings.CutPrefix(line, `{"item":`)
				if !ok {
					break
				}
				item = strings.ReplaceAll(strings.TrimSuffix(item, "}\n"), "SELECT 8", "SELECT 0")
				lines = append(append(lines, item...), '\n')
				items = append(items, `{"item":`+item+"}\n"...)
			}
			sealed, err := chain.Seal(record.Mark{}, lines)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf(`{"chunk":{"number":%d,"sealed":"%s"}}`+"\n%s", n+1, base64.StdEncoding.EncodeToString(sealed[4:]), items))
		}
		return append(out, l[len(l)-1])
	})
	if r := s.verify(forged); r.OK || !strings.Contains(r.Problem, "is not the one whose head event") {
		t.Errorf("%+v", r)
	}
}

// TestAForgerWithAKeyOfTheirOwn makes a whole ledger.
func TestAForgerWithAKeyOfTheirOwn(t *testing.T) {
	s, forger := tell(t), tell(t)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	forger.signer = ledger.NewSigner(s.signer.Deployment(), key)
	forger.ledger = mem.New(forger.signer)
	if err := ledger.Begin(t.Context(), forger.ledger, forger.signer, forger.at); err != nil {
		t.Fatal(err)
	}
	forger.use(session, "1", 10)
	file := forger.export(session, "1", nil)
	if r := s.verify(file); r.OK || !strings.Contains(r.Problem, "another key than the genesis key") {
		t.Errorf("%+v", r)
	}
	// With the right founding event, the head is signed by nobody who counts.
	s.use(session, "1", 10)
	right := strings.SplitAfter(string(s.export(session, "1", nil)), "\n")
	if r := s.verify(changed(file, func(l []string) []string { l[1] = right[1]; return l })); r.OK || !strings.Contains(r.Problem, "signed with another key") {
		t.Errorf("%+v", r)
	}
}

func TestAFileOfShapesThatWasChanged(t *testing.T) {
	s := tell(t)
	s.use(session, "1", 10)
	file := s.export(session, "1", shape)
	for name, change := range map[string]func([]string) []string{
		"edited":   func(l []string) []string { return replace(l, at(l, "item")[3], "SELECT 3", "SELECT 9") },
		"removed":  func(l []string) []string { return without(l, at(l, "item")[3]) },
		"inserted": func(l []string) []string { return twice(l, at(l, "item")[3]) },
		"moved":    func(l []string) []string { return swap(l, at(l, "item")[3], at(l, "item")[4]) },
		"a key twice": func(l []string) []string {
			return replace(l, at(l, "item")[3], `"kind":`, `"kind":"notice","kind":`)
		},
		"called whole": func(l []string) []string { return replace(l, 0, `"shapes":true,`, "") },
	} {
		bad := changed(file, func(l []string) []string {
			l = change(l)
			l[len(l)-1] = fmt.Sprintf(`{"end":{"events":%d,"chunks":0,"items":%d}}`+"\n", len(at(l, "event")), len(at(l, "item")))
			return l
		})
		if r := s.verify(bad); r.OK || r.Problem == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestWhatIsNoEvidenceIsSaidToBeNone(t *testing.T) {
	for _, text := range []string{"", "\n", "{}\n", "curfew ledger export 1\n", `{"event":{}}` + "\n", strings.Repeat("\x00", 100)} {
		r, err := evidence.Verify(strings.NewReader(text), evidence.Checks{})
		if r.OK || err == nil && r.Problem == "" {
			t.Errorf("%q: %+v %v", text, r, err)
		}
	}
}

func TestAnchorsAreThinnedAndTheNewestStays(t *testing.T) {
	g := evidence.NewGatherer(session, "gr_1", "rq_1")
	body, _ := json.Marshal(curfew.RecordingsAnchored{Heads: map[curfew.SessionID][]byte{session: {1}}})
	for i := range uint64(5000) {
		g.Take(curfew.Event{Position: i + 2, Kind: curfew.KindRecordingsAnchored, Body: body})
		if p := g.Positions(); p[len(p)-1] != i+2 || len(p) > 66 {
			t.Fatalf("%d anchors, the newest %d of %d", len(p), p[len(p)-1], i+2)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"evidence":{"format":1,"session":"s_0000000000000001","head":"x","key":"k"}}` + "\n" + `{"event":{"position":1,"time":"2026-01-01T00:00:00Z","kind":"deployment.created","body":{},"path":[]}}` + "\n"))
	f.Add([]byte(`{"evidence":{"format":1,"session":"s_1","shapes":true,"head":"x"}}` + "\n" + `{"end":{"events":0,"chunks":0,"items":0}}` + "\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if r, err := evidence.Verify(bytes.NewReader(file), evidence.Checks{Genesis: make([]byte, 32)}); err == nil && r.OK {
			t.Fatal("something was verified that nobody signed")
		}
	})
}
