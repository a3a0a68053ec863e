package mysql

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
)

// verb is what may be done, in the words of the file.
type verb string

// The verbs.
const (
	read   verb = "read"
	update verb = "update"
	insert verb = "insert"
	del    verb = "delete"
	call   verb = "call"   // a procedure or function: dangerous
	create verb = "create" // tables and views in a database: dangerous
)

// rule is one line of a permission, parsed.
type rule struct {
	verb     verb
	database string   // "": the resource's own
	name     string   // table or routine; "" stands for all tables in the database
	cols     []string // of read and update and insert; nil: the whole table
}

// permission is what a lease may do.
type permission struct {
	rules []rule
	minus []rule          // what the rules would allow and never says no to
	never map[string]bool // "delete", "insert", "update", "change schema", …
}

// neverWords are what may stand under never.
func neverWords() []string {
	return []string{"read", "update", "insert", "delete", "change schema", "call", "create"}
}

func bad(line, what string) *curfew.Error {
	return curfew.Errorf(curfew.Invalid, "%q is no permission of MySQL: %s", line, what).WithRule("permission").
		WithFix("for example: read orders · read shop.refunds (id, status) · update refunds (status) · insert refunds · delete refunds · read * · call refresh · create in database scratch")
}

// parse reads a permission's lines.
func parse(p curfew.Permission) (permission, error) {
	out := permission{never: map[string]bool{}}
	for _, line := range p.Never {
		word := strings.Join(strings.Fields(strings.ToLower(line)), " ")
		if slices.Contains(neverWords(), word) {
			out.never[word] = true
			continue
		}
		r, err := parseRule(line)
		if err != nil || !r.onTables() {
			return out, curfew.Errorf(curfew.Invalid, "%q cannot stand under never", line).WithRule("permission").
				WithFix("one of: %s; or a table or columns: read salaries, read customers (card)", strings.Join(neverWords(), ", "))
		}
		out.minus = append(out.minus, r)
	}
	for _, line := range p.May {
		r, err := parseRule(line)
		if err != nil {
			return out, err
		}
		if out.never[string(r.verb)] || r.verb == create && out.never["change schema"] {
			return out, bad(line, "the role says never "+string(r.verb))
		}
		if slices.ContainsFunc(out.minus, func(m rule) bool { return m.covers(r) }) {
			return out, bad(line, "the role says never to all of it")
		}
		out.rules = append(out.rules, r)
	}
	if len(out.rules) == 0 {
		return out, curfew.Errorf(curfew.Invalid, "a role that may do nothing").WithRule("permission")
	}
	return out, nil
}

func parseRule(line string) (rule, error) {
	s := &scanner{line: line, rest: line}
	word := verb(strings.ToLower(s.word()))
	r := rule{verb: word}
	switch word {
	case read, update, insert, del:
		if err := s.target(&r); err != nil {
			return r, err
		}
		if word != del && s.take("(") {
			if err := s.columns(&r); err != nil {
				return r, err
			}
		}
	case create:
		if strings.ToLower(s.word()) != "in" || strings.ToLower(s.word()) != "database" {
			return r, bad(line, "create where? create in database NAME")
		}
		var err error
		if r.database, err = s.ident(); err != nil {
			return r, err
		}
	case call:
		if err := s.target(&r); err != nil {
			return r, err
		}
		if r.name == "" {
			return r, bad(line, "routines are named one by one")
		}
	default:
		return r, bad(line, "it begins with none of read, update, insert, delete, call, create"+meant(string(word)))
	}
	if s.skip(); s.rest != "" {
		return r, bad(line, "nothing is known of "+strings.TrimSpace(s.rest))
	}
	return r, nil
}

// meant guesses the verb from what other systems call it.
func meant(word string) string {
	for v, others := range map[verb]string{
		read: "select view see show reads", update: "modify change write edit set updates", insert: "add append inserts", del: "remove erase deletes",
		call: "execute exec run invoke calls", create: "ddl make creates",
	} {
		if slices.Contains(strings.Fields(others), word) {
			return "; did you mean " + string(v) + "?"
		}
	}
	return ""
}

// scanner reads one line.
type scanner struct{ line, rest string }

func (s *scanner) skip() { s.rest = strings.TrimLeft(s.rest, " \t") }

func (s *scanner) word() string {
	s.skip()
	n := strings.IndexFunc(s.rest, func(r rune) bool { return !unicode.IsLetter(r) })
	if n < 0 {
		n = len(s.rest)
	}
	w := s.rest[:n]
	s.rest = s.rest[n:]
	return w
}

func (s *scanner) take(text string) bool {
	s.skip()
	rest, ok := strings.CutPrefix(s.rest, text)
	if ok {
		s.rest = rest
	}
	return ok
}

