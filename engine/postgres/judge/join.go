package judge

import "slices"

func (a *analysis) join(x *joinExpr, c context) {
	start := len(c.scope.rels)
	a.from(x.Larg, c)
	a.from(x.Rarg, c)
	joined := slices.Clone(c.scope.rels[start:])
	if x.IsNatural && slices.ContainsFunc(joined, (*relation).restricted) {
		a.refuse(RuleColumn, "write JOIN … USING (columns)", "NATURAL JOIN compares columns that it does not name, and the role allows only some")
	}
	using, ok := strs(x.UsingClause)
	if !ok {
		a.unknown("this USING")
	}
	for _, col := range using {
		for _, r := range joined {
			if r.mayHave(col) {
				a.read(r, col)
			}
		}
	}
	if x.IsNatural || len(using) > 0 {
		a.equals()
	}
	a.expression(x.Quals, context{scope: &scope{rels: joined, parent: c.scope.parent}, ctes: c.ctes})
	if x.JoinUsingAlias != nil {
		c.scope.rels = append(c.scope.rels, &relation{name: x.JoinUsingAlias.Aliasname, cols: using, complete: true})
	}
	if x.Alias != nil {
		c.scope.rels = append(c.scope.rels[:start], a.together(x.Alias, joined))
	}
}

// together is a join under one name. Which of its columns was whose is not followed.
func (a *analysis) together(al *alias, joined []*relation) *relation {
	if slices.ContainsFunc(joined, (*relation).restricted) {
		a.refuse(RuleColumn, "leave the name of the join out", "a join gets a name, and the role allows only some columns of its tables")
	}
	out := &relation{complete: al.Colnames == nil}
	for _, r := range joined {
		out.complete = out.complete && r.complete
		out.free = out.free || r.free
		if al.Colnames == nil {
			out.cols = append(out.cols, r.cols...)
		}
	}
	rename(out, al)
	return out
}

// rows adds the rows of functions.
func (a *analysis) rows(x *rangeFunction, c context) {
	at := context{scope: (&scope{rels: slices.Clone(c.scope.rels), parent: c.scope.parent}).below(), ctes: c.ctes}
	a.expressions(x.Functions, at)
	a.expressions(x.Coldeflist, at)
	r := relation{complete: true}
	for _, f := range x.Functions {
		cols, ok := a.rowsOf(f, x)
		r.cols = append(r.cols, cols...)
		r.complete = r.complete && ok
		r.name = cmpName(r.name, f)
	}
	if x.Ordinality {
		r.cols = append(r.cols, "ordinality")
	}
	rename(&r, x.Alias)
	c.scope.rels = append(c.scope.rels, &r)
}

// cmpName is the name of the first function, which its rows have without an alias.
func cmpName(have string, f node) string {
	if l, ok := f.(*items); ok && have == "" && len(l.Items) > 0 {
		return figure(l.Items[0])
	}
	return have
}

// rowsOf names the columns of a function's rows; false if they are not known.
func (a *analysis) rowsOf(n node, x *rangeFunction) ([]string, bool) {
	l, ok := n.(*items)
	if !ok || len(l.Items) != 2 {
		a.unknown("these rows of a function")
		return nil, false
	}
	if x.Coldeflist != nil {
		return columnsOf(x.Coldeflist), true
	}
	if defs, ok := l.Items[1].(*items); ok {
		return columnsOf(defs.Items), true
	}
	f, ok := l.Items[0].(*funcCall)
	if !ok {
		return nil, false
	}
	name := figure(f)
	if _, _, builtin := a.builtin(f.Funcname); !builtin {
		return nil, false
	}
	switch name {
	case "json_each", "jsonb_each", "json_each_text", "jsonb_each_text":
		return []string{"key", "value"}, true
	case "json_array_elements", "jsonb_array_elements", "json_array_elements_text", "jsonb_array_elements_text":
		return []string{"value"}, true // whatever the alias
	case "pg_partition_tree":
		return []string{"relid", "parentrelid", "isleaf", "level"}, true
	case "pg_get_keywords":
		return []string{"word", "catcode", "barelabel", "catdesc", "baredesc"}, true
	case "pg_options_to_table":
		return []string{"option_name", "option_value"}, true
	case "aclexplode":
		return []string{"grantor", "grantee", "privilege_type", "is_grantable"}, true
	case "generate_series", "generate_subscripts", "regexp_split_to_table", "string_to_table", "json_object_keys", "jsonb_object_keys":
		if x.Alias != nil && len(x.Functions) == 1 {
			name = x.Alias.Aliasname
		}
		return []string{name}, true
	}
	return nil, false // unnest and others may return rows of many columns
}
