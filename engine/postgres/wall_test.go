package postgres

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// judging is an engine whose grammar is loaded, for all tests of fixed accounts:
// under the race detector that takes longer than a client waits.
var judging = sync.OnceValue(func() *Engine { //nolint:gochecknoglobals // shared by the package's tests
	e := New()
	if err := e.walls.parser.Warm(); err != nil {
		panic(err)
	}
	return e
})

// fixed is a world whose only login may do everything in the database: what holds
// is the judge.
func fixed(t *testing.T, deployment string, more ...func(*enginetest.Options)) *enginetest.World {
	t.Helper()
	err := pg.Exec(ctx(t), "shop", `SET log_statement = 'none'`,
		`DO $$ BEGIN CREATE ROLE fixed_login LOGIN PASSWORD '`+servers.AdminPassword+`'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`, `GRANT app_owner TO fixed_login`)
	if err != nil {
		t.Fatal(err)
	}
	return world(t, deployment, append([]func(*enginetest.Options){func(o *enginetest.Options) {
		o.Engine = judging()
		o.Resource.Account = curfew.Fixed
		o.Login = pg.URL("fixed_login", servers.AdminPassword, "shop")
	}}, more...)...)
}

func TestTheSuiteOnAFixedAccount(t *testing.T) {
	w := fixed(t, "fixedsuite")
	defer func() { _ = pg.Exec(context.Background(), "shop", "DELETE FROM orders WHERE cust LIKE 'fixedsuite %'") }()
	enginetest.Suite{World: w, Role: "write", Connect: func(ctx context.Context, user, password string) (enginetest.Client, error) {
		c, err := pgx.Connect(ctx, throughURL(w, enginetest.Grant{User: user, Password: password}, ""))
		if err != nil {
			return nil, err
		}
		return suiteClient{c}, nil
	},
		Mark: func(ctx context.Context, c enginetest.Client, word string) error {
			_, err := c.(suiteClient).c.Exec(ctx, "INSERT INTO orders (cust) VALUES ($1)", "fixedsuite "+word)
			return err
		},
		Marked: func(word string) (n int, err error) {
			text, err := pg.One(context.Background(), "shop", "SELECT count(*)::text FROM orders WHERE cust = '"+"fixedsuite "+word+"'")
			if err == nil {
				n, err = strconv.Atoi(text)
			}
			return n, err
		},
	}.Run(t)
}

func isRefused(t *testing.T, err error, rule string) {
	t.Helper()
	e := new(pgconn.PgError)
	if !errors.As(err, &e) || e.Code != "42501" || !strings.HasPrefix(e.Message, "Curfew: ") || e.Detail != "Rule: "+rule || e.Position != 0 {
		t.Errorf("%+v, want a refusal by %s", err, rule)
	}
}

