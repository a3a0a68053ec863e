package session

import "time"

// Notice is one warning that the end is near, or word that it was moved, to be
// given at the next message boundary.
type Notice struct {
	End   time.Time
	Left  time.Duration // as planned: 5 minutes, 1 minute
	Moved bool          // the end is another than it was
}

// Notice returns a notice that is due and has not been taken yet; nil mostly. It
// costs one atomic load.
func (s *Session) Notice() *Notice {
	if s.notice.Load() == nil {
		return nil
	}
	return s.notice.Swap(nil)
}

// retime plans the next notice after the end was set or moved.
func (s *Session) retime() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan(time.Now(), true)
}

// plan sets the timer for the next notice before the end. The caller holds mu.
func (s *Session) plan(now time.Time, moved bool) {
	if s.timer != nil {
		s.timer.Stop()
	}
	end := s.parts.Permit.End()
	left := end.Sub(now.Round(0))
	if moved && !s.end.Equal(end) { // a move is told of when it is decided, and again when it is written
		s.notice.Store(nil)
		if !s.end.IsZero() {
			s.notice.Store(&Notice{End: end, Left: left, Moved: true})
		}
		s.end = end
	}
	for _, before := range s.parts.Notices { // longest first
		if left <= before {
			continue
		}
		s.timer = time.AfterFunc(left-before, func() { s.give(Notice{End: end, Left: before}) })
		return
	}
}

func (s *Session) give(n Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.parts.Permit.End().Equal(n.End) {
		return // moved meanwhile; plan has been called
	}
	s.notice.Store(&n)
	s.plan(time.Now(), false)
}
