package postgres

import (
	"context"
	_ "embed" // the set-up
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/say"
)

//go:embed setup.sql
var setupText string

// setup is what a superuser runs once, so that a login without CREATEROLE can make
// and remove this deployment's accounts and nothing else.
func setup(deployment, login string) string {
	schema := schemaOf(deployment)
	return strings.NewReplacer(
		"{deployment}", deployment, "{schema}", quote(schema), "{schema_text}", literal(schema), "{prefix}", literal(schema+"_"), "{login}", quote(login),
		"{kept_grants}", keptGrants, "{defaults}", strings.ReplaceAll(defaultsLeft, "$1", "grp"),
	).Replace(setupText)
}

// Setup renders the set-up for this resource and the login that its secret names.
func (k *keeper) Setup(ctx context.Context) (string, error) {
	login, err := k.target.Login(ctx)
	if err != nil {
		return "", err
	}
	if say.Clean(login.User, 63) != login.User { // it is printed, and run as it is printed
		return "", curfew.Errorf(curfew.Invalid, "the login's name has characters that cannot be printed").WithFix("make a login with a plain name")
	}
	return setup(k.target.Deployment, login.User), nil
}

// functions calls what setup made.
type functions struct{ schema string }

func (f functions) call(ctx context.Context, c interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, call string, args ...any) error {
	rows, err := c.Query(ctx, "SELECT "+f.schema+"."+call, args...)
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

func (f functions) count(ctx context.Context, c *pgx.Conn, call string, args ...any) (n int, err error) {
	err = c.QueryRow(ctx, "SELECT "+f.schema+"."+call, args...).Scan(&n)
	return n, err
}

func (f functions) grant(ctx context.Context, tx pgx.Tx, group string, rights []right) error {
	text, err := json.Marshal(rights)
	if err != nil {
		return err
	}
	return f.call(ctx, tx, "grant_group($1, $2)", group, string(text))
}

func (f functions) account(ctx context.Context, tx pgx.Tx, p lease.Plan, group string) error {
	return f.call(ctx, tx, "make_account($1, $2, $3, $4)", p.Account, group, connectionLimit, p.Until)
}

func (f functions) limit(ctx context.Context, c *pgx.Conn, account string, until time.Time) error {
	return f.call(ctx, c, "limit_account($1, $2)", account, until)
}

func (f functions) open(ctx context.Context, c *pgx.Conn, account, verifier string) error {
	return f.call(ctx, c, "open_account($1, $2)", account, verifier)
}

func (f functions) shut(ctx context.Context, c *pgx.Conn, account string) error {
	return f.call(ctx, c, "shut_account($1)", account)
}

func (f functions) connections(ctx context.Context, c *pgx.Conn) (pgx.Rows, error) {
	return c.Query(ctx, "SELECT pid, account_oid, account FROM "+f.schema+".connections()")
}

func (f functions) endWork(ctx context.Context, c *pgx.Conn, pids []int32, accounts []string) (int, error) {
	return f.count(ctx, c, "end_work($1, $2)", pids, accounts)
}

func (f functions) end(ctx context.Context, c *pgx.Conn, oid string) (int, error) {
	return f.count(ctx, c, "end_account($1::text::oid)", oid)
}

func (f functions) strip(ctx context.Context, c *pgx.Conn, account string) error {
	return f.call(ctx, c, "strip_account($1)", account)
}

func (f functions) leave(ctx context.Context, c *pgx.Conn, account, _ string) error {
	return f.call(ctx, c, "leave_groups($1)", account)
}

func (f functions) borrow(ctx context.Context, c *pgx.Conn, account string) error {
	return f.call(ctx, c, "borrow($1)", account)
}

func (f functions) giveBack(ctx context.Context, c *pgx.Conn, account string) error {
	return f.call(ctx, c, "give_back($1)", account)
}

func (f functions) keep(ctx context.Context, c *pgx.Conn, role, account string, privileges bool) ([]string, error) {
	rows, err := c.Query(ctx, "SELECT "+f.schema+".keep($1, $2, $3)", role, account, privileges)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (f functions) clear(ctx context.Context, c *pgx.Conn, group string) error {
	return f.call(ctx, c, "clear_group($1)", group)
}

func (f functions) disown(ctx context.Context, c *pgx.Conn, group string) error {
	return f.call(ctx, c, "disown($1)", group)
}

func (f functions) drop(ctx context.Context, c *pgx.Conn, role string) error {
	return f.call(ctx, c, "drop_role($1)", role)
}
