package ledgertest

import (
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/curfewhq/curfew/ledger"
)

// Begun makes the ledger of a new deployment, signed with a key that is forgotten.
func Begun[L ledger.Ledger](t testing.TB, open func(ledger.Signer) L) L {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := ledger.NewSigner("test", key)
	l := open(s)
	if err := ledger.Begin(context.Background(), l, s, time.Now()); err != nil {
		t.Fatal(err)
	}
	return l
}
