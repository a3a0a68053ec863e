package ledger

import (
	"context"

	"github.com/curfewhq/curfew"
)

// Proved is an event with its audit path in the tree of a head (RFC 6962, 2.1.1),
// from the leaf up.
type Proved struct {
	Event curfew.Event
	Path  []Hash
}

// Prove returns the events at the positions, which rise, with their paths in the
// tree of a head of the ledger. It reads the ledger once, from its first event to
// the head's last: nothing of the tree but its edge is kept anywhere.
func Prove(ctx context.Context, l Ledger, h Head, positions []uint64) ([]Proved, error) {
	p := &proving{ctx: ctx, ledger: l, size: h.Size, positions: positions}
	if h.Size == 0 {
		return nil, curfew.Errorf(curfew.NotFound, "there are no events")
	}
	root, found, err := p.tree(h.Size)
	if err != nil {
		return nil, err
	}
	if root != h.Root {
		return nil, curfew.Errorf(curfew.Corrupt, "the first %d events are not those that were signed", h.Size).WithFix("find out which: curfew ledger verify")
	}
	if len(found) != len(positions) {
		return nil, curfew.Errorf(curfew.Internal, "%d of %d events were found in the ledger", len(found), len(positions))
	}
	out := make([]Proved, 0, len(found))
	for _, f := range found {
		out = append(out, *f)
	}
	return out, nil
}

type proving struct {
	ctx       context.Context
	ledger    Ledger
	size      uint64
	positions []uint64
	read      uint64 // events taken from the ledger
	page      []curfew.Event
}

// tree is the root over the next n events, and those of them that are wanted.
func (p *proving) tree(n uint64) (Hash, []*Proved, error) {
	if n == 1 {
		return p.leaf()
	}
	k := uint64(1)
	for k<<1 < n {
		k <<= 1
	}
	left, inLeft, err := p.tree(k)
	if err != nil {
		return Hash{}, nil, err
	}
	right, inRight, err := p.tree(n - k)
	if err != nil {
		return Hash{}, nil, err
	}
	for _, f := range inLeft {
		f.Path = append(f.Path, right)
	}
	for _, f := range inRight {
		f.Path = append(f.Path, left)
	}
	return inner(left, right), append(inLeft, inRight...), nil
}

func (p *proving) leaf() (Hash, []*Proved, error) {
	if len(p.page) == 0 {
		var err error
		if p.page, err = p.ledger.Read(p.ctx, p.read+1, int(min(pageOfEvents, p.size-p.read))); err != nil {
			return Hash{}, nil, err
		}
		if len(p.page) == 0 {
			return Hash{}, nil, curfew.Errorf(curfew.Corrupt, "the ledger ends after %d events, and a head is over %d", p.read, p.size)
		}
	}
	e := p.page[0]
	p.page = p.page[1:]
	p.read++
	h := LeafHash(e)
	if len(p.positions) == 0 || p.positions[0] != e.Position {
		return h, nil, nil
	}
	p.positions = p.positions[1:]
	return h, []*Proved{{Event: e}}, nil
}

// In reports whether the event is at its position in the tree of the size and root
// (RFC 9162, 2.1.3.2).
func (p Proved) In(size uint64, root Hash) bool {
	at := p.Event.Position - 1
	if p.Event.Position == 0 || at >= size {
		return false
	}
	last, h := size-1, LeafHash(p.Event)
	for _, beside := range p.Path {
		if last == 0 {
			return false
		}
		if at&1 == 1 || at == last {
			h = inner(beside, h)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			h = inner(h, beside)
		}
		at, last = at>>1, last>>1
	}
	return last == 0 && h == root
}
