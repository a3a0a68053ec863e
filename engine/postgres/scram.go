package postgres

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
)

const (
	mechanism     = "SCRAM-SHA-256"
	mechanismPlus = "SCRAM-SHA-256-PLUS"
)

// stranger is the one sentence for everybody who did not prove who they are.
func stranger() error {
	return curfew.Errorf(curfew.NotSignedIn, "these credentials open nothing").WithRule("credential").WithFix("make new ones: curfew connect")
}

// authenticate runs SCRAM-SHA-256 (RFC 5802, 7677), with channel binding to our
// certificate where there is TLS and the client can (RFC 5929, tls-server-end-point).
func (c *client) authenticate(v engine.Verifier) error {
	binding, err := c.binding()
	if err != nil {
		return err
	}
	offered := []string{mechanism}
	if binding != nil {
		offered = []string{mechanismPlus, mechanism}
	}
	if err := c.send(&pgproto3.AuthenticationSASL{AuthMechanisms: offered}); err != nil {
		return err
	}
	body, err := c.typed('p', maxPassword)
	if err != nil {
		return err
	}
	s := &scram{verifier: v, plusOffered: binding != nil, binding: binding}
	first, err := s.first(body)
	if err != nil {
		return err
	}
	if err := c.send(&pgproto3.AuthenticationSASLContinue{Data: []byte(first)}); err != nil {
		return err
	}
	if body, err = c.typed('p', maxPassword); err != nil {
		return err
	}
	final, err := s.final(string(body))
	if err != nil {
		return err
	}
	return c.send(&pgproto3.AuthenticationSASLFinal{Data: []byte(final)}, &pgproto3.AuthenticationOk{})
}

// binding is the hash of our certificate, as its own signature's hash makes it;
// nil where there is none, so that binding is not offered: without TLS, and for
// signatures without one hash of their own (Ed25519), for which RFC 5929 defines nothing.
func (c *client) binding() ([]byte, error) {
	if c.cert == nil {
		return nil, nil
	}
	der := c.cert.Certificate[0]
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "read the own certificate")
	}
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h := sha512.Sum384(der)
		return h[:], nil
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h := sha512.Sum512(der)
		return h[:], nil
	case x509.PureEd25519, x509.UnknownSignatureAlgorithm:
		return nil, nil
	}
	h := sha256.Sum256(der)
	return h[:], nil
}

// scram is one exchange, on the server's side.
type scram struct {
	verifier    engine.Verifier
	plusOffered bool
	binding     []byte
	gs2         string // header, as the client sent it
	bare        string // client-first-message-bare
	server      string // server-first-message
	nonce       string
}

// first reads SASLInitialResponse and answers with the salt.
func (s *scram) first(body []byte) (string, error) {
	name, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || len(rest) < 4 || int64(binary.BigEndian.Uint32(rest)) != int64(len(rest)-4) {
		return "", malformed("a SASL response of another form")
	}
	text := string(rest[4:])
	parts := strings.SplitN(text, ",", 3)
	if len(parts) != 3 {
		return "", malformed("a SASL response of another form")
	}
	switch flag := parts[0]; {
	case string(name) == mechanismPlus && s.plusOffered && flag == "p=tls-server-end-point":
	case string(name) == mechanism && flag == "n":
	case string(name) == mechanism && flag == "y" && !s.plusOffered:
	default: // also "y" where we offered binding: somebody in between took it away
		return "", stranger()
	}
	if parts[1] != "" { // authorization identities are not used
		return "", stranger()
	}
	s.gs2, s.bare = parts[0]+","+parts[1]+",", parts[2]
	fields := strings.Split(s.bare, ",")
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") || len(fields[1]) < 12 {
		return "", malformed("a SASL response of another form")
	}
	var raw [18]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	s.nonce = fields[1][2:] + base64.StdEncoding.EncodeToString(raw[:])
	s.server = fmt.Sprintf("r=%s,s=%s,i=%d", s.nonce, base64.StdEncoding.EncodeToString(s.verifier.Salt), s.verifier.Iterations)
	return s.server, nil
}

// final checks the proof and answers with the server's signature.
func (s *scram) final(text string) (string, error) {
	i := strings.LastIndex(text, ",p=")
	if i < 0 {
		return "", malformed("a SASL response of another form")
	}
	without := text[:i]
	proof, err := base64.StdEncoding.DecodeString(text[i+3:])
	if err != nil || len(proof) != sha256.Size {
		return "", stranger()
	}
	bound := append([]byte(s.gs2), s.bindingData()...)
	want := "c=" + base64.StdEncoding.EncodeToString(bound) + ",r=" + s.nonce
	sameText := subtle.ConstantTimeCompare([]byte(without), []byte(want)) == 1
	message := s.bare + "," + s.server + "," + without
	signature := hmac.New(sha256.New, s.verifier.StoredKey)
	signature.Write([]byte(message))
	key := signature.Sum(nil)
	for i := range key {
		key[i] ^= proof[i]
	}
	stored := sha256.Sum256(key)
	if ok := subtle.ConstantTimeCompare(stored[:], s.verifier.StoredKey) == 1; !ok || !sameText {
		return "", stranger()
	}
	h := hmac.New(sha256.New, s.verifier.ServerKey)
	h.Write([]byte(message))
	return "v=" + base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

func (s *scram) bindingData() []byte {
	if strings.HasPrefix(s.gs2, "p=") {
		return s.binding
	}
	return nil
}
