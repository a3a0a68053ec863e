package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// keeper makes and removes accounts at one target. It keeps at most five
// connections to it.
type keeper struct {
	target lease.Target
	doors  [2]line // make, open
	broom  [2]line // remove: a removal that waits holds up no log-in
	warm   line    // the cut and the patrol: never behind the others
	turn   atomic.Uint32
	seen   sighting
}

// free picks a line nobody uses, or else one in turn.
func (k *keeper) free(lines *[2]line) *line {
	n := int(k.turn.Add(1))
	for i := range lines {
		l := &lines[(n+i)%len(lines)]
		if l.mu.TryLock() {
			l.mu.Unlock() // somebody may be faster: then we wait a little
			return l
		}
	}
	return &lines[n%len(lines)]
}

// line is one administrator's connection that is kept, used by one at a time.
type line struct {
	mu   sync.Mutex
	conn *conn // guarded by mu
}

// conn is a connection as the gateway's own login.
type conn struct {
	*sql.Conn
	db       *sql.DB
	database string // the resource's own
	user     string
}

func (c *conn) close() { _, _ = c.Conn.Close(), c.db.Close() }

// run runs a statement without values: the driver's own way of putting them in is not used.
func (c *conn) run(ctx context.Context, statement string) error {
	_, err := c.ExecContext(ctx, statement)
	return err
}

