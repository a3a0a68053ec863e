package access

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
)

// Asking is what a credential says that its connections ask for, where its holder
// has no access. The person who had it made said so; a client cannot.
type Asking struct {
	Made     time.Time
	Role     curfew.RoleName
	Duration time.Duration
	Reason   curfew.Sealed
	Workflow curfew.WorkflowID
}

// Asked is what became of the one question of a credential. One whose holder had
// access without asking never asks: what ends access asks for nothing.
type Asked struct {
	Request curfew.RequestID `json:"request,omitempty"`
	Until   time.Time        `json:"until"`           // of the credential
	Cause   curfew.Cause     `json:"cause,omitempty"` // why it came to nothing
}

// LongestAsking is the longest life of a credential that asks.
const LongestAsking = 12 * time.Hour

func asksFor(who curfew.Principal, role curfew.RoleName, on curfew.ResourceName) string {
	return string(who) + " " + string(role) + " " + string(on)
}

// once refuses a second question of one credential, and one to which somebody has
// said no since the credential was made, whoever asked it then: a client that
// connects again and again asks nobody again (THREATS 15).
func (c Ask) once(st *State, on curfew.ResourceName, now time.Time) error {
	if c.Credential == "" {
		return nil
	}
	if a, ok := st.Asked[c.Credential]; ok {
		return a.again(c.Role)
	}
	if !now.Before(c.Until) {
		return curfew.Errorf(curfew.NotSignedIn, "this credential ended at %s", c.Until.Format("15:04:05 MST")).WithRule("credential.ended").WithFix("curfew env --ask-on-connect")
	}
	if no, ok := st.Denied[asksFor(c.Principal, c.Role, on)]; ok && !no.Before(c.Made) {
		return curfew.Errorf(curfew.Denied, "your request for %s was denied at %s; to ask again takes a person", c.Role, no.Format("15:04 MST")).
			WithRule("request.denied").WithFix("ask again: curfew request %s", c.Role)
	}
	return nil
}

// MayAsk reports why a credential asks nothing any more, without asking.
func (st *State) MayAsk(c Credential, now time.Time) error {
	return Ask{Credential: c.ID, Made: c.Asks.Made, Until: c.Until, Question: Question{Principal: c.Principal, Role: c.Asks.Role}}.once(st, c.Resource, now)
}

func (a Asked) again(role curfew.RoleName) error {
	what := "has had its access"
	if a.Request != "" {
		what = "has asked once (" + string(a.Request) + ")"
	}
	return curfew.Errorf(curfew.Conflict, "this credential %s; to ask again takes a person", what).WithRule("credential.asked").WithFix("ask again: curfew request %s", role)
}

func (st *State) askedBy(b curfew.RequestAsked, at time.Time) {
	if b.Credential == "" {
		return
	}
	for id, a := range st.Asked {
		if a.Until.Before(at) {
			delete(st.Asked, id)
		}
	}
	st.Asked[b.Credential] = Asked{Request: b.Request, Until: b.CredentialUntil}
}

func (st *State) answered(id curfew.RequestID, cause curfew.Cause, at time.Time) {
	r := st.Requests[id]
	if r == nil {
		return
	}
	if cause == curfew.CauseDenied {
		for what, when := range st.Denied {
			if at.Sub(when) > LongestAsking {
				delete(st.Denied, what)
			}
		}
		st.Denied[asksFor(r.Principal, r.Role, r.Resource)] = at
	}
	if a, ok := st.Asked[r.Credential]; ok {
		a.Cause = cause
		st.Asked[r.Credential] = a
	}
}

// GrantFor is the live grant of what a credential asks for; nil if there is none.
func (st *State) GrantFor(c Credential) *Grant {
	if c.Asks == nil {
		return st.Grants[c.Grant]
	}
	for _, g := range st.byHolder[c.Principal] {
		if g.Live() && g.Role == c.Asks.Role && g.Resource == c.Resource {
			return g
		}
	}
	return nil
}

// RequestFor is the request that waits for what a credential asks for, whoever or
// whatever asked it; nil if there is none.
func (st *State) RequestFor(c Credential) *Request {
	for _, r := range st.Requests {
		if r.Principal == c.Principal && r.Role == c.Asks.Role && r.Resource == c.Resource && r.Extends == "" {
			return r
		}
	}
	return nil
}

// Changed returns once the ledger has more than after events, or ctx ends.
func (s *Service) Changed(ctx context.Context, after uint64) error { return s.folded.Wait(ctx, after) }

// Draining reports whether the gateway stops: nobody waits for anything any more.
func (s *Service) Draining() bool {
	select {
	case <-s.shut:
		return true
	default:
		return s.draining.Load()
	}
}

// Answer is how a request ended that brought nothing.
type Answer struct {
	curfew.RequestActed
	Kind curfew.Kind
	At   time.Time
}

// AnswerTo finds the end of a request behind a position; ok is false where there is none.
func (s *Service) AnswerTo(ctx context.Context, id curfew.RequestID, after uint64) (a Answer, ok bool, err error) {
	ok, err = s.findEvent(ctx, after, func(e curfew.Event) bool {
		switch e.Kind {
		case curfew.KindRequestDenied, curfew.KindRequestWithdrawn, curfew.KindRequestLapsed, curfew.KindRequestVoided:
			a = Answer{Kind: e.Kind, At: e.Time}
			return decode(e, &a.RequestActed) == nil && a.Request == id
		}
		return false
	})
	return a, ok, err
}

// findEvent looks for an event behind a position, up to the ledger's end.
func (s *Service) findEvent(ctx context.Context, after uint64, is func(curfew.Event) bool) (ok bool, err error) {
	for {
		events, err := s.parts.Ledger.Read(ctx, after+1, 1024)
		if err != nil || len(events) == 0 {
			return false, err
		}
		for _, e := range events {
			if is(e) {
				return true, nil
			}
		}
		after = events[len(events)-1].Position
	}
}

// unattended are the requests whose connections ended with the last run.
func (s *Service) unattended() (out []Command) {
	s.View(func(st *State) {
		for id, r := range st.Requests {
			if r.Credential != "" {
				out = append(out, Withdraw{Request: id, By: r.Principal, Cause: curfew.CauseRestart})
			}
		}
	})
	return out
}
