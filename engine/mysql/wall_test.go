package mysql

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// fixed is a world whose only login may do everything in its database: what holds is the judge.
func fixed(t *testing.T, deployment string, more ...func(*enginetest.Options)) *enginetest.World {
	t.Helper()
	must(t, maria.Exec(within(t), "", "CREATE USER IF NOT EXISTS fixed_login IDENTIFIED BY '"+servers.AdminPassword+"'", "GRANT ALL ON shop.* TO fixed_login",
		"GRANT ALL ON scratch_1.* TO fixed_login", "CREATE TABLE IF NOT EXISTS shop.salaries (who TEXT, amount INT)"))
	t.Cleanup(func() { _ = maria.Exec(context.Background(), "shop", "DROP TABLE IF EXISTS salaries") })
	return world(t, deployment, append([]func(*enginetest.Options){func(o *enginetest.Options) {
		o.Resource.Account = curfew.Fixed
		o.Login = maria.URL("fixed_login", servers.AdminPassword, "shop")
		delete(o.Roles, "create")
	}}, more...)...)
}

func isRefused(t *testing.T, err error, number uint16, rule string) {
	t.Helper()
	e := new(mysql.MySQLError)
	if !errors.As(err, &e) || e.Number != number || !strings.HasPrefix(e.Message, "Curfew: ") || !strings.HasSuffix(e.Message, "["+rule+"]") {
		t.Helper()
		t.Errorf("%v, want a refusal %d by %s", err, number, rule)
	}
}

func TestTheSuiteOnAFixedAccount(t *testing.T) {
	w := fixed(t, "fixedsuite")
	defer func() { _ = maria.Exec(context.Background(), "shop", "DELETE FROM orders WHERE cust LIKE 'fixed %'") }()
	suite(w, "fixed").Run(t)
}

func TestAFixedAccountIsJudged(t *testing.T) {
	w := fixed(t, "fixed")
	g := w.Grant("read", time.Hour)
	c := connect(t, w, g, severalStatements)
	exec := func(text string, args ...any) error {
		_, err := c.ExecContext(within(t), text, args...)
		return err
	}
	isRefused(t, exec("SELECT amount FROM salaries"), 1142, "statement.table")
	isRefused(t, exec("SELECT amount FROM salaries WHERE who = ?", "ann"), 1142, "statement.table")
	isRefused(t, exec("SELECT card FROM refunds"), 1143, "statement.column")
	isRefused(t, exec("SELECT 1; SELECT card FROM refunds"), 1143, "statement.column")
	isRefused(t, exec("DROP TABLE salaries"), 1227, "statement.class")
	isRefused(t, exec("SELECT load_file('/etc/passwd')"), 1370, "statement.function")
	isRefused(t, exec("SET sql_mode = 'ANSI_QUOTES'"), 1227, "statement.parameter")
	isRefused(t, exec("USE scratch_1"), 1044, "statement.database")
	isRefused(t, exec("SELECT 1 /*!50701 + (SELECT amount FROM salaries) */"), 1227, "statement.unknown")
	must(t, exec("USE shop"))
	must(t, exec("CALL shop.two()"))
	must(t, exec("SELECT id, status FROM refunds WHERE id = ?", 1))
	var status string
	must(t, c.QueryRowContext(within(t), "SELECT status FROM refunds WHERE id = ?", 1).Scan(&status))
	if status != "open" {
		t.Error(status)
	}
	bye(c)
	all := items(t, w, g.ID)
	no := find(all, record.Refused, "SELECT amount FROM salaries WHERE who")
	if no == nil || no.Code != "statement.table" || !strings.Contains(no.Error, "does not allow to read shop.salaries") {
		t.Errorf("recorded as %+v", no)
	}
}

