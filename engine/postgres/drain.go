package postgres

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// drainBound is how long a client has to take what its budget held.
const drainBound = time.Second

// drain waits until a client's kernel has taken all that was written, or the bound:
// the reset that follows makes our own forget the rest.
func drain(c net.Conn) {
	for end := time.Now().Add(drainBound); unsent(c) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// unsent is how many bytes are written and not taken; 0 where it cannot be told.
func unsent(c net.Conn) (n int) {
	for {
		switch v := c.(type) {
		case *net.TCPConn:
			raw, err := v.SyscallConn()
			if err == nil {
				_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
			}
			return n
		case interface{ NetConn() net.Conn }: // *tls.Conn and wrappers
			c = v.NetConn()
		default:
			return 0
		}
	}
}
