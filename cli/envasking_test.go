package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/client"
)

func asksOnConnect() []string {
	return []string{"env", "orders-db", "--ask-on-connect", "--role", "orders/refund", "--for", "45m", "--reason", "refunds stuck"}
}

func TestEnvThatAsksOnConnect(t *testing.T) {
	f := newFake(t)
	f.on("POST /credentials", gives(aCredential()))
	s := newShell(t, f)
	code, out, errs := s.run("", asksOnConnect()...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	has(t, out, "export PGHOST='127.0.0.1'\n", "export PGPASSFILE='")
	has(t, errs, "Nothing is asked yet. The first client that connects asks for orders/refund-fixer on orders-db for 45 min, once, and waits.")
	hasNot(t, out+errs, "s3cr")
	asked := f.called("POST /credentials")
	if len(asked) != 1 || len(f.called("POST /requests")) != 0 {
		t.Fatalf("it called %d times, and asked %d times", len(asked), len(f.called("POST /requests")))
	}
	has(t, asked[0].body, `"role":"orders/refund-fixer"`, `"resource":"orders-db"`, `"for":"45m0s"`, `"reason":"refunds stuck"`)
	paths, _ := filepath.Glob(filepath.Join(s.env["CURFEW_CONFIG_DIR"], "connections", "*-asking-*", "pass"))
	if len(paths) != 1 {
		t.Fatalf("%d passfiles, want 1", len(paths))
	}
	if info, err := os.Stat(paths[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	var got envJSON
	out = s.must("", append([]string{"--json"}, asksOnConnect()...)...)
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Asks != "orders/refund-fixer" || got.Grant != "" || got.Env["PGHOST"] != "127.0.0.1" {
		t.Errorf("%s %v", out, err)
	}
	hasNot(t, out, "s3cr")
}

func TestEnvThatAsksOnConnectSaysWhatIsMissing(t *testing.T) {
	f := newFake(t)
	for missing, args := range map[string][]string{
		"--role": {"--for", "45m", "--reason", "x"}, "--for": {"--role", "orders/read", "--reason", "x"}, "--reason": {"--role", "orders/read", "--for", "45m"},
		"--no-wait": {"--role", "orders/read", "--for", "45m", "--reason", "x", "--no-wait"},
	} {
		code, _, errs := newShell(t, f).run("", append([]string{"env", "orders-db", "--ask-on-connect"}, args...)...)
		if code != 2 {
			t.Errorf("without %s: exit %d", missing, code)
		}
		has(t, errs, missing)
	}
}

func TestShowSaysThatAConnectionAsked(t *testing.T) {
	f := newFake(t)
	r := aRequest("pending")
	r.From = "a connection that waits for the answer"
	f.on("GET /requests/rq_1", gives(r))
	has(t, newShell(t, f).must("", "show", "rq_1"), "asked by", "a connection that waits for the answer")
}

func TestEnvThatAsksShowsNothingThatActs(t *testing.T) {
	for _, text := range corpus() {
		f := newFake(t)
		c := aCredential()
		f.on("POST /credentials", gives(client.Credential{Engine: c.Engine, Host: c.Host, Port: c.Port, Database: c.Database, User: text, Password: "x", Until: c.Until, TLS: text}))
		for _, face := range []string{"--quiet=false", "--json"} {
			_, out, errs := newShell(t, f).run("", append([]string{face}, asksOnConnect()...)...)
			still(t, "env that asks "+face, out+errs)
		}
	}
}
