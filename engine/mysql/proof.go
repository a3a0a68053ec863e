package mysql

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the protocol's
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"

	"github.com/curfewhq/curfew"
)

// Authentication plugins.
const (
	nativePassword = "mysql_native_password"
	cachingSHA2    = "caching_sha2_password"
	clearPassword  = "mysql_clear_password"
)

// scrambleNative proves a password as mysql_native_password does:
// SHA1(password) XOR SHA1(salt, SHA1(SHA1(password))).
func scrambleNative(salt []byte, password string) []byte {
	if password == "" {
		return nil
	}
	once := sha1.Sum([]byte(password)) //nolint:gosec // the protocol's
	twice := sha1.Sum(once[:])         //nolint:gosec // the protocol's
	h := sha1.New()                    //nolint:gosec // the protocol's
	h.Write(salt)
	h.Write(twice[:])
	out := h.Sum(nil)
	subtle.XORBytes(out, out, once[:])
	return out
}

// nativeHash is what a server keeps of a password for mysql_native_password.
func nativeHash(password string) string {
	once := sha1.Sum([]byte(password)) //nolint:gosec // the protocol's; the passwords have 160 random bits
	twice := sha1.Sum(once[:])         //nolint:gosec // likewise
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}

// scrambleSHA2 proves a password as the fast way of caching_sha2_password does:
// SHA256(password) XOR SHA256(SHA256(SHA256(password)), salt).
func scrambleSHA2(salt []byte, password string) []byte {
	if password == "" {
		return nil
	}
	once := sha256.Sum256([]byte(password))
	twice := sha256.Sum256(once[:])
	h := sha256.New()
	h.Write(twice[:])
	h.Write(salt)
	out := h.Sum(nil)
	subtle.XORBytes(out, out, once[:])
	return out
}

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

// keyPair is the gateway's, made when it is first needed and forgotten with the process.
type keyPair struct {
	private *rsa.PrivateKey
	public  []byte // PEM
}

// keyBits: the secret under it is of one connection of this machine with itself.
const keyBits = 2048

func newKeyPair() (keyPair, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return keyPair{}, curfew.Wrap(curfew.Internal, err, "make a key")
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return keyPair{}, curfew.Wrap(curfew.Internal, err, "encode a key")
	}
	return keyPair{private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}, nil
}

// decrypt opens what encryptPassword made.
func (k keyPair) decrypt(b, salt []byte) (password string, ok bool) {
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, k.private, b, nil) //nolint:gosec // the protocol's
	if err != nil || len(plain) == 0 {
		return "", false
	}
	for i := range plain {
		plain[i] ^= salt[i%len(salt)]
	}
	return string(plain[:len(plain)-1]), plain[len(plain)-1] == 0
}
