package judge

import (
	"fmt"
	"strings"
)

// Random queries whose names collide: aliases are called like columns, queries of WITH
// like tables, and columns like types. What a name means is then the server's to say.

func (g *gen) pick(words ...string) string { return words[g.IntN(len(words))] }

func (g *gen) alias() string {
	return g.pick("a", "b", "card", "name", "note", "text", "id", "customers", "orders", "value", "date")
}

func (g *gen) columnName() string {
	return g.pick("id", "id", "id", "name", "name", "note", "card", "text", "cust", "total", "status", "amount", "email", "value", "date", "a", "customers", "column1", "key", "varchar", "bool", "lower")
}

func (g *gen) tableName() string {
	return g.pick("orders", "orders", "customers", "customers", "customers", "texts", "refunds", "public.customers", "salaries", "a", "card", "pg_class")
}

// query makes a query of up to depth levels.
func (g *gen) query(depth int) string {
	var b strings.Builder
	if depth > 0 && g.IntN(4) == 0 {
		fmt.Fprintf(&b, "WITH %s%s AS (%s) ", g.pick("", "RECURSIVE "), g.alias()+g.pick("", "", " ("+g.alias()+")"), g.query(depth-1))
	}
	b.WriteString("SELECT " + g.pick("", "", "", "DISTINCT ON ("+g.columnName()+") "))
	for i := range 1 + g.IntN(2) {
		b.WriteString(strings.Repeat(", ", min(i, 1)) + g.value(depth) + g.pick("", "", " AS "+g.alias()))
	}
	if g.IntN(12) > 0 {
		b.WriteString(" FROM " + g.item(depth))
		for range g.IntN(2) {
			b.WriteString(g.pick(", ", ", LATERAL ", " CROSS JOIN ", " NATURAL JOIN ") + g.item(depth))
		}
		if g.IntN(5) == 0 {
			b.WriteString(" JOIN " + g.item(depth) + g.pick(" ON true", " USING ("+g.columnName()+")", " USING (id) AS "+g.alias(), " ON "+g.value(0)+" IS NULL"))
		}
	}
	for _, clause := range []string{" WHERE " + g.value(depth) + " IS NOT NULL", " GROUP BY " + g.columnName(), " HAVING count(" + g.columnName() + ") > 0", " ORDER BY " + g.columnName()} {
		if g.IntN(6) == 0 {
			b.WriteString(clause)
		}
	}
	if g.IntN(25) == 0 {
		return "(" + b.String() + ") UNION ALL (" + g.query(max(0, depth-1)) + ") ORDER BY " + g.columnName()
	}
	if g.IntN(25) == 0 {
		b.WriteString(" FOR UPDATE" + g.pick("", " OF "+g.alias()))
	}
	return b.String()
}

func (g *gen) value(depth int) string {
	if depth > 0 && g.IntN(4) == 0 {
		return g.sub(depth)
	}
	name := g.columnName()
	switch g.IntN(14) {
	case 0:
		return "*"
	case 1, 2:
		return g.alias() + "." + name
	case 3:
		return g.alias() + ".*"
	case 4:
		return g.pick("customers", "orders", "public.customers") + "." + name
	case 5:
		return "(" + g.alias() + ")." + name
	case 6:
		return g.pick("count", "max", "lower", "row_to_json", "to_jsonb", "pg_typeof", "array_agg") + "(" + name + ")"
	case 7:
		return "'x'::text::" + g.pick("varchar", "name", "text", "bytea")
	case 8:
		return name + "::text" + g.pick("", "::varchar", " COLLATE \"C\"")
	case 9:
		return "row_to_json(" + g.alias() + g.pick("", ".*") + ")"
	case 10:
		return g.pick("1", "'x'", "true", "now()::date", "current_date", "lower('x')", "(1, 2)", "coalesce(1)")
	}
	return name
}

func (g *gen) sub(depth int) string {
	return fmt.Sprintf(g.pick("(%s LIMIT 1)", "EXISTS (%s)", "ARRAY(%s)", "(%s LIMIT 1)::text"), g.query(depth-1))
}

// item is one of FROM.
func (g *gen) item(depth int) string {
	alias := g.pick("", " ", " AS ")
	if alias != "" {
		alias += g.alias() + g.pick("", "", "", " ("+g.alias()+")")
	}
	switch n := g.IntN(12); {
	case n < 2 && depth > 0:
		return "(" + g.query(depth-1) + ") " + g.alias() + g.pick("", "", " ("+g.alias()+", "+g.alias()+")")
	case n == 2:
		return g.pick("jsonb_array_elements('[1]')", "json_each('{}')", "generate_series(1, 2)", "unnest(ARRAY['x'])", "unnest(ARRAY(SELECT o FROM orders o))", "lower('x')", "refresh(1)",
			"regexp_split_to_table('a b', ' ')", "jsonb_object_keys('{}')", "current_date", "json_array_elements_text('[1]')", "string_to_table('a', 'b')", "pg_partition_ancestors('orders'::regclass)", "now()") + alias
	case n == 3:
		return "(VALUES (1, 'x')) " + g.alias() + g.pick("", " ("+g.alias()+")")
	case n == 4:
		return "(" + g.tableName() + " JOIN " + g.tableName() + " " + g.alias() + " ON true)" + g.pick("", " "+g.alias())
	case n == 5:
		return "xmltable('/a' PASSING '<a/>' COLUMNS " + g.alias() + " text)" + alias
	}
	return g.tableName() + alias
}
