package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

// holdingOptions hold what deletes or updates without a condition, and what empties or changes tables.
func holdingOptions(o *enginetest.Options) {
	o.Release = []curfew.StatementClass{curfew.ClassDeleteWithoutWhere, curfew.ClassUpdateWithoutWhere, curfew.ClassTruncate, curfew.ClassDDL}
	o.Roles["fix"] = []string{"read held", "insert held", "update held", "delete held", "call wipe"}
}

// bothKinds runs a test with a leased and with a fixed account.
func bothKinds(t *testing.T, deployment string, f func(t *testing.T, w *enginetest.World)) {
	must(t, maria.Exec(within(t), "shop", "CREATE TABLE IF NOT EXISTS held (id INT PRIMARY KEY, cust VARCHAR(100))", "REPLACE INTO held VALUES (1, 'a'), (2, 'b'), (3, 'c')",
		"CREATE OR REPLACE PROCEDURE wipe() DELETE FROM held WHERE id > 100"))
	t.Cleanup(func() { _ = maria.Exec(context.Background(), "shop", "DROP TABLE held", "DROP PROCEDURE wipe") })
	t.Run("leased", func(t *testing.T) { f(t, world(t, deployment, holdingOptions)) })
	t.Run("fixed", func(t *testing.T) { f(t, fixed(t, deployment+"fix", holdingOptions)) })
}

// doing is a statement on its way.
type doing struct {
	done chan struct{}
	got  sql.Result
	err  error
}

func do(c *sql.Conn, text string, args ...any) *doing {
	d := &doing{done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.got, d.err = c.ExecContext(context.Background(), text, args...)
	}()
	return d
}

func (d *doing) result(t *testing.T) (sql.Result, error) {
	t.Helper()
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the statement still waits")
	}
	return d.got, d.err
}

func (d *doing) waits(t *testing.T) {
	t.Helper()
	select {
	case <-d.done:
		t.Fatalf("it did not wait: %v", d.err)
	case <-time.After(50 * time.Millisecond):
	}
}

func isHeld(t *testing.T, w *enginetest.World, d *doing, class curfew.StatementClass, name string) {
	t.Helper()
	a, _ := w.Held()
	d.waits(t)
	if !slices.Contains(a.Classes, class) {
		t.Errorf("%s: %v, want %s", name, a.Classes, class)
	}
	w.RefuseOne("no")
	_, err := d.result(t)
	isRefused(t, err, 1227, "release.denied")
}

func TestAHeldStatementGoesOnOnceItIsReleased(t *testing.T) {
	bothKinds(t, "holdone", func(t *testing.T, w *enginetest.World) {
		g := w.Grant("fix", time.Hour)
		c := connect(t, w, g)
		for want, args := range map[string][]any{"DELETE FROM held": nil, "UPDATE held SET cust = ?": {"held-value"}} {
			tx, err := c.BeginTx(within(t), nil)
			must(t, err)
			var n int
			must(t, tx.QueryRowContext(within(t), "SELECT COUNT(*) FROM held").Scan(&n))
			d := do(c, want, args...)
			a, h := w.Held()
			d.waits(t)
			if text, err := maria.One(within(t), "", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '"+want+"%'"); err != nil || text != "0" {
				t.Errorf("the target was sent it: %s %v", text, err)
			}
			if h.Text != want || !h.Open || h.Masked || len(h.Values) != len(args) || len(args) == 1 && h.Values[0].Text != "held-value" {
				t.Errorf("%+v %+v", a, h)
			}
			must(t, w.Release(a.Statement, w.Administrator(), a.Digest))
			got, err := d.result(t)
			must(t, err)
			if rows, _ := got.RowsAffected(); rows != 3 {
				t.Errorf("%s: %d rows", want, rows)
			}
			must(t, tx.Rollback())
		}
		bye(c)
		all := items(t, w, g.ID)
		held := find(all, record.Held, "UPDATE held")
		if held == nil || len(held.Values) != 1 || !curfew.HasPrefix(held.Code, "st") || len(held.Tag) != 32 || find(all, record.Statement, "UPDATE held") == nil ||
			find(all, record.Notice, "asked admin@example.com to release this statement") == nil {
			t.Errorf("the recording has %+v", all)
		}
		w.Lawful()
	})
}

