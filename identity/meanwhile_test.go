package identity

import (
	"testing"

	"github.com/curfewhq/curfew"
)

// A passphrase that is replaced while somebody is proved by it proves nobody: guesses
// wait their turn at the slow hash, and whoever changes theirs does not wait for them.
func TestAPassphraseThatIsReplacedMeanwhileProvesNobody(t *testing.T) {
	w := newWorld(t)
	quick, again := w.id.hash, true
	w.id.hash = func(passphrase string, salt []byte) []byte {
		if again {
			again = false
			w.ok(w.id.ChangePassphrase(t.Context(), w.root, phrase, "another battery horse"))
		}
		return quick(passphrase, salt)
	}
	if who, err := w.id.SignIn(t.Context(), "root@acme.io", phrase); curfew.CodeOf(err) != curfew.NotSignedIn {
		t.Errorf("%q is signed in by what is none any more: %v", who, err)
	}
	if err := w.id.Prove(t.Context(), w.root, "another battery horse"); err != nil {
		t.Errorf("the new one does not prove: %v", err)
	}
}
