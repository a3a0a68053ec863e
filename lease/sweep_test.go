package lease

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// expiring is a target that says that the time of all its accounts is over, as one
// whose clock is wrong would.
type expiring struct {
	*target
	removed []string // guarded by target.mu
}

func (k *expiring) Expired(context.Context) (out []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for a := range k.accounts {
		out = append(out, a)
	}
	return out, nil
}

func (k *expiring) Remove(ctx context.Context, p Plan, m Made) (Residue, error) {
	r, err := k.target.Remove(ctx, p, m)
	k.mu.Lock()
	k.removed = append(k.removed, p.Account)
	k.mu.Unlock()
	return r, err
}

func TestWhatNoLeaseAccountsForIsSweptAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &expiring{target: &target{patrol: time.Minute}}
		w := newWorldOf(t, k.target, k)
		defer w.stop()
		w.ask()
		time.Sleep(2 * time.Second)
		if n := k.count(); n != 1 {
			t.Errorf("%d accounts of one grant", n)
		}
		k.mu.Lock()
		k.accounts["curfew_x_l_nobodys"] = false
		k.mu.Unlock()
		time.Sleep(sweepFirst)
		synctest.Wait()
		k.mu.Lock()
		defer k.mu.Unlock()
		if !slices.Equal(k.removed, []string{"curfew_x_l_nobodys"}) || len(k.accounts) != 1 {
			t.Errorf("removed %q, %d are left", k.removed, len(k.accounts))
		}
	})
}
