package api

import (
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// sameWatch is how long after its end a watch that is taken up again is the same one: a
// page that has lost its connection, or shows one session more, writes no further event.
const sameWatch = time.Minute

// watching is one person's watch of one session.
type watching struct {
	who     curfew.Principal
	session curfew.SessionID
}

// watch says how many streams of it are open, and when the last one was closed.
type watch struct {
	open   int
	closed time.Time
}

// watches notes that somebody reads a session, and whether that is to be written down: a
// watch is once, however many streams it takes; everything else is each time. done ends
// it; whoever could not write it down says so, and it is written down the next time.
func (s *Server) watches(who curfew.Principal, id curfew.SessionID, how string) (first bool, done func(written bool)) {
	if how != "watch" {
		return true, func(bool) {}
	}
	key := watching{who, id}
	s.streamsMu.Lock()
	defer s.streamsMu.Unlock()
	for k, w := range s.watched {
		if w.open == 0 && time.Since(w.closed) > sameWatch {
			delete(s.watched, k)
		}
	}
	w := s.watched[key]
	if first = w == nil; first {
		w = &watch{}
		s.watched[key] = w
	}
	w.open++
	return first, func(written bool) {
		s.streamsMu.Lock()
		defer s.streamsMu.Unlock()
		w.open--
		w.closed = time.Now()
		if !written && s.watched[key] == w {
			delete(s.watched, key)
		}
	}
}

// watched is a recording whose end of being read is told.
type watched struct {
	record.Reader
	over func()
}

func (w *watched) Close() error {
	if w.over != nil {
		w.over()
		w.over = nil
	}
	return w.Reader.Close()
}
