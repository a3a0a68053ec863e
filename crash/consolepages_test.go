package crash

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/client"
)

// TestConsoleConfiguration writes the configuration in the console: by its form, by its text, in
// two tabs at once, and with what is hostile.
func TestConsoleConfiguration(t *testing.T) {
	needBrowser(t)
	together(t)
	g, people, text := office(t, "form")
	browse(t, g, "configuration.mjs", map[string]any{
		"people": map[string]any{"ada": shownAs("ada", "Ada"), "lea": shownAs("lea", "Lea Lead"), "mallory": shownAs("mallory", "Mallory")},
	}, done(func(what string) {
		if what != "change" {
			t.Errorf("nobody can %s", what)
			return
		}
		people["ada"].applies(t, text+"# and somebody else was here\nretention: { recordings: 3000d }\n")
	}))
}

// TestConsoleStates walks every page of the console through what can become of it.
func TestConsoleStates(t *testing.T) {
	needBrowser(t)
	together(t)
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
		"people": map[string]any{"ada": shownAs("ada", "Ada"), "lea": shownAs("lea", "Lea Lead")}, "pictures": os.Getenv("CURFEW_SHOTS") != "" && !testing.Short(),
	}, done(func(what string) { t.Errorf("nobody can %s", what) }))
}
