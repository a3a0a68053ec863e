package judge

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// statement judges one statement of a text. The list of its kinds is closed.
func (a *analysis) statement(n ast.StmtNode) {
	switch x := n.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt:
		a.query(x, fresh())
	case *ast.InsertStmt:
		a.insert(x, fresh())
	case *ast.UpdateStmt:
		a.update(x, fresh())
	case *ast.DeleteStmt:
		a.deletes(x, fresh())
	case *ast.CallStmt:
		a.callProcedure(x.Procedure)
	case *ast.DoStmt:
		a.expressions(x.Exprs, fresh())
	case *ast.ExplainStmt:
		a.explain(x)
	case *ast.ShowStmt:
		a.show(x)
	case *ast.SetStmt:
		a.set(x)
	case *ast.UseStmt:
		a.use(x.DBName)
	case *ast.PrepareStmt:
		a.prepare(x)
	case *ast.ExecuteStmt: // whatever it is called, it was judged when it was prepared
		a.expressions(x.UsingVars, fresh())
	case *ast.DeallocateStmt, *ast.CommitStmt, *ast.RollbackStmt, *ast.SavepointStmt, *ast.ReleaseSavepointStmt, *ast.UnlockTablesStmt:
	case *ast.BeginStmt:
		if x.AsOf != nil {
			a.unknown("a transaction of this form")
		}
	default:
		a.refuseClass(kindOf(n))
	}
}

// kindOf names a statement by its first words.
func kindOf(n ast.StmtNode) string {
	words := strings.Fields(strings.ToLower(n.Text()))
	return "a statement that begins with " + strings.Join(words[:min(2, len(words))], " ")
}

func (a *analysis) callProcedure(f *ast.FuncCallExpr) {
	if f == nil {
		a.unknown("this CALL")
		return
	}
	database := f.Schema.O
	if database == "" {
		database = a.j.known.database
	}
	a.routine(database, f.FnName.O)
	a.expressions(f.Args, fresh())
}

// explain: what is explained may be run (ANALYZE), and is judged as if it were.
func (a *analysis) explain(x *ast.ExplainStmt) {
	if x.Explore || x.SQLDigest != "" || x.PlanDigest != "" {
		a.unknown("this EXPLAIN")
		return
	}
	switch s := x.Stmt.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.ShowStmt:
		a.statement(s)
	default:
		a.refuseClass("explain of such a statement")
	}
}

// use: the current database stays what it was when the session began, so that a name
// without a database has one meaning.
func (a *analysis) use(database string) {
	if database != a.j.known.database {
		a.refuse(RuleDatabase, "write names with their database: "+database+".table; or connect to that database", "another current database than %s is not possible on a fixed account", a.j.known.database)
	}
}

func (a *analysis) prepare(x *ast.PrepareStmt) {
	if x.SQLVar != nil {
		a.unknown("a statement that a variable holds")
		return
	}
	if a.depth >= deepestText {
		a.unknown("a statement within statements")
		return
	}
	if no := a.j.judge(x.SQLText, a.depth+1); no != nil && a.refused == nil {
		a.refused = no
	}
}

// show judges SHOW and DESCRIBE: what there is, and nothing of what others do.
func (a *analysis) show(x *ast.ShowStmt) {
	if x.Pattern != nil {
		a.expression(x.Pattern.Pattern, fresh())
	}
	p := fresh()
	p.scope.rels = []*relation{{}} // its rows
	a.expression(x.Where, p)
	if x.Limit != nil {
		a.tail(nil, x.Limit, fresh())
	}
	switch x.Tp {
	case ast.ShowDatabases, ast.ShowWarnings, ast.ShowErrors, ast.ShowCharset, ast.ShowCollation, ast.ShowEngines:
	case ast.ShowTables, ast.ShowTableStatus, ast.ShowCreateDatabase, ast.ShowOpenTables:
		a.foreign(x.DBName)
	case ast.ShowColumns, ast.ShowIndex, ast.ShowCreateTable:
		if x.Table == nil {
			a.unknown("this SHOW")
			return
		}
		database := x.Table.Schema.O
		if database == "" {
			database = x.DBName
		}
		a.described(database, x.Table.Name.O, x.Tp == ast.ShowCreateTable)
	case ast.ShowVariables:
		pattern, ok := literal(x.Pattern)
		if x.Where != nil || !ok || !shown(strings.ReplaceAll(pattern, `\_`, "_")) || strings.ContainsAny(pattern, "%") {
			a.refuse(RuleParameter, "name one harmless variable: SHOW VARIABLES LIKE 'sql_mode'", "SHOW VARIABLES shows what may not be shown")
		}
	default:
		a.refuseClass("this kind of SHOW")
	}
}

// literal is a pattern that is a constant; in one of plain words _ stands for itself, nearly.
func literal(p *ast.PatternLikeOrIlikeExpr) (string, bool) {
	if p == nil {
		return "", false
	}
	v, ok := p.Pattern.(ast.ValueExpr)
	if !ok {
		return "", false
	}
	return v.GetDatumString(), true
}

// foreign refuses a look into databases that the role has nothing to do with.
func (a *analysis) foreign(database string) {
	if database == "" || strings.EqualFold(database, information) {
		return
	}
	for _, r := range a.j.allowed.Allow {
		if r.Database == database {
			return
		}
	}
	a.refuse(RuleTable, "look at the databases that the role names", "the role has nothing in the database %s", database)
}

// described: what columns a table has is no secret (as on PostgreSQL), if the role has
// anything to do with it. All of how it was made is for who may do something with all of it.
func (a *analysis) described(database, name string, all bool) {
	n := &ast.TableName{Schema: ast.NewCIStr(database), Name: ast.NewCIStr(name)}
	r := a.table(n, "")
	if r == nil || r.table == nil {
		return
	}
	for _, verb := range []Verb{Read, Insert, Update, Delete} {
		if may := a.j.allowed.rights(verb, *r.table); may.whole || !all && !may.none() {
			return
		}
	}
	a.refuseTable(Read, *r.table)
}
