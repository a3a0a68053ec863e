package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/postgres"
	"github.com/curfewhq/curfew/servers"
)

// rolesEach is how many roles one person holds: a principal may ask so often at once.
const rolesEach = 15

// crowd is a gateway in front of a PostgreSQL, and a child process with the clients
// of many idle sessions of many grants. Accounts are made, looked at and removed at
// a real server; the sessions' back ends are stand-ins (target_test.go).
type crowd struct {
	world   *enginetest.World
	clients *child
	admin   curfew.Principal
	grants  []enginetest.Grant
	of      [][]string // numbers of the sessions of each grant
	opened  int
	secure  bool
}

// newCrowd makes the grants, each with an account of its own at the target.
func newCrowd(b *testing.B, grants int, secure *tls.Config) *crowd {
	b.Helper()
	ctx := context.Background()
	p, err := servers.StartPostgresWith(ctx, servers.Options{Folder: b.TempDir(), Settings: []string{
		"log_statement=none", "shared_buffers=32MB", "autovacuum=off"}})
	must(b, err)
	b.Cleanup(func() { _ = p.Stop() })
	must(b, p.Prepare(ctx, "shop"))
	must(b, p.Sample(ctx, "shop"))
	target := startChild(b, "target", p.Address()).first
	roles := map[curfew.RoleName][]string{}
	for i := range rolesEach {
		roles[roleName(i)] = []string{"read *"}
	}
	c := &crowd{secure: secure != nil}
	c.world = enginetest.New(b, enginetest.Options{
		Engine: postgres.New(), Deployment: "bench", TLS: secure,
		Login:    strings.Replace(p.URL(servers.Admin, servers.AdminPassword, "shop"), p.Address(), target, 1),
		Resource: curfew.Resource{Name: "shop", Type: "postgres", Address: target, Account: curfew.Leased},
		Roles:    roles, Notices: []time.Duration{},
	})
	c.clients = startChild(b, "clients", "")
	b.Cleanup(func() { c.endAll(b) })
	c.world.Access.View(func(st *access.State) {
		for who := range st.Since[curfew.Administrators] {
			c.admin = who
		}
	})
	c.ask(b, c.people(b, (grants+rolesEach-1)/rolesEach), grants)
	return c
}

func roleName(i int) curfew.RoleName { return curfew.RoleName(fmt.Sprintf("r%d", i)) }

// people adds persons to the group that may ask.
func (c *crowd) people(b *testing.B, n int) []curfew.Principal {
	ctx, a := context.Background(), c.world.Access
	out := make([]curfew.Principal, n)
	for i := range out {
		who, err := c.world.Identity.AddPerson(ctx, "", fmt.Sprintf("crowd%d@example.com", i), c.admin)
		must(b, err)
		link := curfew.NewID("k")
		_, err = a.Do(ctx, access.IssueLink{SecretListed: curfew.SecretListed{ID: link, Principal: who, Until: time.Now().Add(time.Hour), By: c.admin}})
		must(b, err)
		_, err = a.Do(ctx, access.Join{Link: link, Passphrase: curfew.SecretListed{ID: string(who), Principal: who}})
		must(b, err)
		out[i] = who
	}
	c.apply(b, func(cfg *curfew.Config) {
		cfg.Groups["people"] = append(slices.Clone(cfg.Groups["people"]), out...)
	})
	return out
}

// apply changes the configuration.
func (c *crowd) apply(b *testing.B, change func(*curfew.Config)) {
	var cfg curfew.Config
	c.world.Access.View(func(st *access.State) { cfg = access.CopyConfig(st.Config) })
	change(&cfg)
	_, err := c.world.Access.Do(context.Background(), access.Propose{Change: c.world.Access.Plan(cfg), Author: c.admin})
	must(b, err)
}

// ask gets the grants, a few at a time, and a credential for each.
func (c *crowd) ask(b *testing.B, people []curfew.Principal, grants int) {
	c.grants, c.of = make([]enginetest.Grant, grants), make([][]string, grants)
	errs := make([]error, grants)
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for i := range grants {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			c.grants[i], errs[i] = c.askOne(people[i/rolesEach], roleName(i%rolesEach))
		})
	}
	wg.Wait()
	for _, err := range errs {
		must(b, err)
	}
	for _, g := range c.grants {
		c.world.Await(g.ID, access.Active)
	}
}

func (c *crowd) askOne(who curfew.Principal, role curfew.RoleName) (enginetest.Grant, error) {
	ctx := context.Background()
	id := curfew.GrantID(curfew.NewID("gr"))
	if _, err := c.world.Access.Do(ctx, access.Ask{Request: curfew.RequestID(curfew.NewID("rq")), Grant: id,
		Question: access.Question{Principal: who, Role: role, Duration: time.Hour, Reason: "to measure"}}); err != nil {
		return enginetest.Grant{}, err
	}
	cred, err := c.world.Identity.IssueCredential(ctx, who, id, false, time.Hour)
	return enginetest.Grant{ID: id, User: string(cred.ID), Password: cred.Secret}, err
}

// open opens a session of a grant, without waiting.
func (c *crowd) open(b *testing.B, grant int) {
	number := strconv.Itoa(c.opened)
	c.opened++
	c.of[grant] = append(c.of[grant], number)
	url := urlOf(c.world, c.grants[grant])
	if c.secure {
		url = fmt.Sprintf("postgres://%s:%s@%s/shop?sslmode=require", c.grants[grant].User, c.grants[grant].Password, c.world.Address)
	}
	c.clients.tell(b, number+" pg "+url)
}

// fill opens one session for each of the first alone grants, and spreads the rest
// over the others.
func (c *crowd) fill(b *testing.B, sessions, alone int) {
	for i := range sessions {
		g := i
		if i >= alone && len(c.grants) > alone {
			g = alone + (i-alone)%(len(c.grants)-alone)
		}
		c.open(b, g%len(c.grants))
	}
	c.clients.await(b, "open the sessions", 10*time.Minute, func() bool { return c.clients.up == sessions })
}

// endAll revokes what lives and waits until the target is clean.
func (c *crowd) endAll(b *testing.B) {
	for _, g := range c.grants {
		_, _ = c.world.Access.Do(context.Background(), access.Revoke{Grant: g.ID, By: c.admin})
	}
	if !c.clean(10 * time.Minute) {
		b.Error("accounts are left at the target")
	}
}

// clean waits until no lease is left.
func (c *crowd) clean(bound time.Duration) bool {
	for end := time.Now().Add(bound); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		left := 0
		c.world.Access.View(func(st *access.State) { left = len(st.Leases) })
		if left == 0 {
			return true
		}
	}
	return false
}
