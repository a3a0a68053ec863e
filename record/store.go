package record

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// Header says whose recording it is. It is sealed with the items.
type Header struct {
	Session   curfew.SessionID    `json:"session"`
	Grant     curfew.GrantID      `json:"grant"`
	Principal curfew.Principal    `json:"principal"`
	Resource  curfew.ResourceName `json:"resource"`
	Mode      curfew.RecordMode   `json:"mode"`
	Started   time.Time           `json:"started"`
}

// Reader reads one recording from its first item on.
type Reader interface {
	Header() Header
	// Next returns the next item: io.EOF at the end of a recording that was
	// closed, ErrOpen at the end of one that was not. While the session lives and
	// follow is set it waits for more instead, until ctx ends.
	Next(ctx context.Context, follow bool) (Item, error)
	Close() error
}

// Store keeps recordings. Implementations pass recordtest.
type Store interface {
	// Create starts the recording of a session; there is none with its identifier yet.
	Create(h Header) (Writer, error)
	// Read opens a recording; curfew.NotFound if there is none.
	Read(id curfew.SessionID) (Reader, error)
	// Verify recomputes a recording's chain and says whether it passes through
	// every anchor, in order: heads that the ledger holds.
	Verify(id curfew.SessionID, anchors [][]byte) (Report, error)
	// Words returns the list of the words of a whole recording; ErrOpen if it is not
	// whole yet. A list that is missing, or belongs to another recording, is made again.
	Words(id curfew.SessionID) (*Words, error)
	// Chunks opens a recording as it is sealed; curfew.NotFound if there is none.
	Chunks(id curfew.SessionID) (Chunks, error)
}

// Chunks reads a recording chunk by chunk, with what a stranger needs to do the same.
type Chunks interface {
	Header() Header
	// Key opens this recording's chunks, and nothing else.
	Key() seal.Key
	// Next returns the next chunk, sealed and open: io.EOF after the last whole one.
	Next() (box []byte, items []Item, err error)
	// Head commits to the chunks that Next has returned.
	Head() [32]byte
	Close() error
}

// Report is what verifying a recording found.
type Report struct {
	Items  int    `json:"items"`
	Chunks int    `json:"chunks"`
	Head   []byte `json:"head"`   // of the chain, as far as it could be followed
	Closed bool   `json:"closed"` // it ends as its session ended; otherwise a crash may have cost its last 50 ms
	Fault  string `json:"fault,omitempty"`
}

// ErrOpen says that a recording ends without having been closed.
var ErrOpen = curfew.Errorf(curfew.NotFound, "the recording was not closed; up to 50 ms before a crash may be missing")
