package judge

import (
	"slices"
	"strings"
)

// Verb is what a rule allows, in the words of the permission.
type Verb string

// The verbs.
const (
	Read   Verb = "read"
	Insert Verb = "insert"
	Update Verb = "update"
	Delete Verb = "delete"
	Call   Verb = "call" // a function or procedure
	Use    Verb = "use"  // a sequence: nextval, currval
)

// Rule is one line of a permission, with its schema resolved.
type Rule struct {
	Verb    Verb
	Schema  string
	Name    string   // table, function or sequence; "": all tables of the schema
	Columns []string // of Read, Insert and Update; nil: the whole table
	Args    string   // of Call: the argument types, with commas between
}

// Permission is what is allowed and what is taken off it again.
type Permission struct {
	Allow, Never []Rule
}

// access is what a permission says about one verb on one table.
type access struct {
	whole  bool            // every column, also those of tomorrow
	cols   map[string]bool // if not whole: these
	except map[string]bool // if not nil: every column but these
}

func (a access) none() bool { return !a.whole && len(a.cols) == 0 && a.except == nil }

func (a access) column(name string) bool {
	return a.whole || a.cols[name] || a.except != nil && !a.except[name]
}

// all reports whether every column is allowed; columns are those known, nil if they are not.
func (a access) all(columns []string) bool {
	if a.whole {
		return true
	}
	return len(columns) > 0 && !slices.ContainsFunc(columns, func(c string) bool { return !a.column(c) })
}

// access adds up the rules on a table, each without what is never allowed.
func (p Permission) access(verb Verb, schema, name string, columns []string) access {
	never, nothing := map[string]bool{}, false
	for _, r := range p.Never {
		if r.meets(verb, schema, name) {
			nothing = nothing || r.Columns == nil
			for _, c := range r.Columns {
				never[c] = true
			}
		}
	}
	out := access{cols: map[string]bool{}}
	for _, r := range p.Allow {
		switch {
		case nothing || !r.meets(verb, schema, name):
		case r.Columns != nil:
			for _, c := range r.Columns {
				out.cols[c] = out.cols[c] || !never[c]
			}
		case len(never) == 0:
			out.whole = true
		case columns == nil:
			out.except = never
		default:
			for _, c := range columns {
				out.cols[c] = out.cols[c] || !never[c]
			}
		}
	}
	for c, ok := range out.cols {
		if !ok {
			delete(out.cols, c)
		}
	}
	return out
}

func (r Rule) meets(verb Verb, schema, name string) bool {
	return r.Verb == verb && r.Schema == schema && (r.Name == "" || r.Name == name)
}

func (p Permission) calls(schema, name string, args int) []Rule {
	var out []Rule
	for _, r := range p.Allow {
		if r.Verb == Call && r.Schema == schema && r.Name == name && arity(r.Args) == args && p.callsExactly(Name{schema, name}, r.Args) {
			out = append(out, r)
		}
	}
	return out
}

// callsExactly reports whether a rule names the function with these arguments.
func (p Permission) callsExactly(f Name, args string) bool {
	is := func(r Rule) bool {
		return r.Verb == Call && r.Schema == f.Schema && r.Name == f.Name && sameArgs(r.Args, args)
	}
	return slices.ContainsFunc(p.Allow, is) && !slices.ContainsFunc(p.Never, is)
}

func (p Permission) uses(schema, name string) bool {
	is := func(r Rule) bool { return r.Verb == Use && r.Schema == schema && r.Name == name }
	return slices.ContainsFunc(p.Allow, is) && !slices.ContainsFunc(p.Never, is)
}

func arity(args string) int {
	if strings.TrimSpace(args) == "" {
		return 0
	}
	return strings.Count(args, ",") + 1
}

// sameArgs compares argument types, whichever of their names they are written with.
func sameArgs(x, y string) bool {
	xs, ys := strings.Split(x, ","), strings.Split(y, ",")
	return slices.EqualFunc(xs, ys, func(a, b string) bool { return typeOf(a) == typeOf(b) })
}

func typeOf(arg string) string {
	name := strings.TrimPrefix(strings.Join(strings.Fields(strings.ToLower(arg)), " "), "pg_catalog.")
	name, array := strings.CutSuffix(name, "[]")
	switch name {
	case "integer", "int4":
		name = "int"
	case "smallint":
		name = "int2"
	case "bigint":
		name = "int8"
	case "real":
		name = "float4"
	case "double precision", "float":
		name = "float8"
	case "decimal":
		name = "numeric"
	case "boolean":
		name = "bool"
	case "character varying":
		name = "varchar"
	case "character", "char":
		name = "bpchar"
	case "timestamp without time zone":
		name = "timestamp"
	case "timestamp with time zone":
		name = "timestamptz"
	case "time without time zone":
		name = "time"
	case "time with time zone":
		name = "timetz"
	case "bit varying":
		name = "varbit"
	}
	if array {
		name += "[]"
	}
	return name
}
