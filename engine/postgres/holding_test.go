package postgres

import (
	"context"
	"errors"
	"slices"
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

// holdingWorld holds what deletes or updates without a condition, and truncates.
func holdingWorld(t *testing.T, deployment string, more ...func(*enginetest.Options)) *enginetest.World {
	t.Helper()
	return world(t, deployment, append([]func(*enginetest.Options){func(o *enginetest.Options) {
		o.Engine = judging()
		o.Release = []curfew.StatementClass{curfew.ClassDeleteWithoutWhere, curfew.ClassUpdateWithoutWhere, curfew.ClassTruncate, curfew.ClassDDL}
		o.Roles["fix"] = []string{"read orders", "insert orders", "use sequence orders_id_seq", "update orders", "delete orders"}
	}}, more...)...)
}

// both runs a test with a leased and with a fixed account.
func both(t *testing.T, deployment string, f func(t *testing.T, w *enginetest.World)) {
	t.Run("leased", func(t *testing.T) { f(t, holdingWorld(t, deployment)) })
	t.Run("fixed", func(t *testing.T) {
		w := fixed(t, deployment+"fix", func(o *enginetest.Options) {
			o.Release = []curfew.StatementClass{curfew.ClassDeleteWithoutWhere, curfew.ClassUpdateWithoutWhere, curfew.ClassTruncate, curfew.ClassDDL}
			o.Roles["fix"] = []string{"read orders", "insert orders", "use sequence orders_id_seq", "update orders", "delete orders"}
		})
		f(t, w)
	})
}

// doing is a statement on its way.
type doing struct {
	done chan struct{}
	tag  pgconn.CommandTag
	err  error
}

func do(ctx context.Context, c *pgx.Conn, sql string, args ...any) *doing {
	d := &doing{done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.tag, d.err = c.Exec(ctx, sql, args...)
	}()
	return d
}

func (d *doing) result(t *testing.T) (pgconn.CommandTag, error) {
	t.Helper()
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the statement still waits")
	}
	return d.tag, d.err
}

// waits demands that it has not come back.
func (d *doing) waits(t *testing.T) {
	t.Helper()
	select {
	case <-d.done:
		t.Fatalf("it did not wait: %v %v", d.tag, d.err)
	case <-time.After(50 * time.Millisecond):
	}
}

// at counts what the target has been sent by a session since it began: its last query.
func lastQuery(t *testing.T) string {
	t.Helper()
	text, err := pg.One(ctx(t), "postgres", `SELECT coalesce(string_agg(query, ' | '), '') FROM pg_stat_activity WHERE application_name LIKE 'curfew:%'`)
	check(t, err)
	return text
}

func notReleasedBy(t *testing.T, err error, code, rule, message string) {
	t.Helper()
	e := new(pgconn.PgError)
	if !errors.As(err, &e) || e.Severity != "ERROR" || e.Code != code || e.Detail != "Rule: "+rule || !strings.Contains(e.Message, message) {
		t.Errorf("it ends with %+v, want %s by %s: %q", err, code, rule, message)
	}
}

