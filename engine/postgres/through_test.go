package postgres

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// world is a gateway before the shared server.
func world(t *testing.T, deployment string, more ...func(*enginetest.Options)) *enginetest.World {
	t.Helper()
	opt := enginetest.Options{
		Engine: New(), Deployment: deployment, Resource: resource(),
		Login: pg.URL(loginOf(t, deployment), servers.AdminPassword, "shop"),
		Roles: map[curfew.RoleName][]string{
			"read":  {"read orders", "read refunds"},
			"write": {"read orders", "insert orders", "use sequence orders_id_seq", "update orders", "read refunds", "update refunds (status, note)"},
		},
	}
	for _, f := range more {
		f(&opt)
	}
	return enginetest.New(t, opt)
}

func throughURL(w *enginetest.World, g enginetest.Grant, more string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/shop-db?sslmode=disable%s", g.User, g.Password, w.Address, more)
}

func through(t *testing.T, w *enginetest.World, g enginetest.Grant, more string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(ctx(t), throughURL(w, g, more))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

type suiteClient struct{ c *pgx.Conn }

func (s suiteClient) Do(ctx context.Context) error {
	var n int
	return s.c.QueryRow(ctx, "SELECT count(*)::int FROM orders").Scan(&n)
}

func (s suiteClient) Close() { _ = s.c.Close(context.Background()) }

func TestTheSuite(t *testing.T) {
	w := world(t, "suite")
	defer func() { _ = pg.Exec(context.Background(), "shop", "DELETE FROM orders WHERE cust LIKE 'suite %'") }()
	enginetest.Suite{World: w, Role: "write", Connect: func(ctx context.Context, user, password string) (enginetest.Client, error) {
		c, err := pgx.Connect(ctx, throughURL(w, enginetest.Grant{User: user, Password: password}, ""))
		if err != nil {
			return nil, err
		}
		return suiteClient{c}, nil
	},
		Mark: func(ctx context.Context, c enginetest.Client, word string) error {
			_, err := c.(suiteClient).c.Exec(ctx, "INSERT INTO orders (cust) VALUES ($1)", "suite "+word)
			return err
		},
		Marked: func(word string) (n int, err error) {
			text, err := pg.One(context.Background(), "shop", "SELECT count(*)::text FROM orders WHERE cust = '"+"suite "+word+"'")
			if err == nil {
				n, err = strconv.Atoi(text)
			}
			return n, err
		},
	}.Run(t)
}

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
	t.Fatalf("the recording does not end: %+v", all)
	return nil
}

// awaitItem waits until the recording of a session holds an item: items are to be
// read once they are durable.
func awaitItem(t *testing.T, w *enginetest.World, id curfew.SessionID, kind record.Kind, text string) *record.Item {
	t.Helper()
	var all []record.Item
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		all = w.Items(id)
		if it := find(all, kind, text); it != nil {
			return it
		}
	}
	t.Errorf("no %s %q in %+v", kind, text, all)
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

func TestExtendedProtocolIsRecordedWithItsValues(t *testing.T) {
	w := world(t, "extended")
	g := w.Grant("write", time.Hour)
	c := through(t, w, g, "")
	var total int
	if err := c.QueryRow(ctx(t), "SELECT total FROM orders WHERE id = $1 AND cust = $2", 7, "c7").Scan(&total); err != nil || total != 7 {
		t.Fatal(total, err)
	}
	if _, err := c.Exec(ctx(t), "UPDATE orders SET total = total WHERE id < $1", 4); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx(t), "DELETE FROM orders WHERE id = $1", 4); err == nil {
		t.Fatal("deleted")
	}
	b := &pgx.Batch{}
	for i := range 20 {
		b.Queue("SELECT $1::int", i)
	}
	if err := c.SendBatch(ctx(t), b).Close(); err != nil {
		t.Fatal(err)
	}
	_ = c.Close(ctx(t))
	all := items(t, w, g.ID)
	s := find(all, record.Statement, "WHERE id = $1 AND cust")
	if s == nil || len(s.Values) != 2 || s.Values[1].Text != "c7" {
		t.Fatalf("%+v", s)
	}
	u := find(all, record.Statement, "UPDATE orders")
	refused := find(all, record.Statement, "DELETE FROM orders")
	if u == nil || refused == nil {
		t.Fatalf("%+v", all)
	}
	for _, it := range all {
		if it.Kind == record.Outcome && it.Ref == u.Ref && (it.Tag != "UPDATE 3" || it.Rows != 3) {
			t.Errorf("%+v", it)
		}
		if it.Kind == record.Outcome && it.Ref == refused.Ref && it.Code != "42501" {
			t.Errorf("%+v", it)
		}
	}
}

