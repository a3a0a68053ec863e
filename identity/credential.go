package identity

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
)

// scramIterations: the secret has 160 random bits, so that more would only cost
// time (RFC 7677 asks for 4096).
const scramIterations = 4096

// Bounds of a connection credential's life.
const (
	CredentialOnce    = time.Minute          // for one connection
	CredentialLongest = access.LongestAsking // for many, never longer than its grant
)

type credentialRow struct {
	Principal  curfew.Principal    `json:"principal"`
	Grant      curfew.GrantID      `json:"grant"`
	Resource   curfew.ResourceName `json:"resource"`
	Until      time.Time           `json:"until"`
	Once       bool                `json:"once"`
	ByHand     bool                `json:"by_hand,omitempty"`
	Generation uint64              `json:"generation"`
	Ask        *asking             `json:"ask,omitempty"` // then Grant is empty
	Verifier   engine.Verifier     `json:"verifier,omitzero"`
	Visit      *visit              `json:"visit,omitempty"` // then Grant is empty, and Verifier is none
}

// Credential is what a native client logs in with. Only its verifier is kept.
type Credential struct {
	ID     curfew.CredentialID
	Secret string
	Until  time.Time
	Once   bool
}

// IssueCredential makes a connection credential for a live grant of the person.
// It is no access by itself: the grant is, for as long as it lives.
func (s *Service) IssueCredential(ctx context.Context, who curfew.Principal, id curfew.GrantID, once bool, life time.Duration) (Credential, error) {
	return s.issue(ctx, who, id, credentialRow{Once: once}, life)
}

// IssueByHand makes one for the one connection that somebody opens at a terminal:
// from inside it they may ask for more time (THREATS 15).
func (s *Service) IssueByHand(ctx context.Context, who curfew.Principal, id curfew.GrantID) (Credential, error) {
	return s.issue(ctx, who, id, credentialRow{Once: true, ByHand: true}, CredentialOnce)
}

func (s *Service) issue(ctx context.Context, who curfew.Principal, id curfew.GrantID, row credentialRow, life time.Duration) (Credential, error) {
	var g access.Grant
	now := s.parts.Access.Now()
	s.parts.Access.View(func(st *access.State) {
		if h := st.Grants[id]; h != nil && h.Live() && h.Principal == who {
			g = *h
		}
	})
	if g.ID == "" {
		return Credential{}, curfew.Errorf(curfew.Lapsed, "you have no live grant %s", id).WithRule("grant.ended").WithFix("ask: curfew request")
	}
	if row.Once {
		life = CredentialOnce
	}
	c := Credential{ID: curfew.CredentialID(curfew.NewID("c")), Secret: newSecret(), Until: now.Add(min(max(life, time.Second), CredentialLongest)), Once: row.Once}
	if g.Status == access.Active && g.End.Before(c.Until) {
		c.Until = g.End
	}
	v, err := newVerifier(c.Secret)
	if err != nil {
		return Credential{}, err
	}
	row.Principal, row.Grant, row.Resource, row.Until, row.Generation, row.Verifier = who, g.ID, g.Resource, c.Until, s.generation(who), v
	_, err = s.put(ctx, rowCredential, string(c.ID), row)
	return c, err
}

func newVerifier(secret string) (engine.Verifier, error) {
	v := engine.Verifier{Salt: make([]byte, 16), Iterations: scramIterations}
	_, _ = rand.Read(v.Salt) // never fails (crypto/rand)
	salted, err := pbkdf2.Key(sha256.New, secret, v.Salt, v.Iterations, sha256.Size)
	if err != nil {
		return v, curfew.Wrap(curfew.Internal, err, "derive a verifier")
	}
	client := mac(salted, "Client Key")
	stored := sha256.Sum256(client)
	v.StoredKey, v.ServerKey = stored[:], mac(salted, "Server Key")
	return v, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Verifier returns what SCRAM needs for a credential. For one that is unknown or
// over it returns a mock of the same shape, the same each time, that nothing fits.
func (s *Service) Verifier(ctx context.Context, id curfew.CredentialID) engine.Verifier {
	if row, err := s.credential(ctx, id); err == nil && row.Visit == nil && s.parts.Access.Now().Before(row.Until) {
		return row.Verifier
	}
	salt := s.parts.Ring.MAC([]byte("mock salt"), []byte(id))
	key := s.parts.Ring.MAC([]byte("mock key"), []byte(id))
	server := s.parts.Ring.MAC([]byte("mock server"), []byte(id))
	return engine.Verifier{Salt: salt[:16], Iterations: scramIterations, StoredKey: key[:], ServerKey: server[:]}
}

func (s *Service) credential(ctx context.Context, id curfew.CredentialID) (row credentialRow, err error) {
	if curfew.HasPrefix(string(id), visitPrefix) {
		return s.visitRow(ctx, string(id))
	}
	if !curfew.HasPrefix(string(id), "c") {
		return row, stranger()
	}
	text, err := s.parts.Shelf.Get(ctx, rowCredential, string(id))
	if err != nil {
		return row, err
	}
	if err := json.Unmarshal(text, &row); err != nil {
		return row, curfew.Wrap(curfew.Corrupt, err, "the credential %s", id)
	}
	return row, nil
}

// Credential returns a credential that its holder has proved, for access to judge.
func (s *Service) Credential(ctx context.Context, id curfew.CredentialID) (access.Credential, error) {
	row, err := s.credential(ctx, id)
	if err != nil || !s.stands(ctx, row) {
		return access.Credential{}, curfew.Errorf(curfew.NotSignedIn, "this credential is not known").WithFix("curfew connect")
	}
	return access.Credential{ID: id, Principal: row.Principal, Grant: row.Grant, Resource: row.Resource, Asks: row.asks(), Until: row.Until, Once: row.Once, ByHand: row.ByHand, Generation: row.Generation}, nil
}

// Sweep drops credentials that are over.
func (s *Service) Sweep(ctx context.Context) error {
	names, err := s.parts.Shelf.List(ctx, rowCredential)
	if err != nil {
		return err
	}
	now := s.parts.Access.Now()
	for _, name := range names {
		row, err := s.credential(ctx, curfew.CredentialID(name))
		if err == nil && now.Before(row.Until) && s.stands(ctx, row) {
			continue
		}
		if err := s.parts.Shelf.Delete(ctx, rowCredential, name); err != nil {
			return err
		}
	}
	return s.sweepBrowsers(ctx)
}

// sweepBrowsers drops the rows of browsers' sessions that are over.
func (s *Service) sweepBrowsers(ctx context.Context) error {
	names, err := s.parts.Shelf.List(ctx, rowBrowser)
	if err != nil {
		return err
	}
	for _, name := range names {
		var row tokenRow
		text, err := s.parts.Shelf.Get(ctx, rowBrowser, name)
		if err == nil && json.Unmarshal(text, &row) == nil && s.parts.Access.Now().Before(row.Until) {
			continue
		}
		if err := s.parts.Shelf.Delete(ctx, rowBrowser, name); err != nil {
			return err
		}
	}
	return nil
}
