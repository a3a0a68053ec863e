// Package judge reads statements with PostgreSQL's own grammar and says whether a
// permission allows them. It is for resources with a fixed login, where the target
// cannot be the wall. It is pure: it dials nothing, and whatever it does not know is
// refused: a node of the tree, a table, a function, an operator, a type.
//
// What it says holds only under what the engine pins in the startup packet, so that
// not even RESET ALL and DISCARD ALL loosen it:
//
//	search_path = pg_catalog, public        built-in names win over others of the same signature
//	client_encoding = UTF8                  the judge and the target read the same bytes
//	standard_conforming_strings = on        strings end where the judge says they end
//
// A built-in function or operator can still be overloaded by one of the target's own
// with better fitting types: Catalog lists those, and their names are refused.
package judge
