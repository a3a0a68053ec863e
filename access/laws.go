package access

import (
	"time"

	"github.com/curfewhq/curfew"
)

// Laws checks the laws over the events of a ledger, one after the other, from
// the first. It shares no code with decide and fold, judges no policy again, and
// needs nothing but the events: whoever has an export can run it.
type Laws struct {
	requests map[curfew.RequestID]*lawRequest
	grants   map[curfew.GrantID]*lawGrant
	sessions map[curfew.SessionID]curfew.GrantID
	leases   map[curfew.LeaseID]bool
	people   map[curfew.Principal]curfew.PrincipalKind
	joined   map[curfew.Principal]bool
	asked    map[curfew.CredentialID]bool
	held     map[curfew.StatementID]*lawHeld
	agreed   map[curfew.PlanID]curfew.Principal
	holds    map[curfew.SessionID]map[curfew.Principal]bool
	longest  []lawPromise
	touches  lawTouches
	config   lawConfig
}

type lawRequest struct {
	curfew.RequestAsked
	yes  map[curfew.Principal]bool
	most time.Duration // that everybody has agreed to
	hash []byte
}

type lawGrant struct {
	notBefore  time.Time
	start, end time.Time
	over       bool
	longest    time.Duration
	release    curfew.Release
}

// NewLaws returns a checker that has seen nothing.
func NewLaws() *Laws {
	return &Laws{
		requests: map[curfew.RequestID]*lawRequest{}, grants: map[curfew.GrantID]*lawGrant{},
		sessions: map[curfew.SessionID]curfew.GrantID{}, leases: map[curfew.LeaseID]bool{},
		people: map[curfew.Principal]curfew.PrincipalKind{}, joined: map[curfew.Principal]bool{}, asked: map[curfew.CredentialID]bool{}, held: map[curfew.StatementID]*lawHeld{},
		agreed: map[curfew.PlanID]curfew.Principal{},
		holds:  map[curfew.SessionID]map[curfew.Principal]bool{}, touches: newLawTouches(), config: newLawConfig(),
	}
}

func broken(format string, args ...any) error {
	return curfew.Errorf(curfew.Corrupt, format, args...).WithRule("law")
}

// Check takes the next event; an error names the law that it breaks.
func (l *Laws) Check(e curfew.Event) error {
	if err := l.checkConfig(e); err != nil {
		return err
	}
	if err := l.remember(e); err != nil {
		return err
	}
	switch e.Kind {
	case curfew.KindPrincipalAdded, curfew.KindPrincipalJoined, curfew.KindPlanAgreed, curfew.KindConfigApplied:
		return l.checkPeople(e)
	case curfew.KindRequestAsked, curfew.KindRequestApproved, curfew.KindRequestDenied,
		curfew.KindRequestLapsed, curfew.KindRequestVoided, curfew.KindRequestWithdrawn:
		return l.checkRequest(e)
	case curfew.KindGrantApproved, curfew.KindGrantStarted, curfew.KindGrantExtended, curfew.KindGrantShortened,
		curfew.KindGrantEnded, curfew.KindGrantVerified:
		return l.checkGrant(e)
	case curfew.KindStatementHeld, curfew.KindStatementApproved, curfew.KindStatementReleased, curfew.KindStatementRefused:
		return l.checkStatement(e)
	case curfew.KindRecordingHeld, curfew.KindRecordingReleased, curfew.KindRecordingRemoved, curfew.KindRetentionChanged:
		return l.checkRecording(e)
	case curfew.KindSessionOpened, curfew.KindSessionEnded, curfew.KindLeasePlanned, curfew.KindLeaseMade, curfew.KindLeaseVerified:
		return l.checkUse(e)
	}
	if folder(e.Kind) == nil {
		return broken("the kind %q is not known", e.Kind)
	}
	return nil
}

// see decodes the body and hands it to f.
func see[T any](e curfew.Event, f func(T) error) error {
	var b T
	if err := decode(e, &b); err != nil {
		return curfew.Wrap(curfew.Corrupt, err, "the body of %s", e.Kind)
	}
	return f(b)
}

