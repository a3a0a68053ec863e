package ledgertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// Run runs the suite.
func Run(t *testing.T, m Maker) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *stand)
	}{
		{"an empty ledger is empty", empty},
		{"the first event names the deployment and the key", genesis},
		{"positions follow each other and bodies stay as they were", order},
		{"a batch is appended whole or not at all", allOrNone},
		{"time never goes back", monotonic},
		{"a turn appends at most once and ends", oneAppend},
		{"one has the turn, the others wait", exclusive},
		{"who waits for the turn may give up", giveUp},
		{"a turn that panics ends", panics},
		{"reading takes any range", ranges},
		{"waiting ends with the next event or the context", waiting},
		{"a follower sees every event once", following},
		{"snapshots come back by their hash", snapshots},
		{"a failed append leaves nothing, an unknown one all", faults},
		{"heads lead from one to the next", heads},
		{"an export verifies, and only whole", export},
		{"it agrees with a list", agrees},
		{"a closed ledger says so", closed},
		{"it is the same after it was closed", reopen},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &stand{Maker: m, folder: t.TempDir(), signer: Signer(t)}
			c.test(t, s)
		})
	}
}

// stand is one test's folder and key.
type stand struct {
	Maker
	folder string
	signer ledger.Signer
}

func (s *stand) open(t *testing.T) Log {
	t.Helper()
	l, err := s.Open(s.folder, s.signer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (s *stand) begun(t *testing.T) Log {
	t.Helper()
	l := s.open(t)
	if err := ledger.Begin(context.Background(), l, s.signer, Start()); err != nil {
		t.Fatal(err)
	}
	return l
}

func wantCode(t *testing.T, what string, err error, code curfew.Code) {
	t.Helper()
	if curfew.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func all(t *testing.T, l ledger.Ledger) []curfew.Event {
	t.Helper()
	events, err := l.Read(context.Background(), 1, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func empty(t *testing.T, s *stand) {
	l := s.open(t)
	if h := l.Head(); h.Size != 0 || h.Note != nil || !h.Time.IsZero() || h.Root != sha256.Sum256(nil) {
		t.Errorf("head %+v", h)
	}
	if events := all(t, l); len(events) != 0 {
		t.Errorf("events %v", events)
	}
	if err := ledger.Check(context.Background(), l, ledger.Head{}); err != nil {
		t.Error(err)
	}
}

func genesis(t *testing.T, s *stand) {
	l := s.open(t)
	_, _, err := Append(l, Start(), Drafts("nobody", 1)...)
	wantCode(t, "another first event", err, curfew.Invalid)
	_, _, err = Append(l, Start(), ledger.Genesis(Signer(t)))
	wantCode(t, "another key", err, curfew.Invalid)
	if err := ledger.Begin(context.Background(), l, s.signer, Start(), Drafts("x", 2)...); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "begun twice", ledger.Begin(context.Background(), l, s.signer, Start()), curfew.Conflict)
	if rep := MustVerify(t, l, s.signer); rep.Events != 3 || rep.Heads != 1 || rep.Deployment != "acme" || !rep.Last.Equal(Start()) {
		t.Errorf("%+v", rep)
	}
}

func order(t *testing.T, s *stand) {
	l := s.begun(t)
	want := all(t, l)
	bodies := [][]byte{nil, {}, []byte(`{"a":1}`), []byte("{\"a\" : \"\u202e\x00'\"}"), {0xff, 0xfe}, bytes.Repeat([]byte("x"), 100_000)}
	for i, body := range bodies {
		kept := bytes.Clone(body)
		got := MustAppend(t, l, Start().Add(time.Duration(i)), ledger.Draft{Kind: curfew.Kind(strings.Repeat("k", i*25+1)), Body: kept}, ledger.Draft{Kind: "x", Body: kept})
		for k := range kept {
			kept[k] = '!' // what the caller does to its draft later is not the ledger's
		}
		for k, e := range got {
			if e.Position != uint64(2+2*i+k) || !bytes.Equal(e.Body, body) || !e.Time.Equal(Start().Add(time.Duration(i))) {
				t.Errorf("appended %+v", e)
			}
		}
		want = append(want, got...)
	}
	got := all(t, l)
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		if !sameEvent(got[i], want[i]) {
			t.Errorf("event %d was read as %.100v, appended as %.100v", i+1, got[i], want[i])
		}
	}
	MustVerify(t, l, s.signer)
}

func allOrNone(t *testing.T, s *stand) {
	l := s.begun(t)
	before := l.Head()
	for name, bad := range map[string]ledger.Draft{
		"no kind":           {Body: []byte("{}")},
		"a long kind":       {Kind: curfew.Kind(strings.Repeat("k", ledger.MaxKind+1))},
		"a body of 4 MiB+1": {Kind: "x", Body: make([]byte, ledger.MaxBody+1)},
	} {
		_, _, err := Append(l, Start(), append(Drafts("a", 3), bad)...)
		wantCode(t, name, err, curfew.Invalid)
	}
	_, _, err := Append(l, Start())
	wantCode(t, "no draft", err, curfew.Invalid)
	if l.Head().Size != before.Size || len(all(t, l)) != 1 {
		t.Error("something was kept")
	}
	MustAppend(t, l, Start(), ledger.Draft{Kind: curfew.Kind(strings.Repeat("k", ledger.MaxKind)), Body: make([]byte, ledger.MaxBody)})
	MustVerify(t, l, s.signer)
}

func monotonic(t *testing.T, s *stand) {
	l := s.begun(t)
	_, _, err := Append(l, Start().Add(-1), Drafts("a", 1)...)
	wantCode(t, "an earlier time", err, curfew.Invalid)
	_, _, err = Append(l, time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), Drafts("a", 1)...)
	wantCode(t, "a time beyond nanoseconds", err, curfew.Invalid)
	MustAppend(t, l, Start(), Drafts("same time", 1)...)
	zone := time.FixedZone("east", 3*3600)
	if e := MustAppend(t, l, Start().Add(time.Second).In(zone), Drafts("zone", 1)...)[0]; e.Time.Location() != time.UTC {
		t.Errorf("a time in %v", e.Time.Location())
	}
	if h := l.Head(); h.Size != 3 || !h.Time.Equal(Start().Add(time.Second)) {
		t.Errorf("head %+v", h)
	}
}

func oneAppend(t *testing.T, s *stand) {
	l := s.begun(t)
	var kept ledger.Turn
	err := l.Turn(context.Background(), func(turn ledger.Turn) error {
		kept = turn
		if turn.Head().Size != 1 {
			t.Errorf("head %+v", turn.Head())
		}
		if _, h, err := turn.Append(Start(), Drafts("a", 1)); err != nil || h.Size != 2 || turn.Head().Size != 2 {
			t.Errorf("%+v, %v", h, err)
		}
		_, _, err := turn.Append(Start(), Drafts("b", 1))
		return err
	})
	wantCode(t, "a second append", err, curfew.Internal)
	_, _, err = kept.Append(Start(), Drafts("c", 1))
	wantCode(t, "an append after the turn", err, curfew.Internal)
	mine := errors.New("mine")
	if err := l.Turn(context.Background(), func(ledger.Turn) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the turn's error: %v", err)
	}
	if l.Head().Size != 2 {
		t.Errorf("head %+v", l.Head())
	}
}

func exclusive(t *testing.T, s *stand) {
	const writers, each = 8, 12
	l := s.begun(t)
	inside := 0 // guarded by the turn: the race detector looks
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := l.Turn(context.Background(), func(turn ledger.Turn) error {
					if inside++; inside != 1 {
						t.Error("two in the turn")
					}
					defer func() { inside-- }()
					before := turn.Head()
					events, head, err := turn.Append(before.Time, Drafts(fmt.Sprint(w), i%3+1))
					if err == nil && (events[0].Position != before.Size+1 || head.Size != before.Size+uint64(len(events))) {
						t.Errorf("after %d: events from %d, head %d", before.Size, events[0].Position, head.Size)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if rep := MustVerify(t, l, s.signer); rep.Events != 1+writers*each*2 || rep.Heads != 1+writers*each {
		t.Errorf("%+v", rep)
	}
}

func giveUp(t *testing.T, s *stand) {
	l := s.begun(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("gone home")
	err := l.Turn(context.Background(), func(ledger.Turn) error {
		waits := make(chan error, 1)
		go func() {
			waits <- l.Turn(ctx, func(ledger.Turn) error {
				t.Error("got a turn that somebody else had")
				return nil
			})
		}()
		cancel(cause)
		return <-waits
	})
	wantCode(t, "giving up", err, curfew.Unavailable)
	if !errors.Is(err, cause) {
		t.Errorf("%v, without its cause", err)
	}
	err = l.Turn(ctx, func(ledger.Turn) error { t.Error("ran for a caller that was gone"); return nil })
	wantCode(t, "a context that was over", err, curfew.Unavailable)
}

func panics(t *testing.T, s *stand) {
	l := s.begun(t)
	func() {
		defer func() { _ = recover() }()
		_ = l.Turn(context.Background(), func(ledger.Turn) error { panic("a bug") })
	}()
	MustAppend(t, l, Start(), Drafts("after", 1)...)
}

func ranges(t *testing.T, s *stand) {
	l := s.begun(t)
	MustAppend(t, l, Start(), Drafts("a", 9)...)
	for _, c := range []struct {
		from        uint64
		limit, want int
	}{{1, 3, 3}, {1, 10, 10}, {1, 11, 10}, {10, 5, 1}, {11, 5, 0}, {math.MaxUint64, 5, 0}, {4, 0, 0}} {
		events, err := l.Read(context.Background(), c.from, c.limit)
		if err != nil || len(events) != c.want || c.want > 0 && events[0].Position != c.from {
			t.Errorf("Read(%d, %d) gave %d events, %v", c.from, c.limit, len(events), err)
		}
	}
	_, err := l.Read(context.Background(), 0, 1)
	wantCode(t, "position 0", err, curfew.Invalid)
	_, err = l.Read(context.Background(), 1, -1)
	wantCode(t, "a negative limit", err, curfew.Invalid)
}
