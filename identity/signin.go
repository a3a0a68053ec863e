package identity

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/seal"
)

// Argon2id, as RFC 9106 recommends for where memory is scarce: three passes over 64 MiB.
const (
	argonPasses  = 3
	argonMemory  = 64 << 10
	argonThreads = 2
	argonSize    = 32
)

// ShortestPassphrase is how many bytes a passphrase has at least.
const ShortestPassphrase = 10

const longestPassphrase = 1024

type passphraseRow struct {
	Salt []byte `json:"salt"`
	Hash []byte `json:"hash"`
}

type linkRow struct {
	Hash []byte `json:"hash"`
}

// IssueLink makes a one-time link secret for somebody who has never signed in.
func (s *Service) IssueLink(ctx context.Context, who, by curfew.Principal, life time.Duration) (string, error) {
	id, secret := curfew.NewID("k"), newSecret()
	d, err := s.put(ctx, rowLink, id, linkRow{digest(secret)})
	if err != nil {
		return "", err
	}
	until := s.parts.Access.Now().Add(life)
	_, err = s.parts.Access.Do(ctx, access.IssueLink{SecretListed: curfew.SecretListed{ID: id, Principal: who, Digest: d, Until: until, By: by}})
	if err != nil {
		return "", err
	}
	return "cfl." + id + "." + secret, nil
}

// Join uses a link: the person sets the passphrase that their decisions need.
func (s *Service) Join(ctx context.Context, link, passphrase string) (curfew.Principal, error) {
	id, secret, ok := split(link, "cfl")
	var listed access.Listed
	s.parts.Access.View(func(st *access.State) { listed = st.Links[id] })
	var row linkRow
	if !ok || s.listed(ctx, rowLink, id, listed.Digest, &row) != nil || !seal.Equal(row.Hash, digest(secret)) {
		return "", curfew.Errorf(curfew.NotSignedIn, "this sign-in link is used, over or unknown").WithFix("ask an administrator for a new one: curfew invite")
	}
	set, err := s.newPassphrase(ctx, listed.Principal, passphrase)
	if err != nil {
		return "", err
	}
	if _, err := s.parts.Access.Do(ctx, access.Join{Link: id, Passphrase: set}); err != nil {
		return "", err
	}
	return listed.Principal, s.parts.Shelf.Delete(ctx, rowLink, id)
}

func (s *Service) newPassphrase(ctx context.Context, who curfew.Principal, passphrase string) (curfew.SecretListed, error) {
	if len(passphrase) < ShortestPassphrase || len(passphrase) > longestPassphrase {
		return curfew.SecretListed{}, curfew.Errorf(curfew.Invalid, "a passphrase has %d to %d characters", ShortestPassphrase, longestPassphrase).WithFix("four words you can remember make a good one")
	}
	row := passphraseRow{Salt: make([]byte, 16)}
	_, _ = rand.Read(row.Salt) // never fails (crypto/rand)
	row.Hash = s.slow(ctx, passphrase, row.Salt)
	if row.Hash == nil {
		return curfew.SecretListed{}, context.Cause(ctx)
	}
	name := string(who) + "." + newSecret()[:8] // beside the one before, which counts until the ledger says otherwise
	d, err := s.put(ctx, rowPassphrase, name, row)
	return curfew.SecretListed{ID: name, Principal: who, Digest: d}, err
}

