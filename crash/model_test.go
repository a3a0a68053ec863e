package crash

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/curfewhq/curfew/client"
)

// known is what the test was told about one grant, and so may hold the gateway to.
type known struct {
	id       string
	ended    bool      // somebody was told that it is over
	seenOver bool      // and the gateway said so too
	unsure   bool      // an act that ends or moves it got no answer
	atLeast  time.Time // it was said to last until then
	atMost   time.Time // it was said to end by then; zero: nothing was said
	cred     client.Credential
}

// model is the naive one: it remembers answers and knows no rules.
type model struct {
	mu     sync.Mutex
	grants map[string]*known // guarded by mu

	// What was answered, so that a run that did nothing is seen. Guarded by mu.
	given, revoked, returned, extended, shortened, approved, sessions, statements, cuts, unsure int
}

func newModel() *model { return &model{grants: map[string]*known{}} }

// tell changes what is known under the lock.
func (m *model) tell(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *model) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("answered: %d grants given (%d by approval), %d revoked, %d returned, %d extended, %d shortened, %d sessions, %d statements, %d cuts seen; %d acts without an answer",
		m.given, m.approved, m.revoked, m.returned, m.extended, m.shortened, m.sessions, m.statements, m.cuts, m.unsure)
}

// slack is what clocks and rounding to whole seconds may differ by.
const slack = 2 * time.Second

// check compares everything that was answered with what the gateway says now, and
// returns the first thing that is not so.
func (m *model) check(ctx context.Context, admin person) error {
	m.mu.Lock() // first: what is known was answered before the gateway is asked
	defer m.mu.Unlock()
	live, head, err := liveGrants(ctx, admin)
	if err != nil {
		return err
	}
	for _, k := range m.grants {
		g, lives := live[k.id]
		if lives {
			err = k.checkLive(g)
		} else if !k.seenOver {
			err = k.checkOver(ctx, admin, head)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *known) checkLive(g client.Grant) error {
	switch {
	case k.ended:
		return fmt.Errorf("the grant %s was acknowledged to be over, and is %s", k.id, g.Status)
	case !k.atMost.IsZero() && g.End.After(k.atMost.Add(slack)):
		return fmt.Errorf("the grant %s was acknowledged to end by %s, and ends at %s", k.id, k.atMost, g.End)
	case g.Status == "active" && !k.unsure && g.End.Before(k.atLeast.Add(-slack)):
		return fmt.Errorf("the grant %s was acknowledged to last until %s, and ends at %s", k.id, k.atLeast, g.End)
	}
	return nil
}

// checkOver looks once at a grant that lives no more; from then on it is over.
func (k *known) checkOver(ctx context.Context, admin person, head uint64) error {
	g, err := admin.Grant(ctx, k.id, head)
	switch {
	case err != nil:
		return fmt.Errorf("the grant %s was acknowledged: %w", k.id, err)
	case g.Status != "ended" && g.Status != "verified":
		return fmt.Errorf("the grant %s is %s, and in no list of those that live", k.id, g.Status)
	case !k.ended && !k.unsure && time.Now().Before(k.atLeast.Add(-slack)):
		return fmt.Errorf("the grant %s was to last until %s, nobody ended it, and it is over: %s %s", k.id, k.atLeast, g.Cause, g.EndedWhy)
	}
	k.ended, k.seenOver = true, true
	return nil
}

// liveGrants reads what lives, as of the ledger's head.
func liveGrants(ctx context.Context, admin person) (map[string]client.Grant, uint64, error) {
	head, err := admin.LedgerHead(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read the head: %w", err)
	}
	live := map[string]client.Grant{}
	for _, status := range []string{"scheduled", "active"} { // as a grant moves on
		items, err := grantsThatAre(ctx, admin, status, head.Size)
		if err != nil {
			return nil, 0, err
		}
		for _, g := range items {
			live[g.ID] = g
		}
	}
	return live, head.Size, nil
}

func grantsThatAre(ctx context.Context, admin person, status string, position uint64) ([]client.Grant, error) {
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		page, err := admin.Grants(ctx, client.Listing{Scope: "all", Status: status, Limit: 1000, Position: position})
		if err != nil {
			return nil, fmt.Errorf("list the grants: %w", err)
		}
		if !page.Behind {
			return page.Items, nil
		}
	}
	return nil, fmt.Errorf("the list of grants stays behind position %d", position)
}

// someEnded returns up to n grants that are known to be over and had a credential.
func (m *model) someEnded(n int) []*known {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*known
	for _, k := range m.grants {
		if k.ended && k.cred.User != "" && len(out) < n {
			out = append(out, k)
		}
	}
	return out
}
