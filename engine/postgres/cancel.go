package postgres

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/session"
)

// cancelKey is what a client cancels with; ours, not the target's.
type cancelKey struct {
	pid    uint32
	secret string
}

// Bytes of a cancel key's secret: in protocol 3.0, what we give in 3.2, and what
// 3.2 allows.
const (
	oldSecret = 4
	newSecret = 32
	maxSecret = 256
)

// cancels finds the session that a cancel request is for.
type cancels struct {
	mu   sync.Mutex
	live map[cancelKey]func() // guarded by mu
}

// add makes a key for a session, with a secret of so many bytes.
func (c *cancels) add(secret int, f func()) cancelKey {
	b := make([]byte, 4+secret)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	k := cancelKey{binary.BigEndian.Uint32(b) & 0x7fffffff, string(b[4:])}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live == nil {
		c.live = map[cancelKey]func(){}
	}
	c.live[k] = f
	return k
}

func (c *cancels) remove(k cancelKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, k)
}

// forward passes a cancel request on; one that fits no session is dropped, as a
// server does.
func (c *cancels) forward(k cancelKey) {
	c.mu.Lock()
	f := c.live[k]
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

// cancelAt asks the target to cancel what runs, over a connection of the session's
// own, with TLS if the session has it: the key is a secret.
func cancelAt(s *session.Session, target target) {
	if s.Observe(record.Item{Kind: record.Cancel}) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
	defer cancel()
	conn, err := s.Dial(ctx)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if cfg := target.tls; cfg != nil {
		if conn, err = encrypt(s, conn, cfg); err != nil {
			return
		}
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(12+len(target.key)))
	b = binary.BigEndian.AppendUint32(b, cancelCode)
	b = binary.BigEndian.AppendUint32(b, target.pid)
	b = append(b, target.key...)
	if s.Forward(conn, b) == nil {
		_, _ = conn.Read(b[:1]) // the server closes once it has signalled
	}
}

// encrypt asks the target for TLS and starts it.
func encrypt(s *session.Session, conn net.Conn, cfg *tls.Config) (net.Conn, error) {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), sslCode)
	if err := s.Forward(conn, b); err != nil {
		return conn, err
	}
	if _, err := io.ReadFull(conn, b[:1]); err != nil || b[0] != 'S' {
		return conn, errors.Join(err, errors.New("the target takes no TLS"))
	}
	t := tls.Client(conn, cfg)
	return t, t.HandshakeContext(s.Context())
}
