package judge

// modify opens a statement that changes a table: its WITH, its target, a scope.
func (a *analysis) modify(v *rangeVar, verb Verb, w *withClause, c *context) (*relation, access) {
	c.ctes = a.with(w, *c)
	c.self, c.lock = nil, nil
	if v == nil {
		a.unknown("a change of no table")
		v = &rangeVar{}
	}
	r := a.target(v)
	var acc access
	if verb != "" {
		acc = a.write(verb, r)
	}
	return r, acc
}

func (a *analysis) insert(x *insertStmt, c context) relation {
	r, acc := a.modify(x.Relation, Insert, x.WithClause, &c)
	if x.Cols == nil && x.SelectStmt != nil {
		a.wholeRow(Insert, r, acc)
	}
	a.columns(Insert, r, acc, x.Cols, c, nil)
	if x.SelectStmt != nil {
		a.query(x.SelectStmt, context{scope: c.scope.parent.below(), ctes: c.ctes})
	}
	c.scope.rels = append(c.scope.rels, r)
	if x.OnConflictClause != nil {
		a.conflict(x.OnConflictClause, r, c)
	}
	return a.targets(x.ReturningList, c)
}

// wholeRow demands the right to insert in every column.
func (a *analysis) wholeRow(verb Verb, r *relation, acc access) {
	a.touch(verb, r.table, "*")
	if !acc.whole && !(r.complete && acc.all(a.book().known.tables[r.table])) {
		a.refuse(RuleColumn, "name the columns that the role allows", "all columns of %s are written, and the role allows only some", r.table)
	}
}

// columns demands the right to write the columns named. before judges what an
// assignment to a part of a column reads.
func (a *analysis) columns(verb Verb, r *relation, acc access, targets []node, c context, before func(string)) {
	for _, n := range targets {
		t, ok := n.(*resTarget)
		if !ok || t.Name == "" {
			a.unknown("this list of columns")
			continue
		}
		a.touch(verb, r.table, t.Name)
		if !acc.column(t.Name) {
			a.refuseColumn(verb, r.table, t.Name)
		}
		if t.Indirection != nil && before != nil {
			before(t.Name)
		}
		for _, i := range t.Indirection {
			if _, field := i.(*str); !field {
				a.expression(i, c)
			}
		}
		a.assigned(t.Val, c)
	}
}

func (a *analysis) assigned(n node, c context) {
	if m, ok := n.(*multiAssignRef); ok {
		if m.Colno == 1 { // the parser repeats the source for every column
			a.expression(m.Source, c)
		}
		return
	}
	a.expression(n, c)
}

func (a *analysis) conflict(x *onConflictClause, r *relation, c context) {
	if i := x.Infer; i != nil {
		if i.Conname != "" {
			a.readAll(r)
		}
		for _, n := range i.IndexElems {
			e, ok := n.(*indexElem)
			if !ok || e.Opclass != nil {
				a.unknown("this ON CONFLICT")
				continue
			}
			if e.Name != "" {
				a.read(r, e.Name)
			}
			a.expression(e.Expr, c)
		}
		a.expression(i.WhereClause, c)
	}
	switch x.Action {
	case "ONCONFLICT_NOTHING":
	case "ONCONFLICT_UPDATE":
		acc := a.write(Update, r)
		excluded := &relation{name: "excluded", cols: r.cols, complete: r.complete, system: true}
		if !r.complete {
			excluded = &relation{name: "excluded", table: r.table, access: r.access, cols: r.cols, system: true}
		}
		c.scope = &scope{rels: []*relation{r, excluded}, parent: c.scope.parent}
		a.columns(Update, r, acc, x.TargetList, c, func(col string) { a.read(r, col) })
		a.expression(x.WhereClause, c)
	default:
		a.unknown("this ON CONFLICT")
	}
}

func (a *analysis) update(x *updateStmt, c context) relation {
	r, acc := a.modify(x.Relation, Update, x.WithClause, &c)
	c.scope.rels = append(c.scope.rels, r)
	for _, f := range x.FromClause {
		a.from(f, c)
	}
	a.columns(Update, r, acc, x.TargetList, c, func(col string) { a.read(r, col) })
	a.expression(x.WhereClause, c)
	return a.targets(x.ReturningList, c)
}

func (a *analysis) deletes(x *deleteStmt, c context) relation {
	r, _ := a.modify(x.Relation, Delete, x.WithClause, &c)
	c.scope.rels = append(c.scope.rels, r)
	for _, f := range x.UsingClause {
		a.from(f, c)
	}
	a.expression(x.WhereClause, c)
	return a.targets(x.ReturningList, c)
}

func (a *analysis) merge(x *mergeStmt, c context) relation {
	r, _ := a.modify(x.Relation, "", x.WithClause, &c)
	a.touch(Read, r.table)
	if r.access.none() {
		a.refuseTable(Read, r.table)
	}
	c.scope.rels = append(c.scope.rels, r)
	a.from(x.SourceRelation, c)
	a.expression(x.JoinCondition, c)
	for _, n := range x.MergeWhenClauses {
		w, ok := n.(*mergeWhenClause)
		if !ok {
			a.unknown("this WHEN")
			continue
		}
		a.when(w, r, c)
	}
	return a.targets(x.ReturningList, c)
}

func (a *analysis) when(w *mergeWhenClause, r *relation, c context) {
	a.expression(w.Condition, c)
	a.expressions(w.Values, c)
	switch w.CommandType {
	case "CMD_NOTHING":
	case "CMD_DELETE":
		a.write(Delete, r)
	case "CMD_UPDATE":
		a.columns(Update, r, a.write(Update, r), w.TargetList, c, func(col string) { a.read(r, col) })
	case "CMD_INSERT":
		acc := a.write(Insert, r)
		if w.TargetList == nil {
			a.wholeRow(Insert, r, acc)
		}
		a.columns(Insert, r, acc, w.TargetList, c, nil)
	default:
		a.unknown("this WHEN")
	}
}
