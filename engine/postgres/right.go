package postgres

import (
	"fmt"
	"strings"
)

// right is one privilege that an account gets through its group.
type right struct {
	Privilege string   `json:"privilege"`         // SELECT, USAGE, CONNECT, …
	Columns   []string `json:"columns,omitempty"` // of a table; at most one, so that each is checked by itself
	Kind      string   `json:"kind"`              // TABLE, SCHEMA, SEQUENCE, ROUTINE, DATABASE
	Schema    string   `json:"schema,omitempty"`
	Name      string   `json:"name,omitempty"`
	Args      string   `json:"args,omitempty"` // of a routine
}

// object is what the right is on, quoted.
func (r right) object() string {
	switch r.Kind {
	case "DATABASE":
		return quote(r.Name)
	case "SCHEMA":
		return quote(r.Schema)
	case "ROUTINE":
		return quote(r.Schema, r.Name) + "(" + r.Args + ")"
	}
	return quote(r.Schema, r.Name)
}

// grant is the right as GRANT has it, without the grantee.
func (r right) grant() string {
	cols := ""
	if r.Columns != nil {
		cols = " (" + strings.Join(quoteEach(r.Columns), ", ") + ")"
	}
	return r.Privilege + cols + " ON " + r.Kind + " " + r.object()
}

// check is an expression over $1, the role's name, that is true if it has the right.
func (r right) check() string {
	if r.Columns != nil {
		return fmt.Sprintf("has_column_privilege($1, %s, %s, '%s')", literal(r.object()), literal(r.Columns[0]), r.Privilege)
	}
	object := r.object()
	switch r.Kind { // their functions take a name, not an identifier
	case "DATABASE":
		object = r.Name
	case "SCHEMA":
		object = r.Schema
	}
	kind := strings.ToLower(r.Kind)
	if r.Kind == "ROUTINE" {
		kind = "function"
	}
	return fmt.Sprintf("has_%s_privilege($1, %s, '%s')", kind, literal(object), r.Privilege)
}

func quoteEach(names []string) (out []string) {
	for _, n := range names {
		out = append(out, quote(n))
	}
	return out
}
