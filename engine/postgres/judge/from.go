package judge

import (
	"slices"
	"strings"
)

// ctes are the queries of WITH in sight, the innermost first.
type ctes struct {
	name   string
	rel    relation
	parent *ctes
}

// context is where a node stands.
type context struct {
	scope *scope
	ctes  *ctes
	lock  *locking // of the SELECT around, for its FROM
	self  *ctes    // the recursive query whose body this is
}

// locking is FOR UPDATE and its kin.
type locking struct {
	all   bool
	names map[string]bool
}

func (l *locking) of(name string) bool { return l != nil && (l.all || l.names[name]) }

// from adds what an item of FROM brings to the scope.
func (a *analysis) from(n node, c context) {
	switch x := n.(type) {
	case *rangeVar:
		a.table(x, c)
	case *rangeSubselect:
		a.derived(x, c)
	case *joinExpr:
		a.join(x, c)
	case *rangeFunction:
		a.rows(x, c)
	case *rangeTableSample:
		a.from(x.Relation, c)
		if method, ok := strs(x.Method); !ok || len(method) != 1 || method[0] != "bernoulli" && method[0] != "system" {
			a.unknown("this method of TABLESAMPLE")
		}
		a.expressions(append(slices.Clone(x.Args), x.Repeatable), c)
	case *rangeTableFunc:
		a.lateral(x, x.Alias, columnsOf(x.Columns), "xmltable", c)
	case *jsonTable:
		a.lateral(x, x.Alias, columnsOf(x.Columns), "json_table", c)
	default:
		a.unknown("an item of FROM of this form")
	}
}

// place says which table a name means.
func (a *analysis) place(v *rangeVar) Name {
	switch {
	case v.Catalogname != "":
		a.unknown("a table named with its database")
	case v.Schemaname != "":
		return Name{v.Schemaname, v.Relname}
	case strings.HasPrefix(v.Relname, "pg_"):
		return Name{"pg_catalog", v.Relname}
	}
	return Name{a.book().known.schema, v.Relname}
}

func (a *analysis) table(v *rangeVar, c context) {
	if v.Schemaname == "" && v.Catalogname == "" {
		for e := c.ctes; e != nil; e = e.parent {
			if e.name == v.Relname {
				r := e.rel
				r.name = v.Relname
				rename(&r, v.Alias)
				c.scope.rels = append(c.scope.rels, &r)
				return
			}
		}
	}
	t := a.place(v)
	if cols, ok := builtins().catalogs[t]; ok {
		r := relation{name: t.Name, table: t, free: true, cols: cols, complete: true, system: true}
		rename(&r, v.Alias)
		if c.lock.of(r.name) {
			a.refuseTable(Update, t)
		}
		c.scope.rels = append(c.scope.rels, &r)
		return
	}
	r := a.target(v)
	a.touch(Read, t)
	if r.access.none() {
		a.refuseTable(Read, t)
	}
	if c.lock.of(r.name) {
		a.write(Update, r)
	}
	c.scope.rels = append(c.scope.rels, r)
}

// target is a table by itself, with the right to read it, which may be none.
func (a *analysis) target(v *rangeVar) *relation {
	t := a.place(v)
	cols, ok := a.book().known.tables[t]
	r := &relation{name: t.Name, table: t, cols: slices.Clone(cols), complete: ok, system: true}
	if a.book().known.complete && !ok {
		a.refuse(RuleTable, "see the tables with: select * from information_schema.tables", "nothing is known of a table %s", t)
	}
	var known []string
	if ok {
		known = cols
	}
	r.access = a.book().allowed.access(Read, t.Schema, t.Name, known)
	if v.Alias != nil && v.Alias.Colnames != nil && r.restricted() {
		a.refuse(RuleColumn, "leave the column list after the alias out", "the columns of %s are renamed, and the role allows only some", t)
	}
	rename(r, v.Alias)
	return r
}

// write demands the right to update, insert or delete in r, in any of its columns.
func (a *analysis) write(verb Verb, r *relation) access {
	a.touch(verb, r.table)
	acc := a.book().allowed.access(verb, r.table.Schema, r.table.Name, a.book().known.tables[r.table])
	if acc.none() {
		a.refuseTable(verb, r.table)
	}
	return acc
}

// rename gives a relation its alias and its columns theirs.
func rename(r *relation, al *alias) {
	if al == nil {
		return
	}
	r.name, r.aliased = al.Aliasname, true
	names, _ := strs(al.Colnames)
	if len(names) == 0 {
		return
	}
	r.pairs = nil
	rest := r.cols
	if len(rest) > len(names) {
		rest = rest[len(names):]
	} else {
		rest = nil
	}
	if !r.complete {
		rest = nil
	}
	r.cols = append(slices.Clone(names), rest...)
}

func (a *analysis) derived(x *rangeSubselect, c context) {
	inner := context{scope: c.scope.parent.below(), ctes: c.ctes}
	if x.Lateral {
		inner.scope = (&scope{rels: slices.Clone(c.scope.rels), parent: c.scope.parent}).below()
	}
	if x.Alias == nil || c.lock.of(x.Alias.Aliasname) {
		inner.lock = c.lock
		if x.Alias != nil {
			inner.lock = &locking{all: true}
		}
	}
	r := a.query(x.Subquery, inner)
	rename(&r, x.Alias)
	c.scope.rels = append(c.scope.rels, &r)
}

// lateral walks what sees the items before it, and adds its rows.
func (a *analysis) lateral(n node, al *alias, cols []string, name string, c context) {
	at := context{scope: (&scope{rels: slices.Clone(c.scope.rels), parent: c.scope.parent}).below(), ctes: c.ctes}
	a.expressions(children(n), at)
	r := relation{name: name, cols: cols, complete: true}
	rename(&r, al)
	c.scope.rels = append(c.scope.rels, &r)
}

// columnsOf are the names of the columns of XMLTABLE, JSON_TABLE or AS (a int).
func columnsOf(list []node) (out []string) {
	for _, n := range list {
		switch x := n.(type) {
		case *rangeTableFuncCol:
			out = append(out, x.Colname)
		case *columnDef:
			out = append(out, x.Colname)
		case *jsonTableColumn:
			if x.Name != "" {
				out = append(out, x.Name)
			}
			out = append(out, columnsOf(x.Columns)...)
		}
	}
	return out
}
