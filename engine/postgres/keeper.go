package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// keeper makes and removes accounts at one target. It keeps at most five
// connections to it.
type keeper struct {
	target lease.Target
	doors  [2]line // make, open, limit
	broom  [2]line // remove: a removal that waits holds up no log-in
	warm   line    // the cut and the patrol: never behind the others
	turn   atomic.Uint32
	groups sync.Mutex
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
	conn *pgx.Conn // guarded by mu
}

// with runs f on the line's connection, opening it if need be. A connection that
// broke is thrown away.
func (k *keeper) with(ctx context.Context, l *line, errand string, f func(*pgx.Conn) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for try := 0; ; try++ {
		fresh := l.conn == nil
		if fresh {
			conn, err := k.connect(ctx, "", errand)
			if err != nil {
				return err
			}
			l.conn = conn
		}
		err := f(l.conn)
		if err == nil || !l.conn.IsClosed() {
			return k.wrap(err)
		}
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
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = l.conn.Close(ctx)
			cancel()
			l.conn = nil
		}
		l.mu.Unlock()
	}
}

// connect opens a connection as the gateway's own login. database "" is the resource's.
func (k *keeper) connect(ctx context.Context, database, errand string) (*pgx.Conn, error) {
	login, err := k.target.Login(ctx)
	if err != nil {
		return nil, err
	}
	if database == "" {
		database = k.database(login)
	}
	cfg, err := clientConfig(k.target.Resource, login, database)
	if err != nil {
		return nil, err
	}
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return k.target.Dial(ctx, errand) }
	cfg.RuntimeParams = map[string]string{"search_path": "pg_catalog", "application_name": "curfew", "client_min_messages": "warning", "lock_timeout": "2s"}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err == nil {
		if err = k.ask(ctx, conn); err != nil {
			err = errors.Join(err, conn.Close(ctx))
		}
	}
	return conn, k.wrap(err)
}

func (k *keeper) database(login lease.Login) string {
	if s, err := settingsOf(k.target.Resource); err == nil && s.Database != "" {
		return s.Database
	}
	return login.Database
}

// clientConfig is a connection to a target by a login, without a dialer.
func clientConfig(res curfew.Resource, login lease.Login, database string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig("host=target port=5432 sslmode=disable")
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "prepare a connection")
	}
	cfg.User, cfg.Password, cfg.Database = login.User, login.Password, database
	cfg.Fallbacks = nil
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"target"}, nil }
	cfg.TLSConfig, err = targetTLS(res, login)
	cfg.AfterNetConnect = bindWhereDefined
	return cfg, err
}

// bindWhereDefined turns channel binding off where RFC 5929 defines none for the
// server's certificate: otherwise both sides suspect somebody in between. Without
// binding only a certificate that was verified says who is there.
func bindWhereDefined(_ context.Context, cfg *pgconn.Config, conn net.Conn) (net.Conn, error) {
	t, ok := conn.(*tls.Conn)
	if !ok || !unbound(t.ConnectionState().PeerCertificates) {
		return conn, nil
	}
	if cfg.TLSConfig == nil || cfg.TLSConfig.InsecureSkipVerify {
		return conn, curfew.Errorf(curfew.Invalid, "the server's certificate is signed in a way for which channel binding is undefined, and it is not verified").WithRule("resource.tls").
			WithFix("verify it: sslmode=verify-full in the credential, with sslrootcert")
	}
	cfg.ChannelBinding = "disable"
	return conn, nil
}

// unbound reports whether tls-server-end-point is undefined for a certificate.
func unbound(chain []*x509.Certificate) bool {
	return len(chain) == 0 || chain[0].SignatureAlgorithm == x509.PureEd25519 || chain[0].SignatureAlgorithm == x509.UnknownSignatureAlgorithm
}

// targetTLS is how the credential says the target is to be met.
func targetTLS(res curfew.Resource, login lease.Login) (*tls.Config, error) {
	host, _, _ := net.SplitHostPort(res.Address)
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	switch mode := login.Options["sslmode"]; mode {
	case "disable":
		return nil, nil //nolint:nilnil // no TLS
	case "require":
		cfg.InsecureSkipVerify = true //nolint:gosec // what the operator wrote into the credential
	case "verify-full", "":
	case "verify-ca":
		return nil, curfew.Errorf(curfew.Invalid, "sslmode verify-ca is not offered").WithFix("use verify-full")
	default:
		return nil, curfew.Errorf(curfew.Invalid, "the credential's sslmode %.20q is none of disable, require, verify-full", mode)
	}
	if pem := login.Options["sslrootcert"]; pem != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM([]byte(pem)) {
			return nil, curfew.Errorf(curfew.Invalid, "the credential's sslrootcert holds no certificate")
		}
	}
	return cfg, nil
}

// wrap gives a target's error a code. It never holds a secret: the messages are
// the server's and pgx's, and no statement with one is part of them.
func (k *keeper) wrap(err error) error {
	if err == nil {
		return nil
	}
	if e := new(curfew.Error); errors.As(err, &e) {
		return err
	}
	name := k.target.Resource.Name
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return curfew.Wrap(curfew.Unavailable, err, "%s doesn't answer", name).WithRule("resource.down")
	}
	switch pg.Code {
	case notListed:
		return notAllowed(name, pg.Message)
	case insufficientPrivilege:
		return curfew.Errorf(curfew.Denied, "the gateway's own login on %s may not do that: %s", name, pg.Message).WithRule("resource.rights").WithFix("curfew doctor")
	case "42P01", "42883", "3F000", "42703", "42704": // no such table, function, schema, column, object
		return curfew.Errorf(curfew.Invalid, "%s: %s", name, pg.Message).WithRule("role.object").WithFix("correct the role: curfew plan")
	}
	return curfew.Errorf(curfew.Unavailable, "%s: %s (%s)", name, pg.Message, pg.Code).WithRule("resource.down")
}

