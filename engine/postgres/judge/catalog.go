package judge

import (
	_ "embed" // the lists
	"slices"
	"strings"
	"sync"
)

// Catalog is what must be known of the target. The zero value knows nothing: then
// every table that the permission names exists, its columns are those that the
// permission names, and what depends on others is refused.
type Catalog struct {
	Schema    string     // where names without a schema are, after pg_catalog; "": public
	Tables    []Table    // tables, views, materialized views, foreign tables; nil: not known
	Functions []Function // every function outside pg_catalog, by all schemas
	Operators []string   // names of operators outside pg_catalog
	Types     []Name     // types outside pg_catalog that may stand in a cast
}

// Name is the name of something in a schema.
type Name struct{ Schema, Name string }

// Table is a table or view and its columns in their order.
type Table struct {
	Schema, Name string
	Columns      []string
}

// Function is a function of the target's own.
type Function struct {
	Schema, Name string
	Args         string // argument types, as in a rule
}

// known is a Catalog made ready for look-ups.
type known struct {
	schema    string
	complete  bool // the tables are known
	tables    map[Name][]string
	functions map[Name][]string // their argument types
	names     map[string]bool   // of functions, by name alone
	operators map[string]bool
	types     map[Name]bool
}

func (c Catalog) known() known {
	k := known{
		schema: c.Schema, complete: c.Tables != nil, tables: map[Name][]string{}, functions: map[Name][]string{},
		names: map[string]bool{}, operators: map[string]bool{}, types: map[Name]bool{},
	}
	if k.schema == "" {
		k.schema = "public"
	}
	for _, t := range c.Tables {
		k.tables[Name{t.Schema, t.Name}] = t.Columns
	}
	for _, f := range c.Functions {
		n := Name{f.Schema, f.Name}
		k.functions[n] = append(k.functions[n], f.Args)
		k.names[f.Name] = true
	}
	for _, o := range c.Operators {
		k.operators[o] = true
	}
	for _, t := range c.Types {
		k.types[t] = true
	}
	return k
}

//go:embed functions.txt
var functionList string

//go:embed operators.txt
var operatorList string

//go:embed types.txt
var typeList string

//go:embed catalogs.txt
var catalogList string

// builtin is what PostgreSQL itself brings and anyone may use.
type builtin struct {
	functions, operators, types map[string]bool
	catalogs                    map[Name][]string
}

var builtins = sync.OnceValue(func() builtin {
	b := builtin{words(functionList), words(operatorList), words(typeList), map[Name][]string{}}
	for line := range strings.Lines(catalogList) {
		if table, cols, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, "#") {
			schema, name, _ := strings.Cut(table, ".")
			b.catalogs[Name{schema, name}] = strings.Fields(cols)
		}
	}
	return b
})

// words are those of the lines that are no comment.
func words(text string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		for _, w := range strings.Fields(line) {
			out[w] = true
		}
	}
	return out
}

// reserved reports whether a name without a schema means pg_catalog's, known here or not.
func reserved(name string) bool {
	return strings.HasPrefix(name, "pg_") || strings.HasPrefix(name, "lo_")
}

// acts are built-in functions that a rule on a schema of the target's own does not mean.
func acts(name string) bool {
	return reserved(name) || strings.Contains(name, "_to_xml") || strings.HasPrefix(name, "binary_upgrade_") ||
		slices.Contains([]string{"set_config", "setval", "nextval", "currval", "lastval", "loread", "lowrite", "ts_stat", "ts_rewrite", "currtid2", "setseed", "current_setting"}, name)
}

// systemColumn is a column that every table has. No grant of columns gives it.
func systemColumn(name string) bool {
	return slices.Contains([]string{"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"}, name)
}
