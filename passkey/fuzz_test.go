package passkey_test

import (
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/passkey"
	"github.com/curfewhq/curfew/passkey/passkeytest"
)

// FuzzTouch: whatever a browser says, nothing breaks, and only the key's own signature passes.
func FuzzTouch(f *testing.F) {
	a := passkeytest.New("p_dana", "https://curfew.example")
	record := []byte("record")
	t := a.Touch(record)
	client, attestation := a.Make(curfew.Challenge(record))
	f.Add(t.ClientData, t.Authenticator, t.Signature)
	f.Add(client, attestation, a.Passkey.Key)
	f.Add([]byte(`{"type":"webauthn.get","challenge":1}`), make([]byte, 37), []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, client, data, last []byte) {
		_, _ = passkey.Made("p_dana", a.Passkey.Origin, curfew.Challenge(record), client, data)
		_ = passkey.Check(curfew.Passkey{ID: []byte("id"), Key: last, Origin: a.Passkey.Origin, RP: a.Passkey.RP})
		x := curfew.Touch{Passkey: a.Passkey.ID, Record: []byte("another record"), ClientData: client, Authenticator: data, Signature: last}
		if passkey.Verify(a.Passkey, x) == nil {
			t.Error("a record that nobody touched for passed")
		}
	})
}
