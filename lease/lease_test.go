package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
)

// target is a server with accounts, and whatever goes wrong with one.
type target struct {
	mu       sync.Mutex
	accounts map[string]bool           // guarded by mu; true: can log in
	ever     map[string]bool           // guarded by mu
	strays   []string                  // guarded by mu
	killed   []string                  // guarded by mu
	until    time.Time                 // guarded by mu
	fault    func(step string) error   // before the step
	lost     func(step string) error   // after it: done, and not answered
	removing func(account string) bool // guarded by mu; false: too early
	patrol   time.Duration
	t        *testing.T
}

var errDown = errors.New("connection refused")

func (k *target) step(name string, f func()) error {
	if k.fault != nil {
		if err := k.fault(name); err != nil {
			return err
		}
	}
	k.mu.Lock()
	f()
	k.mu.Unlock()
	if k.lost != nil {
		return k.lost(name)
	}
	return nil
}

func (k *target) Make(_ context.Context, p Plan) (Made, error) {
	err := k.step("make", func() { k.accounts[p.Account], k.ever[p.Account] = false, true })
	return Made{ID: "16384"}, err
}

func (k *target) Unlock(_ context.Context, p Plan, _ Made) (string, func(context.Context) error, error) {
	err := k.step("unlock", func() { k.accounts[p.Account] = true })
	return "pw", func(context.Context) error {
		return k.step("lock", func() {
			if _, ok := k.accounts[p.Account]; ok {
				k.accounts[p.Account] = false
			}
		})
	}, err
}

func (k *target) Limit(_ context.Context, _ Plan, until time.Time) error {
	return k.step("limit", func() { k.until = until })
}

func (k *target) Terminate(_ context.Context, work []string) error {
	return k.step("terminate", func() {
		k.killed = append(k.killed, work...)
		k.strays = slices.DeleteFunc(k.strays, func(s string) bool { return slices.Contains(work, s) })
	})
}

func (k *target) Strays(_ context.Context, _ Made, known []string) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(k.strays), func(s string) bool { return slices.Contains(known, s) }), nil
}

func (k *target) Remove(_ context.Context, p Plan, _ Made) (Residue, error) {
	k.mu.Lock()
	removing := k.removing
	k.mu.Unlock()
	if removing != nil && !removing(p.Account) {
		k.t.Errorf("%s is removed while its grant lives", p.Account)
	}
	err := k.step("remove", func() { delete(k.accounts, p.Account) })
	return Residue{Gone: err == nil, Powerless: true}, err
}

func (k *target) Accounts(context.Context) ([]string, error) { return nil, nil }
func (k *target) Close()                                     {}

func (k *target) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.accounts)
}

// world is Alice, who may read a database with accounts of their own.
type world struct {
	t      *testing.T
	k      *target
	access *access.Service
	lease  *Service
	stop   func()
}

const alice, root = curfew.Principal("p_alice"), curfew.Principal("p_root")

func newWorld(t *testing.T, k *target) *world { return newWorldOf(t, k, k) }

// newWorldOf is one whose keeper is more than its target.
func newWorldOf(t *testing.T, k *target, keeper Keeper) *world {
	l := ledgertest.Begun(t, ledgermem.New)
	k.t, k.accounts, k.ever = t, map[string]bool{}, map[string]bool{}
	w := &world{t: t, k: k}
	var err error
	if w.access, err = access.Open(context.Background(), access.Parts{Ledger: l}); err != nil {
		t.Fatal(err)
	}
	w.lease = New(Parts{Access: w.access, Keeper: func(curfew.Resource) Keeper { return keeper }, Known: func(curfew.GrantID) []string { return []string{"ours"} }, Patrol: k.patrol})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.access.Run(ctx) })
	wg.Go(func() { _ = w.lease.Run(ctx) })
	w.stop = func() { cancel(); wg.Wait() }
	w.do(access.AddPerson{PrincipalAdded: curfew.PrincipalAdded{Principal: root, Kind: curfew.Person}})
	w.do(access.IssueLink{SecretListed: curfew.SecretListed{ID: "k_1", Principal: root, Until: time.Now().Add(time.Hour)}})
	w.do(access.Join{Link: "k_1", Passphrase: curfew.SecretListed{ID: "k_1", Principal: root}})
	w.do(access.AddPerson{PrincipalAdded: curfew.PrincipalAdded{Principal: alice, Kind: curfew.Person, By: root}})
	w.do(access.Propose{Author: root, Change: w.access.Plan(curfew.Config{
		Groups:    map[curfew.GroupName][]curfew.Principal{"readers": {alice}, curfew.Administrators: {root}},
		Resources: map[curfew.ResourceName]curfew.Resource{"db": {Name: "db", Type: "postgres", Address: "db:5432", Login: "env:DB", Account: curfew.Leased}},
		Roles:     map[curfew.RoleName]curfew.Role{"read": {Name: "read", On: "db", May: []string{"read orders"}, Longest: time.Hour}},
		Policies: map[curfew.PolicyName]curfew.Policy{"reading": {Name: "reading", Who: []curfew.Subject{{Group: "readers"}}, Roles: []curfew.RoleName{"read"},
			AnswerWithin: time.Hour, UseWithin: time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive}},
	})})
	return w
}

