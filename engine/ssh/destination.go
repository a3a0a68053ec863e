package ssh

import (
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
)

// destination is what a user name says: whom to become, where, and by which role.
type destination struct {
	user, login, name, role string
}

// destinationOf reads deploy@web-1, web-1, or a credential's identifier in the place of web-1.
func destinationOf(user string) destination {
	d := destination{user: user, name: user}
	if login, name, ok := strings.Cut(user, "@"); ok {
		d.login, d.name = login, name
	}
	return d
}

// meant is what a user name says to one who comes with a credential.
func (c *client) meant(user string) destination {
	if c.at == "" || curfew.HasPrefix(user, "c") {
		return destinationOf(user)
	}
	return at(user, c.at)[0]
}

// at lists what a user name can mean where the resource is named already: whom to
// become, "_" for whomever, and by which role.
func at(user, name string) []destination {
	out := []destination{{user: user, login: user, name: name}}
	if i := strings.LastIndexByte(user, '+'); i > 0 {
		out = append(out, destination{user: user, login: user[:i], name: name, role: user[i+1:]})
	}
	for i := range out {
		if out[i].login == lobby {
			out[i].login = ""
		}
	}
	return out
}

// destinationsOf lists what a person's user name can mean, the plainest first: names of
// resources may have an @ or a + of their own.
func destinationsOf(user string) []destination {
	out := []destination{{user: user, name: user}}
	if d := destinationOf(user); d.login != "" {
		out = append(out, d)
	}
	for _, d := range slices.Clone(out) {
		if i := strings.LastIndexByte(d.name, '+'); i > 0 {
			d.name, d.role = d.name[:i], d.name[i+1:]
			out = append(out, d)
		}
	}
	return out
}

// credential is the identifier of a credential and its secret: the identifier is the
// user's name, or stands before the secret with a dot between them.
func (d destination) credential(secret string) (id curfew.CredentialID, rest string) {
	if curfew.HasPrefix(d.name, "c") {
		return curfew.CredentialID(d.name), secret
	}
	before, after, _ := strings.Cut(secret, ".")
	return curfew.CredentialID(before), after
}

// resource is the resource that is named; "": the credential's.
func (d destination) resource() string {
	if curfew.HasPrefix(d.name, "c") {
		return ""
	}
	return d.name
}

// fit are the ways by the role that is named, whole or by its last part, and that
// become the login that is.
func (d destination) fit(ways []engine.Path) (out []engine.Path) {
	for _, w := range ways {
		role := string(w.Role)
		if d.role != "" && d.role != role && d.role != role[strings.LastIndexByte(role, '/')+1:] {
			continue
		}
		if may, err := parse(w.Permission); err == nil && (d.login == "" || slices.Contains(may.logins(), d.login)) {
			out = append(out, w)
		}
	}
	return out
}
