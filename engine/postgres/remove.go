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
		r.c = c
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

// lock makes the account powerless: nobody logs in, and what it was a member of is gone.
func (r *removal) lock(ctx context.Context) error {
	role := quote(r.plan.Account)
	if _, err := r.c.Exec(ctx, "ALTER ROLE "+role+" NOLOGIN CONNECTION LIMIT 0 PASSWORD NULL VALID UNTIL '-infinity'"); err != nil {
		return err
	}
	member := "GRANT " + role + " TO " + quote(r.c.Config().User)
	if major(r.c) >= 16 {
		member += " WITH INHERIT TRUE, SET TRUE"
	}
	_, err := r.c.Exec(ctx, member)
	return err
}

// terminate ends every connection of the account, by its oid: a ghost has no name.
func (r *removal) terminate(ctx context.Context) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		var n int
		err := r.c.QueryRow(ctx, `SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = $1::text::oid) t`, r.oid).Scan(&n)
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
		if _, err := r.c.Exec(ctx, "REVOKE "+quote(r.made.Group)+" FROM "+quote(r.plan.Account)); gone(err) != nil {
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
	err = f(c)
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
			if _, err := c.Exec(ctx, "SET ROLE "+quote(r.plan.Account)); err != nil {
				return err
			}
			_, err := c.Exec(ctx, "ROLLBACK PREPARED "+literal(p.GID))
			_, reset := c.Exec(ctx, "RESET ROLE")
			return errors.Join(err, reset)
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
	_, err := r.c.Exec(ctx, "DROP ROLE "+quote(r.plan.Account))
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "2BP01" {
		return gone(err)
	}
	if err := r.handOver(ctx, r.plan.Account); err != nil {
		return err
	}
	_, err = r.c.Exec(ctx, "DROP ROLE "+quote(r.plan.Account))
	return gone(err)
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
		err := r.in(ctx, db, func(c *pgx.Conn) error {
			if err := r.keepOwned(ctx, c, role); err != nil {
				return err
			}
			_, err := c.Exec(ctx, "DROP OWNED BY "+quote(role))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keepOwned reassigns what the role owns in this database.
func (r *removal) keepOwned(ctx context.Context, c *pgx.Conn, role string) error {
	rows, err := c.Query(ctx, `SELECT pg_describe_object(classid, objid, 0) FROM pg_shdepend
		WHERE refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND deptype = 'o'
		AND classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
		AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`, role)
	if err != nil {
		return err
	}
	owned, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(owned) == 0 {
		return err
	}
	keep := r.k.named("k") + strings.TrimPrefix(r.plan.Account, r.k.named("l"))
	var is bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, keep).Scan(&is); err != nil {
		return err
	}
	if !is {
		if _, err := c.Exec(ctx, "CREATE ROLE "+quote(keep)+" NOLOGIN"); err != nil {
			return err
		}
	}
	member := "GRANT " + quote(keep) + " TO " + quote(c.Config().User)
	if major(c) >= 16 {
		member += " WITH INHERIT TRUE, SET TRUE"
	}
	if _, err := c.Exec(ctx, member); err != nil {
		return err
	}
	if err := r.reassign(ctx, c, role, keep); err != nil {
		return err
	}
	for _, o := range owned {
		if line := o + " in " + c.Config().Database + " → " + keep; !slices.Contains(r.residue.Kept, line) {
			r.residue.Kept = append(r.residue.Kept, line)
		}
	}
	return nil
}

// reassign gives the keeper CREATE on the schemas for as long as the move takes.
func (r *removal) reassign(ctx context.Context, c *pgx.Conn, role, keep string) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT DISTINCT n.nspname::text FROM pg_namespace n WHERE n.oid IN (
			  SELECT relnamespace FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = $1)
			  UNION SELECT pronamespace FROM pg_proc WHERE proowner = (SELECT oid FROM pg_roles WHERE rolname = $1)
			  UNION SELECT typnamespace FROM pg_type WHERE typowner = (SELECT oid FROM pg_roles WHERE rolname = $1)
			  UNION SELECT oprnamespace FROM pg_operator WHERE oprowner = (SELECT oid FROM pg_roles WHERE rolname = $1)
			  UNION SELECT collnamespace FROM pg_collation WHERE collowner = (SELECT oid FROM pg_roles WHERE rolname = $1))
			AND n.nspname !~ '^pg_(toast|temp)'`, role)
		if err != nil {
			return err
		}
		schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, s := range schemas {
			if _, err := tx.Exec(ctx, "GRANT CREATE ON SCHEMA "+quote(s)+" TO "+quote(keep)); err != nil {
				return err
			}
			var ok bool
			if err := tx.QueryRow(ctx, `SELECT has_schema_privilege($1, $2, 'CREATE')`, keep, s).Scan(&ok); err != nil {
				return err
			}
			if !ok {
				return curfew.Errorf(curfew.Unavailable, "what %s owns in the schema %s cannot be moved: the gateway's login may not GRANT CREATE on it", role, s).
					WithFix("make it a member of the schema's owner")
			}
		}
		if _, err := tx.Exec(ctx, "REASSIGN OWNED BY "+quote(role)+" TO "+quote(keep)); err != nil {
			return err
		}
		for _, s := range schemas {
			if _, err := tx.Exec(ctx, "REVOKE CREATE ON SCHEMA "+quote(s)+" FROM "+quote(keep)); err != nil {
				return err
			}
		}
		return closeKept(ctx, tx, keep)
	})
}

// closeKept takes away what others may do with the things that are kept: data
// that one lease copied must not be what the next one reads.
func closeKept(ctx context.Context, tx pgx.Tx, keep string) error {
	rows, err := tx.Query(ctx, `
		WITH k AS (SELECT oid FROM pg_roles WHERE rolname = $1), grants AS (
		  SELECT 'TABLE ' || c.oid::regclass::text AS what, a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.relowner = (SELECT oid FROM k) AND c.relkind IN ('r','p','v','m','f')
		  UNION SELECT 'SEQUENCE ' || c.oid::regclass::text, a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.relowner = (SELECT oid FROM k) AND c.relkind = 'S'
		  UNION SELECT 'TABLE ' || t.attrelid::regclass::text, a.grantee FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a WHERE c.relowner = (SELECT oid FROM k)
		  UNION SELECT 'ROUTINE ' || p.oid::regprocedure::text, a.grantee FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE p.proowner = (SELECT oid FROM k)
		  UNION SELECT 'LARGE OBJECT ' || m.oid::text, a.grantee FROM pg_largeobject_metadata m, aclexplode(m.lomacl) a WHERE m.lomowner = (SELECT oid FROM k))
		SELECT 'REVOKE ALL ON ' || what || ' FROM ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
		FROM grants WHERE grantee <> (SELECT oid FROM k) ORDER BY 1`, keep)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
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
