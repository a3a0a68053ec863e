package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	gomysql "github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/mysql"
	"github.com/curfewhq/curfew/servers"
)

// mariaWays is a real MariaDB, and the ways to it: direct, through HAProxy, through the
// engine with an account of the grant's own, and with a fixed one, whose statements are judged.
type mariaWays struct {
	names []string
	login map[string]gomysql.Config
}

func newMariaWays(b *testing.B) *mariaWays {
	b.Helper()
	ctx := context.Background()
	m, err := servers.StartMariaDB(ctx, servers.MariaDBOptions{Folder: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Stop() })
	must(b, m.Exec(ctx, "", "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY, cents INT, note VARCHAR(40))",
		"INSERT INTO shop.orders SELECT seq, seq % 90, 'some text of a row' FROM shop.seq_1_to_100000", "CREATE USER plain IDENTIFIED BY 'plain'", "GRANT ALL ON shop.* TO plain"))
	must(b, m.MakeAdmin(ctx, "gate", "shop"))
	w := &mariaWays{names: []string{"direct"}, login: map[string]gomysql.Config{"direct": {User: "plain", Passwd: "plain", Addr: m.Address(), DBName: "shop"}}}
	if address := haproxy(b, m.Address()); address != "" {
		w.names = append(w.names, "haproxy")
		w.login["haproxy"] = gomysql.Config{User: "plain", Passwd: "plain", Addr: address, DBName: "shop"}
	}
	for name, account := range map[string]curfew.AccountKind{"engine": curfew.Leased, "judged": curfew.Fixed} {
		login := m.URL("gate", servers.AdminPassword, "shop")
		if account == curfew.Fixed {
			login = m.URL("plain", "plain", "shop")
		}
		world := enginetest.New(b, enginetest.Options{
			Engine: mysql.New(), Deployment: "bench" + name, Login: login,
			Resource: curfew.Resource{Name: "shop-db", Type: "mysql", Address: m.Address(), Account: account},
			Roles:    map[curfew.RoleName][]string{"all": {"read *", "insert *", "update *", "delete *"}},
		})
		g := world.Grant("all", time.Hour)
		w.login[name] = gomysql.Config{User: g.User, Passwd: g.Password, Addr: world.Address, DBName: "shop-db"}
	}
	w.names = append(w.names, "engine", "judged")
	return w
}

// haproxy starts one that carries bytes to an address; "" where none is installed.
func haproxy(b *testing.B, target string) string {
	b.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/haproxy"); err != nil {
			b.Log("left out: HAProxy is not installed; scripts/need-haproxy")
			return ""
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	address := ln.Addr().String()
	must(b, ln.Close())
	file := filepath.Join(b.TempDir(), "haproxy.cfg")
	must(b, writeFile(file, fmt.Sprintf("global\n  maxconn 500\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\nlisten maria\n  bind %s\n  server one %s\n", address, target)))
	cmd := exec.Command(program, "-db", "-q", "-f", file)
	must(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return address
		}
	}
	b.Fatal("HAProxy does not listen")
	return ""
}

func (w *mariaWays) open(b *testing.B, name string, conns int) *sql.DB {
	b.Helper()
	cfg := gomysql.NewConfig()
	l := w.login[name]
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName, cfg.Logger = l.User, l.Passwd, "tcp", l.Addr, l.DBName, &gomysql.NopLogger{}
	connector, err := gomysql.NewConnector(cfg)
	must(b, err)
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	b.Cleanup(func() { _ = db.Close() })
	must(b, db.PingContext(context.Background()))
	return db
}

// BenchmarkMariaDBSelect1 is what a hop adds to one round trip of a text.
func BenchmarkMariaDBSelect1(b *testing.B) {
	w := newMariaWays(b)
	dbs, took := map[string]*sql.DB{}, map[string][]time.Duration{}
	for _, name := range w.names {
		dbs[name] = w.open(b, name, 1)
	}
	ctx := context.Background()
	for b.Loop() {
		for _, name := range w.names { // interleaved, in short runs
			for range 20 {
				var n int
				began := time.Now()
				if err := dbs[name].QueryRowContext(ctx, "SELECT 1").Scan(&n); err != nil {
					b.Fatal(name, err)
				}
				took[name] = append(took[name], time.Since(began))
			}
		}
	}
	for _, name := range w.names {
		b.ReportMetric(quantile(took[name], 0.5), name+"-p50-µs")
		b.ReportMetric(quantile(took[name], 0.99), name+"-p99-µs")
	}
}

// BenchmarkMariaDBPrepared is throughput: clients that read one row by its key, prepared.
func BenchmarkMariaDBPrepared(b *testing.B) {
	w := newMariaWays(b)
	for _, clients := range []int{8, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			each := 16_000 / clients
			tps, ratio := map[string][]float64{}, map[string][]float64{}
			for b.Loop() {
				round := map[string]float64{}
				for _, name := range w.names {
					round[name] = prepared(b, w.open(b, name, clients), clients, each)
					tps[name] = append(tps[name], round[name])
				}
				for _, name := range w.names[1:] {
					ratio[name] = append(ratio[name], round[name]/round["direct"]) // of runs next to each other
				}
			}
			for _, name := range w.names {
				b.ReportMetric(median(tps[name]), name+"-tps")
			}
			for _, name := range w.names[1:] {
				b.ReportMetric(median(ratio[name]), name+"-of-direct-x")
			}
		})
	}
}

func prepared(b *testing.B, db *sql.DB, clients, each int) float64 {
	b.Helper()
	ctx := context.Background()
	conns := make([]*sql.Stmt, clients)
	for i := range conns {
		c, err := db.Conn(ctx)
		must(b, err)
		conns[i], err = c.PrepareContext(ctx, "SELECT cents FROM orders WHERE id = ?")
		must(b, err)
		defer func() { _ = c.Close() }()
	}
	began := time.Now()
	var all sync.WaitGroup
	for i, s := range conns {
		all.Go(func() {
			for k := range each {
				var n int
				if err := s.QueryRowContext(ctx, 1+(i*each+k)%2000).Scan(&n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	_ = db.Close()
	return float64(clients*each) / took.Seconds()
}

// BenchmarkMariaDBRows is bulk: a hundred thousand rows out, as bytes, undecoded.
func BenchmarkMariaDBRows(b *testing.B) {
	w := newMariaWays(b)
	took := map[string]time.Duration{}
	for warm := true; warm || b.Loop(); warm = false {
		for _, name := range w.names {
			db := w.open(b, name, 1)
			began := time.Now()
			for range 5 {
				rows, err := db.QueryContext(context.Background(), "SELECT id, cents, note FROM orders")
				must(b, err)
				n := 0
				for raw := make([]sql.RawBytes, 3); rows.Next(); n++ {
					must(b, rows.Scan(&raw[0], &raw[1], &raw[2]))
				}
				if must(b, rows.Close()); n != 100_000 {
					b.Fatal(name, n, io.ErrUnexpectedEOF)
				}
			}
			if !warm {
				took[name] += time.Since(began)
			}
			_ = db.Close()
		}
	}
	for _, name := range w.names[1:] {
		b.ReportMetric(took["direct"].Seconds()/took[name].Seconds(), name+"-of-direct-x")
	}
}
