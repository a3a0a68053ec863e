package lease

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// Sweeper is a Keeper whose target itself knows when an account's time is over.
type Sweeper interface {
	// Expired lists the accounts with this deployment's mark whose time at the target
	// has been over for a while: nobody can log in to them, whoever made them.
	Expired(ctx context.Context) ([]string, error)
}

// Times of the sweep.
const (
	sweepFirst = time.Minute
	sweepEvery = 10 * time.Minute
	sweepBound = time.Minute // for one target
)

// sweeping removes, now and then, what no lease accounts for: an account that a ledger
// which was restored does not know, or that somebody made by hand under our mark. An
// account that is good for log-ins is left alone: it may be the work of another
// gateway that was given the same name.
func (s *Service) sweeping(ctx context.Context) {
	for wait := s.parts.SweepFirst; ; wait = sweepEvery {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		var all []curfew.Resource
		s.parts.Access.View(func(st *access.State) {
			for _, res := range st.Config.Resources {
				if res.Account == curfew.Leased {
					all = append(all, res)
				}
			}
		})
		for _, res := range all {
			if k, ok := s.KeeperFor(res).(Sweeper); ok {
				s.sweep(ctx, res, k)
			}
		}
	}
}

func (s *Service) sweep(ctx context.Context, res curfew.Resource, k Sweeper) {
	ctx, cancel := context.WithTimeout(ctx, sweepBound)
	defer cancel()
	names, err := k.Expired(ctx)
	if err != nil {
		return // the target is down, or its login may not look: leases say so
	}
	// A lease is written down before its account is made: what was listed and is not
	// in the state now is nobody's.
	ours := map[string]bool{}
	s.parts.Access.View(func(st *access.State) {
		for _, l := range st.Leases {
			ours[l.Account] = true
		}
	})
	for _, name := range names {
		if ours[name] {
			continue
		}
		left, err := k.(Keeper).Remove(ctx, Plan{Account: name}, Made{})
		if err != nil || !left.Gone {
			s.parts.Log.Warn("an account that no lease accounts for could not be removed", "resource", res.Name, "account", name, "err", err, "remains", left.Remains)
			continue
		}
		s.parts.Log.Info("an account that no lease accounts for was removed", "resource", res.Name, "account", name, "kept", left.Kept)
	}
}
