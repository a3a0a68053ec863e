package judge

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// relation is something in FROM: a table, or the rows of a query.
type relation struct {
	name     string // what it is called here
	database string // of a table without an alias
	table    *Table // nil: a query's rows, or the server's own, which anybody may read
	may      rights // of Read, for a table
	cols     []string
	complete bool // it has no other columns
}

func (r *relation) has(column string) bool {
	return slices.ContainsFunc(r.cols, func(c string) bool { return strings.EqualFold(c, column) })
}

func (r *relation) restricted() bool { return r.table != nil && !r.may.whole }

// scope is what names mean at one level of a query.
type scope struct {
	rels    []*relation
	aliases map[string]bool // of the query's own fields, in lower case; in sight of what comes after them
	parent  *scope
}

// place is where in a statement the analysis is.
type place struct {
	scope *scope
	ctes  *ctes
}

// below opens a level inside p that sees p.
func (p place) below() place { return place{&scope{parent: p.scope}, p.ctes} }

// beside opens a level that sees what p's level sees from within.
func (p place) beside() place { return place{&scope{parent: p.scope.parent}, p.ctes} }

func fresh() place { return place{scope: &scope{}} }

// ctes are the queries of WITH in sight.
type ctes struct {
	rel    relation
	parent *ctes
}

func (c *ctes) find(name string) *relation {
	for ; c != nil; c = c.parent {
		if c.rel.name == name {
			return &c.rel
		}
	}
	return nil
}

// reads demands the right to read a column of r.
func (a *analysis) reads(r *relation, column string) {
	if r.table != nil && !r.may.column(column) {
		a.refuseColumn(Read, *r.table, column)
	}
}

// readsAll demands the right to read all of r.
func (a *analysis) readsAll(r *relation) {
	if r.table == nil || r.may.all(r.cols) {
		return
	}
	if r.may.none() {
		a.refuseTable(Read, *r.table)
		return
	}
	a.refuse(RuleColumn, "name the columns that the role allows, instead of *", "all columns of %s are read, and the role allows only some", r.table)
}

// column demands the right to read a column for every table that may be meant: where
// a name could mean several, servers choose, and the judge does not.
func (a *analysis) column(n *ast.ColumnName, s *scope) {
	found := false
	for at := s; at != nil; at = at.parent {
		sure := false
		for _, r := range at.rels {
			exactly := r.called(n)
			if !exactly && !r.mayBeCalled(n) {
				continue
			}
			switch {
			case r.has(n.Name.O):
				found, sure = true, sure || exactly
				a.reads(r, n.Name.O)
			case !r.complete:
				found = true
			}
		}
		if n.Table.O == "" && at.aliases[n.Name.L] {
			found = true
		}
		if sure {
			return
		}
	}
	if !found {
		a.refuse(RuleColumn, "name the columns of the tables in sight; a catalog is read when a connection begins: connect again if it is new",
			"there is no column %s that the judge knows", said(n))
	}
}

func said(n *ast.ColumnName) string {
	out := n.Name.O
	if n.Table.O != "" {
		out = n.Table.O + "." + out
	}
	return out
}

// called reports whether a.b or s.a.b may speak of r.
func (r *relation) called(n *ast.ColumnName) bool {
	if n.Table.O == "" {
		return true
	}
	return r.named(n.Schema.O, n.Table.O)
}

// mayBeCalled: some targets take names of tables that differ in case alone for the same, and
// then an inner one hides an outer one.
func (r *relation) mayBeCalled(n *ast.ColumnName) bool {
	return strings.EqualFold(r.name, n.Table.O) && (n.Schema.O == "" || r.database == "" || strings.EqualFold(r.database, n.Schema.O))
}

func (r *relation) named(database, name string) bool {
	if r.name != name && !(r.database != "" && strings.EqualFold(r.database, information) && strings.EqualFold(r.name, name)) {
		return false
	}
	return database == "" || r.database == database || strings.EqualFold(database, information) && strings.EqualFold(r.database, information)
}

// star demands all columns of the relations that * or t.* means, and returns theirs.
func (a *analysis) star(w *ast.WildCardField, s *scope) (cols []string, complete bool) {
	found := false
	complete = true
	for _, r := range s.rels {
		if w.Table.O != "" && !r.named(w.Schema.O, w.Table.O) {
			continue
		}
		found = true
		a.readsAll(r)
		cols = append(cols, r.cols...)
		complete = complete && r.complete
	}
	if !found {
		a.unknown("the table of this *")
	}
	return cols, complete
}
