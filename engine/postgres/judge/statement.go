package judge

import (
	"slices"
	"strings"
)

// statement judges one statement of a text.
func (a *analysis) statement(s statement) {
	a.out.Class = spaced(s.kind)
	if !judged(s.kind) {
		a.refuseDDL(a.out.Class)
		return
	}
	if s.err != nil {
		a.unknown(s.err.Error())
		return
	}
	a.tree(s.tree)
}

// judged are the kinds of statements that may be allowed at all.
func judged(kind string) bool {
	_, ok := grammar()[kind]
	return ok && strings.HasSuffix(kind, "Stmt")
}

func (a *analysis) refuseDDL(class string) {
	a.refuse(RuleClass, "on a fixed account only reading, writing rows, calling and the session's own settings are possible, whatever the role says",
		"%s is not possible on a resource with a fixed account", class)
}

func fresh() context { return context{scope: (*scope)(nil).below()} }

func (a *analysis) tree(n node) {
	switch x := n.(type) {
	case *selectStmt, *insertStmt, *updateStmt, *deleteStmt, *mergeStmt:
		a.query(n, fresh())
	case *copyStmt:
		a.copy(x)
	case *callStmt:
		a.callProcedure(x)
	case *explainStmt:
		a.explain(x)
	case *prepareStmt:
		a.prepare(x)
	case *executeStmt:
		a.execute(x)
	case *deallocateStmt:
		a.forget(a.names().prepared, x.Name, x.Isall || x.Name == "")
	case *declareCursorStmt:
		a.declare(x)
	case *fetchStmt:
		a.mustKnow("cursor", a.names().cursors, x.Portalname)
		if x.Ismove {
			a.out.Class = "move"
		}
	case *closePortalStmt:
		a.out.Class = "close"
		a.forget(a.names().cursors, x.Portalname, x.Portalname == "")
	default:
		a.session(n)
	}
}

func (a *analysis) copy(x *copyStmt) {
	a.out.Class = "copy out"
	if x.IsFrom {
		a.out.Class = "copy in"
	}
	if x.IsProgram || x.Filename != "" {
		a.refuse(RuleClass, "copy through the connection: COPY … TO STDOUT, COPY … FROM STDIN, \\copy", "COPY with a file or program of the server is not possible on a fixed account")
		return
	}
	a.options(x.Options, "format", "delimiter", "null", "header", "quote", "escape", "force_quote", "force_null",
		"force_not_null", "default", "on_error", "log_verbosity", "encoding")
	c := fresh()
	switch {
	case x.Query != nil && x.Relation == nil && !x.IsFrom:
		a.query(x.Query, c)
	case x.Relation == nil || x.Query != nil:
		a.unknown("this COPY")
	case x.IsFrom:
		a.copyIn(x, c)
	default:
		a.copyOut(x, c)
	}
}

func (a *analysis) copyOut(x *copyStmt, c context) {
	a.table(x.Relation, c)
	for _, r := range c.scope.rels {
		names, ok := strs(x.Attlist)
		if !ok {
			a.unknown("this list of columns")
		}
		for _, col := range names {
			a.read(r, col)
		}
		if x.Attlist == nil {
			a.readAll(r)
		}
	}
}

func (a *analysis) copyIn(x *copyStmt, c context) {
	r, acc := a.modify(x.Relation, Insert, nil, &c)
	names, ok := strs(x.Attlist)
	if !ok {
		a.unknown("this list of columns")
	}
	if x.Attlist == nil {
		a.wholeRow(Insert, r, acc)
	}
	for _, col := range names {
		a.touch(Insert, r.table, col)
		if !acc.column(col) {
			a.refuseColumn(Insert, r.table, col)
		}
	}
	c.scope.rels = append(c.scope.rels, r)
	a.expression(x.WhereClause, c)
}

// options allows only options named, with constants.
func (a *analysis) options(list []node, allowed ...string) {
	for _, n := range list {
		d, ok := n.(*defElem)
		if !ok || d.Defnamespace != "" || !slices.Contains(allowed, strings.ToLower(d.Defname)) {
			a.unknown("an option of this statement")
			return
		}
	}
}

func (a *analysis) callProcedure(x *callStmt) {
	f := x.Funccall
	if f == nil {
		a.unknown("this CALL")
		return
	}
	names, _ := strs(f.Funcname)
	switch len(names) {
	case 1:
		a.ruled("", names[0], len(f.Args))
	case 2:
		a.ruled(names[0], names[1], len(f.Args))
	default:
		a.unknown("a procedure named like this")
	}
	a.expressions(f.Args, fresh())
}

func (a *analysis) explain(x *explainStmt) {
	a.options(x.Options, "analyze", "verbose", "costs", "settings", "generic_plan", "buffers", "serialize", "wal", "timing", "summary", "memory", "format")
	switch x.Query.(type) {
	case *selectStmt, *insertStmt, *updateStmt, *deleteStmt, *mergeStmt, *executeStmt:
		a.tree(x.Query)
	case *declareCursorStmt: // plans it, declares nothing
		a.query(x.Query.(*declareCursorStmt).Query, fresh())
	default:
		a.refuseDDL("explain of such a statement")
	}
}

func (a *analysis) prepare(x *prepareStmt) {
	for _, t := range x.Argtypes {
		a.expression(t, fresh())
	}
	a.query(x.Query, fresh())
	a.remember(a.names().prepared, x.Name)
}

func (a *analysis) execute(x *executeStmt) {
	a.mustKnow("prepared statement", a.names().prepared, x.Name)
	a.expressions(x.Params, fresh())
}

func (a *analysis) declare(x *declareCursorStmt) {
	if s, ok := x.Query.(*selectStmt); !ok {
		a.unknown("a cursor for no query")
	} else {
		a.query(s, fresh())
	}
	a.remember(a.names().cursors, x.Portalname)
}
