package mysql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// connectionLimit is how many connections one account may have at the target.
const connectionLimit = "100"

// Make makes the account, locked. See lease.Keeper.
func (k *keeper) Make(ctx context.Context, p lease.Plan) (made lease.Made, err error) {
	may, err := parse(p.Permission)
	if err != nil {
		return made, err
	}
	if err := k.ours(p.Account); err != nil {
		return made, err
	}
	err = k.with(ctx, k.free(&k.doors), "make "+string(p.Lease), func(c *conn) error {
		if err := k.mariadb(ctx, c); err != nil {
			return err
		}
		rights, err := k.compile(ctx, c, may)
		if err != nil {
			return err
		}
		if made.Exceeds, err = exceeds(ctx, c); err != nil {
			return err
		}
		if made.Digest = digestOf(made.Exceeds); len(made.Exceeds) > 0 && made.Digest != k.target.Resource.Accepts {
			return curfew.Errorf(curfew.Denied, "%s gives everybody more than the role says: %s", k.target.Resource.Name, strings.Join(made.Exceeds, "; ")).
				WithRule("role.exceeds").WithFix("take it away at the target, or accept exactly this list: accepts: %s", made.Digest)
		}
		prepared, err := preparedXA(ctx, c)
		if err != nil {
			return err
		}
		made.ID, made.Group = p.Account, strings.Join(prepared, "\n")
		return k.create(ctx, c, p.Account, rights)
	})
	return made, err
}

// mariadb refuses servers on which making accounts, and taking them away, has not been tried.
func (k *keeper) mariadb(ctx context.Context, c *conn) error {
	version, err := c.column(ctx, "SELECT VERSION()")
	if err != nil {
		return err
	}
	if len(version) != 1 || !strings.Contains(version[0], "MariaDB") {
		return curfew.Errorf(curfew.Denied, "%s is no MariaDB (%s): temporary accounts are made on MariaDB only, and how they end elsewhere is not known", k.target.Resource.Name, strings.Join(version, "")).
			WithRule("resource.version")
	}
	return nil
}

// create makes the account with its rights. What is there from a try that broke off
// is taken away first, so that it holds these rights and no others.
func (k *keeper) create(ctx context.Context, c *conn, account string, rights []string) error {
	statements := []string{
		"DROP USER IF EXISTS " + accountName(account),
		"CREATE USER " + accountName(account) + " IDENTIFIED VIA mysql_native_password USING '" + nativeHash(newPassword()) +
			"' WITH MAX_USER_CONNECTIONS " + connectionLimit + " ACCOUNT LOCK",
	}
	for _, r := range rights {
		statements = append(statements, "GRANT "+r+" TO "+accountName(account))
	}
	for _, s := range statements {
		if err := c.run(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// digestOf names a list of what exceeds a role.
func digestOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:8])
}