func (l *Laws) checkPeople(e curfew.Event) error {
	switch e.Kind {
	case curfew.KindPrincipalAdded:
		return see(e, func(b curfew.PrincipalAdded) error {
			if _, ok := l.people[b.Principal]; ok {
				return broken("the principal %s is added twice", b.Principal)
			}
			l.people[b.Principal] = b.Kind
			return nil
		})
	case curfew.KindPrincipalJoined:
		return see(e, func(b curfew.PrincipalActed) error { l.joined[b.Principal] = true; return nil })
	case curfew.KindPlanAgreed:
		return see(e, func(b curfew.PlanActed) error {
			l.agreed[b.Plan] = b.By
			return l.checkTouch(e, b.By, b.Touch, l.planRecord(b))
		})
	}
	return see(e, l.checkApplied)
}

func (l *Laws) checkApplied(b curfew.ConfigApplied) error {
	if !b.Gains {
		return nil
	}
	if b.Bootstrap {
		n := 0
		for _, p := range l.config.now.Groups[curfew.Administrators] {
			if l.joined[p] {
				n++
			}
		}
		if n >= 2 {
			return broken("a change that gives was applied by one person although there are %d administrators", n)
		}
		return nil
	}
	by, plan := l.agreed[b.Plan], l.config.plans[b.Plan]
	if by == "" || by == b.Author || by != b.Agreed || by == plan.Author || plan.Plan == "" {
		return broken("a change that gives was applied without a second person's agreement")
	}
	return nil
}

func (l *Laws) checkRequest(e curfew.Event) error {
	if e.Kind == curfew.KindRequestAsked {
		return see(e, func(b curfew.RequestAsked) error {
			if string(digestOf(b)) != string(b.Digest) {
				return broken("the request %s does not have the digest it says", b.Request)
			}
			if b.Credential != "" && l.asked[b.Credential] {
				return broken("connections with the credential %s asked twice", b.Credential)
			}
			if b.Credential != "" {
				l.asked[b.Credential] = true
			}
			l.requests[b.Request] = &lawRequest{RequestAsked: b, yes: map[curfew.Principal]bool{}, most: b.Duration, hash: hashOf(e)}
			return nil
		})
	}
	return see(e, func(b curfew.RequestActed) error {
		r := l.requests[b.Request]
		if r == nil {
			return broken("%s speaks of the request %s, which is not waiting", e.Kind, b.Request)
		}
		if e.Kind == curfew.KindRequestDenied {
			if err := l.checkTouch(e, b.By, b.Touch, l.requestRecord(r, curfew.ActDeny, b, r.Duration)); err != nil {
				return err
			}
		}
		if e.Kind != curfew.KindRequestApproved {
			delete(l.requests, b.Request)
			return nil
		}
		switch {
		case b.By == r.Principal:
			return broken("%s approved their own request %s", b.By, b.Request)
		case l.people[b.By] != curfew.Person:
			return broken("a machine or a stranger approved the request %s", b.Request)
		case string(b.Digest) != string(r.Digest):
			return broken("an approval of %s is for something else", b.Request)
		case !e.Time.Before(r.Lapses):
			return broken("the request %s was approved after it had lapsed", b.Request)
		}
		if err := l.checkTouch(e, b.By, b.Touch, l.requestRecord(r, curfew.ActApprove, b, b.For)); err != nil {
			return err
		}
		r.yes[b.By] = true
		r.most = min(r.most, b.For)
		return nil
	})
}

func (l *Laws) checkGrant(e curfew.Event) error {
	switch e.Kind {
	case curfew.KindGrantApproved:
		return see(e, l.checkApproved)
	case curfew.KindGrantStarted:
		return see(e, func(b curfew.GrantStarted) error {
			g := l.grants[b.Grant]
			if g == nil || g.over || !g.start.IsZero() || e.Time.Before(g.notBefore) || !b.End.After(e.Time) || b.End.Sub(e.Time) > g.longest {
				return broken("the grant %s cannot start", b.Grant)
			}
			g.start, g.end = e.Time, b.End
			return nil
		})
	case curfew.KindGrantExtended, curfew.KindGrantShortened:
		return see(e, func(b curfew.GrantMoved) error { return l.checkMoved(e, b) })
	case curfew.KindGrantEnded:
		return see(e, func(b curfew.GrantEnded) error {
			g := l.grants[b.Grant]
			if g == nil || g.over {
				return broken("the grant %s ends, and is not live", b.Grant)
			}
			g.over = true
			return nil
		})
	}
	return see(e, func(b curfew.GrantVerified) error {
		if g := l.grants[b.Grant]; g == nil || !g.over {
			return broken("the grant %s is verified gone, and has not ended", b.Grant)
		}
		delete(l.grants, b.Grant)
		return nil
	})
}