// column reads the first column of all rows.
func (c *conn) column(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := c.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// with runs f on the line's connection, opening it if need be. A connection that
// broke is thrown away.
func (k *keeper) with(ctx context.Context, l *line, errand string, f func(*conn) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for try := 0; ; try++ {
		fresh := l.conn == nil
		if fresh {
			c, err := k.connect(ctx, errand)
			if err != nil {
				return err
			}
			l.conn = c
		}
		err := f(l.conn)
		var refusal *mysql.MySQLError
		if err == nil || errors.As(err, &refusal) && refusal.Number != 1927 || asError(err) != nil { // 1927: this connection was killed
			return k.wrap(err)
		}
		l.conn.close()
		l.conn = nil
		if fresh || try > 0 || ctx.Err() != nil {
			return k.wrap(err)
		}
	}
}

// Close drops the connections.
func (k *keeper) Close() {
	for _, l := range []*line{&k.doors[0], &k.doors[1], &k.broom[0], &k.broom[1], &k.warm} {
		l.mu.Lock()
		if l.conn != nil {
			l.conn.close()
			l.conn = nil
		}
		l.mu.Unlock()
	}
}

// connect opens a connection as the gateway's own login.
func (k *keeper) connect(ctx context.Context, errand string) (*conn, error) {
	login, err := k.target.Login(ctx)
	if err != nil {
		return nil, err
	}
	return k.open(ctx, errand, login)
}

// open opens a connection by a login, in no database: names are always whole.
func (k *keeper) open(ctx context.Context, errand string, login lease.Login) (*conn, error) {
	tls, err := targetTLS(k.target.Resource, login)
	if err != nil {
		return nil, err
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.TLS = login.User, login.Password, "tcp", k.target.Resource.Address, tls
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return k.target.Dial(ctx, errand) }
	cfg.Logger = &mysql.NopLogger{}
	cfg.InterpolateParams = false
	if tls == nil {
		if cfg.ServerPubKey, err = nobodysKey(); err != nil {
			return nil, err
		}
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, curfew.Wrap(curfew.Invalid, err, "prepare a connection to %s", k.target.Resource.Name)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	c, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close()
		return nil, k.wrap(err)
	}
	return &conn{Conn: c, db: db, database: databaseOf(k.target.Resource, login), user: login.User}, nil
}

// wrap gives a target's error a code. It never holds a secret: the messages are
// the server's and the driver's, and no statement is part of them.
func (k *keeper) wrap(err error) error {
	if err == nil || asError(err) != nil {
		return err
	}
	name := k.target.Resource.Name
	var refusal *mysql.MySQLError
	if !errors.As(err, &refusal) {
		return curfew.Wrap(curfew.Unavailable, err, "%s doesn't answer", name).WithRule("resource.down")
	}
	switch refusal.Number {
	case 1044, 1045, 1142, 1143, 1227, 1410: // denied: database, log-in, table, column, right, GRANT
		return curfew.Errorf(curfew.Denied, "the gateway's own login on %s may not do that: %s", name, refusal.Message).WithRule("resource.rights").WithFix("curfew doctor")
	case 1049, 1054, 1072, 1146, 1305: // no such database, column, key column, table, routine
		return curfew.Errorf(curfew.Invalid, "%s: %s", name, refusal.Message).WithRule("role.object").WithFix("correct the role: curfew plan")
	}
	return curfew.Errorf(curfew.Unavailable, "%s: %s (%d)", name, refusal.Message, refusal.Number).WithRule("resource.down")
}

// numbered reports whether an error is the server's with one of these numbers.
func numbered(err error, numbers ...uint16) bool {
	var refusal *mysql.MySQLError
	return errors.As(err, &refusal) && slices.Contains(numbers, refusal.Number)
}

// Numbers that say that something is not there any more.
const (
	errNoThread = 1094
	errNoUser   = 1396 // "operation … failed for": no such account
)

// quote writes an identifier.
func quote(parts ...string) string {
	out := make([]string, 0, len(parts))
	for _, p := range parts {
		out = append(out, "`"+strings.ReplaceAll(p, "`", "``")+"`")
	}
	return strings.Join(out, ".")
}

// accountName writes an account as statements name it: from any host. Its name is letters,
// digits and _ alone (see ours).
func accountName(account string) string { return "'" + account + "'@'%'" }

// Limit has nothing to move: the server knows no end of an account's.
func (*keeper) Limit(context.Context, lease.Plan, time.Time) error { return nil }

// newPassword makes one of 160 random bits.
func newPassword() string {
	var raw [20]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// set changes how an account logs in: by a password of which only a hash travels, open or shut.
func set(ctx context.Context, c *conn, account, password, lock string) error {
	return c.run(ctx, "ALTER USER "+accountName(account)+" IDENTIFIED VIA mysql_native_password USING '"+nativeHash(password)+"' ACCOUNT "+lock)
}

// Unlock sets a fresh password, and lets the account log in until shut; then there is
// another that nobody knows, and the account is locked.
func (k *keeper) Unlock(ctx context.Context, p lease.Plan, _ lease.Made) (string, func(context.Context) error, error) {
	if err := k.ours(p.Account); err != nil {
		return "", nil, err
	}
	password := newPassword()
	shut := func(ctx context.Context) error {
		return k.with(ctx, k.free(&k.doors), "lock "+string(p.Lease), func(c *conn) error {
			if err := set(ctx, c, p.Account, newPassword(), "LOCK"); !numbered(err, errNoUser) {
				return err
			}
			return nil // it is gone: nobody logs in either
		})
	}
	err := k.with(ctx, k.free(&k.doors), "unlock "+string(p.Lease), func(c *conn) error {
		return set(ctx, c, p.Account, password, "UNLOCK")
	})
	return password, shut, err
}

// Test logs in as the account once and leaves.
func (k *keeper) Test(ctx context.Context, p lease.Plan, m lease.Made) error {
	login, err := k.target.Login(ctx)
	if err != nil {
		return err
	}
	password, shut, err := k.Unlock(ctx, p, m)
	if err != nil {
		return err
	}
	login.User, login.Password = p.Account, password
	c, err := k.open(ctx, "test "+string(p.Lease), login)
	if err == nil {
		var who []string
		if who, err = c.column(ctx, "SELECT CURRENT_USER()"); err == nil && (len(who) != 1 || who[0] != p.Account+"@%") {
			err = curfew.Errorf(curfew.Denied, "%s takes the account for %q", k.target.Resource.Name, who).WithRule("resource.login")
		}
		c.close()
	}
	return errors.Join(k.wrap(err), shut(context.WithoutCancel(ctx)))
}

// workID names a connection by its thread and its account.
func workID(thread uint32, account string) string { return itoa(uint64(thread)) + "@" + account }

func splitWork(id string) (thread uint64, account string, ok bool) {
	num, account, ok := strings.Cut(id, "@")
	n, err := strconv.ParseUint(num, 10, 64)
	return n, account, ok && err == nil
}

// Terminate ends connections and returns when they are seen to be gone.
func (k *keeper) Terminate(ctx context.Context, work []string) error {
	for wait := time.Millisecond; len(work) > 0; wait = min(2*wait, 50*time.Millisecond) {
		n := 0 // asked again and again, and the line let go in between: one that does not die holds up no other
		err := k.with(ctx, &k.warm, "terminate", func(c *conn) error {
			live, err := connections(ctx, c, "")
			n = 0
			for _, w := range live {
				if slices.Contains(work, w) && err == nil {
					n++
					err = kill(ctx, c, w)
				}
			}
			return err
		})
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
	return nil
}

// kill ends one connection; one that is gone is none.
func kill(ctx context.Context, c *conn, work string) error {
	thread, _, ok := splitWork(work)
	if !ok {
		return nil
	}
	if err := c.run(ctx, fmt.Sprintf("KILL CONNECTION %d", thread)); !numbered(err, errNoThread) {
		return err
	}
	return nil
}

// connections lists those of an account, or of all.
func connections(ctx context.Context, c *conn, account string) ([]string, error) {
	query := "SELECT CONCAT(ID, '@', USER) FROM information_schema.PROCESSLIST"
	if account != "" {
		query += " WHERE USER = '" + account + "'"
	}
	return c.column(ctx, query)
}

// Accounts lists this deployment's lease accounts.
func (k *keeper) Accounts(ctx context.Context) (out []string, err error) {
	err = k.with(ctx, k.free(&k.doors), "list accounts", func(c *conn) error {
		var err error
		out, err = c.column(ctx, "SELECT User FROM mysql.user WHERE User LIKE 'curfew%' ORDER BY 1")
		return err
	})
	return slices.DeleteFunc(out, func(a string) bool { return k.ours(a) != nil }), err
}

// prefix is how this deployment's accounts begin.
func (k *keeper) prefix() string { return "curfew_" + k.target.Deployment + "_l_" }

// longestAccount is what MariaDB allows, in characters.
const longestAccount = 80

// ours refuses an account that is not a lease of this deployment, to the letter.
func (k *keeper) ours(account string) error {
	id, ok := strings.CutPrefix(account, k.prefix())
	if !ok || !curfew.HasPrefix("l_"+strings.ToUpper(id), "l") || id != strings.ToLower(id) || len(account) > longestAccount {
		return curfew.Errorf(curfew.Denied, "%.80q is no account of this deployment", account).WithRule("lease.name")
	}
	return nil
}

// sightingAge is how old a look at the target's connections may be. Patrols of
// many accounts share one; a connection counts as a stray when two looks saw it.
const sightingAge = 100 * time.Millisecond

// sighting is one look at all connections at the target.
type sighting struct {
	mu   sync.Mutex
	at   time.Time // guarded by mu
	work []string  // guarded by mu
}

// Strays are the account's connections that are not known.
func (k *keeper) Strays(ctx context.Context, m lease.Made, known []string) ([]string, error) {
	if m.ID == "" {
		return nil, nil
	}
	k.seen.mu.Lock()
	defer k.seen.mu.Unlock()
	if time.Since(k.seen.at) > sightingAge {
		began := time.Now()
		err := k.with(ctx, &k.warm, "patrol", func(c *conn) (err error) {
			k.seen.work, err = connections(ctx, c, "")
			return err
		})
		if err != nil {
			return nil, err
		}
		k.seen.at = began
	}
	var out []string
	for _, id := range k.seen.work {
		if strings.HasSuffix(id, "@"+m.ID) && !slices.Contains(known, id) {
			out = append(out, id)
		}
	}
	return out, nil
}
