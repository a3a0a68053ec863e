package servers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
)

// MariaDBOptions say what kind of server is wanted. The zero value is ready.
type MariaDBOptions struct {
	Folder   string   // where its files go, below a folder of their own; "": a temporary folder
	TLS      bool     // offer TLS, with an authority made on the spot
	Settings []string // more of "name=value"
}

// MariaDB is a running throw-away MariaDB.
type MariaDB struct {
	Port   int
	CA     []byte // PEM of the authority, if it offers TLS
	opt    MariaDBOptions
	folder string
	attr   *syscall.SysProcAttr
	run    *process
}

// programOf finds a program of the distribution's.
func programOf(name string) (string, error) {
	for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
		if p := filepath.Join(dir, name); executable(p) {
			return p, nil
		}
	}
	p, err := exec.LookPath(name)
	if err != nil {
		return "", curfew.Errorf(curfew.NotFound, "no MariaDB server is installed (%s)", name).WithFix("on Debian: apt-get install mariadb-server")
	}
	return p, nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

// StartMariaDB makes a data folder and starts a server on it. As root it runs as an
// unprivileged user, as it demands. It ends with this process, however that ends.
func StartMariaDB(ctx context.Context, opt MariaDBOptions) (*MariaDB, error) {
	folder, err := os.MkdirTemp(opt.Folder, "curfew-my-")
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the folder of a MariaDB")
	}
	m := &MariaDB{opt: opt, folder: folder, attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}
	if err := m.build(ctx); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

func (m *MariaDB) build(ctx context.Context) error {
	if err := m.unprivileged(filepath.Dir(m.folder)); err != nil {
		return err
	}
	if err := m.install(ctx); err != nil {
		return err
	}
	if m.opt.TLS {
		caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return curfew.Wrap(curfew.Internal, err, "make a key")
		}
		ca, cert, key, err := localhostCertificate(caKey)
		if err != nil {
			return err
		}
		m.CA = ca
		if err := errors.Join(m.give("server.crt", cert), m.give("server.key", key)); err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "write the certificate of a MariaDB")
		}
	}
	var err error
	for try := 0; try < 4; try++ { // somebody else may take the port first
		if m.Port, err = freePort(); err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "find a free port")
		}
		if err = m.launch(ctx); err == nil {
			return nil
		}
		m.halt()
	}
	return err
}

// unprivileged gives the folder to a user that the server may run as.
func (m *MariaDB) unprivileged(above string) error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"mysql", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		m.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		for dir := above; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) { // the way there must be passable
			if info, err := os.Stat(dir); err == nil {
				_ = os.Chmod(dir, info.Mode().Perm()|0o011)
			}
		}
		return os.Chown(m.folder, uid, gid)
	}
	return curfew.Errorf(curfew.NotFound, "MariaDB does not run as root, and there is no user mysql or nobody")
}

// give writes a file that the server's user owns.
func (m *MariaDB) give(name string, text []byte) error {
	path := filepath.Join(m.folder, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	if c := m.attr.Credential; c != nil {
		return os.Chown(path, int(c.Uid), int(c.Gid))
	}
	return nil
}

func (m *MariaDB) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	attr := *m.attr
	cmd.SysProcAttr, cmd.Dir = &attr, m.folder
	cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	return cmd
}

// install makes the data folder, and in it the superuser and the gateway's own login, by
// statements that the server reads when it first starts.
func (m *MariaDB) install(ctx context.Context) error {
	program, err := programOf("mariadb-install-db")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := m.command(ctx, program, "--no-defaults", "--datadir="+filepath.Join(m.folder, "data"), "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
		"--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "mariadb-install-db: %s", strings.TrimSpace(out.String()))
	}
	return m.give("start.sql", []byte(strings.Join([]string{
		"CREATE OR REPLACE USER " + Super + "@'%' IDENTIFIED BY '" + SuperPassword + "'",
		"GRANT ALL ON *.* TO " + Super + "@'%' WITH GRANT OPTION",
	}, ";\n")+";\n"))
}

