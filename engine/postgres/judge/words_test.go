package judge

import (
	"strings"
	"testing"
)

// shop is the permission of most tests, and shopTables what the target holds.
const shop = `read orders
read customers (id, name)
update orders (status, note)
insert orders (id, cust, status)
read texts (id)
read refunds
insert refunds
update refunds
delete refunds
call public.refresh(int)
call public.tidy()
use sequence ids`

func shopCatalog() Catalog {
	return Catalog{
		Tables: []Table{
			{"public", "orders", []string{"id", "cust", "total", "status", "note"}},
			{"public", "customers", []string{"id", "name", "card", "email"}},
			{"public", "refunds", []string{"id", "order_id", "amount"}},
			{"public", "texts", []string{"id", "text", "collversion"}},
			{"public", "salaries", []string{"who", "amount"}},
			{"hr", "people", []string{"id", "salary"}},
		},
		Functions: []Function{{"public", "refresh", "int"}, {"public", "pwn", "orders"}, {"public", "tidy", ""}, {"hr", "raise", "int"}},
		Types:     []Name{{"public", "order_status"}},
	}
}

// rules reads lines of a permission the way the engine does, for tests.
func rules(t testing.TB, lines string) (out []Rule) {
	t.Helper()
	for line := range strings.Lines(lines) {
		word, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			t.Fatalf("%q is no rule", line)
		}
		r := Rule{Verb: Verb(word), Schema: "public"}
		if r.Verb == Use {
			rest = strings.TrimPrefix(rest, "sequence ")
		}
		name, list, bracket := strings.Cut(rest, "(")
		list = strings.TrimSuffix(strings.TrimSpace(list), ")")
		name = strings.TrimSpace(name)
		if schema, table, qualified := strings.Cut(name, "."); qualified {
			r.Schema, name = schema, table
		}
		if name != "*" {
			r.Name = name
		}
		switch {
		case bracket && r.Verb == Call:
			r.Args = list
		case bracket:
			for c := range strings.SplitSeq(list, ",") {
				r.Columns = append(r.Columns, strings.TrimSpace(c))
			}
		}
		out = append(out, r)
	}
	return out
}

// grammarOf is shared by the tests: loading it takes a second.
var grammarOf Parser //nolint:gochecknoglobals // a cache

func shopJudge(t testing.TB) *Judge {
	t.Helper()
	return judgeOf(t, shop, "", shopCatalog())
}

func judgeOf(t testing.TB, may, never string, c Catalog) *Judge {
	t.Helper()
	return New(&grammarOf, Permission{Allow: rules(t, may), Never: rules(t, never)}, c)
}
