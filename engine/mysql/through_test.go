package mysql

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

// certificate is a throw-away one for loopback, that signs itself.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}}, pool
}

func number(t *testing.T, err error) uint16 {
	t.Helper()
	var refusal *mysql.MySQLError
	if !errors.As(err, &refusal) {
		t.Fatalf("no error of the protocol's: %v", err)
	}
	return refusal.Number
}

func TestClientsProveThemselvesInEachWay(t *testing.T) {
	cfg, pool := certificate(t)
	w := world(t, "proof", func(o *enginetest.Options) { o.TLS = cfg })
	g := w.Grant("read", time.Hour)
	for name, f := range map[string]func(*mysql.Config){
		"under the gateway's key, in the clear": func(*mysql.Config) {},
		"inside TLS":                            func(c *mysql.Config) { c.TLS = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"} },
		"switched from the native plugin":       func(c *mysql.Config) { c.AllowNativePasswords = true },
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, w, g, f)
			var n int
			must(t, c.QueryRowContext(within(t), "SELECT 40 + 2").Scan(&n))
			if n != 42 {
				t.Errorf("%d", n)
			}
			db := through(w, g.User, "wrong", f)
			defer func() { _ = db.Close() }()
			if err := db.PingContext(within(t)); number(t, err) != errAccessDenied {
				t.Errorf("a wrong secret: %v", err)
			}
		})
	}
}

func TestBothProtocolsAreRecorded(t *testing.T) {
	w := world(t, "both")
	g := w.Grant("write", time.Hour)
	c := connect(t, w, g)
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	_, err := c.ExecContext(within(t), "INSERT INTO orders (cust, at, n, raw) VALUES (?, ?, ?, ?)", "both Ann", at, "12.50", []byte{0xff, 0x00})
	must(t, err)
	_, err = c.ExecContext(within(t), "INSERT INTO orders (cust, n) VALUES (?, ?)", nil, int64(-3))
	must(t, err)
	rows, err := c.QueryContext(within(t), "SELECT id, cust FROM orders WHERE cust = 'both Ann' OR cust IS NULL")
	must(t, err)
	n := 0
	for rows.Next() {
		n++
	}
	must(t, errors.Join(rows.Err(), rows.Close()))
	_, err = c.ExecContext(within(t), "SELECT secret FROM orders")
	if number(t, err) != 1054 {
		t.Errorf("%v", err)
	}
	_, err = c.ExecContext(within(t), "SELECT card FROM refunds")
	if number(t, err) != 1143 {
		t.Errorf("a column that the role does not name: %v", err)
	}
	_, _ = c.ExecContext(within(t), "DELETE FROM orders")
	bye(c)
	all := items(t, w, g.ID)
	s := find(all, record.Statement, "INSERT INTO orders (cust, at")
	if s == nil || len(s.Values) != 4 || s.Values[0].Text != "both Ann" || s.Values[1].Text != "2026-03-04 05:06:07.000008" || s.Values[2].Text != "12.50" || s.Values[3].Text != "ff00" || !s.Values[3].Binary {
		t.Errorf("%+v", s)
	}
	if s := find(all, record.Statement, "INSERT INTO orders (cust, n)"); s == nil || !s.Values[0].Null || s.Values[1].Text != "-3" {
		t.Errorf("%+v", s)
	}
	if it := outcomeOf(t, all, "SELECT id, cust"); n != 2 || it.Rows != 2 || it.Bytes == 0 || it.Took <= 0 {
		t.Errorf("%d rows read, recorded %+v", n, it)
	}
	if it := outcomeOf(t, all, "SELECT secret"); it.Code != "1054" || it.Error == "" {
		t.Errorf("%+v", it)
	}
	if it := outcomeOf(t, all, "DELETE FROM orders"); it.Rows < 2 {
		t.Errorf("%+v", it)
	}
}

func TestSeveralStatementsAndResults(t *testing.T) {
	w := world(t, "several")
	g := w.Grant("read", time.Hour)
	c := connect(t, w, g, severalStatements)
	for _, text := range []string{"SELECT 1; SELECT 2", "CALL two()"} {
		rows, err := c.QueryContext(within(t), text)
		must(t, err)
		var got []int
		for more := true; more; more = rows.NextResultSet() {
			for rows.Next() {
				var n int
				must(t, rows.Scan(&n))
				got = append(got, n)
			}
		}
		must(t, errors.Join(rows.Err(), rows.Close()))
		if len(got) != 2 || got[0] != 1 || got[1] != 2 {
			t.Errorf("%s: %v", text, got)
		}
	}
	bye(c)
	if it := outcomeOf(t, items(t, w, g.ID), "SELECT 1; SELECT 2"); it.Rows != 2 {
		t.Errorf("%+v", it)
	}
}