func TestAHeldStatementGoesOnOnceItIsReleased(t *testing.T) {
	both(t, "holdone", func(t *testing.T, w *enginetest.World) {
		g := w.Grant("fix", time.Hour)
		var heard []string
		c := throughNotices(t, w, g, &heard)
		defer func() { _ = c.Close(context.Background()) }()
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
			heard = nil
			tx, err := c.Begin(ctx(t))
			check(t, err)
			args := []any{mode}
			want := "DELETE FROM orders"
			if mode != pgx.QueryExecModeSimpleProtocol {
				want, args = "UPDATE orders SET cust = $1", append(args, "held-value")
			}
			d := do(ctx(t), c, want, args...)
			a, h := w.Held()
			d.waits(t)
			if strings.Contains(lastQuery(t), "held-value") || strings.Contains(lastQuery(t), "DELETE FROM orders") {
				t.Errorf("the target was sent it: %s", lastQuery(t))
			}
			if h.Text != want || !h.Open || h.Masked || !slices.Contains(a.Classes, curfew.ClassDeleteWithoutWhere) && !slices.Contains(a.Classes, curfew.ClassUpdateWithoutWhere) {
				t.Errorf("%+v %+v", a, h)
			}
			if mode != pgx.QueryExecModeSimpleProtocol && (len(h.Values) != 1 || h.Values[0].Text != "held-value") {
				t.Errorf("the values are not shown: %+v", h.Values)
			}
			check(t, w.Release(a.Statement, w.Administrator(), a.Digest))
			if tag, err := d.result(t); err != nil || tag.RowsAffected() < 50 {
				t.Errorf("%s: %v %v", want, tag, err)
			}
			check(t, tx.Rollback(ctx(t)))
			text := strings.Join(heard, "\n")
			for _, want := range []string{"Curfew: asked admin@example.com to release this statement; waiting until ", "Curfew: admin@example.com released this statement."} {
				if !strings.Contains(text, want) {
					t.Errorf("the client heard %q, want %q", text, want)
				}
			}
		}
		_ = c.Close(ctx(t))
		all := items(t, w, g.ID)
		held, said := find(all, record.Held, "UPDATE orders"), find(all, record.Statement, "UPDATE orders")
		if held == nil || said == nil || len(held.Values) != 1 || !curfew.HasPrefix(held.Code, "st") || len(held.Tag) != 32 {
			t.Errorf("the recording has %+v and %+v", held, said)
		}
		for _, e := range enginetest.Events[curfew.StatementHeld](w, curfew.KindStatementHeld) {
			if e.Principal != g.Principal || e.Session == "" || len(e.Digest) != 32 {
				t.Errorf("%+v", e)
			}
		}
		w.Lawful()
	})
}

func TestAHeldStatementThatIsNotReleased(t *testing.T) {
	both(t, "holdno", func(t *testing.T, w *enginetest.World) {
		g := w.Grant("fix", time.Hour)
		c := through(t, w, g, "")
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
			d := do(ctx(t), c, "DELETE FROM orders", mode)
			w.RefuseOne("add a condition")
			_, err := d.result(t)
			notReleasedBy(t, err, "42501", "release.denied", `admin@example.com did not release this statement: "add a condition"`)
			// Outside of a transaction the session goes on.
			var n int
			if err := c.QueryRow(ctx(t), "SELECT count(*)::int FROM orders", mode).Scan(&n); err != nil || n < 50 {
				t.Errorf("afterwards: %d %v", n, err)
			}
			// In one, the transaction is over, as after any error.
			tx, err := c.Begin(ctx(t))
			check(t, err)
			_, err = tx.Exec(ctx(t), "INSERT INTO orders (cust) VALUES ('half')", mode)
			check(t, err)
			d = do(ctx(t), c, "DELETE FROM orders WHERE true", mode)
			w.RefuseOne("no")
			_, err = d.result(t)
			notReleasedBy(t, err, "42501", "release.denied", "did not release")
			if err := tx.Commit(ctx(t)); !errors.Is(err, pgx.ErrTxCommitRollback) {
				t.Errorf("committed what went before: %v", err)
			}
		}
		if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders WHERE cust = 'half'"); err != nil || n != "0" {
			t.Error(n, err)
		}
		w.Lawful()
	})
}

func TestNobodyReleasesTheirOwnAndAReleaseIsForOneStatementOnce(t *testing.T) {
	w := holdingWorld(t, "holdown")
	g := w.Grant("fix", time.Hour)
	c := through(t, w, g, "")
	d := do(ctx(t), c, "UPDATE orders SET cust = cust", pgx.QueryExecModeSimpleProtocol)
	a, _ := w.Held()
	for name, by := range map[string]curfew.Principal{"themselves": g.Principal, "somebody the policy does not name": w.Grant("read", time.Hour).Principal, "nobody": "p_nobody"} {
		if err := w.Release(a.Statement, by, a.Digest); curfew.CodeOf(err) != curfew.Denied {
			t.Errorf("released by %s: %v", name, err)
		}
	}
	if err := w.Release(a.Statement, w.Administrator(), []byte("another")); curfew.CodeOf(err) != curfew.Conflict {
		t.Errorf("released for another digest: %v", err)
	}
	d.waits(t)
	check(t, w.Release(a.Statement, w.Administrator(), a.Digest))
	if _, err := d.result(t); err != nil {
		t.Fatal(err)
	}
	// An equal one asks again: neither identifier nor digest of the first opens it.
	d = do(ctx(t), c, "UPDATE orders SET cust = cust", pgx.QueryExecModeSimpleProtocol)
	b, _ := w.Held()
	if b.Statement == a.Statement || string(b.Digest) == string(a.Digest) {
		t.Errorf("the second is taken for the first: %+v", b)
	}
	if err := w.Release(a.Statement, w.Administrator(), a.Digest); curfew.CodeOf(err) != curfew.NotFound {
		t.Errorf("the first one's release was used again: %v", err)
	}
	if err := w.Release(b.Statement, w.Administrator(), a.Digest); curfew.CodeOf(err) != curfew.Conflict {
		t.Errorf("the first one's digest released the second: %v", err)
	}
	d.waits(t)
	w.RefuseOne("once is enough")
	_, err := d.result(t)
	notReleasedBy(t, err, "42501", "release.denied", "did not release")
	w.Lawful()
}

