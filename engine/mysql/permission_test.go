package mysql

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestPermissionsThatAreNone(t *testing.T) {
	for name, p := range map[string]curfew.Permission{
		"nothing":                  {},
		"no verb":                  {May: []string{"select orders"}},
		"no name":                  {May: []string{"read"}},
		"columns of everything":    {May: []string{"read * (id)"}},
		"columns that do not end":  {May: []string{"read orders (id"}},
		"more behind":              {May: []string{"read orders; drop"}},
		"a name that does not end": {May: []string{"read `orders"}},
		"a long name":              {May: []string{"read " + strings.Repeat("x", 65)}},
		"every routine":            {May: []string{"call shop.*"}},
		"create nowhere":           {May: []string{"create"}},
		"never and yet":            {May: []string{"delete orders"}, Never: []string{"delete"}},
		"never all of it":          {May: []string{"read orders"}, Never: []string{"read orders"}},
		"never what is none":       {May: []string{"read orders"}, Never: []string{"call two"}},
	} {
		if New().CheckPermission(curfew.Resource{}, p) == nil {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestCovers(t *testing.T) {
	may := func(lines ...string) curfew.Permission { return curfew.Permission{May: lines} }
	for name, c := range map[string]struct {
		a, b curfew.Permission
		want bool
	}{
		"itself":                         {may("read orders"), may("read orders"), true},
		"columns within the table":       {may("read orders"), may("read orders (id)"), true},
		"the table is more than columns": {may("read orders (id)"), may("read orders"), false},
		"columns of two lines":           {may("read orders (id)", "read orders (at)"), may("read orders (at, id)"), true},
		"everything":                     {may("read *"), may("read orders"), true},
		"everything is not another's":    {may("read *"), may("read billing.orders"), false},
		"a database that may be the own": {may("read shop.orders"), may("read orders"), false},
		"another verb":                   {may("read orders"), may("update orders"), false},
		"a never that the other has not": {curfew.Permission{May: []string{"read *"}, Never: []string{"read salaries"}}, may("read *"), false},
		"a never that is no part of it":  {curfew.Permission{May: []string{"read *"}, Never: []string{"read salaries"}}, may("read orders"), true},
		"names that differ in case":      {curfew.Permission{May: []string{"read *"}, Never: []string{"read salaries"}}, may("read SALARIES"), false},
		"one routine is not another":     {may("call two"), may("call three"), false},
		"creating here is not there":     {may("create in database a"), may("create in database b"), false},
	} {
		if got := New().Covers(c.a, c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestEffectsAreReadAloud(t *testing.T) {
	effect, dangers := New().Effect(curfew.Permission{
		May: []string{"read orders", "read shop.refunds (id, status)", "update refunds (status)", "call two", "create in database scratch"}, Never: []string{"read orders (card)"},
	})
	want := "read orders and shop.refunds (id, status); change status of refunds; call two; create tables and views in the database scratch; no deletes, never read orders (card)"
	if effect != want || len(dangers) != 2 {
		t.Errorf("%s\n%v", effect, dangers)
	}
}

func TestResourcesThatAreRefused(t *testing.T) {
	good := curfew.Resource{Name: "shop", Address: "shop.internal:3306", Account: curfew.Leased, Login: "env:SHOP"}
	if err := New().CheckResource(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*curfew.Resource){
		"no port":        func(r *curfew.Resource) { r.Address = "shop" },
		"no login":       func(r *curfew.Resource) { r.Login = "" },
		"another option": func(r *curfew.Resource) { r.Options = []byte(`{"schema":"x"}`) },
	} {
		r := good
		change(&r)
		if err := New().CheckResource(r); err == nil || asError(err).Fix == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
