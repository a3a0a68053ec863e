package mysql

import (
	"net"
	"sync"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// Engine speaks MySQL.
type Engine struct {
	limits  limits
	hashes  chan struct{} // has room for those that may be derived at once
	threads threads
	walls   walls
	keys    func() (keyPair, error)
}

// mostHashes bounds how many secrets are checked at once: each costs a slow hash.
const mostHashes = 4

// New returns the engine.
func New() *Engine {
	return &Engine{hashes: make(chan struct{}, mostHashes), keys: sync.OnceValues(newKeyPair)}
}

// Type is "mysql".
func (*Engine) Type() curfew.EngineType { return "mysql" }

// CheckResource refuses what it does not understand.
func (*Engine) CheckResource(res curfew.Resource) error {
	if _, _, err := net.SplitHostPort(res.Address); err != nil {
		return curfew.Errorf(curfew.Invalid, "%.80q is no address", res.Address).WithFix("write host:port, for example shop.internal:3306")
	}
	if res.Login == "" {
		return curfew.Errorf(curfew.Invalid, "%s has no login of the gateway's own", res.Name).WithFix("login: env:NAME or file:NAME")
	}
	_, err := settingsOf(res)
	return err
}

// CheckPermission refuses lines that are not in the grammar.
func (*Engine) CheckPermission(res curfew.Resource, p curfew.Permission) error {
	may, err := parse(p)
	if err != nil || res.Account != curfew.Fixed {
		return err
	}
	for _, r := range may.rules {
		if r.verb == create {
			return bad("create in database "+r.database, "on a fixed account nothing is created").WithFix("account: leased, or leave it out")
		}
	}
	return nil
}

// Keeper makes accounts at one target.
func (*Engine) Keeper(t lease.Target) lease.Keeper { return &keeper{target: t} }

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
