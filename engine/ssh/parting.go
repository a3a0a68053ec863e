package ssh

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of the parting of a client.
const (
	partingBound = 500 * time.Millisecond // for it to hear the farewell and leave
	partingBytes = 16 << 10               // farewells, not yet acknowledged
	partingDrain = 50 * time.Millisecond  // for what was sent before to arrive
)

// parting is a client's connection as the cut closes it. An ssh client answers the
// end of its program, and takes a reset instead for an error of the network: so where
// nothing but the farewell is still under way, it has a moment to leave by itself.
// Nothing more is written to it; one that does not take what was, is reset.
type parting struct {
	net.Conn
	over atomic.Bool
}

func (p *parting) Write(b []byte) (int, error) {
	if p.over.Load() {
		return 0, net.ErrClosed
	}
	return p.Conn.Write(b)
}

// Close parts; the connection itself is closed by Serve.
func (p *parting) Close() error {
	if !p.over.CompareAndSwap(false, true) {
		return nil
	}
	p.drain(time.Now().Add(partingDrain))
	return nil
}

// drain looks every millisecond whether little enough is under way.
func (p *parting) drain(by time.Time) {
	switch {
	case p.queued() <= partingBytes:
		time.AfterFunc(partingBound, func() { _ = p.reset() })
	case time.Now().After(by):
		_ = p.reset()
	default:
		time.AfterFunc(time.Millisecond, func() { p.drain(by) })
	}
}

func (p *parting) reset() error {
	if t, ok := p.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	return p.Conn.Close()
}

// queued is how many bytes the client has not acknowledged.
func (p *parting) queued() int {
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
