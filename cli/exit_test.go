package cli

import (
	"context"
	"net/http"
	"testing"

	"github.com/curfewhq/curfew/client"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		route string
		is    handler
		want  int
	}{
		{"an empty list is success", []string{"requests"}, "GET /requests", gives(list[client.Request]()), 0},
		{"a gateway that made a mistake", []string{"grants"}, "GET /grants", faults(500, "internal", "the gateway made a mistake"), 1},
		{"a conflict", []string{"cut", "gr_7Q2"}, "POST /grants/gr_7Q2/revoke", faults(409, "conflict", "it is over"), 1},
		{"no such command", []string{"aprove"}, "", nil, 2},
		{"no such flag", []string{"grants", "--nope"}, "", nil, 2},
		{"an argument is missing", []string{"approve"}, "", nil, 2},
		{"an argument too many", []string{"grants", "x"}, "", nil, 2},
		{"no duration", []string{"request", "orders/read", "--for", "soon", "--reason", "x"}, "", nil, 2},
		{"a reason is missing", []string{"request", "orders/read", "--for", "45m"}, "", nil, 2},
		{"what the gateway cannot understand", []string{"why", "alice", "x"}, "GET /why", faults(400, "invalid", "no role"), 2},
		{"a policy says no", []string{"request", "orders/read", "--for", "45m", "--reason", "x"}, "POST /requests", faults(403, "policy.window", "outside hours"), 3},
		{"a person says no", []string{"request", "orders/read", "--for", "45m", "--reason", "x"}, "GET /requests/rq_1", gives(aRequest("denied")), 3},
		{"not signed in", []string{"grants"}, "GET /grants", faults(401, "not_signed_in", "your sign-in is over"), 4},
		{"a decision without a passphrase", []string{"approve", "rq_1"}, "GET /requests/rq_1", gives(aRequest("pending")), 4},
		{"asked and not waited", []string{"request", "orders/read", "--for", "45m", "--reason", "x", "--no-wait"}, "", nil, 5},
		{"waited as long as was said", []string{"request", "orders/read", "--for", "45m", "--reason", "x", "--timeout", "150ms"}, "GET /requests/rq_1", gives(aRequest("pending")), 5},
		{"it lapsed", []string{"request", "orders/read", "--for", "45m", "--reason", "x"}, "GET /requests/rq_1", gives(aRequest("lapsed")), 6},
		{"a grant that ended", []string{"env", "orders-db"}, "POST /grants/gr_7Q2/credential", faults(410, "grant.ended", "you have no live grant"), 6},
		{"no such thing", []string{"show", "rq_9"}, "", nil, 7},
		{"no such resource", []string{"connect", "nope"}, "", nil, 7},
		{"an ambiguous name", []string{"connect", "web"}, "", nil, 7},
		{"an ambiguous person", []string{"why", "al", "x"}, "GET /why", faults(400, "ambiguous", "2 people are called al"), 7},
		{"no such line in the list", []string{"approve", "4"}, "", nil, 7},
		{"an answer that is none of ours", []string{"grants"}, "GET /grants", gives("<html>"), 1},
		{"an answer that leads elsewhere", []string{"grants"}, "GET /grants", func([]byte) (int, any) { return http.StatusFound, "" }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			if c.is != nil {
				f.on(c.route, c.is)
			}
			code, out, errs := newShell(t, f).run("", c.args...)
			if code != c.want {
				t.Errorf("curfew %v: exit %d, want %d\n%s%s", c.args, code, c.want, out, errs)
			}
			if code != 0 && code != 5 && errs == "" {
				t.Error("it failed in silence")
			}
		})
	}
}

func TestNoGatewayIsSaid(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	f.Close()
	code, _, errs := s.run("", "grants")
	if code != 9 {
		t.Errorf("exit %d, want 9", code)
	}
	has(t, errs, "does not answer", "curfew up")
}

func TestInterrupt(t *testing.T) {
	f := newFake(t)
	f.on("GET /requests/rq_1", gives(aRequest("pending")))
	ctx, cancel := context.WithCancel(t.Context())
	f.on("POST /requests", func([]byte) (int, any) {
		defer cancel()
		return 200, aRequest("pending")
	})
	code, _, errs := newShell(t, f).runIn(ctx, "", "request", "orders/read", "--for", "45m", "--reason", "x")
	if code != 130 {
		t.Errorf("exit %d, want 130: %s", code, errs)
	}
}

func TestErrorsSayWhatWhyAndWhatNext(t *testing.T) {
	f := newFake(t)
	f.on("POST /requests", faults(403, "policy.window", "it is outside the hours of every policy; opens Mon 09:00", client.Fix{Say: "ask now to start then", Run: `curfew request orders/read --start "mon 9:00"`}))
	s := newShell(t, f)
	_, out, errs := s.run("", "request", "orders/read", "--for", "45m", "--reason", "x")
	want := "It is outside the hours of every policy; opens Mon 09:00.\n  Ask now to start then: curfew request orders/read --start \"mon 9:00\"\n(ref 01JF8K2, policy.window)\n"
	if out != "" || errs != want {
		t.Errorf("got %q and\n%s\nwant\n%s", out, errs, want)
	}
	code, out, errs := s.run("", "--json", "request", "orders/read", "--for", "45m", "--reason", "x")
	if code != 3 || out != "" {
		t.Errorf("exit %d, %q", code, out)
	}
	has(t, errs, `{"api":"curfew/v1","kind":"error","code":"policy.window"`, `"request_id":"01JF8K2"`, `"fix":[{"say":"ask now to start then","run":`)
}

func TestUnknownCommandsNameTheNearest(t *testing.T) {
	_, _, errs := newShell(t, newFake(t)).run("", "aprove", "1")
	has(t, errs, `There is no command "aprove".`, "curfew approve")
}
