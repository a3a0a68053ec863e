package crash

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/client"
)

// TestConsole drives the console in Chromium, with the whole program behind it, which is
// stopped and started again in the middle.
func TestConsole(t *testing.T) {
	g, people, who := looked(t, "look")
	browse(t, g, "console.mjs", map[string]any{
		"role": "shop/mender", "canary": "canary-of-the-reason", "people": who,
	}, func(what string) string { return do(t, g, people, what) })
}

// looked is a gateway that serves the console, and whom its pages are looked at by: two
// who ask, one who decides and may see all, and one who may nothing.
func looked(t *testing.T, name string) (*gateway, map[string]person, map[string]any) {
	t.Helper()
	needBrowser(t)
	pg := shop(t)
	g := newGateway(t, name, loginOf(pg))
	g.start()
	people := g.everybody(pg, "mallory")
	ada, ctx := people["ada"], context.Background()
	text := strings.Replace(configurationOf(pg), "  administrators: [ada@shop.example]\n", "  administrators: [ada@shop.example]\n  auditors: [lea@shop.example]\n", 1)
	text = strings.Replace(text, "  workers: [", "  workers: [lea@shop.example, ", 1) // so that she may see what the workers see
	text = strings.Replace(text, "\ngroups:\n", "  mallory@shop.example: { name: Mallory }\n\ngroups:\n", 1)
	files := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: text}}}
	plan, err := ada.Plan(ctx, files)
	if err != nil || slices.ContainsFunc(plan.Problems, func(p client.Problem) bool { return !p.Warning }) {
		t.Fatalf("plan: %v %+v", err, plan)
	}
	files.Plan, files.Passphrase = plan.ID, passphrase(ada.email)
	if plan, err = ada.Apply(ctx, files); err != nil || plan.Status != "applied" {
		t.Fatalf("apply: %+v %v", plan, err)
	}
	who := func(name, shown string) map[string]string {
		return map[string]string{"email": name + "@shop.example", "passphrase": passphrase(name + "@shop.example"), "name": shown}
	}
	return g, people, map[string]any{"alice": who("w1", "Worker One"), "dana": who("lea", "Lea Lead"), "worker": who("w2", "Worker Two"), "stranger": who("mallory", "Mallory")}
}

// do is what the browser asks for and only this process can.
func do(t *testing.T, g *gateway, people map[string]person, what string) string {
	t.Helper()
	switch what {
	case "stop":
		g.stop()
	case "start":
		g.start()
	case "ask":
		if _, err := people["w2"].Ask(context.Background(), client.Ask{Role: "shop/mender", Resource: "shop-db", For: "20m", Reason: "asked while the page was away"}); err != nil {
			t.Errorf("ask: %v", err)
		}
	default:
		t.Errorf("nobody can %s", what)
	}
	return "done"
}
