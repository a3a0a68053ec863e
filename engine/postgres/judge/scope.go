package judge

import "slices"

// relation is something in FROM: a table, a query, a function's rows.
type relation struct {
	name     string // what it is called here
	table    Name   // the zero Name: no table
	free     bool   // from a catalog, which anyone may read and whose columns differ between versions
	aliased  bool
	access   access   // of Read, for a table
	cols     []string // columns that it surely has
	complete bool     // it has no others
	system   bool     // it has ctid and its kin
	pairs    []string // columns that hold a row of information_schema._pg_expandarray, and nothing else of that name
}

func (r *relation) isTable() bool { return r.table != Name{} && !r.free }

// restricted reports whether not everything of it may be read.
func (r *relation) restricted() bool { return r.isTable() && !r.access.whole }

func (r *relation) has(column string) bool { return slices.Contains(r.cols, column) }

// mayHave: in doubt it does.
func (r *relation) mayHave(column string) bool {
	return r.has(column) || !r.complete || r.system && systemColumn(column)
}

// scope is what names mean at one level of a query.
type scope struct {
	rels   []*relation
	parent *scope
}

// below opens a scope inside s that sees s.
func (s *scope) below() *scope { return &scope{parent: s} }

// read demands the right to read a column of r.
func (a *analysis) read(r *relation, column string) {
	if !r.isTable() {
		return
	}
	a.touch(Read, r.table, column)
	if systemColumn(column) && !r.access.whole || !r.access.column(column) {
		a.refuseColumn(Read, r.table, column)
	}
}

// readAll demands the right to read all of r: its row.
func (a *analysis) readAll(r *relation) {
	if !r.isTable() {
		return
	}
	a.touch(Read, r.table, "*")
	if r.access.whole || r.complete && r.access.all(r.cols) {
		return
	}
	if r.access.none() {
		a.refuseTable(Read, r.table)
		return
	}
	a.refuse(RuleColumn, "name the columns that the role allows, instead of * or the whole row", "all columns of %s are read, and the role allows only some", r.table)
}

func (a *analysis) refuseColumn(verb Verb, t Name, column string) {
	a.refuse(RuleColumn, "leave the column out, or ask for a role that allows: "+string(verb)+" "+t.String()+" ("+column+")",
		"the role does not allow to %s the column %s of %s", verb, column, t)
}

func (a *analysis) refuseTable(verb Verb, t Name) {
	a.refuse(RuleTable, "ask for a role that allows: "+string(verb)+" "+t.String(), "the role does not allow to %s %s", verb, t)
}

func (n Name) String() string { return n.Schema + "." + n.Name }

// column resolves a reference as PostgreSQL does; where it cannot know, it demands
// the right for every table that may be meant.
func (a *analysis) column(c *columnRef, s *scope) {
	fields := c.Fields
	if len(fields) > 0 {
		if _, ok := fields[len(fields)-1].(*star); ok {
			names, ok := strs(fields[:len(fields)-1])
			a.star(names, ok, s)
			return
		}
	}
	names, ok := strs(fields)
	switch {
	case !ok || len(names) == 0 || len(names) > 3:
		a.unknown("a column reference of this form")
	case len(names) == 1:
		a.bare(names[0], s)
	default:
		a.field(a.find(names[:len(names)-1], s), names, s)
	}
}

// bare resolves a name without a table's name before it.
func (a *analysis) bare(name string, s *scope) {
	found, sure := false, false // sure: PostgreSQL looks no further out
	for at := s; at != nil && !sure; at = at.parent {
		for _, r := range at.rels {
			has := r.has(name) || r.system && systemColumn(name)
			sure = sure || has && !r.free // a catalog's columns differ between versions
			found = found || has || !r.isTable() && r.mayHave(name)
			switch {
			case has || r.mayHave(name) && r.name != name:
				a.read(r, name)
			case r.mayHave(name): // a column, or the whole row
				a.readAll(r)
			}
		}
	}
	if !found && !a.row(name, s) {
		a.unresolved(name, s)
	}
}

// row reads the whole row of the relation that a name means, if it means one.
func (a *analysis) row(name string, s *scope) bool {
	for at := s; at != nil; at = at.parent {
		for _, r := range at.rels {
			if r.name == name {
				a.readAll(r)
				return true
			}
		}
	}
	return false
}

// unresolved refuses a name that may be a column which the catalog does not know yet.
func (a *analysis) unresolved(name string, s *scope) {
	for at := s; at != nil; at = at.parent {
		for _, r := range at.rels {
			if r.restricted() {
				a.read(r, name)
			}
		}
	}
}

// find finds the relation that a.b or s.a.b speaks of; nil if none is in sight.
func (a *analysis) find(names []string, s *scope) *relation {
	for at := s; at != nil; at = at.parent {
		for _, r := range at.rels {
			if len(names) == 1 && r.name == names[0] || len(names) == 2 && !r.aliased && r.table == (Name{names[0], names[1]}) {
				return r
			}
		}
	}
	return nil
}

// field resolves r.f: a column, or the call f(r).
func (a *analysis) field(r *relation, names []string, s *scope) {
	f := names[len(names)-1]
	switch {
	case r == nil:
		a.unknown("the table of the column " + names[len(names)-2] + "." + f)
	case r.has(f) || r.system && systemColumn(f):
		a.read(r, f)
	case r.complete:
		a.readAll(r)
		a.function([]string{f}, nil, 1)
	case r.isTable() && (r.access.cols[f] || r.access.column(f) && !a.book().known.complete && a.named(r.table, f)):
		a.read(r, f)
	default:
		a.unknown("whether " + names[len(names)-2] + "." + f + " is a column or the call of a function")
	}
}

// named reports whether some rule of the permission names the column, so that it exists.
func (a *analysis) named(t Name, column string) bool {
	return slices.ContainsFunc(a.book().allowed.Allow, func(r Rule) bool {
		return r.Schema == t.Schema && r.Name == t.Name && slices.Contains(r.Columns, column)
	})
}

// star demands all columns of one relation, or of all at this level.
func (a *analysis) star(names []string, ok bool, s *scope) {
	switch {
	case !ok || len(names) > 2:
		a.unknown("a * of this form")
	case len(names) == 0:
		for _, r := range s.rels {
			a.readAll(r)
		}
	default:
		r := a.find(names, s)
		if r == nil {
			a.unknown("the table of " + names[len(names)-1] + ".*")
			return
		}
		a.readAll(r)
	}
}
