package postgres

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/postgres/judge"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

// walls stand where the target's own privileges cannot: before fixed accounts. They
// hold the grammar, loaded when the first such session opens, and the rulebooks.
type walls struct {
	parser judge.Parser
	warm   sync.Once

	mu    sync.Mutex
	books map[string]book // guarded by mu; by grant and version of the resource
}

type book struct {
	rules *judge.Rulebook
	read  time.Time // when the target's catalog was read
}

// catalogBound is how old a target's catalog may be when a session opens.
const catalogBound = 30 * time.Second

// prepare loads the grammar in the background, before the first statement wants it,
// which then also hears why it cannot be loaded.
func (w *walls) prepare() {
	w.warm.Do(func() { go func() { _ = w.parser.Warm() }() })
}

// pinned are parameters that hold for the whole of a session on a fixed account,
// whatever it resets: the judge reads names and texts as they say.
func pinned() map[string]string {
	return map[string]string{"search_path": "pg_catalog, public", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
}

// pin refuses parameters that a session on a fixed account may not start with, and
// adds those that hold.
func pin(params map[string]string) error {
	for name, value := range params {
		switch {
		case value == "":
			delete(params, name)
		case name != checkInterval && !judge.Settable(name, value):
			return curfew.Errorf(curfew.Denied, "the parameter %q cannot be set to %q when a session on a fixed account starts", say.Clean(name, 64), say.Clean(value, 64)).
				WithRule(judge.RuleParameter).WithFix("leave it out: time zone, date style, timeouts and their like may be set; the encoding is UTF8")
		}
	}
	maps.Copy(params, pinned())
	return nil
}

// open makes the judge of a session. What the target holds is read on the
// session's own connection, before it is the client's.
func (w *walls) open(ctx context.Context, p *access.Permit, conn *pgconn.PgConn) (*judge.Judge, error) {
	may, err := parse(p.Permission())
	if err != nil {
		return nil, err
	}
	if encoding := conn.ParameterStatus("server_encoding"); encoding != "UTF8" {
		return nil, curfew.Errorf(curfew.Denied, "%s is encoded in %s, and statements for a fixed account are judged in UTF8 only", p.Resource().Name, say.Clean(encoding, 40)).
			WithRule("resource.encoding").WithFix("account: leased")
	}
	key := string(p.Grant().ID) + "\x00" + policy.ResourceVersion(p.Resource())
	w.mu.Lock()
	b, ok := w.books[key]
	w.mu.Unlock()
	if ok && time.Since(b.read) < catalogBound {
		return b.rules.Judge(), nil
	}
	read := time.Now()
	catalog, err := readCatalog(ctx, conn)
	if err != nil {
		return nil, err
	}
	if err := w.parser.Warm(); err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "load PostgreSQL's grammar")
	}
	b = book{judge.NewRulebook(&w.parser, judged(may), catalog), read}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.books == nil {
		w.books = map[string]book{}
	}
	for k, old := range w.books {
		if time.Since(old.read) > catalogBound {
			delete(w.books, k) // sessions that live keep theirs
		}
	}
	w.books[key] = b
	return b.rules.Judge(), nil
}

// judged is a permission as the judge takes it.
func judged(p permission) judge.Permission {
	var out judge.Permission
	for _, r := range p.rules {
		if r.verb != create {
			out.Allow = append(out.Allow, r.judged())
		}
	}
	for _, r := range p.minus {
		out.Never = append(out.Never, r.judged())
	}
	return out
}

func (r rule) judged() judge.Rule {
	return judge.Rule{Verb: judge.Verb(r.verb), Schema: r.schema, Name: r.name, Columns: r.cols, Args: r.args}
}

// readCatalog asks the target what the judge must know of it.
func readCatalog(ctx context.Context, conn *pgconn.PgConn) (judge.Catalog, error) {
	c := judge.Catalog{Tables: []judge.Table{}}
	types := pgtype.NewMap()
	for _, q := range []struct {
		sql string
		add func(v [][]byte) error
	}{
		{judge.TablesQuery, func(v [][]byte) error {
			t := judge.Table{Schema: string(v[0]), Name: string(v[1])}
			err := types.Scan(pgtype.TextArrayOID, pgtype.TextFormatCode, v[2], &t.Columns)
			c.Tables = append(c.Tables, t)
			return err
		}},
		{judge.FunctionsQuery, func(v [][]byte) error {
			c.Functions = append(c.Functions, judge.Function{Schema: string(v[0]), Name: string(v[1]), Args: string(v[2])})
			return nil
		}},
		{judge.OperatorsQuery, func(v [][]byte) error { c.Operators = append(c.Operators, string(v[0])); return nil }},
		{judge.TypesQuery, func(v [][]byte) error {
			c.Types = append(c.Types, judge.Name{Schema: string(v[0]), Name: string(v[1])})
			return nil
		}},
	} {
		rows := conn.ExecParams(ctx, q.sql, nil, nil, nil, nil)
		var bad error
		for rows.NextRow() {
			bad = errors.Join(bad, q.add(rows.Values()))
		}
		if _, err := rows.Close(); err != nil || bad != nil {
			return c, curfew.Wrap(curfew.Unavailable, errors.Join(err, bad), "read what the target holds").WithRule("resource.catalog")
		}
	}
	return c, nil
}

// judge refuses a text, or lets it pass. What is refused goes on as something that
// no server can read, of the same length: the target then answers with an error
// in its place, and does with the transaction and with what was sent after it what
// it always does. The error is given our words on its way back.
func (r *relay) judge(text []byte) *judge.Refusal {
	if r.wall == nil {
		return nil
	}
	v := r.wall.Judge(string(text))
	if v.Refused != nil {
		spoil(text)
	}
	return v.Refused
}

func spoil(text []byte) {
	for i := range text {
		text[i] = ' '
	}
	text[0] = '}' // an empty text is never refused
}

// insufficientPrivilege is how the target refuses for want of rights.
const insufficientPrivilege = "42501"

// syntaxError is how the target answers what was spoiled.
const syntaxError = "42601"

// refusalWords are a refusal as the client hears it.
func refusalWords(f *judge.Refusal) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: sqlstateOf(f), Message: "Curfew: " + f.What, Detail: "Rule: " + f.Rule, Hint: f.Fix,
	}
}

// refusedItem is a statement that was not sent.
func refusedItem(it record.Item, f *judge.Refusal) record.Item {
	it.Kind, it.Error, it.Code = record.Refused, f.What, f.Rule
	return it
}