func (w *world) do(c access.Command) {
	w.t.Helper()
	if _, err := w.access.Do(context.Background(), c); err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
}

func (w *world) ask() curfew.GrantID {
	w.t.Helper()
	id := curfew.GrantID(curfew.NewID("gr"))
	w.do(access.Ask{Request: curfew.RequestID(curfew.NewID("rq")), Grant: id,
		Question: access.Question{Principal: alice, Role: "read", Duration: 30 * time.Minute, Reason: "to see"}})
	return id
}

func (w *world) live(id curfew.GrantID) (live bool) {
	w.access.View(func(st *access.State) { live = st.Grants[id] != nil && st.Grants[id].Live() })
	return live
}

// Whatever a target answers, an account that was ever made is gone in the end,
// and is never removed while its grant lives.
func TestEveryAccountIsGoneInTheEnd(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, luck := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2)) // luck is guarded by mu
				var mu sync.Mutex
				bad := true
				flaky := func(string) error {
					mu.Lock()
					defer mu.Unlock()
					if bad && luck.IntN(3) == 0 {
						return errDown
					}
					return nil
				}
				k := &target{fault: flaky, lost: flaky, patrol: time.Minute}
				w := newWorld(t, k)
				defer w.stop()
				var grants []curfew.GrantID // guarded by mu
				k.mu.Lock()
				k.removing = func(account string) bool {
					early := false
					mu.Lock()
					defer mu.Unlock()
					w.access.View(func(st *access.State) {
						for _, g := range grants {
							if l := st.LeaseOf(g); l != nil && l.Account == account {
								early = st.Grants[g].Live()
							}
						}
					})
					return !early
				}
				k.mu.Unlock()
				for range 4 {
					id := w.ask()
					mu.Lock()
					grants = append(grants, id)
					mu.Unlock()
					time.Sleep(time.Duration(r.IntN(int(2 * time.Minute))))
					if r.IntN(2) == 0 {
						w.do(access.Return{Grant: id, By: alice})
					} else {
						time.Sleep(31 * time.Minute)
					}
				}
				mu.Lock()
				bad = false
				mu.Unlock()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if k.count() != 0 {
					t.Errorf("%d of %d accounts are left", k.count(), len(k.ever))
				}
				w.access.View(func(st *access.State) {
					if len(st.Leases) != 0 || len(st.Grants) != 0 {
						t.Errorf("%d leases and %d grants are not verified", len(st.Leases), len(st.Grants))
					}
				})
			})
		})
	}
}

func TestADoorThatDoesNotShutEndsTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &target{fault: func(step string) error {
			if step == "lock" {
				return errDown
			}
			return nil
		}}
		w := newWorld(t, k)
		defer w.stop()
		id := w.ask()
		_, _, shut, err := w.lease.Open(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		shut()
		time.Sleep(time.Minute)
		if w.live(id) || k.count() != 0 {
			t.Errorf("the grant lives: %v, accounts: %d", w.live(id), k.count())
		}
	})
}

func TestAStrayConnectionEndsTheGrantAndOursDoNot(t *testing.T) {
	for _, c := range []struct {
		stray string
		ends  bool
	}{{"ours", false}, {"theirs", true}} {
		synctest.Test(t, func(t *testing.T) {
			k := &target{}
			w := newWorld(t, k)
			defer w.stop()
			id := w.ask()
			time.Sleep(10 * time.Second)
			k.mu.Lock()
			k.strays = []string{c.stray}
			k.mu.Unlock()
			time.Sleep(2 * time.Second) // THREATS 1
			k.mu.Lock()
			defer k.mu.Unlock()
			if w.live(id) == c.ends || slices.Contains(k.killed, c.stray) != c.ends {
				t.Errorf("with a connection of %s the grant lives: %v, terminated: %v", c.stray, w.live(id), k.killed)
			}
		})
	}
}

func TestTheTargetIsToldOfANearerEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &target{}
		w := newWorld(t, k)
		defer w.stop()
		id := w.ask()
		time.Sleep(10 * time.Second)
		end := time.Now().Add(time.Minute)
		w.do(access.Shorten{Grant: id, By: root, Left: time.Minute})
		time.Sleep(time.Second)
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.until.Equal(end) {
			t.Errorf("the target refuses log-ins after %s, the grant ends at %s", k.until, end)
		}
	})
}
