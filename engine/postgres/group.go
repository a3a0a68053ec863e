package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// findGroup looks for the group of a lease whose making never answered.
func (r *removal) findGroup(ctx context.Context) error {
	own := r.k.named("g") + "l_" + strings.TrimPrefix(r.plan.Account, r.k.named("l"))
	return r.c.QueryRow(ctx, `SELECT coalesce((SELECT rolname::text FROM pg_roles WHERE rolname = $1), (SELECT g.rolname::text FROM pg_auth_members m
		JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles l ON l.oid = m.member WHERE l.rolname = $2 AND starts_with(g.rolname, $3) LIMIT 1), '')`,
		own, r.plan.Account, r.k.named("g")).Scan(&r.made.Group)
}

// cleanGroup deals with what was done in the group's name, which members can on
// 15 and older: it must own nothing and have no settings or default privileges.
func (r *removal) cleanGroup(ctx context.Context) error {
	group := r.made.Group
	if group == "" {
		return nil
	}
	owns, err := r.databases(ctx, group, "^o")
	if err != nil {
		return err
	}
	for _, db := range owns {
		if db == "" {
			db = r.c.Config().Database
		}
		if err := r.in(ctx, db, func(c *pgx.Conn) error {
			if _, err := c.Exec(ctx, "GRANT "+quote(group)+" TO "+quote(c.Config().User)); err != nil {
				return err
			}
			err := errors.Join(r.keepOwned(ctx, c, group), clearDefaults(ctx, c, group))
			_, revoke := c.Exec(ctx, "REVOKE "+quote(group)+" FROM "+quote(c.Config().User))
			return errors.Join(err, revoke)
		}); err != nil {
			return err
		}
	}
	if err := r.resetGroup(ctx, group); err != nil {
		return err
	}
	if !strings.Contains(group, "_g_l_") && !r.poisoned(ctx, group) {
		return nil // shared and clean: it stays for the next lease
	}
	return r.dropGroup(ctx, group)
}

// clearDefaults takes back default privileges made in the group's name in this
// database. The global ones vanish once they are again what PostgreSQL gives.
func clearDefaults(ctx context.Context, c *pgx.Conn, group string) error {
	rows, err := c.Query(ctx, `
		WITH d AS (SELECT d.*, n.nspname, CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS things
		  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = $1))
		SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s REVOKE ALL ON %s FROM %s', $1::text, CASE WHEN nspname IS NULL THEN '' ELSE format('IN SCHEMA %I', nspname) END, things,
		  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) FROM d, aclexplode(defaclacl) a WHERE a.grantee <> d.defaclrole
		UNION SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT ALL ON %s TO %I', $1::text, things, $1::text) FROM d WHERE defaclnamespace = 0
		UNION SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT %s ON %s TO PUBLIC', $1::text, CASE things WHEN 'TYPES' THEN 'USAGE' ELSE 'EXECUTE' END, things) FROM d
		  WHERE defaclnamespace = 0 AND things IN ('ROUTINES', 'TYPES')
		ORDER BY 1`, group)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	slices.SortStableFunc(statements, func(a, b string) int {
		return strings.Compare(strconv.FormatBool(strings.Contains(a, " GRANT ")), strconv.FormatBool(strings.Contains(b, " GRANT ")))
	})
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (r *removal) resetGroup(ctx context.Context, group string) error {
	rows, err := r.c.Query(ctx, `SELECT coalesce(d.datname::text, '') FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
		WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = $1)`, group)
	if err != nil {
		return err
	}
	set, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, db := range set {
		where := ""
		if db != "" {
			where = " IN DATABASE " + quote(db)
		}
		if _, err := r.c.Exec(ctx, "ALTER ROLE "+quote(group)+where+" RESET ALL"); err != nil {
			return err
		}
	}
	return nil
}

// poisoned reports whether default privileges were left in the group's name.
func (r *removal) poisoned(ctx context.Context, group string) bool {
	var n int
	err := r.c.QueryRow(ctx, `SELECT count(*) FROM pg_default_acl WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = $1)`, group).Scan(&n)
	return err != nil || n > 0
}

// dropGroup removes a group that no lease is a member of any more.
func (r *removal) dropGroup(ctx context.Context, group string) error {
	var members int
	err := r.c.QueryRow(ctx, `SELECT count(*) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles x ON x.oid = m.member
		WHERE g.rolname = $1 AND x.rolname <> $2`, group, r.c.Config().User).Scan(&members)
	if err != nil || members > 0 {
		return err
	}
	all, err := r.databases(ctx, group, ".")
	if err != nil {
		return err
	}
	var is bool
	if err := r.c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, group).Scan(&is); err != nil || !is {
		return err
	}
	if _, err := r.c.Exec(ctx, "GRANT "+quote(group)+" TO "+quote(r.c.Config().User)); err != nil {
		return err
	}
	for _, db := range all {
		if db == "" {
			db = r.c.Config().Database
		}
		if err := r.in(ctx, db, func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "DROP OWNED BY "+quote(group))
			return err
		}); err != nil {
			return err
		}
	}
	_, err = r.c.Exec(ctx, "DROP ROLE "+quote(group))
	return gone(err)
}
