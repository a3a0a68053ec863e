package mysql

import (
	"context"
	"errors"
	"net"
	"time"
)

// mostAhead bounds what is read of a client while one of its statements waits.
const mostAhead = 64 << 10

// ahead is a client of which something was read before its turn.
type ahead struct {
	net.Conn
	held []byte
	err  error // of the last read, once what is held is used up
}

// Read gives what was read ahead first.
func (a *ahead) Read(b []byte) (int, error) {
	if len(a.held) > 0 {
		n := copy(b, a.held)
		a.held = a.held[n:]
		return n, nil
	}
	if a.err != nil {
		return 0, a.err
	}
	return a.Conn.Read(b)
}

// wait watches the client while a statement of its waits: whether it leaves or takes the
// statement back. done ends that, and says whether it left.
func (r *relay) wait() (ctx context.Context, done func() error) {
	ctx, cancel := context.WithCancelCause(r.s.Context())
	r.holds.mu.Lock()
	r.holds.cancel = cancel
	r.holds.mu.Unlock()
	over := make(chan struct{})
	go func() {
		defer close(over)
		a := r.source
		for a.err == nil && len(a.held) < mostAhead {
			var b [4096]byte
			n, err := a.Conn.Read(b[:min(len(b), mostAhead-len(a.held))])
			a.held = append(a.held, b[:n]...)
			switch {
			case err == nil:
			case isTimeout(err):
				return
			default:
				a.err = err
				cancel(errLeft)
			}
		}
	}()
	return ctx, func() error {
		r.holds.mu.Lock()
		r.holds.cancel = nil
		r.holds.mu.Unlock()
		_ = r.client.SetReadDeadline(time.Unix(1, 0))
		<-over
		_ = r.client.SetReadDeadline(time.Time{})
		cancel(nil)
		if r.source.err != nil {
			return errors.Join(errLeft, r.source.err)
		}
		return nil
	}
}