func TestAHeldStatementThatIsNotReleased(t *testing.T) {
	bothKinds(t, "holdno", func(t *testing.T, w *enginetest.World) {
		g := w.Grant("fix", time.Hour)
		c := connect(t, w, g)
		for _, args := range [][]any{nil, {1}} {
			text := "DELETE FROM held" + strings.Repeat(" WHERE ? = 1", len(args))
			d := do(c, text, args...)
			w.RefuseOne("add a condition")
			_, err := d.result(t)
			isRefused(t, err, 1227, "release.denied")
			if !strings.Contains(err.Error(), `admin@example.com did not release this statement: "add a condition"`) {
				t.Error(err)
			}
			var n int
			if err := c.QueryRowContext(within(t), "SELECT COUNT(*) FROM held").Scan(&n); err != nil || n != 3 {
				t.Errorf("afterwards: %d %v", n, err)
			}
		}
		d := do(c, "UPDATE held SET cust = cust")
		a, _ := w.Held()
		if err := w.Release(a.Statement, g.Principal, a.Digest); curfew.CodeOf(err) != curfew.Denied {
			t.Errorf("released by themselves: %v", err)
		}
		if err := w.Release(a.Statement, w.Administrator(), []byte("another")); curfew.CodeOf(err) != curfew.Conflict {
			t.Errorf("released for another digest: %v", err)
		}
		d.waits(t)
		w.RefuseOne("no")
		_, err := d.result(t)
		isRefused(t, err, 1227, "release.denied")
		w.Lawful()
	})
}

func TestEveryWayAroundAHoldIsHeld(t *testing.T) {
	bothKinds(t, "holdround", func(t *testing.T, w *enginetest.World) {
		leased := !strings.HasSuffix(t.Name(), "fixed")
		for name, c := range map[string]struct {
			before []string
			text   string
			class  curfew.StatementClass
			leased bool // a fixed account refuses it before
		}{
			"a comment":                      {nil, "DELETE /* WHERE id = 1 */ FROM held -- WHERE id = 1", curfew.ClassDeleteWithoutWhere, false},
			"a constant condition":           {nil, "DELETE FROM held WHERE 1 = 1 OR 'id' = 'x'", curfew.ClassDeleteWithoutWhere, false},
			"several statements":             {nil, "SELECT 1; DELETE FROM held", curfew.ClassDeleteWithoutWhere, false},
			"prepared from text":             {[]string{"PREPARE p FROM 'UPDATE held SET cust = 1'"}, "EXECUTE P", curfew.ClassUpdateWithoutWhere, false},
			"a name that nobody knows":       {nil, "EXECUTE nobody", curfew.ClassCode, false},
			"a procedure":                    {nil, "CALL shop.wipe()", curfew.ClassCode, false},
			"a rest that some run":           {nil, "DELETE FROM held /*!99999 WHERE id = 1 */", curfew.ClassUnknown, true},
			"a change of how texts are read": {nil, "SET sql_mode = 'ANSI_QUOTES'", curfew.ClassCode, true},
			"another character set":          {nil, "SET NAMES gbk", curfew.ClassCode, true},
			"at once":                        {nil, "EXECUTE IMMEDIATE 'DELETE FROM held'", curfew.ClassUnknown, true},
			"a compound":                     {nil, "BEGIN NOT ATOMIC DELETE FROM held; END", curfew.ClassUnknown, true},
			"what a variable holds":          {[]string{"SET @a = 'DELETE FROM held'", "PREPARE p FROM @a"}, "EXECUTE p", curfew.ClassCode, true},
			"returning":                      {nil, "DELETE FROM held RETURNING id", curfew.ClassUnknown, true},
			"analyze":                        {nil, "ANALYZE DELETE FROM held", curfew.ClassUnknown, true},
			"truncate":                       {nil, "TRUNCATE held", curfew.ClassTruncate, true},
			"a table":                        {nil, "DROP TABLE held", curfew.ClassDDL, true},
		} {
			if c.leased && !leased {
				continue
			}
			g := w.Grant("fix", time.Hour)
			conn := connect(t, w, g, severalStatements)
			for _, text := range c.before {
				_, err := conn.ExecContext(within(t), text)
				must(t, err)
			}
			isHeld(t, w, do(conn, c.text), c.class, name)
			bye(conn)
			w.Revoke(g.ID)
		}
		w.Lawful()
	})
}

