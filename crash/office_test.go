package crash

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/client"
)

// office is a gateway with people, of whom lea audits and mallory may nothing, and the text
// that was applied there.
func office(t *testing.T, name string) (g *gateway, people map[string]person, text string) {
	t.Helper()
	pg := shop(t)
	g = newGateway(t, name, loginOf(pg))
	g.start()
	people = g.everybody(pg, "mallory")
	text = strings.Replace(audited(configurationOf(pg)), "\ngroups:\n", "  mallory@shop.example: { name: Mallory }\n\ngroups: # as finance wants them\n", 1)
	text += "\ntests:\n  - w1@shop.example can have shop/mender\n"
	people["ada"].applies(t, text)
	return g, people, text
}

// audited is a configuration in which lea sees everything, and may use what workers use.
func audited(text string) string {
	text = strings.Replace(text, "  administrators: [ada@shop.example]\n", "  administrators: [ada@shop.example]\n  auditors: [lea@shop.example]\n", 1)
	return strings.Replace(text, "  workers: [", "  workers: [lea@shop.example, ", 1)
}

// applies applies a whole configuration.
func (p person) applies(t *testing.T, text string) {
	t.Helper()
	ctx := context.Background()
	files := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: text}}}
	plan, err := p.Plan(ctx, files)
	if err != nil || slices.ContainsFunc(plan.Problems, func(p client.Problem) bool { return !p.Warning }) || len(plan.Tests) > 0 {
		t.Fatalf("plan: %v %+v %v", err, plan.Problems, plan.Tests)
	}
	files.Plan, files.Passphrase = plan.ID, passphrase(p.email)
	if plan, err = p.Apply(ctx, files); err != nil || plan.Status != "applied" {
		t.Fatalf("apply: %+v %v", plan, err)
	}
}

// asks asks for a role that somebody else approves.
func (p person) asks(t *testing.T, reason string) (id string) {
	t.Helper()
	r, err := p.Ask(context.Background(), client.Ask{Role: "shop/mender", Resource: "shop-db", For: "20m", Reason: reason})
	if err != nil {
		t.Errorf("ask: %v", err)
	}
	return r.ID
}

// shownAs is somebody as a script in a browser knows them.
func shownAs(name, shown string) map[string]string {
	return map[string]string{"email": name + "@shop.example", "passphrase": passphrase(name + "@shop.example"), "name": shown}
}
