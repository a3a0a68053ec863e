package judge

import (
	gocontext "context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew/servers"
)

// server is started by the first test that needs it and ends with the tests.
type server struct {
	start sync.Once
	pg    *servers.Postgres
	err   error
}

var real server //nolint:gochecknoglobals // ended by TestMain

func TestMain(m *testing.M) {
	code := m.Run()
	if real.pg != nil {
		_ = real.pg.Stop()
	}
	os.Exit(code)
}

func postgres(t testing.TB) *servers.Postgres {
	t.Helper()
	real.start.Do(func() {
		if real.pg, real.err = servers.StartPostgres(gocontext.Background(), ""); real.err == nil {
			real.err = real.pg.Prepare(gocontext.Background(), "shop")
		}
		if real.err == nil {
			real.err = real.pg.Exec(gocontext.Background(), "shop", append(shopSQL(), grants(t)...)...)
		}
	})
	if real.err != nil {
		t.Fatal(real.err)
	}
	return real.pg
}

// shopSQL makes on a server what shopCatalog speaks of.
func shopSQL() []string {
	return []string{
		`SET log_statement = 'none'`, `CREATE ROLE fixed LOGIN PASSWORD 'throw-away'`, `ALTER SCHEMA public OWNER TO app_owner`, `SET ROLE app_owner`,
		`CREATE TYPE order_status AS ENUM ('new', 'a', 'done')`,
		`CREATE TABLE orders (id int PRIMARY KEY, cust int, total int, status text, note text)`,
		`CREATE TABLE customers (id int PRIMARY KEY, name text, card text, email text)`,
		`CREATE TABLE refunds (id int, order_id int, amount int, UNIQUE (id))`,
		`CREATE TABLE texts (id int, text text, collversion text)`,
		`CREATE TABLE salaries (who text, amount int)`,
		`CREATE SCHEMA hr`, `CREATE TABLE hr.people (id int, salary int)`, `CREATE DOMAIN hr.secret AS text`,
		`CREATE SEQUENCE ids`, `CREATE SEQUENCE other`,
		`CREATE FUNCTION refresh(int) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`CREATE FUNCTION pwn(orders) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
		`CREATE PROCEDURE tidy() LANGUAGE sql AS 'SELECT 1'`,
		`CREATE FUNCTION hr.raise(int) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`CREATE OPERATOR hr.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)`,
		`REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public, hr FROM PUBLIC`,
		`INSERT INTO orders SELECT n, n, n, 'new', 'note' || n FROM generate_series(1, 3) n`,
		`INSERT INTO customers SELECT n, 'name' || n, 'card' || n, 'mail' || n FROM generate_series(1, 3) n`,
		`INSERT INTO refunds SELECT n, n, n FROM generate_series(1, 3) n`,
		`INSERT INTO texts SELECT n, 'text', 'v' FROM generate_series(1, 2) n`,
	}
}

// grants are the permission of the tests in the server's words, and nothing else.
func grants(t testing.TB) (out []string) {
	verbs := map[Verb]string{Read: "SELECT", Insert: "INSERT", Update: "UPDATE", Delete: "DELETE"}
	for _, r := range rules(t, shop) {
		switch cols := strings.Join(r.Columns, ", "); {
		case r.Verb == Use:
			out = append(out, fmt.Sprintf("GRANT USAGE ON SEQUENCE %s.%s TO fixed", r.Schema, r.Name))
		case r.Verb == Call:
			out = append(out, fmt.Sprintf("GRANT EXECUTE ON ROUTINE %s.%s(%s) TO fixed", r.Schema, r.Name, r.Args))
		case cols != "":
			out = append(out, fmt.Sprintf("GRANT %s (%s) ON %s.%s TO fixed", verbs[r.Verb], cols, r.Schema, r.Name))
		default:
			out = append(out, fmt.Sprintf("GRANT %s ON %s.%s TO fixed", verbs[r.Verb], r.Schema, r.Name))
		}
	}
	return out
}

// login is a session as the engine opens it.
type login struct {
	*pgx.Conn
	url string
}

func dial(t *testing.T, url string) *login {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"search_path": "pg_catalog, public", "client_encoding": "UTF8", "standard_conforming_strings": "on", "statement_timeout": "2s",
	} {
		cfg.RuntimeParams[name] = value
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(gocontext.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	l := &login{conn, url}
	t.Cleanup(func() { _ = l.Close(gocontext.Background()) })
	return l
}

// answer is the SQLSTATE that the server has for a text; "" if it ran. What it did is rolled back.
func (l *login) answer(t *testing.T, text string) string {
	t.Helper()
	ctx, cancel := gocontext.WithTimeout(gocontext.Background(), 20*time.Second)
	defer cancel()
	if l.IsClosed() {
		*l = *dial(t, l.url)
	}
	_, err := l.Exec(ctx, "BEGIN")
	if err == nil {
		err = l.run(ctx, text)
	}
	if _, end := l.Exec(ctx, "ROLLBACK"); end == nil {
		_, _ = l.Exec(ctx, "DISCARD ALL; SET statement_timeout = '2s'")
	}
	if err == nil {
		return ""
	}
	if pg, ok := err.(*pgconn.PgError); ok { //nolint:errorlint // straight from the server
		return pg.Code
	}
	return err.Error()
}

func (l *login) run(ctx gocontext.Context, text string) (err error) {
	if word := strings.ToUpper(text); strings.HasPrefix(word, "COPY") && strings.Contains(word, "STDIN") {
		_, err = l.PgConn().CopyFrom(ctx, strings.NewReader(""), text)
	} else if strings.HasPrefix(word, "COPY") {
		_, err = l.PgConn().CopyTo(ctx, io.Discard, text)
	} else {
		_, err = l.PgConn().Exec(ctx, text).ReadAll()
	}
	return err
}
