package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/lease"
)

// sightingAge is how old a look at the target's connections may be. Patrols of
// many accounts share one; a connection counts as a stray when two looks saw it.
const sightingAge = 100 * time.Millisecond

// sighting is one look at all connections of this deployment's accounts.
type sighting struct {
	mu   sync.Mutex
	at   time.Time           // guarded by mu
	work map[string][]string // by the account's oid; guarded by mu
}

// Strays are the account's connections that are not known. Workers of a parallel
// query are its leader's, and nobody's connection.
func (k *keeper) Strays(ctx context.Context, m lease.Made, known []string) ([]string, error) {
	if m.ID == "" {
		return nil, nil
	}
	k.seen.mu.Lock()
	defer k.seen.mu.Unlock()
	if time.Since(k.seen.at) > sightingAge {
		if err := k.look(ctx); err != nil {
			return nil, err
		}
	}
	var out []string
	for _, id := range k.seen.work[m.ID] {
		if !slices.Contains(known, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// look asks the target once for all accounts. A connection whose account is gone
// has no name; whose it was says the oid.
func (k *keeper) look(ctx context.Context) error {
	began := time.Now()
	work := map[string][]string{}
	err := k.with(ctx, &k.warm, "patrol", func(c *pgx.Conn) error {
		clear(work)
		rows, err := c.Query(ctx, `SELECT pid, usesysid::text, coalesce(usename, '') FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND (usename IS NULL OR starts_with(usename, $1))`, k.named("l"))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var pid int32
			var oid *string
			var name string
			if err := rows.Scan(&pid, &oid, &name); err != nil {
				return err
			}
			if oid != nil {
				work[*oid] = append(work[*oid], workID(uint32(pid), name))
			}
		}
		return rows.Err()
	})
	if err == nil {
		k.seen.at, k.seen.work = began, work
	}
	return err
}
