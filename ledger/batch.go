package ledger

import (
	"context"
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew"
)

// Next gives drafts their places after the tree f and signs the head. f becomes
// the tree with them; what an implementation cannot store it throws away.
func Next(f *Frontier, last time.Time, s Signer, at time.Time, drafts []Draft) ([]curfew.Event, Head, error) {
	if len(drafts) == 0 {
		return nil, Head{}, curfew.Errorf(curfew.Invalid, "a batch without events")
	}
	at = at.UTC()
	if at.Before(last) {
		return nil, Head{}, curfew.Errorf(curfew.Invalid, "the batch's time %s lies before the newest event's, %s", at, last)
	}
	events := make([]curfew.Event, 0, len(drafts))
	for _, d := range drafts {
		if err := CheckDraft(d); err != nil {
			return nil, Head{}, err
		}
		e := curfew.Event{Position: f.Size + 1, Time: at, Kind: d.Kind, Body: d.Body}
		f.Append(LeafHash(e))
		events = append(events, e)
	}
	h, err := s.Head(f, at)
	return events, h, err
}

// Begin writes the first event of a new ledger: the deployment and its first node's key.
func Begin(ctx context.Context, l Ledger, s Signer, at time.Time) error {
	body, err := json.Marshal(curfew.DeploymentCreated{Deployment: s.Deployment(), Key: s.Public()})
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode the first event")
	}
	return l.Turn(ctx, func(t Turn) error {
		if t.Head().Size != 0 {
			return curfew.Errorf(curfew.Conflict, "the ledger is not empty")
		}
		_, _, err := t.Append(at, []Draft{{Kind: curfew.KindDeploymentCreated, Body: body}})
		return err
	})
}
