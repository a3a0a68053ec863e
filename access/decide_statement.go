package access

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/quorum"
)

// MostHeld is how many statements of one principal may wait for a release.
const MostHeld = 5

// Held is a statement that waits in its session for a release.
type Held struct {
	curfew.StatementHeld
	At    time.Time `json:"at"`
	Hash  []byte    `json:"hash,omitempty"` // of its event
	Votes []Vote    `json:"votes,omitempty"`
}

// Hold holds one statement of a session. Nothing of it is sent meanwhile.
type Hold struct {
	Statement curfew.StatementID
	Session   curfew.SessionID
	Classes   []curfew.StatementClass
	Digest    []byte // of all that a release is for
}

func (c Hold) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	s := st.Sessions[c.Session]
	if s == nil {
		return nil, curfew.Errorf(curfew.NotFound, "there is no live session %s", c.Session)
	}
	g := st.Grants[s.Grant]
	if g == nil || !g.Live() || !now.Before(g.End) {
		return nil, curfew.Errorf(curfew.Lapsed, "the grant %s is over", s.Grant).WithRule("grant.ended")
	}
	if len(c.Digest) == 0 || len(g.Release.Holds(c.Classes)) != len(c.Classes) || len(c.Classes) == 0 {
		return nil, curfew.Errorf(curfew.Internal, "the grant %s holds no statement of %v", g.ID, c.Classes)
	}
	mine := 0
	for _, h := range st.Held {
		if h.Session == c.Session {
			return nil, curfew.Errorf(curfew.Conflict, "a statement of this session waits already")
		}
		if h.Principal == g.Principal {
			mine++
		}
	}
	if mine >= MostHeld {
		return nil, curfew.Errorf(curfew.Limited, "%d statements of yours wait already, the most one may have", mine).WithRule("release.many").WithFix("wait for an answer to one of them")
	}
	b := curfew.StatementHeld{
		Statement: c.Statement, Session: c.Session, Grant: g.ID, Principal: g.Principal, Resource: g.Resource, Classes: c.Classes, Digest: c.Digest,
		By: g.Release.By, Lapses: earlier(now.Add(min(max(g.Release.Within, time.Second), curfew.LongestHold)), g.End),
	}
	if lacking := quorum.Lacking(g.Principal, nil, st.releasers(b, now)); len(lacking) > 0 {
		return nil, curfew.Errorf(curfew.Denied, "nobody who could release this statement is there now").WithRule("release.nobody").WithFix("ask whoever keeps the policy %s", g.Policy)
	}
	return []Fact{{curfew.KindStatementHeld, b}}, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// releasers is who may release it now.
func (st *State) releasers(b curfew.StatementHeld, now time.Time) []quorum.Need {
	var p curfew.PolicyName
	if g := st.Grants[b.Grant]; g != nil {
		p = g.Policy
	}
	return st.needs(b.Principal, p, []curfew.ApprovalNeed{b.By}, now)
}

// MayRelease reports whether a person may release or refuse the statement now, and why not.
func (st *State) MayRelease(h *Held, who curfew.Principal, now time.Time) (bool, string) {
	p := st.People[who]
	switch {
	case p == nil || !p.Enabled:
		return false, "only people who are signed in may decide"
	case p.Kind != curfew.Person:
		return false, "a machine never approves"
	case who == h.Principal:
		return false, "nobody releases their own statement"
	case slices.ContainsFunc(h.Votes, func(v Vote) bool { return v.By == who }):
		return false, "you have released it already; it takes others as well"
	case !slices.Contains(st.releasers(h.StatementHeld, now)[0].From, who):
		return false, "the policy asks other people, or your membership is too young"
	}
	return true, ""
}

// Releasers are the people who may release the statement and have not yet.
func (st *State) Releasers(h *Held, now time.Time) (out []curfew.Principal) {
	for _, p := range st.releasers(h.StatementHeld, now)[0].From {
		if !slices.ContainsFunc(h.Votes, func(v Vote) bool { return v.By == p }) {
			out = append(out, p)
		}
	}
	return out
}

func (st *State) releasable(id curfew.StatementID, by curfew.Principal, now time.Time) (*Held, error) {
	h := st.Held[id]
	if h == nil {
		return nil, curfew.Errorf(curfew.NotFound, "no statement %s is waiting", id).WithFix("what is: curfew review")
	}
	if !now.Before(h.Lapses) {
		return nil, curfew.Errorf(curfew.Lapsed, "the statement %s lapsed at %s", id, h.Lapses.Format("15:04 MST"))
	}
	if ok, why := st.MayRelease(h, by, now); !ok {
		return nil, curfew.Errorf(curfew.Denied, "you may not decide this: %s", why).WithRule("approver")
	}
	return h, nil
}

