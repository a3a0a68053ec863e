// Package enginetest puts a whole gateway together in one process, with people,
// roles and a policy that gives at once, and tests an engine through it. It is a
// helper: only tests import it, and it replaces nothing but the disk's ledger.
package enginetest

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/gateway"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/ledger"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
	"github.com/curfewhq/curfew/reach"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/record/local"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/shelf"
	shelfmem "github.com/curfewhq/curfew/shelf/mem"
	"github.com/curfewhq/curfew/vault"
)

// Options say what a World holds.
type Options struct {
	Engine     engine.Engine
	Deployment string // "": "test"
	Resource   curfew.Resource
	Login      string // the credential's text, a URL, for Resource.Login "file:login"
	CA         []byte // certificates that Login may name: "sslrootcert=file:ca"
	Roles      map[curfew.RoleName][]string
	Record     curfew.RecordMode       // "": live
	Budget     curfew.Budget           // of every grant
	Release    []curfew.StatementClass // that wait until the administrator releases them
	Hold       time.Duration           // how long at most; 0: ten minutes
	Agreed     bool                    // the administrator must agree to what is asked for, and does in Grant
	Notices    []time.Duration
	TLS        *tls.Config
	ComeBack   time.Duration // how long a request stays that no connection waits for any more; 0: 50 ms
	TellEvery  time.Duration // how often those who wait are told so; 0: 30 s
	Lapse      time.Duration // how long a request waits; 0: an hour
	Browsers   gateway.Browsers
}

// people is how many may ask; each may hold a role once.
const people = 40

// World is a gateway in this process. It ends with its test.
type World struct {
	Access   *access.Service
	Identity *identity.Service
	Gateway  *gateway.Gateway
	Record   *local.Store
	Address  string // where the engine listens

	t      testing.TB
	ledger ledger.Ledger
	admin  curfew.Principal
	people []curfew.Principal
	mu     sync.Mutex
	next   int // guarded by mu; who asks next
}

