package clients

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/postgres"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// pg is the server that this package's tests share.
var pg *servers.Postgres //nolint:gochecknoglobals // set once by TestMain

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("clients: none of these tests run with -short; they need the clients of scripts/need-clients")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	var err error
	if pg, err = servers.StartPostgresWith(ctx, servers.Options{}); err == nil {
		err = pg.Prepare(ctx, "shop")
	}
	if err == nil {
		err = pg.Exec(ctx, "shop", `SET ROLE app_owner`,
			`CREATE TABLE orders (id serial PRIMARY KEY, cust text, total int)`,
			`INSERT INTO orders (cust, total) SELECT 'c' || i, i FROM generate_series(1, 100) i`,
			`CREATE TABLE salaries (who text, amount int)`,
			`CREATE SCHEMA scratch`)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = pg.Stop() }()
	return m.Run()
}

func world(t *testing.T, deployment string, roles map[curfew.RoleName][]string) *enginetest.World {
	t.Helper()
	if roles == nil {
		roles = map[curfew.RoleName][]string{"app": {"read orders", "insert orders", "use sequence orders_id_seq"}}
	}
	return enginetest.New(t, enginetest.Options{
		Engine: postgres.New(), Deployment: deployment, Roles: roles,
		Resource: curfew.Resource{Name: "shop-db", Type: "postgres", Address: pg.Address(), Account: curfew.Leased},
		Login:    pg.URL(servers.Admin, servers.AdminPassword, "shop"),
	})
}

// environment leads libpq and its kin to the gateway.
func environment(w *enginetest.World, g enginetest.Grant) []string {
	host, port, _ := net.SplitHostPort(w.Address)
	return append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER="+g.User, "PGPASSWORD="+g.Password, "PGDATABASE=shop-db", "PGSSLMODE=prefer")
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// tool runs a client to its end.
func tool(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(bounded(t), find(t, name), args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// find finds a client in PATH or beside the server's binaries.
func find(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	bin, err := servers.PostgresBin()
	if err == nil {
		if path := filepath.Join(bin, name); isFile(path) {
			return path
		}
	}
	t.Fatalf("%s is not installed: scripts/need-clients", name)
	return ""
}

func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestPgbench(t *testing.T) {
	super := append(os.Environ(), "PGHOST=127.0.0.1", fmt.Sprintf("PGPORT=%d", pg.Port), "PGUSER="+servers.Super, "PGPASSWORD="+servers.SuperPassword, "PGDATABASE=shop")
	tool(t, super, "pgbench", "-i", "-q", "-s", "1")
	if err := pg.Exec(bounded(t), "shop", `ALTER TABLE pgbench_accounts OWNER TO app_owner`, `ALTER TABLE pgbench_branches OWNER TO app_owner`,
		`ALTER TABLE pgbench_tellers OWNER TO app_owner`, `ALTER TABLE pgbench_history OWNER TO app_owner`); err != nil {
		t.Fatal(err)
	}
	w := world(t, "pgbench", map[curfew.RoleName][]string{"bench": {
		"read pgbench_accounts", "read pgbench_branches", "read pgbench_tellers", "update pgbench_accounts", "update pgbench_tellers",
		"update pgbench_branches", "insert pgbench_history",
	}})
	for _, c := range []struct {
		args  []string
		count int
	}{
		{[]string{"-M", "simple", "-c", "1", "-t", "100"}, 100}, {[]string{"-M", "extended", "-c", "8", "-t", "20"}, 160},
		{[]string{"-M", "prepared", "-c", "16", "-j", "2", "-t", "20"}, 320}, {[]string{"-S", "-M", "prepared", "-c", "64", "-j", "2", "-t", "10"}, 640},
		{[]string{"-S", "-C", "-c", "4", "-t", "5"}, 20},
	} {
		env := environment(w, w.Grant("bench", time.Hour))
		out := tool(t, env, "pgbench", append([]string{"-n"}, c.args...)...)
		if want := fmt.Sprintf("number of transactions actually processed: %d/%d", c.count, c.count); !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", c.args, want, out)
		}
	}
}

func TestPgDumpAndPgRestore(t *testing.T) {
	if err := pg.Exec(bounded(t), "shop", `SET ROLE app_owner`, `CREATE SCHEMA dumped`,
		`CREATE TYPE dumped.state AS ENUM ('new', 'done')`, `CREATE DOMAIN dumped.cents AS int CHECK (VALUE >= 0)`,
		`CREATE TABLE dumped.things (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s dumped.state, price dumped.cents, at timestamptz DEFAULT now(), tags text[], doc jsonb) PARTITION BY RANGE (id)`,
		`CREATE TABLE dumped.things_1 PARTITION OF dumped.things FOR VALUES FROM (1) TO (10000)`,
		`CREATE INDEX ON dumped.things (price) WHERE s = 'new'`,
		`CREATE VIEW dumped.cheap AS SELECT * FROM dumped.things WHERE price < 10`,
		`CREATE MATERIALIZED VIEW dumped.counts AS SELECT s, count(*) FROM dumped.things GROUP BY s`,
		`CREATE FUNCTION dumped.twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'`,
		`INSERT INTO dumped.things (s, price, tags, doc) SELECT 'new', i, ARRAY['a', 'b"c'], '{"k": [1, null]}' FROM generate_series(1, 2000) i`); err != nil {
		t.Fatal(err)
	}
	w := world(t, "dump", map[curfew.RoleName][]string{"dump": {"read dumped.*", "read dumped.things_id_seq"}, "restore": {"create in schema scratch"}})
	folder := t.TempDir()
	file := filepath.Join(folder, "dump")
	tool(t, environment(w, w.Grant("dump", time.Hour)), "pg_dump", "-Fc", "-n", "dumped", "-f", file)
	if err := pg.Prepare(bounded(t), "fresh"); err != nil {
		t.Fatal(err)
	}
	direct := append(os.Environ(), "PGHOST=127.0.0.1", fmt.Sprintf("PGPORT=%d", pg.Port), "PGUSER="+servers.Super, "PGPASSWORD="+servers.SuperPassword)
	tool(t, direct, "pg_restore", "-d", "fresh", "-e", file)
	if got := tool(t, append(direct, "PGDATABASE=fresh"), "psql", "-XAtc", "SELECT count(*), sum(price), count(DISTINCT tags) FROM dumped.things"); strings.TrimSpace(got) != "2000|2001000|1" {
		t.Errorf("restored %q", got)
	}
	// And back in through the gateway, where a role may create.
	tool(t, append(direct, "PGDATABASE=fresh"), "psql", "-Xqc", "CREATE SCHEMA scratch; CREATE TABLE scratch.copied AS SELECT id, price::int FROM dumped.things; ALTER TABLE scratch.copied ADD PRIMARY KEY (id)")
	scratch := filepath.Join(folder, "scratch")
	tool(t, append(direct, "PGDATABASE=fresh"), "pg_dump", "-Fc", "-n", "scratch", "-f", scratch)
	g := w.Grant("restore", time.Hour)
	tool(t, environment(w, g), "pg_restore", "-e", "--no-owner", "--no-acl", "-n", "scratch", "-d", "shop-db", scratch)
	if got := tool(t, append(direct, "PGDATABASE=shop"), "psql", "-XAtc", "SELECT count(*) FROM scratch.copied"); strings.TrimSpace(got) != "2000" {
		t.Errorf("restored %q", got)
	}
	w.Revoke(g.ID)
	w.Await(g.ID, access.Gone)
	if got := tool(t, append(direct, "PGDATABASE=shop"), "psql", "-XAtc", "SELECT rolcanlogin FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE relname = 'copied' AND rolname LIKE 'curfew_dump_k_%'"); strings.TrimSpace(got) != "f" {
		t.Errorf("what was restored belongs to nobody powerless: %q", got)
	}
}

// through runs a program that says "ready" before it waits in the database, then
// takes its grant away, and compares what it said.
func through(t *testing.T, deployment string, program string, args []string, want ...string) {
	t.Helper()
	w := world(t, deployment, nil)
	g := w.Grant("app", time.Hour)
	cmd := exec.CommandContext(bounded(t), program, args...)
	cmd.Env = environment(w, g)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if strings.HasPrefix(lines.Text(), "ready") {
			awaitSleep(t, w, g.ID)
			w.Revoke(g.ID)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s\n%s", err, strings.Join(said, "\n"), stderr.String())
	}
	if got, want := strings.Join(said, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("it said\n%s\nwant\n%s\n%s", got, want, stderr.String())
	}
	w.Await(g.ID, access.Gone)
}

// awaitSleep waits until a session of the grant sleeps in the database.
func awaitSleep(t *testing.T, w *enginetest.World, id curfew.GrantID) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, s := range w.Sessions(id) {
			for _, it := range w.Items(s) {
				if it.Kind == record.Statement && strings.Contains(it.Text, "pg_sleep(60)") {
					return
				}
			}
		}
	}
	t.Error("it does not sleep")
}

