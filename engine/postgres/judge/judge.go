package judge

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// Verdict is what the judge says of a text. Refused is nil if all of it is allowed.
type Verdict struct {
	Statements []Statement
	Refused    *Refusal // of the first statement that is not allowed; it refuses the whole text
}

// Statement is one statement of a text.
type Statement struct {
	Class  string // "select", "insert", "copy out", "set", …
	Digest string // SHA-256 of the statement without its constants, in hex
	Reads  []Object
	Writes []Object // inserted, updated, deleted, locked
	Calls  []string // functions allowed by a call rule, with their schema
	Start  int      // where it stands in the text, in bytes
	End    int
}

// Object is a table that a statement touches.
type Object struct {
	Verb         Verb
	Schema, Name string
	Columns      []string // those named; nil: all, or none in particular
}

// Refusal says no, in words for the person who asked.
type Refusal struct {
	Rule string // dotted, like all rules of refusals: "statement.table"
	What string // what is not allowed
	Fix  string // what to do about it
}

// What refuses.
const (
	RuleUnknown   = "statement.unknown"   // it cannot be classified
	RuleClass     = "statement.class"     // this kind of statement is not for fixed accounts
	RuleTable     = "statement.table"     // no right on a table
	RuleColumn    = "statement.column"    // no right on a column
	RuleFunction  = "statement.function"  // no right to call it
	RuleParameter = "statement.parameter" // a parameter that may not be set or shown
	RuleName      = "statement.name"      // a prepared statement or cursor of another
)

// Judge judges the statements of one session, in their order. It is not safe for
// concurrent use.
type Judge struct {
	book  *Rulebook
	names names
}

// names are what the session prepared and declared itself. All of it was judged.
type names struct{ prepared, cursors map[string]bool }

// mostNames bounds how many names a session may have of a kind.
const mostNames = 10000

// New makes a judge with a rulebook of its own.
func New(parser *Parser, p Permission, c Catalog) *Judge {
	return NewRulebook(parser, p, c).Judge()
}

// Named tells of a statement that was prepared by a Parse message, under a name, and
// was judged: EXECUTE may use it.
func (j *Judge) Named(name string) {
	if len(j.names.prepared) < mostNames {
		j.names.prepared[name] = true
	}
}

// Judge judges a text. One statement that is not allowed refuses all of it, and the
// session's names are then as before. The verdict is shared: it must not be changed.
func (j *Judge) Judge(text string) Verdict {
	if v, ok := j.book.verdicts.recall(text); ok {
		return v
	}
	v, personal := j.judge(text)
	if !personal {
		j.book.verdicts.keep(text, v, verdictBounds())
	}
	return v
}

// judge also says whether the verdict is for this session alone, or for this moment.
func (j *Judge) judge(text string) (v Verdict, personal bool) {
	p := j.book.parser.parse(text)
	if p.err != nil {
		return Verdict{Refused: &Refusal{
			Rule: RuleUnknown, What: sentence("the text cannot be classified: " + p.err.Error()),
			Fix: "PostgreSQL's own grammar must be able to read it; send statements one by one to find which",
		}}, errors.Is(p.err, errBroken)
	}
	before := j.names
	if slices.ContainsFunc(p.statements, statement.renames) {
		before = names{maps.Clone(j.names.prepared), maps.Clone(j.names.cursors)}
	}
	for _, s := range p.statements {
		a := &analysis{j: j, out: Statement{Digest: s.digest, Start: s.start, End: s.end}, objects: map[objectKey]map[string]bool{}}
		a.statement(s)
		a.report()
		v.Statements = append(v.Statements, a.out)
		personal = personal || a.personal
		if a.refused != nil {
			j.names = before
			v.Refused = a.refused
			return v, personal
		}
	}
	return v, personal
}

// renames reports whether a statement may change the session's names.
func (s statement) renames() bool {
	return slices.Contains([]string{"PrepareStmt", "DeallocateStmt", "DeclareCursorStmt", "ClosePortalStmt", "DiscardStmt"}, s.kind)
}

// Empty reports whether the text holds no statement.
func (v Verdict) Empty() bool { return len(v.Statements) == 0 && v.Refused == nil }

func (r *Refusal) Error() string { return strings.TrimSuffix(r.What, ".") }
