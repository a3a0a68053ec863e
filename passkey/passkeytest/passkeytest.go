// Package passkeytest has an authenticator without hardware, for tests.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"

	"github.com/curfewhq/curfew"
)

// Authenticator has one passkey, and touches itself.
type Authenticator struct {
	Passkey curfew.Passkey
	sign    func(text []byte) []byte
	counter uint32
}

// New makes one with ES256, as most are.
func New(who curfew.Principal, origin string) *Authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err) // the point is on the curve
	}
	cose := append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 32), point[33:]...)
	return with(who, origin, cose, func(text []byte) []byte {
		sum := sha256.Sum256(text)
		sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		return sig
	})
}

// NewEdDSA makes one with Ed25519.
func NewEdDSA(who curfew.Principal, origin string) *Authenticator {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	cose := append([]byte{0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32}, public...)
	return with(who, origin, cose, func(text []byte) []byte { return ed25519.Sign(key, text) })
}

func with(who curfew.Principal, origin string, cose []byte, sign func([]byte) []byte) *Authenticator {
	u, err := url.Parse(origin)
	if err != nil {
		panic(err) // a test's own text
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return &Authenticator{Passkey: curfew.Passkey{ID: id, Principal: who, Key: cose, Origin: origin, RP: u.Hostname()}, sign: sign}
}

// Make says what a browser says of a new passkey. Each change lies about one thing.
func (a *Authenticator) Make(challenge []byte, changes ...func(*Said)) (clientData, attestation []byte) {
	s := Said{Type: "webauthn.create", Origin: a.Passkey.Origin, RP: a.Passkey.RP, Challenge: challenge, Flags: Present | Verified}
	for _, change := range changes {
		change(&s)
	}
	const attested = 0x40
	rp := sha256.Sum256([]byte(s.RP))
	data := binary.BigEndian.AppendUint32(append(rp[:], s.Flags|attested), 0)
	data = append(data, make([]byte, 16)...) // no model is named
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.Passkey.ID)))
	data = append(append(data, a.Passkey.ID...), a.Passkey.Key...)
	out := append([]byte{0xa3, 0x63}, "fmt"...)
	out = append(append(out, 0x64), "none"...)
	out = append(append(append(out, 0x67), "attStmt"...), 0xa0)
	out = append(append(append(out, 0x68), "authData"...), 0x58, byte(len(data)))
	return s.client(), append(out, data...)
}

// client is clientDataJSON.
func (s Said) client() []byte {
	text, err := json.Marshal(map[string]any{
		"type": s.Type, "challenge": base64.RawURLEncoding.EncodeToString(s.Challenge), "origin": s.Origin, "crossOrigin": s.CrossOrigin,
	})
	if err != nil {
		panic(err) // texts always marshal
	}
	return text
}

// Said is what a browser and an authenticator say; a test may change it.
type Said struct {
	Type, Origin, RP string
	Challenge        []byte
	Flags            byte
	CrossOrigin      bool
}

// The flags of authenticator data.
const (
	Present  = 1
	Verified = 4
)

// Touch signs a record. Each change lies about one thing.
func (a *Authenticator) Touch(record []byte, changes ...func(*Said)) *curfew.Touch {
	s := Said{Type: "webauthn.get", Origin: a.Passkey.Origin, RP: a.Passkey.RP, Challenge: curfew.Challenge(record), Flags: Present | Verified}
	for _, change := range changes {
		change(&s)
	}
	client := s.client()
	a.counter++
	rp, sum := sha256.Sum256([]byte(s.RP)), sha256.Sum256(client)
	data := binary.BigEndian.AppendUint32(append(rp[:], s.Flags), a.counter)
	return &curfew.Touch{
		Passkey: a.Passkey.ID, Record: record, ClientData: client, Authenticator: data,
		Signature: a.sign(append(append([]byte{}, data...), sum[:]...)),
	}
}