func TestPacketsOf16MiBAndMore(t *testing.T) {
	w := world(t, "large")
	must(t, maria.Exec(context.Background(), "", "SET GLOBAL max_allowed_packet = 67108864"))
	g := w.Grant("read", time.Hour)
	c := connect(t, w, g, func(cfg *mysql.Config) { cfg.MaxAllowedPacket = 64 << 20 })
	big := strings.Repeat("x", 20<<20)
	var n int
	var back string
	must(t, c.QueryRowContext(within(t), "SELECT LENGTH('"+big+"')").Scan(&n))
	must(t, c.QueryRowContext(within(t), "SELECT ?", big).Scan(&back))
	if n != len(big) || back != big {
		t.Errorf("%d, and %d came back", n, len(back))
	}
	must(t, c.QueryRowContext(within(t), "SELECT 7").Scan(&n)) // the sequence is whole
	if n != 7 {
		t.Error(n)
	}
	bye(c)
	all := items(t, w, g.ID)
	if s := find(all, record.Statement, "SELECT ?"); s == nil || s.Values[0].Cut == 0 || s.Values[0].Cut+len(s.Values[0].Text) != len(big) {
		t.Error("a long value is not recorded as far as the limit")
	}
}

func TestLocalFilesStay(t *testing.T) {
	w := world(t, "infile")
	g := w.Grant("write", time.Hour)
	c := connect(t, w, g, func(cfg *mysql.Config) { cfg.AllowAllFiles = true })
	_, err := c.ExecContext(within(t), "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE orders (cust)")
	if n := number(t, err); n != errNotAllowed && n != 4166 {
		t.Errorf("%v", err)
	}
	var n int
	must(t, c.QueryRowContext(within(t), "SELECT 1").Scan(&n))
}

// raw speaks the protocol by hand behind the log-in that the driver has made.
type raw struct {
	t    *testing.T
	conn net.Conn
}

func speak(t *testing.T, w *enginetest.World, g enginetest.Grant, more ...func(*mysql.Config)) *raw {
	t.Helper()
	r := &raw{t: t}
	db := through(w, g.User, g.Password, func(cfg *mysql.Config) {
		for _, f := range more {
			f(cfg)
		}
		cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			r.conn = conn
			return conn, err
		}
	})
	t.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(within(t))
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return r
}

// ask sends a command and reads one packet of its answer.
func (r *raw) ask(payload ...byte) []byte {
	r.t.Helper()
	_ = r.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := r.conn.Write(appendPacket(nil, 0, payload)); err != nil {
		r.t.Fatal(err)
	}
	p, err := readPacket(r.conn, maxPayload)
	must(r.t, err)
	if p.seq != 1 {
		r.t.Errorf("the answer's number is %d", p.seq)
	}
	return p.payload
}

func TestCommandsThatDoNotPassAreRefusedByName(t *testing.T) {
	w := world(t, "names")
	g := w.Grant("read", time.Hour)
	r := speak(t, w, g)
	for b, word := range map[byte]string{
		comChangeUser: "COM_CHANGE_USER", comBinlogDump: "replication", comBinlogDumpGTID: "replication", comRegisterReplica: "replication", comTableDump: "replication",
		0x05: "0x05", 0x07: "0x07", 0x08: "0x08", 0x0d: "0x0d", 0xfa: "0xfa", 0xfe: "0xfe",
	} {
		if got := parseErr(r.ask(b, 'x', 0)); !strings.Contains(got.Error(), word) {
			t.Errorf("0x%02x: %v", b, got)
		}
	}
	if got := r.ask(comPing); got[0] != okHeader {
		t.Errorf("after refusals: %x", got)
	}
	if got := r.ask(comResetConnection); got[0] != okHeader {
		t.Errorf("COM_RESET_CONNECTION: %x", got)
	}
	if got := r.ask(append([]byte{comInitDB}, "shop"...)...); got[0] != okHeader {
		t.Errorf("COM_INIT_DB: %x", got)
	}
	if got := parseErr(r.ask(comStmtExecute, 9, 0, 0, 0, 0, 1, 0, 0, 0)); !strings.Contains(got.Error(), "Unknown prepared") {
		t.Errorf("%v", got)
	}
	if got := r.ask(comStatistics); !bytes.Contains(got, []byte("Uptime")) {
		t.Errorf("COM_STATISTICS: %q", got)
	}
	_ = r.conn.Close()
	all := items(t, w, g.ID)
	if find(all, record.Refused, "COM_CHANGE_USER") == nil || find(all, record.Statement, "USE shop") == nil {
		t.Errorf("%+v", all)
	}
}

