package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/curfewhq/curfew"
)

// scramIterations: the passwords have 160 random bits.
const scramIterations = 4096

// newVerifier makes a password and what CREATE ROLE keeps of it, in the form that
// PostgreSQL stores: the password itself never reaches the server's log.
func newVerifier() (password, verifier string, err error) {
	var raw [20]byte
	var salt [16]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	_, _ = rand.Read(salt[:])
	password = base64.RawURLEncoding.EncodeToString(raw[:])
	salted, err := pbkdf2.Key(sha256.New, password, salt[:], scramIterations, sha256.Size)
	if err != nil {
		return "", "", curfew.Wrap(curfew.Internal, err, "derive a verifier")
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return password, fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt[:]), b64(stored[:]), b64(mac(salted, "Server Key"))), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
