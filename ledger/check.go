package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"

	"github.com/curfewhq/curfew"
)

// Check refuses a ledger that is not the one a node remembers: shorter, forked,
// or not empty before a node without memory (whose newest is the zero Head). Show
// it a witness's head in place of memory. It reads the heads since the remembered
// one, each of which names the one before it; whether the events still are what
// was signed, Verify says.
func Check(ctx context.Context, l Ledger, newest Head) error {
	have := l.Head()
	switch {
	case newest.Size == 0 && have.Size == 0:
		return nil
	case newest.Size == 0:
		return curfew.Errorf(curfew.Corrupt, "this node has no memory, and the ledger holds %d events", have.Size).WithRule("ledger.memory").
			WithFix("if it is this deployment's ledger, take it over: curfew restore")
	case have.Size < newest.Size:
		return curfew.Errorf(curfew.Corrupt, "the ledger was rolled back: this node has seen %d events, and it holds %d", newest.Size, have.Size).WithRule("ledger.rolled_back").
			WithFix("put the newer file back; the lawful way to an older one is: curfew restore")
	}
	ok, err := leads(ctx, l, newest, have)
	if err != nil {
		return err
	}
	if !ok {
		return curfew.Errorf(curfew.Corrupt, "the ledger was forked: its first %d events are not those this node has seen", newest.Size).WithRule("ledger.forked").
			WithFix("put the right file back; the lawful way to another one is: curfew restore")
	}
	return nil
}

// leads says whether the signed heads lead from one to the other, byte for byte.
func leads(ctx context.Context, l Ledger, from, to Head) (bool, error) {
	at := from
	for {
		notes, err := l.Heads(ctx, at.Size-1, pageOfEvents)
		if err != nil {
			return false, err
		}
		if len(notes) == 0 || !bytes.Equal(notes[0], at.Note) {
			return false, nil
		}
		for _, n := range notes {
			h, err := readHead(n)
			if err != nil {
				return false, nil //nolint:nilerr // a head that cannot be read leads nowhere
			}
			if h.Size > at.Size && h.before != sha256.Sum256(at.Note) || h.Size < at.Size {
				return false, nil
			}
			if at = h.Head; bytes.Equal(n, to.Note) {
				return true, nil
			}
		}
		if len(notes) == 1 {
			return false, nil
		}
	}
}
