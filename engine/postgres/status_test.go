package postgres

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

func TestWhatTheGatewayAnswersItself(t *testing.T) {
	message := func(text string) []byte {
		b := append([]byte{'Q', 0, 0, 0, 0}, text...)
		b = append(b, 0)
		binary.BigEndian.PutUint32(b[1:], uint32(len(b)-1))
		return b
	}
	for text, want := range map[string]asking{
		"select curfew.status()":                                       {column: "status"},
		" SELECT  curfew.status( ) ; ":                                 {column: "status"},
		"SELECT curfew.extend('15 min', 'it''s slow')":                 {column: "extend", more: true, by: "15 min", reason: "it's slow"},
		"select curfew.extend('1h','x\ny');":                           {column: "extend", more: true, by: "1h", reason: "x\ny"},
		"SELECT curfew.extend('15 min')":                               {},
		"SELECT curfew.extend('15 min', 'a'), 1":                       {},
		"SELECT curfew.extend('15 min', 'a'); SELECT 1":                {},
		"SELECT 1; SELECT curfew.extend('15 min', 'a')":                {},
		"SELECT curfew.extend('15 min', 'a') -- more":                  {},
		"/* x */ SELECT curfew.extend('15 min', 'a')":                  {},
		"SELECT curfew.extend('15 min', E'a')":                         {},
		"SELECT curfew.extend('15 min', 'a\\'')":                       {},
		"SELECT curfew.extend('15 min', $1)":                           {},
		"SELECT curfew.extend('15 min', 'a' || 'b')":                   {},
		"SELECT curfew.extend('15 min', 'a') FROM orders":              {},
		"SELECT curfew.extend('" + strings.Repeat("x", 5000) + "','')": {},
	} {
		got, ok := asks(message(text))
		got.text = ""
		if got != want || ok != (want != asking{}) {
			t.Errorf("%.60q: %+v, want %+v", text, got, want)
		}
	}
	b := message("SELECT curfew.status()")
	for i := range b {
		if _, ok := asks(b[:i]); ok {
			t.Errorf("answered when %d bytes had come", i)
		}
	}
	if _, ok := asks(append(b, b...)); ok {
		t.Error("answered one of two")
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

func TestMoreTimeFromInside(t *testing.T) {
	w := world(t, "more", func(o *enginetest.Options) { o.Agreed = true })
	g := w.Grant("write", 10*time.Minute)
	ask := func(c *pgx.Conn, sql string, mode pgx.QueryExecMode) (text string, err error) {
		err = c.QueryRow(ctx(t), sql, mode).Scan(&text)
		return text, err
	}
	simple := pgx.QueryExecModeSimpleProtocol
	const sql = "SELECT curfew.extend('15 min', 'still restoring')"
	no := func(err error, words string) {
		t.Helper()
		e := new(pgconn.PgError)
		if !errors.As(err, &e) || !strings.Contains(e.Message+e.Hint, words) {
			t.Errorf("%v, want %q", err, words)
		}
	}
	// A credential for many connections is what an application has: what is injected there asks for nothing.
	app := through(t, w, g, "")
	_, err := ask(app, sql, simple)
	no(err, "only one that curfew connect opens at a terminal may")
	c := through(t, w, w.ByHand(g), "")
	_, err = ask(c, sql, pgx.QueryExecModeExec)
	no(err, `schema "curfew" does not exist`)
	_, err = ask(c, "SELECT curfew.extend('0 min', 'x')", simple)
	no(err, "Curfew: ")
	tx, err := c.Begin(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = ask(c, sql, simple)
	no(err, "outside of a transaction")
	if err := tx.Commit(ctx(t)); err != nil {
		t.Error("the transaction was none of it:", err)
	}
	text, err := ask(c, sql, simple)
	if err != nil || !strings.Contains(text, "it waits for ") || !strings.Contains(text, "until somebody agrees, your access ends at ") {
		t.Fatal(text, err)
	}
	_, err = ask(c, sql, simple)
	no(err, "already")
	w.Deny()
	if text, err = ask(c, sql, simple); err != nil {
		t.Fatal(err)
	}
	var heard []string
	c2 := throughNotices(t, w, w.ByHand(g), &heard)
	if n := w.Agree(""); n != 1 {
		t.Fatal(n, text)
	}
	for end := time.Now().Add(5 * time.Second); len(heard) < 2 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err := c2.Ping(ctx(t)); err != nil {
			t.Fatal(err)
		}
	}
	if len(heard) < 2 || !strings.Contains(heard[1], "now ends at") {
		t.Errorf("heard %q", heard)
	}
	_ = c.Close(ctx(t))
	_ = c2.Close(ctx(t))
	_ = app.Close(ctx(t))
	awaitItem(t, w, w.Sessions(g.ID)[1], record.Statement, "curfew.extend('15 min', 'still restoring')")
}

// throughNotices keeps what the client is told.
func throughNotices(t *testing.T, w *enginetest.World, g enginetest.Grant, heard *[]string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(throughURL(w, g, ""))
	if err != nil {
		t.Fatal(err)
	}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { *heard = append(*heard, n.Message) }
	c, err := pgx.ConnectConfig(ctx(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhereNobodyHasToAgreeNothingIsAskedFromInside(t *testing.T) {
	w := world(t, "moreauto")
	g := w.ByHand(w.Grant("write", 10*time.Minute))
	c := through(t, w, g, "")
	var text string
	err := c.QueryRow(ctx(t), "SELECT curfew.extend('15 min', 'x')", pgx.QueryExecModeSimpleProtocol).Scan(&text)
	e := new(pgconn.PgError)
	if !errors.As(err, &e) || e.Detail != "Rule: request.inside" || !strings.Contains(e.Hint, "curfew extend") {
		t.Errorf("%q %v", text, err)
	}
}