func (l *Laws) checkApproved(b curfew.GrantApproved) error {
	r := l.requests[b.Request]
	if r == nil || r.Principal != b.Principal || r.Role != b.Role || r.Resource != b.Resource || b.Duration > r.Duration {
		return broken("the grant %s is not what the request %s asked for", b.Grant, b.Request)
	}
	if r.Policy != b.Policy || r.Workflow != b.Workflow || r.RoleVersion != b.RoleVersion || r.ResourceVersion != b.ResourceVersion || b.Start.Before(r.Start) || b.Duration > r.most {
		return broken("the grant %s is not what was agreed to of the request %s", b.Grant, b.Request)
	}
	for _, by := range b.By {
		if !r.yes[by] {
			return broken("the grant %s names %s, who did not agree to it", b.Grant, by)
		}
	}
	if err := r.enough(); err != nil {
		return err
	}
	if l.grants[b.Grant] != nil {
		return broken("the grant %s is given twice", b.Grant)
	}
	delete(l.requests, b.Request)
	l.grants[b.Grant] = &lawGrant{notBefore: b.Start, longest: b.Duration, release: b.Release}
	return nil
}

// enough demands as many distinct people as the needs count together.
func (r *lawRequest) enough() error {
	want := 0
	for _, n := range r.Needs {
		want += max(n.Count, 1)
	}
	if len(r.yes) < want {
		return broken("the request %s was granted with %d approvals of %d", r.Request, len(r.yes), want)
	}
	return nil
}

func (l *Laws) checkMoved(e curfew.Event, b curfew.GrantMoved) error {
	g := l.grants[b.Grant]
	if g == nil || g.over || g.start.IsZero() {
		return broken("the end of %s is moved, and it is not live", b.Grant)
	}
	if e.Kind == curfew.KindGrantShortened {
		if b.End.After(g.end) {
			return broken("the grant %s is shortened to a later end", b.Grant)
		}
		g.end = b.End
		return nil
	}
	r := l.requests[b.Request]
	if r == nil || r.Extends != b.Grant || b.End.Sub(g.end) > r.most+time.Second {
		return broken("the grant %s is extended, and nobody asked for that", b.Grant)
	}
	if err := r.enough(); err != nil {
		return err
	}
	delete(l.requests, b.Request)
	g.end = b.End
	return nil
}

func (l *Laws) checkUse(e curfew.Event) error {
	switch e.Kind {
	case curfew.KindSessionOpened:
		return see(e, func(b curfew.SessionOpened) error {
			g := l.grants[b.Grant]
			if g == nil || g.over || g.start.IsZero() || !e.Time.Before(g.end) {
				return broken("the session %s was opened without a live grant", b.Session)
			}
			l.sessions[b.Session] = b.Grant
			return nil
		})
	case curfew.KindSessionEnded:
		return see(e, func(b curfew.SessionEnded) error {
			if _, ok := l.sessions[b.Session]; !ok {
				return broken("the session %s ends, and was not open", b.Session)
			}
			delete(l.sessions, b.Session)
			return nil
		})
	case curfew.KindLeasePlanned:
		return see(e, func(b curfew.LeasePlanned) error {
			if l.grants[b.Grant] == nil {
				return broken("the lease %s is for no grant", b.Lease)
			}
			l.leases[b.Lease] = true
			return nil
		})
	case curfew.KindLeaseMade:
		return see(e, func(b curfew.LeaseMade) error { return l.checkLease(b.Lease) })
	}
	return see(e, func(b curfew.LeaseVerified) error {
		err := l.checkLease(b.Lease)
		delete(l.leases, b.Lease)
		return err
	})
}

func (l *Laws) checkLease(id curfew.LeaseID) error {
	if !l.leases[id] {
		return broken("the lease %s was not written down first", id)
	}
	return nil
}
