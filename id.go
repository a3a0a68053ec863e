package curfew

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

var idAlphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewID makes an identifier with the prefix ("gr", "rq", …): 80 random bits in
// Crockford's base32. Collisions and guesses are beyond reach.
func NewID(prefix string) string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return prefix + "_" + idAlphabet.EncodeToString(b[:])
}

// HasPrefix reports whether s has the form of an identifier of the kind.
func HasPrefix(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix+"_")
	return ok && len(rest) == 16 && strings.Trim(rest, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == ""
}
