package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// Check says how the target is set up, for the doctor.
func (k *keeper) Check(ctx context.Context) []lease.Finding {
	var out []lease.Finding
	err := k.with(ctx, k.free(&k.doors), "doctor", func(c *conn) error {
		version, err := c.column(ctx, "SELECT VERSION()")
		if err != nil {
			return err
		}
		out = append(out, lease.Finding{OK: true, Text: fmt.Sprintf("reached %s (%s)", k.target.Resource.Address, strings.Join(version, ""))})
		if err := k.mariadb(ctx, c); err != nil {
			return err
		}
		held, err := c.column(ctx, "SHOW GRANTS")
		if err != nil {
			return err
		}
		if k.target.Resource.Account == curfew.Fixed {
			out = append(out, fixedFinding(everything(held), c.user))
			return nil
		}
		out = append(out, k.rights(c.user, held)...)
		_, err = exceeds(ctx, c)
		if err == nil {
			_, err = c.column(ctx, "SELECT name FROM mysql.proc WHERE 1 = 0 UNION ALL SELECT name FROM mysql.event WHERE 1 = 0")
		}
		return err
	})
	if err != nil {
		f := lease.Finding{Text: err.Error()}
		if e := asError(err); e != nil {
			f.Fix = e.Fix
		}
		if curfew.CodeOf(err) == curfew.Denied && len(out) > 0 {
			f.Fix = "curfew add --setup " + string(k.target.Resource.Name) + " prints what it needs"
		}
		out = append(out, f)
	}
	return out
}

// everything is what SHOW GRANTS says of everything (*.*).
func everything(held []string) (has []string) {
	for _, line := range held {
		if all, ok := strings.CutPrefix(line, "GRANT "); ok {
			if list, _, ok := strings.Cut(all, " ON *.* TO "); ok {
				has = append(has, strings.Split(list, ", ")...)
			}
		}
	}
	return has
}

// fixedFinding is about a login that sessions work with themselves.
func fixedFinding(has []string, user string) lease.Finding {
	if len(has) > 0 && !slices.Equal(has, []string{"USAGE"}) {
		return lease.Finding{Text: "the fixed account may do things on every database (" + strings.Join(has, ", ") + "): a statement that is misread could do anything", Fix: "name a login that holds what the roles need and nothing else; or account: leased, if " + user + " can make accounts"}
	}
	return lease.Finding{OK: true, Warn: true, Text: "the account is fixed: what holds is how the gateway reads each statement", Fix: "where the login can make accounts, account: leased lets the database itself be the wall"}
}

// rights compares what SHOW GRANTS says of everything (*.*) with what the gateway's own
// login needs there.
func (k *keeper) rights(user string, held []string) (out []lease.Finding) {
	has := everything(held)
	if slices.Contains(has, "ALL PRIVILEGES") || slices.Contains(has, "SUPER") {
		return []lease.Finding{{OK: true, Warn: true, Text: "the gateway's own login may do everything", Fix: "give it what curfew add --setup prints instead"}}
	}
	for _, need := range needs() {
		if !slices.Contains(has, need.right) {
			out = append(out, lease.Finding{Text: "the gateway's own login cannot " + need.why, Fix: "GRANT " + need.right + " ON *.* TO " + accountName(user)})
		}
	}
	return out
}

// need is a right on everything, and what it is for.
type need struct{ right, why string }

func needs() []need {
	return []need{{"CREATE USER", "make accounts"}, {"PROCESS", "see what runs"}, {"CONNECTION ADMIN", "end connections of others"}}
}

// lookedAt are the server's own tables that the gateway reads: who there is, what
// everybody may do, and what an account has left.
func lookedAt() []string { return []string{"db", "tables_priv", "procs_priv", "proc", "event"} }

// Setup is what the target's owner runs: the gateway's own login with what it needs
// and nothing else.
func (k *keeper) Setup(ctx context.Context) (string, error) {
	user, database := "curfew", "DATABASE"
	if login, err := k.target.Login(ctx); err == nil {
		if user = login.User; databaseOf(k.target.Resource, login) != "" {
			database = databaseOf(k.target.Resource, login)
		}
	}
	if strings.ContainsAny(user, "'\\") {
		return "", curfew.Errorf(curfew.Invalid, "the login of %s has a quote in its name", k.target.Resource.Name)
	}
	who := accountName(user)
	var rights []string
	for _, n := range needs() {
		rights = append(rights, n.right)
	}
	lines := []string{
		"-- For " + string(k.target.Resource.Name) + ", on MariaDB 10.5 or newer, as an administrator.",
		"-- The login itself, with a password of yours: CREATE USER " + who + " IDENTIFIED BY '…';",
		"GRANT " + strings.Join(rights, ", ") + " ON *.* TO " + who + ";",
		"GRANT SELECT (User, Host) ON mysql.user TO " + who + ";",
	}
	for _, t := range lookedAt() {
		lines = append(lines, "GRANT SELECT ON mysql."+t+" TO "+who+";")
	}
	lines = append(lines,
		"-- For each database that roles name: what they may give, and no more. EXECUTE is for roles that call routines;",
		"-- CREATE and CREATE VIEW are for those that create. SHOW VIEW and TRIGGER are for looking at what was left.",
		"GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE, CREATE VIEW, SHOW VIEW, TRIGGER ON "+pattern(database)+".* TO "+who+" WITH GRANT OPTION;",
	)
	return strings.Join(lines, "\n") + "\n", nil
}
