package judge

import (
	"slices"
	"strings"
)

// call judges a call and what stands in it.
func (a *analysis) call(x *funcCall, c context) {
	a.function(x.Funcname, x.Args, len(x.Args))
	a.expressions(children(x), c)
}

// builtin takes a function's name apart: is it one of PostgreSQL's own that anyone may call?
func (a *analysis) builtin(list any) (schema, name string, ok bool) {
	var names []string
	switch x := list.(type) {
	case []string:
		names = x
	case []node:
		names, _ = strs(x)
	}
	switch len(names) {
	case 1:
		name = names[0]
		return "", name, builtins().functions[name] && !a.book().known.names[name]
	case 2:
		schema, name = names[0], names[1]
		return schema, name, schema == "pg_catalog" && builtins().functions[name]
	}
	return "", "", false
}

// function demands the right to call a function with so many arguments.
func (a *analysis) function(list any, args []node, n int) {
	schema, name, ok := a.builtin(list)
	switch {
	case ok:
		return
	case name == "":
		a.unknown("a function named like this")
		return
	case schema == "information_schema" && name == "_pg_expandarray":
		return
	case (schema == "" && !a.book().known.names[name] || schema == "pg_catalog") && a.special(name, args):
		return
	}
	a.ruled(schema, name, n)
}

// ruled demands a call rule.
func (a *analysis) ruled(schema, name string, n int) {
	var rules []Rule
	f := Name{schema, name}
	switch {
	case schema == "" && a.book().known.names[name] && (acts(name) || builtins().functions[name]):
		f.Schema = a.book().known.schema
		a.refuse(RuleFunction, "write pg_catalog."+name+"(…)", "the target has functions %s of its own", name)
		return
	case schema != "":
		rules = a.book().allowed.calls(schema, name, n)
	case acts(name):
		f.Schema = "pg_catalog"
		rules = a.book().allowed.calls(f.Schema, name, n)
	default:
		f.Schema = a.book().known.schema
		rules = a.book().allowed.calls(f.Schema, name, n)
	}
	if len(rules) == 0 {
		a.refuse(RuleFunction, "ask for a role that allows: call "+f.String()+"(argument types)", "the role does not allow to call %s with %d arguments", f, n)
		return
	}
	for _, args := range a.book().known.functions[f] {
		// with defaults more arguments may be meant, with VARIADIC fewer
		if (arity(args) >= n || strings.HasSuffix(args, "[]")) && !a.book().allowed.callsExactly(f, args) {
			a.refuse(RuleFunction, "ask for a role that allows all of them", "there are several functions %s that %d arguments may mean, and the role allows only some", f, n)
			return
		}
	}
	a.out.Calls = append(a.out.Calls, f.String())
}

// special judges built-in functions whose argument decides. True: it was judged.
func (a *analysis) special(name string, args []node) bool {
	switch name {
	case "nextval", "currval":
		seq, ok := a.sequence(args)
		switch {
		case !ok:
			a.refuse(RuleFunction, "name the sequence in a constant: "+name+"('ids')", "%s is called for a sequence that is not named", name)
		case !a.book().allowed.uses(seq.Schema, seq.Name):
			a.refuse(RuleFunction, "ask for a role that allows: use sequence "+seq.String(), "the role does not allow to use the sequence %s", seq)
		default:
			a.out.Calls = append(a.out.Calls, "pg_catalog."+name)
		}
		return true
	case "current_setting":
		parameter, ok := text(args)
		if !ok || !shown(parameter) {
			a.refuse(RuleParameter, "name a harmless parameter in a constant", "current_setting shows a parameter that may not be shown")
		}
		return true
	case "set_config":
		parameter, ok := text(args)
		if !ok || len(args) != 3 || !a.mayConfigure(parameter, args[1]) {
			a.refuse(RuleParameter, "use SET, or name a harmless parameter in a constant", "set_config sets a parameter that may not be set like this")
		}
		return true
	}
	return false
}

// mayConfigure is for set_config what setOne is for SET; search_path is for SET alone.
func (a *analysis) mayConfigure(parameter string, to node) bool {
	values, ok := settable(parameter)
	if !ok || strings.EqualFold(parameter, "search_path") {
		return false
	}
	v, constant := value(to)
	return values == nil || constant && slices.Contains(values, strings.ToLower(v))
}

// text is the first argument, if it is a constant.
func text(args []node) (string, bool) {
	if len(args) == 0 {
		return "", false
	}
	n := args[0]
	if cast, ok := n.(*typeCast); ok && cast.TypeName != nil {
		names, _ := strs(cast.TypeName.Names)
		if slices.Contains([]string{"regclass", "pg_catalog.regclass", "text", "pg_catalog.text"}, strings.Join(names, ".")) {
			n = cast.Arg
		}
	}
	c, ok := n.(*constant)
	if !ok || c.Sval == nil {
		return "", false
	}
	return c.Sval.Sval, true
}

// sequence reads the name of a sequence as regclass does.
func (a *analysis) sequence(args []node) (Name, bool) {
	s, ok := text(args)
	if !ok || len(args) != 1 {
		return Name{}, false
	}
	var parts []string
	for {
		part, rest, ok := identifier(s)
		if !ok {
			return Name{}, false
		}
		parts = append(parts, part)
		if rest == "" {
			break
		}
		if s, ok = strings.CutPrefix(rest, "."); !ok {
			return Name{}, false
		}
	}
	switch len(parts) {
	case 1:
		if strings.HasPrefix(parts[0], "pg_") {
			return Name{"pg_catalog", parts[0]}, true
		}
		return Name{a.book().known.schema, parts[0]}, true
	case 2:
		return Name{parts[0], parts[1]}, true
	}
	return Name{}, false
}

// identifier reads one name, quoted or plain. Blanks are not understood.
func identifier(s string) (name, rest string, ok bool) {
	if q, quoted := strings.CutPrefix(s, `"`); quoted {
		name, rest, ok = strings.Cut(q, `"`)
		return name, rest, ok && name != "" && !strings.HasPrefix(rest, `"`)
	}
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || n > 0 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return strings.ToLower(s[:n]), s[n:], n > 0
}
