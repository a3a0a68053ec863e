// Package lease makes, opens, removes and verifies temporary accounts at
// targets. What is made is written down first; what is to go is retried for
// ever. It decides nothing: access says which grants have a lease, and until when.
package lease

import (
	"context"
	"net"
	"time"

	"github.com/curfewhq/curfew"
)

// Target is one resource as a keeper reaches it.
type Target struct {
	Deployment string // name part of every account: curfew_<deployment>_<lease>
	Resource   curfew.Resource
	// Dial connects to the resource for the named errand ("make lease l_…"),
	// through reach; every connection is a raw stream, TLS is the keeper's.
	Dial func(ctx context.Context, errand string) (net.Conn, error)
	// Login opens the gateway's own credential for the target. The caller uses it and forgets it.
	Login func(ctx context.Context) (Login, error)
}

// Login is the gateway's own login at a target, bound to one address (vault).
type Login struct {
	User     string
	Password string
	Database string
	Options  map[string]string // TLS settings and the like, as the credential says
}

// Plan is a lease as it was written down before anything was made.
type Plan struct {
	Lease      curfew.LeaseID    `json:"lease"`
	Grant      curfew.GrantID    `json:"grant"`
	Account    string            `json:"account"` // its name at the target
	Permission curfew.Permission `json:"permission"`
	Until      time.Time         `json:"until"` // the target refuses log-ins after this
}

// Made is what the target said about the account; kept in the ledger.
type Made struct {
	ID    string `json:"id"`              // the target's own identifier (PostgreSQL: oid)
	Group string `json:"group,omitempty"` // shared holder of the privileges
	// Exceeds is what the account may do beyond its permission because the target
	// gives it to everybody, one line each, sorted; and its digest.
	Exceeds []string `json:"exceeds,omitempty"`
	Digest  string   `json:"digest,omitempty"`
}

// Residue is what an account left behind and where it went.
type Residue struct {
	Kept      []string `json:"kept,omitempty"`     // objects handed to a powerless account, one line each
	Ended     int      `json:"ended,omitempty"`    // connections terminated
	Prepared  int      `json:"prepared,omitempty"` // prepared transactions rolled back
	Notes     []string `json:"notes,omitempty"`    // how far it was looked, and what else was seen, one line each
	Powerless bool     `json:"powerless"`          // cannot log in, holds nothing
	Gone      bool     `json:"gone"`               // seen to be gone: account, connections, ghosts, prepared work
	Remains   []string `json:"remains,omitempty"`  // what stands in the way, one line each
}

// Keeper makes and removes accounts at one target. It keeps an administrator's
// connection warm for the cut, apart from the ones that make leases. Every
// method may be called again after any error and by several goroutines.
type Keeper interface {
	// Make makes the account, locked: it holds exactly the permission and nobody
	// can log in to it. If the target gives it more than the permission says and the
	// resource does not accept exactly that, it removes the account and says what.
	Make(ctx context.Context, p Plan) (Made, error)
	// Unlock sets a fresh password and lets the account log in until shut is
	// called. The caller serializes per lease and always calls shut.
	Unlock(ctx context.Context, p Plan, m Made) (password string, shut func(context.Context) error, err error)
	// Limit moves the account's end at the target.
	Limit(ctx context.Context, p Plan, until time.Time) error
	// Terminate ends work (connections by the target's own identifiers) now, on the warm
	// connection, and returns when it is seen to be gone or ctx ends.
	Terminate(ctx context.Context, work []string) error
	// Strays returns the account's connections that are not among known.
	Strays(ctx context.Context, m Made, known []string) ([]string, error)
	// Remove takes everything away in the order of LEASES.md and looks. Residue.Gone says
	// whether it was seen to be gone; an error says what to retry. m is zero when Make never answered.
	Remove(ctx context.Context, p Plan, m Made) (Residue, error)
	// Accounts lists the names at the target that carry this deployment's mark.
	Accounts(ctx context.Context) ([]string, error)
	// Close drops the warm connections.
	Close()
}

// Maker is what an engine declares when it can make leases.
type Maker interface {
	Keeper(t Target) Keeper // no I/O
}

// Finding is one thing that a check of a target found.
type Finding struct {
	OK, Warn  bool
	Text, Fix string
}

// Installer is a Keeper whose target can be prepared so that the gateway's own
// login needs no rights of its own.
type Installer interface {
	// Setup is what the target's owner runs, in the target's own language. It holds no secret.
	Setup(ctx context.Context) (string, error)
}

// RoleChecker is a Checker that looks at what the roles on its target need there.
type RoleChecker interface {
	CheckRoles(ctx context.Context, roles []curfew.Permission) []Finding
}

// Checker is a Keeper that can say whether its target is set up as it should be.
type Checker interface {
	Check(ctx context.Context) []Finding
}