// New puts a World together and serves until the test ends.
func New(t testing.TB, opt Options) *World {
	t.Helper()
	if opt.Deployment == "" {
		opt.Deployment = "test"
	}
	if opt.Record == "" {
		opt.Record = curfew.RecordLive
	}
	if opt.ComeBack == 0 {
		opt.ComeBack = 50 * time.Millisecond
	}
	if opt.Lapse == 0 {
		opt.Lapse = time.Hour
	}
	w := &World{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	must(t, w.open(ctx, opt))
	var wg sync.WaitGroup
	for _, f := range []func(context.Context) error{w.Access.Run, w.Record.Run, w.Gateway.Lease.Run} {
		wg.Go(func() { _ = f(ctx) })
	}
	must(t, w.populate(ctx, opt))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w.Address = ln.Addr().String()
	door, shut := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() { _ = w.Gateway.Serve(door, ln, opt.Engine); close(served) }()
	t.Cleanup(func() {
		w.endAll()
		shut()
		<-served
		cancel()
		wg.Wait()
	})
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *World) open(ctx context.Context, opt Options) error {
	folder := w.t.TempDir()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	signer := ledger.NewSigner(opt.Deployment, key)
	w.ledger = ledgermem.New(signer)
	if err := ledger.Begin(ctx, w.ledger, signer, time.Now()); err != nil {
		return err
	}
	if w.Access, err = access.Open(ctx, access.Parts{Ledger: w.ledger}); err != nil {
		return err
	}
	ring := seal.NewRing(seal.NewKey())
	rows := shelf.New(new(shelfmem.Rows), ring.Derive("shelf"))
	w.Identity = identity.New(identity.Parts{Access: w.Access, Shelf: rows, Ring: ring.Derive("identity")})
	w.Record, err = local.Open(local.Parts{
		Folder: filepath.Join(folder, "recordings"), Ring: ring.Derive("recordings"),
		Anchor: func(context.Context, map[curfew.SessionID][]byte) error { return nil },
	})
	if err != nil {
		return err
	}
	credentials := filepath.Join(folder, "credentials")
	if err := errors.Join(os.Mkdir(credentials, 0o700), os.WriteFile(filepath.Join(credentials, "login"), []byte(opt.Login), 0o600),
		os.WriteFile(filepath.Join(credentials, "ca"), opt.CA, 0o600)); err != nil {
		return err
	}
	w.Gateway = gateway.New(gateway.Parts{
		Access: w.Access, Identity: w.Identity, Record: w.Record, Dialer: &reach.Dialer{}, Vault: vault.Open(credentials),
		Engines: map[curfew.EngineType]engine.Engine{opt.Engine.Type(): opt.Engine}, Deployment: opt.Deployment,
		TLS: opt.TLS, Notices: opt.Notices, ComeBack: opt.ComeBack, TellEvery: opt.TellEvery, Introductions: key, Browsers: opt.Browsers,
	})
	return nil
}

func (w *World) populate(ctx context.Context, opt Options) error {
	var err error
	if w.admin, err = w.person(ctx, "admin@example.com", ""); err != nil {
		return err
	}
	for i := range people {
		who, err := w.person(ctx, fmt.Sprintf("p%d@example.com", i), w.admin)
		if err != nil {
			return err
		}
		w.people = append(w.people, who)
	}
	if opt.Login != "" {
		opt.Resource.Login = "file:login"
	}
	c := curfew.Config{
		Groups:    map[curfew.GroupName][]curfew.Principal{"people": w.people, curfew.Administrators: {w.admin}},
		Resources: map[curfew.ResourceName]curfew.Resource{opt.Resource.Name: opt.Resource},
		Roles:     map[curfew.RoleName]curfew.Role{}, Policies: map[curfew.PolicyName]curfew.Policy{},
	}
	for name, may := range opt.Roles {
		c.Roles[name] = curfew.Role{Name: name, On: opt.Resource.Name, May: may, Longest: 2 * time.Hour}
		c.Policies[curfew.PolicyName(name)] = curfew.Policy{
			Name: curfew.PolicyName(name), Who: []curfew.Subject{{Group: "people"}}, Roles: []curfew.RoleName{name},
			AnswerWithin: opt.Lapse, UseWithin: time.Hour, Starts: curfew.AtApproval, Record: opt.Record, Approvals: w.approvals(opt), Budget: opt.Budget,
			Release: w.release(opt),
		}
	}
	_, err = w.Access.Do(ctx, access.Propose{Change: w.Access.Plan(c), Author: w.admin})
	return err
}

func (w *World) approvals(opt Options) []curfew.ApprovalNeed {
	if !opt.Agreed {
		return nil
	}
	return []curfew.ApprovalNeed{{Count: 1, From: []curfew.Subject{{Principal: w.admin}}}}
}

func (w *World) release(opt Options) curfew.Release {
	if len(opt.Release) == 0 {
		return curfew.Release{}
	}
	return curfew.Release{
		Statements: opt.Release, By: curfew.ApprovalNeed{Count: 1, From: []curfew.Subject{{Principal: w.admin}}}, Within: cmp.Or(opt.Hold, 10*time.Minute),
	}
}

// Agree approves every request that waits, as the administrator, and says how many.
func (w *World) Agree(grant curfew.GrantID) (n int) {
	w.t.Helper()
	var waiting []access.Request
	w.Access.View(func(st *access.State) {
		for _, r := range st.Requests {
			waiting = append(waiting, *r)
		}
	})
	for _, r := range waiting {
		_, err := w.Access.Do(context.Background(), access.Approve{Request: r.Request, By: w.admin, Digest: r.Digest, Grant: grant})
		must(w.t, err)
	}
	return len(waiting)
}

// Deny denies every request that waits.
func (w *World) Deny() {
	w.t.Helper()
	var waiting []curfew.RequestID
	w.Access.View(func(st *access.State) {
		for id := range st.Requests {
			waiting = append(waiting, id)
		}
	})
	for _, id := range waiting {
		_, err := w.Access.Do(context.Background(), access.Deny{Request: id, By: w.admin})
		must(w.t, err)
	}
}

// person adds somebody and lets them join, without the slow hash of a passphrase.
func (w *World) person(ctx context.Context, email string, by curfew.Principal) (curfew.Principal, error) {
	who, err := w.Identity.AddPerson(ctx, "", email, by)
	if err != nil {
		return "", err
	}
	id := curfew.NewID("k")
	until := time.Now().Add(time.Hour)
	if _, err := w.Access.Do(ctx, access.IssueLink{SecretListed: curfew.SecretListed{ID: id, Principal: who, Until: until, By: by}}); err != nil {
		return "", err
	}
	_, err = w.Access.Do(ctx, access.Join{Link: id, Passphrase: curfew.SecretListed{ID: string(who), Principal: who}})
	return who, err
}

// Grant is live access, and what a native client logs in with.
type Grant struct {
	ID             curfew.GrantID
	User, Password string
	Principal      curfew.Principal
}

// Grant asks for a role as somebody who does not hold it, waits until its clock
// runs, and makes a credential for many connections.
func (w *World) Grant(role curfew.RoleName, d time.Duration) Grant {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	w.mu.Lock()
	who := w.people[w.next%people]
	w.next++
	w.mu.Unlock()
	id := curfew.GrantID(curfew.NewID("gr"))
	_, err := w.Access.Do(ctx, access.Ask{Request: curfew.RequestID(curfew.NewID("rq")), Grant: id,
		Question: access.Question{Principal: who, Role: role, Duration: d, Reason: "to test"}})
	must(w.t, err)
	w.Agree(id)
	w.Await(id, access.Active)
	c, err := w.Identity.IssueCredential(ctx, who, id, false, time.Hour)
	must(w.t, err)
	return Grant{ID: id, User: string(c.ID), Password: c.Secret, Principal: who}
}

// ByHand makes a credential as for somebody at a terminal.
func (w *World) ByHand(g Grant) Grant {
	w.t.Helper()
	c, err := w.Identity.IssueByHand(context.Background(), g.Principal, g.ID)
	must(w.t, err)
	g.User, g.Password = string(c.ID), c.Secret
	return g
}

// Await waits until a grant has a status, or has passed it.
func (w *World) Await(id curfew.GrantID, want access.GrantStatus) {
	w.t.Helper()
	var g access.Grant
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		found := false
		w.Access.View(func(st *access.State) {
			if x := st.Grants[id]; x != nil {
				g, found = *x, true
			}
		})
		if found && g.Status == want || !found && want == access.Gone {
			return
		}
		if found && !g.Live() && want == access.Active {
			break
		}
	}
	w.t.Fatalf("the grant %s is %q (%s, bound %q), want %q; leases: %s", id, g.Status, g.Cause, g.Bound, want, w.troubles())
}

