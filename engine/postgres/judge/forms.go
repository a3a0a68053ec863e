package judge

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/curfewhq/curfew"
)

// Forms says of which classes a text is, whatever any permission allows: what a rule
// of release goes by. It is a question of form. What the target does by itself
// (triggers, rules, views, functions with the names and arguments of PostgreSQL's own)
// nobody can see in a text.
type Forms struct {
	Classes []curfew.StatementClass // sorted; none: it reads, or concerns the session alone
	// Executes and Fetches are prepared statements and cursors that it runs.
	Executes, Fetches []string
	// Prepares and Declares are those that it makes, each with what running it comes to.
	Prepares, Declares map[string]Forms
}

// Forms classifies a text; an error: the grammar cannot read it.
func (p *Parser) Forms(text string) (Forms, error) {
	parsed := p.parse(text)
	if parsed.err != nil {
		return Forms{}, parsed.err
	}
	var out Forms
	for _, s := range parsed.statements {
		out.add(s.forms)
	}
	return out, nil
}

// add takes another's in. What it is given is not changed.
func (f *Forms) add(g Forms) {
	for _, c := range g.Classes {
		f.class(c)
	}
	f.Executes = append(slices.Clone(f.Executes), g.Executes...)
	f.Fetches = append(slices.Clone(f.Fetches), g.Fetches...)
	f.Prepares = merged(f.Prepares, g.Prepares)
	f.Declares = merged(f.Declares, g.Declares)
}

// merged holds, for a name that both make, what either comes to.
func merged(a, b map[string]Forms) map[string]Forms {
	if len(b) == 0 {
		return a
	}
	out := maps.Clone(a)
	if out == nil {
		out = map[string]Forms{}
	}
	for name, g := range b {
		f := out[name]
		f.add(g)
		out[name] = f
	}
	return out
}

func (f *Forms) class(c curfew.StatementClass) {
	if i, found := slices.BinarySearch(f.Classes, c); !found {
		f.Classes = slices.Insert(slices.Clone(f.Classes), i, c)
	}
}

// formsOf classifies one statement of the parser's tree.
func formsOf(stmt map[string]any) Forms {
	var f Forms
	f.walk(stmt)
	return f
}

// walk looks at every node: a statement may stand in another.
func (f *Forms) walk(v any) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			f.walk(e)
		}
	case map[string]any:
		for name, value := range x {
			fields, _ := value.(map[string]any)
			if f.node(name, fields) {
				f.walk(value)
			}
		}
	}
}

// node classifies one node; false: what is in it does not run.
func (f *Forms) node(name string, x map[string]any) (deeper bool) {
	switch name {
	case "DeleteStmt":
		f.rows(curfew.ClassDelete, curfew.ClassDeleteWithoutWhere, x["whereClause"])
	case "UpdateStmt":
		f.rows(curfew.ClassUpdate, curfew.ClassUpdateWithoutWhere, x["whereClause"])
	case "InsertStmt":
		f.class(curfew.ClassInsert)
	case "OnConflictClause", "onConflictClause":
		if x["action"] == "ONCONFLICT_UPDATE" {
			f.class(curfew.ClassUpdate)
		}
	case "MergeStmt":
		f.merge(x)
	case "CopyStmt":
		f.copy(x)
	case "FuncCall":
		f.call(stringsOf(x["funcname"]))
	case "A_Expr":
		f.operator(x)
	case "PrepareStmt":
		f.Prepares = merged(f.Prepares, map[string]Forms{stringOf(x["name"]): within(x["query"])})
		return false
	case "DeclareCursorStmt":
		f.Declares = merged(f.Declares, map[string]Forms{stringOf(x["portalname"]): within(x["query"])})
		return false
	case "ExecuteStmt":
		f.Executes = append(f.Executes, stringOf(x["name"]))
	case "FetchStmt":
		f.Fetches = append(f.Fetches, stringOf(x["portalname"]))
	case "ExplainStmt":
		return analyzes(x["options"])
	case "IntoClause", "intoClause":
		f.class(curfew.ClassDDL)
	case "VariableSetStmt":
		f.set(x)
	default:
		f.other(name, x)
	}
	return true
}

func within(query any) Forms {
	var f Forms
	f.walk(query)
	return f
}

// rows classifies what changes rows. A condition that looks at no column of any row
// is none: WHERE true, WHERE 1 = 1, WHERE $1.
func (f *Forms) rows(all, without curfew.StatementClass, where any) {
	f.class(all)
	if !looks(where) {
		f.class(without)
	}
}

// looks reports whether a condition names a column or a cursor.
func looks(v any) bool {
	switch x := v.(type) {
	case []any:
		return slices.ContainsFunc(x, looks)
	case map[string]any:
		for name, value := range x {
			if name == "ColumnRef" || name == "CurrentOfExpr" || looks(value) {
				return true
			}
		}
	}
	return false
}

