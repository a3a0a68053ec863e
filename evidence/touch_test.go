package evidence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/passkey/passkeytest"
)

// touching is a story in which Dana has a passkey, and approves by its touch.
func touching(t *testing.T, change func(*curfew.Record), lies ...func(*passkeytest.Said)) *story {
	t.Helper()
	s := tell(t)
	a := passkeytest.New("p_dana", "http://curfew.test")
	added := s.add(curfew.KindPasskeyAdded, curfew.PasskeyAdded{Passkey: a.Passkey})
	s.also = []uint64{added.Position}
	s.touch = func(asked curfew.Event, q curfew.RequestAsked) *curfew.Touch {
		hash := ledger.LeafHash(asked)
		r := curfew.Record{
			Deployment: s.signer.Deployment(), Act: curfew.ActApprove, Approver: "p_dana", Requester: q.Principal, Subject: string(q.Request), Event: hash[:], Shown: q.Digest,
			Role: q.Role, Resource: q.Resource, Duration: time.Minute, HeadSize: asked.Position, HeadRoot: make([]byte, 32), Nonce: make([]byte, 16), Expires: s.at.Add(time.Minute),
		}
		if change != nil {
			change(&r)
		}
		return a.Touch(r.Canonical(), lies...)
	}
	s.use(session, "1", 4)
	return s
}

func TestATouchIsCheckedWithTheFileAlone(t *testing.T) {
	s := touching(t, nil)
	r := s.verify(s.export(session, "1", nil))
	if !r.OK || len(r.Touched) != 1 || r.Touched[0] != "p_dana" {
		t.Errorf("%+v", r)
	}
}

func TestATouchOverSomethingElseIsNamed(t *testing.T) {
	for what, change := range map[string]func(*curfew.Record){
		"deployment": func(r *curfew.Record) { r.Deployment = "another" },
		"act":        func(r *curfew.Record) { r.Act = curfew.ActDeny },
		"approver":   func(r *curfew.Record) { r.Approver = "p_tom" },
		"requester":  func(r *curfew.Record) { r.Requester = "p_tom" },
		"subject":    func(r *curfew.Record) { r.Subject = "rq_2" },
		"event":      func(r *curfew.Record) { r.Event[0]++ },
		"shown":      func(r *curfew.Record) { r.Shown = []byte("other") },
		"role":       func(r *curfew.Record) { r.Role = "write" },
		"resource":   func(r *curfew.Record) { r.Resource = "db2" },
		"duration":   func(r *curfew.Record) { r.Duration = time.Hour },
		"old head":   func(r *curfew.Record) { r.HeadSize = 1 },
		"new head":   func(r *curfew.Record) { r.HeadSize = 100 },
		"late":       func(r *curfew.Record) { r.Expires = r.Expires.Add(-time.Hour) },
	} {
		s := touching(t, change)
		if r := s.verify(s.export(session, "1", nil)); r.OK || !strings.Contains(r.Problem, "touched for") {
			t.Errorf("%s: %+v", what, r)
		}
	}
	for what, lie := range map[string]func(*passkeytest.Said){
		"origin": func(s *passkeytest.Said) { s.Origin = "http://evil.test" },
		"type":   func(s *passkeytest.Said) { s.Type = "webauthn.create" },
		"flags":  func(s *passkeytest.Said) { s.Flags = passkeytest.Present },
	} {
		s := touching(t, nil, lie)
		if r := s.verify(s.export(session, "1", nil)); r.OK {
			t.Errorf("%s: %+v", what, r)
		}
	}
	s := touching(t, nil)
	s.also = nil // the passkey is left out
	if r := s.verify(s.export(session, "1", nil)); r.OK || !strings.Contains(r.Problem, "passkey") {
		t.Errorf("without the passkey: %+v", r)
	}
}

// What was given is what was asked and agreed to: nobody's touch for less is told as if it were for more.
func TestAGrantOfSomethingElseIsNamed(t *testing.T) {
	for what, change := range map[string]func(*curfew.GrantApproved){
		"role":      func(b *curfew.GrantApproved) { b.Role = "write" },
		"resource":  func(b *curfew.GrantApproved) { b.Resource = "db2" },
		"requester": func(b *curfew.GrantApproved) { b.Principal = "p_tom" },
		"time":      func(b *curfew.GrantApproved) { b.Duration = 2 * time.Minute },
	} {
		s := tell(t)
		s.given = change
		s.use(session, "1", 4)
		if r := s.verify(s.export(session, "1", nil)); r.OK || !strings.Contains(r.Problem, "agreed to") {
			t.Errorf("%s: %+v", what, r)
		}
	}
}
