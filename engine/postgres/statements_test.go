package postgres

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew/record"
)

// script feeds a follower with the client's messages and the target's answers,
// and returns the texts that each Execute would be recorded as.
type script struct {
	t   *testing.T
	log *statements
	out []string
}

func newScript(t *testing.T) *script { return &script{t: t, log: newStatements()} }

func (s *script) client(msgs ...pgproto3.FrontendMessage) *script {
	s.t.Helper()
	for _, m := range msgs {
		b, err := m.Encode(nil)
		if err != nil {
			s.t.Fatal(err)
		}
		kind, body := b[0], b[5:]
		switch kind {
		case 'Q':
			s.out = append(s.out, s.log.simple(string(body[:len(body)-1]), nil).Text)
		case 'P':
			err = parseInto(s.log, body)
		case 'B':
			err = s.log.bind(body)
		case 'C':
			err = s.log.close(body)
		case 'S':
			s.log.sync()
		case 'E':
			var it record.Item
			it, err = s.log.execute(body, nil)
			s.out = append(s.out, it.Text)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return s
}

// target answers with the kinds of messages.
func (s *script) target(kinds string) *script {
	for _, k := range []byte(kinds) {
		switch k {
		case 'C':
			s.log.complete("SELECT 1")
		case 'E':
			s.log.failed("42601", "no")
		case 'Z':
			s.log.ready()
		default:
			s.log.confirm(k)
		}
	}
	return s
}

func (s *script) want(texts ...string) {
	s.t.Helper()
	if strings.Join(s.out, "|") != strings.Join(texts, "|") {
		s.t.Errorf("recorded %q, want %q", s.out, texts)
	}
}

func parseMsg(name, text string) pgproto3.FrontendMessage {
	return &pgproto3.Parse{Name: name, Query: text}
}
func bindMsg(portal, stmt string) pgproto3.FrontendMessage {
	return &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: stmt}
}
func executeMsg(portal string) pgproto3.FrontendMessage { return &pgproto3.Execute{Portal: portal} }

const or = "\n-- or, if the target refused that:\n"

func TestAnExecuteIsRecordedAsWhatRuns(t *testing.T) {
	sync := &pgproto3.Sync{}
	t.Run("unnamed, one after the other", func(t *testing.T) {
		newScript(t).client(parseMsg("", "one"), bindMsg("", ""), executeMsg(""), sync).target("12CZ").
			client(parseMsg("", "two"), bindMsg("", ""), executeMsg(""), sync).want("one", "two")
	})
	t.Run("a name that is taken is not taken over", func(t *testing.T) {
		newScript(t).client(parseMsg("s", "evil"), sync).target("1Z").
			client(parseMsg("s", "benign"), sync).target("EZ").
			client(bindMsg("", "s"), executeMsg("")).want("evil")
	})
	t.Run("while the target has not answered, both are said", func(t *testing.T) {
		newScript(t).client(parseMsg("s", "evil"), sync).target("1Z").
			client(parseMsg("s", "benign"), sync, bindMsg("", "s"), executeMsg("")).want("benign" + or + "evil")
	})
	t.Run("what is skipped after an error defines nothing", func(t *testing.T) {
		newScript(t).client(parseMsg("", "evil"), sync).target("1Z").
			client(parseMsg("x", "syntax error"), parseMsg("", "benign"), sync).target("EZ").
			client(bindMsg("", ""), executeMsg("")).want("evil")
	})
	t.Run("a portal that is taken is not taken over", func(t *testing.T) {
		newScript(t).client(parseMsg("e", "evil"), parseMsg("b", "benign"), bindMsg("p", "e"), sync).target("112Z").
			client(bindMsg("p", "b"), sync).target("EZ").client(executeMsg("p")).want("evil")
	})
	t.Run("closed is closed once the target says so", func(t *testing.T) {
		newScript(t).client(parseMsg("s", "one"), sync).target("1Z").
			client(&pgproto3.Close{ObjectType: 'S', Name: "s"}, parseMsg("s", "two"), sync).target("31Z").
			client(bindMsg("", "s"), executeMsg("")).want("two")
	})
	t.Run("SQL may give a name another meaning", func(t *testing.T) {
		s := newScript(t).client(parseMsg("s", "benign"), sync).target("1Z").
			client(&pgproto3.Query{String: "DEALLOCATE s; PREPARE s AS evil"}).target("CCZ").
			client(bindMsg("", "s"), executeMsg(""))
		s.want("DEALLOCATE s; PREPARE s AS evil", "(prepared statement s, made by PREPARE)")
	})
	t.Run("SQL may give it to one that is not confirmed yet", func(t *testing.T) {
		s := newScript(t).client(parseMsg("s", "benign"), sync, &pgproto3.Query{String: "DEALLOCATE s; PREPARE s AS evil"}).target("1ZCCZ").
			client(bindMsg("", "s"), executeMsg(""))
		s.want("DEALLOCATE s; PREPARE s AS evil", "(prepared statement s, made by PREPARE)")
	})
	t.Run("SQL may give a portal's name another meaning", func(t *testing.T) {
		for _, early := range []bool{false, true} {
			s := newScript(t).client(parseMsg("", "benign"), bindMsg("p", ""), sync)
			if !early {
				s.target("12Z")
			}
			s.client(&pgproto3.Query{String: "CLOSE p; DECLARE p CURSOR FOR evil"})
			if early {
				s.target("12Z")
			}
			s.target("CCZ").client(executeMsg("p")).want("CLOSE p; DECLARE p CURSOR FOR evil", "(portal p, made by DECLARE)")
		}
	})
	t.Run("a column may be called like what closes a portal", func(t *testing.T) {
		text := "SELECT\nclose FROM prices; "
		newScript(t).client(parseMsg("", text), bindMsg("p", ""), executeMsg("p"), executeMsg("p"), sync).want(text, text)
	})
	t.Run("a name is as long as the target keeps it", func(t *testing.T) {
		name := strings.Repeat("s", 63)
		newScript(t).client(parseMsg(name, "benign"), sync).target("1Z").
			client(&pgproto3.Close{ObjectType: 'S', Name: name + "x"}, parseMsg(name+"x", "evil"), sync).target("31Z").
			client(bindMsg(name+"y", name+"z"), executeMsg(name)).want("evil")
	})
	t.Run("a name that the target may read otherwise is refused", func(t *testing.T) {
		log := newStatements()
		for _, m := range []pgproto3.FrontendMessage{bindMsg("", "é"), bindMsg("é", ""), executeMsg("é"), &pgproto3.Close{ObjectType: 'S', Name: "é"}} {
			b, err := m.Encode(nil)
			if err != nil {
				t.Fatal(err)
			}
			switch b[0] {
			case 'B':
				err = log.bind(b[5:])
			case 'E':
				_, err = log.execute(b[5:], nil)
			case 'C':
				err = log.close(b[5:])
			}
			if e := asError(err); e == nil || e.Rule != "protocol" {
				t.Errorf("%T: %v", m, err)
			}
		}
	})
	t.Run("a Sync within a copy is ignored", func(t *testing.T) {
		s := newScript(t).client(parseMsg("", "COPY t FROM STDIN"), bindMsg("", ""), executeMsg(""), sync).target("12")
		s.log.copyIn()
		s.log.copyEnd()
		s.client(sync).target("CZ")
		if len(s.log.pending) != 0 {
			t.Errorf("%d are pending", len(s.log.pending))
		}
	})
}

func TestWhatIsPreparedAndNotExecutedIsRecorded(t *testing.T) {
	s := newScript(t).client(parseMsg("s", "only described"))
	if got := s.log.unsaid(); len(got) != 1 || got[0].Kind != record.Prepared || got[0].Text != "only described" {
		t.Fatalf("%+v", got)
	}
	s.client(bindMsg("", "s"), executeMsg(""))
	if got := s.log.unsaid(); len(got) != 0 {
		t.Fatalf("said twice: %+v", got)
	}
	s.client(bindMsg("p", "s"))
	if got := s.log.unsaid(); len(got) != 1 {
		t.Fatalf("a Bind alone: %+v", got)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	for _, sql := range []string{
		"ALTER ROLE x PASSWORD 'canary'", "alter user x with encrypted password E'can''canary'", "CREATE ROLE x PASSWORD $$canary$$",
		"DO $b$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''canary'''; END $b$", "SELECT dblink_connect('host=x password=canary')",
		"CREATE USER MAPPING FOR x SERVER y OPTIONS (secret 'canary')",
	} {
		if it := statementItem(1, sql, []record.Value{{Text: "canary"}}, secretive(sql)); strings.Contains(it.Text, "canary") || it.Values[0].Text == "canary" {
			t.Errorf("%s is recorded as %q", sql, it.Text)
		}
	}
}

func FuzzStatements(f *testing.F) {
	for _, m := range []pgproto3.FrontendMessage{parseMsg("s", "SELECT $1"), &pgproto3.Bind{Parameters: [][]byte{{1, 2}, nil}, ParameterFormatCodes: []int16{1}}, executeMsg(""), &pgproto3.Close{ObjectType: 'S', Name: "s"}, callOf(955, int4(0), []byte("x"))} {
		b, _ := m.Encode(nil)
		f.Add(b[0], b[5:])
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		log := newStatements()
		switch kind {
		case 'P':
			_ = parseInto(log, body)
		case 'B':
			_ = log.bind(body)
		case 'E':
			_, _ = log.portalOf(body)
			_, _ = log.execute(body, nil)
		case 'C':
			_ = log.close(body)
		case 'F':
			if oid, values, err := parseFunction(body); err == nil {
				text, _ := functionText(oid, len(values))
				log.function(text, values, nil)
			}
		default:
			errorFields(body)
			tagOf(body)
			shape(string(body))
		}
		log.unsaid()
	})
}

func parseInto(log *statements, body []byte) error {
	name, text, err := parseParse(body)
	if err != nil {
		return err
	}
	return log.parse(name, portal{text: text})
}

func TestAShapeHasNoValue(t *testing.T) {
	values := []record.Value{{Text: "canary"}}
	for _, kind := range []record.Kind{record.Statement, record.Prepared, record.Refused} {
		it := (&Engine{}).Shape(record.Item{Kind: kind, Text: "SELECT 'canary', $1", Values: values, Error: "canary"})
		if strings.Contains(fmt.Sprint(it), "canary") || !strings.Contains(it.Text, "SELECT ?") {
			t.Errorf("%s: %+v", kind, it)
		}
	}
	if values[0].Text != "canary" {
		t.Error("shaping an item changes it")
	}
}

func TestWhatHoldsVerifiersIsMasked(t *testing.T) {
	for _, sql := range []string{"SELECT * FROM pg_authid", "TABLE pg_catalog.PG_SHADOW", "SELECT * FROM pg_user_mapping", "select umoptions from pg_user_mappings"} {
		if !secretive(sql) {
			t.Errorf("the results of %s would be recorded", sql)
		}
	}
}

// A reset goes through to the socket also where TLS began at once.
var _ interface{ NetConn() net.Conn } = (*begun)(nil)

func TestAShapeHidesWhatMayBeReadInTwoWays(t *testing.T) {
	for _, sql := range []string{
		`SELECT 'x\', 'canary'`, `SELECT E'x\'', 'canary', 'y\''`, `SELECT 'x\\', 'canary'`, `SELECT '\'; ALTER ROLE x PASSWORD 'canary'`,
		"SELECT 1 /* a /* b */ canary */", "SELECT 1 /* a /*/ b */ canary */",
	} {
		if got := shape(sql); strings.Contains(got, "canary") {
			t.Errorf("%s is shown as %s", sql, got)
		}
	}
	if got := shape("SELECT 1 /* a /* b */ c */ + x"); got != "SELECT ? /**/ + x" {
		t.Errorf("%s", got)
	}
}
