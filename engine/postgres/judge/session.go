package judge

import (
	"slices"
	"strings"
)

func (a *analysis) refuseName(what, name string) {
	a.refuse(RuleName, "prepare and declare in this session, with a statement of its own", "this session has no %s %q", what, name)
}

func (a *analysis) mustKnow(what string, names map[string]bool, name string) {
	if !names[name] {
		a.refuseName(what, name)
	}
}

func (a *analysis) remember(names map[string]bool, name string) {
	if len(names) >= mostNames {
		a.refuse(RuleName, "DEALLOCATE and CLOSE what is no longer used", "this session has %d names already", len(names))
		return
	}
	names[name] = true
}

func (a *analysis) forget(names map[string]bool, name string, all bool) {
	if all {
		clear(names)
		return
	}
	delete(names, name)
}

// session judges what concerns the session alone.
func (a *analysis) session(n node) {
	switch x := n.(type) {
	case *transactionStmt:
		a.transaction(x)
	case *variableSetStmt:
		a.set(x)
	case *variableShowStmt:
		a.out.Class = "show"
		if !shown(x.Name) {
			a.refuseParameter(x.Name)
		}
	case *discardStmt:
		if x.Target == "DISCARD_ALL" {
			clear(a.names().prepared)
			clear(a.names().cursors)
		}
	case *unlistenStmt, *constraintsSetStmt:
	default:
		a.refuseDDL(a.out.Class)
	}
}

func (a *analysis) transaction(x *transactionStmt) {
	switch x.Kind {
	case "TRANS_STMT_BEGIN", "TRANS_STMT_START", "TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK",
		"TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO":
		a.options(x.Options, "transaction_isolation", "transaction_read_only", "transaction_deferrable")
	default:
		a.refuse(RuleClass, "commit in this session", "two-phase commit is not possible on a fixed account")
	}
}

// settable are the parameters that a session may set, and to what: nil, anything.
func settable(name string) (allowed []string, ok bool) {
	switch strings.ToLower(name) {
	case "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout", "application_name",
		"datestyle", "timezone", "intervalstyle", "extra_float_digits", "bytea_output", "client_min_messages", "work_mem",
		"synchronous_commit", "random_page_cost", "jit", "enable_seqscan", "enable_indexscan", "enable_bitmapscan", "enable_hashjoin",
		"enable_mergejoin", "enable_nestloop", "geqo", "plan_cache_mode", "default_transaction_isolation", "lc_messages",
		"lc_monetary", "lc_numeric", "lc_time", "xmloption", "max_parallel_workers_per_gather":
		return nil, true
	case "standard_conforming_strings", "row_security":
		return []string{"on", "true", "1"}, true
	case "default_transaction_read_only", "transaction_read_only":
		return []string{"on", "true", "1"}, true
	case "client_encoding", "names":
		return []string{"utf8", "utf-8", "unicode"}, true
	case "search_path":
		return []string{"pg_catalog"}, true
	}
	return nil, false
}

// shown reports whether a parameter may be shown: none that says where files,
// secrets or other servers are.
func shown(name string) bool {
	name = strings.ToLower(name)
	if _, ok := settable(name); ok {
		return true
	}
	return slices.Contains([]string{
		"server_version", "server_version_num", "server_encoding", "transaction_isolation", "transaction_deferrable", "integer_datetimes",
		"max_identifier_length", "is_superuser", "session_authorization", "lc_collate", "lc_ctype", "max_connections", "in_hot_standby",
		"block_size", "password_encryption", "role", "backslash_quote", "escape_string_warning", "max_index_keys", "default_tablespace",
	}, name)
}

func (a *analysis) refuseParameter(name string) {
	a.refuse(RuleParameter, "leave it as it is: timeouts, time zone, date style, work_mem and their like may be set", "the parameter %q may not be set or shown like this", name)
}

func (a *analysis) set(x *variableSetStmt) {
	a.out.Class = "set"
	switch x.Kind {
	case "VAR_SET_VALUE", "VAR_SET_DEFAULT", "VAR_RESET":
		a.setOne(x)
	case "VAR_RESET_ALL":
	case "VAR_SET_MULTI":
		if x.Name != "TRANSACTION" && x.Name != "SESSION CHARACTERISTICS" {
			a.refuseParameter(x.Name)
		}
		a.options(x.Args, "transaction_isolation", "transaction_read_only", "transaction_deferrable")
	default:
		a.refuseParameter(x.Name)
	}
}

func (a *analysis) setOne(x *variableSetStmt) {
	values, ok := settable(x.Name)
	if !ok {
		a.refuseParameter(x.Name)
		return
	}
	if strings.EqualFold(x.Name, "search_path") && x.Kind == "VAR_SET_VALUE" {
		values = nil
		if !a.defaultPath(x.Args) {
			a.refuse(RuleParameter, "name the schemas in the statements", "search_path may only be pg_catalog, %s", a.book().known.schema)
		}
	}
	for _, n := range x.Args {
		v, ok := value(n)
		if !ok {
			a.unknown("the value of " + x.Name)
		} else if values != nil && !slices.Contains(values, strings.ToLower(v)) {
			a.refuseParameter(x.Name)
		}
	}
}

// defaultPath: the schema of the session, and pg_catalog before it, as always.
func (a *analysis) defaultPath(args []node) bool {
	var path []string
	for _, n := range args {
		v, _ := value(n)
		path = append(path, v)
	}
	return slices.Equal(path, []string{"pg_catalog", a.book().known.schema}) || slices.Equal(path, []string{a.book().known.schema})
}

// value is a constant as SET has it.
func value(n node) (string, bool) {
	if cast, ok := n.(*typeCast); ok { // SET TIME ZONE INTERVAL '…'
		n = cast.Arg
	}
	c, ok := n.(*constant)
	switch {
	case !ok:
		return "", false
	case c.Sval != nil:
		return c.Sval.Sval, true
	case c.Ival != nil:
		return itoa(c.Ival.Ival), true
	case c.Fval != nil:
		return c.Fval.Fval, true
	case c.Boolval != nil && c.Boolval.Boolval:
		return "true", true
	case c.Boolval != nil:
		return "false", true
	}
	return "", false
}
