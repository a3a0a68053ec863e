package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/client"
)

func TestApproveByNumberIsForWhatWasListed(t *testing.T) {
	f := newFake(t)
	f.on("GET /requests/rq_1", gives(aRequest("pending")))
	s := newShell(t, f)
	s.must("", "review")
	out := s.must(passOnStdin, "approve", "1", "--for", "30m", "--passphrase-stdin")
	has(t, out, "Alice Moreau may change refunds", "✓ Alice Moreau may use orders/refund-fixer on orders-db for 45 min, until 14:47.   undo: curfew cut gr_7Q2")
	sent := f.called("POST /requests/rq_1/approve")
	has(t, sent[0].body, `"digest":"a1b2c3"`, `"for":"30m0s"`, `"passphrase":"correct horse battery"`)

	changed := aRequest("pending")
	changed.Digest = "ffff"
	f.on("GET /requests/rq_1", gives(changed))
	code, _, errs := s.run(passOnStdin, "approve", "1", "--passphrase-stdin")
	if code != 1 || len(f.called("POST /requests/rq_1/approve")) != 1 {
		t.Errorf("exit %d: a request that changed since it was listed was approved", code)
	}
	has(t, errs, "it has changed since", "curfew review")
}

func TestApproveAsksOnTheTerminal(t *testing.T) {
	f := newFake(t)
	f.on("GET /requests/rq_1", gives(aRequest("pending")))
	s := newShell(t, f)
	s.person = &person{secrets: []string{"typed"}}
	s.must("", "approve", "rq_1")
	has(t, f.called("POST /requests/rq_1/approve")[0].body, `"passphrase":"typed"`)
}

func TestOnlyWhoMayDecideIsAskedForAPassphrase(t *testing.T) {
	f := newFake(t)
	r := aRequest("pending")
	r.MayDecide, r.WhyNot = false, "you asked for it"
	f.on("GET /requests/rq_1", gives(r))
	code, _, errs := newShell(t, f).run(passOnStdin, "approve", "rq_1", "--passphrase-stdin")
	if code != 3 || len(f.called("POST /requests/rq_1/approve")) != 0 {
		t.Errorf("exit %d", code)
	}
	has(t, errs, "you asked for it")
}

func TestAnApprovalThatIsNotTheLast(t *testing.T) {
	f := newFake(t)
	f.on("GET /requests/rq_1", gives(aRequest("pending")))
	f.on("POST /requests/rq_1/approve", gives(aRequest("pending")))
	has(t, newShell(t, f).must(passOnStdin, "approve", "rq_1", "--passphrase-stdin"), "Your approval counts. It takes more:")
}

func TestDenyGivesTheWords(t *testing.T) {
	f := newFake(t)
	f.on("GET /requests/rq_1", gives(aRequest("pending")))
	has(t, newShell(t, f).must(passOnStdin, "deny", "rq_1", "--why", "wrong cluster", "--passphrase-stdin"), "✓ Denied. Alice Moreau reads why.")
	has(t, f.called("POST /requests/rq_1/deny")[0].body, `"why":"wrong cluster"`)
}

func TestApplyThatWaitsForASecondPerson(t *testing.T) {
	f := newFake(t)
	f.on("POST /config/apply", gives(aPlan("waiting")))
	code, out, _ := newShell(t, f).run(passOnStdin, "apply", "-f", "testdata/curfew.yaml", "--yes", "--passphrase-stdin")
	if code != 5 {
		t.Errorf("exit %d, want 5", code)
	}
	has(t, out, "Somebody gains, so a second administrator who gains nothing by it must agree.", "Waiting for a second administrator")
}

func TestBootstrapIsSaid(t *testing.T) {
	f := newFake(t)
	p := aPlan("planned")
	p.Bootstrap = true
	f.on("POST /config/plan", gives(p))
	has(t, newShell(t, f).must("", "plan", "-f", "testdata/curfew.yaml"), "one person may apply this alone. The ledger says so.")
}

func TestFaultsOfFilesAreSaidWithTheirLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("curfew: v1\npolcies: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	for _, cmd := range []string{"validate", "plan", "apply"} {
		code, _, errs := newShell(t, f).run("", cmd, "-f", file)
		if code != 1 {
			t.Errorf("%s: exit %d, want 1", cmd, code)
		}
		has(t, errs, "bad.yaml:2:1: ", "policies")
	}
	if n := len(f.called("POST /config/plan")); n != 0 {
		t.Errorf("a file that cannot be read was sent %d times", n)
	}
}

func TestPlanCheckFindsDifferences(t *testing.T) {
	f := newFake(t)
	if code, _, _ := newShell(t, f).run("", "plan", "--check", "-f", "testdata/curfew.yaml"); code != 8 {
		t.Errorf("exit %d, want 8", code)
	}
	f.on("POST /config/plan", gives(client.Plan{Status: "empty", Lines: []string{}}))
	if code, _, _ := newShell(t, f).run("", "plan", "--check", "-f", "testdata/curfew.yaml"); code != 0 {
		t.Errorf("nothing changes: exit %d, want 0", code)
	}
}

func TestDisableWantsTheName(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	s.person = &person{}
	if code, _, _ := s.run("alice\n", "disable", "alice"); code != 1 || len(f.called("POST /people/p_alice/disable")) != 0 {
		t.Errorf("exit %d: half a name was enough", code)
	}
	if code, _, errs := s.run("Alice Moreau\n", "disable", "alice"); code != 0 {
		t.Errorf("exit %d: %s", code, errs)
	}
}
