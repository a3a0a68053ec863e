package mysql

import (
	"context"
	"errors"
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
