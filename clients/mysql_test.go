package clients

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gomysql "github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/mysql"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// mariaWorld is a gateway before a MariaDB of the test's own.
func mariaWorld(t *testing.T, deployment string, roles map[curfew.RoleName][]string) (*enginetest.World, *servers.MariaDB) {
	t.Helper()
	ctx := bounded(t)
	m, err := servers.StartMariaDB(ctx, servers.MariaDBOptions{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Stop() })
	if err := errors.Join(m.Exec(ctx, "", "CREATE DATABASE shop", "CREATE DATABASE scratch", "CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, cust VARCHAR(100), total INT)",
		"INSERT INTO shop.orders (cust, total) SELECT CONCAT('c', seq), seq FROM shop.seq_1_to_100", "CREATE TABLE shop.salaries (who TEXT, amount INT)"), m.MakeAdmin(ctx, "gate", "shop", "scratch")); err != nil {
		t.Fatal(err)
	}
	if roles == nil {
		roles = map[curfew.RoleName][]string{"app": {"read orders", "insert orders", "update orders", "delete orders"}}
	}
	return enginetest.New(t, enginetest.Options{
		Engine: mysql.New(), Deployment: deployment, Roles: roles,
		Resource: curfew.Resource{Name: "shop-db", Type: "mysql", Address: m.Address(), Account: curfew.Leased},
		Login:    m.URL("gate", servers.AdminPassword, "shop"),
	}), m
}

// optionFile leads MariaDB's own tools to the gateway.
func optionFile(t *testing.T, w *enginetest.World, g enginetest.Grant) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(w.Address)
	file := filepath.Join(t.TempDir(), "options")
	text := fmt.Sprintf("[client]\nhost=%q\nport=%s\nprotocol=tcp\nuser=%q\npassword=%q\n", host, port, g.User, g.Password)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func mariaTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: scripts/need-mariadb", name)
	}
	return path
}

// awaitStatement waits until a session of the grant has sent a text.
func awaitStatement(t *testing.T, w *enginetest.World, id curfew.GrantID, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, s := range w.Sessions(id) {
			for _, it := range w.Items(s) {
				if it.Kind == record.Statement && strings.Contains(it.Text, text) {
					return
				}
			}
		}
	}
	t.Errorf("nothing sent %q", text)
}

func TestMySQL2Pool(t *testing.T) {
	folder, err := filepath.Abs("../bin/clients-mysql/node_modules")
	if err != nil || !isFile(filepath.Join(folder, "mysql2")) {
		t.Fatal("mysql2 is not installed: scripts/need-clients", err)
	}
	w, _ := mariaWorld(t, "nodemaria", nil)
	g := w.Grant("app", time.Hour)
	cmd := exec.CommandContext(bounded(t), find(t, "node"), "testdata/mysql2/pool.js")
	host, port, _ := net.SplitHostPort(w.Address)
	cmd.Env = append(os.Environ(), "NODE_PATH="+folder, "THROUGH="+host+" "+port, "THROUGH_USER="+g.User, "THROUGH_PASSWORD="+g.Password)
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
		if said = append(said, lines.Text()); lines.Text() == "ready" {
			awaitStatement(t, w, g.ID, "SLEEP(60)")
			w.Revoke(g.ID)
		}
	}
	err = cmd.Wait()
	want := []string{"prepared 420", "texts 210", "refused 1142 1142", "left 0", "change user 1148", "a file 4166", "goes on 1", "large 3145728", "ready", "cut 4031", "again 1045 true"}
	if got := strings.Join(said, "\n"); err != nil || got != strings.Join(want, "\n") {
		t.Errorf("%v: it said\n%s\nwant\n%s\n%s", err, got, strings.Join(want, "\n"), stderr.String())
	}
	w.Await(g.ID, access.Gone)
}

// A pool with prepared statements, cut in the middle of its work: nothing is written after
// the end, and what was under way is told so.
func TestGoSQLDriverPoolCutInTheMiddle(t *testing.T) {
	w, m := mariaWorld(t, "gomaria", nil)
	g := w.Grant("app", time.Hour)
	cfg := gomysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName, cfg.Logger = g.User, g.Password, "tcp", w.Address, "shop-db", &gomysql.NopLogger{}
	connector, err := gomysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(8)
	ctx := bounded(t)
	insert, err := db.PrepareContext(ctx, "INSERT INTO orders (cust, total) VALUES (?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	read, err := db.PrepareContext(ctx, "SELECT total FROM orders WHERE id = ?")
	if err != nil {
		t.Fatal(err)
	}
	var done, after atomic.Int64
	var over atomic.Bool
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			for n := 0; ; n++ {
				wasOver := over.Load()
				var total int
				_, err := insert.ExecContext(ctx, "pooled", i)
				if err == nil {
					err = read.QueryRowContext(ctx, 1+n%100).Scan(&total)
				}
				if err == nil {
					done.Add(1)
					if wasOver {
						after.Add(1)
					}
					continue
				}
				var refusal *gomysql.MySQLError
				if errors.As(err, &refusal) && refusal.Number == 1045 || ctx.Err() != nil {
					return // nobody lets it in any more
				}
			}
		})
	}
	for done.Load() < 200 && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	w.Revoke(g.ID)
	w.Await(g.ID, access.Gone)
	over.Store(true)
	count := func() string {
		n, err := m.One(context.Background(), "shop", "SELECT COUNT(*) FROM orders WHERE cust = 'pooled'")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := count()
	workers.Wait()
	time.Sleep(100 * time.Millisecond)
	if last := count(); last != first || after.Load() > 0 {
		t.Errorf("%s rows, then %s; %d after the end", first, last, after.Load())
	}
}

