package session

import (
	"context"
	"net"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// Bounds of the cut's stages.
const (
	farewellBound  = 5 * time.Millisecond
	terminateBound = 10 * time.Second
)

// cut runs when the permit is over, once: the gate is shut already; nobody
// inside it; farewell; both legs reset; the work at the target gone; the
// recording sealed.
func (s *Session) cut() {
	began := time.Now()
	s.mu.Lock()
	legs := s.legs
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()

	ended, _ := s.Ended()
	if legs.Target != nil {
		_ = legs.Target.SetWriteDeadline(time.Unix(1, 0)) // frees a writer that the target keeps waiting
	}
	s.drain(began.Add(farewellBound))
	if legs.Farewell != nil && ended.Cause != curfew.CauseClosed {
		legs.Farewell(ended, time.Now().Add(farewellBound))
	}
	s.mu.Lock()
	legs = s.legs // attached meanwhile
	s.mu.Unlock()
	resetLegs(legs)
	s.mu.Lock()
	s.cutTook = time.Since(began)
	s.mu.Unlock()
	s.finish()
}

// drain waits until nobody is between Enter and Leave, or the bound is reached.
// The legs' reset frees whoever is left.
func (s *Session) drain(by time.Time) {
	for s.inflight.Load() > 0 && time.Now().Before(by) {
		time.Sleep(20 * time.Microsecond)
	}
}

func (s *Session) finish() {
	ended, _ := s.Ended()
	work := s.Work()
	gone := true
	if len(work) > 0 && s.parts.Terminate != nil {
		ctx, cancel := context.WithTimeout(context.Background(), terminateBound)
		gone = s.parts.Terminate(ctx, work) == nil
		cancel()
	}
	_ = s.parts.Record.Close(record.Item{Kind: record.Closed, Text: ended.Why, Code: string(ended.Cause)})
	s.mu.Lock()
	s.finishing = true
	s.mu.Unlock()
	s.ending.Wait()
	if s.parts.Done != nil {
		s.parts.Done(s.summary(gone))
	}
	close(s.finished)
}

func (s *Session) summary(gone bool) Summary {
	ended, _ := s.Ended()
	s.mu.Lock()
	took := s.cutTook
	s.mu.Unlock()
	return Summary{
		Session: s.parts.Permit.Session(), Ended: ended, Terminated: gone, CutTook: took,
		Statements: s.counts.statements.Load(), Refused: s.counts.refused.Load(),
		Spent: curfew.Budget{Statements: s.spent.statements.Load(), Rows: s.spent.rows.Load(), Bytes: s.spent.bytes.Load()},
		Rows:  s.counts.rows.Load(), Bytes: s.counts.bytes.Load(),
	}
}

func resetLegs(l Legs) {
	reset(l.Target)
	reset(l.Client)
}

// reset closes a connection so that the kernel forgets what it has not sent.
func reset(c net.Conn) {
	for c != nil {
		switch v := c.(type) {
		case *net.TCPConn:
			_ = v.SetLinger(0)
			_ = v.Close()
			return
		case interface{ NetConn() net.Conn }: // *tls.Conn and wrappers
			c = v.NetConn()
		default:
			_ = c.Close()
			return
		}
	}
}