func (f *Forms) merge(x map[string]any) {
	f.class(curfew.ClassMerge)
	clauses, _ := x["mergeWhenClauses"].([]any)
	for _, c := range clauses {
		clause, _ := c.(map[string]any)
		when, _ := clause["MergeWhenClause"].(map[string]any)
		switch when["commandType"] {
		case "CMD_DELETE":
			f.rows(curfew.ClassDelete, curfew.ClassDeleteWithoutWhere, []any{x["joinCondition"], when["condition"]})
		case "CMD_UPDATE":
			f.rows(curfew.ClassUpdate, curfew.ClassUpdateWithoutWhere, []any{x["joinCondition"], when["condition"]})
		case "CMD_INSERT":
			f.class(curfew.ClassInsert)
		}
	}
}

func (f *Forms) copy(x map[string]any) {
	if x["is_from"] == true {
		f.class(curfew.ClassCopyIn)
	} else {
		f.class(curfew.ClassCopyOut)
	}
	if x["is_program"] == true || stringOf(x["filename"]) != "" {
		f.class(curfew.ClassCopyProgram)
	}
}

// callable are functions of PostgreSQL's own, beside those that anybody may call on a
// fixed account, that run nothing given as text and act on nothing but themselves.
var callable = sync.OnceValue(func() map[string]bool { return words("nextval currval lastval current_setting") })

// call: whatever is not PostgreSQL's own may do anything; of its own, only what is
// known to do nothing but answer is not code.
func (f *Forms) call(name []string) {
	if len(name) == 2 && (name[0] == "pg_catalog" || name[0] == "information_schema" && name[1] == "_pg_expandarray") {
		if name = name[1:]; name[0] == "_pg_expandarray" {
			return
		}
	}
	if len(name) != 1 || !builtins().functions[name[0]] && !callable()[name[0]] {
		f.class(curfew.ClassCode)
	}
}

func (f *Forms) operator(x map[string]any) {
	switch x["kind"] {
	case "AEXPR_OP", "AEXPR_OP_ANY", "AEXPR_OP_ALL":
	default:
		return // spelled in words: IN, LIKE, BETWEEN, …
	}
	name := stringsOf(x["name"])
	if len(name) == 2 && name[0] == "pg_catalog" {
		name = name[1:]
	}
	if len(name) != 1 || !builtins().operators[name[0]] {
		f.class(curfew.ClassCode)
	}
}

// set: where pg_catalog is not searched first, the names of PostgreSQL's own
// functions may be anybody's.
func (f *Forms) set(x map[string]any) {
	if !strings.EqualFold(stringOf(x["name"]), "search_path") {
		return
	}
	all, _ := json.Marshal(x["args"]) // maps and strings encode
	if strings.Contains(strings.ToLower(string(all)), "pg_catalog") {
		f.class(curfew.ClassCode)
	}
}

// other classifies by a statement's kind. One that is not known to be harmless
// changes the schema, or something like it.
func (f *Forms) other(name string, x map[string]any) {
	if !strings.HasSuffix(name, "Stmt") || strings.ToUpper(name[:1]) != name[:1] { // a field: what it holds comes next
		return
	}
	switch name {
	case "SelectStmt", "TransactionStmt", "VariableShowStmt", "DeallocateStmt", "ClosePortalStmt", "DiscardStmt", "ListenStmt", "UnlistenStmt",
		"NotifyStmt", "ConstraintsSetStmt", "LockStmt":
		return
	case "DoStmt", "CallStmt", "LoadStmt":
		f.class(curfew.ClassCode)
		return
	case "TruncateStmt":
		f.class(curfew.ClassTruncate)
		return
	case "GrantStmt", "GrantRoleStmt", "AlterDefaultPrivilegesStmt", "AlterOwnerStmt", "ReassignOwnedStmt", "AlterRoleStmt", "CreateRoleStmt":
		f.class(curfew.ClassGrant)
	case "AlterTableStmt":
		f.alter(x)
	}
	if strings.HasPrefix(name, "Drop") {
		f.class(curfew.ClassDrop)
	}
	f.class(curfew.ClassDDL)
}

func (f *Forms) alter(x map[string]any) {
	commands, _ := x["cmds"].([]any)
	for _, c := range commands {
		m, _ := c.(map[string]any)
		command, _ := m["AlterTableCmd"].(map[string]any)
		switch kind := stringOf(command["subtype"]); {
		case strings.HasPrefix(kind, "AT_Drop"):
			f.class(curfew.ClassDrop)
		case kind == "AT_ChangeOwner":
			f.class(curfew.ClassGrant)
		}
	}
}

// analyzes reports whether an EXPLAIN may run what it explains.
func analyzes(options any) bool {
	list, _ := options.([]any)
	for _, o := range list {
		m, _ := o.(map[string]any)
		e, _ := m["DefElem"].(map[string]any)
		if strings.EqualFold(stringOf(e["defname"]), "analyze") {
			return true
		}
	}
	return false
}

func stringOf(v any) string {
	s, _ := v.(string)
	return s
}

// stringsOf are the names of a list of strings.
func stringsOf(v any) (out []string) {
	list, _ := v.([]any)
	for _, e := range list {
		m, _ := e.(map[string]any)
		s, _ := m["String"].(map[string]any)
		out = append(out, stringOf(s["sval"]))
	}
	return out
}
