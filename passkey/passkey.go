// Package passkey checks what authenticators sign (WebAuthn Level 3): that a touch is
// over a record, was made on the right origin by somebody present and verified, and
// with the key that it names. It is pure: it knows no people and keeps nothing, so
// that whoever has an export of a ledger checks what the gateway checked.
package passkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/curfewhq/curfew"
)

// The most bytes of each part; authenticators make far less.
const (
	mostID         = 1023 // WebAuthn Level 3, 4
	mostKey        = 1024
	mostClientData = 4 << 10
	mostData       = 4 << 10
	mostSignature  = 1024
)

// Check reports what is wrong with a passkey, before it is kept.
func Check(p curfew.Passkey) error {
	if len(p.ID) == 0 || len(p.ID) > mostID || len(p.Key) > mostKey {
		return wrong("this is no passkey")
	}
	u, err := url.Parse(p.Origin)
	if err != nil || u.Hostname() != p.RP || p.RP == "" || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != p.Origin {
		return wrong("the passkey is of no origin")
	}
	return checkKey(p.Key)
}

// checkKey accepts keys of ES256 and EdDSA on the curves that WebAuthn names for them.
func checkKey(text []byte) error {
	key, err := webauthncose.ParsePublicKey(text)
	if err != nil {
		return wrong("the passkey's public key cannot be read")
	}
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		if k.Algorithm == int64(webauthncose.AlgES256) {
			return nil
		}
	case webauthncose.OKPPublicKeyData:
		if k.Algorithm == int64(webauthncose.AlgEdDSA) {
			return nil
		}
	}
	return wrong("the passkey signs with neither ES256 nor EdDSA")
}

// Verify says what is wrong with a touch by a passkey, first of all; nil: nothing.
func Verify(p curfew.Passkey, t curfew.Touch) error {
	if len(t.ClientData) > mostClientData || len(t.Authenticator) > mostData || len(t.Signature) > mostSignature {
		return wrong("the touch is larger than any")
	}
	if !bytes.Equal(p.ID, t.Passkey) {
		return wrong("another passkey was touched")
	}
	if err := Check(p); err != nil {
		return err
	}
	if err := client(p, t); err != nil {
		return err
	}
	if err := data(p, t.Authenticator); err != nil {
		return err
	}
	key, err := webauthncose.ParsePublicKey(p.Key)
	if err != nil {
		return wrong("the passkey's public key cannot be read")
	}
	sum := sha256.Sum256(t.ClientData)
	ok, err := webauthncose.VerifySignature(key, append(bytes.Clone(t.Authenticator), sum[:]...), t.Signature)
	if err != nil || !ok {
		return wrong("the signature is not the passkey's")
	}
	return nil
}

// client checks what the browser said of the page.
func client(p curfew.Passkey, t curfew.Touch) error {
	var c protocol.CollectedClientData
	if err := json.Unmarshal(t.ClientData, &c); err != nil {
		return wrong("what the browser said cannot be read")
	}
	switch {
	case c.Type != protocol.AssertCeremony:
		return wrong("the touch is not an assertion (its type)")
	case c.Challenge != base64.RawURLEncoding.EncodeToString(curfew.Challenge(t.Record)):
		return wrong("the touch is over another record (its challenge)")
	case c.Origin != p.Origin:
		return wrong("the touch was made on a page of another origin")
	case c.CrossOrigin || c.TopOrigin != "":
		return wrong("the touch was made inside a page of somebody else's")
	}
	return nil
}

// data checks what the authenticator said.
func data(p curfew.Passkey, text []byte) error {
	var a protocol.AuthenticatorData
	if err := a.Unmarshal(text); err != nil {
		return wrong("what the authenticator said cannot be read")
	}
	rp := sha256.Sum256([]byte(p.RP))
	switch {
	case !bytes.Equal(a.RPIDHash, rp[:]):
		return wrong("the touch is for another site (rpIdHash)")
	case !a.Flags.UserPresent():
		return wrong("nobody was present at the touch")
	case !a.Flags.UserVerified():
		return wrong("whoever touched was not verified")
	}
	return nil
}

func wrong(what string) error {
	return curfew.Errorf(curfew.Denied, "%s", what).WithRule("passkey.wrong")
}
