package enginetest

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/record"
)

// Client is a connection of a native client.
type Client interface {
	// Do does something small at the target that the role allows.
	Do(context.Context) error
	Close()
}

// Suite is what every engine must do, whatever it speaks.
type Suite struct {
	World *World
	Role  curfew.RoleName
	// Connect logs in as a client does.
	Connect func(ctx context.Context, user, password string) (Client, error)
	// Mark sends something that the role allows and that the target remembers, with a
	// word in it; it may return before the target has answered. Marked is how often the
	// target has seen the word.
	Mark   func(ctx context.Context, c Client, word string) error
	Marked func(word string) (int, error)
}

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	t.Run("a stranger hears one sentence for all", s.strangers)
	t.Run("what is said is recorded before it is answered", s.recorded)
	t.Run("a revoked grant ends its live sessions", s.revoked)
	t.Run("a session opened just before the end dies with it", s.expires)
	t.Run("nothing passes a gate that has shut", s.shut)
	t.Run("an ended grant opens nothing and is verified", s.verified)
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (s Suite) connect(t *testing.T, g Grant) Client {
	t.Helper()
	c, err := s.Connect(within(t), g.User, g.Password)
	must(t, err)
	t.Cleanup(c.Close)
	must(t, c.Do(within(t)))
	return c
}

// strangers: whether the credential exists, is wrong or is malformed is not to be told apart.
func (s Suite) strangers(t *testing.T) {
	g := s.World.Grant(s.Role, time.Hour)
	seen := map[string]bool{}
	for _, who := range [][2]string{{g.User, "wrong"}, {curfew.NewID("c"), g.Password}, {"root", "root"}, {"c_", "x"}} {
		c, err := s.Connect(within(t), who[0], who[1])
		if err == nil {
			c.Close()
			t.Fatalf("%s came in", who[0])
		}
		seen[sentence(err, who[0])] = true
	}
	if len(seen) != 1 {
		t.Errorf("strangers can tell one refusal from another: %v", seen)
	}
}

func (s Suite) recorded(t *testing.T) {
	g := s.World.Grant(s.Role, time.Hour)
	c := s.connect(t, g)
	c.Close()
	ids := s.World.Sessions(g.ID)
	if len(ids) != 1 {
		t.Fatalf("%d sessions, want one", len(ids))
	}
	var kinds []record.Kind
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		kinds = kinds[:0]
		for _, it := range s.World.Items(ids[0]) {
			kinds = append(kinds, it.Kind)
		}
		if len(kinds) > 2 && kinds[len(kinds)-1] == record.Closed {
			break
		}
	}
	statement, outcome := -1, -1
	for i, k := range kinds {
		if k == record.Statement && statement < 0 {
			statement = i
		}
		if k == record.Outcome && outcome < 0 {
			outcome = i
		}
	}
	if kinds[0] != record.Opened || statement < 0 || outcome < statement {
		t.Errorf("recorded %v", kinds)
	}
}

func (s Suite) revoked(t *testing.T) {
	g := s.World.Grant(s.Role, time.Hour)
	a, b := s.connect(t, g), s.connect(t, g)
	s.World.Revoke(g.ID)
	for _, c := range []Client{a, b} {
		if err := c.Do(within(t)); err == nil {
			t.Error("a session went on after its grant was revoked")
		}
	}
	s.World.Await(g.ID, access.Gone)
}

// expires: a second is enough to log in. Where the machine is so busy that it was
// not, there was no session to see the end of, and it is tried with more.
func (s Suite) expires(t *testing.T) {
	for lead := time.Second; ; lead *= 2 {
		g := s.World.Grant(s.Role, time.Hour)
		s.World.Shorten(g.ID, lead+time.Second)
		time.Sleep(time.Second)
		c, err := s.Connect(within(t), g.User, g.Password)
		if err != nil && lead < 5*time.Second {
			continue
		}
		must(t, err)
		defer c.Close()
		for end := time.Now().Add(lead + 500*time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if c.Do(within(t)) != nil {
				return
			}
		}
		t.Error("a session outlived its grant")
		return
	}
}

// connectAgain is connect where opening is not what is tested: one that breaks is
// said, and tried again.
func (s Suite) connectAgain(t *testing.T, g Grant) Client {
	t.Helper()
	for range 2 {
		c, err := s.Connect(within(t), g.User, g.Password)
		if err == nil {
			if err = c.Do(within(t)); err == nil {
				t.Cleanup(c.Close)
				return c
			}
			c.Close()
		}
		t.Logf("a connection broke while it was opened: %v", err)
	}
	return s.connect(t, g)
}

// shut is R1 for a whole engine: what a client begins to send after its grant has
// ended never reaches the target, and what reached it before did.
func (s Suite) shut(t *testing.T) {
	sent := 0
	for range shutRounds {
		g := s.World.Grant(s.Role, time.Hour)
		var over atomic.Bool
		var before atomic.Int64
		var wg sync.WaitGroup
		for range 2 {
			c := s.connectAgain(t, g)
			wg.Go(func() {
				for {
					word := "early"
					if over.Load() {
						word = "late"
					}
					if s.Mark(within(t), c, word) != nil {
						return
					}
					before.Add(1)
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(int(20 * time.Millisecond))))
		s.World.Revoke(g.ID)
		over.Store(true)
		wg.Wait()
		sent += int(before.Load())
		s.World.Await(g.ID, access.Gone)
	}
	early, err := s.Marked("early")
	must(t, err)
	late, err := s.Marked("late")
	must(t, err)
	if late != 0 {
		t.Errorf("%d things that were sent after the end have reached the target", late)
	}
	if early < sent || sent == 0 {
		t.Errorf("%d were answered, and the target saw %d", sent, early)
	}
	t.Logf("%d rounds, %d sent and answered", shutRounds, sent)
}

func (s Suite) verified(t *testing.T) {
	g := s.World.Grant(s.Role, time.Hour)
	s.connect(t, g)
	s.World.Revoke(g.ID)
	s.World.Await(g.ID, access.Gone)
	if c, err := s.Connect(within(t), g.User, g.Password); err == nil {
		c.Close()
		t.Error("an ended grant let somebody in")
	}
}
