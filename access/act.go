package access

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
)

// writtenBound is how long a command that has acted waits to be written before
// its caller is told that it is not yet.
const writtenBound = time.Second

// acted is a command that has acted already, or that says what has happened. It
// is tried until it is written.
type acted struct {
	command Command
	at      time.Time // when it acted: what it decides again is of that time; zero: the turn's
	line    *line     // in the reserve; nil: not kept
	bars    bars
	settled chan struct{} // closed when it is written; nil: nobody may wait for it
}

// again decides the command as of when it acted. Whoever acted was allowed to
// then, and may not be any more.
func (a *acted) again(st *State, turn time.Time) ([]Fact, error) {
	if a.at.IsZero() {
		return a.command.decide(st, turn)
	}
	st.rules()
	same := *st
	same.proved = true
	return a.command.decide(&same, a.at)
}

// bars are what facts take away, as the gates need it.
type bars struct {
	grants   map[curfew.GrantID]Ended
	sessions map[curfew.SessionID]Ended
	moves    map[curfew.GrantID]time.Time // to a nearer end
	people   map[curfew.Principal]bool    // their tokens and credentials
	tokens   map[string]bool
}

func barsOf(facts []Fact, now time.Time) (b bars) {
	for _, f := range facts {
		switch body := f.Body.(type) {
		case curfew.GrantEnded:
			put(&b.grants, body.Grant, Ended{Cause: body.Cause, By: body.By, At: now})
		case curfew.SessionCut:
			put(&b.sessions, body.Session, Ended{Cause: curfew.CauseSessionCut, By: body.By, At: now})
		case curfew.GrantMoved:
			if f.Kind == curfew.KindGrantShortened {
				put(&b.moves, body.Grant, body.End)
			}
		case curfew.PrincipalActed:
			if f.Kind == curfew.KindPrincipalDisabled || f.Kind == curfew.KindPrincipalSignedOut {
				put(&b.people, body.Principal, true)
			}
		case curfew.SecretUnlisted:
			if f.Kind == curfew.KindTokenWithdrawn {
				put(&b.tokens, body.ID, true)
			}
		}
	}
	return b
}

// put makes the map where it is needed: most commands take nothing away.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// takeAway lets a command act before it is written: a ledger that is stuck keeps
// nobody in (THREATS 13). What acts is kept in the reserve, so that neither a
// ledger that fails nor the end of this process undoes it. It is answered as
// done once it is written, as not yet written once it is kept, and as neither by
// an error that says so.
func (s *Service) takeAway(ctx context.Context, c takesAway) (Receipt, error) {
	var facts []Fact
	var err error
	now := s.Now()
	s.View(func(st *State) { facts, err = c.decide(st, now) })
	if err != nil {
		return Receipt{}, err
	}
	if len(facts) == 0 {
		return s.inTurn(ctx, c) // what it is about may be on its way into the ledger
	}
	a := &acted{command: c, at: now, bars: barsOf(facts, now), settled: make(chan struct{})}
	if same, tooMany := s.like(a); same != nil {
		return s.join(ctx, c, same)
	} else if tooMany {
		return Receipt{}, curfew.Errorf(curfew.Limited, "%d such commands about the same thing wait for the ledger already", mostAlike).WithFix("wait until the ledger answers: curfew doctor says what is wrong with it")
	}
	keeping := s.actNow(a)
	j := newJob(c)
	j.acted = a
	s.pushFirst(j)

	done, stopped := j.done, s.stopped
	late, bound := time.NewTimer(writtenBound), time.NewTimer(answerBound)
	defer late.Stop()
	defer bound.Stop()
	var kept, unwritten, failed bool
	for {
		switch {
		case kept && unwritten:
			return Receipt{Written: false}, nil
		case failed && keeping == nil:
			return Receipt{}, notKept()
		}
		select {
		case <-done:
			if !j.late {
				return j.receipt, j.err
			}
			done, unwritten, failed = nil, true, true
		case err := <-keeping:
			keeping, kept = nil, err == nil
		case <-late.C:
			unwritten = true
		case <-stopped:
			select {
			case <-j.done: // its turn was the last one
				stopped = nil
			default:
				stopped, unwritten, failed = nil, true, true
			}
		case <-bound.C:
			return Receipt{}, notKept()
		case <-ctx.Done():
			return Receipt{}, curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "it has acted; whether it is in the ledger yet is not known").WithRule("ledger.unknown")
		}
	}
}

// mostAlike is how many shortenings of one grant may wait for the ledger: the
// reserve is not one holder's to fill.
const mostAlike = 16

// like finds a command that has acted already, is not written yet, and takes away
// all that this one does.
func (s *Service) like(a *acted) (same *acted, tooMany bool) {
	aim := aimOf(a.command)
	alike := 0
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	for other := range s.acts {
		if aim == "" || aimOf(other.command) != aim {
			continue
		}
		alike++
		if !a.bars.nearerThan(other.bars) {
			return other, false
		}
	}
	return nil, alike >= mostAlike
}

