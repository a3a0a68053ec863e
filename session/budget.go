package session

import (
	"sync/atomic"

	"github.com/curfewhq/curfew"
)

// Meter counts what the live sessions of one grant spend together, against its
// budget. Safe for concurrent use.
type Meter struct {
	limit                   curfew.Budget
	statements, rows, bytes atomic.Int64
}

// NewMeter starts where sessions that are over have left it.
func NewMeter(limit, spent curfew.Budget) *Meter {
	m := &Meter{limit: limit}
	m.statements.Store(spent.Statements)
	m.rows.Store(spent.Rows)
	m.bytes.Store(spent.Bytes)
	return m
}

// spend reports whether all of it was within the budget.
func (m *Meter) spend(statements, rows, bytes int64) (what string, ok bool) {
	for _, x := range []struct {
		n, limit int64
		count    *atomic.Int64
		what     string
	}{
		{statements, m.limit.Statements, &m.statements, "statements"}, {rows, m.limit.Rows, &m.rows, "rows"}, {bytes, m.limit.Bytes, &m.bytes, "bytes"},
	} {
		if x.n > 0 && x.count.Add(x.n) > x.limit && x.limit > 0 {
			return x.what, false
		}
	}
	return "", true
}

// Metered reports whether what the session does is counted against a budget.
func (s *Session) Metered() bool { return s.parts.Meter != nil }

// Spend takes from the budget before anything goes on; recorded statements are
// taken by Observe. False says that it is beyond the budget and must not go on: the
// caller sends what came before it, and then calls Exhausted.
func (s *Session) Spend(statements, rows, bytes int64) bool {
	m := s.parts.Meter
	if m == nil {
		return true
	}
	s.spent.statements.Add(statements)
	s.spent.rows.Add(rows)
	s.spent.bytes.Add(bytes)
	what, ok := m.spend(statements, rows, bytes)
	if !ok {
		s.beyond.Store(&what)
	}
	return ok
}

// Exhausted ends the session and its grant after Spend has said no.
func (s *Session) Exhausted() {
	what := s.beyond.Load()
	if what == nil || s.Permit().Over() {
		return
	}
	writes := s.parts.Spent != nil && s.expect()
	s.Permit().Fail(curfew.CauseBudget, "its "+*what+" are spent")
	if writes {
		go func() { // the gate is shut already
			defer s.ending.Done()
			s.parts.Spent()
		}()
	}
}

// expect has the session's end wait for one more thing; false: it is over already.
func (s *Session) expect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.finishing {
		s.ending.Add(1)
	}
	return !s.finishing
}
