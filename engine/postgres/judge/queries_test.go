package judge

import (
	gocontext "context"
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5"
)

// asked fills a catalog the way the engine does.
func asked(t *testing.T, conn *pgx.Conn) (c Catalog) {
	t.Helper()
	query := func(text string) pgx.Rows {
		rows, err := conn.Query(gocontext.Background(), text)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	var err1, err2, err3, err4 error
	c.Tables, err1 = pgx.CollectRows(query(TablesQuery), pgx.RowToStructByPos[Table])
	c.Functions, err2 = pgx.CollectRows(query(FunctionsQuery), pgx.RowToStructByPos[Function])
	c.Operators, err3 = pgx.CollectRows(query(OperatorsQuery), pgx.RowTo[string])
	c.Types, err4 = pgx.CollectRows(query(TypesQuery), pgx.RowToStructByPos[Name])
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestTheQueriesFillTheCatalog(t *testing.T) {
	restricted := dial(t, postgres(t).URL("fixed", "throw-away", "shop"))
	if _, err := restricted.Exec(gocontext.Background(), "SET search_path = pg_catalog"); err != nil {
		t.Fatal(err)
	}
	c := asked(t, restricted.Conn)
	want := Catalog{
		Tables: []Table{
			{"hr", "people", []string{"id", "salary"}},
			{"public", "customers", []string{"id", "name", "card", "email"}},
			{"public", "orders", []string{"id", "cust", "total", "status", "note"}},
			{"public", "refunds", []string{"id", "order_id", "amount"}},
			{"public", "salaries", []string{"who", "amount"}},
			{"public", "texts", []string{"id", "text", "collversion"}},
		},
		Functions: []Function{{"hr", "raise", "integer"}, {"public", "pwn", "public.orders"}, {"public", "refresh", "integer"}, {"public", "tidy", ""}},
		Operators: []string{"+"},
		Types:     []Name{{"hr", "secret"}, {"public", "order_status"}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("%+v\nwant\n%+v", c, want)
	}
}
