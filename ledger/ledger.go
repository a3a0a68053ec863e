// Package ledger is the append-only log of every decision, and the only
// database of them. It keeps order, durability and evidence; it never judges
// what an event means.
//
// Events are leaves of an RFC 6962 Merkle tree. Every batch carries a tree head
// signed by the node that wrote it (C2SP tlog-checkpoint, Ed25519).
package ledger

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
)

// Draft is an event that has not been given its place yet.
type Draft struct {
	Kind curfew.Kind
	Body []byte // canonical JSON of the body; stored and hashed byte for byte
	// Urgent: an end or an alarm. Where the disk is full, it may use the space
	// that is reserved for them; a batch is urgent if one of its drafts is.
	Urgent bool
}

// Head says how far a ledger goes and commits to everything in it.
type Head struct {
	Size uint64    // events in the ledger; the newest has this position
	Root [32]byte  // RFC 6962 tree hash over the leaves
	Time time.Time // of the newest event; zero for an empty ledger
	Note []byte    // the signed checkpoint; nil for an empty ledger
}

// Turn is the right to append, held by one writer at a time.
type Turn interface {
	// Head is the newest head, as of this turn.
	Head() Head
	// Append makes the drafts durable, all or none, in order, at one time. It
	// may be called at most once a turn. An error with curfew.Unavailable says
	// that nothing was appended. An error that Is ErrUnknown says that nobody
	// knows: the caller must Read from its own position before it answers anyone.
	Append(at time.Time, drafts []Draft) ([]curfew.Event, Head, error)
}

// Ledger is one deployment's log. Implementations pass ledgertest.
type Ledger interface {
	// Turn waits for the turn and runs f in it. The turn ends when f returns,
	// and f's error is Turn's. No I/O but Read and Append belongs in f.
	Turn(ctx context.Context, f func(Turn) error) error
	// Read returns up to limit events from position from on (the first event
	// has position 1), in order. Fewer than limit means that the end is reached.
	Read(ctx context.Context, from uint64, limit int) ([]curfew.Event, error)
	// Head is the newest durable head.
	Head() Head
	// Heads returns up to limit signed heads over more than after events, in order.
	Heads(ctx context.Context, after uint64, limit int) ([][]byte, error)
	// Wait returns nil once the ledger holds more than after events, or the
	// cause of ctx's end.
	Wait(ctx context.Context, after uint64) error
	// SaveSnapshot keeps a fold of the first size events; the caller then
	// appends an event that names the hash that comes back (SHA-256 of data).
	SaveSnapshot(ctx context.Context, size uint64, data []byte) (hash [32]byte, err error)
	// LoadSnapshot returns the data whose hash this is, checked; curfew.NotFound if it is not kept.
	LoadSnapshot(ctx context.Context, hash [32]byte) ([]byte, error)
	// Close releases the file. It may be called twice.
	Close() error
}
