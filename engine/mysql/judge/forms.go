package judge

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/curfewhq/curfew"
)

// Forms says of which classes a text is, whatever any permission allows: what a rule of
// release goes by. It is a question of form, and true only under what is pinned (Pins). What
// the target does by itself (triggers, views, foreign keys) nobody can see in a text.
type Forms struct {
	Classes  []curfew.StatementClass // sorted; none: it reads, or concerns the session alone
	Executes []string                // prepared statements that it runs, in lower case
	Prepares map[string]Forms        // those that it makes, each with what running it comes to
}

// FormsOf classifies a text; an error: the grammar cannot read it.
func FormsOf(text string) (Forms, error) { return formsOf(text, 0) }

func formsOf(text string, depth int) (Forms, error) {
	statements, err := parse(text)
	if err != nil {
		return Forms{}, err
	}
	f := Forms{Prepares: map[string]Forms{}}
	for _, s := range statements {
		f.statement(s, depth)
	}
	slices.Sort(f.Classes)
	f.Classes = slices.Compact(f.Classes)
	return f, nil
}

func (f *Forms) class(c ...curfew.StatementClass) { f.Classes = append(f.Classes, c...) }

// statement classifies one statement. One that is not known to be harmless changes the
// schema, or something like it.
func (f *Forms) statement(n ast.StmtNode, depth int) {
	n.Accept(&calls{f})
	switch x := n.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt, *ast.ShowStmt, *ast.DoStmt, *ast.UseStmt, *ast.BeginStmt, *ast.CommitStmt, *ast.RollbackStmt, *ast.SavepointStmt,
		*ast.ReleaseSavepointStmt, *ast.LockTablesStmt, *ast.UnlockTablesStmt, *ast.DeallocateStmt, *ast.HelpStmt:
	case *ast.DeleteStmt:
		f.rows(curfew.ClassDelete, curfew.ClassDeleteWithoutWhere, x.Where)
	case *ast.UpdateStmt:
		f.rows(curfew.ClassUpdate, curfew.ClassUpdateWithoutWhere, x.Where)
	case *ast.InsertStmt:
		f.insert(x)
	case *ast.ExplainStmt:
		if x.Analyze {
			f.statement(x.Stmt, depth)
		}
	case *ast.LoadDataStmt:
		f.class(curfew.ClassCopyIn)
		if x.FileLocRef != ast.FileLocClient {
			f.class(curfew.ClassCopyProgram)
		}
	case *ast.CallStmt:
		f.class(curfew.ClassCode)
	case *ast.TruncateTableStmt:
		f.class(curfew.ClassTruncate)
	case *ast.SetStmt:
		f.set(x)
	case *ast.PrepareStmt:
		f.prepare(x, depth)
	case *ast.ExecuteStmt:
		f.Executes = append(f.Executes, strings.ToLower(x.Name))
	default:
		f.other(n)
	}
}

// rows classifies what changes rows. A condition that looks at no column of any row is
// none: WHERE true, WHERE 1 = 1, WHERE ?.
func (f *Forms) rows(all, without curfew.StatementClass, where ast.ExprNode) {
	f.class(all)
	l := looks{}
	if where != nil {
		where.Accept(&l)
	}
	if !l.column {
		f.class(without)
	}
}

func (f *Forms) insert(x *ast.InsertStmt) {
	f.class(curfew.ClassInsert)
	if x.IsReplace {
		f.class(curfew.ClassDelete)
	}
	if len(x.OnDuplicate) > 0 {
		f.class(curfew.ClassUpdate)
	}
}

// set: what changes how texts are read, or anything that is not the session's own, is code.
func (f *Forms) set(x *ast.SetStmt) {
	for _, v := range x.Variables {
		if a := (analysis{j: &Judge{}}); !f.harmless(v, &a) {
			f.class(curfew.ClassCode)
		}
	}
}

func (f *Forms) harmless(v *ast.VariableAssignment, a *analysis) bool {
	if !v.IsSystem && v.Name != ast.SetNames && v.Name != ast.SetCharset {
		return true // a variable of the session's own: what it is set to was walked
	}
	a.setOne(v)
	return a.refused == nil
}

// prepare: preparing is not running. What a variable holds nobody knows.
func (f *Forms) prepare(x *ast.PrepareStmt, depth int) {
	is := Forms{Classes: []curfew.StatementClass{curfew.ClassCode}}
	if x.SQLVar == nil && depth < deepestText {
		if inner, err := formsOf(x.SQLText, depth+1); err == nil {
			is = inner
		} else {
			is.Classes[0] = curfew.ClassUnknown
		}
	}
	name := strings.ToLower(x.Name)
	was := f.Prepares[name] // one that fails may leave the one before
	f.Prepares[name] = Forms{Classes: append(slices.Clone(was.Classes), is.Classes...), Executes: append(slices.Clone(was.Executes), is.Executes...)}
	for inner, of := range is.Prepares {
		f.Prepares[inner] = of
	}
}

func (f *Forms) other(n ast.StmtNode) {
	f.class(curfew.ClassDDL)
	switch x := n.(type) {
	case *ast.GrantStmt, *ast.RevokeStmt, *ast.GrantRoleStmt, *ast.RevokeRoleStmt, *ast.CreateUserStmt, *ast.AlterUserStmt, *ast.RenameUserStmt, *ast.SetPwdStmt,
		*ast.SetRoleStmt, *ast.SetDefaultRoleStmt:
		f.class(curfew.ClassGrant)
	case *ast.DropUserStmt:
		f.class(curfew.ClassGrant, curfew.ClassDrop)
	case *ast.DropTableStmt, *ast.DropDatabaseStmt, *ast.DropIndexStmt, *ast.DropSequenceStmt, *ast.DropProcedureStmt:
		f.class(curfew.ClassDrop)
	case *ast.AlterTableStmt:
		f.alter(x)
	}
}

func (f *Forms) alter(x *ast.AlterTableStmt) {
	for _, s := range x.Specs {
		switch s.Tp {
		case ast.AlterTableDropColumn, ast.AlterTableDropPrimaryKey, ast.AlterTableDropIndex, ast.AlterTableDropForeignKey, ast.AlterTableDropPartition, ast.AlterTableDropCheck:
			f.class(curfew.ClassDrop)
		case ast.AlterTableTruncatePartition:
			f.class(curfew.ClassTruncate)
		}
	}
}

// calls finds what runs code, or files, anywhere in a statement.
type calls struct{ f *Forms }

func (c *calls) Enter(n ast.Node) (ast.Node, bool) {
	switch x := n.(type) {
	case *ast.FuncCallExpr:
		if x.Schema.O != "" || !functions()[x.FnName.L] {
			c.f.class(curfew.ClassCode)
		}
	case *ast.SelectStmt:
		if x.SelectIntoOpt != nil {
			c.f.class(curfew.ClassCopyOut, curfew.ClassCopyProgram)
		}
	}
	return n, false
}

func (*calls) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// looks finds a column.
type looks struct{ column bool }

func (l *looks) Enter(n ast.Node) (ast.Node, bool) {
	if _, is := n.(*ast.ColumnNameExpr); is {
		l.column = true
	}
	return n, false
}

func (*looks) Leave(n ast.Node) (ast.Node, bool) { return n, true }
