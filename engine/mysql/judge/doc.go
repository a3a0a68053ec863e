// Package judge reads MySQL's statements with a grammar and says whether a permission
// allows them. It is for resources with a fixed login, where the target cannot be the
// wall. It is pure: it dials nothing, and whatever it does not know is refused: a byte
// that servers read differently, a statement, a table, a column, a function, a variable.
//
// The grammar is TiDB's (docs/decisions/0032-mysql-grammar.md), which is not the target's own. So a
// text is first read by a scanner of ours (scan.go) that knows only what all servers and
// the grammar read alike, and refuses the rest: what is left has one reading into words.
//
// What it says holds only under what the engine pins in the session (Pins), again after
// each COM_RESET_CONNECTION, and what no statement may change:
//
//	sql_mode                 without ANSI_QUOTES, PIPES_AS_CONCAT, NO_BACKSLASH_ESCAPES and their kin
//	character_set_client     utf8mb4: the judge and the target read the same bytes
//	the current database     as the session began
//
// What the target does by itself when rows are read or written (views, triggers, defaults,
// foreign keys) is its owner's, as it is under a grant. It says nothing about cost.
package judge
