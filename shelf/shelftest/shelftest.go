// Package shelftest is what every shelf must pass. It is imported by tests only.
package shelftest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/shelf"
)

// Maker opens rows in a folder; the suite closes them. Forgets says that rows are
// gone once they are closed.
type Maker struct {
	Open    func(folder string) (shelf.Rows, error)
	Forgets bool
}

// Run runs the suite.
func Run(t *testing.T, m Maker) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Maker)
	}{
		{"a value comes back under its name", comesBack},
		{"a row changed by hand does not open", byHand},
		{"a row of yesterday does not count", yesterday},
		{"without the key nothing opens", withoutKey},
		{"the key may be rotated", rotated},
		{"rows have bounds", bounds},
		{"many use it at once", atOnce},
		{"it agrees with a map", agrees},
		{"rows stay when it is closed", reopened},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, m) })
	}
}

func open(t *testing.T, m Maker, folder string) shelf.Rows {
	t.Helper()
	rows, err := m.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	})
	return rows
}

func ring() *seal.Ring { return seal.NewRing(seal.NewKey()).Derive("shelf") }

func put(t *testing.T, s *shelf.Sealed, kind, name, value string) shelf.Digest {
	t.Helper()
	d, err := s.Put(context.Background(), kind, name, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func want(t *testing.T, s *shelf.Sealed, kind, name, value string) {
	t.Helper()
	got, err := s.Get(context.Background(), kind, name)
	if err != nil || string(got) != value {
		t.Errorf("%s %s is %.40q, %v; want %.40q", kind, name, got, err, value)
	}
}

func wantCode(t *testing.T, what string, err error, code curfew.Code) {
	t.Helper()
	if curfew.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func comesBack(t *testing.T, m Maker) {
	s, ctx := shelf.New(open(t, m, t.TempDir()), ring()), context.Background()
	_, err := s.Get(ctx, "token", "a")
	wantCode(t, "a row that is not there", err, curfew.NotFound)
	put(t, s, "token", "b", "two")
	d := put(t, s, "token", "a", "one")
	put(t, s, "link", "a", "")
	put(t, s, "token", "é '\u202e\"; DROP", "three")
	want(t, s, "token", "a", "one")
	want(t, s, "link", "a", "")
	put(t, s, "token", "a", "new")
	want(t, s, "token", "a", "new")
	_, err = s.GetIf(ctx, "token", "a", d)
	wantCode(t, "the digest of a value that was replaced", err, curfew.Corrupt)
	names, err := s.List(ctx, "token")
	if err != nil || !slices.Equal(names, []string{"a", "b", "é '\u202e\"; DROP"}) {
		t.Errorf("List gave %q, %v", names, err)
	}
	if names, err = s.List(ctx, "nothing"); err != nil || len(names) != 0 {
		t.Errorf("List of nothing gave %q, %v", names, err)
	}
	for range 2 {
		if err := s.Delete(ctx, "token", "a"); err != nil {
			t.Error(err)
		}
	}
	_, err = s.Get(ctx, "token", "a")
	wantCode(t, "a deleted row", err, curfew.NotFound)
	want(t, s, "link", "a", "")
}

func byHand(t *testing.T, m Maker) {
	rows, ctx := open(t, m, t.TempDir()), context.Background()
	s := shelf.New(rows, ring())
	put(t, s, "token", "dana", "dana's")
	put(t, s, "token", "mallory", "mallory's")
	mine, err := rows.Load(ctx, "token", "mallory")
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(mine)
	flipped[len(flipped)-1] ^= 1
	for _, c := range []struct {
		name, kind, row string
		box             []byte
	}{
		{"copied over another", "token", "dana", mine},
		{"copied to a new name", "token", "eve", mine},
		{"copied to another kind", "link", "mallory", mine},
		{"moved across the border of kind and name", "tokenm", "allory", mine},
		{"edited", "token", "mallory", flipped},
		{"cut short", "token", "mallory", mine[:10]},
		{"emptied", "token", "mallory", []byte{}},
		{"made up", "token", "mallory", []byte("curfew")},
	} {
		if err := rows.Store(ctx, c.kind, c.row, c.box); err != nil {
			t.Fatal(err)
		}
		_, err := s.Get(ctx, c.kind, c.row)
		wantCode(t, c.name, err, curfew.Corrupt)
	}
}

func yesterday(t *testing.T, m Maker) {
	rows, ctx := open(t, m, t.TempDir()), context.Background()
	s := shelf.New(rows, ring())
	first := put(t, s, "token", "a", "same")
	box, err := rows.Load(ctx, "token", "a")
	if err != nil {
		t.Fatal(err)
	}
	second := put(t, s, "token", "a", "same")
	if first == second {
		t.Error("one value, put twice, has one digest: the old row would pass for the new one")
	}
	if got, err := s.GetIf(ctx, "token", "a", second); err != nil || string(got) != "same" {
		t.Errorf("%q, %v", got, err)
	}
	if err := s.Delete(ctx, "token", "a"); err != nil {
		t.Fatal(err)
	}
	_, err = s.GetIf(ctx, "token", "a", second)
	wantCode(t, "withdrawn", err, curfew.NotFound)
	if err := rows.Store(ctx, "token", "a", box); err != nil {
		t.Fatal(err)
	}
	_, err = s.GetIf(ctx, "token", "a", second)
	wantCode(t, "put back by hand", err, curfew.Corrupt)
}

func withoutKey(t *testing.T, m Maker) {
	rows, ctx := open(t, m, t.TempDir()), context.Background()
	put(t, shelf.New(rows, ring()), "token", "a", "canary-7f3a")
	_, err := shelf.New(rows, ring()).Get(ctx, "token", "a")
	wantCode(t, "another key", err, curfew.Corrupt)
	box, err := rows.Load(ctx, "token", "a")
	if err != nil || bytes.Contains(box, []byte("canary")) {
		t.Errorf("the row is %q, %v", box, err)
	}
}

func rotated(t *testing.T, m Maker) {
	rows := open(t, m, t.TempDir())
	root := seal.NewRing(seal.NewKey())
	put(t, shelf.New(rows, root.Derive("shelf")), "token", "old", "1")
	s := shelf.New(rows, root.Rotate(seal.NewKey()).Derive("shelf"))
	put(t, s, "token", "new", "2")
	want(t, s, "token", "old", "1")
	want(t, s, "token", "new", "2")
}

func bounds(t *testing.T, m Maker) {
	s, ctx := shelf.New(open(t, m, t.TempDir()), ring()), context.Background()
	for _, c := range []struct {
		kind, name string
		size       int
		code       curfew.Code
	}{
		{"", "a", 0, curfew.Invalid},
		{"k", "", 0, curfew.Invalid},
		{strings.Repeat("k", shelf.MaxKind+1), "a", 0, curfew.Invalid},
		{"k", strings.Repeat("n", shelf.MaxName+1), 0, curfew.Invalid},
		{"k", "a", shelf.MaxValue + 1, curfew.Limited},
		{strings.Repeat("k", shelf.MaxKind), strings.Repeat("n", shelf.MaxName), shelf.MaxValue, ""},
	} {
		_, err := s.Put(ctx, c.kind, c.name, make([]byte, c.size))
		wantCode(t, "a row of "+c.kind, err, c.code)
	}
}

func atOnce(t *testing.T, m Maker) {
	s := shelf.New(open(t, m, t.TempDir()), ring())
	var wg sync.WaitGroup
	for w := range 8 {
		name := string(rune('a' + w))
		wg.Go(func() {
			for range 5 {
				if _, err := s.Put(context.Background(), "k", name, []byte(name)); err != nil {
					t.Error(err)
				}
				if got, err := s.Get(context.Background(), "k", name); err != nil || string(got) != name {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
}

func agrees(t *testing.T, m Maker) {
	s, ctx := shelf.New(open(t, m, t.TempDir()), ring()), context.Background()
	model := map[string]string{} // goes on from one run to the next, as the shelf does
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name")
		switch rapid.IntRange(0, 3).Draw(rt, "what") {
		case 0:
			if err := s.Delete(ctx, "k", name); err != nil {
				rt.Fatal(err)
			}
			delete(model, name)
		case 1, 2:
			value := rapid.StringN(0, 5, 10).Draw(rt, "value")
			if _, err := s.Put(ctx, "k", name, []byte(value)); err != nil {
				rt.Fatal(err)
			}
			model[name] = value
		}
		got, err := s.Get(ctx, "k", name)
		if value, ok := model[name]; ok != (err == nil) || string(got) != value {
			rt.Fatalf("%s is %q, %v; want %q", name, got, err, value)
		}
		if names, err := s.List(ctx, "k"); err != nil || len(names) != len(model) {
			rt.Fatalf("names %q, %v", names, err)
		}
	})
}

func reopened(t *testing.T, m Maker) {
	if m.Forgets {
		return // stated by its Maker
	}
	folder, key := t.TempDir(), ring()
	rows := open(t, m, folder)
	d := put(t, shelf.New(rows, key), "k", "a", "1")
	for range 2 {
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := shelf.New(open(t, m, folder), key).GetIf(context.Background(), "k", "a", d)
	if err != nil || string(got) != "1" {
		t.Errorf("%q, %v", got, err)
	}
}
