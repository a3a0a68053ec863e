package access

import (
	"bytes"
	"crypto/sha256"
	"sort"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/passkey"
	"github.com/curfewhq/curfew/policy"
)

// lawTouches is what touches are checked against.
type lawTouches struct {
	deployment string
	genesis    []byte
	passkeys   map[string]*lawPasskey
	heads      []ledger.Head // that were the newest within TouchLife; none: nobody gives them
	open       map[curfew.WorkflowID]bool
}

type lawPasskey struct {
	curfew.Passkey
	size uint64
	gone bool
}

func newLawTouches() lawTouches {
	return lawTouches{
		passkeys: map[string]*lawPasskey{}, open: map[curfew.WorkflowID]bool{},
	}
}

// Checks are what verifying a ledger offline takes of the laws: its events, and the heads
// that touches name.
func Checks() ledger.Checks {
	l := NewLaws()
	return ledger.Checks{Law: l.Check, Head: l.Head}
}

// Head takes a head of the ledger, once the events that it is over were checked. Every
// touch names the newest head of its time: with it, whoever signed is a witness of all
// that was decided before. Where no heads are given, that is not checked.
// Those that had a newer one already when a touch of now can have been asked for are forgotten.
func (l *Laws) Head(h ledger.Head) error {
	heads := append(l.touches.heads, h)
	old := 0
	for old+1 < len(heads) && h.Time.Sub(heads[old+1].Time) > TouchLife {
		old++
	}
	l.touches.heads = heads[old:]
	return l.config.settle() // what is applied is applied in one piece
}

// wasHead reports whether a head was the newest not long ago.
func (t *lawTouches) wasHead(size uint64, root []byte) bool {
	i := sort.Search(len(t.heads), func(i int) bool { return t.heads[i].Size >= size })
	return i < len(t.heads) && t.heads[i].Size == size && bytes.Equal(t.heads[i].Root[:], root)
}

// remember takes what touches are checked against.
func (l *Laws) remember(e curfew.Event) error {
	t := &l.touches
	switch e.Kind {
	case curfew.KindDeploymentCreated:
		return see(e, func(b curfew.DeploymentCreated) error { t.deployment, t.genesis = b.Deployment, b.Key; return nil })
	case curfew.KindWorkflowOpened:
		return see(e, func(b curfew.WorkflowChanged) error { t.open[b.Workflow.ID] = b.Workflow.Open; return nil })
	case curfew.KindWorkflowClosed:
		return see(e, func(b curfew.WorkflowChanged) error { delete(t.open, b.Workflow.ID); return nil })
	case curfew.KindPasskeyAdded:
		return see(e, func(b curfew.PasskeyAdded) error { return l.checkPasskeyAdded(e, b) })
	case curfew.KindPasskeyRemoved:
		return see(e, func(b curfew.PasskeyRemoved) error { return l.checkPasskeyRemoved(e, b) })
	}
	return nil
}

func (l *Laws) checkPasskeyAdded(e curfew.Event, b curfew.PasskeyAdded) error {
	name := subjectOf(b.Passkey.ID)
	switch {
	case l.touches.passkeys[name] != nil:
		return broken("the passkey %s is added twice", name)
	case l.people[b.Passkey.Principal] != curfew.Person || !l.joined[b.Passkey.Principal]:
		return broken("a passkey is added for a machine or a stranger")
	}
	if err := passkey.Check(b.Passkey); err != nil {
		return broken("the passkey %s: %s", name, err)
	}
	if err := l.checkTouch(e, b.Passkey.Principal, b.Touch, l.passkeyRecord(curfew.ActAddPasskey, b.Passkey)); err != nil {
		return err
	}
	l.touches.passkeys[name] = &lawPasskey{Passkey: b.Passkey, size: e.Position}
	return nil
}

func (l *Laws) checkPasskeyRemoved(e curfew.Event, b curfew.PasskeyRemoved) error {
	p := l.touches.passkeys[subjectOf(b.ID)]
	if p == nil || p.gone || p.Principal != b.Principal {
		return broken("a passkey is removed that %s does not have", b.Principal)
	}
	if err := l.checkTouch(e, b.Principal, b.Touch, l.passkeyRecord(curfew.ActRemovePasskey, p.Passkey)); err != nil {
		return err
	}
	p.gone = true
	return nil
}

