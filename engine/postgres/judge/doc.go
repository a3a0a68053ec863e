// Package judge reads statements with PostgreSQL's own grammar and says whether a
// permission allows them. It is for resources with a fixed login, where the target
// cannot be the wall. It is pure: it dials nothing, and whatever it does not know is
// refused: a node of the tree, a table, a function, an operator, a type.
//
// What it says holds only under what the engine pins in the startup packet, so that
// not even RESET ALL and DISCARD ALL loosen it, and with no other parameter of the
// client's than those that SET allows:
//
//	search_path = pg_catalog, public        built-in names win over others of the same signature
//	client_encoding = UTF8                  the judge and the target read the same bytes
//	standard_conforming_strings = on        strings end where the judge says they end
//
// The target must report server_encoding UTF8: others cut and fold names differently.
//
// A built-in function or operator can still be overloaded by one of the target's own
// with better fitting types: Catalog lists those, and their names are refused. What
// the target does by itself when rows are read or written (views, rules, triggers,
// defaults, policies, checks of domains) is its owner's, as it is under a grant.
//
// It says nothing about cost: a permitted query may still take all time and memory
// that the target gives it.
package judge
