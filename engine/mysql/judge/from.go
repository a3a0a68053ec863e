package judge

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// from adds what stands in FROM to the level of p.
func (a *analysis) from(n ast.ResultSetNode, p place) {
	switch x := n.(type) {
	case *ast.Join:
		a.join(x, p)
	case *ast.TableSource:
		a.source(x, p)
	case *ast.TableName:
		a.tableSource(x, "", p)
	default:
		a.unknown("a FROM of this form")
	}
}

func (a *analysis) join(x *ast.Join, p place) {
	if x == nil {
		a.unknown("a FROM of this form")
		return
	}
	start := len(p.scope.rels)
	a.from(x.Left, p)
	if x.Right == nil {
		return
	}
	a.from(x.Right, p)
	joined := p.scope.rels[start:]
	for _, r := range joined {
		if x.NaturalJoin && r.restricted() {
			a.refuse(RuleColumn, "write JOIN … USING (columns)", "NATURAL JOIN compares columns that it does not name, and the role allows only some")
		}
		for _, c := range x.Using {
			if r.has(c.Name.O) {
				a.reads(r, c.Name.O)
			}
		}
	}
	if x.On != nil {
		a.expression(x.On.Expr, place{&scope{rels: joined, parent: p.scope.parent}, p.ctes})
	}
}

func (a *analysis) source(x *ast.TableSource, p place) {
	if x.Lateral {
		a.unknown("LATERAL")
		return
	}
	switch q := x.Source.(type) {
	case *ast.TableName:
		if len(x.ColumnNames) > 0 {
			a.unknown("a list of columns behind a table")
		}
		a.tableSource(q, x.AsName.O, p)
	case *ast.SelectStmt, *ast.SetOprStmt:
		r := a.query(q, place{&scope{}, p.ctes}) // it sees nothing from without: MariaDB's do not
		r.name, r.table, r.database = x.AsName.O, nil, ""
		if len(x.ColumnNames) > 0 {
			r.cols, r.complete = nil, true
			for _, c := range x.ColumnNames {
				r.cols = append(r.cols, c.O)
			}
		}
		p.scope.rels = append(p.scope.rels, &r)
	case *ast.Join:
		if x.AsName.O != "" {
			a.unknown("a join with a name")
		}
		a.join(q, p)
	default:
		a.unknown("a FROM of this form")
	}
}

// tableSource is a table in FROM, whose rows are read.
func (a *analysis) tableSource(n *ast.TableName, alias string, p place) {
	if n.Schema.O == "" {
		if cte := p.ctes.find(n.Name.O); cte != nil {
			r := *cte
			if alias != "" {
				r.name = alias
			}
			p.scope.rels = append(p.scope.rels, &r)
			return
		}
	}
	if r := a.table(n, alias); r != nil {
		if r.table != nil && r.may.none() {
			a.refuseTable(Read, *r.table)
		}
		p.scope.rels = append(p.scope.rels, r)
	}
}

// table finds a table of the target's.
func (a *analysis) table(n *ast.TableName, alias string) *relation {
	if n.TableSample != nil || n.AsOf != nil {
		a.unknown("a part of a table")
		return nil
	}
	database := n.Schema.O
	if database == "" {
		database = a.j.known.database
	}
	t, ok := a.j.known.tables[tableKey(database, n.Name.O)]
	if strings.EqualFold(database, information) && ok && !public(n.Name.O) || strings.EqualFold(database, "mysql") || strings.EqualFold(database, "performance_schema") ||
		strings.EqualFold(database, "sys") {
		a.refuse(RuleTable, "information_schema.tables, columns and their like can be read", "%s.%s is the server's own", database, n.Name.O)
		return nil
	}
	if !ok {
		a.refuse(RuleTable, "correct the name; what there is is read when a connection begins: connect again if it is new",
			"there is no table %s.%s that the judge knows", database, n.Name.O)
		return nil
	}
	r := &relation{name: n.Name.O, database: database, cols: t.Columns, complete: true}
	if alias != "" {
		r.name, r.database = alias, ""
	}
	if !strings.EqualFold(database, information) {
		r.table, r.may = &t, a.j.allowed.rights(Read, t)
	}
	return r
}
