package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/url"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/passkey"
	"github.com/curfewhq/curfew/seal"
)

// touchLife is how long a browser has for one touch.
const touchLife = 2 * time.Minute

// making is a passkey that a browser has been asked to make.
type making struct {
	who       curfew.Principal
	challenge []byte
	proved    bool
}

// touching is a record that somebody has been asked to touch for.
type touching struct {
	who    curfew.Principal
	record []byte
}

// Making is what a browser needs to make a passkey.
type Making struct {
	Ticket    string // for Made, once
	Challenge []byte
	Known     [][]byte // passkeys of theirs, which it does not make again
	RP        string   // the WebAuthn RP ID: the console's host
}

// Touching is what a browser needs to have a passkey touched.
type Touching struct {
	Ticket    string // for Touch, once
	Record    []byte // its SHA-256 is the challenge
	Challenge []byte
	Passkeys  [][]byte // of which one is touched; none: any
	RP        string   // the WebAuthn RP ID: the console's host
}

// Said is what a browser says after a touch.
type Said struct {
	Passkey, ClientData, Authenticator, Signature []byte
}

func noPasskeys() error {
	return curfew.Errorf(curfew.Invalid, "this gateway has no console with a name, and without one there are no passkeys").WithRule("passkey.console").WithFix("start it with --url https://NAME")
}

func (s *Service) passkeysOf(who curfew.Principal) (ids [][]byte) {
	s.parts.Access.View(func(st *access.State) {
		for _, p := range st.PasskeysOf(who) {
			ids = append(ids, bytes.Clone(p.ID))
		}
	})
	return ids
}

// counting is a passkey that counts at this console, of somebody who is enabled. One that
// was made at another address of it does not: whoever has got hold of that address serves
// a page there, and has people touch for what they are not shown.
func (s *Service) counting(id []byte) (p curfew.Passkey, ok bool) {
	s.parts.Access.View(func(st *access.State) {
		if q := st.Passkey(id); q != nil && q.Origin == s.origin && st.Enabled(q.Principal) {
			p, ok = q.Passkey, true
		}
	})
	return p, ok
}

