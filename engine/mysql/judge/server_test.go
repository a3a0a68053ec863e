package judge

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew/servers"
)

// maria is a server on which an account holds exactly what may says, and another everything.
var maria *servers.MariaDB

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if flag.Lookup("test.fuzzworker").Value.String() == "true" {
		return m.Run() // needs no server
	}
	server, err := servers.StartMariaDB(context.Background(), servers.MariaDBOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = server.Stop() }()
	maria = server
	if err := server.Exec(context.Background(), "", hold()...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// hold makes what shop lists, and the accounts.
func hold() []string {
	out := []string{"CREATE DATABASE shop", "CREATE DATABASE hr", "CREATE USER restricted IDENTIFIED BY 'x'"}
	for _, t := range shop().Tables {
		if t.Database == "shop" || t.Database == "hr" {
			out = append(out, "CREATE TABLE "+t.String()+" ("+t.Columns[0]+" INT PRIMARY KEY, "+strings.Join(t.Columns[1:], " VARCHAR(40), ")+" VARCHAR(40))",
				"INSERT INTO "+t.String()+" VALUES (1"+strings.Repeat(", '2'", len(t.Columns)-1)+")")
		}
	}
	out = append(out, "ALTER TABLE shop.customers ADD FULLTEXT (card)", "CREATE PROCEDURE shop.renew(n INT) SELECT n", "CREATE PROCEDURE shop.secretly() SELECT * FROM salaries", "CREATE FUNCTION shop.lower(a TEXT) RETURNS TEXT RETURN a")
	for _, r := range may().Allow {
		right := map[Verb]string{Read: "SELECT", Insert: "INSERT", Update: "UPDATE", Delete: "DELETE"}[r.Verb]
		switch {
		case r.Verb == Call:
			out = append(out, "GRANT EXECUTE ON PROCEDURE "+r.Database+"."+r.Name+" TO restricted")
		case r.Verb == Update && r.Name == "refunds": // without what is never allowed
			out = append(out, "GRANT UPDATE (status, note) ON shop.refunds TO restricted")
		case r.Columns != nil:
			out = append(out, "GRANT "+right+" ("+strings.Join(r.Columns, ", ")+") ON "+r.Database+"."+r.Name+" TO restricted")
		default:
			out = append(out, "GRANT "+right+" ON "+r.Database+"."+r.Name+" TO restricted")
		}
	}
	return out
}

// session is a connection as the engine leaves one to a client.
type session struct{ *sql.Conn }

func restricted(t *testing.T) session {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName, cfg.MultiStatements, cfg.Logger = "restricted", "x", "tcp", maria.Address(), "shop", true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s := session{c}
	s.pin(t)
	return s
}

func (s session) pin(t *testing.T) {
	t.Helper()
	for _, text := range []string{Pins("STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"), "SET autocommit = 0, max_statement_time = 1", "SET sql_select_limit = DEFAULT"} {
		if _, err := s.ExecContext(context.Background(), text); err != nil {
			t.Fatal(text, err)
		}
	}
}

// answer is the number of the server's error for a text, and its words; 0: it ran.
func (s session) answer(t *testing.T, text string) (uint16, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	rows, err := s.QueryContext(ctx, text)
	if err == nil {
		for more := true; more; more = rows.NextResultSet() {
			for rows.Next() { //nolint:revive // to the end
			}
		}
		err = errors.Join(rows.Err(), rows.Close())
	}
	if _, back := s.ExecContext(ctx, "ROLLBACK"); back != nil {
		t.Fatalf("%q broke the connection: %v, %v", text, err, back)
	}
	var refusal *mysql.MySQLError
	if errors.As(err, &refusal) {
		return refusal.Number, refusal.Message
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) && !strings.Contains(err.Error(), "Scan") {
		t.Fatalf("%q: %v", text, err)
	}
	return 0, ""
}

// denied reports whether a server's error says that a right is missing.
func denied(number uint16) bool {
	switch number {
	case 1044, 1045, 1142, 1143, 1227, 1370:
		return true
	}
	return false
}

const errSyntax = 1064
