package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// Check says how the target is set up, for the doctor.
func (k *keeper) Check(ctx context.Context) []lease.Finding {
	var out []lease.Finding
	err := k.with(ctx, k.free(&k.doors), "doctor", func(c *pgx.Conn) error {
		var version string
		var super, createrole, signal, stats bool
		err := c.QueryRow(ctx, `SELECT current_setting('server_version'), rolsuper, rolcreaterole,
			pg_has_role(current_user, 'pg_signal_backend', 'USAGE'), pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
			FROM pg_roles WHERE rolname = current_user`).Scan(&version, &super, &createrole, &signal, &stats)
		if err != nil {
			return err
		}
		user := quote(c.Config().User)
		_, calls := k.hands(c).(functions)
		out = append(out, lease.Finding{OK: true, Text: fmt.Sprintf("reached %s (PostgreSQL %s)", k.target.Resource.Address, version)})
		switch {
		case k.target.Resource.Account == curfew.Fixed:
			out = append(out, fixedFinding(super || createrole || calls, user))
			return nil
		case calls:
			return k.checkFunctions(ctx, c, &out)
		}
		if super {
			out = append(out, lease.Finding{OK: true, Warn: true, Text: "the gateway's own login is a superuser", Fix: "give it a login with CREATEROLE instead"})
		}
		if !createrole && !super {
			out = append(out, lease.Finding{Text: "the gateway's own login cannot make roles", Fix: "as a superuser: ALTER ROLE " + user + " CREATEROLE"})
		}
		if createrole && major(c) < 16 {
			out = append(out, lease.Finding{OK: true, Warn: true, Text: "on PostgreSQL 15 and older a CREATEROLE login can make itself the server's own operating system account", Fix: "curfew add --setup " + string(k.target.Resource.Name) + " prints functions that do with a login of no rights; or move to 16 or newer"})
		}
		if !signal && !super {
			out = append(out, lease.Finding{Text: "the gateway's own login cannot end other backends", Fix: "GRANT pg_signal_backend TO " + user})
		}
		if !stats && !super {
			out = append(out, lease.Finding{OK: true, Warn: true, Text: "the gateway's own login does not see what others run", Fix: "GRANT pg_read_all_stats TO " + user})
		}
		return nil
	})
	if err != nil {
		f := lease.Finding{Text: err.Error()}
		if e := new(curfew.Error); errors.As(err, &e) {
			f.Fix = e.Fix
		}
		out = append(out, f)
	}
	return out
}

// fixedFinding is about a login that sessions work with themselves.
func fixedFinding(mighty bool, user string) lease.Finding {
	if mighty {
		return lease.Finding{Text: "the fixed account can make roles, or accounts by functions: a statement that is misread could do anything", Fix: "name a login that holds what the roles need and nothing else; or account: leased, because " + user + " can make accounts"}
	}
	return lease.Finding{OK: true, Warn: true, Text: "the account is fixed: what holds is how the gateway reads each statement", Fix: "where the login can make roles, account: leased lets the database itself be the wall"}
}

// checkFunctions looks at a login that may only call the functions of setup.
func (k *keeper) checkFunctions(ctx context.Context, c *pgx.Conn, out *[]lease.Finding) error {
	var allowed int
	schema := quote(schemaOf(k.target.Deployment))
	if err := c.QueryRow(ctx, "SELECT count(*) FROM "+schema+".allowed").Scan(&allowed); err != nil {
		return err
	}
	if allowed == 0 {
		*out = append(*out, lease.Finding{Text: "the allow-list " + schema + ".allowed is empty: no role can be used", Fix: "its owner adds what may be granted: curfew add --setup " + string(k.target.Resource.Name)})
		return nil
	}
	*out = append(*out, lease.Finding{OK: true, Text: fmt.Sprintf("accounts are made by functions, within an allow-list of %d", allowed)})
	return nil
}
