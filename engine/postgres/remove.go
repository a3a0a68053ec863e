package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// removal is one try at taking an account away. The order was found on real
// servers and is not to be shortened: each step closes what the next one relies on.
type removal struct {
	k       *keeper
	c       *pgx.Conn
	hands   hands
	plan    lease.Plan
	made    lease.Made
	oid     string
	residue lease.Residue
}

// Remove takes the account away and looks until nothing of it is left.
func (k *keeper) Remove(ctx context.Context, p lease.Plan, m lease.Made) (lease.Residue, error) {
	r := &removal{k: k, plan: p, made: m, oid: m.ID}
	if err := k.ours(p.Account); err != nil {
		return r.residue, err
	}
	err := k.with(ctx, k.free(&k.broom), "remove "+string(p.Lease), func(c *pgx.Conn) error {
		r.c, r.hands = c, k.hands(c)
		return r.run(ctx)
	})
	return r.residue, err
}

func (r *removal) run(ctx context.Context) error {
	var oid string
	err := r.c.QueryRow(ctx, `SELECT oid::text FROM pg_roles WHERE rolname = $1`, r.plan.Account).Scan(&oid)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if r.made.Group == "" {
		if err := r.findGroup(ctx); err != nil {
			return err
		}
	}
	if err == nil {
		r.oid = oid
		for _, step := range []func(context.Context) error{r.lock, r.terminate, r.rollback, r.drop} {
			if err := step(ctx); err != nil {
				return err
			}
		}
	}
	if err != nil && r.oid != "" { // somebody else dropped it: its sessions are ghosts
		if err := r.terminate(ctx); err != nil {
			return err
		}
	}
	if err := r.cleanGroup(ctx); err != nil {
		return err
	}
	return r.verify(ctx)
}

// lock makes the account powerless: nobody logs in.
func (r *removal) lock(ctx context.Context) error { return r.hands.strip(ctx, r.c, r.plan.Account) }

// terminate ends every connection of the account, by its oid: a ghost has no name.
func (r *removal) terminate(ctx context.Context) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		n, err := r.hands.end(ctx, r.c, r.oid)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		r.residue.Ended = max(r.residue.Ended, n)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
	if r.made.Group != "" {
		if err := gone(r.hands.leave(ctx, r.c, r.plan.Account, r.made.Group)); err != nil {
			return err
		}
	}
	r.residue.Powerless = true
	return nil
}

// in runs f connected to a database.
func (r *removal) in(ctx context.Context, database string, f func(*pgx.Conn) error) error {
	if database == r.c.Config().Database {
		return f(r.c)
	}
	c, err := r.k.connect(ctx, database, "remove "+string(r.plan.Lease))
	if err != nil {
		return err
	}
	if err = r.k.sameHands(r.c, c); err == nil {
		err = f(c)
	}
	return errors.Join(err, c.Close(ctx))
}

// rollback ends what the account left prepared; it would outlive the role, with its locks.
func (r *removal) rollback(ctx context.Context) error {
	rows, err := r.c.Query(ctx, `SELECT gid, database::text FROM pg_prepared_xacts WHERE owner = $1`, r.plan.Account)
	if err != nil {
		return err
	}
	type prepared struct{ GID, Database string }
	left, err := pgx.CollectRows(rows, pgx.RowToStructByPos[prepared])
	if err != nil {
		return err
	}
	for _, p := range left {
		err := r.in(ctx, p.Database, func(c *pgx.Conn) error {
			if err := r.hands.borrow(ctx, c, r.plan.Account); err != nil {
				return err
			}
			_, err := c.Exec(ctx, "SET ROLE "+quote(r.plan.Account))
			if err == nil {
				_, err = c.Exec(ctx, "ROLLBACK PREPARED "+literal(p.GID))
				_, reset := c.Exec(ctx, "RESET ROLE")
				err = errors.Join(err, reset)
			}
			return errors.Join(err, r.hands.giveBack(ctx, c, r.plan.Account))
		})
		if err != nil {
			return err
		}
		r.residue.Prepared++
	}
	return nil
}

// drop removes the role; where something is in the way it is dealt with first,
// in every database.
func (r *removal) drop(ctx context.Context) error {
	err := r.hands.drop(ctx, r.c, r.plan.Account)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "2BP01" {
		return gone(err)
	}
	if err := r.handOver(ctx, r.plan.Account); err != nil {
		return err
	}
	return gone(r.hands.drop(ctx, r.c, r.plan.Account))
}

// databases lists those that something depends on the role in; "" is the shared catalog.
func (r *removal) databases(ctx context.Context, role, types string) ([]string, error) {
	rows, err := r.c.Query(ctx, `SELECT DISTINCT coalesce(d.datname::text, '') FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
		WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND s.deptype::text ~ $2 ORDER BY 1`, role, types)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// handOver moves what a role owns to a powerless role of this lease alone, and
// then, only if that worked, drops its privileges.
func (r *removal) handOver(ctx context.Context, role string) error {
	all, err := r.databases(ctx, role, ".")
	if err != nil {
		return err
	}
	for _, db := range all {
		if db == "" {
			db = r.c.Config().Database
		}
		if err := r.in(ctx, db, func(c *pgx.Conn) error { return r.keep(ctx, c, role, true) }); err != nil {
			return err
		}
	}
	return nil
}

// keep moves what the role owns in this database to a powerless role of this
// lease alone, and says so; privileges says whether those it has go too.
func (r *removal) keep(ctx context.Context, c *pgx.Conn, role string, privileges bool) error {
	lines, err := r.hands.keep(ctx, c, role, r.plan.Account, privileges)
	for _, line := range lines {
		if !slices.Contains(r.residue.Kept, line) {
			r.residue.Kept = append(r.residue.Kept, line)
		}
	}
	return err
}

// verify looks: role, connections, ghosts, prepared work, and the group.
func (r *removal) verify(ctx context.Context) error {
	oid := r.oid
	if oid == "" {
		oid = "0"
	}
	checks := []struct{ what, query string }{
		{"the role is still there", `SELECT count(*) FROM pg_roles WHERE rolname = $1 AND $2::text IS NOT NULL`},
		{"connections of it are still there", `SELECT count(*) FROM pg_stat_activity WHERE usesysid = $2::text::oid AND $1::text IS NOT NULL`},
		{"prepared transactions of it are still there", `SELECT count(*) FROM pg_prepared_xacts WHERE owner = $1 AND $2::text IS NOT NULL`},
		{"its group owns something", `SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o'
			AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND $2::text IS NOT NULL`},
		{"its group has settings or default privileges", `SELECT (SELECT count(*) FROM pg_db_role_setting WHERE setrole = g.oid) + (SELECT count(*) FROM pg_default_acl WHERE defaclrole = g.oid)
			FROM pg_roles g WHERE g.rolname = $1 AND $2::text IS NOT NULL`},
	}
	r.residue.Remains = nil
	for i, c := range checks {
		name := r.plan.Account
		if i >= 3 {
			name = r.made.Group
		}
		var n int
		err := r.c.QueryRow(ctx, c.query, name, oid).Scan(&n)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		if n > 0 {
			r.residue.Remains = append(r.residue.Remains, c.what)
		}
	}
	r.residue.Gone = len(r.residue.Remains) == 0
	r.residue.Powerless = r.residue.Powerless || r.residue.Gone
	if !r.residue.Gone {
		return curfew.Errorf(curfew.Unavailable, "%s: %s", r.plan.Account, strings.Join(r.residue.Remains, "; "))
	}
	return nil
}
