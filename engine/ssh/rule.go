package ssh

import (
	"net"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
)

// verb is what may be done, in the words of the file.
type verb string

// The verbs.
const (
	login   verb = "login"   // as a user of the host
	shell   verb = "shell"   // an interactive shell, with a terminal
	run     verb = "run"     // a command
	force   verb = "force"   // one command, whatever is asked for
	pty     verb = "pty"     // a terminal for commands
	read    verb = "read"    // files: down
	write   verb = "write"   // files: up, and changing what is there
	forward verb = "forward" // connections from the client through the host
	listen  verb = "listen"  // connections from the host's side to the client
	agent   verb = "agent"   // the client's keys
)

// anything stands for every command, path or address.
const anything = "anything"

// Bounds of a permission's words.
const (
	maxCommand = 4 << 10
	maxPath    = 4 << 10 // PATH_MAX
)

// rule is one line of a permission, parsed.
type rule struct {
	verb verb
	all  bool   // anything
	text string // login, command or pattern, clean path, host
	deep bool   // of a path: all below it too
	port uint32 // of forward and listen; 0: every one
}

func bad(line, what string) *curfew.Error {
	return curfew.Errorf(curfew.Invalid, "%q is no permission of SSH: %s", line, what).WithRule("permission").
		WithFix("for example: login deploy · shell · run uptime · run systemctl restart * · run anything · force /usr/bin/backup · pty · read /var/log/** · write /srv/app/** · forward localhost:5432 · listen 8080 · agent")
}

// loginForm is what useradd lets be (shadow-utils, NAME_REGEX of Debian), so
// that a login can stand in a file name and in front of an @.
func loginForm() *regexp.Regexp { return regexp.MustCompile(`^[a-z_][a-z0-9_.-]{0,31}$`) }

func parseRule(line string) (rule, error) {
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return rule{}, bad(line, "it is not one line of text")
	}
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	r := rule{verb: verb(strings.ToLower(word))}
	switch r.verb {
	case shell, pty, agent:
		if rest != "" {
			return r, bad(line, "nothing stands behind "+word)
		}
		return r, nil
	case login:
		if r.text = rest; !loginForm().MatchString(rest) {
			return r, bad(line, "log in as whom? login NAME")
		}
		return r, nil
	}
	if rest == "" {
		return r, bad(line, "something is missing behind "+word)
	}
	var err error
	switch r.verb {
	case run, force:
		err = r.command(line, rest)
	case read, write:
		err = r.path(line, rest)
	case forward, listen:
		err = r.address(line, rest)
	default:
		err = bad(line, "it begins with none of login, shell, run, force, pty, read, write, forward, listen, agent")
	}
	return r, err
}

func (r *rule) command(line, rest string) error {
	if len(rest) > maxCommand {
		return bad(line, "the command is too long")
	}
	if r.text = rest; rest == anything && r.verb == run {
		r.text, r.all = "", true
	}
	return nil
}

func (r *rule) path(line, rest string) error {
	if rest == anything {
		r.all = true
		return nil
	}
	if r.text = strings.TrimSuffix(rest, "/**"); r.text != rest {
		r.deep = true
		if r.text == "" {
			r.text = "/"
		}
	}
	if !path.IsAbs(r.text) || path.Clean(r.text) != r.text || len(r.text) > maxPath || strings.Contains(r.text, "*") {
		return bad(line, "a path begins with /, has no . or .. in it, and may end with /**")
	}
	return nil
}

// address reads HOST:PORT; PORT alone of listen; * is every port.
func (r *rule) address(line, rest string) error {
	if rest == anything {
		r.all = true
		return nil
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil && r.verb == listen {
		host, port, err = "localhost", rest, nil
	}
	if err != nil || host == "" || strings.ContainsAny(host, " *") {
		return bad(line, "write HOST:PORT, or HOST:*")
	}
	r.text = strings.ToLower(host)
	if port == "*" {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return bad(line, "write HOST:PORT, or HOST:*")
	}
	r.port = uint32(n)
	return nil
}

// covers reports whether all that o says lies within r.
func (r rule) covers(o rule) bool {
	if r.verb != o.verb {
		return false
	}
	if r.all || r == o {
		return true
	}
	if o.all {
		return false
	}
	switch r.verb {
	case run:
		return !strings.Contains(o.text, "*") && r.runs(o.text)
	case read, write:
		return r.deep && below(r.text, o.text)
	case forward, listen:
		return r.text == o.text && r.port == 0
	}
	return r.verb == shell || r.verb == pty || r.verb == agent
}

// meets reports whether two rules may have something in common. In doubt they do.
func (r rule) meets(o rule) bool {
	if r.verb != o.verb {
		return false
	}
	if r.all || o.all || r.covers(o) || o.covers(r) {
		return true
	}
	switch r.verb {
	case run:
		return strings.Contains(r.text, "*") || strings.Contains(o.text, "*")
	case forward, listen:
		return r.text == o.text && (r.port == o.port || o.port == 0)
	}
	return false
}

// below reports whether p is dir or lies in it. Both are clean.
func below(dir, p string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// holds reports whether a clean absolute path is one that the rule names.
func (r rule) holds(p string) bool { return r.all || p == r.text || r.deep && below(r.text, p) }

// reaches reports whether an address is one that the rule names.
func (r rule) reaches(host string, port uint32) bool {
	return r.all || r.text == strings.ToLower(host) && (r.port == 0 || r.port == port)
}

// runs reports whether a command is one that the rule names: it is the same, word
// for word, where * stands for one word and a last ** for any number of them. A
// word that * stands for means nothing to a shell and is no option.
func (r rule) runs(command string) bool {
	if r.all {
		return true
	}
	if !strings.Contains(r.text, "*") {
		return r.text == command
	}
	pattern, words := strings.Fields(r.text), strings.Fields(command)
	if strings.Join(words, " ") != command {
		return false
	}
	for i, p := range pattern {
		switch {
		case p == "**" && i == len(pattern)-1:
			for _, w := range words[min(i, len(words)):] {
				if !plain(w, true) {
					return false
				}
			}
			return true
		case i >= len(words):
			return false
		case p == "*" && plain(words[i], false), p == words[i] && !strings.Contains(p, "*"):
		default:
			return false
		}
	}
	return len(pattern) == len(words)
}

// plain reports whether a word means nothing to a shell but itself. Quoted as
// git quotes paths it may be.
func plain(w string, option bool) bool {
	if w = bare(w); w == "" || w[0] == '-' && !option {
		return false
	}
	return !strings.ContainsFunc(w, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./:@%+,=-", r))
	})
}

// bare is a word without quotes around it.
func bare(w string) string {
	if len(w) > 2 && w[0] == '\'' && w[len(w)-1] == '\'' {
		return w[1 : len(w)-1]
	}
	return w
}

// unquoted is a command with each word bare.
func unquoted(command string) string {
	words := strings.Split(command, " ")
	for i, w := range words {
		words[i] = bare(w)
	}
	return strings.Join(words, " ")
}
