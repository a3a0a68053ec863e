package api

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/history"
)

// A role that was wide when it was used is not read by those who hold what it has
// become.
func TestARoleThatWasNarrowedSinceOpensNoOldRecording(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	var x history.Session
	for end := time.Now().Add(10 * time.Second); x.Session == "" && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		x, _ = o.server.parts.History.Session(ctx, aliceSession)
	}
	dana, alice := caller{who: o.who["dana"]}, caller{who: o.who["alice"]}
	if !o.server.mayRead(ctx, dana, x) {
		t.Fatal("a colleague with the same role sees no value")
	}
	var c curfew.Config
	o.access.View(func(st *access.State) { c = st.Config })
	c.Roles = maps.Clone(c.Roles)
	role := c.Roles["read"]
	role.May = []string{"read orders (id)"}
	c.Roles["read"] = role
	before := o.plan()
	_, err := o.access.Do(ctx, access.Propose{Change: o.access.Plan(c), Author: o.who["root"]})
	must(t, err)
	waits := ""
	o.access.View(func(st *access.State) {
		for id := range st.Plans {
			if string(id) != before {
				waits = string(id)
			}
		}
	})
	if waits != "" { // nobody can tell that it takes away alone: a second administrator agrees
		_, err = o.access.Do(ctx, access.Agree{Plan: curfew.PlanID(waits), By: o.who["otto"]})
		must(t, err)
	}
	o.access.View(func(st *access.State) {
		if may := st.Config.Roles["read"].May; may[0] != "read orders (id)" {
			t.Fatalf("the role says %q", may)
		}
	})
	if o.server.mayRead(ctx, dana, x) {
		t.Error("whoever holds the narrow role sees what the wide one saw")
	}
	if !o.server.mayRead(ctx, alice, x) {
		t.Error("the holder does not see her own")
	}
}
