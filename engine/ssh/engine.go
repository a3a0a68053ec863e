package ssh

import (
	"net"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// Keys are the gateway's own; they lie in the node's folder and nowhere else.
type Keys struct {
	Host      []ssh.Signer // what the gateway shows to clients: a key, and a certificate for it
	Authority ssh.Signer   // signs the certificates that hosts let in
}

// Engine speaks SSH.
type Engine struct {
	keys    Keys
	limits  limits
	lobbies lobbies
	hashes  chan struct{} // has room for those that may be derived at once
	left    departed
}

// mostHashes bounds how many secrets are checked at once: each costs a slow hash.
const mostHashes = 4

// New returns the engine.
func New(k Keys) *Engine { return &Engine{keys: k, hashes: make(chan struct{}, mostHashes)} }

// Type is "ssh".
func (*Engine) Type() curfew.EngineType { return "ssh" }

// CheckResource refuses what it does not understand.
func (*Engine) CheckResource(res curfew.Resource) error {
	if _, _, err := net.SplitHostPort(res.Address); err != nil {
		return curfew.Errorf(curfew.Invalid, "%.80q is no address", res.Address).WithFix("write host:port, for example web-1.internal:22")
	}
	if res.Account == curfew.Fixed {
		return curfew.Errorf(curfew.Invalid, "%s cannot have a fixed account: over SSH every session has a certificate of its own", res.Name).WithFix("leave account out")
	}
	if res.Login != "" {
		return curfew.Errorf(curfew.Invalid, "%s has a login, and none is used: the host trusts Curfew's certificate authority", res.Name).
			WithFix("leave login out; for what the host needs: curfew add --setup %s", res.Name)
	}
	_, err := settingsOf(res)
	return err
}

// CheckPermission refuses lines that are not in the grammar.
func (*Engine) CheckPermission(_ curfew.Resource, p curfew.Permission) error {
	_, err := parse(p)
	return err
}

// Keeper looks after what sessions start at one host.
func (e *Engine) Keeper(t lease.Target) lease.Keeper { return &keeper{engine: e, target: t} }

// limits bounds connections that have not proved who they are.
type limits struct {
	mu   sync.Mutex
	all  int            // guarded by mu
	from map[string]int // guarded by mu; by address
}

// Half-open connections: all together, and of one address.
const (
	mostHalfOpen     = 2000
	mostHalfOpenFrom = 1200
)

// enter counts a connection in; false says that there is no room.
func (l *limits) enter(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from == nil {
		l.from = map[string]int{}
	}
	if l.all >= mostHalfOpen || l.from[host] >= mostHalfOpenFrom {
		return false
	}
	l.all++
	l.from[host]++
	return true
}

func (l *limits) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.from[host]--; l.from[host] <= 0 {
		delete(l.from, host)
	}
}
