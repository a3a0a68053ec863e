package enginetest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/toyline"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/session"
)

// nothing is a recorder of a session that says nothing.
type nothing struct{}

func (nothing) Write(record.Item) error { return nil }
func (nothing) OnFail(func(error))      {}
func (nothing) Close(record.Item) error { return nil }

// tap is a target's connection that counts what is written to it.
type tap struct {
	net.Conn // nil: nothing else is called
	closed   atomic.Bool
	deadline atomic.Bool
	late     atomic.Int64 // writes of what began after the gate had shut
}

func (c *tap) Write(b []byte) (int, error) {
	if c.closed.Load() || c.deadline.Load() {
		return 0, errors.New("closed")
	}
	if b[0] == 'l' {
		c.late.Add(1)
	}
	return len(b), nil
}

func (c *tap) Close() error                       { c.closed.Store(true); return nil }
func (c *tap) SetWriteDeadline(t time.Time) error { c.deadline.Store(t.Before(time.Now())); return nil }

// TestNothingPassesAGateThatHasShut is R1 for the gate itself, which every engine
// forwards through: gateSteps messages of three writers meet gates that shut by a
// revocation, a session's own end, a shortened grant, or the clock.
func TestNothingPassesAGateThatHasShut(t *testing.T) {
	w := world(t, "gate")
	ctx := context.Background()
	steps, rounds := 0, map[string]int{}
	g := w.Grant("speak", time.Hour)
	for steps < gateSteps() {
		cred, err := w.Identity.Credential(ctx, curfew.CredentialID(g.User))
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.Access.OpenSession(ctx, access.OpenSession{Session: curfew.SessionID(curfew.NewID("s")), Credential: cred})
		if err != nil {
			t.Fatal(err)
		}
		s := session.New(session.Parts{Permit: p, Notices: []time.Duration{}, Record: nothing{}})
		var over atomic.Bool
		to := &tap{}
		if err := s.Attach(session.Legs{Target: to}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var sent atomic.Int64
		for range 3 {
			wg.Go(func() {
				for {
					b := []byte("early")
					if over.Load() || !time.Now().Before(p.End()) {
						b = []byte("late")
					}
					sent.Add(1)
					if s.Forward(to, b) != nil {
						return
					}
				}
			})
		}
		how := "its own end"
		switch n := rand.IntN(300); {
		case n == 0:
			how = "shortened"
		case n < 100:
			how = "revoked"
		}
		for after := rand.Int64N(2000); sent.Load() < after; {
			runtime.Gosched()
		}
		switch how {
		case "its own end":
			p.Fail(curfew.CauseTarget, "")
		case "revoked":
			w.Revoke(g.ID)
		case "shortened": // then the clock
			w.Shorten(g.ID, time.Second)
		}
		if how != "shortened" {
			over.Store(true)
		}
		wg.Wait()
		s.Close(curfew.CauseClosed, "")
		if to.late.Load() > 0 {
			t.Fatalf("%s: %d messages passed that began after the gate had shut", how, to.late.Load())
		}
		if how != "its own end" {
			g = w.Grant("speak", time.Hour)
		}
		steps += min(int(sent.Load()), 20_000) // a second until the clock ends it is no more than one gate
		rounds[how]++
	}
	t.Logf("%d messages met %v", steps, rounds)
}

func gateSteps() int {
	if testing.Short() {
		return enginetest.GateSteps / 20
	}
	return enginetest.GateSteps
}

// target answers lines and remembers them.
type target struct {
	address string
	mu      sync.Mutex
	said    []string // guarded by mu
}

func listen(t *testing.T) *target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := &target{address: ln.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { to.answer(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return to
}

func world(t *testing.T, deployment string) *enginetest.World {
	t.Helper()
	return worldOf(t, deployment, listen(t))
}

func worldOf(t *testing.T, deployment string, to *target) *enginetest.World {
	t.Helper()
	return enginetest.New(t, enginetest.Options{
		Engine: toyline.New(), Deployment: deployment, Login: "toyline://nobody:nothing@" + to.address,
		Resource: curfew.Resource{Name: "lines", Type: "toyline", Address: to.address, Account: curfew.Fixed},
		Roles:    map[curfew.RoleName][]string{"speak": {"say hello", "say mark"}},
	})
}
