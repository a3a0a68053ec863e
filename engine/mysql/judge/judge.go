package judge

import (
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/say"
)

// Refusal says no, in words for the person who asked.
type Refusal struct {
	Rule string // dotted, like all rules of refusals: "statement.table"
	What string // what is not allowed
	Fix  string // what to do about it
}

func (r *Refusal) Error() string { return strings.TrimSuffix(r.What, ".") }

// What refuses.
const (
	RuleUnknown   = "statement.unknown"   // it cannot be classified
	RuleClass     = "statement.class"     // this kind of statement is not for fixed accounts
	RuleTable     = "statement.table"     // no right on a table
	RuleColumn    = "statement.column"    // no right on a column
	RuleFunction  = "statement.function"  // no right to call it
	RuleParameter = "statement.parameter" // a variable that may not be set or shown
	RuleDatabase  = "statement.database"  // another current database
)

// Judge judges statements under one permission at one target. It is safe for
// concurrent use, and has no memory: what one statement says changes nothing for the next.
type Judge struct {
	allowed Permission
	known   known
}

// New makes a judge. Neither p nor c may be changed later.
func New(p Permission, c Catalog) *Judge { return &Judge{allowed: p, known: c.known()} }

// Judge judges a text; nil: all of it is allowed. One statement that is not refuses all of it.
func (j *Judge) Judge(text string) *Refusal { return j.judge(text, 0) }

// deepestText bounds texts within texts (PREPARE … FROM '…').
const deepestText = 3

func (j *Judge) judge(text string, depth int) *Refusal {
	statements, err := parse(text)
	if err != nil {
		return &Refusal{
			Rule: RuleUnknown, What: sentence("the text cannot be classified: " + err.Error()),
			Fix: "before a fixed account a statement must have one meaning on every server; send statements one by one to find which",
		}
	}
	for _, s := range statements {
		a := &analysis{j: j, depth: depth}
		a.statement(s)
		if a.refused != nil {
			return a.refused
		}
	}
	return nil
}

// Use judges a change of the current database (COM_INIT_DB).
func (j *Judge) Use(database string) *Refusal {
	a := &analysis{j: j}
	a.use(database)
	return a.refused
}

// Fields judges a look at a table's columns (COM_FIELD_LIST).
func (j *Judge) Fields(table string) *Refusal {
	a := &analysis{j: j}
	a.described("", table, false)
	return a.refused
}

// analysis walks one statement. It goes on after the first refusal, which is the one kept.
type analysis struct {
	j       *Judge
	depth   int // of texts within texts
	refused *Refusal
}

func (a *analysis) refuse(rule, fix, format string, args ...any) {
	if a.refused == nil {
		a.refused = &Refusal{Rule: rule, What: sentence(fmt.Sprintf(format, args...)), Fix: sentence(fix)}
	}
}

// sentence makes safe and short what names of the statement went into.
func sentence(s string) string { return say.Clean(s, 300) }

// unknown refuses what the judge has no answer for.
func (a *analysis) unknown(what string) {
	a.refuse(RuleUnknown, "write it without; on a fixed account nothing runs that cannot be classified", "%s cannot be classified", what)
}

func (a *analysis) refuseClass(what string) {
	a.refuse(RuleClass, "on a fixed account only reading, writing rows, calling and the session's own settings are possible, whatever the role says",
		"%s is not possible on a resource with a fixed account", what)
}

func (a *analysis) refuseTable(verb Verb, t Table) {
	a.refuse(RuleTable, "ask for a role that allows: "+string(verb)+" "+t.String(), "the role does not allow to %s %s", verb, t)
}

func (a *analysis) refuseColumn(verb Verb, t Table, column string) {
	a.refuse(RuleColumn, "leave the column out, or ask for a role that allows: "+string(verb)+" "+t.String()+" ("+column+")",
		"the role does not allow to %s the column %s of %s", verb, column, t)
}
