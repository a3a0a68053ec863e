package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

func budgeted(t *testing.T, deployment string, b curfew.Budget) *enginetest.World {
	return world(t, deployment, func(o *enginetest.Options) { o.Engine, o.Budget = judging(), b })
}

// spent asks that the grant ended because its budget was spent, and opens nothing more.
func spent(t *testing.T, w *enginetest.World, g enginetest.Grant, err error) {
	t.Helper()
	e := new(pgconn.PgError)
	if errors.As(err, &e) && (e.Code != "57P01" || !strings.Contains(e.Detail, "Its budget is spent")) {
		t.Errorf("the farewell was %+v", e)
	}
	w.Await(g.ID, access.Gone)
	if _, err := pgx.Connect(ctx(t), throughURL(w, g, "")); err == nil || !strings.Contains(err.Error(), "28000") {
		t.Errorf("it opens another session: %v", err)
	}
}

func TestABudgetOfStatementsIsMetExactly(t *testing.T) {
	w := budgeted(t, "budgetstatements", curfew.Budget{Statements: 10})
	g := w.Grant("write", time.Hour)
	a, b := through(t, w, g, ""), through(t, w, g, "")
	simple := pgx.QueryExecModeSimpleProtocol
	for i := range 10 { // over both sessions together
		if _, err := []*pgx.Conn{a, b}[i%2].Exec(ctx(t), "INSERT INTO orders (cust) VALUES ('counted')", simple); err != nil {
			t.Fatal(i, err)
		}
	}
	_, err := a.Exec(ctx(t), "INSERT INTO orders (cust) VALUES ('counted')", simple)
	if err == nil {
		t.Error("an eleventh went through")
	}
	spent(t, w, g, err)
	if _, err := b.Exec(ctx(t), "SELECT 1", simple); err == nil {
		t.Error("the other session goes on")
	}
	if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders WHERE cust = 'counted'"); err != nil || n != "10" {
		t.Error(n, err)
	}
	_ = pg.Exec(ctx(t), "shop", "DELETE FROM orders WHERE cust = 'counted'")
}

// Many statements in one text are many: they are counted before any of them runs.
func TestStatementsOfOneTextAreCounted(t *testing.T) {
	w := budgeted(t, "budgettexts", curfew.Budget{Statements: 10})
	const insert = "INSERT INTO orders (cust) VALUES ('counted');"
	for _, c := range []struct {
		text string
		want string
	}{
		{strings.Repeat(insert, 11), "0"}, {strings.Repeat("BEGIN; "+insert+" COMMIT;", 4), "0"},
		{strings.Repeat(insert, 10), "10"}, {"/* ; */ " + insert + " SELECT ';;;;;;;;;;;;', $$;;;;;$$ -- ;;;;;;;;;", "1"},
		{strings.Repeat(insert, 11) + ` SELECT 'a\'`, "0"}, {`SET standard_conforming_strings = off; SELECT 'a\'';` + strings.Repeat(insert, 11) + "--'", "0"},
	} {
		g := w.Grant("write", time.Hour)
		conn := through(t, w, g, "")
		_, err := conn.PgConn().Exec(ctx(t), c.text).ReadAll()
		if (err == nil) != (c.want != "0") {
			t.Errorf("%.60s…: %v", c.text, err)
		}
		if err != nil {
			spent(t, w, g, err)
		}
		if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders WHERE cust = 'counted'"); err != nil || n != c.want {
			t.Errorf("%.60s…: %s were inserted, want %s (%v)", c.text, n, c.want, err)
		}
		_ = pg.Exec(ctx(t), "shop", "DELETE FROM orders WHERE cust = 'counted'")
	}
}

// A text that the judge refuses is not sent, and costs nothing.
func TestRefusedTextsCostNothing(t *testing.T) {
	w := fixed(t, "budgetrefused", func(o *enginetest.Options) { o.Budget = curfew.Budget{Statements: 3} })
	c := through(t, w, w.Grant("read", time.Hour), "")
	for range 3 {
		_, err := c.PgConn().Exec(ctx(t), strings.Repeat("TABLE salaries;", 11)).ReadAll()
		isRefused(t, err, "statement.table")
	}
	if _, err := c.PgConn().Exec(ctx(t), "SELECT 1; SELECT 2; SELECT 3").ReadAll(); err != nil {
		t.Error(err)
	}
}

