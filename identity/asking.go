package identity

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// firstUse is how long after it is made a connection with an asking credential
// may come, if its access is to last as long as it says.
const firstUse = time.Hour

// asking is access.Asking on the shelf.
type asking struct {
	Made     time.Time         `json:"made"`
	Role     curfew.RoleName   `json:"role"`
	Duration time.Duration     `json:"duration"`
	Reason   curfew.Sealed     `json:"reason"`
	Workflow curfew.WorkflowID `json:"workflow,omitempty"`
}

// IssueAsking makes a connection credential for somebody who may have no access
// yet: the first connection with it asks the question and waits for the answer
// (docs/decisions/0013-ask-on-connect.md). A question that no policy admits now is refused here.
func (s *Service) IssueAsking(ctx context.Context, q access.Question) (Credential, error) {
	asks, answer, err := s.asksNow(ctx, q)
	if err != nil {
		return Credential{}, err
	}
	row := credentialRow{
		Principal: q.Principal, Resource: q.Resource, Generation: s.generation(q.Principal),
		Ask: &asking{Made: asks.Made, Role: asks.Role, Duration: asks.Duration, Reason: asks.Reason, Workflow: asks.Workflow},
	}
	c := Credential{ID: curfew.CredentialID(curfew.NewID("c")), Secret: newSecret(), Until: s.parts.Access.Now().Add(min(firstUse+answer+asks.Duration, CredentialLongest))}
	if row.Verifier, err = newVerifier(c.Secret); err != nil {
		return Credential{}, err
	}
	row.Until = c.Until
	_, err = s.put(ctx, rowCredential, string(c.ID), row)
	return c, err
}

// AsksNow is what somebody asks for who says so on the connection that waits for the
// answer. A question that no policy admits now is refused here.
func (s *Service) AsksNow(ctx context.Context, q access.Question) (*access.Asking, error) {
	asks, _, err := s.asksNow(ctx, q)
	return asks, err
}

func (s *Service) asksNow(ctx context.Context, q access.Question) (asks *access.Asking, answer time.Duration, err error) {
	if q.Duration, err = curfew.WholeSeconds(q.Duration, curfew.LongestGrant); err != nil {
		return nil, 0, err
	}
	if answer, err = s.answerWithin(q); err != nil {
		return nil, 0, err
	}
	asks = &access.Asking{Made: s.parts.Access.Now(), Role: q.Role, Duration: q.Duration, Workflow: q.Workflow}
	asks.Reason, err = s.Seal(ctx, q.Principal, q.Reason)
	return asks, answer, err
}

// answerWithin is how long the question would wait, or why it cannot be asked.
func (s *Service) answerWithin(q access.Question) (time.Duration, error) {
	var held bool
	var policies map[curfew.PolicyName]curfew.Policy
	s.parts.Access.View(func(st *access.State) {
		held = st.GrantFor(access.Credential{Principal: q.Principal, Resource: q.Resource, Asks: &access.Asking{Role: q.Role}}) != nil
		policies = st.Config.Policies
	})
	d, err := s.parts.Access.Decide(q)
	switch {
	case err != nil:
		return 0, err
	case d.OK:
		return policies[d.Best.Policy].AnswerWithin, nil
	case held: // it is had already: nothing is asked
		return 0, nil
	}
	return 0, access.Refuse(q, d)
}

// asks is what a credential asks for; nil for one of a grant.
func (r credentialRow) asks() *access.Asking {
	if r.Ask == nil {
		return nil
	}
	return &access.Asking{Made: r.Ask.Made, Role: r.Ask.Role, Duration: r.Ask.Duration, Reason: r.Ask.Reason, Workflow: r.Ask.Workflow}
}

// AskFor asks what a credential says, for a connection that waits.
func (s *Service) AskFor(ctx context.Context, c access.Credential) (curfew.RequestID, access.Receipt, error) {
	return s.Ask(ctx, access.Ask{
		Sealed: c.Asks.Reason, Credential: c.ID, Made: c.Asks.Made, Until: c.Until,
		Question: access.Question{
			Principal: c.Principal, Role: c.Asks.Role, Resource: c.Resource, Duration: c.Asks.Duration, Workflow: c.Asks.Workflow,
			Reason: s.Text(ctx, c.Principal, c.Asks.Reason),
		},
	})
}
