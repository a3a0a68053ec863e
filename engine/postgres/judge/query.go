package judge

import "slices"

// query judges a query at the level of c.scope and says what its rows are.
func (a *analysis) query(n node, c context) relation {
	switch x := n.(type) {
	case *selectStmt:
		return a.selects(x, c)
	case *insertStmt:
		return a.insert(x, c)
	case *updateStmt:
		return a.update(x, c)
	case *deleteStmt:
		return a.deletes(x, c)
	case *mergeStmt:
		return a.merge(x, c)
	}
	a.unknown("a query of this form")
	return relation{}
}

func (a *analysis) selects(x *selectStmt, c context) relation {
	self := c.self
	c.self = nil
	if x.IntoClause != nil {
		a.refuseDDL("select into")
	}
	c.ctes = a.with(x.WithClause, c)
	c.lock = a.locks(x, c.lock)
	switch {
	case x.Larg != nil || x.Rarg != nil:
		return a.combined(x, c, self)
	case x.ValuesLists != nil:
		return a.values(x, c)
	}
	for _, f := range x.FromClause {
		a.from(f, c)
	}
	c.lock = nil
	a.expression(x.WhereClause, c)
	out := a.targets(x.TargetList, c)
	for _, g := range x.GroupClause {
		a.group(g, x.TargetList, c)
	}
	a.expression(x.HavingClause, c)
	a.expressions(x.WindowClause, c)
	for _, d := range x.DistinctClause {
		a.sorted(d, out, c)
	}
	a.tail(x, out, c)
	return out
}

// tail is what may follow any query: ORDER BY, LIMIT, OFFSET.
func (a *analysis) tail(x *selectStmt, out relation, c context) {
	for _, s := range x.SortClause {
		sort, ok := s.(*sortBy)
		if !ok {
			a.unknown("this ORDER BY")
			return
		}
		a.operator(sort.UseOp)
		a.sorted(sort.Node, out, c)
	}
	a.expression(x.LimitCount, c)
	a.expression(x.LimitOffset, c)
}

// sorted: a name alone means the column of the result before that of a table.
func (a *analysis) sorted(n node, out relation, c context) {
	if name, ok := simple(n); ok && out.has(name) && !out.free {
		return
	}
	a.expression(n, c)
}

// group: a name alone means the column of a table before that of the result.
func (a *analysis) group(n node, targets []node, c context) {
	if set, ok := n.(*groupingSet); ok {
		for _, e := range set.Content {
			a.group(e, targets, c)
		}
		return
	}
	named := func(t node) bool {
		r, ok := t.(*resTarget)
		name, is := simple(n)
		return ok && is && r.Name == name
	}
	if name, ok := simple(n); ok && slices.ContainsFunc(targets, named) &&
		!slices.ContainsFunc(c.scope.rels, func(r *relation) bool { return r.mayHave(name) }) {
		return
	}
	a.expression(n, c)
}

func simple(n node) (string, bool) {
	ref, ok := n.(*columnRef)
	if !ok || len(ref.Fields) != 1 {
		return "", false
	}
	s, ok := ref.Fields[0].(*str)
	if !ok {
		return "", false
	}
	return s.Sval, true
}

// combined is UNION, INTERSECT or EXCEPT. The first query names the columns.
func (a *analysis) combined(x *selectStmt, c context, self *ctes) relation {
	if x.Larg == nil || x.Rarg == nil || x.LockingClause != nil {
		a.unknown("this set operation")
		return relation{}
	}
	side := func(s *selectStmt) relation {
		return a.selects(s, context{scope: c.scope.parent.below(), ctes: c.ctes, lock: c.lock})
	}
	out := side(x.Larg)
	out.pairs = nil
	if self != nil {
		name := self.rel.name
		cols := self.rel.cols
		self.rel = out
		self.rel.name = name
		rename(&self.rel, &alias{Aliasname: name, Colnames: asNames(cols)})
	}
	side(x.Rarg)
	below := c
	below.scope = &scope{rels: []*relation{&out}, parent: c.scope.parent}
	a.tail(x, out, below)
	return out
}

func (a *analysis) values(x *selectStmt, c context) relation {
	out := relation{complete: true}
	for i, v := range x.ValuesLists {
		row, ok := v.(*items)
		if !ok {
			a.unknown("these VALUES")
			return out
		}
		a.expressions(row.Items, c)
		for k := range row.Items {
			if i == 0 {
				out.cols = append(out.cols, "column"+itoa(k+1))
			}
		}
	}
	c.scope = &scope{rels: []*relation{&out}, parent: c.scope.parent}
	a.tail(x, out, c)
	return out
}

// locks adds FOR UPDATE and its kin to what is locked from above.
func (a *analysis) locks(x *selectStmt, above *locking) *locking {
	if x.LockingClause == nil {
		return above
	}
	out := &locking{all: above != nil && above.all, names: map[string]bool{}}
	for _, n := range x.LockingClause {
		l, ok := n.(*lockingClause)
		if !ok {
			a.unknown("this locking")
			continue
		}
		out.all = out.all || l.LockedRels == nil
		for _, r := range l.LockedRels {
			if v, ok := r.(*rangeVar); ok {
				out.names[v.Relname] = true
			}
		}
	}
	return out
}

// with judges the queries of WITH and puts them in sight.
func (a *analysis) with(w *withClause, c context) *ctes {
	env := c.ctes
	if w == nil {
		return env
	}
	var all []*ctes
	for _, n := range w.Ctes {
		if x, ok := n.(*commonTableExpr); ok && w.Recursive { // each sees all
			names, _ := strs(x.Aliascolnames)
			env = &ctes{name: x.Ctename, rel: relation{name: x.Ctename, cols: names}, parent: env}
			all = append(all, env)
		}
	}
	for i, n := range w.Ctes {
		x, ok := n.(*commonTableExpr)
		if !ok {
			a.unknown("this WITH")
			return env
		}
		at := context{scope: c.scope.parent.below(), ctes: env}
		if w.Recursive {
			at.self = all[i]
		}
		r := a.cte(x, at)
		if w.Recursive {
			all[i].rel = r
		} else {
			env = &ctes{name: x.Ctename, rel: r, parent: env}
		}
	}
	return env
}

func (a *analysis) cte(x *commonTableExpr, c context) relation {
	r := a.query(x.Ctequery, c)
	rename(&r, &alias{Aliasname: x.Ctename, Colnames: x.Aliascolnames})
	if s := x.SearchClause; s != nil {
		r.cols = append(slices.Clone(r.cols), s.SearchSeqColumn)
	}
	if s := x.CycleClause; s != nil {
		a.expression(s.CycleMarkValue, c)
		a.expression(s.CycleMarkDefault, c)
		r.cols = append(slices.Clone(r.cols), s.CycleMarkColumn, s.CyclePathColumn)
	}
	return r
}
