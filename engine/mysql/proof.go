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
	"sync"

	"github.com/go-sql-driver/mysql"

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

// decrypt opens a password that came under the key (caching_sha2_password, the full way without TLS).
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

// nobodysKey is the name under which the driver knows a key whose other half nobody keeps. What
// it encrypts for it, where a target without TLS asks for the password under a key of
// its own, which may be anybody's on the way, opens for nobody.
var nobodysKey = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // the driver's register is one too
	pair, err := newKeyPair()
	if err != nil {
		return "", err
	}
	const name = "curfew: nobody's"
	mysql.RegisterServerPubKey(name, &pair.private.PublicKey)
	return name, nil
})
