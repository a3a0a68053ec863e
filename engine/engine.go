// Package engine holds the interface that protocols plug into. An engine parses
// its own permissions, speaks its own protocol, and reaches nothing without a
// session.
package engine

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"net"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// Engine speaks one protocol. Implementations pass enginetest. An engine that
// can make temporary accounts is a lease.Maker too.
type Engine interface {
	Type() curfew.EngineType
	// CheckResource refuses a resource whose address or options the engine does not understand.
	CheckResource(curfew.Resource) error
	// CheckPermission refuses lines that are not in the engine's grammar, or that
	// it could not enforce on the resource.
	CheckPermission(curfew.Resource, curfew.Permission) error
	// Effect says a permission in plain English: "read 2 tables and change rows in refunds";
	// dangerous parts are listed apart.
	Effect(curfew.Permission) (effect string, dangers []string)
	// Covers reports whether everything b allows lies within a. In doubt: no.
	Covers(a, b curfew.Permission) bool
	// Serve speaks with one client until it leaves or is cut. It owns conn.
	Serve(ctx context.Context, conn net.Conn, gate Gatekeeper)
}

// Gatekeeper is the gateway as an engine sees it.
type Gatekeeper interface {
	// TLS is the server side configuration; nil: this listener speaks plain (loopback only).
	TLS() *tls.Config
	// Verifier returns the SCRAM-SHA-256 verifier of a connection credential. For an
	// unknown, used or expired one it returns a mock of the same shape that no password fits.
	Verifier(ctx context.Context, id curfew.CredentialID) Verifier
	// Open turns a proved claim into a live session, or says why not: a *curfew.Error
	// whose Message and Fix are meant for the client. Where the claim's credential asks
	// for access, Open keeps the client waiting for the answer; a nil Waiter cannot wait.
	Open(ctx context.Context, claim access.Claim, w Waiter) (*session.Session, error)
}

// Waiter is a client that has proved who it is and can be kept waiting.
type Waiter interface {
	// Wait begins to watch the client. The context ends when the client leaves, with a
	// cause that says so; stop ends the watch, and must be called before anything else reads.
	Wait(ctx context.Context) (waiting context.Context, stop func())
	// Tell tells it how things are. An error: it is gone.
	Tell(say.Notice) error
}

// Holder is what an engine declares when it can hold a statement until somebody has
// released it: the classes that it tells apart.
type Holder interface {
	Holds() []curfew.StatementClass
}

// Introducer is a Gatekeeper that can say to an application behind it who is asking,
// in a way that the application can check.
type Introducer interface {
	// Introduce is a JSON Web Token (RFC 7519, EdDSA) about the holder of a permit, for
	// the permit's resource alone, over after a minute or with the permit; "" if this
	// gateway has no key.
	Introduce(ctx context.Context, p *access.Permit) (string, error)
	// Keys is the JSON Web Key Set that such tokens are checked with.
	Keys() []byte
}

// Recaller is a Gatekeeper that says whether a credential is still worth something, for
// protocols whose clients show theirs again and again within one session.
type Recaller interface {
	// Counts is nil, or why the credential opens nothing any more: withdrawn, over, its
	// owner disabled. It may be called at any time.
	Counts(ctx context.Context, id curfew.CredentialID) error
}

// Verifier is what SCRAM-SHA-256 needs on the server's side (RFC 5802, RFC 7677).
type Verifier struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// Fits reports whether a secret that came in the clear, inside encryption, is the
// verifier's. It takes as long for a mock.
func (v Verifier) Fits(secret string) bool {
	salted, err := pbkdf2.Key(sha256.New, secret, v.Salt, v.Iterations, sha256.Size)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, salted)
	mac.Write([]byte("Client Key"))
	stored := sha256.Sum256(mac.Sum(nil))
	return subtle.ConstantTimeCompare(stored[:], v.StoredKey) == 1
}

// Shaper is what an engine declares when it can show what was said without any
// value in it, to people who may look at a session and not at its data.
type Shaper interface {
	Shape(record.Item) record.Item
}