func TestCopyBothWays(t *testing.T) {
	w := world(t, "copy")
	g := w.Grant("write", time.Hour)
	c := through(t, w, g, "")
	const rows = 50_000
	n, err := c.CopyFrom(ctx(t), pgx.Identifier{"orders"}, []string{"cust", "total"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
		return []any{"copied", i}, nil
	}))
	if err != nil || n != rows {
		t.Fatal(n, err)
	}
	var out bytes.Buffer
	tag, err := c.PgConn().CopyTo(ctx(t), &out, "COPY (SELECT * FROM orders WHERE cust = 'copied') TO STDOUT")
	if err != nil || tag.RowsAffected() != rows || bytes.Count(out.Bytes(), []byte("\n")) != rows {
		t.Fatal(tag, err)
	}
	// A copy that fails half-way leaves the connection as it was: what is still in flight is not a crime.
	_, err = c.PgConn().CopyFrom(ctx(t), strings.NewReader("bad\n"+strings.Repeat("1\tx\t1\n", 200_000)), "COPY orders (id, cust, total) FROM STDIN")
	if err == nil {
		t.Fatal("a bad copy went through")
	}
	if err := c.Ping(ctx(t)); err != nil {
		t.Fatal("after a failed copy:", err)
	}
	_ = pg.Exec(ctx(t), "shop", "DELETE FROM orders WHERE cust = 'copied'")
}

func TestCancelReachesTheStatementAndNothingElse(t *testing.T) {
	w := world(t, "cancel")
	g := w.Grant("read", time.Hour)
	for version, secret := range map[string]int{"3.0": oldSecret, "3.2": newSecret} {
		c := through(t, w, g, "&max_protocol_version="+version)
		if n := len(c.PgConn().SecretKey()); n != secret {
			t.Errorf("protocol %s: a secret of %d bytes", version, n)
		}
		done := make(chan error, 1)
		go func() { _, err := c.PgConn().Exec(context.Background(), "SELECT pg_sleep(20)").ReadAll(); done <- err }()
		time.Sleep(100 * time.Millisecond)
		if err := c.PgConn().CancelRequest(ctx(t)); err != nil {
			t.Fatal(err)
		}
		var e *pgconn.PgError
		if err := <-done; !errors.As(err, &e) || e.Code != "57014" {
			t.Fatal(err)
		}
		if err := c.Ping(ctx(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACutStatementLeavesNoRow(t *testing.T) {
	w := world(t, "cutrow")
	g := w.Grant("write", time.Hour)
	c := through(t, w, g, "")
	done := make(chan error, 1)
	go func() {
		_, err := c.PgConn().Exec(context.Background(), "SELECT pg_sleep(2); INSERT INTO orders (cust) VALUES ('too late')").ReadAll()
		done <- err
	}()
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	w.Revoke(g.ID)
	err := <-done
	t.Logf("the client saw the end after %s: %v", time.Since(began), err)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "57P01" || e.Detail == "" || e.Hint == "" {
		t.Errorf("the farewell was %v", err)
	}
	w.Await(g.ID, access.Gone)
	t.Logf("verified after %s", time.Since(began))
	time.Sleep(2 * time.Second) // in the server's time: the statement would have gone on by now
	if n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM orders WHERE cust = 'too late'"); err != nil || n != "0" {
		t.Fatal(n, err)
	}
}

func TestAClientThatStopsReadingIsCut(t *testing.T) {
	w := world(t, "stuck")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "")
	conn, err := c.PgConn().Hijack()
	if err != nil {
		t.Fatal(err)
	}
	conn.Frontend.SendQuery(&pgproto3.Query{String: "SELECT repeat('x', 1000) FROM generate_series(1, 300000)"})
	if err := conn.Frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // let every buffer fill
	began := time.Now()
	w.Revoke(g.ID)
	w.Await(g.ID, access.Gone)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("verified after %s", took)
	}
	_ = conn.Conn.Close()
}

func TestATargetThatDiesIsSaid(t *testing.T) {
	w := world(t, "dies")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "")
	if err := pg.Exec(ctx(t), "shop", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'curfew_dies_l_%'"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		for len(w.Items(w.Sessions(g.ID)[0])) == 0 || find(w.Items(w.Sessions(g.ID)[0]), record.Closed, "") == nil {
			time.Sleep(5 * time.Millisecond)
		}
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("a session whose target is gone lives on")
	}
	if err := c.Ping(ctx(t)); err == nil {
		t.Fatal("it answers")
	}
}

