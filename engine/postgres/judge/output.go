package judge

import (
	"slices"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

func asNames(names []string) (out []node) {
	for _, n := range names {
		out = append(out, &str{Sval: n})
	}
	return out
}

// targets judges a target list and names its columns.
func (a *analysis) targets(list []node, c context) relation {
	out := relation{complete: true}
	for _, n := range list {
		t, ok := n.(*resTarget)
		if !ok || t.Indirection != nil {
			a.unknown("this list of columns")
			continue
		}
		a.expression(t.Val, c)
		cols, ok, free := a.outputs(t, c)
		out.free = out.free || free
		out.cols = append(out.cols, cols...)
		out.complete = out.complete && ok
		if t.Name != "" && expandArray(t.Val) {
			out.pairs = append(out.pairs, t.Name)
		}
	}
	out.pairs = slices.DeleteFunc(out.pairs, func(name string) bool { return count(out.cols, name) != 1 })
	return out
}

func count(list []string, word string) (n int) {
	for _, w := range list {
		if w == word {
			n++
		}
	}
	return n
}

// outputs names what one target becomes; not ok if there may be more, free if it
// depends on the server's version.
func (a *analysis) outputs(t *resTarget, c context) (cols []string, ok, free bool) {
	if t.Name != "" {
		return []string{t.Name}, true, false
	}
	ref, ok := t.Val.(*columnRef)
	if ok && len(ref.Fields) > 0 {
		if _, all := ref.Fields[len(ref.Fields)-1].(*star); all {
			return a.expand(ref, c)
		}
	}
	if name := figure(t.Val); name != "" {
		return []string{name}, true, false
	}
	return nil, false, false
}

func (a *analysis) expand(ref *columnRef, c context) (cols []string, ok, free bool) {
	names, _ := strs(ref.Fields[:len(ref.Fields)-1])
	rels := c.scope.rels
	if len(names) > 0 {
		r := a.find(names, c.scope)
		if r == nil {
			return nil, false, false
		}
		rels = []*relation{r}
	}
	ok = true
	for _, r := range rels {
		cols = append(cols, r.cols...)
		ok = ok && r.complete
		free = free || r.free
	}
	return cols, ok, free
}

// figure is the name that PostgreSQL gives an unnamed column: "" where it is not certain.
func figure(n node) string {
	switch x := n.(type) {
	case *columnRef:
		return last(x.Fields)
	case *funcCall:
		return last(x.Funcname)
	case *typeCast:
		return castFigure(x)
	case *collateClause:
		return figure(x.Arg)
	case *constant, *paramRef:
		return "?column?"
	case *operation:
		if x.Kind == "AEXPR_NULLIF" {
			return "nullif"
		}
		return "?column?"
	case *boolExpr, *nullTest, *booleanTest:
		return "?column?"
	case *coalesceExpr:
		return "coalesce"
	case *arrayExpr:
		return "array"
	case *rowExpr:
		return "row"
	case *groupingFunc:
		return "grouping"
	case *minMaxExpr:
		if x.Op == "IS_LEAST" {
			return "least"
		}
		return "greatest"
	case *subLink:
		switch x.SubLinkType {
		case "EXISTS_SUBLINK":
			return "exists"
		case "ARRAY_SUBLINK":
			return "array"
		}
	}
	return ""
}

// castFigure: a column or call gives its name to the cast of it, a constant none.
func castFigure(x *typeCast) string {
	n := x.Arg
	for {
		switch inner := n.(type) {
		case *typeCast:
			n = inner.Arg
			continue
		case *collateClause:
			n = inner.Arg
			continue
		case *columnRef, *funcCall:
			return figure(n)
		}
		break
	}
	if name := figure(n); name != "?column?" {
		return name
	}
	if x.TypeName == nil {
		return ""
	}
	return last(x.TypeName.Names)
}

func last(list []node) string {
	if len(list) == 0 {
		return ""
	}
	if s, ok := list[len(list)-1].(*str); ok {
		return s.Sval
	}
	return ""
}
