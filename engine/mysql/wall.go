package mysql

import (
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/mysql/judge"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

// wall stands in one session where texts are read: before a fixed account, where the
// target's own privileges cannot be the wall, and where statements wait for a release. It
// judges by what was read of the target when the session opened.
type wall struct {
	judge *judge.Judge // nil: the target's privileges are the wall
	pins  string       // what makes the session what the judge takes it for
}

// walls keep what was read of targets, for the sessions of one grant that begin close together.
type walls struct {
	mu    sync.Mutex
	books map[string]book // guarded by mu; by grant, version of the resource, and database
}

type book struct {
	judge *judge.Judge
	read  time.Time // when the target's catalog was read
}

// catalogBound is how old a target's catalog may be when a session opens.
const catalogBound = 30 * time.Second

// open makes the wall of a session, on the session's own connection, before it is the
// client's.
func (w *walls) open(p *access.Permit, l *login, own string) (*wall, error) {
	res := p.Resource()
	may, err := parse(p.Permission())
	if err != nil {
		return nil, err
	}
	began, err := l.query("SELECT VERSION(), @@sql_mode, COALESCE(DATABASE(), '')")
	if err != nil {
		return nil, err
	}
	if len(began) != 1 || !strings.Contains(began[0][0], "MariaDB") {
		return nil, curfew.Errorf(curfew.Denied, "%s is no MariaDB: how other servers read statements that are judged has not been tried", res.Name).WithRule("resource.version")
	}
	out := &wall{pins: judge.Pins(began[0][1])}
	if _, err := l.query(out.pins); err != nil {
		return nil, err
	}
	if res.Account != curfew.Fixed {
		return out, nil
	}
	database := began[0][2]
	key := string(p.Grant().ID) + "\x00" + policy.ResourceVersion(res) + "\x00" + database
	w.mu.Lock()
	b, ok := w.books[key]
	w.mu.Unlock()
	if ok && time.Since(b.read) < catalogBound {
		out.judge = b.judge
		return out, nil
	}
	b = book{read: time.Now()}
	catalog, err := readCatalog(l, database)
	if err != nil {
		return nil, err
	}
	b.judge = judge.New(judged(may, own), catalog)
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
	out.judge = b.judge
	return out, nil
}

// judged is a permission as the judge takes it: own is the resource's own database, where
// a rule names none.
func judged(p permission, own string) judge.Permission {
	place := func(rules []rule) (out []judge.Rule) {
		for _, r := range rules {
			if r.database == "" {
				r.database = own
			}
			if r.verb != create && r.database != "" {
				out = append(out, judge.Rule{Verb: judge.Verb(r.verb), Database: r.database, Name: r.name, Columns: r.cols})
			}
		}
		return out
	}
	return judge.Permission{Allow: place(p.rules), Never: place(p.minus)}
}

// readCatalog asks the target what the judge must know of it.
func readCatalog(l *login, database string) (judge.Catalog, error) {
	c := judge.Catalog{Database: database}
	rows, err := l.query(judge.TablesQuery)
	if err != nil {
		return c, err
	}
	for _, r := range rows {
		if n := len(c.Tables); n == 0 || c.Tables[n-1].Database != r[0] || c.Tables[n-1].Name != r[1] {
			c.Tables = append(c.Tables, judge.Table{Database: r[0], Name: r[1]})
		}
		t := &c.Tables[len(c.Tables)-1]
		t.Columns = append(t.Columns, r[2])
	}
	rows, err = l.query(judge.RoutinesQuery)
	for _, r := range rows {
		c.Routines = append(c.Routines, r[0])
	}
	return c, err
}

// Bounds of what is read of a target's catalog.
const (
	mostCatalog     = 64 << 20 // bytes
	mostCatalogRows = 1 << 20
)

// query asks the target something on a session's own connection, before it is the
// client's, through the gate like everything. NULL reads as "".
func (l *login) query(text string) (out [][]string, err error) {
	l.next = 0
	if err := l.send(append([]byte{comQuery}, text...)); err != nil {
		return nil, err
	}
	a, size := newAnswer(results, 0), 0
	for {
		p, err := readPacket(l.conn, maxInspect)
		if err != nil {
			return nil, err
		}
		if size += len(p.payload); size > mostCatalog || len(out) > mostCatalogRows {
			return nil, curfew.Errorf(curfew.Unavailable, "%s holds more tables than the gateway reads", l.res.Name).WithRule("resource.catalog")
		}
		first := byte(0)
		if len(p.payload) > 0 {
			first = p.payload[0]
		}
		if !a.looks(len(p.payload), first) {
			if a.at == rows {
				out = append(out, textRow(p.payload))
			}
			seen := 0
			a.passed(nil, &seen)
			continue
		}
		t, err := a.see(p.payload)
		switch {
		case err != nil:
			return nil, err
		case a.code != "":
			return nil, curfew.Errorf(curfew.Unavailable, "%s does not say what the gateway must know of it: %s", l.res.Name, say.Clean(a.fault, 200)).WithRule("resource.catalog")
		case t.done:
			return out, nil
		}
	}
}

func textRow(b []byte) (out []string) {
	c := cursor{b: b}
	for len(c.b) > 0 {
		if c.b[0] == localInfile { // which stands for NULL here
			c.take(1)
			out = append(out, "")
			continue
		}
		out = append(out, string(c.text()))
	}
	return out
}

// pinned is a reset of the session and what must hold after it, in one write. The
// client hears the second answer: an OK like the first.
func (r *relay) pinned(c command) error {
	a := newAnswer(single, 0)
	a.first, a.must = true, true
	raw := appendPacket(append([]byte(nil), c.raw...), 0, append([]byte{comQuery}, r.wall.pins...))
	return r.statement(c, raw, a, "COM_RESET_CONNECTION", nil)
}

// mayRun asks the judge, where there is one, for a statement; false: it was refused, and
// the client knows.
func (r *relay) mayRun(c command, text string, no func(*judge.Judge) *judge.Refusal) (bool, error) {
	if r.wall == nil || r.wall.judge == nil {
		return true, nil
	}
	f := no(r.wall.judge)
	if f == nil {
		return true, nil
	}
	return false, r.refused(c, statementItem(0, text, nil), f)
}

// refused records a statement that is not sent, and tells the client why.
func (r *relay) refused(c command, it record.Item, f *judge.Refusal) error {
	r.ref++
	it.Kind, it.Ref, it.Error, it.Code = record.Refused, r.ref, f.What, f.Rule
	if err := r.s.Observe(it); err != nil {
		return err
	}
	number, state := numberOf(f)
	return r.instead(c, errPayload(number, state, sentence("Curfew: "+f.What+"; "+f.Fix)+" ["+f.Rule+"]"))
}

// numberOf is how servers refuse for want of such a right.
func numberOf(f *judge.Refusal) (number uint16, state string) {
	switch f.Rule {
	case judge.RuleTable:
		return 1142, "42000" // ER_TABLEACCESS_DENIED_ERROR
	case judge.RuleColumn:
		return 1143, "42000" // ER_COLUMNACCESS_DENIED_ERROR
	case judge.RuleFunction:
		return 1370, "42000" // ER_PROCACCESS_DENIED_ERROR
	case takenBack:
		return 1317, "70100" // ER_QUERY_INTERRUPTED
	case judge.RuleDatabase:
		return 1044, "42000" // ER_DBACCESS_DENIED_ERROR
	}
	return 1227, "42000" // ER_SPECIFIC_ACCESS_DENIED_ERROR
}
