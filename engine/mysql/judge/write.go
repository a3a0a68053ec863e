package judge

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// writes demands the right to change something of a table.
func (a *analysis) writes(verb Verb, t Table) rights {
	r := a.j.allowed.rights(verb, t)
	if r.none() {
		a.refuseTable(verb, t)
	}
	return r
}

// base is the only table of a statement that names one.
func (a *analysis) base(refs *ast.TableRefsClause) *relation {
	if refs == nil || refs.TableRefs == nil || refs.TableRefs.Right != nil {
		a.unknown("a change of this form")
		return nil
	}
	source, ok := refs.TableRefs.Left.(*ast.TableSource)
	if !ok {
		a.unknown("a change of this form")
		return nil
	}
	n, ok := source.Source.(*ast.TableName)
	if !ok || len(source.ColumnNames) > 0 {
		a.unknown("a change of this form")
		return nil
	}
	r := a.table(n, source.AsName.O)
	if r != nil && r.table == nil {
		a.refuseClass("a change of the server's own tables")
		return nil
	}
	return r
}

func (a *analysis) insert(x *ast.InsertStmt, p place) {
	r := a.base(x.Table)
	if r == nil {
		return
	}
	if len(x.TableHints) > 0 {
		a.unknown("a hint")
	}
	may := a.writes(Insert, *r.table)
	if x.IsReplace { // rows that are in the way are removed
		a.writes(Delete, *r.table)
	}
	if len(x.Columns) == 0 && !may.all(r.cols) {
		a.refuse(RuleColumn, "name the columns that the role allows", "all columns of %s are written, and the role allows only some", r.table)
	}
	for _, c := range x.Columns {
		a.assigns(Insert, may, r, c)
	}
	p.scope.rels = append(p.scope.rels, r)
	for _, row := range x.Lists {
		a.expressions(row, p)
	}
	if x.Select != nil {
		a.query(x.Select, p.beside())
	}
	if len(x.OnDuplicate) == 0 {
		return
	}
	may = a.writes(Update, *r.table)
	for _, c := range x.Columns { // as MariaDB has it
		a.assigns(Update, may, r, c)
	}
	if len(x.Columns) == 0 && !may.all(r.cols) {
		a.refuse(RuleColumn, "name the columns that the role allows", "all columns of %s may be written, and the role allows only some", r.table)
	}
	for _, s := range x.OnDuplicate {
		a.assigns(Update, may, r, s.Column)
		a.expression(s.Expr, p)
	}
}

// assigns demands the right to write a column.
func (a *analysis) assigns(verb Verb, may rights, r *relation, c *ast.ColumnName) {
	switch {
	case !r.called(c) || !r.has(c.Name.O):
		a.refuse(RuleColumn, "correct the name", "%s has no column %s that the judge knows", r.table, said(c))
	case !may.column(c.Name.O):
		a.refuseColumn(verb, *r.table, c.Name.O)
	}
}

func (a *analysis) update(x *ast.UpdateStmt, p place) {
	if len(x.TableHints) > 0 || x.With != nil {
		a.unknown("an UPDATE of this form")
	}
	a.changed(x.TableRefs, p)
	for _, s := range x.List {
		a.sets(s.Column, p)
		a.expression(s.Expr, p)
	}
	a.expression(x.Where, p)
	a.tail(x.Order, x.Limit, p)
}

// changed adds what UPDATE and DELETE name: tables that are perhaps only written.
func (a *analysis) changed(refs *ast.TableRefsClause, p place) {
	if refs == nil || refs.TableRefs == nil {
		a.unknown("a change of this form")
		return
	}
	if refs.TableRefs.Right == nil {
		if r := a.base(refs); r != nil {
			p.scope.rels = append(p.scope.rels, r)
		}
		return
	}
	a.from(refs.TableRefs, p)
}

// sets demands the right to change a column, in every table that may be meant.
func (a *analysis) sets(c *ast.ColumnName, p place) {
	found := false
	for _, r := range p.scope.rels {
		if r.table == nil || !r.called(c) || !r.has(c.Name.O) {
			continue
		}
		found = true
		if may := a.writes(Update, *r.table); !may.column(c.Name.O) {
			a.refuseColumn(Update, *r.table, c.Name.O)
		}
	}
	if !found {
		a.refuse(RuleColumn, "correct the name", "there is no column %s that the judge knows", said(c))
	}
}

func (a *analysis) deletes(x *ast.DeleteStmt, p place) {
	if len(x.TableHints) > 0 || x.With != nil {
		a.unknown("a DELETE of this form")
	}
	a.changed(x.TableRefs, p)
	if !x.IsMultiTable {
		for _, r := range p.scope.rels {
			if r.table == nil {
				a.unknown("a DELETE of this form")
				return
			}
			a.writes(Delete, *r.table)
		}
	} else {
		a.deleted(x.Tables, p)
	}
	a.expression(x.Where, p)
	a.tail(x.Order, x.Limit, p)
}

// deleted are the tables that a DELETE of several names. One that is called like another
// table needs the right on both.
func (a *analysis) deleted(l *ast.DeleteTableList, p place) {
	if l == nil || len(l.Tables) == 0 {
		a.unknown("a DELETE of this form")
		return
	}
	for _, n := range l.Tables {
		found := false
		for _, r := range p.scope.rels {
			database := n.Schema.O
			if r.database == "" {
				database = "" // an alias
			}
			if r.table != nil && r.named(database, n.Name.O) {
				found = true
				a.writes(Delete, *r.table)
			}
		}
		if !found {
			a.unknown("which table " + n.Name.O + " is")
		}
		database := n.Schema.O
		if database == "" {
			database = a.j.known.database
		}
		if t, ok := a.j.known.tables[tableKey(database, n.Name.O)]; ok {
			a.writes(Delete, t)
		}
	}
}
