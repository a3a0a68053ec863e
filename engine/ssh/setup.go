package ssh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// Setup is a shell script for the host's owner, who says which users people may
// become: sh setup.sh deploy backup. It holds no secret, and nothing is reached.
func (k *keeper) Setup(context.Context) (string, error) {
	res := k.target.Resource
	if strings.ContainsAny(string(res.Name), "'\n") {
		return "", curfew.Errorf(curfew.Invalid, "the name of %s cannot stand in a script", res.Name)
	}
	prefix := strings.TrimSuffix(principal(k.target.Deployment, res.Name, ""), ":")
	return fmt.Sprintf(`#!/bin/sh
# Run on the host of %[1]s as root, once, with the users that people may become there:
#   sh setup.sh deploy
# It makes sshd let in whoever holds a certificate that this Curfew (deployment %[2]s)
# signed for this host and that user. To take it back: remove the file %[3]s.
set -eu
[ $# -gt 0 ] || { echo "say which users: sh setup.sh deploy" >&2; exit 2; }
mkdir -p /etc/ssh/curfew/principals
chmod 755 /etc/ssh/curfew /etc/ssh/curfew/principals
echo '%[4]s' > /etc/ssh/curfew/authority.pub
for user in "$@"; do
  id -u "$user" > /dev/null
  echo "%[5]s:$user" > "/etc/ssh/curfew/principals/$user"
done
cat > %[3]s <<'END'
TrustedUserCAKeys /etc/ssh/curfew/authority.pub
AuthorizedPrincipalsFile /etc/ssh/curfew/principals/%%u
END
sshd -t
echo "sshd reads it when it is told to: systemctl reload ssh. Then: curfew doctor" >&2
`, res.Name, k.target.Deployment, "/etc/ssh/sshd_config.d/curfew.conf",
		strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.engine.keys.Authority.PublicKey()))), prefix), nil
}

// Check says that the host cannot be looked at without a role.
func (k *keeper) Check(ctx context.Context) []lease.Finding { return k.CheckRoles(ctx, nil) }

// CheckRoles logs in as each user that a role says, for the doctor.
func (k *keeper) CheckRoles(ctx context.Context, roles []curfew.Permission) (out []lease.Finding) {
	var logins []string
	for _, p := range roles {
		may, err := parse(p)
		if err != nil {
			return append(out, finding(err))
		}
		for _, l := range may.logins() {
			if !slices.Contains(logins, l) {
				logins = append(logins, l)
			}
		}
	}
	res := k.target.Resource
	if len(logins) == 0 {
		return append(out, lease.Finding{OK: true, Warn: true, Text: "no role says whom one becomes there: it has not been reached", Fix: "add a role with login NAME"})
	}
	for _, login := range logins {
		found, err := k.probe(ctx, login, "doctor")
		if err != nil {
			out = append(out, finding(err))
			continue
		}
		out = append(out, lease.Finding{OK: true, Text: fmt.Sprintf("reached %s, which showed the pinned host key and lets Curfew in as %s", res.Address, login)}, k.extent(login, found))
	}
	return out
}

// extent says how far what sessions start can be ended.
func (k *keeper) extent(login string, found probe) lease.Finding {
	set, err := settingsOf(k.target.Resource)
	switch {
	case err != nil:
		return finding(err)
	case set.Contain == byNamespace && !found.unshare:
		return lease.Finding{Text: "it makes no namespaces for " + login + ", and its configuration wants them: nobody gets in", Fix: "allow unprivileged user namespaces there, or leave contain: namespace out"}
	case set.Contain == byNamespace:
		return lease.Finding{OK: true, Text: "what sessions of " + login + " start ends with them: each program has a namespace of its own"}
	case !found.proc:
		return lease.Finding{OK: true, Warn: true, Text: "processes that " + login + " starts may outlive a grant: there is no /proc to find them by"}
	}
	f := lease.Finding{OK: true, Text: "processes of " + login + " are found by their marks and ended; one that hides its environment or becomes another user may live on"}
	if found.unshare {
		f.Fix = "where nobody there uses sudo: options: {contain: namespace}"
	}
	return f
}

func finding(err error) lease.Finding {
	f := lease.Finding{Text: err.Error()}
	if e := new(curfew.Error); errors.As(err, &e) {
		f.Fix = e.Fix
	}
	return f
}
