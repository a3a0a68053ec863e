package ledger

import (
	"crypto/sha256"
	"math/bits"

	"github.com/curfewhq/curfew"
)

// Frontier is the right edge of an RFC 6962 tree: the roots of the perfect trees
// that its size is made of, largest first. It is all that appending needs.
type Frontier struct {
	Size  uint64
	Edges []Hash
}

func inner(l, r Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = innerPrefix
	copy(b[1:], l[:])
	copy(b[1+sha256.Size:], r[:])
	return sha256.Sum256(b[:])
}

// Append adds a leaf.
func (f *Frontier) Append(leaf Hash) {
	f.Edges = append(f.Edges, leaf)
	for range bits.TrailingZeros64(f.Size + 1) {
		n := len(f.Edges)
		f.Edges = append(f.Edges[:n-2], inner(f.Edges[n-2], f.Edges[n-1]))
	}
	f.Size++
}

// Root is the tree hash.
func (f *Frontier) Root() Hash {
	if f.Size == 0 {
		return sha256.Sum256(nil)
	}
	h := f.Edges[len(f.Edges)-1]
	for i := len(f.Edges) - 2; i >= 0; i-- {
		h = inner(f.Edges[i], h)
	}
	return h
}

// Clone copies f.
func (f *Frontier) Clone() Frontier {
	return Frontier{f.Size, append([]Hash(nil), f.Edges...)}
}

// Bytes is the edges one after the other.
func (f *Frontier) Bytes() []byte {
	out := make([]byte, 0, len(f.Edges)*sha256.Size)
	for _, e := range f.Edges {
		out = append(out, e[:]...)
	}
	return out
}

// ParseFrontier reads what Bytes wrote for a tree of the size.
func ParseFrontier(size uint64, b []byte) (Frontier, error) {
	f := Frontier{Size: size}
	if len(b) != bits.OnesCount64(size)*sha256.Size {
		return f, curfew.Errorf(curfew.Corrupt, "the edge of a tree of %d events has %d bytes", size, len(b))
	}
	for ; len(b) > 0; b = b[sha256.Size:] {
		f.Edges = append(f.Edges, Hash(b))
	}
	return f, nil
}