func TestOtherValuesAreAnotherStatement(t *testing.T) {
	w := holdingWorld(t, "holdvalues")
	c := through(t, w, w.Grant("fix", time.Hour), "")
	_, err := c.Prepare(ctx(t), "u", "UPDATE orders SET cust = $1")
	check(t, err)
	tx, err := c.Begin(ctx(t))
	check(t, err)
	d := do(ctx(t), c, "u", "first")
	a, h := w.Held()
	if h.Values[0].Text != "first" {
		t.Errorf("%+v", h)
	}
	check(t, w.Release(a.Statement, w.Administrator(), a.Digest))
	_, err = d.result(t)
	check(t, err)
	d = do(ctx(t), c, "u", "second")
	b, h := w.Held()
	if h.Values[0].Text != "second" || string(a.Digest) == string(b.Digest) {
		t.Errorf("%+v", h)
	}
	if err := w.Release(b.Statement, w.Administrator(), a.Digest); curfew.CodeOf(err) != curfew.Conflict {
		t.Error(err)
	}
	w.RefuseOne("no")
	_, err = d.result(t)
	notReleasedBy(t, err, "42501", "release.denied", "did not release")
	_ = tx.Rollback(ctx(t))
}

// A batch is pipelined: what stands behind a held Execute waits, and is skipped if it
// is not released; what comes after the Sync goes on.
func TestWhatIsPipelinedBehindAHeldExecute(t *testing.T) {
	both(t, "holdpipe", func(t *testing.T, w *enginetest.World) {
		g := w.Grant("fix", time.Hour)
		c := through(t, w, g, "")
		batch := func() chan error {
			b := &pgx.Batch{}
			b.Queue("INSERT INTO orders (cust) VALUES ('pipelined')")
			b.Queue("UPDATE orders SET cust = cust")
			b.Queue("INSERT INTO orders (cust) VALUES ('pipelined')")
			done := make(chan error, 1)
			go func() { done <- c.SendBatch(ctx(t), b).Close() }()
			return done
		}
		count := func(want string) {
			t.Helper()
			if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders WHERE cust = 'pipelined'"); err != nil || n != want {
				t.Errorf("%s rows, want %s (%v)", n, want, err)
			}
		}
		done := batch()
		w.Held()
		count("0")
		w.RefuseOne("no")
		notReleasedBy(t, <-done, "42501", "release.denied", "did not release")
		count("0")
		if err := c.Ping(ctx(t)); err != nil {
			t.Fatal(err)
		}
		done = batch()
		w.ReleaseOne()
		check(t, <-done)
		count("2")
		_, err := c.Exec(ctx(t), "DELETE FROM orders WHERE cust = 'pipelined'")
		check(t, err)
		// Two texts in one go: the second is not sent while the first waits.
		conn := c.PgConn()
		hijacked, err := conn.Hijack()
		check(t, err)
		defer func() { _ = hijacked.Conn.Close() }()
		fe := pgproto3.NewFrontend(hijacked.Conn, hijacked.Conn)
		fe.SendQuery(&pgproto3.Query{String: "UPDATE orders SET cust = cust"})
		fe.SendQuery(&pgproto3.Query{String: "INSERT INTO orders (cust) VALUES ('pipelined')"})
		check(t, fe.Flush())
		w.Held()
		time.Sleep(100 * time.Millisecond)
		count("0")
		w.RefuseOne("no")
		kinds := ""
		for ready := 0; ready < 2; {
			m, err := fe.Receive()
			check(t, err)
			switch m := m.(type) {
			case *pgproto3.ErrorResponse:
				kinds += "E" + m.Code + " "
			case *pgproto3.CommandComplete:
				kinds += "C "
			case *pgproto3.ReadyForQuery:
				kinds += "Z" + string(m.TxStatus) + " "
				ready++
			}
		}
		if kinds != "E42501 ZI C ZI " {
			t.Errorf("the client was answered %q", kinds)
		}
		count("1")
		_ = pg.Exec(ctx(t), "shop", "DELETE FROM orders WHERE cust = 'pipelined'")
		w.Lawful()
	})
}

