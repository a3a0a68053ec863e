package identity

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/shelf"
	shelfmem "github.com/curfewhq/curfew/shelf/mem"
)

const phrase = "correct horse battery"

// world is Root, who has signed in, and Alice, who has not.
type world struct {
	t           *testing.T
	id          *Service
	access      *access.Service
	ledger      *ledgermem.Ledger
	rows        *shelfmem.Rows
	root, alice curfew.Principal
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ledger: ledgertest.Begun(t, ledgermem.New), rows: &shelfmem.Rows{}}
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	w.access, err = access.Open(ctx, access.Parts{Ledger: w.ledger})
	w.ok(err)
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.access.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	ring := seal.NewRing(seal.NewKey())
	w.id = New(Parts{Access: w.access, Shelf: shelf.New(w.rows, ring), Ring: ring})
	w.id.HashQuickly()
	w.root, err = w.id.AddPerson(ctx, "Root", "root@acme.io", "")
	w.ok(err)
	link, err := w.id.IssueLink(ctx, w.root, "", time.Hour)
	w.ok(err)
	_, err = w.id.Join(ctx, link, phrase)
	w.ok(err)
	w.alice, err = w.id.AddPerson(ctx, "Alice", "Alice@acme.io", w.root)
	w.ok(err)
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestALinkIsGoodOnceHoweverManyTryIt(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	link, err := w.id.IssueLink(ctx, w.alice, w.root, time.Hour)
	w.ok(err)
	const tries = 4
	won := make(chan string, tries)
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			if _, err := w.id.Join(ctx, link, phrase+strings.Repeat("!", i)); err == nil {
				won <- phrase + strings.Repeat("!", i)
			}
		})
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d people used one link", len(won))
	}
	if _, err := w.id.Join(ctx, link, phrase); curfew.CodeOf(err) != curfew.NotSignedIn {
		t.Errorf("the link is good again: %v", err)
	}
	if _, err := w.id.IssueLink(ctx, w.alice, w.root, time.Hour); err == nil {
		t.Error("whoever gets a link for somebody who has signed in would decide as them")
	}
}

func TestStrangersLearnNothingBySigningIn(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	_, wrong := w.id.SignIn(ctx, "root@acme.io", "not the passphrase")
	_, nobody := w.id.SignIn(ctx, "nobody@acme.io", "not the passphrase")
	_, unjoined := w.id.SignIn(ctx, "alice@acme.io", "not the passphrase")
	if wrong == nil || nobody == nil || unjoined == nil || wrong.Error() != nobody.Error() || wrong.Error() != unjoined.Error() {
		t.Errorf("the answers differ:\n%v\n%v\n%v", wrong, nobody, unjoined)
	}
	for _, email := range []string{"root@acme.io", "nobody@acme.io"} { // both are limited, the known and the unknown
		var err error
		for range wrongMost {
			_, err = w.id.SignIn(ctx, email, "not the passphrase")
		}
		if curfew.CodeOf(err) != curfew.Limited {
			t.Errorf("%s may be guessed at for ever: %v", email, err)
		}
	}
	if _, err := w.id.SignIn(ctx, "root@acme.io", phrase); curfew.CodeOf(err) != curfew.Limited {
		t.Errorf("the right passphrase goes through while guessing is stopped: %v", err)
	}
}

func TestAnUnknownCredentialLooksLikeAKnownOne(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	id := curfew.CredentialID(curfew.NewID("c"))
	a, b := w.id.Verifier(ctx, id), w.id.Verifier(ctx, id)
	if !bytes.Equal(a.Salt, b.Salt) || !bytes.Equal(a.StoredKey, b.StoredKey) {
		t.Error("the same stranger gets another verifier: it is known that nobody has it")
	}
	known, err := newVerifier("secret")
	w.ok(err)
	if len(a.Salt) != len(known.Salt) || a.Iterations != known.Iterations || len(a.StoredKey) != len(known.StoredKey) || len(a.ServerKey) != len(known.ServerKey) {
		t.Errorf("the shapes differ: %+v and %+v", a, known)
	}
	if other := w.id.Verifier(ctx, curfew.CredentialID(curfew.NewID("c"))); bytes.Equal(a.Salt, other.Salt) {
		t.Error("all strangers get one salt")
	}
}

// A row put back, moved or copied by hand opens nothing (THREATS 5).
func TestRowsMovedByHandOpenNothing(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	mine, _, err := w.id.IssueToken(ctx, w.root, "laptop")
	w.ok(err)
	theirs, _, err := w.id.IssueToken(ctx, w.root, "phone")
	w.ok(err)
	_, mineID, err := w.id.Token(ctx, mine)
	w.ok(err)
	_, theirsID, err := w.id.Token(ctx, theirs)
	w.ok(err)
	fresh := func() *Service { return New(w.id.parts) } // without what it has read before
	kept, err := w.rows.Load(ctx, rowToken, mineID)
	w.ok(err)
	w.ok(w.rows.Store(ctx, rowToken, theirsID, kept))
	if _, _, err := fresh().Token(ctx, theirs); err == nil {
		t.Error("a row under another name opens")
	}
	w.ok(w.id.SignOut(ctx, w.root, mineID))
	w.ok(w.rows.Store(ctx, rowToken, mineID, kept))
	if _, _, err := fresh().Token(ctx, mine); err == nil {
		t.Error("a token that was withdrawn opens once its row is put back")
	}
	old, err := w.rows.Load(ctx, rowPassphrase, w.passphraseRow())
	w.ok(err)
	set, err := w.id.newPassphrase(ctx, w.root, "another long passphrase")
	w.ok(err)
	_, err = w.access.Do(ctx, access.ChangePassphrase{SecretListed: set})
	w.ok(err)
	w.ok(w.rows.Store(ctx, rowPassphrase, w.passphraseRow(), old))
	if err := w.id.Prove(ctx, w.root, phrase); err == nil {
		t.Error("yesterday's passphrase decides")
	}
}

