package judge

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestForms(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT count(*), lower(who) FROM orders WHERE id = 1":                         "",
		"SELECT * FROM orders FOR UPDATE":                                              "",
		"BEGIN; SAVEPOINT a; COMMIT; SET work_mem = '1MB'; SHOW work_mem; DISCARD ALL": "",
		"TABLE orders":                                      "",
		"LISTEN a; NOTIFY a; LOCK TABLE orders":             "",
		"SELECT pg_catalog.format_type(1, 2), nextval('a')": "",
		"SELECT 1 WHERE a IN (1) AND b LIKE 'x' AND c BETWEEN 1 AND 2 AND d = ANY (e)": "",
		"":                               "",
		"DELETE FROM orders":             "delete delete-without-where",
		"DELETE FROM orders WHERE true":  "delete delete-without-where",
		"DELETE FROM orders WHERE 1 = 1": "delete delete-without-where",
		"DELETE FROM orders WHERE $1":    "delete delete-without-where",
		"DELETE FROM orders WHERE now() > '2020-01-01'":                 "delete delete-without-where",
		"DELETE FROM orders WHERE id = 1":                               "delete",
		"DELETE FROM orders WHERE CURRENT OF c":                         "delete",
		"DELETE FROM orders USING refunds":                              "delete delete-without-where",
		"delete/**/from\norders -- where id = 1":                        "delete delete-without-where",
		"SELECT 1; DELETE FROM orders":                                  "delete delete-without-where",
		"WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d":    "delete delete-without-where",
		"UPDATE orders SET a = 1":                                       "update update-without-where",
		"UPDATE orders SET a = (SELECT b FROM c WHERE d = 1)":           "update update-without-where",
		"UPDATE orders SET a = 1 WHERE id = 1":                          "update",
		"INSERT INTO orders VALUES (1)":                                 "insert",
		"INSERT INTO o VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1": "insert update",
		"INSERT INTO o VALUES (1) ON CONFLICT DO NOTHING":               "insert",
		"MERGE INTO o USING n ON true WHEN MATCHED THEN DELETE":         "delete delete-without-where merge",
		"MERGE INTO o USING n ON o.id = n.id WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)": "insert merge update",
		"TRUNCATE orders":                                 "truncate",
		"DROP TABLE orders":                               "ddl drop",
		"DROP ROLE a":                                     "ddl drop",
		"DROP OWNED BY a":                                 "ddl drop",
		"ALTER TABLE orders DROP COLUMN a":                "ddl drop",
		"ALTER TABLE orders ADD COLUMN a int":             "ddl",
		"ALTER TABLE orders OWNER TO a":                   "ddl grant",
		"CREATE TABLE a (b int)":                          "ddl",
		"CREATE TABLE a AS SELECT 1":                      "ddl",
		"SELECT 1 INTO a":                                 "ddl",
		"VACUUM orders":                                   "ddl",
		"ALTER SYSTEM SET work_mem = '1GB'":               "ddl",
		"GRANT SELECT ON orders TO a":                     "ddl grant",
		"REVOKE a FROM b":                                 "ddl grant",
		"REASSIGN OWNED BY a TO b":                        "ddl grant",
		"COPY orders TO STDOUT":                           "copy-out",
		"COPY orders FROM STDIN":                          "copy-in",
		"COPY orders FROM PROGRAM 'id'":                   "copy-in copy-program",
		"COPY (SELECT 1) TO '/tmp/x'":                     "copy-out copy-program",
		"COPY (DELETE FROM orders RETURNING *) TO STDOUT": "copy-out delete delete-without-where",
		"DO $$ BEGIN DELETE FROM orders; END $$":          "code",
		"CALL wipe()":                                     "code",
		"LOAD 'x'":                                        "code",
		"SELECT wipe()":                                   "code",
		"SELECT public.lower('x')":                        "code",
		"SELECT * FROM wipe(1)":                           "code",
		"SELECT query_to_xml('DELETE FROM orders', true, true, '')": "code",
		"SELECT pg_catalog.pg_terminate_backend(1)":                 "code",
		"SELECT set_config('search_path', 'x', false)":              "code",
		"SET search_path = public, pg_catalog":                      "code",
		"SET search_path = public":                                  "",
		"SELECT 1 OPERATOR(public.+) 2":                             "code",
		"SELECT 1 <!> 2":                                            "code",
		"EXPLAIN DELETE FROM orders":                                "",
		"EXPLAIN ANALYZE DELETE FROM orders":                        "delete delete-without-where",
		"EXPLAIN (COSTS, ANALYZE) SELECT wipe()":                    "code",
		"PREPARE a AS DELETE FROM orders":                           "",
		"DECLARE a CURSOR FOR SELECT wipe()":                        "",
	} {
		f, err := sharedParser().Forms(text)
		var got []string
		for _, c := range f.Classes {
			got = append(got, string(c))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v (%v), want %s", text, got, err, want)
		}
	}
}

func TestFormsOfNames(t *testing.T) {
	f, err := sharedParser().Forms(`PREPARE a AS DELETE FROM orders; PREPARE a AS SELECT wipe(); DECLARE "b c" CURSOR FOR SELECT wipe(); EXECUTE x(wipe()); FETCH 1 FROM y; MOVE z; EXPLAIN ANALYZE EXECUTE v`)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.Prepares["a"].Classes, []curfew.StatementClass{curfew.ClassCode, curfew.ClassDelete, curfew.ClassDeleteWithoutWhere}) ||
		!slices.Equal(f.Declares["b c"].Classes, []curfew.StatementClass{curfew.ClassCode}) ||
		!slices.Equal(f.Executes, []string{"x", "v"}) || !slices.Equal(f.Fetches, []string{"y", "z"}) || !slices.Equal(f.Classes, []curfew.StatementClass{curfew.ClassCode}) {
		t.Errorf("%+v", f)
	}
	if _, err := sharedParser().Forms("DELETE FROM"); err == nil {
		t.Error("what cannot be read was classified")
	}
}

var sharedParser = sync.OnceValue(func() *Parser { return new(Parser) }) //nolint:gochecknoglobals // one grammar for these tests
