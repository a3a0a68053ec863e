package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/seal"
)

// A browser at an application is a visit: a credential of that application alone, in a
// cookie of its origin, made out of a one-time code that the console gave to the very
// browser that asked for it (docs/decisions/0041-browsers-at-applications.md). It ends
// with the browser's session at the console.

// visitCodeLife is how long a code may take from the console to the application.
const visitCodeLife = time.Minute

// visitPrefix begins a visit's identifier; other credentials begin otherwise.
const visitPrefix = "v"

// visitText begins a visit's cookie.
const visitText = "cfv"

// visit is what a credential's row says of a browser.
type visit struct {
	Browser string `json:"browser"` // the session at the console
	Hash    []byte `json:"hash"`
}

// VisitCode makes a code for one application. challenge is the digest of what the
// browser keeps (RFC 7636, S256): a code that somebody else's browser brings is worth nothing.
func (s *Service) VisitCode(in SignedIn, app curfew.ResourceName, challenge string) (string, error) {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	if err != nil || len(sum) != sha256.Size {
		return "", curfew.Errorf(curfew.Invalid, "this does not come from an application's page").WithRule("visit.challenge").WithFix("open the application again")
	}
	code := newSecret()
	ok := s.visits.put(string(digest(code)), in.Principal, visitCode{who: in.Principal, browser: in.ID, app: app, challenge: [sha256.Size]byte(sum)})
	if !ok {
		return "", curfew.Errorf(curfew.Limited, "too many browsers come at once").WithFix("try again in a moment")
	}
	return code, nil
}

type visitCode struct {
	who       curfew.Principal
	browser   string
	app       curfew.ResourceName
	challenge [sha256.Size]byte
}

// Enter makes a visit of a code. Whoever shows it, it is used up.
func (s *Service) Enter(ctx context.Context, app curfew.ResourceName, code, verifier string) (cookie string, until time.Time, err error) {
	wrong := curfew.Errorf(curfew.NotSignedIn, "this way in is used, over, or another browser's").WithRule("visit.code").WithFix("open the application again")
	c, ok := s.visits.take(string(digest(code)))
	if !ok || c.app != app || sha256.Sum256([]byte(verifier)) != c.challenge {
		return "", until, wrong
	}
	session, who, err := s.live(ctx, c.browser, forBrowser)
	if err != nil || who != c.who {
		return "", until, wrong
	}
	id, secret := curfew.NewID(visitPrefix), newSecret()
	row := credentialRow{Principal: who, Resource: app, Until: session.Until, Generation: session.Generation, Visit: &visit{Browser: c.browser, Hash: digest(secret)}}
	if _, err := s.put(ctx, rowCredential, id, row); err != nil {
		return "", until, err
	}
	return visitText + "." + id + "." + secret, row.Until, nil
}

// Visit says whose browser a cookie of an application is, or that it is nobody's.
func (s *Service) Visit(ctx context.Context, app curfew.ResourceName, cookie string) (access.Credential, error) {
	id, secret, ok := split(cookie, visitText)
	if !ok || !curfew.HasPrefix(id, visitPrefix) {
		return access.Credential{}, stranger()
	}
	row, err := s.visitRow(ctx, id)
	if err != nil || row.Visit == nil || row.Resource != app || !seal.Equal(row.Visit.Hash, digest(secret)) || !s.stands(ctx, row) {
		return access.Credential{}, stranger()
	}
	return access.Credential{ID: curfew.CredentialID(id), Principal: row.Principal, Resource: app, Until: row.Until, Generation: row.Generation}, nil
}

// stands reports whether the session at the console that a visit came from counts.
func (s *Service) stands(ctx context.Context, row credentialRow) bool {
	if row.Visit == nil {
		return true
	}
	_, who, err := s.live(ctx, row.Visit.Browser, forBrowser)
	return err == nil && who == row.Principal && s.parts.Access.Now().Before(row.Until)
}

// Leave ends a visit. The browser's session at the console goes on.
func (s *Service) Leave(ctx context.Context, app curfew.ResourceName, cookie string) error {
	cred, err := s.Visit(ctx, app, cookie)
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.rows, string(cred.ID))
	s.left[string(cred.ID)] = cred.Until
	s.mu.Unlock()
	return s.parts.Shelf.Delete(ctx, rowCredential, string(cred.ID))
}

// visitRow reads a row once: one that was written does not change.
func (s *Service) visitRow(ctx context.Context, id string) (row credentialRow, err error) {
	now := time.Now()
	s.mu.Lock()
	row, ok := s.rows[id]
	_, left := s.left[id]
	for other, until := range s.left {
		if now.After(until) {
			delete(s.left, other)
		}
	}
	s.mu.Unlock()
	switch {
	case left:
		return row, stranger()
	case ok:
		return row, nil
	}
	text, err := s.parts.Shelf.Get(ctx, rowCredential, id)
	if err != nil {
		return row, err
	}
	if err := json.Unmarshal(text, &row); err != nil {
		return row, curfew.Wrap(curfew.Corrupt, err, "the credential %s", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, left := s.left[id]; left {
		return row, stranger()
	}
	if len(s.rows) > 10_000 {
		clear(s.rows)
	}
	s.rows[id] = row
	return row, nil
}
