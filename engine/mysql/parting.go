package mysql

import (
	"net"

	"golang.org/x/sys/unix"
)

// partingBytes is how much may be under way to a client that is closed and not reset:
// farewells, not yet acknowledged.
const partingBytes = 16 << 10

// parting is a client's connection as the cut closes it. Clients read the farewell
// when they send their next command, and take a reset instead for an error of the
// network: so where nothing but the farewell is under way, it is closed in order.
type parting struct{ net.Conn }

// Close closes the connection below TLS, at once.
func (p parting) Close() error {
	raw := p.Conn
	for {
		over, ok := raw.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		raw = over.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok && unacknowledged(t) > partingBytes {
		_ = t.SetLinger(0)
	}
	return raw.Close()
}

// unacknowledged is how many bytes the client has not taken; many where nobody knows.
func unacknowledged(t *net.TCPConn) int {
	n := partingBytes + 1
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if q, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err == nil {
				n = q
			}
		})
	}
	return n
}
