package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/lease"
)

// direct are the hands of a login with CREATEROLE.
type direct struct{ k *keeper }

func run(ctx context.Context, c *pgx.Conn, sql string) error {
	_, err := c.Exec(ctx, sql)
	return err
}

func (direct) grant(ctx context.Context, tx pgx.Tx, group string, rights []right) error {
	var is bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, group).Scan(&is); err != nil {
		return err
	}
	if !is {
		if _, err := tx.Exec(ctx, "CREATE ROLE "+quote(group)+" NOLOGIN"); err != nil {
			return err
		}
	}
	for _, r := range rights {
		if _, err := tx.Exec(ctx, "GRANT "+r.grant()+" TO "+quote(group)); err != nil {
			return err
		}
	}
	return nil
}

func (direct) account(ctx context.Context, tx pgx.Tx, p lease.Plan, group string) error {
	var is bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, p.Account).Scan(&is); err != nil {
		return err
	}
	word := "CREATE"
	if is { // an earlier try that never answered
		word = "ALTER"
	}
	attributes := fmt.Sprintf(" NOLOGIN INHERIT CONNECTION LIMIT %d PASSWORD NULL VALID UNTIL %s", connectionLimit, literal(stamp(p.Until)))
	if _, err := tx.Exec(ctx, word+" ROLE "+quote(p.Account)+attributes); err != nil {
		return err
	}
	membership := "GRANT " + quote(group) + " TO " + quote(p.Account)
	if major(tx.Conn()) >= 16 {
		membership += " WITH INHERIT TRUE, SET FALSE"
	}
	_, err := tx.Exec(ctx, membership)
	return err
}

func (direct) limit(ctx context.Context, c *pgx.Conn, account string, until time.Time) error {
	return run(ctx, c, "ALTER ROLE "+quote(account)+" VALID UNTIL "+literal(stamp(until)))
}

func (direct) open(ctx context.Context, c *pgx.Conn, account, verifier string) error {
	return run(ctx, c, "ALTER ROLE "+quote(account)+" LOGIN PASSWORD "+literal(verifier))
}

func (direct) shut(ctx context.Context, c *pgx.Conn, account string) error {
	return run(ctx, c, "ALTER ROLE "+quote(account)+" NOLOGIN PASSWORD NULL")
}

func (d direct) connections(ctx context.Context, c *pgx.Conn) (pgx.Rows, error) {
	return c.Query(ctx, `SELECT pid, usesysid::text, coalesce(usename::text, '') FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND usesysid IS NOT NULL AND (usename IS NULL OR starts_with(usename, $1))`, d.k.named("l"))
}

func (direct) endWork(ctx context.Context, c *pgx.Conn, pids []int32, accounts []string) (n int, err error) {
	err = c.QueryRow(ctx, `SELECT count(*) FROM (SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
		JOIN unnest($1::int[], $2::text[]) AS w(pid, account) ON a.pid = w.pid AND a.usename = w.account) t`, pids, accounts).Scan(&n)
	return n, err
}

// end goes by the oid: the connection of an account that is gone has no name.
func (direct) end(ctx context.Context, c *pgx.Conn, oid string) (n int, err error) {
	err = c.QueryRow(ctx, `SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = $1::text::oid) t`, oid).Scan(&n)
	return n, err
}

func (direct) strip(ctx context.Context, c *pgx.Conn, account string) error {
	if err := run(ctx, c, "ALTER ROLE "+quote(account)+" NOLOGIN CONNECTION LIMIT 0 PASSWORD NULL VALID UNTIL '-infinity'"); err != nil {
		return err
	}
	return joinRole(ctx, c, account)
}

// joinRole makes the gateway's login a member of a role, to act on what it owns.
func joinRole(ctx context.Context, c *pgx.Conn, role string) error {
	member := "GRANT " + quote(role) + " TO " + quote(c.Config().User)
	if major(c) >= 16 {
		member += " WITH INHERIT TRUE, SET TRUE"
	}
	return run(ctx, c, member)
}

// partRole ends that for a role that stays.
func partRole(ctx context.Context, c *pgx.Conn, role string) error {
	return run(ctx, c, "REVOKE "+quote(role)+" FROM "+quote(c.Config().User))
}

func (direct) leave(ctx context.Context, c *pgx.Conn, account, group string) error {
	return run(ctx, c, "REVOKE "+quote(group)+" FROM "+quote(account))
}

func (direct) borrow(context.Context, *pgx.Conn, string) error   { return nil } // strip did
func (direct) giveBack(context.Context, *pgx.Conn, string) error { return nil } // it is dropped soon

