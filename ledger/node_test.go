package ledger_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	"github.com/curfewhq/curfew/ledger/mem"
)

func newNode(t *testing.T) *ledger.Node {
	t.Helper()
	n, err := ledger.CreateNode(filepath.Join(t.TempDir(), "curfew-node"), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func reopened(t *testing.T, n *ledger.Node) *ledger.Node {
	t.Helper()
	again, err := ledger.OpenNode(n.Folder())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestNodeIsTheSameWhenOpenedAgain(t *testing.T) {
	n := newNode(t)
	box := n.Secret().Derive("shelf").Seal(nil, []byte("x"))
	again := reopened(t, n)
	if !again.Signer().Public().Equal(n.Signer().Public()) || again.Signer().Deployment() != "acme" {
		t.Error("another key or name")
	}
	if _, err := again.Secret().Derive("shelf").Open(nil, box); err != nil {
		t.Error(err)
	}
	if again.Newest().Size != 0 {
		t.Error("a memory of nothing")
	}
	if err := n.RotateSecret(); err != nil {
		t.Fatal(err)
	}
	again = reopened(t, n)
	if _, err := again.Secret().Derive("shelf").Open(nil, box); err != nil || again.Secret().Derive("shelf").Current(box) {
		t.Errorf("after rotation: %v", err)
	}
	if _, err := ledger.CreateNode(n.Folder(), "acme"); curfew.CodeOf(err) != curfew.Conflict {
		t.Errorf("made twice: %v", err)
	}
	for _, f := range []string{"", "key", "secret", "deployment"} {
		info, err := os.Stat(filepath.Join(n.Folder(), f))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q: %v, %v", f, info.Mode(), err)
		}
	}
}

func TestNodeFolderThatIsNotWhole(t *testing.T) {
	if _, err := ledger.OpenNode(filepath.Join(t.TempDir(), "none")); curfew.CodeOf(err) != curfew.NotFound {
		t.Errorf("no node: %v", err)
	}
	if _, err := ledger.CreateNode(t.TempDir(), "a name"); curfew.CodeOf(err) != curfew.Invalid {
		t.Errorf("a bad name: %v", err)
	}
	for _, c := range []struct {
		name, file string
		text       string
		mode       os.FileMode
		want       curfew.Code
	}{
		{"a key that others can read", "key", "", 0o644, curfew.Denied},
		{"a damaged key", "key", "AAAA\n", 0o600, curfew.Corrupt},
		{"a damaged secret", "secret", "AAAA\n", 0o600, curfew.Invalid},
		{"an empty secret", "secret", "\n", 0o600, curfew.Corrupt},
		{"a head that nobody signed", "head", "acme\n1\n", 0o600, curfew.Corrupt},
	} {
		n := newNode(t)
		path := filepath.Join(n.Folder(), c.file)
		if c.text != "" {
			if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.OpenNode(n.Folder()); curfew.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestMemoryIsWrittenWithinASecondAndAtOnceWhenUrgent(t *testing.T) {
	n := newNode(t)
	synctest.Test(t, func(t *testing.T) {
		l := mem.New(n.Signer())
		at := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- n.Follow(ctx, l, func(k curfew.Kind) bool { return k == "grant.ended" }) }()
		written := func() uint64 { return reopened(t, n).Newest().Size }

		ledgertest.MustAppend(t, l, at, ledger.Genesis(n.Signer()))
		synctest.Wait()
		if got := written(); got != 1 {
			t.Errorf("the first head is not on disk: %d", got)
		}
		time.Sleep(time.Second / 4)
		ledgertest.MustAppend(t, l, at, ledgertest.Drafts("a", 1)...)
		synctest.Wait()
		if n.Newest().Size != 2 || written() != 1 {
			t.Errorf("remembers %d, on disk %d", n.Newest().Size, written())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := written(); got != 2 {
			t.Errorf("after a second: %d", got)
		}
		ledgertest.MustAppend(t, l, at, ledger.Draft{Kind: "grant.ended"})
		synctest.Wait()
		if got := written(); got != 3 {
			t.Errorf("after an end: %d", got)
		}
		ledgertest.MustAppend(t, l, at, ledgertest.Drafts("a", 1)...)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := written(); got != 4 {
			t.Errorf("after the end of it: %d", got)
		}
	})
}

func TestMemoryNeverGoesBack(t *testing.T) {
	n := newNode(t)
	l := mem.New(n.Signer())
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledger.Genesis(n.Signer()))
	first := l.Head()
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledgertest.Drafts("a", 1)...)
	for _, h := range []ledger.Head{l.Head(), first} {
		if err := n.Remember(h, true); err != nil {
			t.Fatal(err)
		}
	}
	if again := reopened(t, n).Newest(); again.Size != 2 || !bytes.Equal(again.Note, l.Head().Note) {
		t.Errorf("remembers %+v", again)
	}
	if err := n.Restart(first); err != nil {
		t.Fatal(err)
	}
	if again := reopened(t, n).Newest(); again.Size != 1 {
		t.Errorf("after a restore it remembers %+v", again)
	}
}

// A head that cannot be written is a folder in its place here.
func TestMemoryThatCannotBeWrittenIsTriedAgainForAWhile(t *testing.T) {
	n := newNode(t)
	head := filepath.Join(n.Folder(), "head")
	block := func() {
		if err := os.RemoveAll(head); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(head, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		l := mem.New(n.Signer())
		done := make(chan error, 1)
		block()
		go func() { done <- n.Follow(t.Context(), l, func(curfew.Kind) bool { return true }) }()
		ledgertest.MustAppend(t, l, time.Now(), ledger.Genesis(n.Signer()))
		time.Sleep(ledger.MemoryPatience / 2)
		synctest.Wait()
		if len(done) > 0 {
			t.Fatalf("it gave up at once: %v", <-done)
		}
		if err := os.RemoveAll(head); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * ledger.MemoryDelay)
		synctest.Wait()
		if got := reopened(t, n).Newest().Size; got != 1 {
			t.Errorf("not written once it could be: %d", got)
		}
		block()
		ledgertest.MustAppend(t, l, time.Now(), ledgertest.Drafts("a", 1)...)
		time.Sleep(ledger.MemoryPatience + 3*ledger.MemoryDelay)
		synctest.Wait()
		if len(done) != 1 || <-done == nil {
			t.Error("a node without memory goes on for ever")
		}
	})
}
