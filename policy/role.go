package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/curfewhq/curfew"
)

// closure is the role and all it includes, however often and in whatever
// circle; unknown ones are left out.
func closure(roles map[curfew.RoleName]curfew.Role, role curfew.Role) map[curfew.RoleName]curfew.Role {
	all := map[curfew.RoleName]curfew.Role{role.Name: role}
	todo := slices.Clone(role.Includes)
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if _, seen := all[name]; seen {
			continue
		}
		if r, ok := roles[name]; ok {
			all[name] = r
			todo = append(todo, r.Includes...)
		}
	}
	return all
}

// Permission returns what the role permits: its own lines, then those of the
// roles it includes in the order of their names, each line once. What any of
// them forbids is forbidden. An included role that is not there is an error: a
// missing prohibition would permit more.
func Permission(roles map[curfew.RoleName]curfew.Role, name curfew.RoleName) (curfew.Permission, error) {
	role, ok := roles[name]
	if !ok {
		return curfew.Permission{}, curfew.Errorf(curfew.NotFound, "there is no role %q", name)
	}
	role.Name = name
	all := closure(roles, role)
	var p curfew.Permission
	order := append([]curfew.RoleName{name}, slices.DeleteFunc(slices.Sorted(maps.Keys(all)),
		func(n curfew.RoleName) bool { return n == name })...)
	for _, n := range order {
		for _, included := range all[n].Includes {
			if _, ok := all[included]; !ok {
				return curfew.Permission{}, curfew.Errorf(curfew.NotFound, "the role %q includes %q, which is not there", n, included)
			}
		}
		p.May = addLines(p.May, all[n].May)
		p.Never = addLines(p.Never, all[n].Never)
	}
	return p, nil
}

func addLines(lines, more []string) []string {
	for _, l := range more {
		if !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	return lines
}

// RoleVersion names exactly what the role says now, all that it includes with
// it: 32 hexadecimal digits. An approval is for one version.
func RoleVersion(roles map[curfew.RoleName]curfew.Role, name curfew.RoleName) string {
	role := roles[name]
	role.Name = name
	all := closure(roles, role)
	list := []any{"curfew role", name}
	for _, n := range slices.Sorted(maps.Keys(all)) {
		list = append(list, n, all[n])
	}
	return version(list)
}

// PolicyVersion names exactly what the policy says.
func PolicyVersion(p curfew.Policy) string { return version([]any{"curfew policy", p}) }

// ResourceVersion names exactly what the resource is. The order of the keys in
// its options does not matter.
func ResourceVersion(r curfew.Resource) string {
	if len(r.Options) > 0 {
		r.Options = canonical(r.Options)
	}
	return version([]any{"curfew resource", r})
}

// canonical sorts the keys of JSON. What is no JSON becomes a string of its text.
func canonical(text []byte) []byte {
	var v any = string(text)
	if json.Valid(text) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		_ = d.Decode(&v) // it is valid
	}
	b, _ := json.Marshal(v) // what was decoded encodes
	return b
}

// version hashes a value's JSON, whose maps encoding/json sorts. The values of
// this package always encode: an Options that is not JSON is replaced before.
func version(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("policy: a value does not encode: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
