package identity

import (
	"context"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// Ask asks for a role or for more time, from whichever door: under new identifiers,
// with the reason sealed under the person's own key.
func (s *Service) Ask(ctx context.Context, c access.Ask) (curfew.RequestID, access.Receipt, error) {
	c.Request, c.Grant = curfew.RequestID(curfew.NewID("rq")), curfew.GrantID(curfew.NewID("gr"))
	var err error
	if c.Sealed == nil {
		if c.Sealed, err = s.Seal(ctx, c.Principal, c.Reason); err != nil {
			return "", access.Receipt{}, err
		}
	}
	r, err := s.parts.Access.Do(ctx, c)
	return c.Request, r, err
}
