package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/passkey"
	"github.com/curfewhq/curfew/policy"
)

// MostPasskeys is how many one person may have.
const MostPasskeys = 10

// TouchLife is how long a record that was shown may be signed, and decide.
const TouchLife = 5 * time.Minute

// nonceSize is how many random bytes a record has at least.
const nonceSize = 16

// Passkey is one that was added.
type Passkey struct {
	curfew.Passkey
	Added   time.Time `json:"added"`
	Size    uint64    `json:"size"` // of the ledger with the event that added it
	Removed bool      `json:"removed,omitempty"`
}

// subjectOf is a passkey's identifier as text.
func subjectOf(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// PasskeysOf are a person's passkeys that count, oldest first.
func (st *State) PasskeysOf(who curfew.Principal) []*Passkey {
	var out []*Passkey
	for _, p := range st.Passkeys {
		if p.Principal == who && !p.Removed {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *Passkey) int { return int(int64(a.Size) - int64(b.Size)) })
	return out
}

// HasPasskey reports whether a person has one that counts: they decide by its touch.
func (st *State) HasPasskey(who curfew.Principal) bool {
	for _, p := range st.Passkeys {
		if p.Principal == who && !p.Removed {
			return true
		}
	}
	return false
}

// Passkey is one that counts, by its identifier; nil: there is none.
func (st *State) Passkey(id []byte) *Passkey {
	if p := st.Passkeys[subjectOf(id)]; p != nil && !p.Removed {
		return p
	}
	return nil
}

// PasskeyAdded is the position of the event that added a passkey, also one that is removed.
func (st *State) PasskeyAdded(id []byte) (position uint64, ok bool) {
	if p := st.Passkeys[subjectOf(id)]; p != nil {
		return p.Size, true
	}
	return 0, false
}

// touched refuses a decision that needs a touch and has none, or one that is over
// another record than what would be decided now. With a passkey, a person's passphrase
// alone never decides: whoever talks it out of them cannot approve as them.
func (st *State) touched(by curfew.Principal, t *curfew.Touch, want curfew.Record, now time.Time) error {
	if t == nil {
		if !st.HasPasskey(by) {
			return nil
		}
		return curfew.Errorf(curfew.NeedsSignIn, "this needs the touch of your passkey").WithRule("passkey.needed").WithFix("decide on the console")
	}
	key := st.Passkey(t.Passkey)
	if key == nil || key.Principal != by {
		return curfew.Errorf(curfew.Denied, "this is no passkey of yours").WithRule("passkey.unknown")
	}
	r, ok := curfew.ParseRecord(t.Record)
	if !ok || len(r.Nonce) < nonceSize || r.HeadSize < key.Size || r.HeadSize > st.Size || len(r.HeadRoot) != sha256.Size {
		return curfew.Errorf(curfew.Denied, "this is no record of a decision").WithRule("passkey.record")
	}
	if !now.Before(r.Expires) || r.Expires.Sub(now) > TouchLife {
		return curfew.Errorf(curfew.Lapsed, "the touch came too late, or too early").WithRule("passkey.late").WithFix("decide again")
	}
	want.Nonce, want.Expires, want.HeadSize, want.HeadRoot = r.Nonce, r.Expires, r.HeadSize, r.HeadRoot
	if !bytes.Equal(want.Canonical(), t.Record) {
		return curfew.Errorf(curfew.Conflict, "what was touched for is not what would be decided now").WithRule("passkey.changed").WithFix("look again, and decide again")
	}
	return passkey.Verify(key.Passkey, *t)
}

func (st *State) record(act curfew.Act, by curfew.Principal) curfew.Record {
	return curfew.Record{Deployment: st.Deployment, Genesis: st.Genesis, Act: act, Approver: by}
}

// on adds what a role on a resource is now.
func (st *State) on(r *curfew.Record, role curfew.RoleName, name curfew.ResourceName) {
	may, err := policy.Permission(st.Config.Roles, role)
	if err == nil {
		r.May, r.Never = may.May, may.Never
	}
	x := st.Config.Resources[name]
	r.Role, r.Resource, r.Address, r.Options, r.Account = role, name, x.Address, string(x.Options), x.Account
}

// requestRecord is what a person decides about a request, but for nonce, expiry and head.
func (st *State) requestRecord(q *Request, act curfew.Act, by curfew.Principal, d time.Duration) curfew.Record {
	r := st.record(act, by)
	st.on(&r, q.Role, q.Resource)
	r.Requester, r.Subject, r.Event, r.Shown = q.Principal, string(q.Request), q.Hash, q.Digest
	r.RoleVersion, r.ResourceVersion, r.PolicyVersion = q.RoleVersion, q.ResourceVersion, q.PolicyVersion
	r.Start, r.Duration, r.Ends, r.Policy, r.Facts = q.Start, d, curfew.EndsOf(q.RequestAsked), q.Policy, q.Checks
	r.Workflow = q.Workflow
	if w := st.Workflows[q.Workflow]; w != nil {
		r.WorkflowOpen = w.Open
	}
	return r
}

func (st *State) statementRecord(h *Held, act curfew.Act, by curfew.Principal) curfew.Record {
	r := st.record(act, by)
	r.Requester, r.Subject, r.Event, r.Shown, r.Statement, r.Resource = h.Principal, string(h.Statement), h.Hash, h.Digest, h.Digest, h.Resource
	return r
}

func (st *State) planRecord(p *Proposal, by curfew.Principal) curfew.Record {
	r := st.record(curfew.ActAgree, by)
	r.Requester, r.Subject, r.Event, r.Facts = p.Author, string(p.Plan), p.Hash, p.Lines
	return r
}

// passkeyRecord is what a person decides about one of their own passkeys.
func (st *State) passkeyRecord(act curfew.Act, p curfew.Passkey) curfew.Record {
	r := st.record(act, p.Principal)
	r.Requester, r.Subject, r.Event, r.Facts = p.Principal, subjectOf(p.ID), curfew.Challenge(p.Key), []string{"origin: " + p.Origin}
	return r
}

// RecordOf is what somebody decides by a command, as of now, for their touch.
func (st *State) RecordOf(c Command) (curfew.Record, error) {
	switch c := c.(type) {
	case Approve:
		if q := st.Requests[c.Request]; q != nil {
			d := c.For
			if d == 0 {
				d = q.Duration
			}
			return st.requestRecord(q, curfew.ActApprove, c.By, d), nil
		}
	case Deny:
		if q := st.Requests[c.Request]; q != nil {
			return st.requestRecord(q, curfew.ActDeny, c.By, q.Duration), nil
		}
	case ReleaseStatement:
		if h := st.Held[c.Statement]; h != nil {
			return st.statementRecord(h, curfew.ActRelease, c.By), nil
		}
	case RefuseStatement:
		if h := st.Held[c.Statement]; h != nil {
			return st.statementRecord(h, curfew.ActRefuse, c.By), nil
		}
	case Agree:
		if p := st.Plans[c.Plan]; p != nil {
			return st.planRecord(p, c.By), nil
		}
	case AddPasskey:
		return st.passkeyRecord(curfew.ActAddPasskey, c.Passkey), nil
	case RemovePasskey:
		if p := st.Passkeys[subjectOf(c.ID)]; p != nil && p.Principal == c.Principal {
			return st.passkeyRecord(curfew.ActRemovePasskey, p.Passkey), nil
		}
	}
	return curfew.Record{}, curfew.Errorf(curfew.NotFound, "there is nothing to decide")
}

// AddPasskey gives a person a passkey. For the first, the caller has checked their
// passphrase; a further one takes the touch of one that they have (THREATS 4).
type AddPasskey struct {
	curfew.Passkey
	Proved bool // by their passphrase: that counts where they have no other
	Touch  *curfew.Touch
}

func (c AddPasskey) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mayGive(); err != nil {
		return nil, err
	}
	if err := st.mustBeEnabled(c.Principal); err != nil {
		return nil, err
	}
	if p := st.People[c.Principal]; p.Kind != curfew.Person || !p.Joined {
		return nil, curfew.Errorf(curfew.Denied, "only people who have signed in have passkeys").WithRule("passkey.person")
	}
	if err := passkey.Check(c.Passkey); err != nil {
		return nil, err
	}
	if st.Passkeys[subjectOf(c.ID)] != nil {
		return nil, curfew.Errorf(curfew.Conflict, "this passkey is known, or was")
	}
	have := len(st.PasskeysOf(c.Principal))
	if have >= MostPasskeys {
		return nil, curfew.Errorf(curfew.Limited, "one has %d passkeys at most", MostPasskeys)
	}
	if have == 0 {
		if !c.Proved {
			return nil, curfew.Errorf(curfew.NeedsSignIn, "the first passkey needs your passphrase").WithRule("passkey.first")
		}
		c.Touch = nil
	}
	if err := st.touched(c.Principal, c.Touch, st.passkeyRecord(curfew.ActAddPasskey, c.Passkey), now); err != nil {
		return nil, err
	}
	return []Fact{{curfew.KindPasskeyAdded, curfew.PasskeyAdded{Passkey: c.Passkey, Touch: c.Touch}}}, nil
}