func (m *MariaDB) args() []string {
	args := []string{
		"--no-defaults", "--datadir=" + filepath.Join(m.folder, "data"), "--socket=" + filepath.Join(m.folder, "s"), "--pid-file=" + filepath.Join(m.folder, "pid"),
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(m.Port), "--init-file=" + filepath.Join(m.folder, "start.sql"), "--skip-name-resolve",
		"--tmpdir=" + m.folder, // a server that starts removes what it takes for left over there: another one's tables
		"--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=0", "--max-connections=300",
	}
	if m.opt.TLS {
		args = append(args, "--ssl-cert="+filepath.Join(m.folder, "server.crt"), "--ssl-key="+filepath.Join(m.folder, "server.key"))
	}
	for _, s := range m.opt.Settings {
		args = append(args, "--"+s)
	}
	return args
}

// launch starts the server at its port and waits until it answers.
func (m *MariaDB) launch(ctx context.Context) error {
	program, err := programOf("mariadbd")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(m.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "open the server's log")
	}
	defer func() { _ = log.Close() }()
	cmd := m.command(context.WithoutCancel(ctx), program, m.args()...)
	cmd.Stdout, cmd.Stderr = log, log
	if m.run, err = start(cmd); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "start MariaDB")
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && ctx.Err() == nil && !m.run.over(); time.Sleep(20 * time.Millisecond) {
		if where, err := m.One(ctx, "", "SELECT @@datadir"); err == nil && filepath.Clean(where) == filepath.Join(m.folder, "data") {
			return nil // another server may have taken the port
		}
	}
	return curfew.Errorf(curfew.Unavailable, "MariaDB did not start: %s", m.Log())
}

// Address is host:port.
func (m *MariaDB) Address() string { return fmt.Sprintf("127.0.0.1:%d", m.Port) }

// URL is a credential's text.
func (m *MariaDB) URL(user, password, database string) string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword(user, password), Host: m.Address(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Log is what the server has logged so far.
func (m *MariaDB) Log() string {
	text, _ := os.ReadFile(filepath.Join(m.folder, "log"))
	return string(text)
}

// Connect opens a pool of connections.
func (m *MariaDB) Connect(user, password, database string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = user, password, "tcp", m.Address(), database
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "prepare a connection")
	}
	return sql.OpenDB(connector), nil
}

// Exec runs statements as the superuser.
func (m *MariaDB) Exec(ctx context.Context, database string, statements ...string) error {
	db, err := m.Connect(Super, SuperPassword, database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return curfew.Wrap(curfew.Invalid, err, "run %.60q", s)
		}
	}
	return nil
}

// One reads one value as the superuser; none and NULL are "".
func (m *MariaDB) One(ctx context.Context, database, query string) (string, error) {
	db, err := m.Connect(Super, SuperPassword, database)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	var out sql.NullString
	if err = db.QueryRowContext(ctx, query).Scan(&out); errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return out.String, err
}

// MakeAdmin makes a login of the gateway's own with exactly the rights that it needs on
// the databases.
func (m *MariaDB) MakeAdmin(ctx context.Context, login string, databases ...string) error {
	who := "'" + login + "'@'%'"
	all := []string{
		"CREATE OR REPLACE USER " + who + " IDENTIFIED BY '" + AdminPassword + "'",
		"GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO " + who,
		"GRANT SELECT (User, Host) ON mysql.user TO " + who,
	}
	for _, t := range []string{"db", "tables_priv", "procs_priv", "proc", "event"} {
		all = append(all, "GRANT SELECT ON mysql."+t+" TO "+who)
	}
	for _, db := range databases {
		all = append(all, "GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE, CREATE VIEW, SHOW VIEW, TRIGGER ON `"+strings.ReplaceAll(db, "_", `\_`)+"`.* TO "+who+" WITH GRANT OPTION")
	}
	return m.Exec(ctx, "", all...)
}

func (m *MariaDB) halt() {
	if m.run != nil {
		m.run.end(syscall.SIGKILL) // nothing of it is kept
		m.run = nil
	}
}

// Stop ends the server and removes its files.
func (m *MariaDB) Stop() error {
	m.halt()
	return os.RemoveAll(m.folder)
}
