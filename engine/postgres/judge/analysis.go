package judge

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/say"
)

// analysis walks one statement. It goes on after the first refusal, which is the one kept.
type analysis struct {
	j        *Judge
	out      Statement
	refused  *Refusal
	objects  map[objectKey]map[string]bool
	personal bool // it asked for the session's names
}

func (a *analysis) book() *Rulebook { return a.j.book }

// names are the session's: what is said with them is true of this session only.
func (a *analysis) names() *names {
	a.personal = true
	return &a.j.names
}

type objectKey struct {
	verb Verb
	name Name
}

func (a *analysis) refuse(rule, fix, format string, args ...any) {
	if a.refused == nil {
		a.refused = &Refusal{Rule: rule, What: sentence(fmt.Sprintf(format, args...)), Fix: sentence(fix)}
	}
}

// sentence makes safe and short what names of the statement went into.
func sentence(s string) string { return say.Clean(s, 400) }

// unknown refuses what the judge has no answer for.
func (a *analysis) unknown(what string) {
	a.refuse(RuleUnknown, "write it without; on a fixed account nothing runs that cannot be classified", "%s cannot be classified", what)
}

func (a *analysis) touch(verb Verb, n Name, columns ...string) {
	k := objectKey{verb, n}
	if a.objects[k] == nil {
		a.objects[k] = map[string]bool{}
	}
	for _, c := range columns {
		a.objects[k][c] = true
	}
}

// report turns what was touched into the statement's lists.
func (a *analysis) report() {
	for k, cols := range a.objects {
		o := Object{Verb: k.verb, Schema: k.name.Schema, Name: k.name.Name, Columns: slices.Sorted(maps.Keys(cols))}
		if cols["*"] {
			o.Columns = nil
		}
		if k.verb == Read {
			a.out.Reads = append(a.out.Reads, o)
		} else {
			a.out.Writes = append(a.out.Writes, o)
		}
	}
	order := func(x, y Object) int {
		return strings.Compare(x.Schema+"\x00"+x.Name+"\x00"+string(x.Verb), y.Schema+"\x00"+y.Name+"\x00"+string(y.Verb))
	}
	slices.SortFunc(a.out.Reads, order)
	slices.SortFunc(a.out.Writes, order)
	slices.Sort(a.out.Calls)
	a.out.Calls = slices.Compact(a.out.Calls)
}

// children are the nodes right below n: all of them, whatever the type.
func children(n node) []node {
	v := reflect.ValueOf(n)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil
	}
	v = v.Elem()
	var out []node
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Interface, reflect.Pointer:
			if !f.IsNil() {
				out = append(out, f.Interface())
			}
		case reflect.Slice:
			for k := range f.Len() {
				if e := f.Index(k); !e.IsNil() {
					out = append(out, e.Interface())
				}
			}
		}
	}
	return out
}

// strs are the strings of a list of names; ok is false if something else is in it.
func strs(list []node) (out []string, ok bool) {
	for _, n := range list {
		s, is := n.(*str)
		if !is {
			return nil, false
		}
		out = append(out, s.Sval)
	}
	return out, true
}