// checkTouch demands the touch of whoever has a passkey, and that it is theirs, and
// over exactly what is decided.
func (l *Laws) checkTouch(e curfew.Event, by curfew.Principal, t *curfew.Touch, want curfew.Record) error {
	if t == nil {
		for _, p := range l.touches.passkeys {
			if p.Principal == by && !p.gone {
				return broken("%s of %s lacks the touch of a passkey, and %s has one", e.Kind, want.Subject, by)
			}
		}
		return nil
	}
	key := l.touches.passkeys[subjectOf(t.Passkey)]
	r, ok := curfew.ParseRecord(t.Record)
	switch {
	case key == nil || key.gone || key.Principal != by:
		return broken("%s of %s was touched with a passkey that %s does not have", e.Kind, want.Subject, by)
	case !ok || len(r.Nonce) < nonceSize:
		return broken("%s of %s was touched over no record", e.Kind, want.Subject)
	case r.HeadSize < key.size || r.HeadSize >= e.Position:
		return broken("%s of %s names a head at which the passkey was not %s's", e.Kind, want.Subject, by)
	case !e.Time.Before(r.Expires) || r.Expires.Sub(e.Time) > TouchLife:
		return broken("%s of %s was touched too late, or too early", e.Kind, want.Subject)
	}
	if err := passkey.Verify(key.Passkey, *t); err != nil {
		return broken("%s of %s: %s", e.Kind, want.Subject, err)
	}
	want.Nonce, want.Expires, want.HeadSize, want.HeadRoot = r.Nonce, r.Expires, r.HeadSize, r.HeadRoot
	if !bytes.Equal(want.Canonical(), t.Record) {
		return broken("%s of %s was touched for something else: %s", e.Kind, want.Subject, otherwise(want, r))
	}
	if len(l.touches.heads) > 0 && !l.touches.wasHead(r.HeadSize, r.HeadRoot) {
		return broken("%s of %s was touched after a head over %d events that this ledger did not have then: what is before it was written again", e.Kind, want.Subject, r.HeadSize)
	}
	return nil
}

// otherwise names the first thing that was decided about and is not what happened.
func otherwise(want, got curfew.Record) string {
	same := func(a, b []string) bool {
		return string(curfew.Record{Facts: a}.Canonical()) == string(curfew.Record{Facts: b}.Canonical())
	}
	for _, x := range []struct {
		what string
		ok   bool
	}{
		{"its deployment", want.Deployment == got.Deployment && bytes.Equal(want.Genesis, got.Genesis)},
		{"the decision is " + string(got.Act), want.Act == got.Act},
		{"the approver", want.Approver == got.Approver},
		{"the requester", want.Requester == got.Requester},
		{"what it is about", want.Subject == got.Subject && bytes.Equal(want.Event, got.Event)},
		{"what was shown", bytes.Equal(want.Shown, got.Shown) && bytes.Equal(want.Statement, got.Statement)},
		{"the role", want.Role == got.Role && want.RoleVersion == got.RoleVersion},
		{"the permissions", same(want.May, got.May) && same(want.Never, got.Never)},
		{"the resource", want.Resource == got.Resource && want.ResourceVersion == got.ResourceVersion},
		{"the address", want.Address == got.Address && want.Options == got.Options},
		{"the account", want.Account == got.Account},
		{"the time", want.Start.Equal(got.Start) && want.Duration == got.Duration && want.Ends == got.Ends},
		{"the policy", want.Policy == got.Policy && want.PolicyVersion == got.PolicyVersion},
		{"the facts", same(want.Facts, got.Facts)},
		{"the workflow", want.Workflow == got.Workflow && want.WorkflowOpen == got.WorkflowOpen},
	} {
		if !x.ok {
			return x.what
		}
	}
	return "the record"
}

func (l *Laws) record(act curfew.Act, by, requester curfew.Principal, subject string, event []byte) curfew.Record {
	return curfew.Record{Deployment: l.touches.deployment, Genesis: l.touches.genesis, Act: act, Approver: by, Requester: requester, Subject: subject, Event: event}
}

func (l *Laws) requestRecord(q *lawRequest, act curfew.Act, b curfew.RequestActed, d time.Duration) curfew.Record {
	r := l.record(act, b.By, q.Principal, string(q.Request), q.hash)
	x := l.config.now.Resources[q.Resource]
	r.Address, r.Options, r.Account = x.Address, string(x.Options), x.Account
	if may, err := policy.Permission(l.config.now.Roles, q.Role); err == nil {
		r.May, r.Never = may.May, may.Never
	}
	r.Shown, r.Role, r.RoleVersion, r.Resource, r.ResourceVersion = q.Digest, q.Role, q.RoleVersion, q.Resource, q.ResourceVersion
	r.Start, r.Duration, r.Ends = q.Start, d, curfew.EndsOf(q.RequestAsked)
	r.Policy, r.PolicyVersion, r.Facts = q.Policy, q.PolicyVersion, q.Checks
	r.Workflow, r.WorkflowOpen = q.Workflow, l.touches.open[q.Workflow]
	return r
}

func (l *Laws) statementRecord(h *lawHeld, act curfew.Act, b curfew.StatementActed) curfew.Record {
	r := l.record(act, b.By, h.Principal, string(h.Statement), h.hash)
	r.Shown, r.Statement, r.Resource = h.Digest, h.Digest, h.Resource
	return r
}

func (l *Laws) planRecord(b curfew.PlanActed) curfew.Record {
	plan := l.config.plans[b.Plan]
	r := l.record(curfew.ActAgree, b.By, plan.Author, string(b.Plan), plan.hash)
	r.Facts = plan.Lines
	return r
}

func (l *Laws) passkeyRecord(act curfew.Act, p curfew.Passkey) curfew.Record {
	sum := sha256.Sum256(p.Key)
	r := l.record(act, p.Principal, p.Principal, subjectOf(p.ID), sum[:])
	r.Facts = []string{"origin: " + p.Origin}
	return r
}
