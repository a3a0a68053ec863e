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
)

// parting is a client's connection as the cut closes it. An ssh client answers the
// end of its program, and takes a reset instead for an error of the network: so where
// nothing but the farewell is still under way, it has a moment to leave by itself.
// Nothing more is written to it; where more is under way, it is reset at once.
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
	if p.queued() > partingBytes {
		return p.reset()
	}
	time.AfterFunc(partingBound, func() { _ = p.reset() })
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
