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
	if err := client(p.Origin, t.ClientData, protocol.AssertCeremony, curfew.Challenge(t.Record)); err != nil {
		return err
	}
	var a protocol.AuthenticatorData
	if err := a.Unmarshal(t.Authenticator); err != nil {
		return wrong("what the authenticator said cannot be read")
	}
	if err := data(p.RP, a); err != nil {
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

// Made says which passkey a browser has made (WebAuthn Level 3, 7.1), for somebody at an
// origin whose challenge it was. What its maker attests of it is not asked for, nor looked at.
func Made(who curfew.Principal, origin string, challenge, clientData, attestation []byte) (curfew.Passkey, error) {
	p := curfew.Passkey{Principal: who, Origin: origin}
	if u, err := url.Parse(origin); err == nil {
		p.RP = u.Hostname()
	}
	if len(clientData) > mostClientData || len(attestation) > mostData {
		return p, wrong("the passkey is larger than any")
	}
	if err := client(origin, clientData, protocol.CreateCeremony, challenge); err != nil {
		return p, err
	}
	answer := protocol.AuthenticatorAttestationResponse{AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: clientData}, AttestationObject: attestation}
	made, err := answer.Parse()
	if err != nil {
		return p, wrong("what the authenticator made cannot be read")
	}
	a := made.AttestationObject.AuthData
	if err := data(p.RP, a); err != nil {
		return p, err
	}
	p.ID, p.Key = a.AttData.CredentialID, a.AttData.CredentialPublicKey
	return p, Check(p)
}

// client checks what the browser said of the page.
func client(origin string, text []byte, ceremony protocol.CeremonyType, challenge []byte) error {
	var c protocol.CollectedClientData
	if err := json.Unmarshal(text, &c); err != nil {
		return wrong("what the browser said cannot be read")
	}
	switch {
	case c.Type != ceremony:
		return wrong("the touch was for something else (its type)")
	case c.Challenge != base64.RawURLEncoding.EncodeToString(challenge):
		return wrong("the touch is over another record (its challenge)")
	case c.Origin != origin:
		return wrong("the touch was made on a page of another origin")
	case c.CrossOrigin || c.TopOrigin != "":
		return wrong("the touch was made inside a page of somebody else's")
	}
	return nil
}

// data checks what the authenticator said.
func data(rp string, a protocol.AuthenticatorData) error {
	sum := sha256.Sum256([]byte(rp))
	switch {
	case !bytes.Equal(a.RPIDHash, sum[:]):
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
