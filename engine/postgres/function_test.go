package postgres

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

func int4(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// calls sends messages and returns, for each ReadyForQuery, what came before it: the
// value of a function, "" for NULL, or the code and the words of an error.
func calls(t *testing.T, f *pgproto3.Frontend, turns int, msgs ...pgproto3.FrontendMessage) (out []string) {
	t.Helper()
	for _, m := range msgs {
		f.Send(m)
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for len(out) < turns {
		m, err := f.Receive()
		if err != nil {
			t.Fatal(err, out)
		}
		switch m := m.(type) {
		case *pgproto3.FunctionCallResponse:
			said += string(m.Result)
		case *pgproto3.DataRow:
			said += string(m.Values[0])
		case *pgproto3.ErrorResponse:
			said += m.Code + " " + m.Message + " " + m.Detail
		case *pgproto3.ReadyForQuery:
			out = append(out, said)
			said = ""
		}
	}
	return out
}

func callOf(oid uint32, args ...[]byte) *pgproto3.FunctionCall {
	return &pgproto3.FunctionCall{Function: oid, ArgFormatCodes: []uint16{1}, Arguments: args, ResultFormatCode: 1}
}

func TestLargeObjectsAsLibpqReachesThem(t *testing.T) {
	w := world(t, "largeobject")
	g := w.Grant("write", time.Hour)
	conn, err := through(t, w, g, "").PgConn().Hijack()
	if err != nil {
		t.Fatal(err)
	}
	f := conn.Frontend
	calls(t, f, 1, &pgproto3.Query{String: "BEGIN"})
	oid := []byte(calls(t, f, 1, callOf(715, int4(0)))[0])
	if len(oid) != 4 {
		t.Fatalf("lo_create gives %q", oid)
	}
	fd := []byte(calls(t, f, 1, callOf(952, oid, int4(0x60000)))[0])
	if len(fd) != 4 {
		t.Fatalf("lo_open gives %q", fd)
	}
	large := strings.Repeat("a large object. ", 200_000) // the answer is longer than what is looked at
	got := calls(t, f, 4, callOf(955, fd, []byte(large)), callOf(956, fd, int4(0), int4(0)), callOf(954, fd, int4(uint32(len(large)))), &pgproto3.Query{String: "COMMIT"})
	if got[0] != string(int4(uint32(len(large)))) || got[2] != large {
		t.Errorf("%q, %d bytes read", got[0], len(got[2]))
	}
	if got := calls(t, f, 2, callOf(1, nil), &pgproto3.Query{String: "SELECT 'goes on'"}); !strings.HasPrefix(got[0], "42883 ") || got[1] != "goes on" {
		t.Errorf("%q", got)
	}
	_ = conn.Conn.Close()
	all := items(t, w, g.ID)
	for text, tag := range map[string]string{
		"SELECT pg_catalog.lo_create($1::oid)":                       "FUNCTION CALL",
		"SELECT pg_catalog.lowrite($1::integer, $2::bytea)":          "FUNCTION CALL",
		"SELECT pg_catalog.loread($1::integer, $2::integer)":         "FUNCTION CALL",
		"(call of the function with the number 1)":                   "",
		"SELECT pg_catalog.lo_lseek($1::integer, $2::integer, $3::i": "FUNCTION CALL",
	} {
		it := find(all, record.Statement, text)
		if it == nil || len(it.Values) == 0 {
			t.Errorf("%s: %+v", text, it)
			continue
		}
		if out := outcomeOf(all, it.Ref); out == nil || out.Tag != tag || tag == "" && out.Code != "42883" {
			t.Errorf("%s: %+v", text, out)
		}
	}
	if out := outcomeOf(all, find(all, record.Statement, "loread").Ref); out.Bytes < int64(len(large)) {
		t.Errorf("%d bytes of loread", out.Bytes)
	}
	w.Revoke(g.ID) // the account goes, and what it owned goes to nobody who can log in
	w.Await(g.ID, access.Gone)
}

func outcomeOf(all []record.Item, ref uint64) *record.Item {
	for i, it := range all {
		if it.Kind == record.Outcome && it.Ref == ref {
			return &all[i]
		}
	}
	return nil
}

func TestFunctionCallsAreJudged(t *testing.T) {
	w := fixed(t, "fixedcall", func(o *enginetest.Options) {
		o.Roles["large"] = []string{"read orders", "call pg_catalog.lo_create(oid)", "call pg_catalog.lo_open(oid, integer)"}
	})
	for role, may := range map[string]bool{"read": false, "large": true} {
		g := w.Grant(curfew.RoleName(role), time.Hour)
		conn, err := through(t, w, g, "").PgConn().Hijack()
		if err != nil {
			t.Fatal(err)
		}
		got := calls(t, conn.Frontend, 4,
			callOf(715, int4(0)), callOf(764, []byte("/etc/passwd")), callOf(1598), // 1598: random(), by its number
			&pgproto3.Query{String: "SELECT 'goes on'"})
		if refused := strings.HasPrefix(got[0], "42501 Curfew: "); refused == may || may && len(got[0]) != 4 {
			t.Errorf("%s: lo_create: %q", role, got[0])
		}
		if !strings.HasPrefix(got[1], "42501 Curfew: ") || !strings.Contains(got[1], "Rule: statement.function") {
			t.Errorf("%s: lo_import: %q", role, got[1])
		}
		if !strings.HasPrefix(got[2], "42501 Curfew: ") || !strings.Contains(got[2], "by its number") {
			t.Errorf("%s: a number: %q", role, got[2])
		}
		if got[3] != "goes on" {
			t.Errorf("%s: after it: %q", role, got[3])
		}
		// In a transaction a refusal fails it, as the target's own would.
		got = calls(t, conn.Frontend, 3, &pgproto3.Query{String: "BEGIN"}, callOf(764, []byte("x")), &pgproto3.Query{String: "SELECT 1"})
		if !strings.HasPrefix(got[1], "42501") || !strings.HasPrefix(got[2], "25P02") {
			t.Errorf("%s: in a transaction: %q", role, got)
		}
		_ = conn.Conn.Close()
		if it := find(items(t, w, g.ID), record.Refused, "lo_import"); it == nil || it.Code != "statement.function" {
			t.Errorf("%+v", it)
		}
	}
}

func TestFunctionCallsOfAnotherForm(t *testing.T) {
	for name, body := range map[string]string{
		"empty":          "",
		"no values":      "\x00\x00\x02\xcb\x00\x01\x00\x01",
		"cut value":      "\x00\x00\x02\xcb\x00\x00\x00\x01\x00\x00\x00\x09abc\x00\x01",
		"formats beyond": "\x00\x00\x02\xcb\xff\xff\x00\x01\x00\x00\x00\x00\x00\x01",
		"no result":      "\x00\x00\x02\xcb\x00\x00\x00\x00",
		"more behind":    "\x00\x00\x02\xcb\x00\x00\x00\x00\x00\x01\x00",
	} {
		if _, _, err := parseFunction([]byte(body)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
