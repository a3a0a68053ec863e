package ledger

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
)

// InTurn is Ledger.Turn for an implementation in one process: token, of capacity
// one, is full while somebody has the turn.
func InTurn(ctx context.Context, token chan struct{}, head func() Head, add func(time.Time, []Draft) ([]curfew.Event, Head, error), f func(Turn) error) error {
	if ctx.Err() == nil { // select picks either of two that are ready
		select {
		case token <- struct{}{}:
			t := &turn{head: head, add: add}
			defer func() {
				t.spent = true
				<-token
			}()
			return f(t)
		case <-ctx.Done():
		}
	}
	return curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "wait for the turn")
}

type turn struct {
	head  func() Head
	add   func(time.Time, []Draft) ([]curfew.Event, Head, error)
	spent bool // by an Append, or by the turn's end; only the turn's goroutine looks
}

func (t *turn) Head() Head { return t.head() }

func (t *turn) Append(at time.Time, drafts []Draft) ([]curfew.Event, Head, error) {
	if t.spent {
		return nil, Head{}, curfew.Errorf(curfew.Internal, "a turn appends at most once, and not after its end")
	}
	t.spent = true
	return t.add(at, drafts)
}