func TestNodePostgresPool(t *testing.T) {
	script, err := filepath.Abs("testdata/node/pool.js")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NODE_PATH", strings.Join([]string{modules(t), "/usr/share/nodejs"}, ":"))
	through(t, "node", find(t, "node"), []string{script},
		"parallel 420", "named ok", "refused 42501 25P02", "left 0", "ready true", "cut 57P01 57P01", "again 28000 true")
}

// modules is where scripts/need-clients has put the packages of testdata/node.
func modules(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../bin/clients/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if !isFile(filepath.Join(folder, "pg")) && !isFile("/usr/share/nodejs/pg") {
		t.Fatal("node-postgres is not installed: scripts/need-clients")
	}
	return folder
}

func TestPsycopg3(t *testing.T) {
	through(t, "psycopg3", "/usr/bin/python3", []string{"testdata/extended.py"},
		"prepared c8", "cursor 50", "pipeline 435", "refused 42501", "copied 20000", "binary True", "cancelled 57014", "left 0", "ready", "cut True", "again True")
}

func TestPsycopg2(t *testing.T) {
	through(t, "psycopg2", "/usr/bin/python3", []string{"testdata/simple.py"}, "values 500", "cursor 30", "refused 42501", "large 600000 True", "ready", "cut True")
}

func TestJDBC(t *testing.T) {
	const jar = "/usr/share/java/postgresql.jar"
	if !isFile(jar) {
		t.Fatal("the JDBC driver is not installed: scripts/need-clients")
	}
	through(t, "jdbc", find(t, "java"), []string{"-cp", jar, "testdata/java/Through.java"},
		"prepared 78", "fetched 95", "batch 300", "refused 42501", "metadata true", "cancelled 57014", "ready", "cut 57P01 true", "again true")
}
