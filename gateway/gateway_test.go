package gateway

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
	"github.com/curfewhq/curfew/reach"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/shelf"
	shelfmem "github.com/curfewhq/curfew/shelf/mem"
)

// Every refusal is counted once: as the first of its kind, or in a sum; and what
// is kept of them is bounded, whoever knocks.
func TestEveryRefusalIsCountedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r refusals
		firsts, summed, all := 0, 0, 0
		sum := func() {
			for _, b := range r.take() {
				summed += b.Times
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "minutes") {
			for range rapid.IntRange(0, 50).Draw(t, "refusals") {
				many := rapid.SampledFrom([]int{1, 1, 5, 700}).Draw(t, "strangers")
				for i := range many {
					all++
					if r.add(curfew.SessionRefused{Client: fmt.Sprint("10.0.0.", i), Rule: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "rule")}) {
						firsts++
					}
				}
			}
			if len(r.count) > mostRefusals+1 {
				t.Fatalf("%d kinds are kept", len(r.count))
			}
			sum()
		}
		sum()
		if firsts+summed != all {
			t.Fatalf("%d refusals, %d events and %d summed up", all, firsts, summed)
		}
	})
}

// echo is an engine: it answers each byte; silent clients say nothing.
type echo struct{ engine.Engine }

func (echo) Type() curfew.EngineType { return "echo" }

func (echo) Serve(ctx context.Context, conn net.Conn, _ engine.Gatekeeper) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var b [1]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			return
		}
		if _, err := conn.Write(b[:]); err != nil {
			return
		}
	}
}

func newGateway(t *testing.T) (*Gateway, *access.Service) {
	t.Helper()
	l := ledgertest.Begun(t, ledgermem.New)
	ctx, cancel := context.WithCancel(context.Background())
	a, err := access.Open(ctx, access.Parts{Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	ring := seal.NewRing(seal.NewKey())
	id := identity.New(identity.Parts{Access: a, Shelf: shelf.New(&shelfmem.Rows{}, ring), Ring: ring})
	return New(Parts{Access: a, Identity: id, Dialer: &reach.Dialer{}}), a
}

func TestSilentClientsDelayNobodyAndStoppingWaitsForAll(t *testing.T) {
	g, _ := newGateway(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx, ln, echo{}) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	for range 500 {
		dial()
	}
	c := dial()
	began := time.Now()
	_ = c.SetDeadline(began.Add(10 * time.Second))
	if _, err = c.Write([]byte("x")); err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	if took := time.Since(began); err != nil || took > time.Second {
		t.Errorf("behind 500 silent clients it took %s: %v", took, err)
	}
	cancel()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not stop")
	}
}

func TestAStrangerIsRefusedAndNotedOnce(t *testing.T) {
	g, a := newGateway(t)
	ctx := context.Background()
	for range 5 {
		_, err := g.Open(ctx, access.Claim{Credential: "c_0000000000000000", Client: "10.0.0.7:5000"}, nil)
		if curfew.CodeOf(err) != curfew.NotSignedIn {
			t.Fatalf("a stranger got %v", err)
		}
	}
	events, err := a.Ledger().Read(ctx, 2, 100)
	if err != nil || len(events) != 1 || events[0].Kind != curfew.KindSessionRefused {
		t.Errorf("the ledger has %d events: %v", len(events), err)
	}
}
