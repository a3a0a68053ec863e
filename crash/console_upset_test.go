package crash

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestConsoleUpset has happen to the console what happens to pages that are open for long: no
// network, streams that are refused, tabs that nobody sees, another person, a sign-in that is over.
func TestConsoleUpset(t *testing.T) {
	needBrowser(t)
	together(t)
	ctx := context.Background()
	g, people, text := office(t, "upset")
	who := map[string]any{"alice": shownAs("w1", "Worker One"), "dana": shownAs("lea", "Lea Lead"), "stranger": shownAs("mallory", "Worker")}
	var conn *pgx.Conn
	say := func(sql string) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Errorf("say: %v", err)
		}
	}
	browse(t, g, "upset.mjs", map[string]any{"people": who}, func(what string) string {
		verb, rest, _ := strings.Cut(what, " ")
		switch verb {
		case "ask":
			return people[rest].asks(t, "asked by "+rest)
		case "withdraw":
			_, err := people["w1"].Withdraw(ctx, rest)
			if _, other := people["w2"].Withdraw(ctx, rest); err != nil && other != nil {
				t.Errorf("withdraw: %v, %v", err, other)
			}
		case "connect":
			conn, _ = g.connected(people["w3"], g.given(people["w3"]).ID)
			say("SELECT 1 AS said")
		case "say":
			say("SELECT 'said " + rest + "'")
		case "leave":
			_ = conn.Close(ctx)
		case "policy":
			people["ada"].applies(t, strings.Replace(text, "may have: shop/reader\n    at most: 1h", "may have: shop/reader\n    at most: 20m", 1))
		case "stop":
			g.stop()
		case "start":
			g.start()
		default:
			t.Errorf("nobody can %s", what)
		}
		return "done"
	})
}
