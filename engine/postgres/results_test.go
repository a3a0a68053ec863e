package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

func withResults(o *enginetest.Options) { o.Record = curfew.RecordResults }

// table is the rows of all results of one statement, as text, and how many are left out.
func table(all []record.Item, ref uint64) (rows []string, columns string, left int64) {
	for _, it := range all {
		if it.Kind != record.Result || it.Ref != ref {
			continue
		}
		if it.Columns != nil {
			columns = strings.Join(it.Columns, ",")
		}
		left += it.Left
		for _, row := range it.Table {
			var values []string
			for _, v := range row {
				switch {
				case v.Null:
					values = append(values, "null")
				case v.Binary:
					values = append(values, "x"+v.Text)
				default:
					values = append(values, v.Text)
				}
			}
			rows = append(rows, strings.Join(values, ","))
		}
	}
	return rows, columns, left
}

func TestResultsAreRecordedWhereThePolicySaysSo(t *testing.T) {
	w := world(t, "results", withResults)
	g := w.Grant("write", time.Hour)
	c := through(t, w, g, "")
	one := func(mode pgx.QueryExecMode, sql string, args ...any) {
		t.Helper()
		rows, err := c.Query(ctx(t), sql, append([]any{mode}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	const types = `SELECT 7 AS a, NULL::text AS b, 'é' AS c, true AS d, 1.50::numeric AS e, '2026-11-26'::date AS f,
		'2026-11-26 10:00:00+01'::timestamptz AS g, '\xff00'::bytea AS h, ARRAY[1,2] AS i, 'null'::jsonb AS j, 2.5::float4 AS k`
	one(pgx.QueryExecModeCacheStatement, types+", $1::int AS l", 9)
	one(pgx.QueryExecModeCacheStatement, types+", $1::int AS l", 10) // not described again
	one(pgx.QueryExecModeSimpleProtocol, "SELECT 1 AS x; SELECT 2 AS y, 3 AS z")
	one(pgx.QueryExecModeExec, "SELECT n FROM generate_series(1, 5000) n")
	one(pgx.QueryExecModeExec, "SELECT repeat('é', 9001) AS long FROM generate_series(1, 2)")
	one(pgx.QueryExecModeExec, "SELECT repeat('x', 3000000) AS huge, 5 AS behind")
	one(pgx.QueryExecModeCacheStatement, "SELECT 1e131000::numeric AS digits, $1::int AS one", 1)
	one(pgx.QueryExecModeExec, "SELECT 'canary' AS password")
	if _, err := c.PgConn().CopyTo(ctx(t), discard{}, "COPY (SELECT n, 'c' || n FROM generate_series(1, 3) n) TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Exec(ctx(t), "SELECT 1/(3-n) AS q FROM generate_series(1, 3) n", pgx.QueryExecModeSimpleProtocol)
	_ = c.Close(context.Background())
	all := items(t, w, g.ID)
	ref := func(text string, nth int) uint64 {
		t.Helper()
		for _, it := range all {
			if it.Kind == record.Statement && strings.Contains(it.Text, text) {
				if nth--; nth < 0 {
					return it.Ref
				}
			}
		}
		t.Fatalf("no %q", text)
		return 0
	}
	const first = "7,null,é,t,1.50,2026-11-26,2026-11-26 09:00:00Z,xff00,{1,2},null,2.5,"
	for _, want := range []struct {
		text    string
		nth     int
		rows    string
		columns string
		left    int64
	}{
		{"SELECT 7", 0, first + "9", "a,b,c,d,e,f,g,h,i,j,k,l", 0},
		{"SELECT 7", 1, first + "10", "a,b,c,d,e,f,g,h,i,j,k,l", 0},
		{"SELECT 1 AS x", 0, "1 2,3", "y,z", 0},
		{"digits", 0, "x00017fee000000000001,1", "digits,one", 0},
		{"AS password", 0, "***", "password", 0},
		{"COPY", 0, "1\tc1\n 2\tc2\n 3\tc3\n", "", 0},
		{"1/(3-n)", 0, "0 1", "q", 0},
	} {
		rows, columns, left := table(all, ref(want.text, want.nth))
		if got := strings.Join(rows, " "); got != want.rows || columns != want.columns || left != want.left {
			t.Errorf("%s: %q, columns %q, %d left", want.text, got, columns, left)
		}
	}
	if rows, _, left := table(all, ref("5000", 0)); len(rows) != resultRows || rows[999] != "1000" || left != 4000 {
		t.Errorf("%d rows, %d left", len(rows), left)
	}
	for _, it := range all {
		if it.Kind == record.Result && it.Ref == ref("9001", 0) {
			for _, row := range it.Table {
				if v := row[0]; v.Cut != 2*9001-resultValue || v.Binary || v.Text != strings.Repeat("é", resultValue/2) {
					t.Errorf("cut %d, binary %v", v.Cut, v.Binary)
				}
			}
		}
		if it.Kind == record.Result && it.Ref == ref("3000000", 0) {
			if len(it.Table) != 1 || len(it.Table[0]) != 1 || it.Table[0][0].Cut != 3_000_000-resultValue {
				t.Errorf("a huge row: %d rows", len(it.Table))
			}
		}
	}
	for i, it := range all { // after a result comes another one of the statement, or its outcome
		if next := all[min(i+1, len(all)-1)]; it.Kind == record.Result && (next.Ref != it.Ref || next.Kind != record.Result && next.Kind != record.Outcome) {
			t.Errorf("%+v after a result of %d", next, it.Ref)
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestResultsAreNotRecordedUnlessThePolicySaysSo(t *testing.T) {
	w := world(t, "noresults")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "")
	if _, err := c.Exec(ctx(t), "SELECT 'canary' FROM orders"); err != nil {
		t.Fatal(err)
	}
	_ = c.Close(context.Background())
	for _, it := range items(t, w, g.ID) {
		if it.Kind == record.Result {
			t.Errorf("%+v", it)
		}
	}
}

func TestWhoMayNotSeeValuesSeesNoResultAndNothingPrepared(t *testing.T) {
	e := New()
	it := e.Shape(record.Item{Kind: record.Result, Ref: 1, Columns: []string{"canary"}, Table: [][]record.Value{{{Text: "canary"}}}, Left: 3})
	if it.Columns != nil || it.Table != nil || it.Left != 0 {
		t.Errorf("%+v", it)
	}
	values := []record.Value{{Text: "canary"}}
	for _, kind := range []record.Kind{record.Statement, record.Prepared, record.Refused, "anything"} {
		if it := e.Shape(record.Item{Kind: kind, Text: "SELECT 'canary'", Values: values}); strings.Contains(it.Text, "canary") || it.Values[0].Text != "?" {
			t.Errorf("%s: %+v", kind, it)
		}
	}
	if values[0].Text != "canary" {
		t.Error("showing one person shapes has taken the values from another")
	}
}

func FuzzResults(f *testing.F) {
	row, _ := (&pgproto3.DataRow{Values: [][]byte{[]byte("1"), nil, {0, 0, 0, 7}}}).Encode(nil)
	desc, _ := (&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a"), DataTypeOID: 23, Format: 1}, {Name: []byte("b"), DataTypeOID: 1700, Format: 1}}}).Encode(nil)
	f.Add(desc[5:], row[5:], []byte{0, 1})
	f.Fuzz(func(t *testing.T, desc, row, formats []byte) {
		log := newStatements()
		c := newResults(log)
		if err := parseInto(log, []byte("\x00SELECT 1\x00\x00\x00")); err != nil {
			t.Fatal(err)
		}
		log.confirm('1')
		log.simple("SELECT 1", nil)
		c.see('T', desc, len(desc))
		c.of, c.known = c.log.answered(), true
		c.of.formats = formats
		for _, kind := range []byte("DdVn") {
			c.see(kind, row, len(row))
			c.see(kind, row, len(row)+9)
		}
		if it, ok := c.flush(); ok {
			for _, row := range it.Table {
				for _, v := range row {
					if len(v.Text) > 4*resultValue {
						t.Fatalf("%d bytes", len(v.Text))
					}
				}
			}
		}
		c.over()
	})
}