// exceeds lists what the target gives everybody: rights of the account without a name,
// which the server adds to everybody's, and those of PUBLIC (MariaDB 10.11).
func exceeds(ctx context.Context, c *conn) ([]string, error) {
	var out []string
	for _, q := range []string{
		"SELECT CONCAT(IF(User = '', 'everybody', User), ': the database ', Db) FROM mysql.db WHERE User IN ('', 'PUBLIC')",
		"SELECT CONCAT(User, ': ', Table_priv, Column_priv, ' on ', Db, '.', Table_name) FROM mysql.tables_priv WHERE User = 'PUBLIC'",
		"SELECT CONCAT(User, ': ', Proc_priv, ' on ', Db, '.', Routine_name) FROM mysql.procs_priv WHERE User = 'PUBLIC'",
	} {
		lines, err := c.column(ctx, q)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	slices.Sort(out)
	return out, nil
}

// compile turns rules into what stands between GRANT and TO, on what the target holds
// now, in a fixed order.
func (k *keeper) compile(ctx context.Context, c *conn, may permission) ([]string, error) {
	var out []string
	for i := range may.minus {
		if err := k.place(c, &may.minus[i]); err != nil {
			return nil, err
		}
	}
	for i := range may.rules {
		r := &may.rules[i]
		if err := k.place(c, r); err != nil {
			return nil, err
		}
		rights, err := compileRule(ctx, c, *r, may.minus)
		if err != nil {
			return nil, err
		}
		out = append(out, rights...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// place puts the resource's own database where a rule names none.
func (k *keeper) place(c *conn, r *rule) error {
	if r.database == "" {
		r.database = c.database
	}
	switch strings.ToLower(r.database) {
	case "":
		return curfew.Errorf(curfew.Invalid, "%s has no database of its own, and the role names none", k.target.Resource.Name).WithRule("role.object").
			WithFix("name it in the role (read shop.orders), or in the resource's options (database: shop)")
	case "mysql", "information_schema", "performance_schema", "sys":
		return curfew.Errorf(curfew.Invalid, "the database %s is the server's own: no role is given anything in it", r.database).WithRule("role.object")
	}
	return nil
}

func compileRule(ctx context.Context, c *conn, r rule, minus []rule) ([]string, error) {
	switch r.verb {
	case create:
		return []string{"CREATE, CREATE VIEW ON " + pattern(r.database) + ".*"}, nil
	case call:
		kinds, err := c.column(ctx, "SELECT ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? AND ROUTINE_NAME = ? AND ROUTINE_TYPE IN ('PROCEDURE', 'FUNCTION') ORDER BY 1", r.database, r.name)
		if err != nil {
			return nil, err
		}
		if len(kinds) == 0 {
			return nil, noObject("procedure or function", r.database, r.name)
		}
		var out []string
		for _, kind := range kinds {
			out = append(out, "EXECUTE ON "+kind+" "+quote(r.database, r.name))
		}
		return out, nil
	}
	return compileTables(ctx, c, r, minus)
}

func noObject(what, database, name string) error {
	return curfew.Errorf(curfew.Invalid, "there is no %s %s in %s", what, name, database).WithRule("role.object").WithFix("correct the role: curfew plan")
}

// pattern writes a database's name where GRANT takes % and _ for others.
func pattern(database string) string {
	return quote(strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(database))
}

func privilegeOf(v verb) string {
	switch v {
	case update:
		return "UPDATE"
	case insert:
		return "INSERT"
	case del:
		return "DELETE"
	}
	return "SELECT"
}

func compileTables(ctx context.Context, c *conn, r rule, minus []rule) ([]string, error) {
	tables, err := c.column(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY 1", r.database)
	if err != nil {
		return nil, err
	}
	if r.name != "" {
		if tables = slices.DeleteFunc(tables, func(t string) bool { return t != r.name }); len(tables) == 0 {
			return nil, noObject("table", r.database, r.name)
		}
	}
	var out []string
	for _, t := range tables {
		cols, none, err := without(ctx, c, r, t, minus)
		if err != nil {
			return nil, err
		}
		if none {
			continue
		}
		right := privilegeOf(r.verb)
		if cols != nil {
			quoted := make([]string, 0, len(cols))
			for _, col := range cols {
				quoted = append(quoted, quote(col))
			}
			right += " (" + strings.Join(quoted, ", ") + ")"
		}
		out = append(out, right+" ON TABLE "+quote(r.database, t))
	}
	return out, nil
}

// without takes what the role never allows off a rule for one table: cols are the
// columns that are left, nil for the whole table.
func without(ctx context.Context, c *conn, r rule, table string, minus []rule) (cols []string, none bool, err error) {
	var never []string
	for _, m := range minus {
		if m.verb != r.verb || !strings.EqualFold(m.database, r.database) || m.name != "" && !strings.EqualFold(m.name, table) {
			continue
		}
		if m.cols == nil {
			return nil, true, nil
		}
		never = append(never, m.cols...)
	}
	if cols = r.cols; never == nil {
		return cols, false, nil
	}
	if cols == nil {
		if cols, err = c.column(ctx, "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY 1", r.database, table); err != nil {
			return nil, false, err
		}
	}
	cols = slices.DeleteFunc(slices.Clone(cols), func(col string) bool { return containsFold(never, col) })
	return cols, len(cols) == 0, nil
}