// ReleaseStatement is one person's agreement to exactly what they were shown.
type ReleaseStatement struct {
	Statement curfew.StatementID
	By        curfew.Principal
	Digest    []byte        // of what was shown
	Touch     *curfew.Touch // by which; nil: by a passphrase, which the caller has checked
}

func (c ReleaseStatement) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	h, err := st.releasable(c.Statement, c.By, now)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(c.Digest, h.Digest) {
		return nil, curfew.Errorf(curfew.Conflict, "the statement is not the one that was shown").WithRule("request.changed").WithFix("look again: curfew show %s", h.Statement)
	}
	if g := st.Grants[h.Grant]; g == nil || !g.Live() || !st.Enabled(h.Principal) || st.Sessions[h.Session] == nil {
		return nil, curfew.Errorf(curfew.Lapsed, "the session of this statement is over").WithRule("grant.ended")
	}
	if err := st.touched(c.By, c.Touch, st.statementRecord(h, curfew.ActRelease, c.By), now); err != nil {
		return nil, err
	}
	facts := []Fact{{curfew.KindStatementApproved, curfew.StatementActed{Statement: h.Statement, Session: h.Session, By: c.By, Digest: h.Digest, Touch: c.Touch}}}
	votes := make([]quorum.Vote, 0, len(h.Votes)+1)
	for _, v := range append(slices.Clone(h.Votes), Vote{By: c.By, At: now}) {
		if st.Enabled(v.By) { // disabled since: neither yes nor no
			votes = append(votes, quorum.Vote{By: v.By, Kind: st.kindOf(v.By), Yes: true, At: v.At})
		}
	}
	tally := quorum.Tally(h.Principal, nil, st.releasers(h.StatementHeld, now), votes)
	if tally.State != quorum.Won {
		return facts, nil
	}
	return append(facts, Fact{curfew.KindStatementReleased, curfew.StatementActed{Statement: h.Statement, Session: h.Session, By: c.By, All: tally.Yes, Digest: h.Digest}}), nil
}

// RefuseStatement is one person's no; it ends the wait, whoever has agreed.
type RefuseStatement struct {
	Statement curfew.StatementID
	By        curfew.Principal
	Why       curfew.Sealed
	Touch     *curfew.Touch // as of ReleaseStatement
}

func (c RefuseStatement) decide(st *State, now time.Time) ([]Fact, error) {
	h, err := st.releasable(c.Statement, c.By, now)
	if err != nil {
		return nil, err
	}
	if err := st.touched(c.By, c.Touch, st.statementRecord(h, curfew.ActRefuse, c.By), now); err != nil {
		return nil, err
	}
	return []Fact{{curfew.KindStatementRefused, curfew.StatementActed{Statement: h.Statement, Session: h.Session, By: c.By, Why: c.Why, Cause: curfew.CauseDenied, Touch: c.Touch}}}, nil
}

// DropStatement says that whoever sent a held statement no longer wants it, or is gone.
type DropStatement struct {
	Statement curfew.StatementID
	Cause     curfew.Cause
}

func (DropStatement) happened() {}
func (c DropStatement) decide(st *State, _ time.Time) ([]Fact, error) {
	h := st.Held[c.Statement]
	if h == nil {
		return nil, nil
	}
	return []Fact{refusedStatement(h, c.Cause)}, nil
}

func refusedStatement(h *Held, cause curfew.Cause) Fact {
	return Fact{curfew.KindStatementRefused, curfew.StatementActed{Statement: h.Statement, Session: h.Session, Cause: cause}}
}

// heldIn ends what waits in a session that is over.
func (st *State) heldIn(id curfew.SessionID, cause curfew.Cause) (facts []Fact) {
	for _, h := range st.Held {
		if h.Session == id {
			facts = append(facts, refusedStatement(h, cause)) // at most one
		}
	}
	return facts
}

