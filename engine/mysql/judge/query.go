package judge

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// query judges a query at the level of p.scope and says what its rows are.
func (a *analysis) query(n ast.Node, p place) relation {
	switch x := n.(type) {
	case *ast.SelectStmt:
		return a.selects(x, p)
	case *ast.SetOprStmt:
		p.ctes = a.with(x.With, p)
		return a.combined(x.SelectList, x.OrderBy, x.Limit, p)
	case *ast.SubqueryExpr:
		return a.query(x.Query, p)
	}
	a.unknown("a query of this form")
	return relation{}
}

func (a *analysis) selects(x *ast.SelectStmt, p place) relation {
	if x.SelectIntoOpt != nil {
		a.refuseClass("select into a file")
	}
	if len(x.TableHints) > 0 {
		a.unknown("a hint")
	}
	p.ctes = a.with(x.With, p)
	if x.From != nil {
		a.from(x.From.TableRefs, p)
	}
	if l := x.LockInfo; l != nil && l.LockType != ast.SelectLockNone {
		for _, r := range p.scope.rels {
			a.locks(r)
		}
	}
	var out relation
	switch {
	case x.Kind == ast.SelectStmtKindTable:
		out.cols, out.complete = a.star(&ast.WildCardField{}, p.scope)
	case x.Kind == ast.SelectStmtKindValues:
		for _, row := range x.Lists {
			a.expressions(row.Values, p)
		}
	case x.Kind == ast.SelectStmtKindSelect && x.Fields != nil && x.Lists == nil:
		out = a.fields(x.Fields, p)
	default:
		a.unknown("a query of this form")
	}
	a.expression(x.Where, p) // before the names of fields are in sight
	p.scope.aliases = aliases(x.Fields)
	for i := range x.WindowSpecs {
		a.window(&x.WindowSpecs[i], p)
	}
	if x.GroupBy != nil {
		a.items(x.GroupBy.Items, p)
	}
	if x.Having != nil {
		a.expression(x.Having.Expr, p)
	}
	a.tail(x.OrderBy, x.Limit, p)
	return out
}

// locks demands a right to change rows of what is locked against others.
func (a *analysis) locks(r *relation) {
	if r.table == nil {
		return
	}
	if a.j.allowed.rights(Update, *r.table).none() && a.j.allowed.rights(Delete, *r.table).none() {
		a.refuseTable(Update, *r.table)
	}
}

// fields are what a query gives, in their order.
func (a *analysis) fields(l *ast.FieldList, p place) relation {
	out := relation{complete: true}
	for _, f := range l.Fields {
		if f.WildCard != nil {
			cols, complete := a.star(f.WildCard, p.scope)
			out.cols = append(out.cols, cols...)
			out.complete = out.complete && complete
			continue
		}
		a.expression(f.Expr, p)
		switch ref, ok := f.Expr.(*ast.ColumnNameExpr); {
		case f.AsName.O != "":
			out.cols = append(out.cols, f.AsName.O)
		case ok:
			out.cols = append(out.cols, ref.Name.Name.O)
		default:
			out.complete = false // named after its text
		}
	}
	return out
}

func aliases(l *ast.FieldList) map[string]bool {
	out := map[string]bool{}
	if l != nil {
		for _, f := range l.Fields {
			if f.AsName.O != "" {
				out[f.AsName.L] = true
			}
		}
	}
	return out
}

func (a *analysis) items(items []*ast.ByItem, p place) {
	for _, i := range items {
		a.expression(i.Expr, p)
	}
}

// tail is what may follow any query: ORDER BY, LIMIT.
func (a *analysis) tail(order *ast.OrderByClause, limit *ast.Limit, p place) {
	if order != nil {
		a.items(order.Items, p)
	}
	if limit != nil {
		a.expression(limit.Count, p)
		a.expression(limit.Offset, p)
	}
}

// combined is UNION, INTERSECT or EXCEPT. The first query names the columns.
func (a *analysis) combined(l *ast.SetOprSelectList, order *ast.OrderByClause, limit *ast.Limit, p place) relation {
	if l == nil {
		a.unknown("this set operation")
		return relation{}
	}
	p.ctes = a.with(l.With, p)
	var out relation
	for i, n := range l.Selects {
		var r relation
		switch x := n.(type) {
		case *ast.SelectStmt:
			r = a.selects(x, p.beside())
		case *ast.SetOprSelectList:
			r = a.combined(x, nil, nil, p.beside())
		default:
			a.unknown("this set operation")
		}
		if i == 0 {
			out = r
		}
	}
	below := p.beside()
	below.scope.rels = []*relation{&out}
	a.tail(l.OrderBy, l.Limit, below)
	a.tail(order, limit, below)
	return out
}

// with judges the queries of WITH and puts them in sight. One that is called like a table
// is refused: where each is meant, servers differ.
func (a *analysis) with(w *ast.WithClause, p place) *ctes {
	env := p.ctes
	if w == nil {
		return env
	}
	for _, x := range w.CTEs {
		if a.j.known.folded[x.Name.L] {
			a.unknown("a query in WITH that is called like the table " + x.Name.O)
		}
		names := make([]string, 0, len(x.ColNameList))
		for _, n := range x.ColNameList {
			names = append(names, n.O)
		}
		at := place{&scope{}, env}
		if w.IsRecursive { // its own rows, of which only what it is called is known
			at.ctes = &ctes{relation{name: x.Name.O, cols: names}, env}
		}
		if x.Query == nil {
			a.unknown("this WITH")
			return env
		}
		r := a.query(x.Query.Query, at)
		r.name = x.Name.O
		if len(names) > 0 {
			r.cols, r.complete = names, true
		}
		env = &ctes{r, env}
	}
	return env
}
