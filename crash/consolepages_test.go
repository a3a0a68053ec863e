package crash

import (
	"context"
	"os"
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
	text = strings.Replace(configurationOf(pg), "  administrators: [ada@shop.example]\n", "  administrators: [ada@shop.example]\n  auditors: [lea@shop.example]\n", 1)
	text = strings.Replace(text, "  workers: [", "  workers: [lea@shop.example, ", 1) // so that she may see what the workers see
	text = strings.Replace(text, "\ngroups:\n", "  mallory@shop.example: { name: Mallory }\n\ngroups: # as finance wants them\n", 1)
	text += "\ntests:\n  - w1@shop.example can have shop/mender\n"
	people["ada"].applies(t, text)
	return g, people, text
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

func signsIn(name, shown string) map[string]string {
	return map[string]string{"email": name + "@shop.example", "passphrase": passphrase(name + "@shop.example"), "name": shown}
}

// TestConsoleConfiguration writes the configuration in the console: by its form, by its text, in
// two tabs at once, and with what is hostile.
func TestConsoleConfiguration(t *testing.T) {
	needBrowser(t)
	g, people, text := office(t, "form")
	browse(t, g, "configuration.mjs", map[string]any{
		"people": map[string]any{"ada": signsIn("ada", "Ada"), "lea": signsIn("lea", "Lea Lead"), "mallory": signsIn("mallory", "Mallory")},
	}, func(what string) string {
		if what != "change" {
			t.Errorf("nobody can %s", what)
			return "unknown"
		}
		people["ada"].applies(t, text+"# and somebody else was here\nretention: { recordings: 3000d }\n")
		return "done"
	})
}

// TestConsoleStates walks every page of the console through what can become of it.
func TestConsoleStates(t *testing.T) {
	needBrowser(t)
	g, people, text := office(t, "state")
	people["ada"].applies(t, strings.Replace(text, "        not: requester\n", "        not: requester\n    risk: high\n    when: { hours: \"Mon-Sun 00:30-23:30 UTC\" }\n", 1))
	ctx := context.Background()
	for _, role := range []string{"shop/mender", "shop/reader"} { // one waits, one lives
		if _, err := people["w1"].Ask(ctx, client.Ask{Role: role, Resource: "shop-db", For: "20m", Reason: "to have something to look at"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := people["lea"].Ask(ctx, client.Ask{Role: "shop/reader", Resource: "shop-db", For: "20m", Reason: "one's own"}); err != nil {
		t.Fatal(err)
	}
	browse(t, g, "states.mjs", map[string]any{
		"people": map[string]any{"ada": signsIn("ada", "Ada"), "lea": signsIn("lea", "Lea Lead")}, "pictures": os.Getenv("CURFEW_SHOTS") != "" && !testing.Short(),
	}, func(what string) string { t.Errorf("nobody can %s", what); return "unknown" })
}
