package judge

import (
	"reflect"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

func (a *analysis) expressions(list []ast.ExprNode, p place) {
	for _, e := range list {
		a.expression(e, p)
	}
}

// expression judges everything that is read, called or asked in an expression. Its list
// of forms is closed.
func (a *analysis) expression(n ast.Node, p place) {
	if n == nil || reflect.ValueOf(n).IsNil() {
		return
	}
	switch x := n.(type) {
	case ast.ParamMarkerExpr, ast.ValueExpr, *ast.MaxValueExpr, *ast.TimeUnitExpr, *ast.TrimDirectionExpr, *ast.GetFormatSelectorExpr:
	case *ast.ColumnNameExpr:
		a.column(x.Name, p.scope)
	case *ast.DefaultExpr:
		if x.Name != nil {
			a.column(x.Name, p.scope)
		}
	case *ast.ValuesExpr:
		a.expression(x.Column, p)
	case *ast.MatchAgainst:
		for _, c := range x.ColumnNames {
			a.column(c, p.scope)
		}
		a.expression(x.Against, p)
	case *ast.VariableExpr:
		a.variable(x, p)
	case *ast.FuncCallExpr:
		a.call(x, p)
	case *ast.AggregateFuncExpr:
		a.function("", x.F)
		a.expressions(x.Args, p)
		a.tail(x.Order, nil, p)
	case *ast.WindowFuncExpr:
		a.function("", x.Name)
		a.expressions(x.Args, p)
		a.window(&x.Spec, p)
	case *ast.SubqueryExpr:
		a.query(x.Query, p.below())
	case *ast.ExistsSubqueryExpr:
		a.expression(x.Sel, p)
	case *ast.CompareSubqueryExpr:
		a.expression(x.L, p)
		a.expression(x.R, p)
	default:
		a.plain(n, p)
	}
}

// plain are expressions that are nothing but what they are made of.
func (a *analysis) plain(n ast.Node, p place) {
	switch x := n.(type) {
	case *ast.BetweenExpr:
		a.expressions([]ast.ExprNode{x.Expr, x.Left, x.Right}, p)
	case *ast.BinaryOperationExpr:
		a.expressions([]ast.ExprNode{x.L, x.R}, p)
	case *ast.UnaryOperationExpr:
		a.expression(x.V, p)
	case *ast.ParenthesesExpr:
		a.expression(x.Expr, p)
	case *ast.RowExpr:
		a.expressions(x.Values, p)
	case *ast.CaseExpr:
		a.expression(x.Value, p)
		for _, w := range x.WhenClauses {
			a.expressions([]ast.ExprNode{w.Expr, w.Result}, p)
		}
		a.expression(x.ElseClause, p)
	case *ast.IsNullExpr:
		a.expression(x.Expr, p)
	case *ast.IsTruthExpr:
		a.expression(x.Expr, p)
	case *ast.PatternInExpr:
		a.expression(x.Expr, p)
		a.expressions(x.List, p)
		a.expression(x.Sel, p)
	case *ast.PatternLikeOrIlikeExpr:
		a.expressions([]ast.ExprNode{x.Expr, x.Pattern}, p)
	case *ast.PatternRegexpExpr:
		a.expressions([]ast.ExprNode{x.Expr, x.Pattern}, p)
	case *ast.PositionExpr:
		a.expression(x.P, p)
	case *ast.SetCollationExpr:
		a.expression(x.Expr, p)
	case *ast.FuncCastExpr:
		a.expression(x.Expr, p)
	default:
		a.unknown("an expression of this form")
	}
}

func (a *analysis) window(w *ast.WindowSpec, p place) {
	if w.PartitionBy != nil {
		a.items(w.PartitionBy.Items, p)
	}
	a.tail(w.OrderBy, nil, p)
	if w.Frame != nil {
		a.expression(w.Frame.Extent.Start.Expr, p)
		a.expression(w.Frame.Extent.End.Expr, p)
	}
}

func (a *analysis) variable(x *ast.VariableExpr, p place) {
	if x.IsSystem && !shown(x.Name) {
		a.refuseVariable(x.Name)
	}
	a.expression(x.Value, p)
}

func (a *analysis) call(x *ast.FuncCallExpr, p place) {
	a.function(x.Schema.O, x.FnName.O)
	a.expressions(x.Args, p)
}

// function demands the right to call a function. Without a database it is the server's
// own, or may be anything: only whole names mean routines.
func (a *analysis) function(database, name string) {
	switch {
	case database != "":
		a.routine(database, name)
	case a.j.known.routines[strings.ToLower(name)] && functions()[strings.ToLower(name)]:
		a.refuse(RuleFunction, "write it with its database if that is meant", "there is a routine %s that is called like a function of the server's own", name)
	case a.j.known.routines[strings.ToLower(name)]:
		a.refuse(RuleFunction, "write it with its database: "+a.j.known.database+"."+name, "the function %s is named without its database", name)
	case !functions()[strings.ToLower(name)]:
		a.refuse(RuleFunction, "write it without; functions that read files, wait for locks or act on others are not possible on a fixed account", "the function %s is not allowed", name)
	}
}

func (a *analysis) routine(database, name string) {
	if !a.j.allowed.calls(database, name) {
		a.refuse(RuleFunction, "ask for a role that allows: call "+database+"."+name, "the role does not allow to call %s.%s", database, name)
	}
}
