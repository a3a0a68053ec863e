package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
)

func TestLinesThatAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"":                                "begins with none",
		"select orders":                   "did you mean read?",
		"remove orders":                   "did you mean delete?",
		"read":                            "a name is missing",
		"read orders; drop table x":       "nothing is known of",
		"read orders.a.b":                 "nothing is known of",
		"read *.*":                        "nothing is known of",
		"read orders ()":                  "a name is missing",
		"read orders (id":                 "do not end with )",
		"read orders.* (id)":              "columns belong to one table",
		"delete orders (id)":              "nothing is known of",
		`read "orders`:                    "does not end",
		`read ""`:                         "empty",
		"read 1st":                        "a name is missing",
		"call refresh":                    "stands with its argument types",
		"call refresh(int); x":            "nothing is known of",
		"call refresh(int) -- )":          "nothing is known of",
		"call f(int')":                    "no argument types",
		"use orders_id_seq":               "use sequence NAME",
		"create in public":                "create in schema NAME",
		"read " + strings.Repeat("x", 64): "longer than 63 bytes",
		"read a\x00b":                     "not valid text",
		"read \xff":                       "not valid text",
	} {
		_, err := parse(curfew.Permission{May: []string{line}})
		if curfew.CodeOf(err) != curfew.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
}

func TestNeverIsHonoured(t *testing.T) {
	for _, c := range []struct {
		may, never []string
		ok         bool
	}{
		{[]string{"read orders"}, []string{"delete", "change schema"}, true},
		{[]string{"delete orders"}, []string{"delete"}, false},
		{[]string{"create in schema x"}, []string{"change schema"}, false},
		{[]string{"read *"}, []string{"read salaries"}, true},
		{[]string{"read salaries"}, []string{"read salaries"}, false},
		{[]string{"read salaries (who)"}, []string{"read salaries"}, false},
		{[]string{"read salaries"}, []string{"read salaries (amount)"}, true},
		{[]string{"read orders"}, []string{"drop"}, false},
		{[]string{"read orders"}, []string{"call f()"}, false},
		{nil, []string{"delete"}, false},
	} {
		_, err := parse(curfew.Permission{May: c.may, Never: c.never})
		if (err == nil) != c.ok {
			t.Errorf("may %q never %q: %v", c.may, c.never, err)
		}
	}
}

func TestEffectIsPlainEnglish(t *testing.T) {
	for _, c := range []struct {
		p       curfew.Permission
		want    string
		dangers int
	}{
		{curfew.Permission{May: []string{"read orders", "read refunds", "update refunds (status, note)"}, Never: []string{"delete"}},
			"read orders and refunds; change note and status of refunds; no deletes, no schema changes", 0},
		{curfew.Permission{May: []string{"read *", "create in schema scratch", "call pay(int)"}, Never: []string{"read salaries"}},
			"read every table; call pay(int); create objects in the schema scratch; no deletes, never read salaries", 2},
	} {
		got, dangers := New().Effect(c.p)
		if got != c.want || len(dangers) != c.dangers {
			t.Errorf("%q %q, want %q", got, dangers, c.want)
		}
	}
}

// The naive model: a permission is a set of atoms. A whole table has an atom of
// its own beside its columns: the columns that are not there yet.
func atoms(p permission) map[string]bool {
	out := map[string]bool{}
	each := func(r rule, f func(string)) {
		switch r.verb {
		case call, use, create:
			f(fmt.Sprint(r.verb, r.schema, r.name, r.args))
			return
		}
		for _, schema := range []string{"public", "s"} {
			for _, table := range []string{"t", "u"} {
				for _, col := range []string{"a", "b", "(new)"} {
					in := r.schema == schema && (r.whole() || r.name == table) && (r.cols == nil || slices.Contains(r.cols, col))
					if in {
						f(fmt.Sprint(r.verb, schema, table, col))
					}
				}
			}
		}
	}
	for _, r := range p.rules {
		each(r, func(a string) { out[a] = true })
	}
	for _, r := range p.minus {
		each(r, func(a string) { delete(out, a) })
	}
	return out
}

func anyPermission(t *rapid.T, label string) curfew.Permission {
	table := rapid.SampledFrom([]string{"t", "u", "s.t", "s.u", `"t"`, "S.T", "*", "s.*", "public.*", "public.t"})
	verbs := rapid.SampledFrom([]string{"read", "update", "insert", "delete"})
	line := rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
			return rapid.SampledFrom([]string{"call f()", "call f(int)", "call s.f(int)", "use sequence q", "use sequence s.q", "create in schema s"}).Draw(t, "other")
		}
		text, v := table.Draw(t, "table"), verbs.Draw(t, "verb")
		if !strings.Contains(text, "*") && v != "delete" {
			text += rapid.SampledFrom([]string{"", "", " (a)", " (b)", " (b, a)"}).Draw(t, "columns")
		}
		return v + " " + text
	})
	never := rapid.Custom(func(t *rapid.T) string {
		text := table.Draw(t, "table")
		if !strings.Contains(text, "*") {
			text += rapid.SampledFrom([]string{"", " (a)", " (b)"}).Draw(t, "columns")
		}
		return "read " + text
	})
	return curfew.Permission{May: rapid.SliceOfN(line, 1, 5).Draw(t, label), Never: rapid.SliceOfN(never, 0, 2).Draw(t, label+" never")}
}

func TestCoversIsSound(t *testing.T) {
	yes := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyPermission(t, "a"), anyPermission(t, "b")
		if rapid.Bool().Draw(t, "b is part of a") {
			b.May, b.Never = a.May[:rapid.IntRange(1, len(a.May)).Draw(t, "of it")], append(b.Never, a.Never...)
		}
		pa, err1 := parse(a)
		pb, err2 := parse(b)
		if err1 != nil || err2 != nil {
			if New().Covers(a, b) {
				t.Fatal("what is not understood is covered")
			}
			return
		}
		if !New().Covers(a, a) {
			t.Fatalf("%q does not cover itself", a)
		}
		if !New().Covers(a, b) {
			return
		}
		yes++
		in := atoms(pa)
		for atom := range atoms(pb) {
			if !in[atom] {
				t.Fatalf("%q covers %q, and not %s", a, b, atom)
			}
		}
	})
	if yes == 0 && !testing.Short() { // a short run draws few cases
		t.Error("no case was covered: the property says nothing")
	}
}

func FuzzPermission(f *testing.F) {
	for _, line := range []string{"read orders.*", `read public."we""ird" (id, "a.b")`, "update refunds (status, note)", "call s.f(int, text[])", "use sequence s", "create in schema x", "read *", "never"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parseRule(line)
		if err != nil {
			return
		}
		for _, name := range append([]string{r.schema, r.name}, r.cols...) {
			if len(name) > 63 || strings.ContainsRune(name, 0) {
				t.Fatalf("%q gave the name %q", line, name)
			}
		}
		if strings.ContainsAny(r.args, `'";()-`) {
			t.Fatalf("%q gave the types %q", line, r.args)
		}
	})
}
