// Package servers starts real servers for tests and the demo, on free loopback
// ports and in temporary folders, and ends only what it started.
package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew"
)

// Super is the superuser of a throw-away server.
const (
	Super         = "postgres"
	SuperPassword = "throw-away-super"
	Admin         = "curfew"
	AdminPassword = "throw-away-admin"
)

// Options say what kind of server is wanted. The zero value is ready.
type Options struct {
	Folder   string   // where its files go, below a folder of their own; "": a temporary folder
	TLS      bool     // offer TLS, with an authority made on the spot
	Fsync    bool     // as a real server does; off is faster
	Settings []string // more of "name=value"
}

// Postgres is a running throw-away PostgreSQL.
type Postgres struct {
	Port    int
	Version string
	CA      []byte // PEM of the authority, if it offers TLS
	opt     Options
	folder  string
	bin     string
	attr    *syscall.SysProcAttr
	run     *process
}

// BinVariable names a folder of server binaries to use before any that is found.
const BinVariable = "CURFEW_POSTGRES_BIN"

// PostgresBin finds the folder of the newest server's binaries, or takes the one
// that BinVariable names.
func PostgresBin() (string, error) {
	if named := os.Getenv(BinVariable); named != "" {
		if _, err := os.Stat(filepath.Join(named, "initdb")); err != nil {
			return "", curfew.Wrap(curfew.NotFound, err, "%s names a folder without initdb", BinVariable)
		}
		return named, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return majorOf(b) - majorOf(a) })
	if out, err := exec.Command("pg_config", "--bindir").Output(); len(found) == 0 && err == nil {
		found, _ = filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "initdb"))
	}
	if len(found) == 0 {
		if p, err := exec.LookPath("initdb"); err == nil {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return "", curfew.Errorf(curfew.NotFound, "no PostgreSQL server is installed").WithFix("on Debian: apt-get install postgresql (its binaries are looked for in /usr/lib/postgresql/*/bin, beside pg_config and in PATH)")
	}
	return filepath.Dir(found[0]), nil
}

func majorOf(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// StartPostgres makes a cluster below folder and starts it.
func StartPostgres(ctx context.Context, folder string) (*Postgres, error) {
	return StartPostgresWith(ctx, Options{Folder: folder})
}

// StartPostgresWith makes a cluster and starts it. As root the server runs as an
// unprivileged user, as it demands. It ends with this process, however that ends.
func StartPostgresWith(ctx context.Context, opt Options) (*Postgres, error) {
	bin, err := PostgresBin()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(opt.Folder, "curfew-pg-")
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the folder of a PostgreSQL")
	}
	p := &Postgres{opt: opt, folder: folder, bin: bin, attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}}
	if err := p.build(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Postgres) build(ctx context.Context) error {
	if err := p.unprivileged(filepath.Dir(p.folder)); err != nil {
		return err
	}
	if err := p.initdb(ctx); err != nil {
		return err
	}
	if p.opt.TLS {
		if err := p.certify(); err != nil {
			return err
		}
	}
	var err error
	for try := 0; try < 4; try++ { // somebody else may take the port first
		if p.Port, err = freePort(); err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "find a free port")
		}
		if err = p.launch(ctx); err == nil {
			return nil
		}
		p.halt()
	}
	return err
}

// unprivileged gives the folder to a user that the server may run as.
func (p *Postgres) unprivileged(above string) error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		p.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		for dir := above; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) { // the way there must be passable
			if info, err := os.Stat(dir); err == nil {
				_ = os.Chmod(dir, info.Mode().Perm()|0o011)
			}
		}
		return os.Chown(p.folder, uid, gid)
	}
	return curfew.Errorf(curfew.NotFound, "PostgreSQL does not run as root, and there is no user postgres or nobody")
}

func (p *Postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	attr := *p.attr
	cmd.SysProcAttr = &attr
	cmd.Dir = p.folder
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	return cmd
}

func (p *Postgres) initdb(ctx context.Context) error {
	pw := filepath.Join(p.folder, "pw")
	if err := p.give("pw", []byte(SuperPassword), 0o600); err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := p.command(ctx, "initdb", "-D", filepath.Join(p.folder, "data"), "-U", Super, "--pwfile", pw, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "initdb: %s", strings.TrimSpace(out.String()))
	}
	return os.Remove(pw)
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// launch starts the server at its port and waits until it answers.
func (p *Postgres) launch(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(p.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "open the server's log")
	}
	defer func() { _ = log.Close() }()
	cmd := p.command(context.WithoutCancel(ctx), "postgres", p.args()...)
	cmd.Stdout, cmd.Stderr = log, log
	if p.run, err = start(cmd); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "start PostgreSQL")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && ctx.Err() == nil && !p.run.over(); time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(ctx, p.URL(Super, SuperPassword, "postgres"))
		if err != nil {
			continue
		}
		err = conn.QueryRow(ctx, "SHOW server_version").Scan(&p.Version)
		return errors.Join(err, conn.Close(ctx))
	}
	return curfew.Errorf(curfew.Unavailable, "PostgreSQL did not start: %s", p.Log())
}

