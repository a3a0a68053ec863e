package mysql

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"net"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// salted is the password with its zero byte under the salt, as it is encrypted.
func salted(password []byte, salt []byte) []byte {
	out := append(append([]byte(nil), password...), 0)
	for i := range out {
		out[i] ^= salt[i%len(salt)]
	}
	return out
}

// encryptPassword encrypts a password with the server's key, as the full way of
// caching_sha2_password does where there is no TLS.
func encryptPassword(password string, salt, keyPEM []byte) ([]byte, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, malformed("a public key that is none")
	}
	found, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := found.(*rsa.PublicKey)
	if err != nil || !ok {
		return nil, malformed("a public key that is none")
	}
	out, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, salted([]byte(password), salt), nil) //nolint:gosec // the protocol's
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "encrypt a password for the target")
	}
	return out, nil
}

// Somebody between the gateway and a target without TLS could send a key of their own.
func TestTheKeeperGivesNoPasswordToAKeyThatComesWithoutTLS(t *testing.T) {
	keys, err := newKeyPair()
	must(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = ln.Close() }()
	salt, got := newSalt(), make(chan []byte, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		p := &peer{conn: conn}
		p.greet(salt, cachingSHA2, offered)
		p.read()
		p.send([]byte{moreData, fullProof})
		b := p.read()
		if len(b) == 1 && b[0] == wantKey {
			p.send(append([]byte{moreData}, keys.public...))
			b = p.read()
		}
		got <- b
	}()
	target := newTarget("x", "keyless")
	target.Resource.Address = ln.Addr().String()
	target.Login = func(context.Context) (lease.Login, error) {
		return lease.Login{User: "u", Password: "the-password", Options: map[string]string{"sslmode": "disable"}}, nil
	}
	target.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
	}
	k := New().Keeper(target)
	defer k.Close()
	if _, err := k.Accounts(within(t)); err == nil {
		t.Error("it logged in")
	}
	if text, ok := keys.decrypt(<-got, salt); ok || text == "the-password" {
		t.Errorf("it told %q", text)
	}
}
