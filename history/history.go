// Package history is a follower of the ledger that keeps what lists, filters and
// counts need: requests, grants and sessions as they came and went, and who each
// event speaks of. It can be deleted and is then built again. It lags, says how
// far it is, and is never asked for a decision.
package history

import (
	"context"
	"log/slog"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// Request is a request, whole: what was asked and how it went.
type Request struct {
	curfew.RequestAsked
	Position  uint64           `json:"-"` // of the event that it began with; a page goes on before it
	At        time.Time        `json:"at"`
	Status    string           `json:"status"` // pending, approved, denied, withdrawn, lapsed, voided
	Votes     []Vote           `json:"votes,omitempty"`
	DecidedBy curfew.Principal `json:"decided_by,omitempty"`
	DecidedAt time.Time        `json:"decided_at,omitzero"`
	Why       curfew.Sealed    `json:"why,omitempty"`
	Cause     curfew.Cause     `json:"cause,omitempty"`
	Grant     curfew.GrantID   `json:"grant,omitempty"`
}

// Vote is one approval.
type Vote struct {
	By      curfew.Principal `json:"by"`
	At      time.Time        `json:"at"`
	For     time.Duration    `json:"for"`
	Passkey bool             `json:"passkey,omitempty"` // by its touch
}

// Grant is a grant, whole.
type Grant struct {
	curfew.GrantApproved
	Position uint64           `json:"-"` // of the event that it began with; a page goes on before it
	At       time.Time        `json:"at"`
	Status   string           `json:"status"` // scheduled, active, ended, verified
	Started  time.Time        `json:"started,omitzero"`
	End      time.Time        `json:"end,omitzero"`
	Bound    string           `json:"bound,omitempty"`
	Tested   bool             `json:"tested,omitempty"`
	Cause    curfew.Cause     `json:"cause,omitempty"`
	EndedBy  curfew.Principal `json:"ended_by,omitempty"`
	EndedAt  time.Time        `json:"ended_at,omitzero"`
	EndedWhy curfew.Sealed    `json:"ended_why,omitempty"`
	Verified time.Time        `json:"verified,omitzero"`
	Account  string           `json:"account,omitempty"`
	Trouble  string           `json:"trouble,omitempty"`
	Kept     []string         `json:"kept,omitempty"`
	Notes    []string         `json:"notes,omitempty"` // what else was seen when it was removed
	Used     Used             `json:"used,omitzero"`
}

// Used is what the sessions of a grant came to; of those that live, their number only.
type Used struct {
	Sessions   int   `json:"sessions"`
	Statements int64 `json:"statements"`
	Refused    int64 `json:"refused"`
	Rows       int64 `json:"rows"`
	Bytes      int64 `json:"bytes"`
	Cut        int   `json:"cut"` // sessions that did not end by themselves
}

// Session is a session, whole.
type Session struct {
	curfew.SessionOpened
	Position uint64               `json:"-"` // of the event that it began with; a page goes on before it
	At       time.Time            `json:"at"`
	Role     curfew.RoleName      `json:"role"`
	Live     bool                 `json:"live"`
	Ended    time.Time            `json:"ended,omitzero"`
	Sum      *curfew.SessionEnded `json:"sum,omitempty"`
	Viewed   []curfew.Principal   `json:"viewed,omitempty"`
	CutBy    curfew.Principal     `json:"cut_by,omitempty"`
	CutWhy   curfew.Sealed        `json:"cut_why,omitempty"`
	Held     []Hold               `json:"held,omitempty"` // of its recording, oldest first
	Removed  *Removed             `json:"removed,omitempty"`
}

// Hold is somebody's hold on a recording.
type Hold struct {
	By  curfew.Principal `json:"by"`
	At  time.Time        `json:"at"`
	Why curfew.Sealed    `json:"why,omitempty"`
}

// Removed says when a recording went, and after which retention.
type Removed struct {
	At       time.Time     `json:"at"`
	Kept     time.Duration `json:"kept"`
	Position uint64        `json:"position"` // of the event, which holds its head
}

// Entry says who and what one event speaks of; its body is the ledger's.
type Entry struct {
	Position  uint64
	At        time.Time
	Kind      curfew.Kind
	Principal curfew.Principal
	Resource  curfew.ResourceName
	Grant     curfew.GrantID
	Request   curfew.RequestID
	Session   curfew.SessionID
}

// Filter narrows a list; zero fields do not. Lists come newest first.
type Filter struct {
	Principal curfew.Principal
	Resource  curfew.ResourceName
	Grant     curfew.GrantID
	Request   curfew.RequestID
	Session   curfew.SessionID
	Kind      string // of entries: a prefix, "grant."
	Status    string // of requests and grants; "live" of sessions
	From, To  time.Time
	Before    uint64 // position: the page after a page that ended there
	Limit     int    // see Most
}

// Most is how many a page holds: what Limit says, 100 where it says nothing, at most 1,000.
func (f Filter) Most() int {
	if f.Limit <= 0 {
		return 100
	}
	return min(f.Limit, 1000)
}

// Store keeps it.
type Store interface {
	// Position is the newest event that is in it.
	Position() uint64
	// Apply takes the next events, all or none.
	Apply(ctx context.Context, events []curfew.Event) error
	Request(ctx context.Context, id curfew.RequestID) (Request, error)
	Requests(ctx context.Context, f Filter) ([]Request, error)
	Grant(ctx context.Context, id curfew.GrantID) (Grant, error)
	Grants(ctx context.Context, f Filter) ([]Grant, error)
	Session(ctx context.Context, id curfew.SessionID) (Session, error)
	Sessions(ctx context.Context, f Filter) ([]Session, error)
	Entries(ctx context.Context, f Filter) ([]Entry, error)
	Close() error
}

// Follow applies the ledger to the store until ctx ends. A store that is ahead
// of the ledger belongs to another one; it is refused.
func Follow(ctx context.Context, l ledger.Ledger, s Store, log *slog.Logger) error {
	if s.Position() > l.Head().Size {
		return curfew.Errorf(curfew.Corrupt, "the history is ahead of the ledger").WithFix("delete the file history.db; it is built again")
	}
	for {
		if err := l.Wait(ctx, s.Position()); err != nil {
			return nil //nolint:nilerr // ctx has ended
		}
		events, err := l.Read(ctx, s.Position()+1, 2000)
		if err == nil && len(events) > 0 {
			err = s.Apply(ctx, events)
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		log.Error("history is behind", "position", s.Position(), "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// Reach waits up to bound until the store has the position, and reports whether it has.
func Reach(ctx context.Context, s Store, position uint64, bound time.Duration) bool {
	for deadline := time.Now().Add(bound); s.Position() < position; {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return false
		}
		time.Sleep(2 * time.Millisecond)
	}
	return true
}
