package engine

import (
	"errors"
	"net"
	"time"
)

// mostAhead bounds what is read of a client before its turn.
const mostAhead = 64 << 10

// Ahead is a client of which something may be read before its turn: while a statement of
// its waits, whether it leaves or takes the statement back.
type Ahead struct {
	net.Conn
	held []byte
	err  error // of the last read, once what is held is used up
}

// Read gives what was read ahead first.
func (a *Ahead) Read(b []byte) (int, error) {
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

// Watch reads ahead until stop, and calls left where the client leaves meanwhile. Nobody
// else reads until stop has returned, which says why the client left, if it has.
func (a *Ahead) Watch(left func()) (stop func() error) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		for a.err == nil && len(a.held) < mostAhead {
			var b [4096]byte
			n, err := a.Conn.Read(b[:min(len(b), mostAhead-len(a.held))])
			a.held = append(a.held, b[:n]...)
			var late interface{ Timeout() bool }
			switch {
			case err == nil:
			case errors.As(err, &late) && late.Timeout():
				return
			default:
				a.err = err
				left()
			}
		}
	}()
	return func() error {
		_ = a.SetReadDeadline(time.Unix(1, 0))
		<-over
		_ = a.SetReadDeadline(time.Time{})
		return a.err
	}
}
