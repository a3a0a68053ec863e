package bench

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// story writes events as a deployment leaves them behind: people join, then ask,
// are given, use and lose access. The last grants stay live.
type story struct {
	b    *testing.B
	at   time.Time // of the next batch
	next int
	live int // grants at the end that nobody ended
}

const storyPeople = 1000

func (s *story) draft(k curfew.Kind, body any) ledger.Draft {
	text, err := json.Marshal(body)
	must(s.b, err)
	return ledger.Draft{Kind: k, Body: text}
}

func person(i int) curfew.Principal { return curfew.Principal(fmt.Sprintf("p_%026d", i%storyPeople)) }

func (s *story) people() (out []ledger.Draft) {
	for i := range storyPeople {
		out = append(out, s.draft(curfew.KindPrincipalAdded, curfew.PrincipalAdded{
			Principal: person(i), Kind: curfew.Person, Name: make([]byte, 48), Email: make([]byte, 56), EmailTag: fmt.Appendf(nil, "%032d", i)}))
		out = append(out, s.draft(curfew.KindPrincipalJoined, curfew.PrincipalActed{Principal: person(i)}))
	}
	return out
}

// grant is one grant's life: ten events.
func (s *story) grant(last bool) []ledger.Draft {
	i, who := s.next, person(s.next)
	s.next++
	rq, gr := curfew.RequestID(fmt.Sprintf("rq_%026d", i)), curfew.GrantID(fmt.Sprintf("gr_%026d", i))
	se, le := curfew.SessionID(fmt.Sprintf("s_%026d", i)), curfew.LeaseID(fmt.Sprintf("le_%026d", i))
	version, end := fmt.Sprintf("%064d", 1), s.at.Add(time.Hour)
	if last {
		end = time.Now().Add(24 * time.Hour)
	}
	out := []ledger.Draft{
		s.draft(curfew.KindRequestAsked, curfew.RequestAsked{Request: rq, Principal: who, Role: "read", Resource: "shop", Duration: time.Hour,
			Reason: make([]byte, 60), Policy: "reading", Lapses: end, RoleVersion: version, PolicyVersion: version, ResourceVersion: version, Digest: make([]byte, 32)}),
		s.draft(curfew.KindRequestApproved, curfew.RequestActed{Request: rq, By: person(i + 1), For: time.Hour, Digest: make([]byte, 32)}),
		s.draft(curfew.KindGrantApproved, curfew.GrantApproved{Grant: gr, Request: rq, Principal: who, Role: "read", Resource: "shop", Policy: "reading",
			Duration: time.Hour, UseBy: end, Starts: curfew.AtApproval, Record: curfew.RecordLive, By: []curfew.Principal{person(i + 1)}, RoleVersion: version, ResourceVersion: version}),
		s.draft(curfew.KindGrantStarted, curfew.GrantStarted{Grant: gr, End: end, EndCause: curfew.CauseExpired, Bound: "approved for 1 h", Tested: true}),
	}
	if last {
		return out
	}
	return append(out,
		s.draft(curfew.KindLeasePlanned, curfew.LeasePlanned{Lease: le, Grant: gr, Account: "curfew_bench_l_" + string(le), Until: end}),
		s.draft(curfew.KindSessionOpened, curfew.SessionOpened{Session: se, Grant: gr, Principal: who, Resource: "shop",
			Credential: "c_1", CredentialOnce: true, CredentialUntil: s.at.Add(time.Minute), Client: "10.1.2.3", Program: "psql"}),
		s.draft(curfew.KindSessionEnded, curfew.SessionEnded{Session: se, Cause: curfew.CauseExpired, Statements: 12, Rows: 400, Bytes: 20_000, Terminated: true}),
		s.draft(curfew.KindGrantEnded, curfew.GrantEnded{Grant: gr, Cause: curfew.CauseExpired}),
		s.draft(curfew.KindLeaseVerified, curfew.LeaseVerified{Lease: le, Took: time.Second}),
		s.draft(curfew.KindGrantVerified, curfew.GrantVerified{Grant: gr}))
}

// write appends at least so many events, in batches of about size, from s.at to now.
func (s *story) write(l ledger.Ledger, events, size int) {
	s.append(l, s.people())
	ended := (events - 2*storyPeople) / 10 // grants that leave ten events
	step := time.Since(s.at) / time.Duration(ended+s.live+1)
	var ds []ledger.Draft
	for i := range ended + s.live {
		ds = append(ds, s.grant(i >= ended)...)
		s.at = s.at.Add(step)
		if len(ds) >= size || i == ended+s.live-1 {
			s.append(l, ds)
			ds = ds[:0]
		}
	}
}

func (s *story) append(l ledger.Ledger, ds []ledger.Draft) {
	must(s.b, l.Turn(s.b.Context(), func(t ledger.Turn) error {
		_, _, err := t.Append(s.at, ds)
		return err
	}))
}
