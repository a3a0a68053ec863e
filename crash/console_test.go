package crash

import (
	"context"
	"testing"
)

// TestConsole drives the console in Chromium, with the whole program behind it, which is
// stopped and started again in the middle.
func TestConsole(t *testing.T) {
	together(t)
	g, people, who := looked(t, "look")
	var meanwhile string
	browse(t, g, "console.mjs", map[string]any{
		"role": "shop/mender", "canary": "canary-of-the-reason", "people": who,
	}, done(func(what string) {
		switch what {
		case "ask meanwhile":
			meanwhile = people["w2"].asks(t, "asked while another one was read")
		case "withdraw":
			if _, err := people["w2"].Withdraw(context.Background(), meanwhile); err != nil {
				t.Errorf("withdraw: %v", err)
			}
		default:
			do(t, g, people, what)
		}
	}))
}

// looked is a gateway that serves the console, and whom its pages are looked at by: two
// who ask, one who decides and may see all, and one who may nothing.
func looked(t *testing.T, name string) (*gateway, map[string]person, map[string]any) {
	t.Helper()
	needBrowser(t)
	g, people, _ := office(t, name)
	return g, people, map[string]any{"alice": shownAs("w1", "Worker One"), "dana": shownAs("lea", "Lea Lead"), "worker": shownAs("w2", "Worker Two"), "stranger": shownAs("mallory", "Mallory")}
}

// do is what the browser asks for and only this process can.
func do(t *testing.T, g *gateway, people map[string]person, what string) {
	t.Helper()
	switch what {
	case "stop":
		g.stop()
	case "start":
		g.start()
	case "ask":
		people["w2"].asks(t, "asked while the page was away")
	default:
		t.Errorf("nobody can %s", what)
	}
}
