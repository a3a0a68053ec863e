package browse

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// The whole way of a person with a browser that runs no script: invited, signed in, sent
// from the application to sign in and to ask, waiting, going on to the page they wanted,
// cut, told so, and asking again.
func TestAPersonWithABrowserGetsToAnApplicationAndIsCut(t *testing.T) {
	g := newGateway(t)
	c := startChromium(t)
	ctx := context.Background()
	const ada, alice, lea = "scriptless ada", "scriptless alice", "scriptless lea"

	// The first administrator opens the link that `up` printed.
	c.open(ada, g.said["join"])
	c.fill(ada, "passphrase", passphrase("ada"))
	c.fill(ada, "again", passphrase("ada"))
	has(t, c.click(ada, "main button"), "ada@shop.example", "this browser", g.said["console"])
	g.signIn("ada", "")
	g.everybody()

	// Alice opens a page of the application, signs in, asks and waits.
	has(t, c.open(alice, g.app("shop")+"/orders/7?full=1"), "Sign in", g.said["console"]+"/sign-in")
	has(t, c.signIn(alice, "alice"), "Ask for shop", "Lea Lead", "Look at the shop")
	c.fill(alice, "reason", "to mark <b>order</b> 7")
	c.fill(alice, "for", "10m")
	has(t, c.click(alice, "main form button"), "You asked, and wait", "Lea Lead may decide", "to mark <b>order</b> 7")

	// Lea opens the link, signs in and approves with her passphrase.
	var pending client.Request
	if !within(10*time.Second, func() bool {
		list, err := g.people["lea"].Requests(ctx, client.Listing{Scope: "review"})
		if err == nil && len(list.Items) == 1 {
			pending = list.Items[0]
		}
		return pending.ID != ""
	}) {
		t.Fatal("Lea has nothing to review")
	}
	c.open(lea, g.said["console"]+"/r/"+pending.ID)
	has(t, c.signIn(lea, "lea"), "Alice Moreau", "to mark <b>order</b> 7", "/admin/**", "10 minutes")
	c.do(act{Do: "fill", Who: lea, At: "form[action$=approve] [name=passphrase]", Text: "not her passphrase"})
	has(t, c.click(lea, "form[action$=approve] button"), "this is not your passphrase")
	c.do(act{Do: "fill", Who: lea, At: "form[action$=approve] [name=passphrase]", Text: passphrase("lea")})
	has(t, c.click(lea, "form[action$=approve] button"), "It was approved, by Lea Lead")

	// Alice's page goes on by itself, to what she wanted.
	has(t, c.do(act{Do: "wait", Who: alice, Text: "/orders/7?full=1"}), g.app("shop"))
	has(t, c.sees(alice, "Marked by GET"))
	has(t, c.open(alice, g.app("shop")+"/"), "The shop says /")
	has(t, c.click(alice, "#mark"), "Marked by POST")
	has(t, c.open(alice, g.app("shop")+"/quiet"))
	has(t, c.click(alice, "#mark"), "Marked by POST") // from a page that does not say where it is
	has(t, c.open(alice, g.app("shop")+"/%61dmin/x"), "is not in shop/clerk")

	// She is cut: the next page says so, and leads to asking again.
	cutAt := time.Now()
	if _, err := g.people["ada"].Revoke(ctx, pending.Grant, client.Why{Why: "wrong shop"}); err != nil {
		grants, _ := g.people["alice"].Grants(ctx, client.Listing{})
		if len(grants.Items) == 0 {
			t.Fatal(err)
		}
		if _, err = g.people["ada"].Revoke(ctx, grants.Items[0].ID, client.Why{Why: "wrong shop"}); err != nil {
			t.Fatal(err)
		}
	}
	has(t, c.open(alice, g.app("shop")+"/"), "Your access to shop ended at", "Ask again")
	t.Logf("cut, and seen %s later", time.Since(cutAt).Round(time.Millisecond))
	has(t, c.click(alice, "a.button"), "Ask for shop", g.said["console"])

	// She asks again and is denied, in Lea's words.
	c.fill(alice, "reason", "once more")
	has(t, c.click(alice, "main form button"), "You asked, and wait")
	list, err := g.people["lea"].Requests(ctx, client.Listing{Scope: "review"})
	if err != nil || len(list.Items) != 1 {
		t.Fatal(list, err)
	}
	if _, err := g.people["lea"].Deny(ctx, list.Items[0].ID, client.Decision{Why: "not \u202etoday", Passphrase: passphrase("lea")}); err != nil {
		t.Fatal(err)
	}
	denied := c.sees(alice, "It was denied, by Lea Lead")
	has(t, denied, "Ask again")
	if strings.Contains(denied.Text, "\u202e") {
		t.Error("a bidirectional mark acts on the page")
	}

	// Nothing of ours reached the application.
	for _, line := range g.shop.asked() {
		if strings.Contains(line, "curfew-app") || strings.Contains(line, "curfew-way") || strings.Contains(line, "/.curfew") || strings.Contains(line, "/admin") {
			t.Errorf("the application was asked %s", line)
		}
	}
	if s := c.do(act{Do: "violations", Who: alice}); string(s.Value) != "[]" {
		t.Errorf("the browser complains: %s", s.Value)
	}
}

// cookies are a browser's, by host and name.
func (c *chromium) cookies(who string) map[string]map[string]any {
	c.t.Helper()
	var all []map[string]any
	if err := json.Unmarshal(c.do(act{Do: "cookies", Who: who}).Value, &all); err != nil {
		c.t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, one := range all {
		out[one["domain"].(string)+" "+one["name"].(string)] = one
	}
	return out
}
