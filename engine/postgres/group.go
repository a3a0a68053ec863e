package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// findGroup looks for the group of a lease whose making never answered.
func (r *removal) findGroup(ctx context.Context) error {
	own := r.k.named("g") + "l_" + strings.TrimPrefix(r.plan.Account, r.k.named("l"))
	return r.c.QueryRow(ctx, `SELECT coalesce((SELECT rolname::text FROM pg_roles WHERE rolname = $1), (SELECT g.rolname::text FROM pg_auth_members m
		JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles l ON l.oid = m.member WHERE l.rolname = $2 AND starts_with(g.rolname, $3) LIMIT 1), '')`,
		own, r.plan.Account, r.k.named("g")).Scan(&r.made.Group)
}

// cleanGroup deals with what was done in the group's name, which members can on
// 15 and older: it must own nothing and have no settings or default privileges.
func (r *removal) cleanGroup(ctx context.Context) error {
	group := r.made.Group
	if group == "" {
		return nil
	}
	owns, err := r.databases(ctx, group, "^o")
	if err != nil {
		return err
	}
	for _, db := range r.named(append(owns, "")) {
		if err := r.in(ctx, db, func(c *pgx.Conn) error {
			return errors.Join(r.keep(ctx, c, group, false), r.hands.clear(ctx, c, group))
		}); err != nil {
			return err
		}
	}
	if !strings.Contains(group, "_g_l_") && !r.poisoned(ctx, group) {
		return nil // shared and clean: it stays for the next lease
	}
	return r.dropGroup(ctx, group)
}

// named gives the databases of a list their names, each once: "" is this one.
func (r *removal) named(databases []string) []string {
	for i, db := range databases {
		databases[i] = cmp.Or(db, r.c.Config().Database)
	}
	slices.Sort(databases)
	return slices.Compact(databases)
}

// poisoned reports whether default privileges were left in the group's name.
func (r *removal) poisoned(ctx context.Context, group string) bool {
	var n int
	err := r.c.QueryRow(ctx, `SELECT count(*) FROM pg_default_acl WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = $1)`, group).Scan(&n)
	return err != nil || n > 0
}

// dropGroup removes a group that no lease is a member of any more.
func (r *removal) dropGroup(ctx context.Context, group string) error {
	var members int
	err := r.c.QueryRow(ctx, `SELECT count(*) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles x ON x.oid = m.member
		WHERE g.rolname = $1 AND x.rolname <> $2`, group, r.c.Config().User).Scan(&members)
	if err != nil || members > 0 {
		return err
	}
	all, err := r.databases(ctx, group, ".")
	if err != nil {
		return err
	}
	var is bool
	if err := r.c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, group).Scan(&is); err != nil || !is {
		return err
	}
	for _, db := range r.named(all) {
		if err := r.in(ctx, db, func(c *pgx.Conn) error { return r.hands.disown(ctx, c, group) }); err != nil {
			return err
		}
	}
	return gone(r.hands.drop(ctx, r.c, group))
}
