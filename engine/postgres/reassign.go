package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew"
)

// reassign gives the keeper CREATE on the schemas for as long as the move takes.
func reassign(ctx context.Context, c *pgx.Conn, role, keep string) error {
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
	rows, err := tx.Query(ctx, `WITH k AS (SELECT oid FROM pg_roles WHERE rolname = $1), grants AS (`+keptGrants+`)
		SELECT 'REVOKE ALL ON ' || what || ' FROM ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END || ' CASCADE'
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
