package postgres

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/servers"
)

// work is one way to be busy at a target, until somebody cuts it. It returns what
// its client sees.
type work struct {
	name   string
	leased bool // only where the database is the wall: the judge refuses it
	do     func(t *testing.T, c *pgx.Conn) error
}

// endless gives bytes for ever.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return copy(b, "999999\tcutme\t1\n"), nil
}

func works() []work {
	run := func(c *pgx.Conn, sql string) error {
		_, err := c.PgConn().Exec(context.Background(), sql).ReadAll()
		return err
	}
	idle := func(c *pgx.Conn, before string) error {
		if err := run(c, before); err != nil {
			return err
		}
		_, err := c.WaitForNotification(context.Background())
		return err
	}
	return []work{
		{"a block that commits and goes on", true, func(_ *testing.T, c *pgx.Conn) error {
			return run(c, "DO $$ BEGIN LOOP INSERT INTO orders (cust) VALUES ('cutme'); COMMIT; PERFORM pg_sleep(0.002); END LOOP; END $$")
		}},
		{"a block that catches being cancelled", true, func(_ *testing.T, c *pgx.Conn) error {
			return run(c, "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(10); EXCEPTION WHEN query_canceled THEN INSERT INTO orders (cust) VALUES ('cutme'); END; END LOOP; END $$")
		}},
		{"a copy in", false, func(_ *testing.T, c *pgx.Conn) error {
			_, err := c.PgConn().CopyFrom(context.Background(), endless{}, "COPY orders (id, cust, total) FROM STDIN")
			return err
		}},
		{"a copy out", false, func(_ *testing.T, c *pgx.Conn) error {
			_, err := c.PgConn().CopyTo(context.Background(), slow{}, "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 100000000)) TO STDOUT")
			return err
		}},
		{"a wait for a lock", false, func(t *testing.T, c *pgx.Conn) error {
			other, err := connectAs(t, servers.Super, servers.SuperPassword, "shop")
			if err != nil {
				return err
			}
			if _, err := other.Exec(context.Background(), "BEGIN; UPDATE orders SET total = total WHERE id = 1"); err != nil {
				return err
			}
			return run(c, "UPDATE orders SET cust = 'cutme' WHERE id = 1")
		}},
		{"a transaction that was prepared", true, func(_ *testing.T, c *pgx.Conn) error {
			return idle(c, "BEGIN; UPDATE orders SET cust = 'cutme' WHERE id = 2; PREPARE TRANSACTION 'cutme'")
		}},
		{"a transaction that idles on a lock", false, func(_ *testing.T, c *pgx.Conn) error {
			return idle(c, "BEGIN; UPDATE orders SET cust = 'cutme' WHERE id = 3")
		}},
		{"a cursor that is open", false, func(_ *testing.T, c *pgx.Conn) error {
			return idle(c, "BEGIN; DECLARE far CURSOR WITH HOLD FOR SELECT * FROM orders; FETCH 1 FROM far")
		}},
		{"somebody who listens", true, func(_ *testing.T, c *pgx.Conn) error { return idle(c, "LISTEN cutme") }},
		{"a query that only computes", false, func(_ *testing.T, c *pgx.Conn) error {
			return run(c, "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f")
		}},
	}
}

// slow takes what it is given, slowly.
type slow struct{}

func (slow) Write(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return len(b), nil
}

var _ io.Writer = slow{}

// Whatever a session is busy with: cut, gone at the target, and nothing of it goes on.
func TestEveryKindOfWorkIsCut(t *testing.T) {
	leased, judged := world(t, "cuts"), fixed(t, "fixedcuts")
	for _, kind := range []struct {
		name string
		w    *enginetest.World
		all  bool
	}{{"leased", leased, true}, {"fixed", judged, false}} {
		for _, work := range works() {
			if work.leased && !kind.all {
				continue
			}
			t.Run(kind.name+"/"+work.name, func(t *testing.T) { cutWork(t, kind.w, work) })
		}
	}
}