func psql(t *testing.T, w *enginetest.World, g enginetest.Grant, options string, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(ctx(t), "psql", append([]string{"-X", "-w"}, args...)...)
	host, port, _ := net.SplitHostPort(w.Address)
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER="+g.User, "PGPASSWORD="+g.Password, "PGDATABASE=shop-db", "PGSSLMODE=prefer")
	cmd.Env = append(cmd.Env, strings.Fields(options)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestPsqlSeesNoticesAndTheFarewell(t *testing.T) {
	w := world(t, "psql", func(o *enginetest.Options) {
		for s := 2; s < 60; s += 2 { // one of them comes while the client sleeps, however slow the machine is
			o.Notices = append(o.Notices, time.Hour-time.Duration(s)*time.Second)
		}
	})
	g := w.Grant("write", time.Hour)
	out, err := psql(t, w, g, "", "SELECT count(*) AS n FROM orders;\n\\copy (SELECT id FROM orders LIMIT 3) TO STDOUT\n\\gdesc\n")
	if err != nil || !strings.Contains(out, "NOTICE:  Curfew: shop-db as write until") || !strings.Contains(out, "100") {
		t.Fatal(err, out)
	}
	out, err = psql(t, w, g, "", "SELECT pg_sleep(2.5);\nSELECT 1;\n")
	if err != nil || !strings.Contains(out, "WARNING:  Curfew:") {
		t.Error("no warning:", err, out)
	}
	go func() {
		for {
			time.Sleep(20 * time.Millisecond)
			if ids := w.Sessions(g.ID); find(w.Items(ids[len(ids)-1]), record.Statement, "pg_sleep(7)") != nil {
				break
			}
		}
		w.Revoke(g.ID)
	}()
	out, err = psql(t, w, g, "", "SELECT pg_sleep(7);\n")
	for _, want := range []string{"FATAL:  Curfew: your access to shop-db ended at", "DETAIL:", "HINT:"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %v: %s", want, err, out)
		}
	}
	out, err = psql(t, w, g, "", "SELECT 1;\n")
	if err == nil || !strings.Contains(out, "Curfew:") || !strings.Contains(out, "HINT:") {
		t.Error("the refusal:", err, out)
	}
}

func TestCtrlCInPsql(t *testing.T) {
	w := world(t, "ctrlc")
	g := w.Grant("read", time.Hour)
	host, port, _ := net.SplitHostPort(w.Address)
	cmd := exec.CommandContext(ctx(t), "psql", "-X", "-w", "-c", "SELECT pg_sleep(20)")
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER="+g.User, "PGPASSWORD="+g.Password, "PGDATABASE=shop-db")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		n, err := pg.One(ctx(t), "shop", "SELECT count(*)::text FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(20)' AND state = 'active'")
		if err == nil && n == "1" {
			break
		}
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait()
	if !strings.Contains(out.String(), "canceling statement due to user request") {
		t.Error(out.String())
	}
}

// Every kind of certificate that a gateway may be given, with libpq and pgx.
func TestKindsOfCertificates(t *testing.T) {
	key := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p384, err384 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	bits, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	_, ed, errEd := ed25519.GenerateKey(rand.Reader)
	for _, c := range []struct {
		name, binding string
		key           crypto.Signer
	}{
		{"p384", "require", key(p384, err384)}, {"rsa", "require", key(bits, errRSA)}, {"ed25519", "prefer", key(ed, errEd)},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert := selfSigned(t, c.key)
			w := world(t, "tls"+c.name, func(o *enginetest.Options) {
				o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
			})
			g := w.Grant("read", time.Hour)
			out, err := psql(t, w, g, "PGSSLMODE=require PGCHANNELBINDING="+c.binding, "SELECT count(*) AS n FROM orders;\n")
			if err != nil || !strings.Contains(out, "(1 row)") {
				t.Error(err, out)
			}
			cfg, err := pgx.ParseConfig(throughURL(w, g, ""))
			if err != nil {
				t.Fatal(err)
			}
			cfg.TLSConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a certificate of this test's own
			cfg.ChannelBinding = c.binding
			conn, err := pgx.ConnectConfig(ctx(t), cfg)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close(ctx(t))
		})
	}
}

