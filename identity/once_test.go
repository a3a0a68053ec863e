package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/curfewhq/curfew"
)

// One person's browser keeps nobody else's out of the applications.
func TestOnePersonTakesNotAllTheWaysIn(t *testing.T) {
	w := newWorld(t)
	sum := sha256.Sum256([]byte("kept"))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	var last error
	for range 20_000 {
		if _, last = w.id.VisitCode(SignedIn{Principal: w.root, ID: "b_1"}, "shop", challenge); last != nil {
			break
		}
	}
	if curfew.CodeOf(last) != curfew.Limited {
		t.Errorf("there is no bound: %v", last)
	}
	if _, err := w.id.VisitCode(SignedIn{Principal: w.alice, ID: "b_2"}, "shop", challenge); err != nil {
		t.Errorf("another is kept out: %v", err)
	}
}