func TestEveryWayAroundAHoldIsHeld(t *testing.T) {
	w := holdingWorld(t, "holdround")
	check(t, pg.Exec(ctx(t), "shop", `SET log_statement = 'none'`, `CREATE OR REPLACE FUNCTION public.wipe() RETURNS int LANGUAGE sql AS 'SELECT 1'`))
	t.Cleanup(func() { _ = pg.Exec(context.Background(), "shop", "DROP FUNCTION public.wipe()") })
	g := w.Grant("fix", time.Hour)
	simple := pgx.QueryExecModeSimpleProtocol
	for name, steps := range map[string][]string{
		"a comment":                   {"DELETE /* WHERE id = 1 */ FROM orders -- WHERE id = 1"},
		"several statements":          {"SELECT 1; DELETE FROM orders"},
		"a common table expression":   {"WITH d AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM d"},
		"an EXPLAIN that runs it":     {"EXPLAIN (ANALYZE) DELETE FROM orders"},
		"DO":                          {"DO $$ BEGIN EXECUTE 'DEL' || 'ETE FROM orders'; END $$"},
		"a function":                  {"SELECT wipe()"},
		"SQL given as text":           {"SELECT query_to_xml('DELETE FROM orders', true, true, '')"},
		"PREPARE and EXECUTE":         {"PREPARE a AS DELETE FROM orders", "EXECUTE a"},
		"both in one text":            {"PREPARE a1 AS DELETE FROM orders; EXECUTE a1"},
		"a name that did not change":  {"PREPARE b AS DELETE FROM orders", "PREPARE b AS SELECT 1", "EXECUTE b"},
		"a name that is not known":    {"EXECUTE nobody"},
		"a cursor":                    {"BEGIN", "DECLARE d CURSOR FOR SELECT wipe()", "FETCH ALL FROM d"},
		"a cursor that is not known":  {"FETCH ALL FROM nobody"},
		"what cannot be read":         {"DELETE FROM ONLY ORDERS THEN"},
		"strings that end elsewhere":  {"SET standard_conforming_strings = off", `SELECT 'a\'';DELETE FROM orders;--'`},
		"the same, set by a function": {"SELECT set_config('standard_conforming_strings', 'off', false)"},
		"a path that hides functions": {"SET search_path = public, pg_catalog"},
	} {
		t.Run(name, func(t *testing.T) {
			c := through(t, w, g, "")
			for i, sql := range steps {
				d := do(ctx(t), c, sql, simple)
				if i == len(steps)-1 {
					w.RefuseOne("no")
					_, err := d.result(t)
					notReleasedBy(t, err, "42501", "release.denied", "did not release")
					return
				}
				if _, err := d.result(t); err != nil && i == 0 {
					t.Errorf("%s: %v", sql, err)
				}
			}
		})
	}
	t.Run("a portal that FETCH runs", func(t *testing.T) {
		c := through(t, w, g, "")
		hijacked, err := c.PgConn().Hijack()
		check(t, err)
		defer func() { _ = hijacked.Conn.Close() }()
		fe := pgproto3.NewFrontend(hijacked.Conn, hijacked.Conn)
		for _, m := range []pgproto3.FrontendMessage{
			&pgproto3.Query{String: "BEGIN"}, &pgproto3.Parse{Name: "s", Query: "UPDATE orders SET cust = 'fetched' RETURNING id"}, &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s"},
			&pgproto3.Parse{Query: "FETCH ALL FROM p"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{},
		} {
			fe.Send(m)
		}
		check(t, fe.Flush())
		w.RefuseOne("no")
		for {
			m, err := fe.Receive()
			check(t, err)
			if e, ok := m.(*pgproto3.ErrorResponse); ok {
				if e.Code != "42501" || e.Detail != "Rule: release.denied" {
					t.Errorf("%+v", e)
				}
				return
			}
			if _, ok := m.(*pgproto3.DataRow); ok {
				t.Fatal("it ran")
			}
		}
	})
	for _, path := range []string{"&search_path=public,pg_catalog", `&options=-c%20search_path%3Dpublic,PG%5C_catalog`} {
		_, err := pgx.Connect(ctx(t), throughURL(w, g, path))
		e := new(pgconn.PgError)
		if !errors.As(err, &e) || !strings.Contains(e.Detail, "statement.parameter") {
			t.Errorf("%s: %v", path, err)
		}
	}
	long := strings.Repeat("s", 63)
	for name, msgs := range map[string][]pgproto3.FrontendMessage{
		"strings that end elsewhere before the target says so": {
			&pgproto3.Parse{Query: "SET standard_conforming_strings = off"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Flush{}, nil,
			&pgproto3.Parse{Query: "WITH q AS (SELECT '\\') -- '), d AS (DELETE FROM orders RETURNING 1)\nSELECT 1 FROM q"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{},
		},
		"a name that the target cuts": {
			&pgproto3.Parse{Name: long, Query: "SELECT 1"}, &pgproto3.Close{ObjectType: 'S', Name: long + "x"}, &pgproto3.Parse{Name: long + "x", Query: "DELETE FROM orders"},
			&pgproto3.Bind{PreparedStatement: long}, &pgproto3.Execute{}, &pgproto3.Sync{},
		},
		"a name that SQL gives away before the target has answered": {
			&pgproto3.Parse{Name: "s", Query: "SELECT 1"}, &pgproto3.Sync{}, &pgproto3.Query{String: "DEALLOCATE s; PREPARE s AS DELETE FROM orders"}, nil,
			&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{},
		},
		"a portal that SQL gives away": {
			&pgproto3.Query{String: "BEGIN"}, &pgproto3.Parse{Query: "SELECT 1"}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Flush{},
			&pgproto3.Query{String: "CLOSE p; DECLARE p CURSOR FOR SELECT wipe()"}, nil, &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := through(t, w, g, "")
			hijacked, err := c.PgConn().Hijack()
			check(t, err)
			defer func() { _ = hijacked.Conn.Close() }()
			_ = hijacked.Conn.SetDeadline(time.Now().Add(20 * time.Second))
			fe := pgproto3.NewFrontend(hijacked.Conn, hijacked.Conn)
			for _, m := range msgs {
				if m != nil {
					fe.Send(m)
					continue
				}
				check(t, fe.Flush())
				time.Sleep(200 * time.Millisecond) // the target has answered
			}
			check(t, fe.Flush())
			w.RefuseOne("no")
			for {
				m, err := fe.Receive()
				check(t, err)
				if e, ok := m.(*pgproto3.ErrorResponse); ok {
					if e.Code != "42501" || e.Detail != "Rule: release.denied" {
						t.Errorf("%+v", e)
					}
					return
				}
			}
		})
	}
	t.Run("a name that released code gives away", func(t *testing.T) {
		check(t, pg.Exec(ctx(t), "shop", `CREATE OR REPLACE FUNCTION public.tidy() RETURNS int LANGUAGE plpgsql AS
			$f$ BEGIN EXECUTE 'DEALLOCATE s'; EXECUTE 'PREPARE s AS DELETE FROM orders'; RETURN 1; END $f$`))
		t.Cleanup(func() { _ = pg.Exec(context.Background(), "shop", "DROP FUNCTION public.tidy()") })
		c := through(t, w, g, "")
		hijacked, err := c.PgConn().Hijack()
		check(t, err)
		defer func() { _ = hijacked.Conn.Close() }()
		_ = hijacked.Conn.SetDeadline(time.Now().Add(20 * time.Second))
		fe := pgproto3.NewFrontend(hijacked.Conn, hijacked.Conn)
		for _, m := range []pgproto3.FrontendMessage{
			&pgproto3.Parse{Name: "s", Query: "SELECT 1"}, &pgproto3.Sync{}, &pgproto3.Query{String: "SELECT tidy()"}, &pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{},
		} {
			fe.Send(m)
		}
		check(t, fe.Flush())
		w.ReleaseOne()
		w.RefuseOne("no")
		for {
			m, err := fe.Receive()
			check(t, err)
			if e, ok := m.(*pgproto3.ErrorResponse); ok {
				if e.Code != "42501" || e.Detail != "Rule: release.denied" {
					t.Errorf("%+v", e)
				}
				return
			}
		}
	})
	t.Run("a function called by its number", func(t *testing.T) {
		c := through(t, w, g, "")
		hijacked, err := c.PgConn().Hijack()
		check(t, err)
		defer func() { _ = hijacked.Conn.Close() }()
		fe := pgproto3.NewFrontend(hijacked.Conn, hijacked.Conn)
		for _, release := range []bool{false, true} {
			fe.Send(&pgproto3.FunctionCall{Function: 957, ArgFormatCodes: []uint16{1}, Arguments: [][]byte{{0, 6, 0, 0}}, ResultFormatCode: 1}) // lo_creat
			check(t, fe.Flush())
			if release {
				if h := w.ReleaseOne(); h.Text != "SELECT pg_catalog.lo_creat($1::integer)" || len(h.Values) != 1 {
					t.Errorf("%+v", h)
				}
			} else {
				w.RefuseOne("no")
			}
			kinds := ""
			for !strings.HasSuffix(kinds, "Z") {
				m, err := fe.Receive()
				check(t, err)
				switch m := m.(type) {
				case *pgproto3.ErrorResponse:
					kinds += "E" + m.Code + " "
				case *pgproto3.FunctionCallResponse:
					kinds += "V "
				case *pgproto3.ReadyForQuery:
					kinds += "Z"
				}
			}
			if want := map[bool]string{false: "E42501 Z", true: "V Z"}[release]; kinds != want {
				t.Errorf("released %v: the client was answered %q, want %q", release, kinds, want)
			}
		}
	})
	t.Run("what reads, and the session's own, does not wait", func(t *testing.T) {
		c := through(t, w, g, "")
		for _, sql := range []string{
			"SELECT count(*) FROM orders WHERE cust ~ '^a\\.b'", "UPDATE orders SET cust = cust WHERE id = 1", "DELETE FROM orders WHERE id = -1", "SET work_mem = '1MB'",
			"INSERT INTO orders (cust) SELECT 'x' WHERE false", "EXPLAIN DELETE FROM orders", "PREPARE q AS SELECT 1", "EXECUTE q", "DISCARD ALL",
		} {
			if _, err := c.Exec(ctx(t), sql, simple); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
	w.NoneHeld()
	w.Lawful()
}

func TestAHeldStatementLapses(t *testing.T) {
	w := holdingWorld(t, "holdlapse", func(o *enginetest.Options) { o.Hold = time.Second })
	c := through(t, w, w.Grant("fix", time.Hour), "")
	_, err := c.Exec(ctx(t), "UPDATE orders SET cust = cust")
	notReleasedBy(t, err, "42501", "release.lapsed", "nobody released this statement in time")
	check(t, c.Ping(ctx(t)))
}

func TestCancellingTakesAHeldStatementBack(t *testing.T) {
	w := holdingWorld(t, "holdcancel")
	g := w.Grant("fix", time.Hour)
	c := through(t, w, g, "")
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		d := do(ctx(t), c, "UPDATE orders SET cust = cust", mode)
		w.Held()
		check(t, c.PgConn().CancelRequest(ctx(t)))
		_, err := d.result(t)
		notReleasedBy(t, err, "57014", "release.withdrawn", "you took this statement back")
		w.NoneHeld()
		check(t, c.Ping(ctx(t)))
	}
	refused := enginetest.Events[curfew.StatementActed](w, curfew.KindStatementRefused)
	if len(refused) != 2 || refused[0].Cause != curfew.CauseWithdrawn || refused[0].By != "" {
		t.Errorf("the ledger says %+v", refused)
	}
}

func TestTheCutAndLeavingEndAHoldAtOnce(t *testing.T) {
	w := holdingWorld(t, "holdcut")
	t.Run("revoked", func(t *testing.T) {
		g := w.Grant("fix", time.Hour)
		c := through(t, w, g, "")
		d := do(ctx(t), c, "UPDATE orders SET cust = cust")
		a, _ := w.Held()
		began := time.Now()
		w.Revoke(g.ID)
		_, err := d.result(t)
		if e := new(pgconn.PgError); !errors.As(err, &e) || e.Severity != "FATAL" || e.Code != "57P01" {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the cut took %s", took)
		}
		if err := w.Release(a.Statement, w.Administrator(), a.Digest); err == nil {
			t.Error("it was released after the cut")
		}
		w.NoneHeld()
		w.Await(g.ID, access.Gone)
	})
	t.Run("the client leaves", func(t *testing.T) {
		g := w.Grant("fix", time.Hour)
		c := through(t, w, g, "")
		leaving, leave := context.WithCancel(ctx(t))
		d := do(leaving, c, "UPDATE orders SET cust = cust")
		w.Held()
		leave()
		<-d.done
		w.NoneHeld()
		if e := w.Ended(g.ID); e.Cause != curfew.CauseClosed {
			t.Errorf("%+v", e)
		}
	})
	if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'UPDATE orders SET cust = cust%' AND application_name LIKE 'curfew:%'"); err != nil || n != "0" {
		t.Error(n, err)
	}
	w.Lawful()
}

func TestWhatIsTooLongToBeShownIsNotHeldButRefused(t *testing.T) {
	w := holdingWorld(t, "holdlong")
	c := through(t, w, w.Grant("fix", time.Hour), "")
	_, err := c.Exec(ctx(t), "UPDATE orders SET cust = '"+strings.Repeat("x", mostHeld)+"'", pgx.QueryExecModeSimpleProtocol)
	notReleasedBy(t, err, "42501", "release.long", "too long to be shown whole")
	_, err = c.Exec(ctx(t), "UPDATE orders SET cust = $1", strings.Repeat("x", valueLimit+1))
	notReleasedBy(t, err, "42501", "release.long", "too long to be shown whole")
	check(t, c.Ping(ctx(t)))
}

func TestASecretIsShownToNobody(t *testing.T) {
	w := holdingWorld(t, "holdsecret")
	c := through(t, w, w.Grant("fix", time.Hour), "")
	d := do(ctx(t), c, "ALTER ROLE nobody PASSWORD 'canary-secret'", pgx.QueryExecModeSimpleProtocol)
	_, h := w.Held()
	if strings.Contains(h.Text, "canary") || !h.Masked {
		t.Errorf("%+v", h)
	}
	w.RefuseOne("no")
	_, err := d.result(t)
	notReleasedBy(t, err, "42501", "release.denied", "did not release")
}

func TestPsqlWaitsForARelease(t *testing.T) {
	w := holdingWorld(t, "holdpsql")
	g := w.Grant("fix", time.Hour)
	cmd, out := startPsql(ctx(t), t, w, g, "-c", "BEGIN", "-c", "UPDATE orders SET cust = cust", "-c", "ROLLBACK", "-c", "DELETE FROM orders", "-c", "SELECT 'still', 'here'")
	w.Held()
	time.Sleep(500 * time.Millisecond) // who answers before psql can be told has nobody asked
	w.ReleaseOne()
	w.RefuseOne("never without a condition")
	err := cmd.Wait()
	text := out.String()
	for _, want := range []string{
		"DETAIL:  Statements that delete rows without a condition, ", "wait until a second person has released them.",
		"NOTICE:  Curfew: asked admin@example.com to release this statement; waiting until ", "The open transaction waits with it, and keeps its locks.",
		"HINT:  To take it back: cancel it (Ctrl-C).", "NOTICE:  Curfew: admin@example.com released this statement.", "UPDATE 1", "ROLLBACK",
		`ERROR:  Curfew: admin@example.com did not release this statement: "never without a condition"`, "DETAIL:  Rule: release.denied", "still|here",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("psql shows no %q (%v):\n%s", want, err, text)
		}
	}
}
