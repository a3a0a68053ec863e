package seal

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/curfewhq/curfew"
)

// Key is 32 uniformly random bytes. Its text is never printed by fmt.
type Key [32]byte

// NewKey makes a key from the system's randomness.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k[:]) // never fails (crypto/rand)
	return k
}

// Format hides the key from every verb of fmt, and so from every log.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "seal.Key(hidden)") }

// MarshalText refuses, so that no encoder writes a key by accident. Text does it on purpose.
func (k Key) MarshalText() ([]byte, error) {
	return nil, curfew.Errorf(curfew.Internal, "a key is not written this way")
}

// keyPrefix marks a key's text, so that scanners for leaked secrets find it.
const keyPrefix = "curfew-secret-1:"

// Text is the key as it is kept in a file: a prefix and base64.
func (k Key) Text() string { return keyPrefix + base64.StdEncoding.EncodeToString(k[:]) }

// ParseKey reads what Text wrote. The error never holds the text.
func ParseKey(text string) (Key, error) {
	body, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return Key{}, curfew.Errorf(curfew.Invalid, "this is not a key of version 1")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) != len(Key{}) {
		return Key{}, curfew.Errorf(curfew.Invalid, "this key is damaged")
	}
	if k := Key(raw); k.Text() == text { // the decoder skips line ends
		return k, nil
	}
	return Key{}, curfew.Errorf(curfew.Invalid, "this key is damaged")
}
