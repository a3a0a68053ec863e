// Package shelf keeps small rows that are not decisions: verifiers of tokens and
// passphrases, links, keys of people, followers' positions. Each row is sealed
// with its own kind and name under a key that is not in the database: one that
// is inserted, copied, moved or edited by hand does not open.
//
// A row that was authentic once could be put back later, so what must not come
// back is opened with the digest that the ledger lists (GetIf). Kinds and names
// are not sealed: they are identifiers, never what a person calls themselves.
package shelf

import (
	"context"
	"crypto/rand"
	"crypto/sha256"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// Bounds of a row, in bytes.
const (
	MaxKind  = 64
	MaxName  = 512
	MaxValue = 1 << 20
)

// Digest commits to a row's kind, name and value, and to the one time it was put:
// the same value put again has another digest. It tells nobody the value, however
// few values there are to guess from.
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
	// List returns the names of a kind, sorted. Somebody with the database can add
	// names, whose rows do not open, and take some away.
	List(ctx context.Context, kind string) ([]string, error)
	// Close releases the rows. It may be called twice.
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

// A row, version 1, before it is sealed: version byte, salt, value.
const (
	version  = 1
	saltSize = 16
	header   = 1 + saltSize
)

func place(kind, name string) []byte {
	return seal.Join([]byte("shelf"), []byte(kind), []byte(name))
}

// digest is over the row as it is sealed.
func digest(kind, name string, row []byte) Digest {
	return sha256.Sum256(seal.Join(place(kind, name), row))
}

func checkRow(kind, name string, value []byte) error {
	if kind == "" || len(kind) > MaxKind || name == "" || len(name) > MaxName {
		return curfew.Errorf(curfew.Invalid, "the row %.40q %.40q cannot be on the shelf: a kind has 1 to %d bytes, a name 1 to %d", kind, name, MaxKind, MaxName)
	}
	if len(value) > MaxValue {
		return curfew.Errorf(curfew.Limited, "the %s %.40q has %d bytes, the shelf takes %d", kind, name, len(value), MaxValue)
	}
	return nil
}

// Put keeps a value.
func (s *Sealed) Put(ctx context.Context, kind, name string, value []byte) (Digest, error) {
	if err := checkRow(kind, name, value); err != nil {
		return Digest{}, err
	}
	row := make([]byte, header, header+len(value))
	row[0] = version
	_, _ = rand.Read(row[1:]) // never fails (crypto/rand)
	row = append(row, value...)
	if err := s.rows.Store(ctx, kind, name, s.ring.Seal(place(kind, name), row)); err != nil {
		return Digest{}, err
	}
	return digest(kind, name, row), nil
}

// Get returns a value.
func (s *Sealed) Get(ctx context.Context, kind, name string) ([]byte, error) {
	row, err := s.open(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	return row[header:], nil
}

// GetIf returns the value with the digest.
func (s *Sealed) GetIf(ctx context.Context, kind, name string, d Digest) ([]byte, error) {
	row, err := s.open(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if digest(kind, name, row) != d {
		return nil, curfew.Errorf(curfew.Corrupt, "the %s %.40q on the shelf is not the one that counts", kind, name)
	}
	return row[header:], nil
}

func (s *Sealed) open(ctx context.Context, kind, name string) ([]byte, error) {
	box, err := s.rows.Load(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	row, err := s.ring.Open(place(kind, name), box)
	if err != nil || len(row) < header || row[0] != version {
		return nil, curfew.Errorf(curfew.Corrupt, "the %s %.40q on the shelf was not written there by this deployment", kind, name)
	}
	return row, nil
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