func TestAFixedAccountIsJudged(t *testing.T) {
	w := fixed(t, "fixed")
	g := w.Grant("write", time.Hour)
	c := through(t, w, g, "")
	_, err := c.Exec(ctx(t), "SELECT amount FROM salaries")
	isRefused(t, err, "statement.table")
	_, err = c.Exec(ctx(t), "SELECT amount FROM salaries WHERE who = $1", "ann")
	isRefused(t, err, "statement.table")
	_, err = c.Exec(ctx(t), "SELECT secret FROM refunds; SELECT 1", pgx.QueryExecModeSimpleProtocol)
	if err != nil { // the role reads all of refunds
		t.Error(err)
	}
	_, err = c.Exec(ctx(t), "UPDATE refunds SET secret = 'x'")
	isRefused(t, err, "statement.column")
	_, err = c.Exec(ctx(t), "DO $$ BEGIN DELETE FROM salaries; END $$")
	isRefused(t, err, "statement.class")
	_, err = c.Exec(ctx(t), "SET ROLE app_owner")
	isRefused(t, err, "statement.parameter")
	t.Run("a transaction in which something is refused is over", func(t *testing.T) {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
			tx, err := c.Begin(ctx(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx(t), "INSERT INTO orders (cust) VALUES ('half')", mode); err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(ctx(t), "DELETE FROM salaries", mode)
			isRefused(t, err, "statement.table")
			if err := tx.Commit(ctx(t)); !errors.Is(err, pgx.ErrTxCommitRollback) {
				t.Error("committed what went before:", err)
			}
		}
	})
	t.Run("what is sent behind a refusal is skipped, and what comes after goes on", func(t *testing.T) {
		b := &pgx.Batch{}
		b.Queue("INSERT INTO orders (cust) VALUES ('half')")
		b.Queue("DELETE FROM salaries WHERE who = $1", "ann")
		b.Queue("INSERT INTO orders (cust) VALUES ('half')")
		isRefused(t, c.SendBatch(ctx(t), b).Close(), "statement.table")
		var n int
		if err := c.QueryRow(ctx(t), "SELECT count(*) FROM orders WHERE cust = 'half'").Scan(&n); err != nil || n != 0 {
			t.Error(n, err)
		}
	})
	t.Run("nothing loosens what is pinned", func(t *testing.T) {
		for _, sql := range []string{"RESET ALL", "DISCARD ALL"} {
			if _, err := c.Exec(ctx(t), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Error(sql, err)
			}
			for name, want := range pinned() {
				var got string
				if err := c.QueryRow(ctx(t), "SHOW "+name, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != want {
					t.Error(sql, name, got, err)
				}
			}
		}
		_, err := c.Exec(ctx(t), "SET search_path = scratch, public")
		isRefused(t, err, "statement.parameter")
		_, err = c.Exec(ctx(t), "SELECT set_config('search_path', 'scratch', false)")
		isRefused(t, err, "statement.parameter")
	})
	t.Run("the grammar's bounds", func(t *testing.T) {
		_, err := c.Exec(ctx(t), "SELECT "+strings.Repeat("(", 5000)+"1"+strings.Repeat(")", 5000), pgx.QueryExecModeSimpleProtocol)
		isRefused(t, err, "statement.unknown")
		_, err = c.Exec(ctx(t), "SELEC 1", pgx.QueryExecModeSimpleProtocol)
		isRefused(t, err, "statement.unknown")
	})
	_ = c.Close(ctx(t))
	all := items(t, w, g.ID)
	for text, rule := range map[string]string{"SELECT amount FROM salaries": "statement.table", "DELETE FROM salaries WHERE who = $1": "statement.table", "SET ROLE": "statement.parameter"} {
		if it := find(all, record.Refused, text); it == nil || it.Code != rule || it.Error == "" {
			t.Errorf("%s: recorded %+v", text, it)
		}
		if it := find(all, record.Statement, text); it != nil {
			t.Errorf("recorded as if it had been sent: %+v", it)
		}
	}
}

func TestHowASessionOnAFixedAccountStarts(t *testing.T) {
	w := fixed(t, "fixedstart")
	for _, more := range []string{
		"&options=-c%20search_path%3Dscratch", "&search_path=scratch", "&client_encoding=LATIN1", "&standard_conforming_strings=off",
		"&session_replication_role=replica", "&unknown=1", "&log_statement=none",
	} {
		_, err := pgx.Connect(ctx(t), throughURL(w, w.Grant("read", time.Hour), more))
		e := new(pgconn.PgError)
		if !errors.As(err, &e) || e.Detail != "Rule: statement.parameter" {
			t.Errorf("%s: %v", more, err)
		}
	}
	c := through(t, w, w.Grant("read", time.Hour), "&timezone=Asia/Tokyo&client_encoding=UTF8&extra_float_digits=2&options=")
	var zone string
	if err := c.QueryRow(ctx(t), "SHOW timezone").Scan(&zone); err != nil || zone != "Asia/Tokyo" {
		t.Error(zone, err)
	}
}

// A refused statement in pieces, between others, as a client may send them.
func TestRefusalsHoweverTheyArrive(t *testing.T) {
	w := fixed(t, "fixedpieces")
	cfg, err := pgconn.ParseConfig(throughURL(w, w.Grant("read", time.Hour), ""))
	if err != nil {
		t.Fatal(err)
	}
	var raw net.Conn
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err = new(net.Dialer).DialContext(ctx, network, address)
		return raw, err
	}
	conn, err := pgconn.ConnectConfig(ctx(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Conn.Close() }()
	var b []byte
	for _, m := range []pgproto3.FrontendMessage{
		&pgproto3.Query{String: "SELECT 1"}, &pgproto3.Query{String: "SELECT amount FROM salaries"}, &pgproto3.Query{String: ""},
		&pgproto3.Parse{Name: "p", Query: "TABLE salaries"}, &pgproto3.Bind{PreparedStatement: "p"}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{},
		&pgproto3.Parse{Name: "p", Query: "TABLE orders"}, &pgproto3.Bind{PreparedStatement: "p"}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{},
		&pgproto3.Query{String: "EXECUTE p"}, &pgproto3.Query{String: "SELECT 1; TABLE salaries"},
	} {
		if b, err = m.Encode(b); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		for i := range b {
			_, _ = h.Conn.Write(b[i : i+1])
		}
	}()
	var got strings.Builder
	_ = h.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	front := pgproto3.NewFrontend(h.Conn, nil)
	for ready := 0; ready < 7; {
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err, got.String())
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			got.WriteString(" " + m.Code)
		case *pgproto3.ReadyForQuery:
			got.WriteString(" " + string(m.TxStatus))
			ready++
		case *pgproto3.CommandComplete:
			got.WriteString(" " + strings.ReplaceAll(string(m.CommandTag), " ", "-"))
		case *pgproto3.PortalSuspended:
			got.WriteString(" suspended")
		}
	}
	// EXECUTE p: SELECT-100, whichever name the second Parse gave; the others as they were sent.
	if want := " SELECT-1 I 42501 I I 42501 I suspended I SELECT-100 I 42501 I"; got.String() != want {
		t.Errorf("answered %q, want %q", got.String(), want)
	}
}

