// Package identity proves who is speaking: tokens of clients, sessions of browsers,
// passphrases for decisions, one-time links, and the connection credentials that
// native clients and browsers at an application log in with; and certifies the keys
// that say who somebody is over SSH. It proves and decides nothing: access says what follows.
//
// Every secret is kept as a verifier, on a shelf row that the ledger lists.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/shelf"
)

// Kinds of shelf row.
const (
	rowToken      = "token"
	rowBrowser    = "browser"
	rowLink       = "link"
	rowPassphrase = "passphrase"
	rowCredential = "credential"
	rowPersonKey  = "person-key"
)

// Parts are what a Service is made of.
type Parts struct {
	Access *access.Service
	Shelf  shelf.Shelf
	Ring   *seal.Ring // for keyed digests and mock verifiers
	Log    *slog.Logger
}

// Service proves who is speaking.
type Service struct {
	parts  Parts
	origin string        // whose pages make and use passkeys; "": none do
	start  string        // tells this start from others
	hashes chan struct{} // bounds slow hashes under way
	hash   func(passphrase string, salt []byte) []byte

	guesses guessing
	visits  once[visitCode]
	devices devices
	makes   once[making]
	touches once[touching]

	mu     sync.Mutex
	keys   map[curfew.Principal]*seal.Ring
	tokens map[string]tokenRow      // guarded by mu; rows read already, by identifier and digest
	rows   map[string]credentialRow // guarded by mu; of visits
	left   map[string]time.Time     // guarded by mu; visits that were ended, until they are over anyway
	shown  map[string]time.Time     // guarded by mu; records that signed somebody in, until they are over
}

// New returns a Service.
func New(p Parts) *Service {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		parts: p, start: newSecret(), hashes: make(chan struct{}, 2), hash: argon, guesses: guessing{counts: map[string]guessed{}},
		keys: map[curfew.Principal]*seal.Ring{}, tokens: map[string]tokenRow{}, rows: map[string]credentialRow{}, left: map[string]time.Time{},
		visits: once[visitCode]{life: visitCodeLife, most: 10_000, each: 100}, shown: map[string]time.Time{},
		makes: once[making]{life: touchLife, most: 1000, each: 20}, touches: once[touching]{life: touchLife, most: 10_000, each: 100},
	}
}

// At says which one origin's pages make and use passkeys: the console's. It is called
// before anything is served.
func (s *Service) At(origin string) { s.origin = origin }

// HashQuickly has passphrases hashed in no time. It is for tests, which prove hundreds of
// people; nothing else calls it (house_test.go). Before anything is served.
func (s *Service) HashQuickly() {
	s.hash = func(passphrase string, salt []byte) []byte {
		sum := sha256.Sum256(append([]byte(passphrase), salt...))
		return sum[:]
	}
}

// newSecret is 160 random bits as text.
func newSecret() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte("curfew secret\n" + secret))
	return sum[:]
}

// stranger is the one sentence for everybody who is not signed in.
func stranger() error {
	return curfew.Errorf(curfew.NotSignedIn, "you are not signed in, or no longer").WithFix("curfew login")
}

// put encodes and keeps a row, and returns what the ledger must list.
func (s *Service) put(ctx context.Context, kind, name string, row any) ([]byte, error) {
	text, err := json.Marshal(row)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "encode a %s", kind)
	}
	d, err := s.parts.Shelf.Put(ctx, kind, name, text)
	return d[:], err
}

// tokenRow is a sign-in of a client: a command line's token, or a browser's session.
type tokenRow struct {
	Hash       []byte    `json:"hash"`
	Until      time.Time `json:"until"`
	Generation uint64    `json:"generation"`
	Device     string    `json:"device"`
	Made       time.Time `json:"made,omitzero"`
	Address    string    `json:"address,omitempty"`
	Asks       bool      `json:"asks,omitempty"` // it asks, and uses nothing
}

// tokenLife is how long a client stays signed in.
const tokenLife = 12 * time.Hour

// IssueToken signs a client in as a person who has proved who they are.
func (s *Service) IssueToken(ctx context.Context, who curfew.Principal, device string) (token string, until time.Time, err error) {
	return s.signIn(ctx, who, forToken, tokenRow{Device: device})
}

// IssueTokenFrom is IssueToken for a client whose owner is to see where it is.
func (s *Service) IssueTokenFrom(ctx context.Context, who curfew.Principal, from From) (token string, until time.Time, err error) {
	return s.signIn(ctx, who, forToken, tokenRow{Device: from.Device, Address: hostOf(from.Address)})
}

// IssueAskingToken signs in a client that somebody has let in by a code: it asks, and
// uses nothing.
func (s *Service) IssueAskingToken(ctx context.Context, who curfew.Principal, from From) (token string, until time.Time, err error) {
	return s.signIn(ctx, who, forToken, tokenRow{Device: from.Device, Address: hostOf(from.Address), Asks: true})
}

