package http

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/curfewhq/curfew"
)

// rule is one line of a permission: methods, and a pattern of paths.
type rule struct {
	methods []string // upper case; nil: any, upgrades too
	pattern []string // the path's parts; "*" is any one, "**", at the end, all that follow
}

// permission is what a role may ask of an application.
type permission struct{ may, never []rule }

// upgrade is the method that an upgrade (a WebSocket) is judged as.
const upgrade = "WEBSOCKET"

// words of a permission, and the methods they stand for.
func methodsOf(word string) ([]string, bool) {
	switch word {
	case "any":
		return nil, true
	case "read":
		return []string{"GET", "HEAD", "OPTIONS"}, true
	case "write":
		return []string{"POST", "PUT", "PATCH", "DELETE"}, true
	case "get":
		return []string{"GET", "HEAD"}, true
	case "head", "options", "post", "put", "patch", "delete", "websocket":
		return []string{strings.ToUpper(word)}, true
	}
	return nil, false
}

// parse reads "get /orders/**" and its kin.
func parse(p curfew.Permission) (out permission, err error) {
	for _, line := range p.May {
		r, err := parseRule(line)
		if err != nil {
			return out, err
		}
		out.may = append(out.may, r)
	}
	for _, line := range p.Never {
		r, err := parseRule(line)
		if err != nil {
			return out, err
		}
		out.never = append(out.never, r)
	}
	return out, nil
}

func parseRule(line string) (r rule, err error) {
	fail := func(why string) error {
		return curfew.Errorf(curfew.Invalid, "%.200q is no permission of HTTP: %s", line, why).
			WithFix("a method (get, post, put, patch, delete, head, options, websocket), read, write or any, and a path: get /orders/**")
	}
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return r, fail("it is not a method and a path")
	}
	for i, word := range strings.Split(fields[0], ",") {
		methods, ok := methodsOf(strings.ToLower(word))
		if !ok {
			return r, fail(word + " is no method")
		}
		if methods == nil {
			if i > 0 || strings.Contains(fields[0], ",") {
				return r, fail("any stands alone")
			}
			break
		}
		for _, m := range methods {
			if !slices.Contains(r.methods, m) {
				r.methods = append(r.methods, m)
			}
		}
	}
	path := fields[1]
	if strings.Contains(path, "%") {
		return r, fail("paths stand here as they read, without encoding")
	}
	clean, err := canonical(strings.Map(func(c rune) rune {
		if c >= 0x80 { // it may stand here, and must be encoded in a request
			return 'x'
		}
		return c
	}, path))
	if err != nil || len(clean) != len(strings.Map(func(c rune) rune {
		if c >= 0x80 {
			return 'x'
		}
		return c
	}, path)) {
		return r, fail("the path is not in its plain form")
	}
	r.pattern = strings.Split(path[1:], "/")
	for i, p := range r.pattern {
		if strings.Contains(p, "**") && (p != "**" || i != len(r.pattern)-1) {
			return r, fail("** stands at the end, alone")
		}
		if strings.Contains(p, "*") && p != "*" && p != "**" {
			return r, fail("* is a whole part of the path")
		}
	}
	return r, nil
}

// allows reports whether a method may be used on a path, which is canonical. What may
// be is compared exactly; what may never be also in another case, in letters that stand
// for the same ones, and with or without a slash at the end: applications differ. An upgrade is a GET to an application that
// does not know it.
func (p permission) allows(method, path string) bool {
	parts := strings.Split(path[1:], "/")
	matches := func(r rule) bool { return r.covers(method) && match(r.pattern, parts, false) }
	if !slices.ContainsFunc(p.may, matches) {
		return false
	}
	trimmed := parts
	if n := len(parts); n > 1 && parts[n-1] == "" {
		trimmed = parts[:n-1]
	}
	return !slices.ContainsFunc(p.never, func(r rule) bool {
		pattern := r.pattern
		if n := len(pattern); n > 1 && pattern[n-1] == "" {
			pattern = pattern[:n-1]
		}
		return (r.covers(method) || method == upgrade && r.covers(http.MethodGet)) && (match(pattern, trimmed, true) || match(r.pattern, parts, true))
	})
}

func (r rule) covers(method string) bool {
	return r.methods == nil || slices.Contains(r.methods, method)
}

func match(pattern, parts []string, fold bool) bool {
	for i, p := range pattern {
		if p == "**" {
			return true
		}
		if i >= len(parts) {
			return false
		}
		switch {
		case p == "*" && parts[i] != "":
		case p == parts[i]:
		case fold && strings.EqualFold(norm.NFKC.String(p), norm.NFKC.String(parts[i])):
		default:
			return false
		}
	}
	return len(pattern) == len(parts)
}

// covers reports whether everything q allows lies within p. In doubt: no.
func (p permission) covers(q permission) bool {
	for _, b := range q.may {
		if !slices.ContainsFunc(p.may, func(a rule) bool { return a.within(b) }) {
			return false
		}
	}
	for _, a := range p.never {
		if !slices.ContainsFunc(q.never, func(b rule) bool { return b.within(a) }) {
			return false
		}
	}
	return true
}

// within reports whether everything b matches, a matches too.
func (r rule) within(b rule) bool {
	if r.methods != nil {
		if b.methods == nil || slices.ContainsFunc(b.methods, func(m string) bool { return !slices.Contains(r.methods, m) }) {
			return false
		}
	}
	for i, p := range r.pattern {
		if p == "**" {
			return true
		}
		if i >= len(b.pattern) || b.pattern[i] == "**" {
			return false
		}
		if p != b.pattern[i] && (p != "*" || b.pattern[i] == "") {
			return false
		}
	}
	return len(r.pattern) == len(b.pattern)
}

func (r rule) text() string {
	words := "any"
	if r.methods != nil {
		words = strings.ToLower(strings.Join(r.methods, ", "))
	}
	for _, short := range []string{"read", "write"} { // as one writes them
		if methods, _ := methodsOf(short); slices.Equal(r.methods, methods) {
			words = short
		}
	}
	return words + " /" + strings.Join(r.pattern, "/")
}

// effect reads a permission aloud.
func (p permission) effect() (effect string, dangers []string) {
	var parts []string
	for _, r := range p.may {
		parts = append(parts, r.text())
		if r.pattern[0] == "**" && r.methods == nil {
			dangers = append(dangers, "anything the application can do")
		}
		if slices.Contains(r.methods, "DELETE") {
			dangers = append(dangers, "delete under /"+strings.Join(r.pattern, "/"))
		}
	}
	effect = strings.Join(parts, "; ")
	if len(p.never) > 0 {
		var never []string
		for _, r := range p.never {
			never = append(never, r.text())
		}
		effect += "; never " + strings.Join(never, "; ")
	}
	return effect, dangers
}