// RemovePasskey takes one's own passkey away, by the touch of any that one has.
type RemovePasskey struct {
	ID        []byte
	Principal curfew.Principal
	Touch     *curfew.Touch
}

func (c RemovePasskey) decide(st *State, now time.Time) ([]Fact, error) {
	p := st.Passkeys[subjectOf(c.ID)]
	if p == nil || p.Removed || p.Principal != c.Principal || !st.Enabled(c.Principal) {
		return nil, curfew.Errorf(curfew.NotFound, "you have no such passkey")
	}
	if err := st.touched(c.Principal, c.Touch, st.passkeyRecord(curfew.ActRemovePasskey, p.Passkey), now); err != nil {
		return nil, err
	}
	return []Fact{{curfew.KindPasskeyRemoved, curfew.PasskeyRemoved{ID: c.ID, Principal: c.Principal, Touch: c.Touch}}}, nil
}

func foldPasskeys(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindPasskeyAdded:
		return func(st *State, e curfew.Event) error {
			var b curfew.PasskeyAdded
			if err := decode(e, &b); err != nil {
				return err
			}
			st.Passkeys[subjectOf(b.Passkey.ID)] = &Passkey{Passkey: b.Passkey, Added: e.Time, Size: e.Position}
			return nil
		}
	case curfew.KindPasskeyRemoved:
		return on(func(st *State, _ time.Time, b curfew.PasskeyRemoved) {
			if p := st.Passkeys[subjectOf(b.ID)]; p != nil {
				p.Removed = true
			}
		})
	}
	return nil
}

// hashed is on for events that decisions name by their hash.
func hashed[T any](f func(st *State, at time.Time, hash []byte, b T)) foldFunc {
	return func(st *State, e curfew.Event) error {
		return on(func(st *State, at time.Time, b T) { f(st, at, hashOf(e), b) })(st, e)
	}
}

func hashOf(e curfew.Event) []byte {
	h := ledger.LeafHash(e)
	return h[:]
}
