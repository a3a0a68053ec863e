package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// modes are parts of sql_mode that change no statement's meaning in a way that matters here.
func modes() []string {
	return []string{
		"", "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "NO_ZERO_IN_DATE", "NO_ZERO_DATE", "ALLOW_INVALID_DATES", "ERROR_FOR_DIVISION_BY_ZERO",
		"NO_AUTO_CREATE_USER", "NO_ENGINE_SUBSTITUTION", "NO_AUTO_VALUE_ON_ZERO", "ONLY_FULL_GROUP_BY", "NO_UNSIGNED_SUBTRACTION", "TRADITIONAL",
		"PAD_CHAR_TO_FULL_LENGTH", "NO_DIR_IN_CREATE", "TIME_TRUNCATE_FRACTIONAL", "TIME_ROUND_FRACTIONAL", "SIMULTANEOUS_ASSIGNMENT",
	}
}

// Mode is an sql_mode without the parts under which a text could mean something else.
func Mode(now string) string {
	kept := slices.DeleteFunc(strings.Split(now, ","), func(m string) bool { return m == "" || !slices.Contains(modes(), strings.ToUpper(m)) })
	return strings.Join(kept, ",")
}

// Pins are the statements that make a session what the judge takes it for, in one text; mode is Mode of its
// sql_mode. They are sent before anything of a client's, and again whenever a session is reset.
func Pins(mode string) string {
	return "SET SESSION sql_mode = '" + strings.ReplaceAll(Mode(mode), "'", "") + "', NAMES utf8mb4"
}

func isUTF8(value string) bool {
	return slices.Contains([]string{"utf8", "utf8mb3", "utf8mb4"}, value) || strings.HasPrefix(value, "utf8_") || strings.HasPrefix(value, "utf8mb3_") || strings.HasPrefix(value, "utf8mb4_")
}

// settable reports whether a session may set a variable to a constant; value is in lower case.
func settable(name, value string) bool {
	switch strings.ToLower(name) {
	case "autocommit", "time_zone", "wait_timeout", "interactive_timeout", "net_read_timeout", "net_write_timeout", "lock_wait_timeout",
		"innodb_lock_wait_timeout", "max_statement_time", "max_execution_time", "sql_select_limit", "sql_safe_updates", "sql_notes", "sql_warnings",
		"tx_isolation", "transaction_isolation", "transaction_isolation_one_shot", "tx_isolation_one_shot", "group_concat_max_len", "div_precision_increment",
		"lc_time_names", "lc_messages", "sql_quote_show_create", "optimizer_switch", "default_week_format", "max_join_size", "sql_big_selects",
		"auto_increment_increment", "auto_increment_offset", "insert_id", "last_insert_id", "timestamp", "character_set_results":
		return true
	case "tx_read_only", "transaction_read_only":
		return true
	case "sql_auto_is_null":
		return slices.Contains([]string{"0", "off", "false"}, value)
	case "foreign_key_checks", "unique_checks":
		return slices.Contains([]string{"1", "on", "true"}, value)
	case "character_set_client", "character_set_connection", "collation_connection":
		return isUTF8(value)
	case "sql_mode":
		return !slices.ContainsFunc(strings.Split(strings.ToUpper(value), ","), func(m string) bool { return !slices.Contains(modes(), m) })
	}
	return false
}

// defaults are variables that may be set to DEFAULT: what the server's is there says nothing of how a text is read.
func defaults(name string) bool {
	name = strings.ToLower(name)
	return settable(name, "1") && name != "sql_mode" && !strings.HasPrefix(name, "character_set_") && !strings.HasPrefix(name, "collation_")
}

// shown reports whether a variable may be shown: none that says where files, secrets or
// other servers are.
func shown(name string) bool {
	name = strings.ToLower(name)
	if settable(name, "1") || settable(name, "utf8mb4") {
		return true
	}
	return slices.Contains([]string{
		"sql_mode", "version", "version_comment", "version_compile_os", "version_compile_machine", "character_set_server", "character_set_database",
		"character_set_system", "collation_server", "collation_database", "lower_case_table_names", "max_allowed_packet", "net_buffer_length",
		"system_time_zone", "license", "init_connect", "performance_schema", "query_cache_size", "query_cache_type", "read_only", "in_transaction",
		"have_ssl", "warning_count", "error_count", "identity", "storage_engine", "default_storage_engine", "lower_case_file_system", "max_connections",
		"gtid_mode", "ndbinfo_version", "have_profiling", "port", "protocol_version", "server_id",
	}, name)
}

func (a *analysis) refuseVariable(name string) {
	a.refuse(RuleParameter, "leave it as it is: time zone, isolation, timeouts, sql_mode without what changes how texts are read, and their like may be set",
		"the variable %q may not be set or shown like this", name)
}

func (a *analysis) set(x *ast.SetStmt) {
	for _, v := range x.Variables {
		a.setOne(v)
	}
}

func (a *analysis) setOne(v *ast.VariableAssignment) {
	switch {
	case !v.IsSystem && v.Name != ast.SetNames && v.Name != ast.SetCharset: // a variable of the session's own
		a.expression(v.Value, fresh())
		return
	case v.IsGlobal || v.IsInstance:
		a.refuseVariable(v.Name)
		return
	}
	name := v.Name
	if name == ast.SetNames || name == ast.SetCharset {
		name = "character_set_client"
		if v.ExtendValue != nil && !isUTF8(strings.ToLower(v.ExtendValue.GetDatumString())) {
			a.refuseVariable(name)
		}
	}
	if _, is := v.Value.(*ast.DefaultExpr); is {
		if !defaults(name) {
			a.refuseVariable(name)
		}
		return
	}
	value, ok := constant(v.Value)
	if !ok && strings.EqualFold(name, "sql_mode") {
		value, ok = added(v.Value)
	}
	if !ok {
		a.unknown("the value of " + name)
	} else if !settable(name, strings.ToLower(value)) {
		a.refuseVariable(name)
	}
}

// added is an sql_mode made from the session's own, as drivers do: concat(@@sql_mode, ',…'). What
// the session has is harmless, and each piece is looked at by itself.
func added(n ast.ExprNode) (string, bool) {
	f, ok := n.(*ast.FuncCallExpr)
	if !ok || f.Schema.O != "" || f.FnName.L != "concat" {
		return "", false
	}
	var pieces []string
	for _, arg := range f.Args {
		if v, is := arg.(*ast.VariableExpr); is && v.IsSystem && !v.IsGlobal && !v.IsInstance && strings.EqualFold(v.Name, "sql_mode") && v.Value == nil {
			continue
		}
		piece, ok := constant(arg)
		if !ok {
			return "", false
		}
		pieces = append(pieces, piece)
	}
	return strings.Join(pieces, ","), true
}

// constant is a value as SET has it: also a plain word.
func constant(n ast.ExprNode) (string, bool) {
	switch x := n.(type) {
	case ast.ParamMarkerExpr:
		return "", false
	case ast.ValueExpr:
		if s := x.GetString(); s != "" {
			return s, true
		}
		return textOf(x), true
	case *ast.ColumnNameExpr:
		return x.Name.Name.O, x.Name.Table.O == ""
	case *ast.UnaryOperationExpr:
		v, ok := constant(x.V)
		return "-" + v, ok && x.Op == opcode.Minus
	}
	return "", false
}

func textOf(v ast.ValueExpr) string {
	if s, ok := v.GetValue().(string); ok {
		return s
	}
	return strings.TrimSpace(fmt.Sprint(v.GetValue()))
}
