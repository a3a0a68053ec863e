// Package shelf keeps small rows that are not decisions: verifiers of tokens and
// passphrases, links, keys of people, followers' positions. Each row is sealed
// with its own kind and name under a key that is not in the database: one that
// is inserted, copied, moved or edited by hand does not open.
//
// A row that was authentic once could be put back later, so what must not come
// back is opened with the digest that the ledger lists (GetIf).
package shelf

import (
	"context"
	"crypto/sha256"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// Digest commits to a row's kind, name and value.
type Digest = [sha256.Size]byte

// Shelf keeps rows. Implementations pass shelftest.
type Shelf interface {
	// Put keeps a value, in place of the one before, and returns its digest.
	Put(ctx context.Context, kind, name string, value []byte) (Digest, error)
	// Get returns a value: curfew.NotFound where there is none, curfew.Corrupt for
	// a row that was not written here, under this name.
	Get(ctx context.Context, kind, name string) ([]byte, error)
	// GetIf is Get for the one value with the digest; another one is curfew.Corrupt.
	GetIf(ctx context.Context, kind, name string, d Digest) ([]byte, error)
	// Delete removes a row; one that is not there is no error.
	Delete(ctx context.Context, kind, name string) error
	// List returns the names of a kind, sorted.
	List(ctx context.Context, kind string) ([]string, error)
	Close() error
}

// Rows is a plain store of sealed rows, as implementations of Shelf have it.
type Rows interface {
	Store(ctx context.Context, kind, name string, box []byte) error
	Load(ctx context.Context, kind, name string) ([]byte, error) // curfew.NotFound
	Delete(ctx context.Context, kind, name string) error
	List(ctx context.Context, kind string) ([]string, error)
	Close() error
}

// Sealed is a Shelf over rows that may be read and changed by anybody.
type Sealed struct {
	rows Rows
	ring *seal.Ring
}

// New seals rows under a ring.
func New(rows Rows, ring *seal.Ring) *Sealed { return &Sealed{rows, ring} }

func place(kind, name string) []byte {
	return seal.Join([]byte("shelf"), []byte(kind), []byte(name))
}

// DigestOf is what the ledger lists for a value.
func DigestOf(kind, name string, value []byte) Digest {
	return sha256.Sum256(seal.Join(place(kind, name), value))
}

// Put keeps a value.
func (s *Sealed) Put(ctx context.Context, kind, name string, value []byte) (Digest, error) {
	return DigestOf(kind, name, value), s.rows.Store(ctx, kind, name, s.ring.Seal(place(kind, name), value))
}

// Get returns a value.
func (s *Sealed) Get(ctx context.Context, kind, name string) ([]byte, error) {
	box, err := s.rows.Load(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	value, err := s.ring.Open(place(kind, name), box)
	if err != nil {
		return nil, curfew.Errorf(curfew.Corrupt, "the %s %.40q on the shelf was not written there by this deployment", kind, name)
	}
	return value, nil
}

// GetIf returns the value with the digest.
func (s *Sealed) GetIf(ctx context.Context, kind, name string, d Digest) ([]byte, error) {
	value, err := s.Get(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if DigestOf(kind, name, value) != d {
		return nil, curfew.Errorf(curfew.Corrupt, "the %s %.40q on the shelf is not the one that counts", kind, name)
	}
	return value, nil
}

// Delete removes a row.
func (s *Sealed) Delete(ctx context.Context, kind, name string) error {
	return s.rows.Delete(ctx, kind, name)
}

// List returns the names of a kind.
func (s *Sealed) List(ctx context.Context, kind string) ([]string, error) {
	return s.rows.List(ctx, kind)
}

// Close closes the rows.
func (s *Sealed) Close() error { return s.rows.Close() }