func foldStatements(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindStatementHeld:
		return hashed(func(st *State, at time.Time, hash []byte, b curfew.StatementHeld) {
			st.Held[b.Statement] = &Held{StatementHeld: b, At: at, Hash: hash}
		})
	case curfew.KindStatementApproved:
		return on(func(st *State, at time.Time, b curfew.StatementActed) {
			if h := st.Held[b.Statement]; h != nil {
				h.Votes = append(h.Votes, Vote{By: b.By, At: at, Touched: b.Touch != nil})
			}
		})
	case curfew.KindStatementReleased, curfew.KindStatementRefused:
		return on(func(st *State, _ time.Time, b curfew.StatementActed) { delete(st.Held, b.Statement) })
	}
	return nil
}

func (s *Service) actStatement(e curfew.Event) {
	var b struct {
		Statement curfew.StatementID `json:"statement"`
	}
	if decode(e, &b) != nil {
		return // it was folded: it decodes
	}
	s.View(func(st *State) {
		if h := st.Held[b.Statement]; h != nil {
			s.deadlines.Set(string(b.Statement), h.Lapses)
		} else {
			s.deadlines.Cancel(string(b.Statement))
		}
	})
}

// Released is what became of a held statement.
type Released struct {
	curfew.StatementActed
	OK bool // released; else refused, and Cause says why
	At time.Time
}

// ReleaseOf finds what became of a held statement behind a position; ok is false
// where nothing has yet.
func (s *Service) ReleaseOf(ctx context.Context, id curfew.StatementID, after uint64) (r Released, ok bool, err error) {
	ok, err = s.findEvent(ctx, after, func(e curfew.Event) bool {
		if e.Kind != curfew.KindStatementReleased && e.Kind != curfew.KindStatementRefused {
			return false
		}
		r = Released{OK: e.Kind == curfew.KindStatementReleased, At: e.Time}
		return decode(e, &r.StatementActed) == nil && r.Statement == id
	})
	return r, ok, err
}

type lawHeld struct {
	curfew.StatementHeld
	yes  map[curfew.Principal]bool
	hash []byte
}

func (l *Laws) checkStatement(e curfew.Event) error {
	if e.Kind == curfew.KindStatementHeld {
		return see(e, func(b curfew.StatementHeld) error {
			g, grant := l.grants[b.Grant], l.sessions[b.Session]
			if grant != b.Grant || g == nil || g.over || l.held[b.Statement] != nil {
				return broken("the statement %s is held in no live session", b.Statement)
			}
			if !reflect.DeepEqual(b.By, g.release.By) {
				return broken("the statement %s does not ask whom its grant says", b.Statement)
			}
			l.held[b.Statement] = &lawHeld{b, map[curfew.Principal]bool{}, hashOf(e)}
			return nil
		})
	}
	return see(e, func(b curfew.StatementActed) error {
		h := l.held[b.Statement]
		if h == nil {
			return broken("%s speaks of the statement %s, which is not waiting", e.Kind, b.Statement)
		}
		switch e.Kind {
		case curfew.KindStatementApproved:
			if err := l.checkTouch(e, b.By, b.Touch, l.statementRecord(h, curfew.ActRelease, b)); err != nil {
				return err
			}
			return l.checkRelease(e, h, b)
		case curfew.KindStatementReleased:
			if g := l.grants[h.Grant]; g == nil || g.over || !e.Time.Before(g.end) {
				return broken("the statement %s was released after its grant had ended", b.Statement)
			}
			if string(b.Digest) != string(h.Digest) || len(h.yes) < max(h.By.Count, 1) {
				return broken("the statement %s was released with %d approvals of %d", b.Statement, len(h.yes), max(h.By.Count, 1))
			}
		case curfew.KindStatementRefused:
			if b.By != "" {
				if err := l.checkTouch(e, b.By, b.Touch, l.statementRecord(h, curfew.ActRefuse, b)); err != nil {
					return err
				}
			}
		}
		delete(l.held, b.Statement)
		return nil
	})
}

func (l *Laws) checkRelease(e curfew.Event, h *lawHeld, b curfew.StatementActed) error {
	switch {
	case b.By == h.Principal:
		return broken("%s released their own statement %s", b.By, b.Statement)
	case l.people[b.By] != curfew.Person:
		return broken("a machine or a stranger released the statement %s", b.Statement)
	case string(b.Digest) != string(h.Digest):
		return broken("a release of %s is for something else", b.Statement)
	case !e.Time.Before(h.Lapses):
		return broken("the statement %s was released after it had lapsed", b.Statement)
	}
	h.yes[b.By] = true
	return nil
}