// slow is the slow hash; few run at once. It returns nil if ctx ends first.
func (s *Service) slow(ctx context.Context, passphrase string, salt []byte) []byte {
	select {
	case s.hashes <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	defer func() { <-s.hashes }()
	return s.hash(passphrase, salt)
}

func argon(passphrase string, salt []byte) []byte {
	return argon2.IDKey([]byte(passphrase), salt, argonPasses, argonMemory, argonThreads, argonSize)
}

// Prove checks the passphrase of somebody who is signed in: the sign-in of its own
// that every decision needs. A client's token alone never decides (THREATS 8). Nor
// does the passphrase of somebody who has a passkey: whoever talks it out of them has
// not got their key.
func (s *Service) Prove(ctx context.Context, who curfew.Principal, passphrase string) error {
	touches := false
	s.parts.Access.View(func(st *access.State) { touches = st.HasPasskey(who) })
	if touches {
		return curfew.Errorf(curfew.NeedsSignIn, "this needs the touch of your passkey").WithRule("passkey.needed").WithFix("decide on the console")
	}
	return s.proveDecision(ctx, who, passphrase)
}

func (s *Service) proveDecision(ctx context.Context, who curfew.Principal, passphrase string) error {
	if passphrase == "" {
		return curfew.Errorf(curfew.NeedsSignIn, "deciding needs your passphrase").WithFix("type it when asked, or pass it on standard input with --passphrase-stdin")
	}
	return s.prove(ctx, who, passphrase, []bucket{{"decision " + string(who), wrongMost}})
}

// prove checks a passphrase, if none of the buckets is full.
func (s *Service) prove(ctx context.Context, who curfew.Principal, passphrase string, in []bucket) error {
	if err := s.guesses.take(in); err != nil {
		return err
	}
	var listed access.Listed
	s.parts.Access.View(func(st *access.State) { listed = st.Passphrases[who] })
	row := passphraseRow{Salt: make([]byte, 16)}
	known := s.listed(ctx, rowPassphrase, cmp.Or(listed.Name, string(who)), listed.Digest, &row) == nil
	hash := s.slow(ctx, passphrase, row.Salt) // also for the unknown: they take as long
	if hash == nil {
		return context.Cause(ctx)
	}
	s.parts.Access.View(func(st *access.State) { // it may have been replaced while the hash was waited for
		known = known && bytes.Equal(st.Passphrases[who].Digest, listed.Digest)
	})
	if ok := seal.Equal(hash, row.Hash); !known || !ok {
		s.parts.Log.Warn("a wrong passphrase", "principal", who)
		return curfew.Errorf(curfew.NeedsSignIn, "this is not your passphrase").WithRule("passphrase.wrong")
	}
	s.guesses.right(in)
	return nil
}

// From is where somebody signs in from.
type From struct {
	Address string // host:port, or a host; "" is not counted
	Known   string // what a browser that has signed in before shows; see Familiar
	Device  string // what the client calls itself
}

// SignIn proves a person by address and passphrase. Whatever is wrong, the answer is one sentence.
func (s *Service) SignIn(ctx context.Context, email, passphrase string) (curfew.Principal, error) {
	return s.SignInFrom(ctx, email, passphrase, From{})
}

// SignInFrom is SignIn for somebody whose guesses are counted by where they come from.
func (s *Service) SignInFrom(ctx context.Context, email, passphrase string, from From) (curfew.Principal, error) {
	who, known := s.ByEmail(email)
	if !known { // an address of nobody's is guessed at like any other: as slowly, and as often
		who = curfew.Principal("nobody " + hex.EncodeToString(s.emailTag(email)))
	}
	enabled := false
	s.parts.Access.View(func(st *access.State) { enabled = st.Enabled(who) && st.People[who].Joined })
	err := s.prove(ctx, who, passphrase, s.buckets(who, from))
	if curfew.CodeOf(err) == curfew.Limited {
		return "", err
	}
	if err != nil || !enabled {
		return "", curfew.Errorf(curfew.NotSignedIn, "this address and passphrase do not sign anybody in")
	}
	return who, nil
}

// ChangePassphrase replaces one's own passphrase.
func (s *Service) ChangePassphrase(ctx context.Context, who curfew.Principal, old, next string) error {
	if err := s.proveDecision(ctx, who, old); err != nil {
		return err
	}
	set, err := s.newPassphrase(ctx, who, next)
	if err != nil {
		return err
	}
	var before access.Listed
	s.parts.Access.View(func(st *access.State) { before = st.Passphrases[who] })
	if _, err = s.parts.Access.Do(ctx, access.ChangePassphrase{SecretListed: set}); err != nil {
		return err // the new row is nobody's; the one before still counts, or the ledger has not said
	}
	if err := s.parts.Shelf.Delete(ctx, rowPassphrase, cmp.Or(before.Name, string(who))); err != nil {
		s.parts.Log.Warn("the row of a passphrase that counts no more stays", "principal", who, "err", err)
	}
	return nil
}
