package evidence

import (
	"bytes"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/passkey"
)

// question is a request as it was asked, and what its event is known by.
type question struct {
	hash  ledger.Hash
	asked curfew.RequestAsked
	most  time.Duration // that everybody has agreed to
}

// addedPasskey is a passkey, and where in the ledger it was added.
type addedPasskey struct {
	curfew.Passkey
	position uint64
}

// touched checks the touch that a decision was made by: that it is the decider's own
// passkey's, over a record of exactly this request and this decision. What the record
// says of policies and resources, and that no touch is missing, only the whole ledger
// shows: curfew ledger verify.
func (v *verifying) touched(e curfew.Event, b curfew.RequestActed, act curfew.Act) error {
	if b.Touch == nil {
		return nil
	}
	key, known := v.story.passkeys[string(b.Touch.Passkey)]
	q, asked := v.story.questions[b.Request]
	r, ok := curfew.ParseRecord(b.Touch.Record)
	switch {
	case !known || key.Principal != b.By:
		return tellError("it was touched for with a passkey that is not in the file, or not the decider's")
	case !asked || !ok || r.Deployment != v.report.Deployment || r.Act != act || r.Approver != b.By || r.Requester != q.asked.Principal || r.Subject != string(b.Request) ||
		!bytes.Equal(r.Event, q.hash[:]) || !bytes.Equal(r.Shown, q.asked.Digest) || r.Role != q.asked.Role || r.Resource != q.asked.Resource:
		return tellError("what was touched for is not this decision about this request")
	case act == curfew.ActApprove && r.Duration != b.For:
		return tellError("what was touched for is another time")
	case r.HeadSize < key.position || r.HeadSize >= e.Position || !e.Time.Before(r.Expires):
		return tellError("it was touched for at another time")
	}
	if err := passkey.Verify(key.Passkey, *b.Touch); err != nil {
		return tellError(err.Error())
	}
	if act == curfew.ActApprove && !slices.Contains(v.report.Touched, b.By) {
		v.report.Touched = append(v.report.Touched, b.By)
	}
	return nil
}
