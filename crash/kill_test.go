package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/servers"
)

// seedOf is where a run's choices come from: CURFEW_SEED repeats them (the kernel's
// scheduling it cannot repeat).
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CURFEW_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CURFEW_SEED: %v", err)
		}
	}
	t.Logf("CURFEW_SEED=%d", seed)
	return seed
}

// TestKilledAtRandomMomentsLosesNoAnswer is R7.
func TestKilledAtRandomMomentsLosesNoAnswer(t *testing.T) {
	kills, began := killCount, time.Now()
	if text := os.Getenv("CURFEW_KILLS"); text != "" {
		kills, _ = strconv.Atoi(text)
	}
	seed := seedOf(t)
	pg := shop(t)
	g := newGateway(t, "crash", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	l := &loop{t: t, g: g, pg: pg, admin: people["ada"], model: newModel(), rand: rand.New(rand.NewPCG(seed, 0))}
	l.watch = l.superuser()
	stop := l.work(people, seed)
	done := 0
	for done < kills && !t.Failed() {
		done += l.once()
	}
	stop()
	l.settle()
	t.Logf("%d kills in %.0f s; %s", done, time.Since(began).Seconds(), l.model)
	m := l.model
	if m.given < kills/4 || m.revoked < kills/10 || m.sessions < kills/4 || m.extended == 0 || m.shortened == 0 || m.returned == 0 || m.cuts == 0 {
		t.Errorf("too little was done between the kills to mean much: %s", m)
	}
}

// loop kills one gateway again and again.
type loop struct {
	t     *testing.T
	g     *gateway
	pg    *servers.Postgres
	admin person
	model *model
	rand  *rand.Rand
	watch *pgx.Conn // a superuser's, past the gateway
	calm  sync.RWMutex
	bad   atomic.Pointer[error]
}

func (l *loop) superuser() *pgx.Conn {
	l.t.Helper()
	c, err := pgx.Connect(context.Background(), l.pg.URL(servers.Super, servers.SuperPassword, "shop"))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// work has everybody at work until the function that it returns is called.
func (l *loop) work(people map[string]person, seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i, who := range []string{"w1", "w2", "w3"} {
		for k, role := range []string{"shop/reader", "shop/mender"} {
			if role == "shop/mender" && i > 0 {
				continue // an approval costs a slow hash
			}
			w := &worker{
				who: people[who], lead: people["lea"], admin: l.admin, role: role, model: l.model, calm: &l.calm,
				rand: rand.New(rand.NewPCG(seed, uint64(1+2*i+k))), failed: func(err error) { l.bad.CompareAndSwap(nil, &err) },
			}
			wg.Go(func() { w.run(ctx) })
		}
	}
	l.t.Cleanup(cancel)
	return func() { cancel(); wg.Wait() }
}

// once lets them work, kills, starts again, and looks. It returns how often it killed.
func (l *loop) once() int {
	kills := 1
	work := time.Duration(l.rand.IntN(600)) * time.Millisecond
	if l.rand.IntN(12) == 0 {
		work += 2 * time.Second // long enough for an approval, which costs a slow hash
	}
	time.Sleep(work)
	l.g.kill()
	at := l.serverTime()
	if l.rand.IntN(3) == 0 { // and once more while it starts
		l.g.spawn()
		time.Sleep(time.Duration(l.rand.IntN(150)) * time.Millisecond)
		l.g.kill()
		kills++
	}
	l.g.start()
	l.calm.Lock()
	defer l.calm.Unlock()
	if err := l.look(at); err != nil {
		l.t.Fatalf("after a kill: %v\n%s", err, tail(l.g.log()))
	}
	if err := l.bad.Load(); err != nil {
		l.t.Fatal(*err)
	}
	return kills
}

func (l *loop) serverTime() (at time.Time) {
	l.t.Helper()
	if err := l.watch.QueryRow(context.Background(), "SELECT clock_timestamp()").Scan(&at); err != nil {
		l.t.Fatal(err)
	}
	return at
}

// look checks everything that must hold after a restart.
func (l *loop) look(killed time.Time) error {
	ctx := context.Background()
	if err := l.model.check(ctx, l.admin); err != nil {
		return err
	}
	l.g.verify(l.admin)
	for _, k := range l.model.someEnded(2) {
		if c, err := dial(ctx, k.cred); err == nil {
			_ = c.Close(ctx)
			return fmt.Errorf("a session of %s opened, and it is over", k.id)
		}
	}
	n := 0
	if !within(5*time.Second, func() bool {
		n = l.count(`SELECT count(*) FROM pg_stat_activity WHERE starts_with(usename, 'curfew_crash_l_') AND backend_start < $1`, killed)
		return n == 0
	}) {
		return fmt.Errorf("%d connections of sessions outlive the gateway at the target", n)
	}
	return nil
}

func (l *loop) count(query string, args ...any) (n int) {
	l.t.Helper()
	if err := l.watch.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		l.t.Fatal(err)
	}
	return n
}

// settle ends every grant and waits until the target has nothing of this deployment.
func (l *loop) settle() {
	l.t.Helper()
	ctx := context.Background()
	live, _, err := liveGrants(ctx, l.admin)
	if err != nil {
		l.t.Fatal(err)
	}
	for id := range live {
		if _, err := l.admin.Revoke(ctx, id, client.Why{}); err != nil {
			l.t.Errorf("revoke %s at the end: %v", id, err)
		}
		l.model.tell(func() {
			if k := l.model.grants[id]; k != nil {
				k.ended = true
			}
		})
	}
	accounts := 0
	if !within(30*time.Second, func() bool {
		accounts = l.count(`SELECT count(*) FROM pg_roles WHERE starts_with(rolname, 'curfew_crash_l_')`)
		return accounts == 0
	}) {
		l.t.Errorf("%d accounts are left at the target when every grant is over:\n%s", accounts, tail(l.g.log()))
	}
	if err := l.model.check(ctx, l.admin); err != nil {
		l.t.Error(err)
	}
	if !within(10*time.Second, func() bool {
		head, err := l.admin.LedgerHead(ctx)
		if err != nil {
			return false
		}
		ended, err := grantsThatAre(ctx, l.admin, "ended", head.Size)
		return err == nil && len(ended) == 0
	}) {
		l.t.Error("the target is clean, and not every grant is verified")
	}
	l.g.verify(l.admin)
}