func TestLongValuesThatComeAhead(t *testing.T) {
	w := world(t, "ahead")
	g := w.Grant("read", time.Hour)
	r := speak(t, w, g)
	plan := r.ask(append([]byte{comStmtPrepare}, "SELECT ?"...)...)
	for range 4 { // a parameter, its EOF, a column, its EOF
		_, err := readPacket(r.conn, maxPayload)
		must(t, err)
	}
	id := plan[1:5]
	for _, part := range []string{"early ", "words"} {
		_, err := r.conn.Write(appendPacket(nil, 0, append(append([]byte{comStmtLongData}, append(id, 0, 0)...), part...)))
		must(t, err)
	}
	if got := r.ask(append(append([]byte{comStmtExecute}, id...), 0, 1, 0, 0, 0, 0, 1, 0xfc, 0)...); got[0] != 1 {
		t.Fatalf("%x", got)
	}
	for range 4 { // a column, its EOF, a row, its EOF
		p, err := readPacket(r.conn, maxPayload)
		must(t, err)
		t.Logf("%q", p.payload)
	}
	_ = r.conn.Close()
	if s := find(items(t, w, g.ID), record.Statement, "SELECT ?"); s == nil || s.Values[0].Text != "early words" {
		t.Errorf("%+v", s)
	}
}

func TestTheCutLeavesNoRow(t *testing.T) {
	w := world(t, "cut")
	for _, before := range []string{"SELECT SLEEP(60)", "DO SLEEP(60)"} {
		t.Run(before, func(t *testing.T) { cutBehind(t, w, before) })
	}
}

// cutBehind cuts a session between two statements of one text. What runs is ended with its
// connection: where only the statement is, the next one follows.
func cutBehind(t *testing.T, w *enginetest.World, before string) {
	t.Helper()
	g := w.Grant("write", time.Hour)
	c := connect(t, w, g, severalStatements)
	done := make(chan error, 1)
	go func() {
		_, err := c.ExecContext(context.Background(), before+"; INSERT INTO orders (cust) VALUES ('cut late')")
		done <- err
	}()
	awaitThread(t, "SLEEP(60)", true)
	began := time.Now()
	w.Revoke(g.ID)
	err := <-done
	if number(t, err) != errDisconnected || !strings.Contains(err.Error(), "Curfew: ") {
		t.Errorf("the farewell: %v", err)
	}
	awaitThread(t, "SLEEP(60)", false)
	if took := time.Since(began); took > 8*time.Second { // it would sleep for a minute
		t.Errorf("it took %s", took)
	}
	w.Await(g.ID, access.Gone)
	if n, err := maria.One(context.Background(), "shop", "SELECT COUNT(*) FROM orders WHERE cust = 'cut late'"); err != nil || n != "0" {
		t.Errorf("%s rows of what was cut: %v", n, err)
	}
}

// awaitThread waits until a statement runs at the target, or does not.
func awaitThread(t *testing.T, text string, want bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		n, err := maria.One(context.Background(), "", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE 'curfew%' AND INFO LIKE '%"+text+"%'")
		must(t, err)
		if (n != "0") == want {
			return
		}
	}
	t.Fatalf("%q runs: still not %v", text, want)
}