func (p *Postgres) args() []string {
	settings := []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200",
		"max_prepared_transactions=10", "shared_buffers=32MB", "log_statement=all",
	}
	if !p.opt.Fsync {
		settings = append(settings, "fsync=off")
	}
	if p.opt.TLS {
		settings = append(settings, "ssl=on", "ssl_cert_file="+filepath.Join(p.folder, "cert.pem"), "ssl_key_file="+filepath.Join(p.folder, "key.pem"))
	}
	args := []string{"-D", filepath.Join(p.folder, "data"), "-p", strconv.Itoa(p.Port)}
	for _, s := range append(settings, p.opt.Settings...) {
		args = append(args, "-c", s)
	}
	return args
}

// URL is how somebody connects to a database of the server.
func (p *Postgres) URL(user, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: p.Address(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Address is host:port.
func (p *Postgres) Address() string { return fmt.Sprintf("127.0.0.1:%d", p.Port) }

// Log is what the server has logged so far.
func (p *Postgres) Log() string {
	text, _ := os.ReadFile(filepath.Join(p.folder, "log"))
	return string(text)
}

// Exec runs statements as the superuser, one by one.
func (p *Postgres) Exec(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, p.URL(Super, SuperPassword, database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// One runs a query of one value as the superuser.
func (p *Postgres) One(ctx context.Context, database, query string, args ...any) (string, error) {
	conn, err := pgx.Connect(ctx, p.URL(Super, SuperPassword, database))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var v any
	if err := conn.QueryRow(ctx, query, args...).Scan(&v); err != nil {
		return "", err
	}
	return fmt.Sprint(v), nil
}

// Prepare makes a database owned by app_owner, and Curfew's own login with what
// it needs there and no more.
func (p *Postgres) Prepare(ctx context.Context, database string) error {
	major, _, _ := strings.Cut(p.Version, ".")
	n, _ := strconv.Atoi(major)
	setup := []string{
		`SET log_statement = 'none'`, // a password is in what follows
		`DO $$ BEGIN CREATE ROLE app_owner NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		fmt.Sprintf(`DO $$ BEGIN CREATE ROLE %s LOGIN CREATEROLE PASSWORD '%s'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`, Admin, AdminPassword),
		`GRANT app_owner TO ` + Admin,
		`GRANT pg_signal_backend, pg_read_all_stats TO ` + Admin,
		`CREATE DATABASE ` + pgx.Identifier{database}.Sanitize() + ` OWNER app_owner`,
	}
	if n >= 16 {
		setup = append(setup, `ALTER ROLE `+Admin+` SET createrole_self_grant = 'set, inherit'`)
	}
	return p.Exec(ctx, "postgres", setup...)
}

// Sample fills a prepared database with orders and refunds, both of app_owner.
func (p *Postgres) Sample(ctx context.Context, database string) error {
	return p.Exec(ctx, database, `SET ROLE app_owner`,
		`CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, cents int NOT NULL)`,
		`CREATE TABLE refunds (id serial PRIMARY KEY, order_id int REFERENCES orders, status text NOT NULL, note text)`,
		`INSERT INTO orders SELECT n, 'customer ' || n % 97, n * 7 % 9000 FROM generate_series(1, 2000) n`,
		`INSERT INTO refunds (order_id, status) SELECT n, CASE WHEN n % 3 = 0 THEN 'pending' ELSE 'done' END FROM generate_series(1, 120) n`,
		`ANALYZE`)
}

// Kill ends the server at once, as a crash would; its files stay.
func (p *Postgres) Kill() error { p.halt(); return nil }

func (p *Postgres) halt() {
	if p.run != nil {
		p.run.end(syscall.SIGQUIT)
		p.run = nil
	}
}

// Restart starts a server that was killed, at its old port.
func (p *Postgres) Restart(ctx context.Context) error { return p.launch(ctx) }

// Stop ends the server and removes its files.
func (p *Postgres) Stop() error {
	p.halt()
	return os.RemoveAll(p.folder)
}
