package judge

import (
	_ "embed" // the list
	"strings"
	"sync"
)

// Catalog is what the target holds, as far as the session's account sees it. What is
// not in it is refused.
type Catalog struct {
	Database string   // where names without a database are, for the whole session; "": nowhere
	Tables   []Table  // tables and views of all databases, also the server's own
	Routines []string // names of the routines in Database
}

// Table is a table or view and its columns in their order.
type Table struct {
	Database, Name string
	Columns        []string
}

func (t Table) String() string { return t.Database + "." + t.Name }

// Queries read a Catalog: of tables, one row a column; of routines.
const (
	TablesQuery   = "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME FROM information_schema.COLUMNS c ORDER BY 1, 2, c.ORDINAL_POSITION"
	RoutinesQuery = "SELECT ROUTINE_NAME, '', '' FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()"
)

// known is a Catalog made ready for look-ups.
type known struct {
	database string
	tables   map[string]Table // by database, a NUL, and name
	folded   map[string]bool  // names of tables of the session's database, in lower case
	routines map[string]bool  // in lower case
}

func (c Catalog) known() known {
	k := known{database: c.Database, tables: map[string]Table{}, folded: map[string]bool{}, routines: map[string]bool{}}
	for _, t := range c.Tables {
		k.tables[tableKey(t.Database, t.Name)] = t
		if t.Database == c.Database {
			k.folded[strings.ToLower(t.Name)] = true
		}
	}
	for _, r := range c.Routines {
		k.routines[strings.ToLower(r)] = true
	}
	return k
}

// information is the only one of the server's own databases that can be read.
const information = "information_schema"

// tableKey: names in the server's own database know no case.
func tableKey(database, name string) string {
	if strings.EqualFold(database, information) {
		return information + "\x00" + strings.ToLower(name)
	}
	return database + "\x00" + name
}

//go:embed functions.txt
var functionList string

// functions are the server's own that anybody may call.
var functions = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(functionList) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, w := range strings.Fields(line) {
			out[w] = true
		}
	}
	return out
})

// public are tables of information_schema that say what there is, and nothing of what
// others do, of code, files or accounts.
func public(name string) bool {
	switch strings.ToLower(name) {
	case "schemata", "tables", "columns", "statistics", "key_column_usage", "table_constraints", "referential_constraints", "check_constraints",
		"character_sets", "collations", "collation_character_set_applicability", "engines", "partitions", "views", "keywords":
		return true
	}
	return false
}