// What is dumped through the gateway is what there is, and comes back in through it where
// a role may create.
func TestMariaDBDumpOfAWholeDatabase(t *testing.T) {
	w, m := mariaWorld(t, "dumpmaria", map[curfew.RoleName][]string{
		"dump": {"read shop.*"}, "restore": {"create in database scratch", "read scratch.*", "insert scratch.*"},
	})
	ctx := bounded(t)
	if err := m.Exec(ctx, "shop", "CREATE TABLE things (id BIGINT AUTO_INCREMENT PRIMARY KEY, s ENUM('new', 'done'), price DECIMAL(10,2), at DATETIME(6), doc JSON, raw BLOB, KEY (price))",
		"INSERT INTO things (s, price, at, doc, raw) SELECT 'new', seq / 3, '2026-01-02 03:04:05.678901', '{\"k\": [1, null]}', UNHEX(MD5(seq)) FROM seq_1_to_2000",
		"CREATE TABLE `odd ``name``` (`a b` TEXT CHARACTER SET utf8mb4)", "INSERT INTO `odd ``name``` VALUES ('it''s \\\\ \"x\" \U0001F600\\0'), (NULL)"); err != nil {
		t.Fatal(err)
	}
	g := w.Grant("dump", time.Hour)
	var dump, why bytes.Buffer
	cmd := exec.CommandContext(ctx, mariaTool(t, "mariadb-dump"), "--defaults-file="+optionFile(t, w, g), "--single-transaction", "--skip-lock-tables", "--hex-blob", "--no-tablespaces", "--skip-triggers", "shop")
	cmd.Stdout, cmd.Stderr = &dump, &why
	if err := cmd.Run(); err != nil || !strings.Contains(dump.String(), "-- Dump completed") {
		t.Fatalf("%v: %s", err, why.String())
	}
	if err := m.Exec(ctx, "", "CREATE DATABASE fresh"); err != nil {
		t.Fatal(err)
	}
	direct := filepath.Join(t.TempDir(), "direct")
	if err := os.WriteFile(direct, []byte(fmt.Sprintf("[client]\nhost=127.0.0.1\nport=%d\nprotocol=tcp\nuser=%q\npassword=%q\n", m.Port, servers.Super, servers.SuperPassword)), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(options, database string) {
		t.Helper()
		cmd := exec.CommandContext(ctx, mariaTool(t, "mariadb"), "--defaults-file="+options, database)
		cmd.Stdin = bytes.NewReader(dump.Bytes())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("load into %s: %v: %s", database, err, out)
		}
	}
	load(direct, "fresh")
	for _, table := range []string{"orders", "things", "`odd ``name```", "salaries"} {
		sum := func(database string) string {
			db, err := m.Connect(servers.Super, servers.SuperPassword, database)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			var name, sum string
			if err := db.QueryRowContext(ctx, "CHECKSUM TABLE "+table).Scan(&name, &sum); err != nil {
				t.Fatal(err)
			}
			return sum
		}
		rows := func(database string) string {
			text, err := m.One(ctx, database, "SELECT COUNT(*) FROM "+table)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		if rows("shop") != rows("fresh") || sum("shop") != sum("fresh") {
			t.Errorf("%s: %s rows, %s restored", table, rows("shop"), rows("fresh"))
		}
	}
	if diff, err := m.One(ctx, "", "SELECT COUNT(*) FROM shop.things a JOIN fresh.things b USING (id, s, price, at, doc, raw)"); err != nil || diff != "2000" {
		t.Errorf("%s rows alike, %v", diff, err)
	}
}

// A session that opens one second before its grant's end dies with it.
func TestASessionOpenedASecondBeforeTheEndOnMariaDB(t *testing.T) {
	w, m := mariaWorld(t, "lastmaria", nil)
	const length = 4 * time.Second
	g := w.Grant("app", length)
	began := time.Now()
	time.Sleep(time.Until(began.Add(length - time.Second)))
	cmd := exec.CommandContext(bounded(t), mariaTool(t, "mariadb"), "--defaults-file="+optionFile(t, w, g), "shop-db", "-e", "SELECT 'in'; SELECT SLEEP(30); INSERT INTO orders (cust) VALUES ('late')")
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err == nil || !strings.Contains(string(out), "in") || !strings.Contains(string(out), "4031") || took > length+5*time.Second {
		t.Errorf("after %s: %v %s", took, err, out)
	}
	w.Await(g.ID, access.Gone)
	if n, err := m.One(context.Background(), "", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(30)%' AND ID <> CONNECTION_ID()"); err != nil || n != "0" {
		t.Errorf("%s still run, %v", n, err)
	}
}

// A thousand connections that say nothing hold nobody up, and are gone when their time is over.
func TestAThousandSilentSocketsBeforeMariaDB(t *testing.T) {
	w, _ := mariaWorld(t, "silentmaria", nil)
	g := w.Grant("app", time.Hour)
	began := time.Now()
	silent := make([]net.Conn, 1000)
	for i := range silent {
		conn, err := net.Dial("tcp", w.Address)
		if err != nil {
			t.Fatal(err)
		}
		silent[i] = conn
		defer func() { _ = conn.Close() }()
	}
	cmd := exec.CommandContext(bounded(t), mariaTool(t, "mariadb"), "--defaults-file="+optionFile(t, w, g), "shop-db", "-e", "SELECT 'let in'")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "let in") {
		t.Errorf("%v: %s", err, out)
	}
	for _, conn := range silent {
		_ = conn.SetReadDeadline(began.Add(40 * time.Second))
		for b := make([]byte, 512); ; {
			if _, err := conn.Read(b); err != nil {
				var late net.Error
				if errors.As(err, &late) && late.Timeout() {
					t.Fatal("a silent connection is still there")
				}
				break
			}
		}
	}
}