func TestAClientThatIsIdleHearsTheFarewell(t *testing.T) {
	w := world(t, "idle")
	g := w.Grant("read", time.Hour)
	r := speak(t, w, g)
	w.Revoke(g.ID)
	w.Await(g.ID, access.Gone)
	_ = r.conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = r.conn.Write(appendPacket(nil, 0, []byte{comPing}))
	p, err := readPacket(r.conn, maxPayload)
	must(t, err)
	var e serverError
	if err := parseErr(p.payload); !errors.As(err, &e) || e.number != errDisconnected || e.state != "08S01" || p.seq != 1 || !strings.Contains(e.message, "ended") {
		t.Errorf("%d %+v", p.seq, err)
	}
}

func TestARefusalIsSaidInTheProtocolsWords(t *testing.T) {
	w := world(t, "refusal")
	g := w.Grant("read", time.Hour)
	w.Revoke(g.ID)
	w.Await(g.ID, access.Gone)
	db := through(w, g.User, g.Password)
	defer func() { _ = db.Close() }()
	err := db.PingContext(within(t))
	var refusal *mysql.MySQLError
	if !errors.As(err, &refusal) || refusal.Number != errAccessDenied || string(refusal.SQLState[:]) != "28000" || !strings.HasPrefix(refusal.Message, "Curfew: ") {
		t.Errorf("%v", err)
	}
}

func TestAWarningBeforeTheEnd(t *testing.T) {
	w := world(t, "warning", func(o *enginetest.Options) { o.Notices = []time.Duration{10 * time.Minute} })
	g := w.Grant("read", time.Hour)
	c := connect(t, w, g)
	warned := func() (level, text string) {
		rows, err := c.QueryContext(within(t), "SHOW WARNINGS")
		must(t, err)
		defer func() { _ = rows.Close() }()
		if rows.Next() {
			var code int
			must(t, rows.Scan(&level, &code, &text))
			if code != errDisconnected {
				t.Errorf("code %d", code)
			}
		}
		return level, text
	}
	ask := func() {
		var n int
		must(t, c.QueryRowContext(within(t), "SELECT 1").Scan(&n))
	}
	if ask(); mustBeSilent(warned()) {
		t.Error("warned too early")
	}
	w.Shorten(g.ID, 9*time.Minute)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		ask()
		level, text := warned()
		if level == "Warning" && strings.Contains(text, "Curfew: ") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no warning")
		}
	}
	if ask(); mustBeSilent(warned()) {
		t.Error("warned twice")
	}
	bye(c)
	if find(items(t, w, g.ID), record.Notice, "Curfew: ") == nil {
		t.Error("the notice is not recorded")
	}
}

func mustBeSilent(level, _ string) bool { return level != "" }

func TestKillQueryFindsTheTargetsThread(t *testing.T) {
	w := world(t, "kill")
	g := w.Grant("read", time.Hour)
	var thread uint32
	db := through(w, g.User, g.Password, func(cfg *mysql.Config) {
		cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &greetingReader{Conn: conn, thread: &thread}, err
		}
	})
	defer func() { _ = db.Close() }()
	c, err := db.Conn(within(t))
	must(t, err)
	defer func() { _ = c.Close() }()
	done := make(chan error, 1)
	go func() {
		var n int
		done <- c.QueryRowContext(context.Background(), "SELECT SLEEP(50)").Scan(&n)
	}()
	awaitThread(t, "SLEEP(50)", true)
	other := connect(t, w, w.Grant("read", time.Hour))
	if _, err := other.ExecContext(within(t), "KILL QUERY "+itoa(uint64(thread))); number(t, err) != errUnknownThread {
		t.Errorf("another grant's connection was found: %v", err)
	}
	same := connect(t, w, g)
	_, err = same.ExecContext(within(t), "KILL QUERY "+itoa(uint64(thread)))
	must(t, err)
	select {
	case err := <-done:
		if err != nil && number(t, err) != 1317 {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the query goes on")
	}
	var n int
	must(t, c.QueryRowContext(within(t), "SELECT 1").Scan(&n)) // the connection lives
}

// greetingReader remembers the thread's number that the server names first.
type greetingReader struct {
	net.Conn
	thread *uint32
	head   []byte
}

func (g *greetingReader) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if *g.thread == 0 {
		if g.head = append(g.head, b[:n]...); len(g.head) > 64 {
			if greeted, err := parseGreeting(g.head[headerBytes:]); err == nil {
				*g.thread = greeted.thread
			}
		}
	}
	return n, err
}