func TestTLSOnBothSides(t *testing.T) {
	cert := authority(t)
	w := world(t, "tls", func(o *enginetest.Options) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		o.Login = strings.Replace(o.Login, "sslmode=disable", "sslmode=verify-full&sslrootcert=file:ca", 1)
		o.CA = pg.CA
	})
	g := w.Grant("write", time.Hour)
	out, err := psql(t, w, g, "PGSSLMODE=require PGCHANNELBINDING=require", "SELECT count(*) AS n FROM orders;\n\\conninfo\n")
	if err != nil || !strings.Contains(out, "100") {
		t.Fatal(err, out)
	}
	cfg, err := pgx.ParseConfig(throughURL(w, g, ""))
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLSConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a certificate of this test's own
	c, err := pgx.ConnectConfig(ctx(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	n, err := c.CopyFrom(ctx(t), pgx.Identifier{"orders"}, []string{"cust"}, pgx.CopyFromSlice(10_000, func(int) ([]any, error) { return []any{"copied"}, nil }))
	if err != nil || n != 10_000 {
		t.Fatal(n, err)
	}
	done := make(chan error, 1)
	go func() { _, err := c.PgConn().Exec(context.Background(), "SELECT pg_sleep(20)").ReadAll(); done <- err }()
	time.Sleep(100 * time.Millisecond)
	if err := c.PgConn().CancelRequest(ctx(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; codeOf(err) != "57014" {
		t.Fatal(err)
	}
	go func() { time.Sleep(100 * time.Millisecond); w.Revoke(g.ID) }()
	if _, err := c.Exec(ctx(t), "SELECT pg_sleep(5)"); codeOf(err) != "57P01" {
		t.Error("the farewell through TLS:", err)
	}
	_ = pg.Exec(ctx(t), "shop", "DELETE FROM orders WHERE cust = 'copied'")
}

func TestADatabaseThatIsNotTheResource(t *testing.T) {
	w := world(t, "other")
	g := w.Grant("read", time.Hour)
	for name, want := range map[string]string{"shop-db": "", "shop": "", "billing": "3D000"} {
		c, err := pgx.Connect(ctx(t), strings.Replace(throughURL(w, g, ""), "/shop-db", "/"+name, 1))
		if codeOf(err) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = c.Close(ctx(t))
		}
	}
}

func TestTheClientsSettingsPassAndOursWin(t *testing.T) {
	w := world(t, "settings")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "&timezone=Asia/Tokyo&options=-c%20work_mem%3D5MB%20-c%20client_connection_check_interval%3D0%20-c%20application_name%3Dx")
	for name, want := range map[string]string{"TimeZone": "Asia/Tokyo", "work_mem": "5MB", "client_connection_check_interval": "200ms"} {
		var got string
		if err := c.QueryRow(ctx(t), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q: %v", name, got, err)
		}
	}
}

func TestUnknownMessagesEndTheSession(t *testing.T) {
	w := world(t, "unknown")
	for name, raw := range map[string]string{"a function call of another form": "F\x00\x00\x00\x0b\x00\x00\x00\x01\x00\x00\x00", "nonsense": "!\x00\x00\x00\x04", "a startup": "\x00\x00\x00\x08\x04\xd2\x16\x2f"} {
		g := w.Grant("read", time.Hour)
		conn, err := through(t, w, g, "").PgConn().Hijack()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Conn.Write([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		got, err := conn.Frontend.Receive()
		if e, ok := got.(*pgproto3.ErrorResponse); !ok || e.Severity != "FATAL" || e.Code != "08P01" {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		_ = conn.Conn.Close()
		if all := items(t, w, g.ID); all[len(all)-1].Code != string(curfew.CauseProtocol) || find(all, record.Refused, "") == nil {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

func TestStatusIsAnsweredByTheGateway(t *testing.T) {
	w := world(t, "status")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "")
	for _, state := range []string{"", "BEGIN", "SELECT 1/0"} {
		if state != "" {
			_, _ = c.PgConn().Exec(ctx(t), state).ReadAll()
		}
		got, err := c.PgConn().Exec(ctx(t), "SELECT curfew.status();").ReadAll()
		if err != nil || len(got) != 1 || !strings.Contains(string(got[0].Rows[0][0]), "shop-db as read until") {
			t.Fatal(state, got, err)
		}
		if want := map[string]byte{"": 'I', "BEGIN": 'T', "SELECT 1/0": 'E'}[state]; c.PgConn().TxStatus() != want {
			t.Errorf("after %q the transaction is %c", state, c.PgConn().TxStatus())
		}
	}
	if _, err := c.PgConn().Exec(ctx(t), "ROLLBACK; SELECT curfew.status()").ReadAll(); codeOf(err) != "3F000" {
		t.Error("with another statement it is the target's:", err)
	}
	var text string
	if err := c.QueryRow(ctx(t), "SELECT 'still here'").Scan(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(pg.Log(), "statement: SELECT curfew.status();") {
		t.Error("the target saw it")
	}
}

// What the target itself refuses for want of rights is counted with what we refuse.
func TestRefusalsAreCounted(t *testing.T) {
	for name, w := range map[string]*enginetest.World{"leased": world(t, "counted"), "fixed": fixed(t, "fixedcounted")} {
		g := w.Grant("write", time.Hour)
		c := through(t, w, g, "")
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			if _, err := c.Exec(ctx(t), "SELECT * FROM salaries", mode); err == nil {
				t.Error("not refused")
			}
			if _, err := c.Exec(ctx(t), "SELECT 1/0", mode); err == nil {
				t.Error("an error of another kind did not come")
			}
		}
		_ = c.Close(ctx(t))
		sum := w.Ended(g.ID)
		if sum.Refused != 2 {
			t.Errorf("%s: %+v", name, sum)
		}
	}
}
