package judge

import "testing"

// What the target has of its own under the names of PostgreSQL's functions and operators.
func TestWhatTheTargetOverloadsIsRefused(t *testing.T) {
	c := shopCatalog()
	c.Operators = []string{"=", "||"}
	for _, name := range []string{"lower", "max", "json_scalar", "json_object", "json_array", "json_value", "json_serialize", "json_arrayagg", "merge_action", "nextval"} {
		c.Functions = append(c.Functions, Function{"hr", name, "text"})
	}
	j := judgeOf(t, shop, "", c)
	for _, text := range []string{
		"SELECT 1 = 1", "SELECT 'a' || 'b'", "SELECT 1 IN (1)", "SELECT 1 IN (SELECT 1)", "SELECT 1 = ANY ('{1}')", "SELECT CASE 1 WHEN 1 THEN 1 END",
		"SELECT nullif(1, 1)", "SELECT 1 IS DISTINCT FROM 1", "SELECT 1 FROM orders JOIN refunds USING (id)", "SELECT 1 FROM orders NATURAL JOIN refunds",
		"SELECT ROW(1, 2) IN (SELECT 1, 2)", "SELECT (1, 2) = (1, 2)", "SELECT lower('A')", "SELECT max(id) FROM orders", "SELECT max(id) OVER () FROM orders",
		"SELECT ('A'::text).lower", "SELECT * FROM lower('A')", "SELECT x.lower FROM (SELECT 'A'::text AS a) x", "SELECT nextval('ids')",
		"SELECT json_scalar('a')", "SELECT json_object('a' : 1)", "SELECT json_array(1)", "SELECT json_array(SELECT 1)", "SELECT json_value('{}', '$')",
		"SELECT json_serialize('{}')", "SELECT json_arrayagg(1)", "MERGE INTO refunds r USING orders o ON false WHEN MATCHED THEN DELETE RETURNING merge_action()",
	} {
		if v := j.Judge(text); v.Refused == nil || v.Refused.Rule != RuleFunction {
			t.Errorf("%s: %+v", text, v.Refused)
		}
	}
	for _, text := range []string{
		"SELECT 1 OPERATOR(pg_catalog.=) 1", "SELECT pg_catalog.lower('A')", "SELECT pg_catalog.max(id) FROM orders", "SELECT pg_catalog.nextval('ids')",
		"SELECT CASE WHEN true THEN 1 END", "SELECT EXISTS (SELECT 1)", "SELECT 1 FROM orders JOIN refunds ON true", "SELECT json_objectagg('a' : 1)",
	} {
		if v := j.Judge(text); v.Refused != nil {
			t.Errorf("%s: %+v", text, v.Refused)
		}
	}
}

func TestNeverTakesFunctionsAndSequencesToo(t *testing.T) {
	j := judgeOf(t, shop, "call public.refresh(integer)\nuse sequence ids\nread refunds\nupdate orders (note)", shopCatalog())
	for text, rule := range map[string]string{
		"SELECT refresh(1)": RuleFunction, "SELECT nextval('ids')": RuleFunction, "SELECT id FROM refunds": RuleTable,
		"UPDATE orders SET note = 'x'": RuleColumn, "UPDATE orders SET status = 'x'": "",
	} {
		v := j.Judge(text)
		if v.Refused == nil != (rule == "") || v.Refused != nil && v.Refused.Rule != rule {
			t.Errorf("%s: %+v", text, v.Refused)
		}
	}
}

// A column that only some versions of PostgreSQL have may mean another's in others.
func TestAColumnOfACatalogMayBeMissing(t *testing.T) {
	for _, text := range []string{
		"SELECT (SELECT collversion FROM (SELECT * FROM pg_collation) s LIMIT 1) FROM texts",
		"SELECT (SELECT collversion FROM (SELECT s.* FROM pg_collation s) s LIMIT 1) FROM texts",
		"WITH s AS (SELECT * FROM pg_collation) SELECT (SELECT collversion FROM s LIMIT 1) FROM texts",
		"SELECT (SELECT collversion FROM (pg_collation a CROSS JOIN pg_am b) AS j LIMIT 1) FROM texts",
		"SELECT c.* FROM pg_collation c, texts ORDER BY collversion",
	} {
		if v := shopJudge(t).Judge(text); v.Refused == nil || v.Refused.Rule != RuleColumn {
			t.Errorf("%s: %+v", text, v.Refused)
		}
	}
}

func TestEveryEffectIsRefusedWhenLessIsKnown(t *testing.T) {
	full := shopCatalog()
	for name, c := range map[string]Catalog{"nothing": {}, "tables": {Tables: full.Tables}, "functions and types": {Functions: full.Functions, Types: full.Types}} {
		g := newGen(seedOfTests + 3)
		for i, s := range forbidden() {
			text := g.wrap(s, 3)
			if v := judgeOf(t, shop, "", c).Judge(text); v.Refused == nil {
				t.Errorf("knowing %s: text %d lets through %q:\n%s", name, i, s.text, text)
			}
		}
	}
}
