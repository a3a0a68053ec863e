package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// clients is the helper process that holds the client side of many sessions, and
// a listener that accepts and holds whatever comes.
type clients struct {
	mu  sync.Mutex
	out io.Writer // guarded by mu
}

func (c *clients) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, format+"\n", args...)
}

// beClients takes "NUMBER pg URL" and "NUMBER tcp ADDRESS" and says "up NUMBER",
// "failed NUMBER why", "end NUMBER NANOSECONDS" (the client has read that it is
// over) and "gone NUMBER NANOSECONDS" (its socket is).
func beClients(in io.Reader, out io.Writer) int {
	c := &clients{out: out}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	c.say("sink %s", ln.Addr())
	go hold(ln)
	room := make(chan struct{}, 8)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) != 3 {
			return 1
		}
		room <- struct{}{}
		go func() {
			conn, err := connect(f[1], f[2])
			<-room
			if err != nil {
				c.say("failed %s %s", f[0], strings.ReplaceAll(err.Error(), "\n", " "))
				return
			}
			c.say("up %s", f[0])
			c.watch(f[0], conn)
		}()
	}
	return 0
}

func hold(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(io.Discard, conn) }()
	}
}

func connect(how, where string) (net.Conn, error) {
	if how == "tcp" {
		return net.Dial("tcp", where)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgconn.Connect(ctx, where)
	if err != nil {
		return nil, err
	}
	if err := c.SyncConn(ctx); err != nil {
		return nil, err
	}
	h, err := c.Hijack()
	if err != nil {
		return nil, err
	}
	return h.Conn, nil
}

// watch waits for the end: an ErrorResponse or the socket's end, whichever is first.
func (c *clients) watch(number string, conn net.Conn) {
	buf, told := make([]byte, 512), false
	for {
		n, err := conn.Read(buf)
		now := time.Now().UnixNano()
		if !told && (err != nil || n > 0 && buf[0] == 'E') {
			told = true
			c.say("end %s %d", number, now)
		}
		if err != nil {
			c.say("gone %s %d", number, now)
			_ = conn.Close()
			return
		}
	}
}

// beProxy relays every connection to the address that it is given: a goroutine
// and 32 KiB of buffer a direction, and nothing else.
func beProxy(in io.Reader, out io.Writer) int {
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		return 1
	}
	target := lines.Text()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	fmt.Fprintf(out, "proxy %s\n", ln.Addr())
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			go relayBytes(up, client)
			go relayBytes(client, up)
		}
	}()
	for lines.Scan() { // until whoever started us is gone
	}
	return 0
}

// relayBytes does not splice: two pipes a connection would not fit the descriptors.
func relayBytes(to, from net.Conn) {
	_, _ = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 32<<10))
	_ = to.Close()
}
