// Package seal keeps secrets closed and shows when they were touched:
// authenticated encryption, keyed digests, keys and their rotation.
//
// A Ring seals with its newest key and opens with any of its keys. What is
// sealed is bound to associated data (where it lies, what it is), so that a box
// moved to another place does not open. Each purpose has a Ring of its own,
// derived from one root.
//
// It never stores a key, never prints one, and knows nothing about what is in a
// box. Losing the keys loses the contents.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/curfewhq/curfew"
)

// A box, version 1: version byte, key identifier (4), nonce (24), XChaCha20-
// Poly1305 ciphertext and tag (16). The header and the caller's associated data
// are authenticated.
const (
	version  = 1
	idSize   = 4
	headSize = 1 + idSize + chacha20poly1305.NonceSizeX

	// Overhead is how many bytes a box is longer than what is in it.
	Overhead = headSize + chacha20poly1305.Overhead
)

// MAC is a keyed digest: who lacks the key can neither make nor check one.
type MAC [sha256.Size]byte

// Ring is one or more keys for one purpose. It does not change once made, so it
// may be used by many goroutines. The zero Ring has no key and panics when used.
type Ring struct {
	keys []ringKey // newest first; never empty
}

type ringKey struct {
	key  Key
	id   [idSize]byte
	aead cipher.AEAD
}

// NewRing makes a ring that seals with newest and opens with all of the keys.
func NewRing(newest Key, older ...Key) *Ring {
	r := &Ring{keys: []ringKey{newRingKey(newest)}}
	for _, k := range older {
		r.keys = append(r.keys, newRingKey(k))
	}
	return r
}

func newRingKey(k Key) ringKey {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		panic(err) // only for a key of another size
	}
	rk := ringKey{key: k, aead: aead}
	id := expand(k, "curfew/seal key id")
	copy(rk.id[:], id[:])
	return rk
}

// expand is HKDF-Expand; every Key is uniformly random, so nothing is extracted.
func expand(k Key, info string) Key {
	out, err := hkdf.Expand(sha256.New, k[:], info, len(k))
	if err != nil {
		panic(err) // only for a length HKDF cannot give
	}
	return Key(out)
}

// Rotate returns a ring that seals with newest and still opens what r opens.
func (r *Ring) Rotate(newest Key) *Ring {
	return &Ring{keys: slices.Concat([]ringKey{newRingKey(newest)}, r.keys)}
}

// Derive returns the ring for one purpose ("shelf", "vault"). What one purpose
// sealed, no other opens. It follows r's rotation: derive again after Rotate.
func (r *Ring) Derive(purpose string) *Ring {
	d := &Ring{}
	for _, k := range r.keys {
		d.keys = append(d.keys, newRingKey(expand(k.key, "curfew/seal purpose\x00"+purpose)))
	}
	return d
}

// Keys returns the keys, newest first, for whoever keeps them on disk.
func (r *Ring) Keys() []Key {
	var keys []Key
	for _, k := range r.keys {
		keys = append(keys, k.key)
	}
	return keys
}

// Seal closes plain into a box that opens only with the same associated data.
func (r *Ring) Seal(ad, plain []byte) []byte {
	k := r.keys[0]
	box := make([]byte, headSize, len(plain)+Overhead)
	box[0] = version
	copy(box[1:], k.id[:])
	_, _ = rand.Read(box[1+idSize : headSize]) // never fails (crypto/rand)
	return k.aead.Seal(box, box[1+idSize:headSize], plain, bind(box, ad))
}

// Open returns what is in the box. curfew.Corrupt: it was changed, it was sealed
// for another place or purpose, or its key is not on the ring; which of them,
// nobody can tell.
func (r *Ring) Open(ad, box []byte) ([]byte, error) {
	if len(box) < Overhead || box[0] != version {
		return nil, curfew.Errorf(curfew.Corrupt, "this is not a sealed box of version %d", version)
	}
	for _, k := range r.keys {
		if [idSize]byte(box[1:1+idSize]) != k.id {
			continue
		}
		plain, err := k.aead.Open(nil, box[1+idSize:headSize], box[headSize:], bind(box, ad))
		if err == nil {
			return plain, nil
		}
	}
	return nil, curfew.Errorf(curfew.Corrupt, "a sealed box does not open: changed, moved, or sealed with another key")
}

// Current says whether the box was sealed with the newest key; if not, seal it again.
func (r *Ring) Current(box []byte) bool {
	return len(box) >= Overhead && box[0] == version && [idSize]byte(box[1:1+idSize]) == r.keys[0].id
}

// bind is the associated data as it is authenticated: the box's version and key
// identifier before the caller's. (The nonce is authenticated by the cipher.)
func bind(box, ad []byte) []byte {
	return slices.Concat(box[:1+idSize], ad)
}

// MAC is the keyed digest of the parts, by the newest key. Parts are delimited:
// ("ab","c") and ("a","bc") differ.
func (r *Ring) MAC(parts ...[]byte) MAC { return mac(r.keys[0].key, parts) }

// CheckMAC says, in constant time, whether any key of the ring made m of the parts.
func (r *Ring) CheckMAC(m MAC, parts ...[]byte) bool {
	ok := 0
	for _, k := range r.keys {
		want := mac(k.key, parts)
		ok |= subtle.ConstantTimeCompare(want[:], m[:])
	}
	return ok == 1
}

func mac(k Key, parts [][]byte) MAC {
	sub := expand(k, "curfew/seal mac")
	h := hmac.New(sha256.New, sub[:])
	h.Write(Join(parts...))
	return MAC(h.Sum(nil))
}

// Join writes the parts one after another, each behind its length, so that no two
// lists of parts join to the same bytes. Use it to make associated data.
func Join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint64(out, uint64(len(p)))
		out = append(out, p...)
	}
	return out
}

// Equal compares in time that depends on the lengths alone.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
