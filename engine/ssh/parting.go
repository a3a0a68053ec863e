package ssh

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of the parting of a client.
const (
	partingDrain = 50 * time.Millisecond  // for the farewell to go out, and what was sent before to arrive
	partingBytes = 16 << 10               // that may then be unacknowledged
	partingBound = 500 * time.Millisecond // for the client to leave
)

// parting is a client's connection as the cut closes it. An ssh client answers the
// end of its program, and takes a reset instead for an error of the network: so the
// farewell has a moment to go out and the client a moment to leave by itself. One that
// does not take what was sent is reset. Nobody waits for any of that, and programs
// have been stopped being listened to before.
type parting struct {
	net.Conn
	closing, over atomic.Bool

	mu   sync.Mutex
	left bool   // guarded by mu; nothing comes from the client any more
	gone func() // guarded by mu; to be called then
}

// Read notices that the client has left, for whoever watches.
func (p *parting) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if err != nil {
		p.mu.Lock()
		p.left = true
		gone := p.gone
		p.mu.Unlock()
		if gone != nil {
			gone()
		}
	}
	return n, err
}

// watch has gone called when the client has left, at once if it has; nil: nobody watches.
func (p *parting) watch(gone func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone = gone; gone != nil && p.left {
		gone()
	}
}

func (p *parting) Write(b []byte) (int, error) {
	if p.over.Load() {
		return 0, net.ErrClosed
	}
	return p.Conn.Write(b)
}

// Close parts; the connection itself is closed by Serve.
func (p *parting) Close() error {
	if !p.closing.CompareAndSwap(false, true) {
		return nil
	}
	time.AfterFunc(partingDrain, func() {
		p.over.Store(true)
		if p.queued() > partingBytes {
			_ = p.reset()
			return
		}
		time.AfterFunc(partingBound, func() { _ = p.reset() })
	})
	return nil
}

func (p *parting) reset() error {
	if t, ok := p.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	return p.Conn.Close()
}

// queued is how many bytes the client has not acknowledged.
func (p *parting) queued() int {
	if within, ok := p.Conn.(*inner); ok {
		return within.queued()
	}
	sc, ok := p.Conn.(syscall.Conn)
	if !ok {
		return partingBytes + 1
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return partingBytes + 1
	}
	n := partingBytes + 1
	_ = raw.Control(func(fd uintptr) {
		if q, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err == nil {
			n = q
		}
	})
	return n
}
