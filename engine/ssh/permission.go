package ssh

import (
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
)

// permission is what a session may do.
type permission struct {
	rules []rule
	minus []rule // never
}

// neverWords are what may stand under never by itself.
func neverWords() []string {
	return []string{"shell", "run", "pty", "read", "write", "forward", "listen", "agent"}
}

// parse reads a permission's lines.
func parse(p curfew.Permission) (permission, error) {
	var out permission
	for _, line := range p.Never {
		word := strings.ToLower(strings.TrimSpace(line))
		if slices.Contains(neverWords(), word) {
			out.minus = append(out.minus, rule{verb: verb(word), all: true})
			continue
		}
		r, err := parseRule(line)
		if err != nil || r.verb == force {
			return out, curfew.Errorf(curfew.Invalid, "%q cannot stand under never", line).WithRule("permission").
				WithFix("one of: %s; or a line such as: login root, read /etc/**, run rm **", strings.Join(neverWords(), ", "))
		}
		out.minus = append(out.minus, r)
	}
	for _, line := range p.May {
		r, err := parseRule(line)
		if err != nil {
			return out, err
		}
		if slices.ContainsFunc(out.minus, func(m rule) bool { return m.covers(r) }) {
			return out, bad(line, "the role says never to all of it")
		}
		out.rules = append(out.rules, r)
	}
	return out, out.whole()
}

// whole checks that the lines make sense together.
func (p permission) whole() error {
	fault := func(what, fix string) error {
		return curfew.Errorf(curfew.Invalid, "%s", what).WithRule("permission").WithFix("%s", fix)
	}
	if len(p.logins()) == 0 {
		return fault("an SSH role that says not who one becomes on the host", "add a line: login deploy")
	}
	forced := p.of(force)
	switch {
	case len(forced) > 1:
		return fault("a role forces one command, not several", "make a role for each")
	case len(forced) == 1 && slices.ContainsFunc(p.rules, func(r rule) bool { return r.verb != login && r.verb != force && r.verb != pty }):
		return fault("a role that forces a command may do nothing else", "leave the other lines out, or say run instead of force")
	case !slices.ContainsFunc(p.rules, func(r rule) bool { return r.verb != login && r.verb != pty && r.verb != agent }):
		return fault("a role that may do nothing on the host", "add for example: shell, or run uptime")
	}
	for _, m := range p.minus {
		switch m.verb {
		case run, read, write:
			if p.open() && !m.all {
				return fault("a role with a shell, or that runs anything, cannot be kept from one command or file", "leave never "+string(m.verb)+" "+m.text+" out: only the host's own users and groups can do that")
			}
		}
	}
	return nil
}

// of lists the rules of a verb.
func (p permission) of(v verb) (out []rule) {
	for _, r := range p.rules {
		if r.verb == v {
			out = append(out, r)
		}
	}
	return out
}

// has reports whether a verb stands in the role, and never has not taken all of it.
func (p permission) has(v verb) bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool { return r.verb == v }) &&
		!slices.ContainsFunc(p.minus, func(m rule) bool { return m.verb == v && (m.all || v == shell || v == pty || v == agent) })
}

// logins are the users of the host that a session may become, in the role's order.
func (p permission) logins() (out []string) {
	for _, r := range p.rules {
		never := slices.ContainsFunc(p.minus, func(m rule) bool { return m == r })
		if r.verb == login && !never && !slices.Contains(out, r.text) {
			out = append(out, r.text)
		}
	}
	return out
}

// allows reports whether some rule of the verb says yes and none under never.
func (p permission) allows(v verb, fits func(rule) bool) bool {
	is := func(r rule) bool { return r.verb == v && (r.all || fits(r)) }
	return slices.ContainsFunc(p.rules, is) && !slices.ContainsFunc(p.minus, is)
}

// open reports whether any command can be run, one way or another.
func (p permission) open() bool {
	return p.has(shell) || slices.ContainsFunc(p.of(run), func(r rule) bool { return r.all })
}

// mayRun: what may never be run is looked for without the quotes too, which the
// host's shell takes away.
func (p permission) mayRun(command string) bool {
	bare := unquoted(command)
	return p.allows(run, func(r rule) bool { return r.runs(command) }) && !slices.ContainsFunc(p.minus, func(m rule) bool { return m.verb == run && m.runs(bare) })
}

func (p permission) mayRead(path string) bool {
	return p.allows(read, func(r rule) bool { return r.holds(path) })
}

func (p permission) mayWrite(path string) bool {
	return p.allows(write, func(r rule) bool { return r.holds(path) })
}

func (p permission) mayForward(host string, port uint32) bool {
	return p.allows(forward, func(r rule) bool { return r.reaches(host, port) })
}

func (p permission) mayListen(host string, port uint32) bool {
	return p.allows(listen, func(r rule) bool { return r.reaches(host, port) })
}

// mayPTY: a shell is on a terminal; commands only if the role says so.
func (p permission) mayPTY() bool {
	return (p.has(pty) || p.has(shell)) && !slices.ContainsFunc(p.minus, func(m rule) bool { return m.verb == pty })
}

// transfers reports whether files may be moved at all.
func (p permission) transfers() bool { return p.has(read) || p.has(write) }

// Covers reports whether all that b allows lies within a. In doubt: no.
func (*Engine) Covers(a, b curfew.Permission) bool {
	pa, err1 := parse(a)
	pb, err2 := parse(b)
	if err1 != nil || err2 != nil {
		return false
	}
	for _, r := range pb.rules {
		if !slices.ContainsFunc(pa.rules, func(w rule) bool { return w.covers(r) }) && !(r.verb == pty && pa.has(shell)) {
			return false
		}
		for _, m := range pa.minus { // what a never allows, b must never allow either
			if m.meets(r) && !slices.ContainsFunc(pb.minus, func(n rule) bool { return n.covers(m) }) {
				return false
			}
		}
	}
	return true
}