// After code has run nobody knows how the session reads a text: everything waits, until a reset.
func TestAfterReleasedCodeEverythingWaits(t *testing.T) {
	bothKinds(t, "holdcode", func(t *testing.T, w *enginetest.World) {
		g := w.Grant("fix", time.Hour)
		c := connect(t, w, g)
		d := do(c, "CALL shop.wipe()")
		w.ReleaseOne()
		_, err := d.result(t)
		must(t, err)
		isHeld(t, w, do(c, "SELECT 1"), curfew.ClassUnknown, "a harmless text")
		r := speak(t, w, g)
		go func() {
			a, _ := w.Held()
			_ = w.Release(a.Statement, w.Administrator(), a.Digest)
		}()
		if got := r.ask(append([]byte{comQuery}, "CALL shop.wipe()"...)...); got[0] != okHeader {
			t.Fatalf("%x", got)
		}
		if got := r.ask(comResetConnection); got[0] != okHeader {
			t.Fatalf("%x", got)
		}
		if got := r.row("SELECT 'a' || 'b'"); got[0] != "0" {
			t.Errorf("%q", got)
		}
		w.NoneHeld()
	})
}

func TestAHeldStatementCanBeTakenBack(t *testing.T) {
	bothKinds(t, "holdback", func(t *testing.T, w *enginetest.World) {
		g := w.Grant("fix", time.Hour)
		var thread uint32
		c := connect(t, w, g, func(cfg *mysql.Config) {
			cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				return &greetingReader{Conn: conn, thread: &thread}, err
			}
		})
		d := do(c, "DELETE FROM held")
		w.Held()
		killer := connect(t, w, g)
		_, err := killer.ExecContext(within(t), "KILL QUERY "+itoa(uint64(thread)))
		must(t, err)
		_, err = d.result(t)
		isRefused(t, err, 1317, takenBack)
		w.NoneHeld()
		var n int
		must(t, c.QueryRowContext(within(t), "SELECT COUNT(*) FROM held").Scan(&n))
		t.Run("by leaving", func(t *testing.T) {
			r := speak(t, w, g)
			_, err := r.conn.Write(appendPacket(nil, 0, append([]byte{comQuery}, "DELETE FROM held"...)))
			must(t, err)
			w.Held()
			must(t, r.conn.Close())
			w.NoneHeld()
		})
		t.Run("the end of the grant", func(t *testing.T) {
			d := do(c, "DELETE FROM held")
			w.Held()
			w.Revoke(g.ID)
			if _, err := d.result(t); err == nil || !errors.Is(err, driver.ErrBadConn) && !strings.Contains(err.Error(), "Curfew: ") && !strings.Contains(err.Error(), "invalid connection") {
				t.Errorf("%v", err)
			}
			w.NoneHeld()
		})
		if text, err := maria.One(within(t), "shop", "SELECT COUNT(*) FROM held"); err != nil || text != "3" {
			t.Errorf("%s rows, %v", text, err)
		}
		w.Lawful()
	})
}
