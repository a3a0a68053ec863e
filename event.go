package curfew

import "time"

// Event is one decision, as the ledger keeps it.
type Event struct {
	Position uint64    // 1 for the first event
	Time     time.Time // UTC, nanoseconds; the decider's, never earlier than the event before
	Kind     Kind
	Body     []byte // JSON, byte for byte as it was appended
}

// Kind names what an event says. A kind is for ever: its meaning never changes,
// a new meaning is a new kind, and a node that meets one it does not know
// stops giving access.
type Kind string
