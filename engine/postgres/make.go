package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// connectionLimit is how many connections one account may have at the target.
const connectionLimit = 100

// Make makes the account, locked. See lease.Keeper.
func (k *keeper) Make(ctx context.Context, p lease.Plan) (made lease.Made, err error) {
	may, err := parse(p.Permission)
	if err != nil {
		return made, err
	}
	if err := k.ours(p.Account); err != nil {
		return made, err
	}
	err = k.with(ctx, k.free(&k.doors), "make "+string(p.Lease), func(c *pgx.Conn) error {
		rights, err := k.compile(ctx, c, may)
		if err != nil {
			return err
		}
		made.Group = k.groupName(p, may, rights, major(c))
		if err := k.makeGroup(ctx, c, made.Group, rights); err != nil {
			return err
		}
		if err := k.makeRole(ctx, c, p, made.Group); err != nil {
			return err
		}
		if err := c.QueryRow(ctx, `SELECT oid::text FROM pg_roles WHERE rolname = $1`, p.Account).Scan(&made.ID); err != nil {
			return err
		}
		made.Exceeds, err = exceeds(ctx, c, may, made.Group)
		return err
	})
	if err != nil {
		return made, err
	}
	made.Digest = digestOf(made.Exceeds)
	if len(made.Exceeds) > 0 && made.Digest != k.target.Resource.Accepts {
		if _, err := k.Remove(ctx, p, made); err != nil {
			return made, err
		}
		return made, curfew.Errorf(curfew.Denied, "%s gives everybody more than the role says: %s", k.target.Resource.Name, strings.Join(made.Exceeds, "; ")).
			WithRule("role.exceeds").WithFix("revoke it from PUBLIC at the target, or accept exactly this list: accepts: %s", made.Digest)
	}
	return made, nil
}

func digestOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:8])
}

// groupName: one group for all leases of the same rights. Where members can act
// as the group (15 and older) and may create, a group of the lease alone.
func (k *keeper) groupName(p lease.Plan, may permission, rights []right, version int) string {
	if version < 16 && slices.ContainsFunc(may.rules, func(r rule) bool { return r.verb == create }) {
		return k.named("g") + "l_" + strings.TrimPrefix(p.Account, k.named("l"))
	}
	h := sha256.New()
	for _, r := range rights {
		h.Write([]byte(r.grant() + "\n"))
	}
	h.Write([]byte(k.target.Resource.Name))
	return k.named("g") + hex.EncodeToString(h.Sum(nil)[:10])
}

// compile turns rules into privileges on what the target holds now, in a fixed order.
func (k *keeper) compile(ctx context.Context, c *pgx.Conn, may permission) ([]right, error) {
	seen := map[string]right{}
	add := func(r right) { seen[r.grant()] = r }
	add(right{Privilege: "CONNECT", Kind: "DATABASE", Name: c.Config().Database})
	for i := range may.minus {
		if err := k.place(ctx, c, &may.minus[i]); err != nil {
			return nil, err
		}
	}
	for i := range may.rules {
		r := &may.rules[i]
		if err := k.place(ctx, c, r); err != nil {
			return nil, err
		}
		add(right{Privilege: "USAGE", Kind: "SCHEMA", Schema: r.schema})
		if err := compileRule(ctx, c, *r, may.minus, add); err != nil {
			return nil, err
		}
	}
	names := make([]string, 0, len(seen))
	for g := range seen {
		names = append(names, g)
	}
	slices.Sort(names)
	out := make([]right, 0, len(names))
	for _, g := range names {
		out = append(out, seen[g])
	}
	return out, nil
}

