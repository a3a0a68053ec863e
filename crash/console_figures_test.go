package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/ledger"
	ledgerdb "github.com/curfewhq/curfew/ledger/sqlite"
)

// requested writes so many requests into the ledger of a gateway that is stopped, all but the
// last withdrawn, as they would be in it after some months.
func (g *gateway) requested(who []curfew.Principal, n int) {
	g.t.Helper()
	node, err := ledger.OpenNode(g.path("curfew-node"))
	if err != nil {
		g.t.Fatal(err)
	}
	l, err := ledgerdb.Open(g.path("curfew-data"), node.Signer())
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	now := time.Now()
	draft := func(k curfew.Kind, body any) ledger.Draft {
		text, err := json.Marshal(body)
		if err != nil {
			g.t.Fatal(err)
		}
		return ledger.Draft{Kind: k, Body: text}
	}
	version := strings.Repeat("0", 64)
	for i := 0; i < n; i += 1000 {
		var all []ledger.Draft
		for j := i; j < min(i+1000, n); j++ {
			id, by := curfew.RequestID(fmt.Sprintf("rq_%016d", j)), who[j%len(who)]
			all = append(all, draft(curfew.KindRequestAsked, curfew.RequestAsked{
				Request: id, Principal: by, Role: "shop/mender", Resource: "shop-db", Duration: 20 * time.Minute, Reason: make([]byte, 60), Policy: "mend",
				Lapses: now.Add(time.Hour), RoleVersion: version, PolicyVersion: version, ResourceVersion: version, Digest: make([]byte, 32),
			}), draft(curfew.KindRequestWithdrawn, curfew.RequestActed{Request: id, By: by}))
		}
		if err := l.Turn(context.Background(), func(t ledger.Turn) error {
			_, _, err := t.Append(now, all)
			return err
		}); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := node.Remember(l.Head(), true); err != nil {
		g.t.Fatal(err)
	}
}

// TestConsoleFigures opens Requests with 10,000 of them in the ledger, and measures how soon
// it is painted and how soon an event is on it. CURFEW_FIGURES has it measure often.
func TestConsoleFigures(t *testing.T) {
	needBrowser(t)
	together(t)
	pg := shop(t)
	g := newGateway(t, "figures", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	people["ada"].applies(t, audited(configurationOf(pg)))
	var who []curfew.Principal
	for _, name := range []string{"w1", "w2", "w3"} {
		me, err := people[name].Me(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		who = append(who, curfew.Principal(me.ID))
	}
	g.stop()
	g.requested(who, 10_000)
	g.start()
	loads, events := 4, 6
	if os.Getenv("CURFEW_FIGURES") != "" {
		loads, events = 25, 45
	}
	names := []string{"w1", "w2", "w3"}
	waiting := map[string]client.Request{}
	browse(t, g, "figures.mjs", map[string]any{"loads": loads, "events": events, "people": map[string]any{"dana": shownAs("lea", "Lea Lead")}}, done(func(what string) {
		do, text, _ := strings.Cut(what, " ")
		n, _ := strconv.Atoi(text)
		name := names[n%len(names)]
		var err error
		switch do {
		case "ask":
			waiting[name], err = people[name].Ask(context.Background(), client.Ask{Role: "shop/mender", Resource: "shop-db", For: "20m", Reason: fmt.Sprintf("figure %d.", n)})
		case "withdraw":
			_, err = people[name].Withdraw(context.Background(), waiting[name].ID)
		default:
			t.Errorf("nobody can %s", what)
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}))
}
