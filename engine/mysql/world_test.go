package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// maria is the server that all tests of this package share; each has a deployment of its own.
var maria *servers.MariaDB

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if flag.Lookup("test.fuzzworker").Value.String() == "true" {
		return m.Run() // decoders need no server
	}
	server, err := servers.StartMariaDB(context.Background(), servers.MariaDBOptions{TLS: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = server.Stop() }()
	maria = server
	err = server.Exec(context.Background(), "",
		"CREATE DATABASE shop", "CREATE DATABASE scratch_1", "CREATE DATABASE scratchx1",
		"CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, cust TEXT, at DATETIME(6), n DECIMAL(10,2), raw BLOB)",
		"CREATE TABLE shop.refunds (id INT PRIMARY KEY, status TEXT, note TEXT, card TEXT)",
		"INSERT INTO shop.refunds VALUES (1, 'open', 'first', 'canary-card')",
		"CREATE PROCEDURE shop.two() BEGIN SELECT 1; SELECT 2; END",
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	_ = server.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func resource() curfew.Resource {
	return curfew.Resource{Name: "shop-db", Type: "mysql", Address: maria.Address(), Account: curfew.Leased}
}

// world is a gateway before the shared server.
func world(t *testing.T, deployment string, more ...func(*enginetest.Options)) *enginetest.World {
	t.Helper()
	login := "gate_" + deployment
	must(t, maria.MakeAdmin(context.Background(), login, "shop", "scratch_1"))
	opt := enginetest.Options{
		Engine: New(), Deployment: deployment, Resource: resource(), Login: maria.URL(login, servers.AdminPassword, "shop"),
		Roles: map[curfew.RoleName][]string{
			"read":   {"read orders", "read refunds (id, status)", "call two"},
			"write":  {"read orders", "insert orders", "update orders (cust)", "delete orders", "read refunds (id, status)"},
			"create": {"read orders", "create in database scratch_1"},
		},
	}
	for _, f := range more {
		f(&opt)
	}
	return enginetest.New(t, opt)
}

// through opens a pool of one connection through the gateway.
func through(w *enginetest.World, user, password string, more ...func(*mysql.Config)) *sql.DB {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = user, password, "tcp", w.Address, "shop-db"
	cfg.Logger = &mysql.NopLogger{}
	for _, f := range more {
		f(cfg)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		panic(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db
}

func connect(t *testing.T, w *enginetest.World, g enginetest.Grant, more ...func(*mysql.Config)) *sql.Conn {
	t.Helper()
	db := through(w, g.User, g.Password, more...)
	t.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(within(t))
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func severalStatements(cfg *mysql.Config) { cfg.MultiStatements = true }

// bye closes a connection, and not only its place in the pool.
func bye(c *sql.Conn) { _ = c.Raw(func(any) error { return driver.ErrBadConn }) }

// items waits until the only session of a grant is closed and returns its recording.
func items(t *testing.T, w *enginetest.World, id curfew.GrantID) []record.Item {
	t.Helper()
	var all []record.Item
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		sessions := w.Sessions(id)
		if len(sessions) == 0 {
			continue
		}
		all = w.Items(sessions[0])
		if n := len(all); n > 0 && all[n-1].Kind == record.Closed {
			return all
		}
	}
	t.Fatalf("the recording does not end after %d items", len(all))
	return nil
}

func find(all []record.Item, kind record.Kind, text string) *record.Item {
	for i, it := range all {
		if it.Kind == kind && strings.Contains(it.Text, text) {
			return &all[i]
		}
	}
	return nil
}

// outcomeOf is how the first statement with this text went.
func outcomeOf(t *testing.T, all []record.Item, text string) record.Item {
	t.Helper()
	if s := find(all, record.Statement, text); s != nil {
		for _, it := range all {
			if it.Kind == record.Outcome && it.Ref == s.Ref {
				return it
			}
		}
	}
	t.Fatalf("no outcome of %q in %d items", text, len(all))
	return record.Item{}
}
