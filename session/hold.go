package session

import (
	"context"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

// Held is a statement that waits for somebody's release, with all that they see of it.
type Held struct {
	Statement curfew.StatementID
	Classes   []curfew.StatementClass
	Text      string
	Values    []record.Value
	Masked    bool   // it sets a secret, which is shown to nobody
	Open      bool   // its transaction is open, and waits with it
	Digest    []byte // of all of it and of its place in the session
}

// Release is the rule by which statements of this session are held.
func (s *Session) Release() curfew.Release { return s.parts.Permit.Grant().Release }

// Hold waits until somebody has released the statement, and says who did; an error:
// it must not be sent. tell is called with what the client is to know meanwhile. It
// ends when ctx does, with the cause as its error, and at once when the session is over.
func (s *Session) Hold(ctx context.Context, h Held, tell func(say.Notice) error) (by []string, err error) {
	if s.parts.Hold == nil {
		return nil, curfew.Errorf(curfew.Denied, "nobody can be asked to release this statement").WithRule("release.nobody")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.Context(), func() { cancel(s.refusal()) })
	defer stop()
	by, err = s.parts.Hold(ctx, h, tell)
	if s.parts.Permit.Over() {
		return nil, s.refusal()
	}
	return by, err
}
