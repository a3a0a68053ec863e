package ledger

import (
	"context"
	"iter"
	"math"

	"github.com/curfewhq/curfew"
)

// Record is one thing to verify, as it was stored and unchecked: an event, or a
// signed head over the events before it.
type Record struct {
	Event curfew.Event
	Hash  Hash // of the event as a leaf, as it was stored beside it

	Note []byte // of a head; nil for an event
	Size uint64 // of a head: what it is stored under; 0 where it is stored under nothing
	Edge []byte // of a head that is stored under a size: the edge beside it (Batch.Edge)
}

// Source is what can be verified, in order: an export (ReadExport) or a live
// ledger (Live). An error with curfew.Corrupt says that what comes next cannot
// be read for what it is.
type Source interface {
	Records(ctx context.Context) iter.Seq2[Record, error]
}

// Store is how an implementation lets itself be verified: rows as they lie there,
// whatever somebody did to them. Read would refuse to give a changed one.
type Store interface {
	// Events returns up to limit stored events whose position is greater than
	// after, in order; first starts before the first row, whatever its position.
	Events(ctx context.Context, after uint64, first bool, limit int) ([]Record, error)
	// SignedHeads is the same for heads, by the size they are stored under.
	SignedHeads(ctx context.Context, after uint64, first bool, limit int) ([]Record, error)
}

const pageOfEvents = 4096

// Live is a ledger in use as a Source. It ends when it has caught up.
func Live(s Store) Source { return live{s} }

type live struct{ store Store }

func (l live) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		events := pages{fetch: l.store.Events, key: func(r Record) uint64 { return r.Event.Position }, fresh: true}
		heads := pages{fetch: l.store.SignedHeads, key: func(r Record) uint64 { return r.Size }, fresh: true}
		for {
			h, more, err := heads.next(ctx)
			if err != nil {
				yield(Record{}, err)
				return
			}
			if more {
				if !events.upTo(ctx, h.Size, yield) || !yield(h, nil) {
					return
				}
				continue
			}
			// Events that are left were added by hand, or appended since: then
			// their head is there by now. Where none are left it ends: what is
			// appended from here on has no head in this walk.
			_, left, err := events.peek(ctx)
			if err == nil && left {
				_, more, err = heads.peek(ctx)
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !left {
				return
			}
			if !more {
				events.upTo(ctx, math.MaxUint64, yield)
				return
			}
		}
	}
}

// pages walks through a table, a page at a time.
type pages struct {
	fetch func(ctx context.Context, after uint64, first bool, limit int) ([]Record, error)
	key   func(Record) uint64
	fresh bool // nothing has been fetched
	after uint64
	page  []Record
}

func (p *pages) peek(ctx context.Context) (Record, bool, error) {
	if len(p.page) == 0 {
		var err error
		if p.page, err = p.fetch(ctx, p.after, p.fresh, pageOfEvents); err != nil || len(p.page) == 0 {
			return Record{}, false, err
		}
		p.fresh = false
	}
	return p.page[0], true, nil
}

func (p *pages) next(ctx context.Context) (Record, bool, error) {
	r, ok, err := p.peek(ctx)
	if ok {
		p.page, p.after = p.page[1:], p.key(r)
	}
	return r, ok, err
}

// upTo yields the rows up to a position, and such as have no place at all. It is
// false once yield wants no more.
func (p *pages) upTo(ctx context.Context, position uint64, yield func(Record, error) bool) bool {
	for {
		r, ok, err := p.peek(ctx)
		if err != nil {
			yield(Record{}, err)
			return false
		}
		if at := p.key(r); !ok || at > position && at <= math.MaxInt64 {
			return true
		}
		if _, _, err := p.next(ctx); err != nil || !yield(r, nil) {
			return false
		}
	}
}