// However much is bound, an item of it can be recorded.
func TestBoundValuesHaveABoundTogether(t *testing.T) {
	w := world(t, "manyvalues")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "")
	binary, values := make([]byte, 16<<10), make([]any, 2000)
	for i := range values {
		values[i] = binary
	}
	var sql strings.Builder
	sql.WriteString("SELECT 1 WHERE $1::bytea IS NOT NULL")
	for i := range values[1:] {
		fmt.Fprintf(&sql, " AND $%d::bytea IS NOT NULL", i+2)
	}
	if _, err := c.Exec(ctx(t), sql.String(), append([]any{pgx.QueryExecModeCacheDescribe}, values...)...); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx(t), "SELECT 'and on'"); err != nil {
		t.Fatal(err)
	}
	_ = c.Close(ctx(t))
	all := items(t, w, g.ID)
	it := find(all, record.Statement, "SELECT 1 WHERE")
	if it == nil || len(it.Values) != 2000 || it.Values[0].Cut != 0 || it.Values[1999].Cut != 16<<10 || find(all, record.Statement, "and on") == nil {
		t.Errorf("%d items", len(all))
	}
}

func TestABudgetOfRowsIsMetExactly(t *testing.T) {
	w := budgeted(t, "budgetrows", curfew.Budget{Rows: 250})
	t.Run("in the middle of a result, over several sessions", func(t *testing.T) {
		g := w.Grant("read", time.Hour)
		for range 2 {
			c := through(t, w, g, "")
			var n int
			if err := c.QueryRow(ctx(t), "SELECT count(*) FROM (SELECT id FROM orders LIMIT 60) x").Scan(&n); err != nil {
				t.Fatal(err)
			}
			if got := rowsUntilTheEnd(t, c, "SELECT id FROM orders WHERE id <= 60"); got != 60 {
				t.Fatal(got)
			}
			_ = c.Close(ctx(t))
		}
		// 122 are gone: 128 are left.
		c := through(t, w, g, "")
		if got := rowsUntilTheEnd(t, c, "SELECT repeat('x', 3000) FROM generate_series(1, 100000)"); got != 128 {
			t.Errorf("%d rows came through, 128 were left", got)
		}
		spent(t, w, g, nil)
	})
	t.Run("a copy out", func(t *testing.T) {
		g := w.Grant("read", time.Hour)
		c := through(t, w, g, "")
		var lines lineCount
		_, err := c.PgConn().CopyTo(ctx(t), &lines, "COPY (SELECT * FROM generate_series(1, 100000)) TO STDOUT")
		if err == nil || lines != 250 {
			t.Error(lines, err)
		}
		spent(t, w, g, err)
	})
	t.Run("what is changed", func(t *testing.T) {
		g := w.Grant("write", time.Hour)
		c := through(t, w, g, "")
		tx, err := c.Begin(ctx(t))
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(ctx(t), "INSERT INTO orders (cust) SELECT 'counted' FROM generate_series(1, 251)")
		if err == nil {
			t.Error("251 were changed")
		}
		spent(t, w, g, err)
		if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders WHERE cust = 'counted'"); err != nil || n != "0" {
			t.Error(n, err)
		}
	})
}

// Rows that came back before an error, or before a portal was suspended, pay for no change after it.
func TestRowsOfOneStatementPayForNoOther(t *testing.T) {
	w := budgeted(t, "budgeterrors", curfew.Budget{Rows: 250})
	for name, before := range map[string]func(c *pgx.Conn) error{
		"an error": func(c *pgx.Conn) error {
			_, err := c.Exec(ctx(t), "SELECT 1 / (200 - n) FROM generate_series(1, 300) n", pgx.QueryExecModeSimpleProtocol)
			if err == nil {
				return errors.New("it did not fail")
			}
			return nil
		},
		"a suspended portal": func(c *pgx.Conn) error {
			_, err := c.Exec(ctx(t), "BEGIN", pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				return err
			}
			return suspended(t, c, 199)
		},
	} {
		g := w.Grant("write", time.Hour)
		c := through(t, w, g, "")
		if err := before(c); err != nil {
			t.Fatal(name, err)
		}
		_, err := c.Exec(ctx(t), "INSERT INTO orders (cust) SELECT 'counted' FROM generate_series(1, 52)", pgx.QueryExecModeSimpleProtocol)
		if err == nil {
			t.Errorf("%s: 199 rows, and 52 more, of a budget of 250", name)
		}
		spent(t, w, g, err)
		_ = pg.Exec(ctx(t), "shop", "DELETE FROM orders WHERE cust = 'counted'")
	}
}