// kind is a kind of sign-in: neither opens where the other belongs.
type kind struct{ row, id, text string }

//nolint:gochecknoglobals // constants, which Go has none of this type of
var (
	forToken   = kind{rowToken, "t", "cft"}
	forBrowser = kind{rowBrowser, "b", "cfb"}
)

func (s *Service) signIn(ctx context.Context, who curfew.Principal, k kind, row tokenRow) (secret string, until time.Time, err error) {
	id, secret := curfew.NewID(k.id), newSecret()
	now := s.parts.Access.Now().Truncate(time.Second)
	until = now.Add(tokenLife)
	row.Hash, row.Until, row.Generation, row.Made = digest(secret), until, s.generation(who), now
	d, err := s.put(ctx, k.row, id, row)
	if err != nil {
		return "", until, err
	}
	_, err = s.parts.Access.Do(ctx, access.IssueToken{SecretListed: curfew.SecretListed{ID: id, Principal: who, Digest: d, Until: until}})
	if err != nil {
		return "", until, err
	}
	return k.text + "." + id + "." + secret, until, nil
}

func (s *Service) generation(who curfew.Principal) (g uint64) {
	s.parts.Access.View(func(st *access.State) {
		if p := st.People[who]; p != nil {
			g = p.Generation
		}
	})
	return g
}

// SignedIn is who calls, and by which sign-in.
type SignedIn struct {
	Principal curfew.Principal
	ID        string
	Until     time.Time
	Asks      bool   // it may ask, and use nothing (THREATS 8)
	CSRF      string // of a browser: what shows that a change was meant on our own pages
}

// Token says who a token is, or that nobody is.
func (s *Service) Token(ctx context.Context, token string) (who curfew.Principal, id string, err error) {
	in, err := s.Bearer(ctx, token)
	return in.Principal, in.ID, err
}

// Bearer says who a client's token is, or that nobody is.
func (s *Service) Bearer(ctx context.Context, token string) (SignedIn, error) {
	return s.signedIn(ctx, token, forToken)
}

// signedIn says whose sign-in of a kind a secret is.
func (s *Service) signedIn(ctx context.Context, text string, k kind) (SignedIn, error) {
	id, secret, ok := split(text, k.text)
	if !ok || !curfew.HasPrefix(id, k.id) {
		return SignedIn{}, stranger()
	}
	row, who, err := s.live(ctx, id, k)
	if err != nil || !seal.Equal(row.Hash, digest(secret)) {
		return SignedIn{}, stranger()
	}
	return SignedIn{Principal: who, ID: id, Until: row.Until, Asks: row.Asks}, nil
}

// live returns the row of a sign-in that counts now.
func (s *Service) live(ctx context.Context, id string, k kind) (tokenRow, curfew.Principal, error) {
	var listed access.Listed
	var generation uint64
	enabled, ok := false, false
	s.parts.Access.View(func(st *access.State) {
		if listed, ok = st.Tokens[id]; ok {
			enabled = st.Enabled(listed.Principal)
			generation = st.People[listed.Principal].Generation
		}
	})
	if !ok || !enabled || s.parts.Access.Withdrawn(listed.Principal, id) {
		return tokenRow{}, "", stranger()
	}
	row, err := s.tokenRow(ctx, k.row, id, listed.Digest)
	if err != nil || row.Generation != generation || !s.parts.Access.Now().Before(row.Until) {
		return tokenRow{}, "", stranger()
	}
	return row, listed.Principal, nil
}

// tokenRow reads a row once: what the ledger lists by digest does not change.
func (s *Service) tokenRow(ctx context.Context, kind, id string, d []byte) (tokenRow, error) {
	key := id + string(d)
	s.mu.Lock()
	row, ok := s.tokens[key]
	s.mu.Unlock()
	if ok {
		return row, nil
	}
	if err := s.listed(ctx, kind, id, d, &row); err != nil {
		return row, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tokens) > 10_000 {
		clear(s.tokens)
	}
	s.tokens[key] = row
	return row, nil
}

// listed reads a row if it is the one the ledger lists.
func (s *Service) listed(ctx context.Context, kind, name string, d []byte, into any) error {
	if len(d) != sha256.Size {
		return stranger()
	}
	text, err := s.parts.Shelf.GetIf(ctx, kind, name, [sha256.Size]byte(d))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return curfew.Wrap(curfew.Corrupt, err, "the %s %s", kind, name)
	}
	return nil
}

// split takes "prefix.id.secret" apart.
func split(text, prefix string) (id, secret string, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || parts[0] != prefix || len(text) > 200 {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// SignOut withdraws one token.
func (s *Service) SignOut(ctx context.Context, who curfew.Principal, id string) error {
	_, err := s.parts.Access.Do(ctx, access.WithdrawToken{SecretUnlisted: curfew.SecretUnlisted{ID: id, By: who}})
	return err
}
