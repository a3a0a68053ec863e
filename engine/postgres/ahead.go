package postgres

import (
	"context"
	"errors"

	"github.com/curfewhq/curfew/engine"
)

// wait watches the client while a statement of its waits: whether it leaves or takes
// the statement back. done ends that, and says whether it left.
func (r *relay) wait() (ctx context.Context, done func() error) {
	ctx, cancel := context.WithCancelCause(r.s.Context())
	r.holds.mu.Lock()
	r.holds.cancel = cancel
	r.holds.mu.Unlock()
	a, ok := r.source.(*engine.Ahead)
	if !ok {
		a = &engine.Ahead{Conn: r.client}
		r.source = a
	}
	stop := a.Watch(func() { cancel(errLeft) })
	return ctx, func() error {
		r.holds.mu.Lock()
		r.holds.cancel = nil
		r.holds.mu.Unlock()
		err := stop()
		cancel(nil)
		if err != nil {
			return errors.Join(errLeft, err)
		}
		return nil
	}
}
