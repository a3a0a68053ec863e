package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// publicGives lists what the target gives to everybody in this database, and to
// the lease's group, whoever gave it: kind, schema, name, detail. The system's own schemas are what every PostgreSQL gives
// and is left out, as are CONNECT to other databases, which the gateway admits
// nobody to, and temporary tables, which end with the session.
const publicGives = `
WITH who AS (SELECT 0::oid UNION SELECT oid FROM pg_roles WHERE rolname = $1)
SELECT 'table', n.nspname::text, c.relname::text, a.privilege_type::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
WHERE a.grantee IN (SELECT * FROM who) AND c.relkind IN ('r','p','v','m','f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'column', n.nspname::text, c.relname::text, a.privilege_type || ' (' || t.attname || ')'
FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(t.attacl) a
WHERE a.grantee IN (SELECT * FROM who) AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'sequence', n.nspname::text, c.relname::text, a.privilege_type::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
WHERE a.grantee IN (SELECT * FROM who) AND c.relkind = 'S' AND n.nspname !~ '^pg_'
UNION ALL
SELECT 'schema', n.nspname::text, '', 'CREATE'
FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE a.grantee IN (SELECT * FROM who) AND a.privilege_type = 'CREATE' AND n.nspname !~ '^pg_'
UNION ALL
SELECT 'function', n.nspname::text, p.oid::regprocedure::text, p.oid::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
WHERE p.prosecdef AND a.grantee IN (SELECT * FROM who) AND a.privilege_type = 'EXECUTE' AND n.nspname <> 'pg_catalog'
UNION ALL
SELECT 'language', '', l.lanname::text, 'USAGE'
FROM pg_language l, aclexplode(l.lanacl) a
WHERE a.grantee IN (SELECT * FROM who) AND NOT l.lanpltrusted AND l.lanispl
UNION ALL
SELECT 'database', '', d.datname::text, 'CREATE'
FROM pg_database d, aclexplode(d.datacl) a
WHERE a.grantee IN (SELECT * FROM who) AND a.privilege_type = 'CREATE' AND d.datname = current_database()
UNION ALL
SELECT 'foreign server', '', f.srvname::text, 'USAGE'
FROM pg_foreign_server f, aclexplode(f.srvacl) a WHERE a.grantee IN (SELECT * FROM who)
UNION ALL
SELECT 'large object', '', m.oid::text, a.privilege_type::text
FROM pg_largeobject_metadata m, aclexplode(m.lomacl) a WHERE a.grantee IN (SELECT * FROM who)
ORDER BY 1, 2, 3, 4`

// exceeds lists what the target gives everybody beyond the permission, one line
// each, sorted.
func exceeds(ctx context.Context, c *pgx.Conn, may permission, group string) ([]string, error) {
	calls, err := called(ctx, c, may)
	if err != nil {
		return nil, err
	}
	rows, err := c.Query(ctx, publicGives, group)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var kind, schema, name, detail string
		if err := rows.Scan(&kind, &schema, &name, &detail); err != nil {
			return nil, err
		}
		if kind == "function" && slices.Contains(calls, detail) || may.has(kind, schema, name, detail) {
			continue
		}
		out = append(out, describe(kind, schema, name, detail))
	}
	slices.Sort(out)
	return slices.Compact(out), rows.Err()
}

// called are the functions that the permission names, by oid.
func called(ctx context.Context, c *pgx.Conn, may permission) (out []string, err error) {
	for _, r := range may.rules {
		if r.verb != call {
			continue
		}
		var oid *string
		if err := c.QueryRow(ctx, `SELECT to_regprocedure($1)::oid::text`, quote(r.schema, r.name)+"("+r.args+")").Scan(&oid); err != nil {
			return nil, err
		}
		if oid != nil {
			out = append(out, *oid)
		}
	}
	return out, nil
}

func describe(kind, schema, name, detail string) string {
	switch kind {
	case "function":
		return "EXECUTE of the SECURITY DEFINER function " + name
	case "schema":
		return "CREATE in the schema " + quote(schema)
	case "language", "large object", "database", "foreign server":
		return fmt.Sprintf("%s of the %s %s", detail, kind, name)
	}
	return fmt.Sprintf("%s on %s", detail, quote(schema, name))
}

// has reports whether the permission says it itself. In doubt it does not.
func (p permission) has(kind, schema, name, detail string) bool {
	says := func(r rule) bool { return r.says(kind, schema, name, detail) }
	return slices.ContainsFunc(p.rules, says) && !slices.ContainsFunc(p.minus, func(m rule) bool { return m.touches(kind, schema, name, detail) })
}

// says: all of what is given lies within the rule.
func (r rule) says(kind, schema, name, detail string) bool {
	if r.schema != schema {
		return false
	}
	switch kind {
	case "table":
		return r.cols == nil && r.onTables() && privilegeOf(r.verb) == detail && (r.whole() || r.name == name)
	case "column":
		if !r.onTables() || !r.whole() && r.name != name {
			return false
		}
		priv, _, _ := strings.Cut(detail, " ")
		return privilegeOf(r.verb) == priv && (r.cols == nil || slices.Contains(r.cols, inParens(detail)))
	case "sequence":
		return r.verb == use && r.name == name && detail == "USAGE" || r.verb == read && r.name == name && r.cols == nil && detail == "SELECT" // as pg_dump reads it
	case "schema":
		return r.verb == create
	}
	return false
}

// touches: any of what is given lies within the rule.
func (r rule) touches(kind, schema, name, detail string) bool {
	if !r.onTables() || r.schema != schema || !r.whole() && r.name != name {
		return false
	}
	priv, _, _ := strings.Cut(detail, " ")
	return (kind == "table" || kind == "column" && (r.cols == nil || slices.Contains(r.cols, inParens(detail)))) && privilegeOf(r.verb) == priv
}

// inParens is the column in "SELECT (column)".
func inParens(detail string) string {
	_, col, _ := strings.Cut(detail, " (")
	return strings.TrimSuffix(col, ")")
}
