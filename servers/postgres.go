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

// Postgres is a running throw-away PostgreSQL.
type Postgres struct {
	Port    int
	Version string
	folder  string
	bin     string
	cmd     *exec.Cmd
	log     *os.File
	attr    *syscall.SysProcAttr
	args    []string
}

// PostgresBin finds the folder of the newest server's binaries.
func PostgresBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return majorOf(b) - majorOf(a) })
	if len(found) == 0 {
		if p, err := exec.LookPath("initdb"); err == nil {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return "", curfew.Errorf(curfew.NotFound, "no PostgreSQL server is installed").WithFix("on Debian: apt-get install postgresql")
	}
	return filepath.Dir(found[0]), nil
}

func majorOf(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// StartPostgres makes a cluster below folder and starts it. As root the server
// runs as an unprivileged user, as it demands.
func StartPostgres(ctx context.Context, folder string) (*Postgres, error) {
	bin, err := PostgresBin()
	if err != nil {
		return nil, err
	}
	p := &Postgres{folder: filepath.Join(folder, "pg"), bin: bin, attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}}
	if err := os.MkdirAll(p.folder, 0o700); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the folder of a PostgreSQL")
	}
	if err := p.unprivileged(folder); err != nil {
		return nil, err
	}
	if err := p.initdb(ctx); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		if err = p.start(ctx); err == nil {
			return p, nil
		}
		if try == 3 {
			return nil, errors.Join(err, p.Stop())
		}
	}
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
	if err := os.WriteFile(pw, []byte(SuperPassword), 0o644); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "prepare a PostgreSQL")
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

func (p *Postgres) start(ctx context.Context) error {
	var err error
	if p.Port == 0 || p.cmd == nil {
		if p.Port, err = freePort(); err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "find a free port")
		}
	}
	return p.launch(ctx)
}

// launch starts the server at its port and waits until it answers.
func (p *Postgres) launch(ctx context.Context) error {
	var err error
	if p.log, err = os.OpenFile(filepath.Join(p.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "open the server's log")
	}
	p.cmd = p.command(context.WithoutCancel(ctx), "postgres", "-D", filepath.Join(p.folder, "data"), "-p", strconv.Itoa(p.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=200",
		"-c", "max_prepared_transactions=10", "-c", "shared_buffers=32MB", "-c", "log_statement=all")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "start PostgreSQL")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(ctx, p.URL(Super, SuperPassword, "postgres"))
		if err != nil {
			continue
		}
		err = conn.QueryRow(ctx, "SHOW server_version").Scan(&p.Version)
		return errors.Join(err, conn.Close(ctx))
	}
	text, _ := os.ReadFile(p.log.Name())
	return curfew.Errorf(curfew.Unavailable, "PostgreSQL did not start: %s", text)
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

// Kill ends the server at once, as a crash would; its files stay.
func (p *Postgres) Kill() error {
	err := p.cmd.Process.Signal(syscall.SIGQUIT)
	_ = p.cmd.Wait()
	return err
}

// Restart starts a server that was killed, at its old port.
func (p *Postgres) Restart(ctx context.Context) error { return p.launch(ctx) }

// Stop ends the server and removes its files.
func (p *Postgres) Stop() error {
	if p.cmd != nil && p.cmd.Process != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		_ = p.cmd.Wait()
	}
	if p.log != nil {
		_ = p.log.Close()
	}
	return os.RemoveAll(p.folder)
}
