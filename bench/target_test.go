package bench

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
)

// beTarget stands before the real PostgreSQL whose address it is given. What the
// gateway does itself (accounts, their test, patrols, terminations) reaches the
// real one. A session's log-in is answered here, with yes, a ping too, and then nothing is asked:
// two cores do not carry thousands of real back ends.
func beTarget(in io.Reader, out io.Writer) int {
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		return 1
	}
	real := lines.Text()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	fmt.Fprintf(out, "target %s\n", ln.Addr())
	go func() {
		var pid atomic.Uint32
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go standIn(conn, real, 1_000_000+pid.Add(1))
		}
	}()
	for lines.Scan() {
	}
	return 0
}

func standIn(conn net.Conn, real string, pid uint32) {
	defer func() { _ = conn.Close() }()
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head); err != nil {
		return
	}
	body := make([]byte, min(max(binary.BigEndian.Uint32(head), 8), 10_000)-4)
	if _, err := io.ReadFull(conn, body); err != nil {
		return
	}
	if !strings.Contains(string(body), "application_name\x00curfew:s_") {
		up, err := net.Dial("tcp", real)
		if err != nil {
			return
		}
		_, _ = up.Write(append(head, body...))
		go relayBytes(conn, up)
		relayBytes(up, conn)
		return
	}
	key := binary.BigEndian.AppendUint32(nil, pid)
	hello := message('R', []byte{0, 0, 0, 0})
	for _, p := range []string{"server_version\x0015.0\x00", "client_encoding\x00UTF8\x00", "standard_conforming_strings\x00on\x00", "integer_datetimes\x00on\x00"} {
		hello = append(hello, message('S', []byte(p))...)
	}
	hello = append(hello, message('K', append(key, 1, 2, 3, 4))...)
	if _, err := conn.Write(append(hello, message('Z', []byte("I"))...)); err != nil {
		return
	}
	idle := append(message('I', nil), message('Z', []byte("I"))...)
	for head := make([]byte, 5); ; { // a ping of the log-in, then nothing is asked
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return
		}
		if head[0] == 'Q' {
			if _, err := conn.Write(idle); err != nil {
				return
			}
		}
	}
}

func message(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}
