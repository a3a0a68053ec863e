package access

import (
	"bytes"
	"time"

	"github.com/curfewhq/curfew"
)

// AddPerson makes a person known. They gain nothing by it: groups and policies
// give, and those need a second person.
type AddPerson struct{ curfew.PrincipalAdded }

func (c AddPerson) decide(st *State, _ time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	if c.By != "" || len(st.People) > 0 { // the first person is added by the set-up itself
		if err := st.mustBeAdmin(c.By, "add people"); err != nil {
			return nil, err
		}
	}
	if st.People[c.Principal] != nil {
		return nil, curfew.Errorf(curfew.Conflict, "this principal exists")
	}
	for _, p := range st.People {
		if len(c.EmailTag) > 0 && bytes.Equal(p.EmailTag, c.EmailTag) {
			return nil, curfew.Errorf(curfew.Conflict, "somebody with this e-mail address is known already").WithRule("principal.twin")
		}
	}
	facts := []Fact{{curfew.KindPrincipalAdded, c.PrincipalAdded}}
	if len(st.People) == 0 {
		facts = append(facts, Fact{curfew.KindGroupChanged, curfew.GroupChanged{Group: curfew.Administrators, Added: []curfew.Principal{c.Principal}, Settled: true}})
	}
	return facts, nil
}

// Join is a person's first sign-in: the link is used and their passphrase counts.
type Join struct {
	Link       string
	Passphrase curfew.SecretListed
}

func (c Join) decide(st *State, now time.Time) ([]Fact, error) {
	l, ok := st.Links[c.Link]
	if !ok || !now.Before(l.Until) || l.Principal != c.Passphrase.Principal || !st.Enabled(l.Principal) {
		return nil, curfew.Errorf(curfew.NotSignedIn, "this sign-in link is used, over or unknown").WithFix("ask an administrator for a new one: curfew invite")
	}
	who := l.Principal
	if st.People[who].Joined {
		return nil, curfew.Errorf(curfew.Conflict, "this person has signed in before")
	}
	return []Fact{
		{curfew.KindLinkUsed, curfew.SecretUnlisted{ID: c.Link, By: who}},
		{curfew.KindPassphraseSet, c.Passphrase},
		{curfew.KindPrincipalJoined, curfew.PrincipalActed{Principal: who}},
	}, nil
}

// IssueLink makes a one-time link for somebody who has never signed in. Nobody can
// make one for a person who has: whoever could would decide as them (THREATS 4).
type IssueLink struct{ curfew.SecretListed }

func (c IssueLink) decide(st *State, _ time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	p := st.People[c.Principal]
	if p == nil || !p.Enabled {
		return nil, curfew.Errorf(curfew.NotFound, "there is no such person")
	}
	if p.Joined {
		return nil, curfew.Errorf(curfew.Denied, "this person has signed in before; a link would let its holder decide as them").WithRule("link.joined")
	}
	if c.By != "" || !st.InGroup(c.Principal, curfew.Administrators) || !st.Bootstrap() {
		if err := st.mustBeAdmin(c.By, "invite people"); err != nil {
			return nil, err
		}
	}
	return []Fact{{curfew.KindLinkIssued, c.SecretListed}}, nil
}

// ChangePassphrase replaces one's own passphrase; the caller has checked the old one.
type ChangePassphrase struct{ curfew.SecretListed }

func (c ChangePassphrase) decide(st *State, _ time.Time) ([]Fact, error) {
	if err := st.mustBeEnabled(c.Principal); err != nil {
		return nil, err
	}
	return []Fact{{curfew.KindPassphraseSet, c.SecretListed}}, nil
}

// IssueToken lets a client ask and use as the person, until the token's end.
type IssueToken struct{ curfew.SecretListed }

func (c IssueToken) decide(st *State, _ time.Time) ([]Fact, error) {
	if err := st.mustBeEnabled(c.Principal); err != nil {
		return nil, err
	}
	if !st.People[c.Principal].Joined {
		return nil, curfew.Errorf(curfew.NotSignedIn, "this person has not signed in yet")
	}
	return []Fact{{curfew.KindTokenIssued, c.SecretListed}}, nil
}

// WithdrawToken ends a token.
type WithdrawToken struct{ curfew.SecretUnlisted }

func (WithdrawToken) takesAway() bool { return true }
func (c WithdrawToken) decide(st *State, _ time.Time) ([]Fact, error) {
	l, ok := st.Tokens[c.ID]
	if !ok || l.Principal != c.By {
		return nil, curfew.Errorf(curfew.NotFound, "there is no such token")
	}
	return []Fact{{curfew.KindTokenWithdrawn, c.SecretUnlisted}}, nil
}

// SignOutEverywhere makes all earlier credentials of a person worthless.
type SignOutEverywhere struct{ Principal, By curfew.Principal }

func (SignOutEverywhere) takesAway() bool { return true }
func (c SignOutEverywhere) decide(st *State, _ time.Time) ([]Fact, error) {
	if c.Principal != c.By {
		if err := st.mustBeAdmin(c.By, "sign somebody else out"); err != nil {
			return nil, err
		}
	}
	facts := []Fact{{curfew.KindPrincipalSignedOut, curfew.PrincipalActed{Principal: c.Principal, By: c.By}}}
	for id, l := range st.Tokens {
		if l.Principal == c.Principal {
			facts = append(facts, Fact{curfew.KindTokenWithdrawn, curfew.SecretUnlisted{ID: id, By: c.By}})
		}
	}
	for id, r := range st.Requests {
		if r.Principal == c.Principal && r.Credential != "" { // what asked it opens nothing any more
			facts = append(facts, Fact{curfew.KindRequestWithdrawn, curfew.RequestActed{Request: id, By: c.By, Cause: curfew.CauseWithdrawn}})
		}
	}
	return facts, nil
}

// Disable ends everything a person has, and everything they have asked for.
type Disable struct{ Principal, By curfew.Principal }

func (Disable) takesAway() bool { return true }
func (c Disable) decide(st *State, _ time.Time) ([]Fact, error) {
	if err := st.mustBeAdmin(c.By, "disable people"); err != nil {
		return nil, err
	}
	if !st.Enabled(c.Principal) {
		return nil, curfew.Errorf(curfew.NotFound, "there is no such person, or they are disabled already")
	}
	facts := []Fact{{curfew.KindPrincipalDisabled, curfew.PrincipalActed{Principal: c.Principal, By: c.By}}}
	for _, g := range st.byHolder[c.Principal] {
		if g.Live() {
			facts = append(facts, ended(g, curfew.CauseDisabled))
		}
	}
	for id, r := range st.Requests {
		if r.Principal == c.Principal {
			facts = append(facts, Fact{curfew.KindRequestVoided, curfew.RequestActed{Request: id, Cause: curfew.CauseDisabled}})
		}
	}
	return facts, nil
}

// ConfirmClock says that the gateway's clock is right after it was stepped.
type ConfirmClock struct{ By curfew.Principal }

func (c ConfirmClock) decide(st *State, _ time.Time) ([]Fact, error) {
	if err := st.mustBeAdmin(c.By, "confirm the clock"); err != nil {
		return nil, err
	}
	return []Fact{{curfew.KindClockConfirmed, curfew.ClockConfirmed{By: c.By}}}, nil
}