// troubles lists what the ledger says went wrong with accounts.
func (w *World) troubles() (out string) {
	events, _ := w.ledger.Read(context.Background(), 1, 1<<20)
	for _, e := range events {
		if e.Kind == curfew.KindLeaseRefused || e.Kind == curfew.KindLeaseStuck || e.Kind == curfew.KindLeaseUsedOutside {
			out += string(e.Kind) + " " + string(e.Body) + "\n"
		}
	}
	return out
}

// Revoke ends a grant as an administrator does.
func (w *World) Revoke(id curfew.GrantID) {
	w.t.Helper()
	_, err := w.Access.Do(context.Background(), access.Revoke{Grant: id, By: w.admin})
	must(w.t, err)
}

// Shorten leaves a grant only so long.
func (w *World) Shorten(id curfew.GrantID, left time.Duration) {
	w.t.Helper()
	_, err := w.Access.Do(context.Background(), access.Shorten{Grant: id, By: w.admin, Left: left})
	must(w.t, err)
}

// endAll gives everything back and waits until the targets are clean.
func (w *World) endAll() {
	var live []curfew.GrantID
	w.Access.View(func(st *access.State) {
		for id, g := range st.Grants {
			if g.Live() {
				live = append(live, id)
			}
		}
	})
	for _, id := range live {
		_, _ = w.Access.Do(context.Background(), access.Revoke{Grant: id, By: w.admin})
	}
	left := 1
	for end := time.Now().Add(10 * time.Second); left > 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		w.Access.View(func(st *access.State) { left = len(st.Leases) })
	}
	if left > 0 {
		w.t.Errorf("%d leases were not removed: %s", left, w.troubles())
	}
}

// Sessions lists what sessions of a grant were opened, in order.
func (w *World) Sessions(id curfew.GrantID) (out []curfew.SessionID) {
	w.t.Helper()
	events, err := w.ledger.Read(context.Background(), 1, 1<<20)
	must(w.t, err)
	for _, e := range events {
		if e.Kind != curfew.KindSessionOpened {
			continue
		}
		var b curfew.SessionOpened
		must(w.t, json.Unmarshal(e.Body, &b))
		if b.Grant == id {
			out = append(out, b.Session)
		}
	}
	return out
}

// Ended waits for the end of a session of the grant and returns what it came to.
func (w *World) Ended(id curfew.GrantID) curfew.SessionEnded {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		sessions := w.Sessions(id)
		events, err := w.ledger.Read(context.Background(), 1, 1<<20)
		must(w.t, err)
		for _, e := range events {
			var b curfew.SessionEnded
			if e.Kind != curfew.KindSessionEnded {
				continue
			}
			must(w.t, json.Unmarshal(e.Body, &b))
			if slices.Contains(sessions, b.Session) {
				return b
			}
		}
	}
	w.t.Fatalf("no session of %s ends", id)
	return curfew.SessionEnded{}
}

// Items reads a recording: to its end if the session is over, else what is there.
func (w *World) Items(id curfew.SessionID) (out []record.Item) {
	w.t.Helper()
	w.Each(id, func(it record.Item) { out = append(out, it) })
	return out
}

// Each gives what a recording holds by now to f, one item after the other.
func (w *World) Each(id curfew.SessionID, f func(record.Item)) {
	w.t.Helper()
	r, err := w.Record.Read(id)
	for end := time.Now().Add(2 * time.Second); err != nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		r, err = w.Record.Read(id) // the session is being opened
	}
	must(w.t, err)
	defer func() { _ = r.Close() }()
	for {
		it, err := r.Next(context.Background(), false)
		if errors.Is(err, io.EOF) || errors.Is(err, record.ErrOpen) {
			return
		}
		must(w.t, err)
		f(it)
	}
}
