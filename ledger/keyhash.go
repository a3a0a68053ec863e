package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
)

// keyHash is the signed-note key identifier of an Ed25519 key (algorithm 1).
func keyHash(name string, key ed25519.PublicKey) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte("\n"))
	h.Write([]byte{1})
	h.Write(key)
	return binary.BigEndian.Uint32(h.Sum(nil))
}
