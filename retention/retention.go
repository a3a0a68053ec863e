// Package retention removes recordings whose time is over. It looks now and then,
// asks access for every one of them, and removes a file only once it is written
// down that it goes; what was cut off is finished at the next look. It never
// decides how long anything is kept.
package retention

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/record"
)

const (
	// every is how long lies between two looks, where nothing else is said.
	every = time.Hour
	// listsBound is how long it waits for the lists to know what was decided.
	listsBound = 10 * time.Second
)

// Store is what recordings are removed from.
type Store interface {
	// Whole lists the recordings that are whole.
	Whole() ([]curfew.SessionID, error)
	// Verify says what a recording's head is, and what is wrong with it.
	Verify(id curfew.SessionID, anchors [][]byte) (record.Report, error)
	// Remove removes a recording and its key; it may be called again.
	Remove(id curfew.SessionID) error
}

// Parts are what a Keeper is made of.
type Parts struct {
	Access  *access.Service
	History history.Store
	Record  Store
	Every   time.Duration // between two looks; 0: an hour
	Log     *slog.Logger
}

// Keeper keeps recordings as long as was promised.
type Keeper struct{ parts Parts }

// New makes a Keeper; Run runs it.
func New(p Parts) *Keeper {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Every <= 0 {
		p.Every = every
	}
	return &Keeper{p}
}

// Run finishes what was cut off, and then looks again and again until ctx ends. It
// begins to look a while after the start: a clock that was wrong when the machine
// started has been set by then, which is noticed, and stops removals.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.parts.Every)
	defer tick.Stop()
	for decide := false; ; decide = true {
		if _, err := k.look(ctx, decide); err != nil && ctx.Err() == nil {
			k.parts.Log.Error("recordings whose time is over could not all be removed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look removes every recording whose time is over, and returns how many. One that
// cannot be removed keeps no other; the first error is returned.
func (k *Keeper) Look(ctx context.Context) (int, error) { return k.look(ctx, true) }

// look decides nothing new unless it is told to.
func (k *Keeper) look(ctx context.Context, decide bool) (removed int, first error) {
	promised := false
	k.parts.Access.View(func(st *access.State) { promised = len(st.Promises) > 0 })
	if !promised {
		return 0, nil // everything is kept for ever
	}
	if !k.listed(ctx, k.parts.Access.Ledger().Head().Size) {
		return 0, curfew.Errorf(curfew.Unavailable, "the lists are behind the ledger")
	}
	ids, err := k.parts.Record.Whole()
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if ctx.Err() != nil {
			return removed, context.Cause(ctx)
		}
		gone, err := k.one(ctx, id, decide)
		if err != nil {
			k.parts.Log.Error("a recording could not be removed", "session", id, "err", err)
			if first == nil {
				first = err
			}
		}
		if gone {
			removed++
		}
	}
	return removed, first
}

func (k *Keeper) listed(ctx context.Context, position uint64) bool {
	return history.Reach(ctx, k.parts.History, position, listsBound)
}

// one removes a recording if its time is over.
func (k *Keeper) one(ctx context.Context, id curfew.SessionID, decide bool) (bool, error) {
	x, err := k.parts.History.Session(ctx, id)
	if curfew.CodeOf(err) == curfew.NotFound {
		return false, nil // the ledger knows nothing of it: it is not ours to remove
	}
	if err != nil {
		return false, err
	}
	if x.Removed != nil { // it was decided, and cut off
		return true, k.parts.Record.Remove(id)
	}
	var kept time.Duration
	k.parts.Access.View(func(st *access.State) { kept = st.KeptFor(x.At) })
	if !decide || x.Live || kept == 0 || k.parts.Access.Now().Before(x.Ended.Add(kept)) {
		return false, nil // by the lists; the decision asks the ledger
	}
	c, err := k.told(ctx, x)
	if err != nil {
		return false, err
	}
	if !k.may(c) {
		return false, nil
	}
	k.survey(&c)
	r, err := k.parts.Access.Do(ctx, c)
	if curfew.CodeOf(err) == curfew.Conflict {
		return false, nil // it is held, since a moment ago
	}
	if err != nil {
		return false, err
	}
	if !k.listed(ctx, r.Position) {
		return false, curfew.Errorf(curfew.Unavailable, "the lists do not say yet that it goes") // or whoever asks would find nothing, and no reason
	}
	k.parts.Log.Info("a recording is removed by the retention", "session", id, "ended", c.Ended)
	return true, k.parts.Record.Remove(id)
}

// told is what the ledger itself says of a session; the lists only say where.
func (k *Keeper) told(ctx context.Context, x history.Session) (access.RemoveRecording, error) {
	c := access.RemoveRecording{Session: x.Session}
	lie := curfew.Errorf(curfew.Corrupt, "the lists say otherwise than the ledger of the session %s", x.Session).WithFix("stop the gateway and delete history.db; it is built again")
	e, err := k.event(ctx, x.Position)
	if err != nil {
		return c, err
	}
	var opened curfew.SessionOpened
	if e.Kind != curfew.KindSessionOpened || json.Unmarshal(e.Body, &opened) != nil || opened.Session != x.Session {
		return c, lie
	}
	c.Grant, c.Opened = opened.Grant, e.Time
	entries, err := k.parts.History.Entries(ctx, history.Filter{Session: x.Session, Kind: string(curfew.KindSessionEnded), Limit: 1})
	if err != nil {
		return c, err
	}
	if len(entries) == 0 {
		return c, lie
	}
	if e, err = k.event(ctx, entries[0].Position); err != nil {
		return c, err
	}
	var ended curfew.SessionEnded
	if e.Kind != curfew.KindSessionEnded || json.Unmarshal(e.Body, &ended) != nil || ended.Session != x.Session {
		return c, lie
	}
	c.Ended = e.Time
	return c, nil
}

func (k *Keeper) event(ctx context.Context, position uint64) (curfew.Event, error) {
	events, err := k.parts.Access.Ledger().Read(ctx, position, 1)
	if err == nil && len(events) != 1 {
		err = curfew.Errorf(curfew.Corrupt, "the ledger has no event %d", position)
	}
	if err != nil {
		return curfew.Event{}, err
	}
	return events[0], nil
}

// may asks without deciding, before a file is read for nothing.
func (k *Keeper) may(c access.RemoveRecording) (ok bool) {
	now := k.parts.Access.Now()
	k.parts.Access.View(func(st *access.State) {
		_, err := st.MayRemove(c, now)
		ok = err == nil
	})
	return ok
}

// survey fills in what stays of the recording: its head, and what was wrong with it.
func (k *Keeper) survey(c *access.RemoveRecording) {
	rep, err := k.parts.Record.Verify(c.Session, nil)
	c.Head, c.Chunks, c.Fault = rep.Head, rep.Chunks, rep.Fault
	if err != nil {
		c.Fault = "it could not be read"
		k.parts.Log.Error("a recording that is removed could not be read", "session", c.Session, "err", err)
	}
}
