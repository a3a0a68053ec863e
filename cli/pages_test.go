package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/client"
)

// paged serves n grants two a page; those at odd places are over.
func paged(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		before, _ := strconv.Atoi(r.URL.Query().Get("before"))
		if before == 0 {
			before = n + 1
		}
		l := client.List[client.Grant]{Items: []client.Grant{}}
		for i := before - 1; i > 0 && len(l.Items) < 2; i-- {
			g := aGrant()
			g.ID = fmt.Sprint("gr_", i)
			if i%2 == 1 {
				g.Status = "ended"
			}
			l.Items = append(l.Items, g)
		}
		if last := before - 2; last > 1 {
			l.Next = strconv.Itoa(last)
		}
		_ = json.NewEncoder(w).Encode(l)
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	pages := httptest.NewServer(paged(7))
	t.Cleanup(pages.Close)
	s := newShell(t, newFake(t))
	s.env["CURFEW_SERVER"] = pages.URL
	for _, c := range []struct {
		args string
		want int
	}{{"grants --ended", 7}, {"grants", 3}, {"grants --limit 2", 2}, {"grants --ended --limit 3", 3}} {
		out := s.must("", append(strings.Fields(c.args), "--json")...)
		if n := strings.Count(out, `"kind":"grant"`); n != c.want {
			t.Errorf("curfew %s shows %d grants, want %d\n%s", c.args, n, c.want, out)
		}
	}
}

func TestAGatewayThatPagesInCirclesIsNotFollowed(t *testing.T) {
	f := newFake(t)
	f.on("GET /grants", gives(client.List[client.Grant]{Items: []client.Grant{aGrant()}, Next: "5"}))
	if code, _, errs := newShell(t, f).run("", "grants"); code == 0 || !strings.Contains(errs, "the next page") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestFindSaysWhatIsUsual(t *testing.T) {
	f := newFake(t)
	f.on("GET /find", gives(list(client.Offer{Role: "orders/read", Resource: "orders-db", Effect: "read orders", Longest: "2h0m0s", Usual: "18m0s"})))
	has(t, newShell(t, f).must("", "find"), "up to 2 h, you usually use 18 min")
	s := newShell(t, f)
	s.person = &person{}
	_, _, errs := s.run("stuck\n\n", "request", "orders/read", "--no-wait")
	has(t, errs, "How long? You usually use 18 min. [30m]: ")
}