// rp is the WebAuthn RP ID of the console.
func (s *Service) rp() string {
	u, err := url.Parse(s.origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// MakePasskey begins to make a passkey of somebody who is signed in. The first one
// takes their passphrase; a further one the touch of one that they have, once it is made.
func (s *Service) MakePasskey(ctx context.Context, who curfew.Principal, passphrase string) (Making, error) {
	if s.origin == "" {
		return Making{}, noPasskeys()
	}
	m := Making{Ticket: newSecret(), Challenge: make([]byte, 32), Known: s.passkeysOf(who), RP: s.rp()}
	_, _ = rand.Read(m.Challenge) // never fails (crypto/rand)
	first := len(m.Known) == 0
	if first {
		if err := s.Prove(ctx, who, passphrase); err != nil {
			return Making{}, err
		}
	}
	if !s.makes.put(m.Ticket, who, making{who, m.Challenge, first}) {
		return Making{}, busy()
	}
	return m, nil
}

func busy() error {
	return curfew.Errorf(curfew.Limited, "too many touches are waited for").WithFix("try again in a minute")
}

// Made says what to add once a browser has made a passkey: at once, if it is the
// person's first, or by a touch.
func (s *Service) Made(who curfew.Principal, ticket string, clientData, attestation []byte) (access.AddPasskey, error) {
	m, ok := s.makes.take(ticket)
	if !ok || m.who != who {
		return access.AddPasskey{}, late()
	}
	p, err := passkey.Made(who, s.origin, m.challenge, clientData, attestation)
	return access.AddPasskey{Passkey: p, Proved: m.proved}, err
}

func late() error {
	return curfew.Errorf(curfew.Lapsed, "this was not asked for, or too long ago").WithRule("passkey.late").WithFix("begin again")
}

// AskTouch begins the touch that a decision of somebody's needs. What they decide is
// what the command says now, with the ledger's newest head.
func (s *Service) AskTouch(who curfew.Principal, c access.Command) (Touching, error) {
	var r curfew.Record
	var err error
	s.parts.Access.View(func(st *access.State) { r, err = st.RecordOf(c) })
	if err != nil {
		return Touching{}, err
	}
	return s.askTouch(who, r)
}

func (s *Service) askTouch(who curfew.Principal, r curfew.Record) (Touching, error) {
	out := Touching{Ticket: newSecret(), RP: s.rp()}
	for _, id := range s.passkeysOf(who) {
		if _, ok := s.counting(id); ok {
			out.Passkeys = append(out.Passkeys, id)
		}
	}
	if r.Approver != who || len(out.Passkeys) == 0 {
		return Touching{}, curfew.Errorf(curfew.Denied, "you have no passkey that decides this").WithRule("passkey.unknown")
	}
	head := s.parts.Access.Ledger().Head()
	r.HeadSize, r.HeadRoot = head.Size, head.Root[:]
	r.Nonce = make([]byte, 16)
	_, _ = rand.Read(r.Nonce) // never fails (crypto/rand)
	r.Expires = s.parts.Access.Now().Add(touchLife).UTC().Truncate(time.Second)
	out.Record = r.Canonical()
	out.Challenge = curfew.Challenge(out.Record)
	if !s.touches.put(out.Ticket, who, touching{who, out.Record}) {
		return Touching{}, busy()
	}
	return out, nil
}

// Touch is what was touched, for the command that AskTouch was told of; access checks it.
func (s *Service) Touch(who curfew.Principal, ticket string, said Said) (*curfew.Touch, error) {
	t, ok := s.touches.take(ticket)
	if !ok || t.who != who {
		return nil, late()
	}
	if p, ok := s.counting(said.Passkey); !ok || p.Principal != who {
		return nil, curfew.Errorf(curfew.Denied, "this is no passkey of yours").WithRule("passkey.unknown")
	}
	return &curfew.Touch{Passkey: said.Passkey, Record: t.record, ClientData: said.ClientData, Authenticator: said.Authenticator, Signature: said.Signature}, nil
}

// AskProof begins the touch for what takes a passphrase from others: what is done, and
// the digest of all of it.
func (s *Service) AskProof(who curfew.Principal, what string, digest []byte) (Touching, error) {
	r := curfew.Record{Act: curfew.ActProve, Approver: who, Subject: what, Shown: digest}
	s.parts.Access.View(func(st *access.State) { r.Deployment, r.Genesis = st.Deployment, st.Genesis })
	return s.askTouch(who, r)
}

// ProveByTouch is Prove for somebody with a passkey: the touch is theirs, and for exactly this.
func (s *Service) ProveByTouch(who curfew.Principal, what string, digest []byte, ticket string, said Said) error {
	t, err := s.Touch(who, ticket, said)
	if err != nil {
		return err
	}
	r, ok := curfew.ParseRecord(t.Record)
	if !ok || r.Act != curfew.ActProve || r.Approver != who || r.Subject != what || !bytes.Equal(r.Shown, digest) {
		return curfew.Errorf(curfew.Conflict, "what was touched for is not what would be done now").WithRule("passkey.changed").WithFix("do it again")
	}
	p, ok := s.counting(said.Passkey)
	if !ok || p.Principal != who {
		return curfew.Errorf(curfew.Denied, "this is no passkey of yours").WithRule("passkey.unknown")
	}
	return passkey.Verify(p, *t)
}

// AskSignIn begins a sign-in by a passkey. Nothing is kept of it, so that strangers fill nothing.
func (s *Service) AskSignIn() (Touching, error) {
	if s.origin == "" {
		return Touching{}, noPasskeys()
	}
	r := curfew.Record{Act: curfew.ActSignIn, Nonce: make([]byte, 16), Expires: s.parts.Access.Now().Add(touchLife).UTC().Truncate(time.Second)}
	_, _ = rand.Read(r.Nonce) // never fails (crypto/rand)
	r.Shown = s.signInMAC(r)
	text := r.Canonical()
	return Touching{Record: text, Challenge: curfew.Challenge(text), RP: s.rp()}, nil
}

// signInMAC shows that a record to sign in with is one of ours, of since this start: which
// ones have signed somebody in is in memory.
func (s *Service) signInMAC(r curfew.Record) []byte {
	r.Shown = nil
	m := s.parts.Ring.MAC([]byte("passkey sign-in"), []byte(s.start), r.Canonical())
	return m[:]
}

// SignInByPasskey says who has touched for a record of AskSignIn, once. Whatever is
// wrong, the answer is one sentence.
func (s *Service) SignInByPasskey(record []byte, said Said, from From) (curfew.Principal, error) {
	in := []bucket{{"passkeys from " + placeOf(from.Address), wrongTouches}}
	if err := s.guesses.take(in); err != nil {
		return "", err
	}
	no := curfew.Errorf(curfew.NotSignedIn, "this passkey does not sign anybody in")
	r, ok := curfew.ParseRecord(record)
	now := s.parts.Access.Now()
	if !ok || r.Act != curfew.ActSignIn || !now.Before(r.Expires) || !seal.Equal(r.Shown, s.signInMAC(r)) {
		return "", no
	}
	p, counts := s.counting(said.Passkey)
	touch := curfew.Touch{Passkey: said.Passkey, Record: record, ClientData: said.ClientData, Authenticator: said.Authenticator, Signature: said.Signature}
	if !counts || passkey.Verify(p, touch) != nil || !s.once(string(r.Nonce), r.Expires, now) {
		return "", no
	}
	s.guesses.right(in)
	return p.Principal, nil
}

// once reports whether a record has signed nobody in yet; then it has.
func (s *Service) once(nonce string, until, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, u := range s.shown {
		if now.After(u) {
			delete(s.shown, n)
		}
	}
	if _, used := s.shown[nonce]; used {
		return false
	}
	s.shown[nonce] = until
	return true
}