func TestPsqlOnAFixedAccount(t *testing.T) {
	w := fixed(t, "fixedpsql")
	g := w.Grant("write", time.Hour)
	out, err := psql(t, w, g, "", "\\d\n\\d orders\n\\dt+\n\\dn\n\\du\n\\l\n\\df\nSELECT count(*) AS n FROM orders;\n\\copy (SELECT id FROM orders LIMIT 3) TO STDOUT\n\\copy refunds FROM /etc/passwd\n")
	if err != nil || !strings.Contains(out, "100") || !strings.Contains(out, "Curfew: ") || !strings.Contains(out, "orders_pkey") {
		t.Error(err, out)
	}
	out, err = psql(t, w, g, "", "", "-c", "SELECT amount FROM salaries")
	if err == nil || !strings.Contains(out, "ERROR:  Curfew: ") || !strings.Contains(out, "DETAIL:  Rule: statement.table") {
		t.Error(err, out)
	}
	out, err = psql(t, w, g, "", "SELECT pg_sleep(9); DELETE FROM orders;\n", "-v", "ON_ERROR_STOP=1")
	if err == nil || !strings.Contains(out, "Curfew: ") {
		t.Error(err, out)
	}
}

func TestACutOnAFixedAccount(t *testing.T) {
	w := fixed(t, "fixedcut")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "")
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f")
		done <- err
	}()
	time.Sleep(200 * time.Millisecond)
	w.Revoke(g.ID)
	select {
	case err := <-done:
		if err == nil {
			t.Error("it went through")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("it goes on")
	}
	w.Await(g.ID, access.Gone)
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var n int
		conn, err := connectAs(t, servers.Super, servers.SuperPassword, "shop")
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(ctx(t), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'fixed_login' AND query LIKE '%orders f%'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(ctx(t))
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("its backend is still there")
		}
	}
}