// passphraseRow is the name of the row that the ledger lists for Root.
func (w *world) passphraseRow() (name string) {
	w.access.View(func(st *access.State) { name = st.Passphrases[w.root].Name })
	return name
}

// A change that the ledger does not take (a full disk) leaves the passphrase before.
func TestAPassphraseCountsUntilTheLedgerSaysOtherwise(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.ledger.Fault(func(string) error { return errors.New("no space left on device") })
	if err := w.id.ChangePassphrase(ctx, w.root, phrase, "another battery horse"); err == nil {
		t.Error("it was answered as done")
	}
	w.ledger.Fault(nil)
	w.ok(w.id.Prove(ctx, w.root, phrase))
	if err := w.id.Prove(ctx, w.root, "another battery horse"); err == nil {
		t.Error("what the ledger does not know decides")
	}
	w.ok(w.id.ChangePassphrase(ctx, w.root, phrase, "another battery horse"))
	w.ok(w.id.Prove(ctx, w.root, "another battery horse"))
}

// Signing out counts at once, also while the ledger takes nothing.
func TestSigningOutCountsBeforeItIsWritten(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	token, _, err := w.id.IssueToken(ctx, w.root, "laptop")
	w.ok(err)
	w.ledger.Fault(func(string) error { return errors.New("no space left on device") })
	_, id, err := w.id.Token(ctx, token)
	w.ok(err)
	if err := w.id.SignOut(ctx, w.root, id); err == nil {
		t.Error("it was answered as done, and nothing keeps it") // there is no reserve here
	}
	if _, _, err := w.id.Token(ctx, token); curfew.CodeOf(err) != curfew.NotSignedIn {
		t.Errorf("the token is good: %v", err)
	}
	w.ledger.Fault(nil)
}

func TestNoSecretAndNoNameIsInTheLedgerOrOnTheShelf(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	token, _, err := w.id.IssueToken(ctx, w.root, "laptop")
	w.ok(err)
	secret := token[strings.LastIndex(token, ".")+1:]
	var all bytes.Buffer
	events, err := w.ledger.Read(ctx, 1, 1000)
	w.ok(err)
	for _, e := range events {
		all.Write(e.Body)
	}
	for _, kind := range []string{rowToken, rowLink, rowPassphrase, rowCredential, rowPersonKey} {
		names, err := w.rows.List(ctx, kind)
		w.ok(err)
		for _, name := range names {
			box, err := w.rows.Load(ctx, kind, name)
			w.ok(err)
			all.Write(box)
		}
	}
	for _, canary := range []string{phrase, secret, "root@acme.io", "alice@acme.io", "Alice"} {
		if bytes.Contains(all.Bytes(), []byte(canary)) {
			t.Errorf("%q lies there in the clear", canary)
		}
	}
}

func TestManyGuessesAtOnceAreAsFewAsOneAfterTheOther(t *testing.T) {
	w := newWorld(t)
	var tried atomic.Int64
	w.id.hash = func(string, []byte) []byte { tried.Add(1); return make([]byte, argonSize) }
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, _ = w.id.SignInFrom(context.Background(), "root@acme.io", "guess", From{Address: "192.0.2.1:9"})
		})
	}
	wg.Wait()
	if n := tried.Load(); n != wrongMost {
		t.Errorf("%d guesses were looked at, want %d", n, wrongMost)
	}
}

func TestGuessesAreCountedByNetworkWhereOneHasMany(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7", "[2001:db8:1:2:3::4]:1": "2001:db8:1:2::/64", "[2001:db8:1:2:ffff::]:9": "2001:db8:1:2::/64", "[::ffff:192.0.2.7]:1": "192.0.2.7",
		"[fe80::1%eth0]:1": "fe80::/64", "": "", "somewhere": "somewhere",
	} {
		if got := placeOf(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

// A browser's row put back after it was signed out opens nothing, and neither kind of
// sign-in opens where the other belongs.
func TestABrowserThatWasSignedOutStaysSo(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	cookie, _, err := w.id.IssueBrowser(ctx, w.root, From{Device: "a browser"})
	w.ok(err)
	in, err := w.id.Browser(ctx, cookie)
	w.ok(err)
	for _, text := range []string{cookie, "cft" + cookie[3:]} {
		if _, _, err := w.id.Token(ctx, text); err == nil {
			t.Error("a browser's session is a token")
		}
	}
	token, _, err := w.id.IssueToken(ctx, w.root, "laptop")
	w.ok(err)
	for _, text := range []string{token, "cfb" + token[3:]} {
		if _, err := w.id.Browser(ctx, text); err == nil {
			t.Error("a token is a browser's session")
		}
	}
	kept, err := w.rows.Load(ctx, rowBrowser, in.ID)
	w.ok(err)
	w.ok(w.id.SignOut(ctx, w.root, in.ID))
	w.ok(w.rows.Store(ctx, rowBrowser, in.ID, kept))
	if _, err := New(w.id.parts).Browser(ctx, cookie); err == nil {
		t.Error("it opens once its row is put back")
	}
}