func (d direct) keep(ctx context.Context, c *pgx.Conn, role, account string, privileges bool) (lines []string, err error) {
	rows, err := c.Query(ctx, `SELECT pg_describe_object(classid, objid, 0) FROM pg_shdepend
		WHERE refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND deptype = 'o'
		AND classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
		AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`, role)
	if err != nil {
		return nil, err
	}
	owned, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(owned) == 0 && !privileges {
		return nil, err
	}
	if role != account {
		if err := joinRole(ctx, c, role); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, partRole(ctx, c, role)) }()
	}
	if len(owned) > 0 {
		keep := d.k.kept(account)
		if err := d.move(ctx, c, role, keep); err != nil {
			return nil, err
		}
		for _, o := range owned {
			lines = append(lines, movedTo(o, c.Config().Database, keep))
		}
	}
	if privileges {
		err = run(ctx, c, "DROP OWNED BY "+quote(role))
	}
	return lines, err
}

// move makes the powerless role if need be and reassigns to it.
func (direct) move(ctx context.Context, c *pgx.Conn, role, keep string) error {
	var is bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, keep).Scan(&is); err != nil {
		return err
	}
	if !is {
		if err := run(ctx, c, "CREATE ROLE "+quote(keep)+" NOLOGIN"); err != nil {
			return err
		}
	}
	if err := joinRole(ctx, c, keep); err != nil {
		return err
	}
	return reassign(ctx, c, role, keep)
}

func (d direct) clear(ctx context.Context, c *pgx.Conn, group string) error {
	statements, err := toClear(ctx, c, group)
	if err != nil || len(statements) == 0 {
		return err
	}
	if err := joinRole(ctx, c, group); err != nil {
		return err
	}
	for _, sql := range statements {
		if err = run(ctx, c, sql); err != nil {
			break
		}
	}
	return errors.Join(err, partRole(ctx, c, group))
}

// toClear are the statements that take back what was done in a group's name.
func toClear(ctx context.Context, c *pgx.Conn, group string) ([]string, error) {
	rows, err := c.Query(ctx, defaultsLeft, group)
	if err != nil {
		return nil, err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	slices.SortFunc(statements, func(a, b string) int { // revoke before what makes them vanish
		return cmp.Or(boolToInt(strings.Contains(a, " GRANT "))-boolToInt(strings.Contains(b, " GRANT ")), cmp.Compare(a, b))
	})
	rows, err = c.Query(ctx, `SELECT format('ALTER ROLE %I %s RESET ALL', $1::text, 'IN DATABASE ' || quote_ident(d.datname)) FROM pg_db_role_setting s
		LEFT JOIN pg_database d ON d.oid = s.setdatabase WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = $1::text)`, group)
	if err != nil {
		return nil, err
	}
	resets, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return append(statements, resets...), err
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (direct) disown(ctx context.Context, c *pgx.Conn, group string) error {
	return errors.Join(joinRole(ctx, c, group), run(ctx, c, "DROP OWNED BY "+quote(group)))
}

func (direct) drop(ctx context.Context, c *pgx.Conn, role string) error {
	return run(ctx, c, "DROP ROLE "+quote(role))
}

// defaultsLeft are the statements that take back default privileges made in the
// group's ($1) name in this database. The global ones vanish once they are again
// what PostgreSQL gives.
const defaultsLeft = `
WITH d AS (SELECT d.*, n.nspname, CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS things
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = $1))
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s REVOKE ALL ON %s FROM %s', $1::text, CASE WHEN nspname IS NULL THEN '' ELSE format('IN SCHEMA %I', nspname) END, things,
  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) FROM d, aclexplode(defaclacl) a WHERE a.grantee <> d.defaclrole
UNION SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT ALL ON %s TO %I', $1::text, things, $1::text) FROM d WHERE defaclnamespace = 0
UNION SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT %s ON %s TO PUBLIC', $1::text, CASE things WHEN 'TYPES' THEN 'USAGE' ELSE 'EXECUTE' END, things) FROM d
  WHERE defaclnamespace = 0 AND things IN ('ROUTINES', 'TYPES')`

// keptGrants is what others may do with the things of the role in k: what, grantee.
const keptGrants = `
SELECT 'TABLE ' || c.oid::regclass::text AS what, a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.relowner = (SELECT oid FROM k) AND c.relkind IN ('r','p','v','m','f')
UNION SELECT 'SEQUENCE ' || c.oid::regclass::text, a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.relowner = (SELECT oid FROM k) AND c.relkind = 'S'
UNION SELECT 'TABLE ' || t.attrelid::regclass::text, a.grantee FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a WHERE c.relowner = (SELECT oid FROM k)
UNION SELECT 'ROUTINE ' || p.oid::regprocedure::text, a.grantee FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE p.proowner = (SELECT oid FROM k)
UNION SELECT 'LARGE OBJECT ' || m.oid::text, a.grantee FROM pg_largeobject_metadata m, aclexplode(m.lomacl) a WHERE m.lomowner = (SELECT oid FROM k)`