// ident reads an identifier as it stands: plain, or in backticks.
func (s *scanner) ident() (string, error) {
	s.skip()
	if !utf8.ValidString(s.rest) || strings.ContainsRune(s.rest, 0) {
		return "", bad(s.line, "it is not valid text")
	}
	if strings.HasPrefix(s.rest, "`") {
		return s.quoted()
	}
	n := strings.IndexFunc(s.rest, func(r rune) bool { return r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if n < 0 {
		n = len(s.rest)
	}
	id := s.rest[:n]
	if id == "" || unicode.IsDigit(rune(id[0])) || id[0] == '$' {
		return "", bad(s.line, "a name is missing; names with other letters stand in backticks")
	}
	s.rest = s.rest[n:]
	return checkLength(s.line, id)
}

func (s *scanner) quoted() (string, error) {
	var b strings.Builder
	rest := s.rest[1:]
	for {
		i := strings.IndexByte(rest, '`')
		if i < 0 {
			return "", bad(s.line, "a quoted name does not end")
		}
		b.WriteString(rest[:i])
		rest = rest[i+1:]
		if !strings.HasPrefix(rest, "`") {
			break
		}
		b.WriteByte('`')
		rest = rest[1:]
	}
	s.rest = rest
	if b.Len() == 0 {
		return "", bad(s.line, "a name is empty")
	}
	return checkLength(s.line, b.String())
}

// longestName is what MySQL allows, in characters.
const longestName = 64

func checkLength(line, id string) (string, error) {
	if utf8.RuneCountInString(id) > longestName {
		return "", bad(line, "a name is longer than 64 characters")
	}
	return id, nil
}

// target reads *, database.*, name or database.name.
func (s *scanner) target(r *rule) (err error) {
	if s.take("*") {
		return nil
	}
	if r.name, err = s.ident(); err != nil {
		return err
	}
	if !s.take(".") {
		return nil
	}
	r.database = r.name
	if s.take("*") {
		r.name = ""
		return nil
	}
	r.name, err = s.ident()
	return err
}

func (s *scanner) columns(r *rule) error {
	if r.name == "" {
		return bad(s.line, "columns belong to one table")
	}
	for {
		c, err := s.ident()
		if err != nil {
			return err
		}
		if !containsFold(r.cols, c) {
			r.cols = append(r.cols, c)
		}
		if s.take(",") {
			continue
		}
		if s.take(")") {
			slices.Sort(r.cols)
			return nil
		}
		return bad(s.line, "the columns do not end with )")
	}
}

// Covers reports whether all that b allows lies within a. In doubt: no.
func (*Engine) Covers(a, b curfew.Permission) bool {
	pa, err1 := parse(a)
	pb, err2 := parse(b)
	if err1 != nil || err2 != nil {
		return false
	}
	for _, r := range pb.rules {
		if !slices.ContainsFunc(pa.rules, func(w rule) bool { return w.covers(r) }) && !coveredByColumns(pa.rules, r) {
			return false
		}
		for _, m := range pa.minus { // what a never allows, b must never allow either
			if m.meets(r) && !slices.ContainsFunc(pb.minus, func(n rule) bool { return n.covers(m) }) {
				return false
			}
		}
	}
	return true
}

// onTables reports whether a rule is about tables and columns.
func (r rule) onTables() bool {
	return r.verb == read || r.verb == update || r.verb == insert || r.verb == del
}

// meets reports whether two rules may have something in common. In doubt they do: a
// database that is named may be the resource's own, and names may differ in case alone.
func (r rule) meets(o rule) bool {
	if r.verb != o.verb {
		return false
	}
	if r.database != "" && o.database != "" && !strings.EqualFold(r.database, o.database) {
		return false
	}
	if r.name != "" && o.name != "" && !strings.EqualFold(r.name, o.name) {
		return false
	}
	return r.cols == nil || o.cols == nil || slices.ContainsFunc(r.cols, func(c string) bool { return containsFold(o.cols, c) })
}

// containsFold: names of columns never differ in case alone.
func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

func (r rule) covers(o rule) bool {
	if r.verb != o.verb || r.database != o.database {
		return false
	}
	if r.verb == create || r.name == "" && r.verb != call {
		return true
	}
	if r.name != o.name {
		return false
	}
	return r.cols == nil || o.cols != nil && subset(o.cols, r.cols)
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(c string) bool { return !containsFold(b, c) })
}

// coveredByColumns: columns that several lines allow together.
func coveredByColumns(rules []rule, o rule) bool {
	if o.cols == nil {
		return false
	}
	var cols []string
	for _, r := range rules {
		if r.verb == o.verb && r.database == o.database && r.name == o.name && r.cols != nil {
			cols = append(cols, r.cols...)
		}
	}
	return len(cols) > 0 && subset(o.cols, cols)
}