// suspended takes n rows of a portal that has more.
func suspended(t *testing.T, c *pgx.Conn, n uint32) error {
	t.Helper()
	front := c.PgConn().Frontend()
	front.SendParse(&pgproto3.Parse{Query: "SELECT n FROM generate_series(1, 300) n"})
	front.SendBind(&pgproto3.Bind{})
	front.SendExecute(&pgproto3.Execute{MaxRows: n})
	front.SendSync(&pgproto3.Sync{})
	if err := front.Flush(); err != nil {
		return err
	}
	for {
		switch m, err := front.Receive(); m.(type) {
		case *pgproto3.ReadyForQuery:
			return nil
		default:
			if err != nil {
				return err
			}
		}
	}
}

func TestABudgetOfBytesIsMetExactly(t *testing.T) {
	w := budgeted(t, "budgetbytes", curfew.Budget{Bytes: 1 << 20})
	g := w.Grant("write", time.Hour)
	c := through(t, w, g, "")
	_, err := c.PgConn().CopyFrom(ctx(t), strings.NewReader(strings.Repeat("counted\t1\n", 200_000)), "COPY orders (cust, total) FROM STDIN")
	if err == nil {
		t.Error("2 MB went in")
	}
	spent(t, w, g, err)
	g = w.Grant("read", time.Hour)
	c = through(t, w, g, "")
	// 1 + 4 + 2 + 4 + 1013 bytes a row, and before the first their description.
	if got := rowsUntilTheEnd(t, c, "SELECT repeat('x', 1013) FROM generate_series(1, 100000)"); got != 1023 {
		t.Errorf("%d rows of 1 KiB came through", got)
	}
	spent(t, w, g, nil)
}

// What comes as something else than rows is counted all the same.
func TestBytesThatAreNoRowsAreCounted(t *testing.T) {
	w := budgeted(t, "budgetways", curfew.Budget{Bytes: 64 << 10})
	for name, sql := range map[string]string{
		"notices":       "DO $$ BEGIN FOR i IN 1..100 LOOP RAISE NOTICE '%', repeat('x', 4000); END LOOP; END $$",
		"errors":        "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 100000); END $$",
		"notifications": "LISTEN c; SELECT pg_notify('c', i || repeat('x', 4000)) FROM generate_series(1, 100) i",
		"one large row": "SELECT string_agg(repeat('x', 4000), '') FROM generate_series(1, 100)",
		"a cursor":      "BEGIN; DECLARE c CURSOR FOR SELECT repeat('x', 4000) FROM generate_series(1, 100); FETCH ALL FROM c",
	} {
		t.Run(name, func(t *testing.T) {
			g := w.Grant("read", time.Hour)
			var heard []string
			c := throughNotices(t, w, g, &heard)
			results, err := c.PgConn().Exec(ctx(t), sql).ReadAll()
			if err == nil {
				t.Error("it went through")
			}
			got := len(strings.Join(heard, ""))
			for _, r := range results {
				for _, row := range r.Rows {
					got += len(row[0])
				}
			}
			if e := new(pgconn.PgError); errors.As(err, &e) {
				got += len(e.Message)
			}
			if got > 64<<10 {
				t.Errorf("%d bytes came through", got)
			}
			spent(t, w, g, err)
		})
	}
}

type lineCount int

func (n *lineCount) Write(b []byte) (int, error) {
	*n += lineCount(strings.Count(string(b), "\n"))
	return len(b), nil
}

func rowsUntilTheEnd(t *testing.T, c *pgx.Conn, sql string) (n int) {
	t.Helper()
	rows, err := c.Query(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return 0
	}
	for rows.Next() {
		n++
	}
	rows.Close()
	return n
}
