package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// publicGives lists what the target gives to everybody in this database: kind,
// schema, name, detail. The system's own schemas are what every PostgreSQL gives
// and is left out, as are CONNECT to other databases, which the gateway admits
// nobody to, and temporary tables, which end with the session.
const publicGives = `
SELECT 'table', n.nspname::text, c.relname::text, a.privilege_type::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
WHERE a.grantee = 0 AND c.relkind IN ('r','p','v','m','f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'column', n.nspname::text, c.relname::text, a.privilege_type || ' (' || t.attname || ')'
FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(t.attacl) a
WHERE a.grantee = 0 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'sequence', n.nspname::text, c.relname::text, a.privilege_type::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
WHERE a.grantee = 0 AND c.relkind = 'S' AND n.nspname !~ '^pg_'
UNION ALL
SELECT 'schema', n.nspname::text, '', 'CREATE'
FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE a.grantee = 0 AND a.privilege_type = 'CREATE' AND n.nspname !~ '^pg_'
UNION ALL
SELECT 'function', n.nspname::text, p.proname::text, pg_get_function_identity_arguments(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
WHERE p.prosecdef AND a.grantee = 0 AND a.privilege_type = 'EXECUTE' AND n.nspname <> 'pg_catalog'
UNION ALL
SELECT 'language', '', l.lanname::text, 'USAGE'
FROM pg_language l, aclexplode(l.lanacl) a
WHERE a.grantee = 0 AND NOT l.lanpltrusted AND l.lanispl
UNION ALL
SELECT 'large object', '', m.oid::text, a.privilege_type::text
FROM pg_largeobject_metadata m, aclexplode(m.lomacl) a WHERE a.grantee = 0
ORDER BY 1, 2, 3, 4`

// exceeds lists what the target gives everybody beyond the permission, one line
// each, sorted.
func exceeds(ctx context.Context, c *pgx.Conn, may permission) ([]string, error) {
	rows, err := c.Query(ctx, publicGives)
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
		if may.has(kind, schema, name, detail) {
			continue
		}
		out = append(out, describe(kind, schema, name, detail))
	}
	slices.Sort(out)
	return slices.Compact(out), rows.Err()
}

func describe(kind, schema, name, detail string) string {
	switch kind {
	case "function":
		return fmt.Sprintf("EXECUTE of the SECURITY DEFINER function %s(%s)", quote(schema, name), detail)
	case "schema":
		return "CREATE in the schema " + quote(schema)
	case "language", "large object":
		return fmt.Sprintf("%s of the %s %s", detail, kind, name)
	}
	return fmt.Sprintf("%s on %s", detail, quote(schema, name))
}

// has reports whether the permission says it itself. In doubt it does not.
func (p permission) has(kind, schema, name, detail string) bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool {
		if r.schema != schema {
			return false
		}
		switch kind {
		case "table":
			return r.cols == nil && r.verb != call && r.verb != use && r.verb != create && privilegeOf(r.verb) == detail && (r.whole() || r.name == name)
		case "column":
			if r.whole() || r.name != name || r.verb == call || r.verb == use || r.verb == create {
				return false
			}
			return r.cols == nil || slices.ContainsFunc(r.cols, func(c string) bool { return privilegeOf(r.verb)+" ("+c+")" == detail })
		case "sequence":
			return r.verb == use && r.name == name && detail == "USAGE"
		case "schema":
			return r.verb == create
		case "function":
			return r.verb == call && r.name == name && sameTypes(r.args, detail)
		}
		return false
	})
}

// sameTypes compares written argument types with the catalog's; in doubt they differ.
func sameTypes(written, catalog string) bool { return written == catalog }