func cutWork(t *testing.T, w *enginetest.World, busy work) {
	t.Cleanup(func() {
		_ = pg.Exec(context.Background(), "shop", "DELETE FROM orders WHERE cust = 'cutme' AND id > 100", "UPDATE orders SET cust = 'c' || id WHERE id <= 100")
	})
	g := w.Grant("write", time.Hour)
	c := through(t, w, g, "")
	var backend string
	if err := c.QueryRow(ctx(t), "SELECT pg_backend_pid()::text", pgx.QueryExecModeSimpleProtocol).Scan(&backend); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- busy.do(t, c) }()
	select {
	case err := <-done:
		t.Fatal("over before it was cut:", err)
	case <-time.After(400 * time.Millisecond):
	}
	began := time.Now()
	w.Revoke(g.ID)
	select {
	case err := <-done:
		if err == nil {
			t.Error("its client was told that all is well")
		}
		t.Logf("the client saw the end after %s", time.Since(began).Round(time.Millisecond))
	case <-time.After(5 * time.Second):
		t.Fatal("its client still waits")
	}
	w.Await(g.ID, access.Gone)
	t.Logf("gone after %s", time.Since(began).Round(time.Millisecond))
	one := func(sql string) string {
		t.Helper()
		out, err := pg.One(ctx(t), "shop", sql)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for end := time.Now().Add(2 * time.Second); one("SELECT count(*)::text FROM pg_stat_activity WHERE pid = "+backend) != "0"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("its backend lives on")
		}
	}
	count := "SELECT (SELECT count(*) FROM orders WHERE cust = 'cutme')::text || ' ' || (SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'cutme')::text"
	before := one(count)
	time.Sleep(300 * time.Millisecond)
	if after := one(count); after != before {
		t.Errorf("it goes on: %s, then %s", before, after)
	}
	if busy.name != "a block that commits and goes on" && before != "0 0" {
		t.Errorf("it left %q", before)
	}
	if one("SELECT count(*)::text FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE relname = 'orders' AND l.pid = "+backend) != "0" {
		t.Error("it still holds locks")
	}
}

// What was prepared under a grant is not executed after it.
func TestPreparedBeforeAndExecutedAfter(t *testing.T) {
	for name, w := range map[string]*enginetest.World{"leased": world(t, "prepared"), "fixed": fixed(t, "fixedprepared")} {
		t.Run(name, func(t *testing.T) {
			g := w.Grant("write", time.Hour)
			h := hijacked(t, w, g)
			send := func(msgs ...pgproto3.FrontendMessage) error {
				for _, m := range msgs {
					h.Frontend.Send(m)
				}
				return h.Frontend.Flush()
			}
			if err := send(&pgproto3.Query{String: "BEGIN; DECLARE far CURSOR FOR SELECT * FROM orders"},
				&pgproto3.Parse{Name: "p", Query: "INSERT INTO orders (cust) VALUES ('after')"}, &pgproto3.Bind{DestinationPortal: "q", PreparedStatement: "p"}, &pgproto3.Flush{}); err != nil {
				t.Fatal(err)
			}
			for bound := false; !bound; {
				m, err := h.Frontend.Receive()
				if err != nil {
					t.Fatal(err)
				}
				_, bound = m.(*pgproto3.BindComplete)
			}
			w.Revoke(g.ID)
			_ = send(&pgproto3.Execute{Portal: "q"}, &pgproto3.Sync{}, &pgproto3.Query{String: "COMMIT"}, &pgproto3.Query{String: "FETCH ALL FROM far"})
			for {
				m, err := h.Frontend.Receive()
				if err != nil {
					break // after the farewell, or instead of it where the reset was faster
				}
				switch m := m.(type) {
				case *pgproto3.ErrorResponse:
					if m.Code != "57P01" {
						t.Errorf("answered %+v", m)
					}
				case *pgproto3.DataRow:
					t.Errorf("answered %+v", m)
				}
			}
			w.Await(g.ID, access.Gone)
			if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders WHERE cust = 'after'"); err != nil || n != "0" {
				t.Error(n, err)
			}
		})
	}
}

// hijacked is a connection whose messages the test writes itself.
func hijacked(t *testing.T, w *enginetest.World, g enginetest.Grant) *pgconn.HijackedConn {
	t.Helper()
	conn, err := pgconn.Connect(ctx(t), throughURL(w, g, ""))
	if err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	_ = h.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	return h
}