func TestAKilledThreadEndsItsSession(t *testing.T) {
	w := world(t, "killed")
	g := w.Grant("read", time.Hour)
	c := connect(t, w, g)
	var id string
	must(t, c.QueryRowContext(within(t), "SELECT CONNECTION_ID()").Scan(&id))
	must(t, maria.Exec(context.Background(), "", "KILL "+id))
	if e := w.Ended(g.ID); e.Cause != curfew.CauseTarget {
		t.Errorf("%+v", e)
	}
	if err := c.PingContext(within(t)); err == nil {
		t.Error("it goes on")
	}
}

func TestABudgetOfRowsIsMet(t *testing.T) {
	w := world(t, "budget", func(o *enginetest.Options) { o.Budget = curfew.Budget{Rows: 3, Statements: 20} })
	g := w.Grant("read", time.Hour)
	c := connect(t, w, g)
	rows, err := c.QueryContext(within(t), "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4")
	must(t, err)
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); n > 3 || err == nil {
		t.Errorf("%d rows, %v", n, err)
	}
	w.Await(g.ID, access.Gone)
	g = w.Grant("read", time.Hour)
	c = connect(t, w, g, severalStatements)
	if _, err := c.ExecContext(within(t), strings.Repeat("SELECT 1 FROM orders WHERE id < 0;", 21)); err == nil {
		t.Error("more statements than the budget had")
	}
}

// until reads packets up to and with an EOF or an ERR, and says how many were before it.
func (r *raw) until() (n int, last []byte) {
	r.t.Helper()
	for {
		p, err := readPacket(r.conn, maxPayload)
		must(r.t, err)
		if p.payload[0] == eofHeader && len(p.payload) < 9 || p.payload[0] == errHeader {
			return n, p.payload
		}
		n++
	}
}

func TestCursorsAndListsOfFields(t *testing.T) {
	must(t, maria.Exec(context.Background(), "shop", "DELETE FROM orders WHERE cust LIKE 'cursor%'", "INSERT INTO orders (cust) VALUES ('cursor 1'), ('cursor 2'), ('cursor 3')"))
	w := world(t, "cursors", func(o *enginetest.Options) { o.Record = curfew.RecordResults })
	g := w.Grant("read", time.Hour)
	r := speak(t, w, g)
	plan := r.ask(append([]byte{comStmtPrepare}, "SELECT cust FROM orders WHERE cust LIKE 'cursor%' ORDER BY id"...)...)
	if n, _ := r.until(); n != 1 {
		t.Fatalf("%d columns", n)
	}
	id := plan[1:5]
	if got := r.ask(append(append([]byte{comStmtExecute}, id...), 1, 1, 0, 0, 0)...); len(got) != 1 || got[0] != 1 {
		t.Fatalf("%x", got)
	}
	if n, eof := r.until(); n != 1 || eof[3]&cursorExists == 0 {
		t.Fatalf("%d columns, %x", n, eof)
	}
	fetch := append(append([]byte{comStmtFetch}, id...), 2, 0, 0, 0)
	for _, want := range []int{2, 1} {
		first := r.ask(fetch...)
		if n, _ := r.until(); n+1 != want || first[0] != 0 {
			t.Errorf("%d rows, want %d: %x", n+1, want, first)
		}
	}
	if got := r.ask(append([]byte{comStmtReset}, id...)...); got[0] != okHeader {
		t.Errorf("%x", got)
	}
	r.ask(append([]byte{comFieldList}, "refunds\x00"...)...)
	if n, _ := r.until(); n+1 != 4 { // also those that the role does not name: MariaDB's own doing
		t.Errorf("%d fields", n+1)
	}
	if got := parseErr(r.ask(append([]byte{comFieldList}, "nowhere\x00"...)...)); !strings.Contains(got.Error(), "denied") {
		t.Errorf("%v", got)
	}
	if got := r.ask(comPing); got[0] != okHeader {
		t.Errorf("%x", got)
	}
	_ = r.conn.Close()
	all := items(t, w, g.ID)
	rows, kept := int64(0), 0
	for _, it := range all {
		if it.Kind == record.Outcome {
			rows += it.Rows
		}
		if it.Kind == record.Result {
			kept += len(it.Table)
		}
	}
	if rows < 3 || kept != 3 || find(all, record.Statement, "COM_FIELD_LIST refunds") == nil {
		t.Errorf("%d rows, %d kept", rows, kept)
	}
}
