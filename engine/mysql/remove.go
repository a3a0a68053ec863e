package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// removal is one try at taking an account away. The order was found on real
// servers and is not to be shortened: each step closes what the next one relies on.
type removal struct {
	c       *conn
	plan    lease.Plan
	made    lease.Made
	residue lease.Residue
}

// Remove takes the account away and looks until nothing of it is left.
func (k *keeper) Remove(ctx context.Context, p lease.Plan, m lease.Made) (lease.Residue, error) {
	r := &removal{plan: p, made: m}
	if err := k.ours(p.Account); err != nil {
		return r.residue, err
	}
	err := k.with(ctx, k.free(&k.broom), "remove "+string(p.Lease), func(c *conn) error {
		r.c = c
		for _, step := range []func(context.Context) error{r.lock, r.terminate, r.drop, r.terminate, r.verify} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return r.residue, err
}

// lock makes the account powerless: nobody logs in.
func (r *removal) lock(ctx context.Context) error {
	if err := set(ctx, r.c, r.plan.Account, newPassword(), "LOCK"); err != nil && !numbered(err, errNoUser) {
		return err
	}
	return nil
}

// terminate ends every connection of the account. It comes twice: rights on a whole
// database outlive the account in a live connection.
func (r *removal) terminate(ctx context.Context) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		live, err := connections(ctx, r.c, r.plan.Account)
		if err != nil {
			return err
		}
		if len(live) == 0 {
			break
		}
		r.residue.Ended = max(r.residue.Ended, len(live))
		for _, w := range live {
			if err := kill(ctx, r.c, w); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
	r.residue.Powerless = true
	return nil
}

// drop names what has the account for its definer, and drops the account. An object
// whose definer is gone acts for nobody, and no name of an account comes twice.
func (r *removal) drop(ctx context.Context) error {
	definer := r.plan.Account + "@%"
	for _, of := range []struct{ kind, query string }{
		{"view", "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.VIEWS WHERE DEFINER = ?"},
		{"trigger", "SELECT CONCAT(TRIGGER_SCHEMA, '.', TRIGGER_NAME) FROM information_schema.TRIGGERS WHERE DEFINER = ?"},
		{"routine", "SELECT CONCAT(db, '.', name) FROM mysql.proc WHERE definer = ?"},
		{"event", "SELECT CONCAT(db, '.', name) FROM mysql.event WHERE definer = ?"},
	} {
		names, err := r.c.column(ctx, of.query, definer)
		if err != nil {
			return err
		}
		for _, name := range names {
			line := fmt.Sprintf("the %s %s stays, and serves nobody: its definer is gone", of.kind, name)
			if !slices.Contains(r.residue.Kept, line) {
				r.residue.Kept = append(r.residue.Kept, line)
			}
		}
	}
	return r.c.run(ctx, "DROP USER IF EXISTS "+accountName(r.plan.Account))
}

// preparedXA lists transactions that are prepared: they outlive their connections and
// accounts, with their locks, and the server does not say whose they are.
func preparedXA(ctx context.Context, c *conn) ([]string, error) {
	rows, err := c.QueryContext(ctx, "XA RECOVER")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var format, global, branch int
		var data []byte
		if err := rows.Scan(&format, &global, &branch, &data); err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("%d %d %x", format, global, data))
	}
	return out, rows.Err()
}

// preparedWait is how long a prepared transaction that is somebody's who is at work
// may stay: it is committed or rolled back in milliseconds.
const preparedWait = 200 * time.Millisecond

// newXA lists those that were not there when the account was made, and stay.
func (r *removal) newXA(ctx context.Context) ([]string, error) {
	before := strings.Split(r.made.Group, "\n")
	fresh := func() ([]string, error) {
		all, err := preparedXA(ctx, r.c)
		return slices.DeleteFunc(all, func(x string) bool { return slices.Contains(before, x) }), err
	}
	first, err := fresh()
	if err != nil || len(first) == 0 {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(preparedWait):
	}
	later, err := fresh()
	return slices.DeleteFunc(later, func(x string) bool { return !slices.Contains(first, x) }), err
}

// verify looks: account, its rights, connections, prepared transactions.
func (r *removal) verify(ctx context.Context) error {
	r.residue.Remains = nil
	for _, look := range []struct{ what, query string }{
		{"the account is still there", "SELECT User FROM mysql.user WHERE User = ?"},
		{"rights of it are still there", "SELECT User FROM mysql.db WHERE User = ? UNION ALL SELECT User FROM mysql.tables_priv WHERE User = ? UNION ALL SELECT User FROM mysql.procs_priv WHERE User = ?"},
		{"connections of it are still there", "SELECT USER FROM information_schema.PROCESSLIST WHERE USER = ?"},
	} {
		args := make([]any, strings.Count(look.query, "?"))
		for i := range args {
			args[i] = r.plan.Account
		}
		found, err := r.c.column(ctx, look.query, args...)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			r.residue.Remains = append(r.residue.Remains, look.what)
		}
	}
	left, err := r.newXA(ctx)
	if err != nil {
		return err
	}
	for _, x := range left {
		r.residue.Remains = append(r.residue.Remains, "a transaction was prepared meanwhile, and the server does not say by whom ("+x+"): XA COMMIT or XA ROLLBACK")
	}
	if r.residue.Gone = len(r.residue.Remains) == 0; !r.residue.Gone {
		return curfew.Errorf(curfew.Unavailable, "%s: %s", r.plan.Account, strings.Join(r.residue.Remains, "; "))
	}
	return nil
}
