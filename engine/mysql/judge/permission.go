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
	Call   Verb = "call" // a procedure or function
)

// Rule is one line of a permission, with its database resolved.
type Rule struct {
	Verb     Verb
	Database string
	Name     string   // table or routine; "": all tables of the database
	Columns  []string // of Read, Insert and Update; nil: the whole table
}

// Permission is what is allowed and what is taken off it again.
type Permission struct {
	Allow, Never []Rule
}

// rights are what a permission says about one verb on one table: columns in lower case.
type rights struct {
	whole bool
	cols  map[string]bool
}

func (r rights) none() bool { return !r.whole && len(r.cols) == 0 }

func (r rights) column(name string) bool { return r.whole || r.cols[strings.ToLower(name)] }

func (r rights) all(cols []string) bool {
	return r.whole || len(cols) > 0 && !slices.ContainsFunc(cols, func(c string) bool { return !r.column(c) })
}

// rights adds up the rules on a table, each without what is never allowed. What never
// is meets names that differ in case alone: a target may take them for the same.
func (p Permission) rights(verb Verb, t Table) rights {
	never := map[string]bool{}
	for _, r := range p.Never {
		if r.Verb != verb || !strings.EqualFold(r.Database, t.Database) || r.Name != "" && !strings.EqualFold(r.Name, t.Name) {
			continue
		}
		if r.Columns == nil {
			return rights{}
		}
		for _, c := range r.Columns {
			never[strings.ToLower(c)] = true
		}
	}
	out := rights{cols: map[string]bool{}}
	for _, r := range p.Allow {
		if r.Verb != verb || r.Database != t.Database || r.Name != "" && r.Name != t.Name {
			continue
		}
		cols := r.Columns
		if cols == nil && len(never) == 0 {
			return rights{whole: true}
		}
		if cols == nil {
			cols = t.Columns
		}
		for _, c := range cols {
			if c = strings.ToLower(c); !never[c] {
				out.cols[c] = true
			}
		}
	}
	return out
}

// calls reports whether a routine may be called. Names of routines know no case.
func (p Permission) calls(database, name string) bool {
	is := func(r Rule) bool {
		return r.Verb == Call && r.Database == database && strings.EqualFold(r.Name, name)
	}
	return slices.ContainsFunc(p.Allow, is) && !slices.ContainsFunc(p.Never, is)
}
