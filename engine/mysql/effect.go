package mysql

import (
	"fmt"
	"slices"
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
	has := map[verb]bool{}
	for _, v := range []verb{read, update, insert, del, call, create} {
		var names []string
		for _, r := range p.rules {
			if r.verb == v {
				has[v] = true
				if n := r.object(); !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
		if len(names) > 0 {
			parts = append(parts, phrase(v)+join(names))
		}
	}
	var not []string
	if !has[del] {
		not = append(not, "no deletes")
	}
	if !has[create] {
		not = append(not, "no schema changes")
	}
	for _, m := range p.minus {
		not = append(not, "never "+strings.TrimSpace(phrase(m.verb))+" "+m.object())
	}
	if len(not) > 0 {
		parts = append(parts, strings.Join(not, ", "))
	}
	for _, r := range p.rules {
		switch {
		case r.verb == create:
			dangers = append(dangers, "may create tables and views in the database "+r.database+"; MySQL knows no owner of tables, and they stay")
		case r.verb == call:
			dangers = append(dangers, "may call "+r.object()+", which acts with the rights of who defined it, as a rule, and may do more than this role says")
		}
	}
	return strings.Join(parts, "; "), dangers
}

func phrase(v verb) string {
	switch v {
	case read:
		return "read "
	case update:
		return "change "
	case insert:
		return "add rows to "
	case del:
		return "delete rows of "
	case call:
		return "call "
	}
	return "create tables and views in "
}

func join(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}

// object is what a rule is about, as people say it.
func (r rule) object() string {
	name := r.name
	if r.database != "" && r.name != "" {
		name = r.database + "." + r.name
	}
	switch {
	case r.verb == create:
		return "the database " + r.database
	case r.name == "" && r.database == "":
		return "every table"
	case r.name == "":
		return "every table of " + r.database
	case len(r.cols) > 0 && r.verb == update:
		return fmt.Sprintf("%s of %s", join(r.cols), name)
	case len(r.cols) > 0:
		return fmt.Sprintf("%s (%s)", name, strings.Join(r.cols, ", "))
	}
	return name
}