// again reports whether a whole transaction may be tried again: locks, and another
// node that made the same role in the same moment.
func again(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return slices.Contains([]string{"40P01", "55P03", "40001", "23505", "42710"}, pg.Code) || pg.Code == "XX000" && strings.Contains(pg.Message, "concurrently updated")
}

// quote writes an identifier.
func quote(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// literal writes a string constant.
func literal(s string) string {
	if strings.Contains(s, `\`) {
		return ` E'` + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(s) + `'`
	}
	return `'` + strings.ReplaceAll(s, `'`, `''`) + `'`
}

func major(conn *pgx.Conn) int {
	v := conn.PgConn().ParameterStatus("server_version")
	n := 0
	for _, c := range v {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999") + "+00" }

// Limit moves the account's end at the target: no log-in after it.
func (k *keeper) Limit(ctx context.Context, p lease.Plan, until time.Time) error {
	if err := k.ours(p.Account); err != nil {
		return err
	}
	return k.with(ctx, k.free(&k.doors), "limit "+string(p.Lease), func(c *pgx.Conn) error {
		return retry(ctx, func() error { return k.hands(c).limit(ctx, c, p.Account, until) })
	})
}

// Unlock sets a fresh password, of which only a verifier travels, and lets the
// account log in until shut.
func (k *keeper) Unlock(ctx context.Context, p lease.Plan, _ lease.Made) (string, func(context.Context) error, error) {
	if err := k.ours(p.Account); err != nil {
		return "", nil, err
	}
	password, verifier, err := newVerifier()
	if err != nil {
		return "", nil, err
	}
	shut := func(ctx context.Context) error {
		return k.with(ctx, k.free(&k.doors), "lock "+string(p.Lease), func(c *pgx.Conn) error {
			return gone(retry(ctx, func() error { return k.hands(c).shut(ctx, c, p.Account) }))
		})
	}
	err = k.with(ctx, k.free(&k.doors), "unlock "+string(p.Lease), func(c *pgx.Conn) error {
		return retry(ctx, func() error { return k.hands(c).open(ctx, c, p.Account, verifier) })
	})
	return password, shut, err
}

// gone forgives that the role is not there: it cannot log in either.
func gone(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42704" {
		return nil
	}
	return err
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
	database := k.database(login)
	login.User, login.Password = p.Account, password
	cfg, err := clientConfig(k.target.Resource, login, database)
	if err == nil {
		cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return k.target.Dial(ctx, "test "+string(p.Lease))
		}
		var conn *pgx.Conn
		if conn, err = pgx.ConnectConfig(ctx, cfg); err == nil {
			err = errors.Join(conn.Ping(ctx), conn.Close(ctx))
		}
	}
	return errors.Join(k.wrap(err), shut(context.WithoutCancel(ctx)))
}

// workID names a backend by its process and its account, so that a process
// number that is used again is nobody else's.
func workID(pid uint32, account string) string { return itoa(pid) + "@" + account }

func splitWork(id string) (pid int32, account string, ok bool) {
	num, account, ok := strings.Cut(id, "@")
	n := int64(0)
	for _, c := range num {
		if c < '0' || c > '9' || n > 1<<31 {
			return 0, "", false
		}
		n = n*10 + int64(c-'0')
	}
	return int32(n), account, ok && num != ""
}

// Terminate ends backends and returns when they are seen to be gone.
func (k *keeper) Terminate(ctx context.Context, work []string) error {
	var pids []int32
	var accounts []string
	for _, id := range work {
		if pid, account, ok := splitWork(id); ok {
			pids, accounts = append(pids, pid), append(accounts, account)
		}
	}
	for wait := time.Millisecond; len(pids) > 0; wait = min(2*wait, 50*time.Millisecond) {
		n := 0 // asked again and again, and the line let go in between: one that does not die holds up no other
		err := k.with(ctx, &k.warm, "terminate", func(c *pgx.Conn) error {
			var err error
			n, err = k.hands(c).endWork(ctx, c, pids, accounts)
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

// Accounts lists this deployment's lease accounts.
func (k *keeper) Accounts(ctx context.Context) (out []string, err error) {
	err = k.with(ctx, k.free(&k.doors), "list accounts", func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1) ORDER BY 1`, k.named("l"))
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return slices.DeleteFunc(out, func(a string) bool { return k.ours(a) != nil }), err
}

// Expired lists those whose VALID UNTIL is over, by the target's own clock, for longer
// than a lease takes to be removed in.
func (k *keeper) Expired(ctx context.Context) (out []string, err error) {
	err = k.with(ctx, k.free(&k.doors), "list expired accounts", func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1) AND rolvaliduntil < now() - interval '5 minutes' ORDER BY 1`, k.named("l"))
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return slices.DeleteFunc(out, func(a string) bool { return k.ours(a) != nil }), err
}

// named is how this deployment's roles of a kind begin: l(eases), g(roups), k(ept).
func (k *keeper) named(kind string) string { return "curfew_" + k.target.Deployment + "_" + kind + "_" }

// ours refuses an account that is not a lease of this deployment, to the letter.
func (k *keeper) ours(account string) error {
	id, ok := strings.CutPrefix(account, k.named("l"))
	if !ok || !curfew.HasPrefix("l_"+strings.ToUpper(id), "l") || id != strings.ToLower(id) || len(account) > 63 {
		return curfew.Errorf(curfew.Denied, "%.80q is no account of this deployment", account).WithRule("lease.name")
	}
	return nil
}
