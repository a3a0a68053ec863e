package ssh

import (
	"fmt"
	"strings"

	"github.com/curfewhq/curfew"
)

// Effect says a permission in plain English, and its dangerous parts apart.
func (*Engine) Effect(may curfew.Permission) (effect string, dangers []string) {
	p, err := parse(may)
	if err != nil {
		return "something this version does not understand", []string{err.Error()}
	}
	var parts []string
	add := func(v verb, phrase string) {
		var what []string
		for _, r := range p.of(v) {
			what = append(what, r.object())
		}
		if len(what) > 0 {
			parts = append(parts, phrase+join(what))
		}
	}
	if p.has(shell) {
		parts = append(parts, "open a shell")
	}
	add(run, "run ")
	add(force, "run nothing but ")
	add(read, "fetch files: ")
	add(write, "put and change files: ")
	add(forward, "reach through it ")
	add(listen, "take connections there on ")
	parts[0] = "as " + join(p.logins()) + ": " + parts[0]
	var not []string
	if !p.has(shell) {
		not = append(not, "no shell")
	}
	if !p.transfers() {
		not = append(not, "no file transfer")
	}
	for _, m := range p.minus {
		not = append(not, "never "+m.String())
	}
	if len(not) > 0 {
		parts = append(parts, strings.Join(not, ", "))
	}
	return strings.Join(parts, "; "), p.dangers()
}

func (p permission) dangers() (out []string) {
	for _, name := range p.logins() {
		if name == "root" {
			out = append(out, "becomes root: nothing on the host is out of reach, and processes left behind may hide")
		}
	}
	if p.open() {
		out = append(out, "whatever its users may do on the host can be done; processes that become another user there may outlive the grant")
	}
	for _, r := range p.rules {
		switch {
		case r.verb == agent:
			out = append(out, "lends the client's own keys to the host for as long as it is connected")
		case r.verb == forward && r.all:
			out = append(out, "reaches whatever the host reaches; what is said there is not seen")
		case r.verb == listen:
			out = append(out, "opens a port on the host")
		case r.verb == write && r.all:
			out = append(out, "changes every file that its users may change, also those that let somebody in later")
		}
	}
	return out
}

func join(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}

// object is what a rule is about, as people say it.
func (r rule) object() string {
	switch {
	case r.all && (r.verb == read || r.verb == write):
		return "any"
	case r.all && (r.verb == forward || r.verb == listen):
		return "any address"
	case r.all:
		return anything
	case (r.verb == read || r.verb == write) && r.deep:
		return strings.TrimSuffix(r.text, "/") + "/**"
	case r.verb == forward || r.verb == listen:
		if r.port == 0 {
			return r.text + ", every port"
		}
		return fmt.Sprintf("%s port %d", r.text, r.port)
	}
	return r.text
}

func (r rule) String() string {
	if r.verb == shell || r.verb == pty || r.verb == agent {
		return string(r.verb)
	}
	return string(r.verb) + " " + r.object()
}
