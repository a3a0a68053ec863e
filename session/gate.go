package session

import (
	"net"
	"time"
)

// Enter asks to send something on. Between Enter and Leave bytes may be written
// to the target; after the gate has shut nobody enters, and the cut waits until
// those inside have left. It compares the wall and the monotonic clock.
func (s *Session) Enter() error {
	s.inflight.Add(1)
	p := s.parts.Permit
	if p.Over() {
		s.inflight.Add(-1)
		return s.refusal()
	}
	if now := time.Now(); p.Due(now) {
		s.inflight.Add(-1)
		p.Expire(now)
		return s.refusal()
	}
	return nil
}

// Leave ends what Enter began.
func (s *Session) Leave() { s.inflight.Add(-1) }

// Forward writes b to the target through the gate.
func (s *Session) Forward(target net.Conn, b []byte) error {
	if err := s.Enter(); err != nil {
		return err
	}
	defer s.Leave()
	_, err := target.Write(b)
	return err
}
