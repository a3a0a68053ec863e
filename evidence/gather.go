package evidence

import (
	"encoding/json"
	"slices"

	"github.com/curfewhq/curfew"
)

// mostAnchors bounds how many anchored heads of one recording go into a file; of
// more, every other one is left out, again and again, never the newest.
const mostAnchors = 64

// Gatherer finds the events that one session rests on. Who watched it, or holds its
// recording, is not for whoever the file is given to.
type Gatherer struct {
	session  curfew.SessionID
	grant    curfew.GrantID
	requests []curfew.RequestID

	found    []uint64
	anchors  []uint64
	passkeys [][]byte
}

// NewGatherer looks for the events of the session, its grant and the request of that.
func NewGatherer(s curfew.SessionID, g curfew.GrantID, r curfew.RequestID) *Gatherer {
	return &Gatherer{session: s, grant: g, requests: []curfew.RequestID{r}}
}

// Take takes the next event of the ledger.
func (g *Gatherer) Take(e curfew.Event) {
	switch e.Kind {
	case curfew.KindRequestAsked, curfew.KindRequestApproved, curfew.KindRequestDenied, curfew.KindRequestWithdrawn, curfew.KindRequestLapsed, curfew.KindRequestVoided,
		curfew.KindGrantApproved, curfew.KindGrantStarted, curfew.KindGrantExtended, curfew.KindGrantShortened, curfew.KindGrantEnded, curfew.KindGrantVerified,
		curfew.KindSessionOpened, curfew.KindSessionCut, curfew.KindSessionEnded:
		if g.concerns(e) {
			g.found = append(g.found, e.Position)
			g.touched(e)
		}
	case curfew.KindRecordingsAnchored:
		if anchored(e, g.session) != nil {
			g.anchor(e.Position)
		}
	}
}

func (g *Gatherer) concerns(e curfew.Event) bool {
	var b struct {
		Session curfew.SessionID `json:"session"`
		Grant   curfew.GrantID   `json:"grant"`
		Request curfew.RequestID `json:"request"`
		Extends curfew.GrantID   `json:"extends"`
	}
	if json.Unmarshal(e.Body, &b) != nil {
		return false
	}
	if b.Extends != "" && b.Extends == g.grant {
		g.requests = append(g.requests, b.Request)
	}
	if b.Session != "" {
		return b.Session == g.session // another session of the grant is its own matter
	}
	return b.Grant == g.grant || b.Request != "" && slices.Contains(g.requests, b.Request)
}

// touched notes which passkey a decision was touched for with.
func (g *Gatherer) touched(e curfew.Event) {
	var b struct {
		Touch *curfew.Touch `json:"touch"`
	}
	if json.Unmarshal(e.Body, &b) == nil && b.Touch != nil {
		g.passkeys = append(g.passkeys, b.Touch.Passkey)
	}
}

// Passkeys are those that decided about it. Where each was added is an event that
// whoever verifies needs too: Also takes it.
func (g *Gatherer) Passkeys() [][]byte { return g.passkeys }

// Also takes the position of an event that is needed beside what Take finds.
func (g *Gatherer) Also(position uint64) { g.found = append(g.found, position) }

func (g *Gatherer) anchor(position uint64) {
	g.anchors = append(g.anchors, position)
	if len(g.anchors) <= mostAnchors {
		return
	}
	kept := g.anchors[:0]
	for i, p := range g.anchors {
		if i%2 == 0 || i == len(g.anchors)-1 {
			kept = append(kept, p)
		}
	}
	g.anchors = kept
}

// Positions are those of what was found, and of the event that founds the
// deployment, in order.
func (g *Gatherer) Positions() []uint64 {
	all := slices.Concat([]uint64{1}, g.found, g.anchors)
	slices.Sort(all)
	return slices.Compact(all)
}

// anchored is the head of the session's recording that an event holds; nil: none.
func anchored(e curfew.Event, id curfew.SessionID) []byte {
	var b curfew.RecordingsAnchored
	if json.Unmarshal(e.Body, &b) != nil {
		return nil
	}
	return b.Heads[id]
}
