package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/engine"
)

// scanned feeds bytes in pieces to the framing and returns what would go on.
func scanned(b []byte, piece int) (out []byte, err error) {
	log := newStatements()
	f := framing{message: func(kind byte, body []byte) error { return observeOnly(log, kind, body) }, copied: log.copied}
	var held []byte
	for len(b) > 0 {
		n := min(piece, len(b))
		held, b = append(held, b[:n]...), b[n:]
		pass, _, leave, err := f.scan(held)
		out, held = append(out, held[:pass]...), held[pass:]
		if err != nil || leave {
			return out, err
		}
	}
	return out, nil
}

func observeOnly(log *statements, kind byte, body []byte) error {
	switch kind {
	case 'Q':
		_, err := cstring(body)
		return err
	case 'P':
		return parseInto(log, body)
	case 'B':
		return log.bind(body)
	}
	return nil
}

func readVerifier(t *testing.T, stored string) engine.Verifier {
	t.Helper()
	_, rest, _ := strings.Cut(stored, "$")
	salt, keys, _ := strings.Cut(strings.TrimPrefix(rest, "4096:"), "$")
	a, b, _ := strings.Cut(keys, ":")
	v := engine.Verifier{Iterations: 4096}
	for text, into := range map[string]*[]byte{salt: &v.Salt, a: &v.StoredKey, b: &v.ServerKey} {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		*into = raw
	}
	return v
}

// proof is the client's last word, for a binding.
func proof(t *testing.T, s *scram, password, binding string) string {
	t.Helper()
	salted, err := pbkdf2.Key(sha256.New, password, s.verifier.Salt, s.verifier.Iterations, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	without := "c=" + base64.StdEncoding.EncodeToString([]byte(s.gs2+binding)) + ",r=" + s.nonce
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	h := hmac.New(sha256.New, stored[:])
	h.Write([]byte(s.bare + "," + s.server + "," + without))
	for i, b := range h.Sum(nil) {
		key[i] ^= b
	}
	return without + ",p=" + base64.StdEncoding.EncodeToString(key)
}