// place finds the schema of "orders.*" where orders is the database and no schema:
// it means the tables of public then.
func (k *keeper) place(ctx context.Context, c *pgx.Conn, r *rule) error {
	var is bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`, r.schema).Scan(&is); err != nil || is {
		return err
	}
	if r.name == "" && !r.all && r.schema == c.Config().Database && r.verb != create {
		r.schema, r.all = "public", true
		return nil
	}
	return curfew.Errorf(curfew.Invalid, "%s has no schema %q", k.target.Resource.Name, r.schema).WithRule("role.object").WithFix("correct the role: curfew plan")
}

func compileRule(ctx context.Context, c *pgx.Conn, r rule, minus []rule, add func(right)) error {
	switch r.verb {
	case create:
		add(right{Privilege: "CREATE", Kind: "SCHEMA", Schema: r.schema})
	case use:
		add(right{Privilege: "USAGE", Kind: "SEQUENCE", Schema: r.schema, Name: r.name})
	case call:
		add(right{Privilege: "EXECUTE", Kind: "ROUTINE", Schema: r.schema, Name: r.name, Args: r.args})
	default:
		return compileTables(ctx, c, r, minus, add)
	}
	return nil
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

func compileTables(ctx context.Context, c *pgx.Conn, r rule, minus []rule, add func(right)) error {
	tables := []string{r.name}
	if r.whole() {
		rows, err := c.Query(ctx, `SELECT relname FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind IN ('r','p','v','m','f') ORDER BY 1`, r.schema)
		if err != nil {
			return err
		}
		if tables, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
	}
	priv := privilegeOf(r.verb)
	for _, t := range tables {
		cols, none, err := without(ctx, c, r, t, minus)
		if err != nil {
			return err
		}
		if none {
			continue
		}
		if cols == nil {
			add(right{Privilege: priv, Kind: "TABLE", Schema: r.schema, Name: t})
			continue
		}
		for _, col := range cols {
			add(right{Privilege: priv, Columns: []string{col}, Kind: "TABLE", Schema: r.schema, Name: t})
		}
	}
	return nil
}

// without takes what the role never allows off a rule for one table: cols are the
// columns that are left, nil for the whole table.
func without(ctx context.Context, c *pgx.Conn, r rule, table string, minus []rule) (cols []string, none bool, err error) {
	var never []string
	for _, m := range minus {
		if m.verb != r.verb || m.schema != r.schema || !m.whole() && m.name != table {
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
		rows, err := c.Query(ctx, `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY 1`, quote(r.schema, table))
		if err != nil {
			return nil, false, err
		}
		if cols, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return nil, false, err
		}
	}
	cols = slices.DeleteFunc(slices.Clone(cols), func(col string) bool { return slices.Contains(never, col) })
	return cols, len(cols) == 0, nil
}

// makeGroup makes sure that the group is there and holds exactly the rights. A
// group that is right is left alone: nothing is locked, nothing is edited.
func (k *keeper) makeGroup(ctx context.Context, c *pgx.Conn, group string, rights []right) error {
	k.groups.Lock()
	defer k.groups.Unlock()
	return retry(ctx, func() error {
		if ok, err := holds(ctx, c, group, rights); err == nil && ok {
			return nil
		}
		return k.grantAll(ctx, c, group, rights)
	})
}

// mostTries bounds how often a whole transaction is tried again at once.
const mostTries = 20

// retry runs a whole transaction until it went through, or failed for a reason
// that others' transactions have nothing to do with.
func retry(ctx context.Context, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if err == nil || !again(err) || try == mostTries {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(10+rand.IntN(90*(try+1))) * time.Millisecond):
		}
	}
}

// holds asks whether the role has each right.
func holds(ctx context.Context, c *pgx.Conn, role string, rights []right) (bool, error) {
	checks := make([]string, 0, len(rights))
	for _, r := range rights {
		checks = append(checks, r.check())
	}
	var is, ok bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, role).Scan(&is); err != nil || !is {
		return false, err
	}
	err := c.QueryRow(ctx, "SELECT "+strings.Join(checks, " AND "), role).Scan(&ok)
	return ok, err
}

// grantAll makes the group in one transaction. A GRANT that only warned gave
// nothing: the rights are asked for before the commit.
func (k *keeper) grantAll(ctx context.Context, c *pgx.Conn, group string, rights []right) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if err := k.hands(c).grant(ctx, tx, group, rights); err != nil {
			return err
		}
		for _, r := range rights {
			var ok bool
			if err := tx.QueryRow(ctx, "SELECT "+r.check(), group).Scan(&ok); err != nil {
				return err
			}
			if !ok {
				return curfew.Errorf(curfew.Denied, "the gateway's own login on %s could not grant %s", k.target.Resource.Name, r.grant()).
					WithRule("resource.rights").WithFix("as the owner: GRANT %s TO %s WITH GRANT OPTION, or make it a member of the owner", r.grant(), c.Config().User)
			}
		}
		return nil
	})
}

// makeRole makes the lease's own role, locked, a member of the group and of nothing else.
func (k *keeper) makeRole(ctx context.Context, c *pgx.Conn, p lease.Plan, group string) error {
	return retry(ctx, func() error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return k.hands(c).account(ctx, tx, p, group) })
	})
}
