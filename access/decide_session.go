package access

import (
	"cmp"
	"time"

	"github.com/curfewhq/curfew"
)

// Credential is a connection credential that a client has proved to hold. It is
// useless without a live grant.
type Credential struct {
	ID         curfew.CredentialID
	Principal  curfew.Principal
	Grant      curfew.GrantID
	Resource   curfew.ResourceName
	Asks       *Asking // what a connection without access asks for; nil: it is of Grant
	Until      time.Time
	Once       bool
	ByHand     bool   // made for somebody at a terminal
	SignIn     string // the sign-in that it is worth nothing without; "": it stands by itself
	Generation uint64
}

// OpenSession lets one connection in.
type OpenSession struct {
	Session    curfew.SessionID
	Credential Credential
	Client     string
	Program    string
}

func (c OpenSession) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	g, err := st.Authorize(c.Credential, now)
	if err != nil {
		return nil, err
	}
	// Whatever ends a grant is an event, and its end is never later than its
	// window's; the policy is asked again all the same before a door opens.
	if cause := st.overFor(g, now); cause != "" {
		return nil, refusal(cause, "your access to %s is over", g.Resource)
	}
	var facts []Fact
	if g.Status == Scheduled {
		facts = st.started(g, false, now)
		if facts[0].Kind == curfew.KindGrantEnded {
			return nil, curfew.Errorf(curfew.Lapsed, "the grant %s can no longer start", g.ID).WithRule("grant." + string(facts[0].Body.(curfew.GrantEnded).Cause))
		}
	}
	return append(facts, Fact{curfew.KindSessionOpened, curfew.SessionOpened{
		Session: c.Session, Grant: g.ID, Principal: g.Principal, Resource: g.Resource,
		Credential: c.Credential.ID, CredentialOnce: c.Credential.Once, CredentialUntil: c.Credential.Until, CredentialAsks: c.Credential.Asks != nil,
		Client: c.Client, Program: c.Program,
	}}), nil
}

// Authorize answers whether the holder of the credential may open a session now,
// and under which grant. It changes nothing and allocates nothing when it says yes.
func (st *State) Authorize(c Credential, now time.Time) (*Grant, error) {
	if err := st.Counts(c, now); err != nil {
		return nil, err
	}
	if _, used := st.Used[c.ID]; used && c.Once {
		return nil, curfew.Errorf(curfew.NotSignedIn, "this credential has been used; it was for one connection").WithRule("credential.used").WithFix("curfew connect")
	}
	g := st.Grants[c.Grant]
	if g == nil || g.Principal != c.Principal {
		return nil, curfew.Errorf(curfew.Lapsed, "the grant %s is over", c.Grant).WithRule("grant.ended").WithFix("ask again: curfew request")
	}
	if !g.Live() {
		return nil, refusal(g.Cause, "your access to %s ended at %s", g.Resource, g.EndedAt.Format("15:04 MST"))
	}
	if g.Status == Scheduled && now.Before(g.NotBefore) {
		return nil, curfew.Errorf(curfew.Denied, "your access to %s starts at %s", g.Resource, g.NotBefore.Format("15:04 MST")).WithRule("grant.early")
	}
	if st.ClockStepped && len(st.Config.Policies[g.Policy].Hours) > 0 {
		return nil, curfew.Errorf(curfew.Clock, "the gateway's clock was stepped; access by window waits for an administrator").WithRule("gateway.clock").WithFix("an administrator confirms the time: curfew doctor --confirm-clock")
	}
	if g.Status == Active && !now.Before(g.End) {
		return nil, refusal(cmp.Or(g.EndCause, curfew.CauseExpired), "your access to %s ended at %s", g.Resource, g.End.Format("15:04 MST"))
	}
	if c := st.rules(); c.roles[g.Role] != g.RoleVersion || c.resources[g.Resource] != g.ResourceVersion {
		return nil, refusal(curfew.CauseRole, "your access to %s is over: what was approved has changed", g.Resource)
	}
	return g, nil
}

// Counts reports why the credential is worth nothing now, whatever its holder has been given.
func (st *State) Counts(c Credential, now time.Time) error {
	p := st.People[c.Principal]
	switch {
	case p == nil || !p.Enabled:
		return refusal(curfew.CauseDisabled, "the credential's owner is disabled")
	case p.Generation != c.Generation:
		return curfew.Errorf(curfew.NotSignedIn, "this credential was withdrawn").WithRule("credential.withdrawn").WithFix("curfew connect")
	case c.SignIn != "" && st.Tokens[c.SignIn].Principal != c.Principal:
		return curfew.Errorf(curfew.NotSignedIn, "you have signed out").WithRule("credential.withdrawn").WithFix("curfew login")
	case !now.Before(c.Until):
		return curfew.Errorf(curfew.NotSignedIn, "this credential ended at %s", c.Until.Format("15:04:05 MST")).WithRule("credential.ended").WithFix("curfew connect")
	}
	return nil
}

func refusal(cause curfew.Cause, format string, args ...any) error {
	return curfew.Errorf(curfew.Lapsed, format, args...).WithRule("grant." + string(cause)).WithFix("ask again: curfew request")
}

// EndSession says what a session came to.
type EndSession struct {
	curfew.SessionEnded
	Uncounted bool // what it spent is not known: where that is bounded, the grant ends
}

func (EndSession) happened() {}
func (c EndSession) decide(st *State, _ time.Time) ([]Fact, error) {
	s := st.Sessions[c.Session]
	if s == nil {
		return nil, nil
	}
	facts := append(st.heldIn(c.Session, c.Cause), Fact{curfew.KindSessionEnded, c.SessionEnded})
	if g := st.Grants[s.Grant]; c.Uncounted && g != nil && g.Live() && g.Budget.Some() {
		facts = append(facts, Fact{curfew.KindGrantEnded, curfew.GrantEnded{Grant: g.ID, Cause: curfew.CauseBudget}})
	}
	return facts, nil
}

// CutSession ends one session; its grant goes on.
type CutSession struct {
	Session curfew.SessionID
	By      curfew.Principal
	Why     curfew.Sealed
}

func (CutSession) takesAway() bool { return true }
func (c CutSession) decide(st *State, now time.Time) ([]Fact, error) {
	s := st.Sessions[c.Session]
	if s == nil {
		return nil, curfew.Errorf(curfew.NotFound, "there is no live session %s", c.Session)
	}
	g := st.Grants[s.Grant]
	if g == nil || !st.MayRevoke(g, c.By, now) {
		return nil, curfew.Errorf(curfew.Denied, "you may not cut %s: administrators, and people who may approve its grant, can", c.Session).WithRule("revoker")
	}
	return []Fact{{curfew.KindSessionCut, curfew.SessionCut{Session: c.Session, By: c.By, Why: c.Why}}}, nil
}

// Note appends what happened and needs no decision: a recording that was watched,
// searched or exported, an anchor, a refused connection, an errand, a snapshot.
type Note struct {
	Kind curfew.Kind
	Body any
}

func (c Note) decide(*State, time.Time) ([]Fact, error) {
	switch c.Kind {
	case curfew.KindRecordingWatched, curfew.KindRecordingsSearched, curfew.KindRecordingExported, curfew.KindRecordingsAnchored, curfew.KindSessionRefused,
		curfew.KindRefusalsCounted, curfew.KindErrandRun, curfew.KindSnapshotTaken, curfew.KindClockStepped:
		return []Fact{{c.Kind, c.Body}}, nil
	}
	return nil, curfew.Errorf(curfew.Internal, "%s is not a note", c.Kind)
}
