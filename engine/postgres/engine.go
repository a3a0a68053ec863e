package postgres

import (
	"bytes"
	"encoding/json"
	"net"
	"sync"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// Engine speaks PostgreSQL.
type Engine struct {
	limits     limits
	cancels    cancels
	walls      walls
	encryption encryption
}

// New returns the engine.
func New() *Engine { return &Engine{} }

// Type is "postgres".
func (*Engine) Type() curfew.EngineType { return "postgres" }

// settings are a resource's options.
type settings struct {
	Database string `json:"database"`
	TLS      string `json:"tls"` // set by the credential; here it may only be named again
}

func settingsOf(res curfew.Resource) (settings, error) {
	var s settings
	if len(res.Options) == 0 {
		return s, nil
	}
	dec := json.NewDecoder(bytes.NewReader(res.Options))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, curfew.Errorf(curfew.Invalid, "the options of %s are not PostgreSQL's: %s", res.Name, err).WithFix("database is one")
	}
	return s, nil
}

// CheckResource refuses what it does not understand.
func (e *Engine) CheckResource(res curfew.Resource) error {
	if _, _, err := net.SplitHostPort(res.Address); err != nil {
		return curfew.Errorf(curfew.Invalid, "%.80q is no address", res.Address).WithFix("write host:port, for example orders.internal:5432")
	}
	if res.Login == "" {
		return curfew.Errorf(curfew.Invalid, "%s has no login of the gateway's own", res.Name).WithFix("login: env:NAME or file:NAME")
	}
	_, err := settingsOf(res)
	if err == nil && res.Account == curfew.Fixed {
		e.walls.prepare()
	}
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
			return bad("create in schema "+r.schema, "on a fixed account nothing is created").WithFix("account: leased, or leave it out")
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