// aimOf says what a command takes away: those with the same aim differ at most in
// who, why, and how near an end is; "" is like no other.
func aimOf(c Command) string {
	switch c := c.(type) {
	case Return:
		return "grant " + string(c.Grant)
	case Revoke:
		return "grant " + string(c.Grant)
	case Spend:
		return "grant " + string(c.Grant)
	case Shorten:
		return "shorten " + string(c.Grant)
	case CutSession:
		return "session " + string(c.Session)
	case Disable:
		return "disable " + string(c.Principal)
	case SignOutEverywhere:
		return "sign out " + string(c.Principal)
	case WithdrawToken:
		return "token " + c.ID
	case CloseWorkflow:
		return "workflow " + string(c.ID)
	case UsedOutside:
		return "outside " + string(c.Lease)
	}
	return ""
}

// nearerThan reports whether b moves an end nearer than other does.
func (b bars) nearerThan(other bars) bool {
	for g, end := range b.moves {
		if have, ok := other.moves[g]; !ok || end.Before(have) {
			return true
		}
	}
	return false
}

// join answers a command by what becomes of one that has done the same.
func (s *Service) join(ctx context.Context, c Command, same *acted) (Receipt, error) {
	late := time.NewTimer(writtenBound)
	defer late.Stop()
	select {
	case <-same.settled:
		return s.inTurn(ctx, c) // it is in the ledger, which says what is left to do
	case <-late.C:
	case <-ctx.Done():
	}
	if same.line != nil && s.parts.Reserve.holds(same.line) {
		return Receipt{Written: false}, nil
	}
	return Receipt{}, notKept()
}

// actAgain reads from the reserve what had acted before this process began, so
// that it bars from the first moment on, whether or not the ledger answers.
func (s *Service) actAgain() error {
	if s.parts.Reserve == nil {
		return nil
	}
	var err error
	if s.unwritten, err = s.parts.Reserve.kept(); err != nil {
		return err
	}
	for _, a := range s.unwritten {
		a.settled = make(chan struct{})
		if facts, err := a.again(s.state, s.state.Now); err == nil { // else it takes nothing away any more
			a.bars = barsOf(facts, a.at)
		}
		s.acts[a] = struct{}{}
	}
	return nil
}

func notKept() error {
	return curfew.Errorf(curfew.Unavailable, "it has acted at the gate, but could neither be written to the ledger nor kept: if the gateway stops before it is written, it is undone").
		WithRule("ledger.unwritten").WithFix("do it again once the ledger answers; curfew doctor says what is wrong with it")
}

// actNow shuts the gates and begins to keep the command. The channel says how that went.
func (s *Service) actNow(a *acted) (kept <-chan error) {
	s.liveMu.Lock()
	s.acts[a] = struct{}{}
	s.liveMu.Unlock()
	s.shutGates(a.bars)
	done := make(chan error, 1)
	if s.parts.Reserve == nil || nameOf(a.command) == "" {
		done <- curfew.Errorf(curfew.Unavailable, "it is not for the reserve")
		return done
	}
	a.line = &line{}
	s.keeping.Go(func() { // the reserve's disk may stall too
		err := s.parts.Reserve.keep(a)
		if err != nil {
			s.log.Error("what takes access away could not be kept in the reserve", "err", err)
		}
		done <- err
	})
	return done
}

// written forgets a command that has acted: it is written, or its turn found
// nothing left to take away.
func (s *Service) written(a *acted) {
	s.liveMu.Lock()
	_, acts := s.acts[a]
	delete(s.acts, a)
	s.liveMu.Unlock()
	if acts && a.settled != nil {
		close(a.settled)
	}
	if a.line == nil {
		return
	}
	if err := s.parts.Reserve.strike(a.line); err != nil {
		s.log.Error("the reserve could not be cleared of what is written", "err", err)
	}
}

// Withdrawn reports whether a command that has acted, and is not in the ledger
// yet, took away what this person, or this token of theirs, may do.
func (s *Service) Withdrawn(who curfew.Principal, token string) bool {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	for a := range s.acts {
		if a.bars.people[who] || a.bars.tokens[token] {
			return true
		}
	}
	return false
}

// Unwritten is how many commands have acted and are not in the ledger yet.
func (s *Service) Unwritten() int {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	return len(s.acts)
}

// shutGates ends the permits of all that is barred, and moves ends nearer.
func (s *Service) shutGates(b bars) {
	s.endGrants(b.grants)
	for id, e := range b.sessions {
		s.endSession(id, e)
	}
	if len(b.moves) == 0 {
		return
	}
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	for id, end := range b.moves {
		for _, p := range s.byGrant[id] {
			p.nearer(time.Now(), end)
		}
	}
}

// barred is what has acted on a grant and is not written yet. Call it with liveMu held.
func (s *Service) barred(p *Permit) (e Ended, over bool) {
	for a := range s.acts {
		if end, ok := a.bars.moves[p.grant.ID]; ok {
			p.nearer(time.Now(), end)
		}
		if e, ok := a.bars.grants[p.grant.ID]; ok {
			return e, true
		}
	}
	return Ended{}, false
}