func TestWhatIsPinnedOutlivesAReset(t *testing.T) {
	must(t, maria.Exec(within(t), "", "SET GLOBAL sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_TRANS_TABLES'"))
	defer func() { must(t, maria.Exec(context.Background(), "", "SET GLOBAL sql_mode = DEFAULT")) }()
	w := fixed(t, "fixedpins")
	g := w.Grant("read", time.Hour)
	r := speak(t, w, g, func(cfg *mysql.Config) { cfg.Collation = "gbk_chinese_ci" })
	look := func(when string) {
		t.Helper()
		got := r.row("SELECT @@sql_mode, @@character_set_client, @@collation_connection, DATABASE(), \"a\", 'x' || 'y', 'a\\'b'")
		if want := []string{"STRICT_TRANS_TABLES", "utf8mb4", "utf8mb4_general_ci", "shop", "a", "0", "a'b"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	look("at the start")
	for range 3 {
		if got := r.ask(comResetConnection); got[0] != okHeader {
			t.Fatalf("a reset: %x", got)
		}
		look("behind a reset")
	}
	for name, body := range map[string]string{
		"COM_INIT_DB": string(rune(comInitDB)) + "scratch_1", "COM_FIELD_LIST": string(rune(comFieldList)) + "salaries\x00%",
		"COM_STMT_PREPARE": string(rune(comStmtPrepare)) + "SELECT * FROM salaries", "COM_QUERY": string(rune(comQuery)) + "SELECT * FROM salaries",
	} {
		if got := parseErr(r.ask([]byte(body)...)); !strings.Contains(got.Error(), "Curfew: ") {
			t.Errorf("%s: %v", name, got)
		}
	}
	look("behind refusals")
	cmd, out := native(t, w, g, "", "--ignore-spaces", "--default-character-set=gbk", "-e", "SELECT CONCAT('<', @@sql_mode, @@character_set_client, '>')")
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "<STRICT_TRANS_TABLESutf8mb4>") {
		t.Errorf("%v: %s", err, out)
	}
}

// row asks for one row and reads it.
func (r *raw) row(text string) []string {
	r.t.Helper()
	if got := r.ask(append([]byte{comQuery}, text...)...); got[0] == errHeader {
		r.t.Fatal(parseErr(got))
	}
	r.until()
	p, err := readPacket(r.conn, maxPayload)
	must(r.t, err)
	r.until()
	return textRow(p.payload)
}

// A session whose pins are refused behind a reset is over: nobody would know how it reads.
func TestASessionThatCannotBePinnedEnds(t *testing.T) {
	for name, bad := range map[string]func(payload string, pins int) bool{
		"the pins": func(payload string, pins int) bool {
			return strings.HasPrefix(payload, "\x03SET SESSION sql_mode") && pins > 1
		},
		"the reset": func(payload string, _ int) bool { return payload == string(rune(comResetConnection)) },
	} {
		t.Run(name, func(t *testing.T) {
			var pins atomic.Int32
			address := between(t, func(payload string) []byte {
				if strings.HasPrefix(payload, "\x03SET SESSION sql_mode") {
					pins.Add(1)
				}
				if bad(payload, int(pins.Load())) {
					return errPayload(1231, "42000", "no")
				}
				return nil
			})
			w := fixed(t, "unpinned"+name[4:5], func(o *enginetest.Options) {
				o.Login, o.Resource.Address = strings.Replace(o.Login, maria.Address(), address, 1), address
			})
			g := w.Grant("read", time.Hour)
			r := speak(t, w, g)
			if got := parseErr(r.ask(comResetConnection)); !strings.Contains(got.Error(), "Curfew: ") {
				t.Errorf("%v", got)
			}
			if e := w.Ended(g.ID); e.Cause != curfew.CauseProtocol {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestAFixedAccountCreatesNothing(t *testing.T) {
	res := resource()
	res.Account = curfew.Fixed
	if err := New().CheckPermission(res, curfew.Permission{May: []string{"create in database scratch_1"}}); err == nil {
		t.Error("a fixed account may create")
	}
	must(t, New().CheckResource(func() curfew.Resource { r := res; r.Login = "env:X"; return r }()))
}

// What a target says of itself before a session begins is read like everything: a row of another
// length, or an answer that never ends, is refused.
func TestAHostileCatalog(t *testing.T) {
	column := append(append([]byte{3, 'd', 'e', 'f', 0, 0, 0, 1, 'a', 0, 0x0c}, 45, 0, 9, 0, 0, 0, 0xfd, 0, 0, 0), 0, 0)
	eof := []byte{eofHeader, 0, 0, 2, 0}
	for name, packets := range map[string][][]byte{
		"a row of one column": {{1}, column, eof, {1, 'x'}, eof},
		"a row of none":       {{3}, column, column, column, eof, {}, eof},
		"a row cut short":     {{3}, column, column, column, eof, {9, 'x'}, eof},
		"a file wanted":       {append([]byte{localInfile}, "/etc/passwd"...)},
		"an error":            {errPayload(1142, "42000", "no")},
		"nothing":             {{}},
		"an end":              nil,
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			go func() {
				defer func() { _ = theirs.Close() }()
				if _, err := readPacket(theirs, maxPayload); err != nil {
					return
				}
				for i, p := range packets {
					if _, err := theirs.Write(appendPacket(nil, byte(i+1), p)); err != nil {
						return
					}
				}
			}()
			l := &login{ctx: within(t), conn: ours, res: resource(), forward: func(conn net.Conn, b []byte) error { _, err := conn.Write(b); return err }}
			if _, err := readCatalog(l, "shop", []string{"shop"}); err == nil {
				t.Error("it was taken")
			}
			_ = ours.Close()
		})
	}
}

// Tables whose names differ in case alone are two, and each is known with all of its columns.
func TestTablesThatDifferInCaseAlone(t *testing.T) {
	must(t, maria.Exec(within(t), "shop", "CREATE TABLE twins (id INT, secret INT)", "CREATE TABLE Twins (id INT, secret INT, more INT)"))
	defer func() { _ = maria.Exec(context.Background(), "shop", "DROP TABLE twins, Twins") }()
	w := fixed(t, "fixedtwins", func(o *enginetest.Options) {
		o.Roles["twin"] = []string{"read twins (secret)", "read Twins (id, secret)"}
	})
	c := connect(t, w, w.Grant("twin", time.Hour))
	for _, text := range []string{"SELECT * FROM twins", "SELECT * FROM Twins", "SELECT id FROM twins", "SELECT more FROM Twins", "SELECT t.* FROM Twins t"} {
		_, err := c.ExecContext(within(t), text)
		isRefused(t, err, 1143, "statement.column")
	}
	for _, text := range []string{"SELECT secret FROM twins", "SELECT id, secret FROM Twins"} {
		_, err := c.ExecContext(within(t), text)
		must(t, err)
	}
}

// Clients may send a statement and its execution at once, as that of "the last one". Where the statement
// is refused, by us or by the target, the execution finds none: not the one before it.
func TestAnExecutionSentWithARefusedStatementFindsNone(t *testing.T) {
	w := fixed(t, "fixedlast")
	r := speak(t, w, w.Grant("read", time.Hour))
	prepare := func(text string) []byte { return r.ask(append([]byte{comStmtPrepare}, text...)...) }
	execute := func() []byte { return r.ask(comStmtExecute, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0) }
	for name, text := range map[string]string{"by the judge": "SELECT * FROM salaries", "by the target": "SELECT id FROM orders WHERE id = id + JSON_SEARCH()"} {
		if got := prepare("SELECT 17"); got[0] != okHeader {
			t.Fatalf("%v", parseErr(got))
		}
		r.until()
		if got := execute(); got[0] != 1 {
			t.Fatalf("%s: %x", name, got)
		}
		r.until()
		r.until()
		if got := prepare(text); got[0] != errHeader {
			t.Fatalf("%s: %x", name, got)
		}
		if got := execute(); got[0] != errHeader || !strings.Contains(parseErr(got).Error(), "Unknown prepared") {
			t.Errorf("%s: %x", name, got)
		}
	}
}

// Whatever the corpus of evasions refuses is not seen by the target at all, in text or prepared: its own
// log says so.
func TestNothingOfWhatIsRefusedReachesTheTarget(t *testing.T) {
	w := fixed(t, "fixedlog")
	r := speak(t, w, w.Grant("read", time.Hour), severalStatements)
	must(t, maria.Exec(within(t), "", "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON"))
	defer func() {
		_ = maria.Exec(context.Background(), "", "SET GLOBAL general_log = OFF", "SET GLOBAL log_output = DEFAULT", "TRUNCATE mysql.general_log")
	}()
	sent := 0
	for _, file := range []string{"reading", "writing", "attacks"} {
		content, err := os.ReadFile("judge/testdata/cases/" + file + ".txt")
		must(t, err)
		for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
			verdict, text, _ := strings.Cut(line, " ")
			if verdict == "ok" || verdict == "#" || strings.Contains(text, "lower('A')") || strings.Contains(text, "WITH customers") { // they need a routine and a table of that name
				continue
			}
			text = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\0`, "\x00", `\xA0`, "\u00a0").Replace(text)
			for _, command := range []byte{comQuery, comStmtPrepare} {
				got := r.ask(append([]byte{command}, "/* evasion */ "+text...)...)
				if got[0] != errHeader || !strings.Contains(parseErr(got).Error(), "Curfew: ") {
					t.Fatalf("%s: %x %q", text, command, got)
				}
				sent++
			}
		}
	}
	if n, err := maria.One(within(t), "", "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE '%evasion%' AND argument NOT LIKE '%general_log%'"); err != nil || n != "0" || sent < 400 {
		t.Errorf("%s of %d reached it, %v", n, sent, err)
	}
}
