package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// withPasskey is a gateway at which the caller has a passkey, and what waits for it is
// touched for, or not, when it has been looked at once.
func withPasskey(t *testing.T, then client.Touch) *fake {
	t.Helper()
	f := newFake(t)
	f.on("GET /me", gives(client.Me{Person: client.Person{Passkey: true}}))
	f.on("GET /requests/rq_1", gives(aRequest("pending")))
	waits := client.Touch{ID: "to_1", Status: "waiting", Page: "https://curfew.acme.io/touch/to_1", Until: at(10)}
	f.on("POST /touches", gives(waits))
	looks := 0
	f.on("GET /touches/to_1", func([]byte) (int, any) {
		if looks++; looks < 2 {
			return http.StatusOK, waits
		}
		return http.StatusOK, then
	})
	f.on("POST /touches/to_1/drop", gives(waits))
	return f
}

func TestWhoHasAPasskeyDecidesInTheirBrowser(t *testing.T) {
	f := withPasskey(t, client.Touch{ID: "to_1", Status: "done", Result: aRequest("approved")})
	s := newShell(t, f)
	code, out, errs := s.run("", "approve", "rq_1", "--for", "30m")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	has(t, errs, "https://curfew.acme.io/touch/to_1")
	has(t, out, "✓ Alice Moreau may use")
	var asked client.TouchAsk
	if err := json.Unmarshal([]byte(f.called("POST /touches")[0].body), &asked); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(asked.Body)
	has(t, asked.Path+string(text), "/requests/rq_1/approve", `"digest":"a1b2c3"`, `"for":"30m0s"`)
	if len(f.called("POST /requests/rq_1/approve")) != 0 {
		t.Error("the command line decided by itself")
	}
	// With --json only JSON is on standard output.
	f = withPasskey(t, client.Touch{ID: "to_1", Status: "done", Result: aRequest("approved")})
	has(t, newShell(t, f).must("", "--json", "approve", "rq_1"), `"kind":"request"`)
}

func TestATouchThatFailsSaysWhy(t *testing.T) {
	f := withPasskey(t, client.Touch{ID: "to_1", Status: "failed", Fault: &client.Fault{Code: "request.over", Title: "It is over", Detail: "the request has lapsed", Status: http.StatusGone}})
	code, _, errs := newShell(t, f).run("", "deny", "rq_1", "--why", "no")
	if code == 0 {
		t.Error("exit 0")
	}
	has(t, errs, "The request has lapsed.")
	f = withPasskey(t, client.Touch{})
	f.on("GET /touches/to_1", faults(http.StatusNotFound, "touch.unknown", "nothing of yours waits"))
	code, _, errs = newShell(t, f).run("", "approve", "rq_1")
	if code != exitLapsed {
		t.Errorf("exit %d", code)
	}
	has(t, errs, "Nobody touched in time; nothing was changed")
}

func TestWhatNobodyWaitsForIsTakenBack(t *testing.T) {
	f := withPasskey(t, client.Touch{ID: "to_1", Status: "waiting"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(f.called("GET /touches/to_1")) == 0 && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	if code, _, _ := newShell(t, f).runIn(ctx, "", "approve", "rq_1"); code == 0 {
		t.Error("exit 0")
	}
	if len(f.called("POST /touches/to_1/drop")) != 1 {
		t.Error("it goes on waiting")
	}
}

func TestEveryChangeWaitsForTheTouch(t *testing.T) {
	for path, args := range map[string][]string{
		"/config/apply":                      {"apply", "-f", "testdata/curfew.yaml", "--yes"},
		"/plans/plan_0011223344556677/agree": {"approve", "plan_0011223344556677"},
		"/statements/st_1/release":           {"approve", "st_1"},
		"/statements/st_1/refuse":            {"deny", "st_1", "--why", "no"},
		"/requests/rq_1/deny":                {"deny", "rq_1", "--why", "no"},
		"/people/invite":                     {"invite", "ben@acme.io"},
		"/clock/confirm":                     {"doctor", "--confirm-clock"},
		"/sessions/s_1/hold":                 {"sessions", "hold", "s_1", "--reason", "x"},
		"/sessions/s_1/release":              {"sessions", "release", "s_1", "--reason", "x"},
	} {
		f := withPasskey(t, client.Touch{ID: "to_1", Status: "failed"})
		_, _, errs := newShell(t, f).run("", args...)
		asked := f.called("POST /touches")
		if len(asked) != 1 || !strings.Contains(asked[0].body, `"path":"`+path+`"`) || strings.Contains(asked[0].body, "passphrase") {
			t.Errorf("%v: %+v\n%s", args, asked, errs)
		}
	}
}
