package judge

// The queries that fill a Catalog. Each row is one element, its columns are the
// element's fields in their order. They are asked with search_path = pg_catalog, at the
// start of a session and again when it lasts: a catalog is as true as it is young.
//
// Functions and operators in C that an extension brought under names of PostgreSQL's
// own (citext has its own replace and =) are left out: an extension is part of the
// database, and what it overloads does what the name says, for a further type.
const (
	TablesQuery = `
SELECT n.nspname::text, c.relname::text, array(
    SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1, 2`

	FunctionsQuery = `
SELECT n.nspname::text, p.proname::text, array_to_string(array(
    SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS x (t, i) ORDER BY i), ', ')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT (l.lanname IN ('c', 'internal')
    AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    AND EXISTS (SELECT FROM pg_proc b WHERE b.proname = p.proname AND b.pronamespace = 'pg_catalog'::regnamespace))
ORDER BY 1, 2, 3`

	OperatorsQuery = `
SELECT DISTINCT o.oprname::text
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace JOIN pg_proc p ON p.oid = o.oprcode JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname <> 'pg_catalog'
  AND NOT (l.lanname IN ('c', 'internal')
    AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e'))
ORDER BY 1`

	// TypesQuery leaves the row types of tables out: casts to them are refused.
	TypesQuery = `
SELECT n.nspname::text, t.typname::text
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype IN ('b', 'd', 'e', 'r', 'm') AND t.typelem = 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1, 2`
)
