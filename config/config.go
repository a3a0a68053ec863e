// Package config reads the file in which people write who may have what: YAML
// in, a curfew.Config out, every fault with its line. It proposes and compares;
// it applies nothing, opens nothing and holds no secret.
package config

import (
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/say"
)

// File is one file, or several merged, read and checked, not yet resolved: its
// people are still e-mail addresses.
type File struct {
	People []Person // in the order of the files
	Tests  []Test
	parts  []part
}

// part is one file as it was written.
type part struct {
	name string
	root *node
}

// Person is one entry under people.
type Person struct {
	Email   string // in lower case
	Name    string
	Manager string // an e-mail address, or empty
	Place   Place
}

// Lookup finds the principal that an e-mail address stands for.
type Lookup func(email string) (curfew.Principal, bool)

// Parse reads one file. With a problem that is more than a warning the file is
// nil. The name is only for places.
func Parse(name string, data []byte) (*File, []Problem) {
	root, problems := read(name, data)
	if root == nil || Failed(problems) {
		return nil, problems
	}
	b := &book{file: name, problems: problems}
	b.fits(root, file(), "the file")
	b.sense(root)
	if Failed(b.problems) {
		return nil, b.problems
	}
	f := &File{parts: []part{{name, root}}}
	for _, e := range entries(root.get("people")) {
		p := Person{Place: Place{name, e.line, e.column}}
		p.Email, _ = checkEmail(e.key)
		p.Name = value(e.value.get("name"))
		p.Manager, _ = checkEmail(value(e.value.get("manager")))
		f.People = append(f.People, p)
	}
	if tests := root.get("tests"); tests != nil {
		for _, n := range tests.items {
			t, _ := parseTest(n.text)
			t.Place = Place{name, n.line, n.column}
			f.Tests = append(f.Tests, t)
		}
	}
	return f, b.problems
}

// Merge makes one file of several: curfew.yaml and curfew.d/*.yaml. A thing
// stands in one of them only.
func Merge(files ...*File) (*File, []Problem) {
	merged := &File{}
	var problems []Problem
	seen := map[string]Place{}
	for _, f := range files {
		merged.People = append(merged.People, f.People...)
		merged.Tests = append(merged.Tests, f.Tests...)
		merged.parts = append(merged.parts, f.parts...)
		for _, p := range f.parts {
			problems = append(problems, twins(p, seen)...)
		}
	}
	if Failed(problems) {
		return nil, problems
	}
	return merged, nil
}

// twins finds names that another part has, or has one that looks like it.
func twins(p part, seen map[string]Place) []Problem {
	b := &book{file: p.name}
	for _, section := range p.root.entries {
		if section.value.kind != table {
			continue
		}
		for _, e := range section.value.entries {
			id := section.key + "\x00" + skeleton(e.key)
			if first, ok := seen[id]; ok {
				b.add(e.line, e.column, section.key+" has `"+bounded(e.key)+"`, or one that looks like it, in "+first.String()+" too", "keep one")
				continue
			}
			seen[id] = Place{p.name, e.line, e.column}
		}
	}
	return b.problems
}

// Where says where a thing stands, as far down its path as the file goes:
// Where("policies", "fix-refunds", "at most").
func (f *File) Where(path ...string) (Place, bool) {
	best, depth := Place{}, 0
	for _, p := range f.parts {
		n := p.root
		for i, key := range path {
			at := slices.IndexFunc(n.entries, func(e entry) bool { return e.key == key })
			if at < 0 {
				break
			}
			if i+1 > depth {
				best, depth = Place{p.name, n.entries[at].line, n.entries[at].column}, i+1
			}
			n = n.entries[at].value
		}
	}
	return best, depth == len(path) && depth > 0
}

// Resolve makes the configuration: e-mail addresses become principals, what was
// left out becomes its default, and the whole is checked (policy.Problems).
// isPerson says who is a person; nil takes everybody whom lookup finds for one.
func Resolve(f *File, lookup Lookup, isPerson func(curfew.Principal) bool) (curfew.Config, []Problem) {
	r := &resolver{lookup: lookup, config: emptyConfig(), people: map[curfew.Principal]string{}}
	for _, p := range f.parts {
		r.book = &book{file: p.name, problems: r.problems()}
		r.part(p.root)
	}
	problems := r.problems()
	if isPerson == nil {
		isPerson = func(curfew.Principal) bool { return true }
	}
	if !Failed(problems) { // unknown people would be reported a second time
		for _, p := range policy.Problems(r.config, isPerson) {
			problems = append(problems, f.placed(p, r.people))
		}
	}
	return r.config, problems[:min(len(problems), maxProblems)]
}

// placed finds the line of a problem of the whole.
func (f *File) placed(p policy.Problem, people map[curfew.Principal]string) Problem {
	path := slices.Clone(p.Path)
	if path[0] == "people" {
		path[1] = people[curfew.Principal(path[1])]
	}
	if path[0] == "policies" && path[len(path)-1] == "hours" {
		path = []string{path[0], path[1], "when", "hours"}
	}
	place, _ := f.Where(path...)
	if place.File == "" && len(f.parts) > 0 {
		place.File = f.parts[0].name
	}
	return Problem{Place: place, Message: strings.Join(path[:min(len(path), 2)], " ") + ": " + say.Clean(p.Message, 300), Fix: p.Fix, Warning: p.Warning}
}
