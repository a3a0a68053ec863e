package http

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// answer is what goes to the client. A stream of events, and a WebSocket, can be told
// between two of their messages that it is over.
type answer struct {
	http.ResponseWriter
	exchange *exchange

	mu     sync.Mutex // held while bytes go to the client
	events bool       // guarded by mu; it is a stream of events
	tail   tail       // guarded by mu; the last bytes that went
	done   func()     // guarded by mu
	ended  bool       // guarded by mu; the farewell was the last word
}

// Unwrap lets the proxy set deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// readable reports whether an answer's bytes are what they stand for: into what an
// application has compressed all the same, nobody can write.
func readable(h http.Header) bool {
	e := h.Get("Content-Encoding")
	return e == "" || strings.EqualFold(e, "identity")
}

// tail is the end of a stream of events, long enough to see whether an event ends there.
type tail string

func (t tail) after(b []byte) tail {
	const most = 4
	if len(b) >= most {
		return tail(b[len(b)-most:])
	}
	t += tail(b)
	return t[max(len(t)-most, 0):]
}

// between reports whether the stream is between two events: after an empty line, which
// ends in CR, LF or both (HTML, 9.2.6).
func (t tail) between() bool {
	text := strings.ReplaceAll(strings.ReplaceAll(string(t), "\r\n", "\n"), "\r", "\n")
	return strings.HasSuffix(text, "\n\n")
}

// FlushError lets the proxy flush, which it does from a timer of its own too.
func (a *answer) FlushError() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return net.ErrClosed
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *answer) WriteHeader(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if status >= 200 && strings.HasPrefix(a.Header().Get("Content-Type"), "text/event-stream") && a.done == nil {
		a.events, a.tail = readable(a.Header()), tail("\n\n")
		a.done = a.exchange.run.holds(a)
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return 0, net.ErrClosed
	}
	if a.events {
		a.tail = a.tail.after(b)
	}
	return a.ResponseWriter.Write(b)
}

// farewell is one last event.
func (a *answer) farewell(words notice, by time.Time) {
	if !tryLock(&a.mu, by) {
		return
	}
	defer a.mu.Unlock()
	if a.ended || !a.events || !a.tail.between() {
		return
	}
	a.ended = true
	text, err := json.Marshal(map[string]string{"code": "grant_ended", "title": words.Line, "detail": words.Detail, "run": words.Hint})
	if err != nil {
		return
	}
	c := http.NewResponseController(a.ResponseWriter)
	_ = c.SetWriteDeadline(by)
	_, _ = a.ResponseWriter.Write([]byte("event: curfew\ndata: " + string(text) + "\n\n"))
	_ = c.Flush()
}

func (a *answer) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done != nil {
		a.done()
	}
	a.ended = true
}

func tryLock(mu *sync.Mutex, by time.Time) bool {
	for !mu.TryLock() {
		if time.Now().After(by) {
			return false
		}
		time.Sleep(50 * time.Microsecond)
	}
	return true
}

// Hijack gives the connection to a WebSocket.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	s := &socket{Conn: conn, exchange: a.exchange, header: true}
	a.mu.Lock()
	a.done = a.exchange.run.holds(s)
	a.mu.Unlock()
	rw.Writer.Reset(s)
	return s, rw, nil
}

// socket is a WebSocket's connection to the client: HTTP's answer, and then frames.
type socket struct {
	net.Conn
	exchange *exchange

	mu     sync.Mutex // held while bytes go to the client
	header bool       // guarded by mu; the answer's header is not over
	seen   int        // guarded by mu; of the four bytes that end it
	frame  []byte     // guarded by mu; the header of the frame that is not whole yet
	left   uint64     // guarded by mu; bytes of a frame that are still to come
	ended  bool       // guarded by mu
}

func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.exchange.sent.Add(int64(n))
	return n, err
}

func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, net.ErrClosed
	}
	s.exchange.back.Add(int64(len(b)))
	s.follow(b)
	return s.Conn.Write(b)
}

// follow finds the boundaries of frames. The caller holds mu.
func (s *socket) follow(b []byte) {
	for s.header && len(b) > 0 {
		switch {
		case b[0] == "\r\n\r\n"[s.seen]:
			s.seen++
		case b[0] == '\r':
			s.seen = 1
		default:
			s.seen = 0
		}
		s.header = s.seen < 4
		b = b[1:]
	}
	for len(b) > 0 {
		if s.left > 0 {
			n := min(uint64(len(b)), s.left)
			s.left -= n
			b = b[n:]
			continue
		}
		s.frame = append(s.frame, b[0])
		b = b[1:]
		if n, whole := frameLength(s.frame); whole {
			s.frame, s.left = s.frame[:0], n
		}
	}
}

// frameLength reads how long a frame's payload is, with its mask, once its header is
// whole (RFC 6455, 5.2).
func frameLength(h []byte) (n uint64, whole bool) {
	if len(h) < 2 {
		return 0, false
	}
	switch n = uint64(h[1] & 0x7f); n {
	case 126:
		if len(h) < 4 {
			return 0, false
		}
		n = uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		if len(h) < 10 {
			return 0, false
		}
		n = binary.BigEndian.Uint64(h[2:])
	}
	if h[1]&0x80 != 0 {
		n += 4
	}
	return n, true
}

// farewell is a close frame: 1008, policy violation, and why.
func (s *socket) farewell(words notice, by time.Time) {
	if !tryLock(&s.mu, by) {
		return
	}
	defer s.mu.Unlock()
	if s.ended || s.header || s.left > 0 || len(s.frame) > 0 {
		return
	}
	s.ended = true
	why := words.Line
	for len(why) > 123 {
		why = why[:len(why)-1]
	}
	why = strings.ToValidUTF8(why, "")
	b := append([]byte{0x88, byte(2 + len(why)), 1008 >> 8, 1008 & 0xff}, why...)
	_ = s.Conn.SetWriteDeadline(by)
	_, _ = s.Conn.Write(b)
}
