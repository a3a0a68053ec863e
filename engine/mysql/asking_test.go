package mysql

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

func TestMoreTimeFromInside(t *testing.T) {
	w := world(t, "more", func(o *enginetest.Options) { o.Agreed = true })
	g := w.Grant("write", 10*time.Minute)
	ask := func(c *sql.Conn, text string) (answer string, err error) {
		err = c.QueryRowContext(within(t), text).Scan(&answer)
		return answer, err
	}
	const more = "CALL curfew.extend('15 min', 'still restoring')"
	no := func(err error, words string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %q", err, words)
		}
	}
	// A credential for many connections is what an application has: what is injected there asks for nothing.
	app := connect(t, w, g, severalStatements)
	_, err := ask(app, more)
	no(err, "only one that curfew connect opens at a terminal may")
	c := connect(t, w, w.ByHand(g), severalStatements)
	for _, text := range []string{"SELECT 1; " + more, "/* a */ " + more, more + "; SELECT 1", "CALL curfew.extend(CONCAT('15 min'), 'x')", `CALL curfew.extend('15 min', 'a\' ')`} {
		if _, err := c.ExecContext(within(t), text); err == nil || strings.Contains(err.Error(), "Curfew: ") {
			t.Errorf("%s: %v: it was answered by the gateway", text, err)
		}
	}
	if plan, err := c.PrepareContext(within(t), more); err == nil {
		if _, err = plan.ExecContext(within(t)); err == nil || strings.Contains(err.Error(), "Curfew: ") {
			t.Errorf("prepared: %v: it was answered by the gateway", err)
		}
		_ = plan.Close()
	}
	_, err = ask(c, "CALL curfew.extend('0 min', 'x')")
	no(err, "Curfew: ")
	_, err = ask(c, "CALL curfew.extend('soon', 'x')")
	no(err, "no duration")
	tx, err := c.BeginTx(within(t), nil)
	must(t, err)
	_, err = ask(c, more)
	no(err, "outside of a transaction")
	must(t, tx.Commit())
	text, err := ask(c, "CALL curfew.status();")
	if err != nil || !strings.Contains(text, "shop-db as write until ") || !strings.Contains(text, string(g.ID)) {
		t.Errorf("%q %v", text, err)
	}
	text, err = ask(c, strings.Replace(more, "CALL", "select", 1))
	if err != nil || !strings.Contains(text, "it waits for ") || !strings.Contains(text, "until somebody agrees, your access ends at ") {
		t.Fatal(text, err)
	}
	_, err = ask(c, more)
	no(err, "already")
	w.Deny()
	if _, err = ask(c, more); err != nil {
		t.Fatal(err)
	}
	if n := w.Agree(""); n != 1 {
		t.Fatal(n)
	}
	bye(c)
	bye(app)
	found := false
	for end := time.Now().Add(10 * time.Second); !found && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, id := range w.Sessions(g.ID) {
			found = found || find(w.Items(id), record.Statement, "select curfew.extend('15 min', 'still restoring')") != nil
		}
	}
	if !found {
		t.Error("that it was asked is not recorded")
	}
}

func TestWhereNobodyHasToAgreeNothingIsAskedFromInside(t *testing.T) {
	w := world(t, "moreauto")
	c := connect(t, w, w.ByHand(w.Grant("write", 10*time.Minute)))
	var text string
	err := c.QueryRowContext(within(t), "CALL curfew.extend('15 min', 'x')").Scan(&text)
	if err == nil || !strings.Contains(err.Error(), "curfew extend") {
		t.Errorf("%q %v", text, err)
	}
}

func TestDurationsAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]time.Duration{"15 min": 15 * time.Minute, "90m": 90 * time.Minute, "1h30m": 90 * time.Minute, " 2 hours ": 2 * time.Hour, "45 Minutes": 45 * time.Minute} {
		if d, err := span(text); err != nil || d != want {
			t.Errorf("%q: %v %v", text, d, err)
		}
	}
	for _, text := range []string{"", "15", "min", "15 days", "9999999999 min", "15 min 3"} {
		if d, err := span(text); err == nil {
			t.Errorf("%q: %v", text, d)
		}
	}
}
