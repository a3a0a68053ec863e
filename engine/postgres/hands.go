package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// hands are what changes something at a target. A login with CREATEROLE does it
// itself (direct); one without calls the functions of `curfew add --setup`.
// Every method acts in the connection's own database.
type hands interface {
	// grant makes the group if need be and gives it the rights; account makes a
	// locked account of that group, or what an earlier try left of it.
	grant(ctx context.Context, tx pgx.Tx, group string, rights []right) error
	account(ctx context.Context, tx pgx.Tx, p lease.Plan, group string) error

	limit(ctx context.Context, c *pgx.Conn, account string, until time.Time) error
	open(ctx context.Context, c *pgx.Conn, account, verifier string) error
	shut(ctx context.Context, c *pgx.Conn, account string) error

	// connections are pid, the account's oid and its name, of all accounts.
	connections(ctx context.Context, c *pgx.Conn) (pgx.Rows, error)
	// endWork and end terminate, and count what was still there.
	endWork(ctx context.Context, c *pgx.Conn, pids []int32, accounts []string) (int, error)
	end(ctx context.Context, c *pgx.Conn, oid string) (int, error)

	strip(ctx context.Context, c *pgx.Conn, account string) error
	leave(ctx context.Context, c *pgx.Conn, account, group string) error
	// borrow lets the connection SET ROLE to a powerless account; giveBack ends that.
	borrow(ctx context.Context, c *pgx.Conn, account string) error
	giveBack(ctx context.Context, c *pgx.Conn, account string) error
	// keep moves what a role owns to a powerless one of the account's lease, then,
	// if privileges says so, takes those the role has. It says what it moved.
	keep(ctx context.Context, c *pgx.Conn, role, account string, privileges bool) ([]string, error)
	clear(ctx context.Context, c *pgx.Conn, group string) error  // settings and default privileges
	disown(ctx context.Context, c *pgx.Conn, group string) error // the group's privileges here
	drop(ctx context.Context, c *pgx.Conn, role string) error
}

// schemaOf is where a deployment's functions are.
func schemaOf(deployment string) string { return "curfew_" + deployment }

// hands are those of the connection's login.
func (k *keeper) hands(c *pgx.Conn) hands {
	if c.PgConn().CustomData()[byFunctions] == true {
		return functions{schema: quote(schemaOf(k.target.Deployment))}
	}
	return direct{k}
}

// sameHands refuses a database in which a login that does with functions has none.
func (k *keeper) sameHands(first, c *pgx.Conn) error {
	_, must := k.hands(first).(functions)
	if _, has := k.hands(c).(functions); must && !has {
		return curfew.Errorf(curfew.Unavailable, "%s: the set-up was not run in the database %s, where something was left", k.target.Resource.Name, c.Config().Database).WithRule("resource.setup").
			WithFix("run it there as well: curfew add --setup %s", k.target.Resource.Name)
	}
	return nil
}

// byFunctions marks a connection whose login may do nothing but call the functions.
const byFunctions = "curfew.functions"

// ask finds out which hands a new connection has.
func (k *keeper) ask(ctx context.Context, c *pgx.Conn) error {
	var is bool
	err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace n JOIN pg_proc p ON p.pronamespace = n.oid WHERE n.nspname = $1 AND p.proname = 'make_account' AND has_function_privilege(p.oid, 'EXECUTE'))
		AND NOT (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)`, schemaOf(k.target.Deployment)).Scan(&is)
	c.PgConn().CustomData()[byFunctions] = is
	return err
}

// kept is the powerless role of an account's lease.
func (k *keeper) kept(account string) string {
	return k.named("k") + strings.TrimPrefix(account, k.named("l"))
}

func movedTo(what, database, keep string) string { return what + " in " + database + " → " + keep }

// notListed is the functions' own code for what the allow-list does not hold.
const notListed = "CF001"

// notAllowed turns the functions' refusals into words of their own.
func notAllowed(resource curfew.ResourceName, message string) *curfew.Error {
	return curfew.Errorf(curfew.Denied, "%s: %s", resource, message).WithRule("resource.allowlist").WithFix("the target's owner adds it to the list, or the role asks for less")
}
