package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/client"
)

// fakePsql puts a psql on the path that writes down how it was started.
func fakePsql(t *testing.T, tail string) (notes string) {
	t.Helper()
	dir := t.TempDir()
	notes = filepath.Join(dir, "notes")
	script := "#!/bin/sh\n{ echo \"argv: $*\"; tr '\\0' '\\n' </proc/$$/cmdline; env | grep -E '^(PG|CURFEW)'; echo \"mode: $(stat -c %a \"$PGPASSFILE\")\"; printf 'pass: '; cat \"$PGPASSFILE\"; } >'" + notes + "'\n" + tail + "\n"
	if err := os.WriteFile(filepath.Join(dir, "psql"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("PGHOSTADDR", "192.0.2.1")
	t.Setenv("PGPASSWORD", "somebody's own")
	return notes
}

func TestConnectStartsTheClient(t *testing.T) {
	notes := fakePsql(t, "exit 3")
	f := newFake(t)
	f.on("GET /sessions", gives(list[client.Session]()))
	code, _, errs := newShell(t, f).run("", "connect", "orders", "--", "-c", "select 1")
	if code != 3 {
		t.Errorf("exit %d, want the client's own 3: %s", code, errs)
	}
	has(t, errs, "orders-db as orders/refund-fixer until 14:47 (45 min), approved by Dana Roux. Recorded. Done early: curfew give-back gr_7Q2")
	text, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(text), "-c select 1", "status --left gr_7Q2", "PGHOST=127.0.0.1\n", "PGPORT=6432", "PGUSER=c_PUBLIC", "PGDATABASE=orders-db", "PGSSLMODE=prefer", "mode: 600", `pass: 127.0.0.1:6432:orders-db:c_PUBLIC:s3cr\:et\\canary`)
	before, _, _ := strings.Cut(string(text), "pass: ")
	hasNot(t, before, "s3cr", "PGHOSTADDR", "PGPASSWORD", "cft.alice")
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "PGPASSFILE="); ok {
			if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
				t.Errorf("the credential is still at %s", path)
			}
		}
	}
}

func TestConnectChecksTheDoorsCertificate(t *testing.T) {
	notes := fakePsql(t, `cat "$PGSSLROOTCERT" >>'`+"$(dirname $0)/notes'")
	f := newFake(t)
	f.on("GET /sessions", gives(list[client.Session]()))
	cred := aCredential()
	cred.TLS = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
	f.on("POST /grants/gr_7Q2/credential", gives(cred))
	newShell(t, f).run("", "connect", "orders-db")
	text, _ := os.ReadFile(notes)
	has(t, string(text), "PGSSLMODE=verify-full", "PGSSLROOTCERT=")
}

func TestConnectSaysThatItWasCut(t *testing.T) {
	fakePsql(t, "exit 2")
	f := newFake(t)
	s := aSession()
	s.Live, s.Ended, s.Cause, s.CauseText, s.Opened = false, at(18), "revoked", "it was cut", at(0)
	f.on("GET /sessions", gives(list(s)))
	first := true
	f.on("GET /grants/gr_7Q2", func([]byte) (int, any) {
		g := aGrant()
		if !first {
			g.Status = "ended"
		}
		g.Status, g.EndedBy, g.EndedWhy, first = "ended", "Dana Roux", "wrong cluster", false
		return 200, g
	})
	code, _, errs := newShell(t, f).run("", "connect", "orders-db")
	if code != 124 {
		t.Errorf("exit %d, want 124", code)
	}
	has(t, errs, "Your session on orders-db was cut at 14:20: it was cut, by Dana Roux: “wrong cluster”.", "curfew request orders/refund-fixer")
}

func TestConnectAsksFirst(t *testing.T) {
	fakePsql(t, "exit 0")
	f := newFake(t)
	f.on("GET /grants", gives(list[client.Grant]()))
	f.on("GET /sessions", gives(list[client.Session]()))
	s := newShell(t, f)
	s.person = &person{}
	code, _, errs := s.run("2\nrefunds stuck\n45m\n", "connect", "orders-db")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	has(t, errs, "You don't have access to orders-db now. You can ask for:\n", "  1  orders/read   read orders   no approval needed, for INC-1423   up to 2 h\n",
		"  2  orders/refund-fixer   change refunds   one other person in payments   up to 2 h\n", "Choose [1]: Why?: How long? [30m]: ",
		"Asked. Dana Roux or Ben Okafor may decide.", "✓ Dana Roux approved 45 min, ends 14:47 (45 min)")
	asked := f.called("POST /requests")
	if len(asked) != 1 {
		t.Fatalf("it asked %d times", len(asked))
	}
	has(t, asked[0].body, `"role":"orders/refund-fixer"`, `"resource":"orders-db"`, `"for":"45m0s"`, `"reason":"refunds stuck"`)
}

func TestConnectWithNobodyToAsk(t *testing.T) {
	f := newFake(t)
	f.on("GET /grants", gives(list[client.Grant]()))
	code, _, errs := newShell(t, f).run("", "connect", "orders-db")
	if code != 3 {
		t.Errorf("exit %d, want 3", code)
	}
	has(t, errs, "You don't have access to orders-db now; you can ask for it.", "curfew connect orders-db --role orders/read --for 30m --reason …")
}

func TestEnvKeepsTheSecretInAFile(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	out := s.must("", "env", "orders-db")
	has(t, out, "export PGHOST='127.0.0.1'\n", "export PGPASSFILE='")
	hasNot(t, out, "s3cr")
	hasNot(t, s.must("", "--json", "env", "orders-db"), "s3cr")
	paths, _ := filepath.Glob(filepath.Join(s.env["CURFEW_CONFIG_DIR"], "connections", "*", "pass"))
	if len(paths) != 2 {
		t.Fatalf("%d passfiles, want 2", len(paths))
	}
	for _, p := range paths {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", p, info.Mode(), err)
		}
	}
	asked := f.called("POST /grants/gr_7Q2/credential")
	has(t, asked[0].body, `"many":true`, `"for":"45m0s"`)
}

func TestRunPassesTheCodeThrough(t *testing.T) {
	f := newFake(t)
	f.on("GET /sessions", gives(list[client.Session]()))
	code, _, errs := newShell(t, f).run("", "run", "orders-db", "--", "sh", "-c", "test -n \"$PGPASSFILE\" && exit 41")
	if code != 41 {
		t.Errorf("exit %d, want 41: %s", code, errs)
	}
}

func TestVerifyIsGivenByValue(t *testing.T) {
	s := newShell(t, newFake(t))
	if code, _, _ := s.run("", "ledger", "verify", "x"); code != 2 {
		t.Errorf("without it: exit %d, want 2", code)
	}
	var got VerifyArgs
	s.verify = func(_ context.Context, in VerifyArgs) error { got = in; return nil }
	s.must("", "ledger", "verify", "x.curfew", "--genesis-key", "k", "--every-head", "--witness", "a", "--witness", "b")
	if got.File != "x.curfew" || got.GenesisKey != "k" || !got.EveryHead || len(got.Witnesses) != 2 {
		t.Errorf("got %+v", got)
	}
}
