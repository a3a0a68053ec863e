package judge

import (
	"slices"
	"strings"
)

func (a *analysis) expressions(list []node, c context) {
	for _, n := range list {
		a.expression(n, c)
	}
}

// expression judges whatever may stand where a value is expected. What needs no
// judgement of its own is walked through, all of it.
func (a *analysis) expression(n node, c context) {
	switch x := n.(type) {
	case nil:
		return
	case *columnRef:
		a.column(x, c.scope)
		return
	case *funcCall:
		a.call(x, c)
		return
	case *indirection:
		a.fields(x, c)
		return
	case *selectStmt:
		a.query(x, context{scope: c.scope.below(), ctes: c.ctes})
		return
	case *subLink:
		a.operator(x.OperName)
		if x.SubLinkType == "ANY_SUBLINK" && x.OperName == nil { // IN
			a.equals()
		}
	case *caseExpr:
		if x.Arg != nil {
			a.equals()
		}
	case *operation:
		a.operation(x)
	case *sortBy:
		a.operator(x.UseOp)
	case *typeName:
		a.typeName(x)
	case *mergeSupportFunc, *jsonFuncExpr, *jsonParseExpr, *jsonScalarExpr, *jsonSerializeExpr, *jsonObjectConstructor,
		*jsonArrayConstructor, *jsonArrayQueryConstructor, *jsonObjectAgg, *jsonArrayAgg:
		a.younger(n)
	case *collateClause:
		a.expression(x.Arg, c) // a collation only compares
		return
	case *currentOfExpr:
		if !a.names().cursors[x.CursorName] {
			a.refuseName("cursor", x.CursorName)
		}
	case *rangeVar, *insertStmt, *updateStmt, *deleteStmt, *mergeStmt, *joinExpr, *rangeSubselect, *rangeFunction, *commonTableExpr, *withClause, *intoClause, *lockingClause:
		a.unknown("a clause where a value is expected")
		return
	}
	a.expressions(children(n), c)
}

// fields judges (expression).f: f is a column, or the call f(expression).
func (a *analysis) fields(x *indirection, c context) {
	rest := x.Indirection
	if name, ok := simple(x.Arg); ok && len(rest) > 0 {
		if f, ok := rest[0].(*str); ok {
			if r := a.find([]string{name}, c.scope); r != nil && !a.isColumn(name, c.scope) {
				a.field(r, []string{name, f.Sval}, c.scope)
				rest = rest[1:]
			} else {
				a.expression(x.Arg, c)
			}
		} else {
			a.expression(x.Arg, c)
		}
	} else {
		a.expression(x.Arg, c)
	}
	for i, n := range rest {
		switch f := n.(type) {
		case *str:
			if i > 0 || !a.pair(x.Arg, c.scope) || f.Sval != "x" && f.Sval != "n" {
				a.function([]string{f.Sval}, nil, 1)
			}
		case *indices:
			a.expressions(children(f), c)
		case *star:
		default:
			a.unknown("a part of a value of this form")
		}
	}
}

// younger judges what is part of the grammar since PostgreSQL 16 or 17: an older server
// calls a function of that name, which would be one of the target's own.
func (a *analysis) younger(n node) {
	var name string
	switch x := n.(type) {
	case *mergeSupportFunc:
		name = "merge_action"
	case *jsonFuncExpr:
		name = strings.ToLower(strings.TrimSuffix(x.Op, "_OP"))
	case *jsonParseExpr:
		name = "json"
	case *jsonScalarExpr:
		name = "json_scalar"
	case *jsonSerializeExpr:
		name = "json_serialize"
	case *jsonObjectConstructor:
		name = "json_object"
	case *jsonArrayConstructor, *jsonArrayQueryConstructor:
		name = "json_array"
	case *jsonObjectAgg:
		name = "json_objectagg"
	case *jsonArrayAgg:
		name = "json_arrayagg"
	}
	if a.book().known.names[name] {
		a.refuse(RuleFunction, "call it with its schema, if the role allows it", "the target has functions %s of its own", name)
	}
}

// isColumn: in doubt it is.
func (a *analysis) isColumn(name string, s *scope) bool {
	for at := s; at != nil; at = at.parent {
		for _, r := range at.rels {
			if r.mayHave(name) {
				return true
			}
		}
	}
	return false
}

// pair reports whether n is surely a row of x and n, the fields of
// information_schema._pg_expandarray: the call itself, or a column that is one.
func (a *analysis) pair(n node, s *scope) bool {
	ref, ok := n.(*columnRef)
	if !ok {
		return expandArray(n)
	}
	names, ok := strs(ref.Fields)
	if !ok || len(names) != 2 {
		return false
	}
	r := a.find(names[:1], s)
	return r != nil && r.complete && !r.isTable() && slices.Contains(r.pairs, names[1])
}

// expandArray is what drivers use to read keys: its columns are x and n.
func expandArray(n node) bool {
	f, ok := n.(*funcCall)
	if !ok {
		return false
	}
	names, ok := strs(f.Funcname)
	return ok && strings.Join(names, ".") == "information_schema._pg_expandarray"
}

func (a *analysis) operation(x *operation) {
	switch x.Kind {
	case "AEXPR_OP", "AEXPR_OP_ANY", "AEXPR_OP_ALL", "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT", "AEXPR_NULLIF",
		"AEXPR_IN", "AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_SIMILAR":
		a.operator(x.Name)
	case "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN", "AEXPR_BETWEEN_SYM", "AEXPR_NOT_BETWEEN_SYM":
		for _, op := range []string{"<=", ">="} {
			a.operator([]node{&str{Sval: op}})
		}
	default:
		a.unknown("an operator of this form")
	}
}

// equals is for what compares without writing an operator.
func (a *analysis) equals() { a.operator([]node{&str{Sval: "="}}) }

// operator allows PostgreSQL's own operators, unless the target overloads them.
func (a *analysis) operator(list []node) {
	if len(list) == 0 {
		return
	}
	names, ok := strs(list)
	op := last(list)
	qualified := len(names) == 2 && names[0] == "pg_catalog"
	switch {
	case !ok || len(names) > 1 && !qualified:
		a.refuse(RuleFunction, "use PostgreSQL's own operators", "the operator %s is not one of PostgreSQL's own", strings.Join(names, "."))
	case !builtins().operators[op]:
		a.refuse(RuleFunction, "use PostgreSQL's own operators", "the operator %s is not one of PostgreSQL's own", op)
	case !qualified && a.book().known.operators[op]:
		a.refuse(RuleFunction, "write OPERATOR(pg_catalog."+op+")", "the target has an operator %s of its own", op)
	}
}

// typeName allows PostgreSQL's own types and those that the catalog names.
func (a *analysis) typeName(t *typeName) {
	names, ok := strs(t.Names)
	name := last(t.Names)
	own := Name{a.book().known.schema, name}
	if len(names) == 2 {
		own.Schema = names[0]
	}
	switch {
	case !ok || len(names) > 2 || t.PctType:
		a.unknown("a type of this form")
	case own.Schema == "pg_catalog" && len(names) == 2, len(names) == 1:
		if !builtins().types[name] && !(len(names) == 1 && a.book().known.types[own]) {
			a.refuse(RuleFunction, "cast to one of PostgreSQL's own types", "nothing is known of the type %s", name)
		}
	case !a.book().known.types[own]:
		a.refuse(RuleFunction, "cast to one of PostgreSQL's own types", "nothing is known of the type %s", own)
	}
}
