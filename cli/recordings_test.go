package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const genesisOfEvidence = "UdxI0W4ktOibzIb3fJLruiY8qqrzorHb31o1IuW+Yqo="

func TestSearchesAreAskedForAsTheyWereTyped(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	_, _, errs := s.run("", "sessions", "search", "refund*", "4711", "--resource", "orders-db", "--until", "2026-06-01T14:00:00Z", "--limit", "7", "--before", "99")
	calls := f.called("GET /sessions/search")
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	has(t, calls[0].query, "words=refund%2A+4711", "resource=orders-db", "until=2026-06-01T14%3A00%3A00Z", "limit=7", "before=99")
	has(t, errs, "3 sessions in 14 sessions searched. 1 recording has been removed by the retention.", "--before 23")
	for _, c := range []struct {
		args string
		want string
	}{{"search", "omething is missing"}, {"search ***", "no word to search for"}, {"search a*", "too short"}, {"search x --limit 101", "at most 100"}, {"search x --since someday", "is no time"}, {"serach x", "no command"}} {
		code, _, errs := s.run("", append([]string{"sessions"}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("sessions %s: exit %d, %s", c.args, code, errs)
		}
	}
}

func TestARemovedRecordingSaysSo(t *testing.T) {
	f := newFake(t)
	f.on("GET /sessions/s_2/transcript", faults(404, "recording.removed", "the recording of s_2 was removed on 2026-08-31 14:02 UTC by the retention of 90 days; its head stays in the ledger"))
	for _, cmd := range []string{"transcript", "replay"} {
		code, _, errs := newShell(t, f).run("", cmd, "s_2")
		if code != exitNotFound || !strings.Contains(errs, "by the retention of 90 days") {
			t.Errorf("%s: exit %d, %s", cmd, code, errs)
		}
	}
}

func TestAnExportIsWholeOrNotThere(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "s_1.evidence")
	f := newFake(t)
	out := newShell(t, f).must("", "sessions", "export", "s_1", "-o", path)
	has(t, out, "curfew sessions verify", "--genesis-key")
	if text, err := os.ReadFile(path); err != nil || string(text) != "{\"evidence\":{}}\n" {
		t.Errorf("%q %v", text, err)
	}
	if out := newShell(t, f).must("", "sessions", "export", "s_1"); out != "{\"evidence\":{}}\n" {
		t.Errorf("%q", out)
	}
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", 10000)))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(cut.Close)
	s := newShell(t, f)
	s.env["CURFEW_SERVER"] = cut.URL
	other := filepath.Join(folder, "other")
	if code, _, errs := s.run("", "sessions", "export", "s_1", "-o", other); code != exitUnreachable || errs == "" {
		t.Errorf("exit %d, %s", code, errs)
	}
	if left, _ := os.ReadDir(folder); len(left) != 1 {
		t.Errorf("half a file is left: %v", left)
	}
}

func TestVerifyingASession(t *testing.T) {
	const path = "testdata/session.evidence"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written := func(change func(string) string) string {
		name := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(name, []byte(change(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	edited := written(func(s string) string { return strings.Replace(s, `"text":"retry"`, `"text":"other"`, 1) })
	hostile := written(func(s string) string {
		return strings.Replace(s, `"session":"s_0000000000000001"`, `"session":"s_\u001b]0;owned\u0007\u202e"`, 1)
	})
	const key = "--genesis-key=" + genesisOfEvidence
	for _, c := range []struct {
		name  string
		stdin string
		args  []string
		code  int
		want  string
	}{
		{"whole", "", []string{path, key}, exitDone, "Nothing was changed"},
		{"from standard input", string(text), []string{"-", key}, exitDone, "Nothing was changed"},
		{"of the right session", "", []string{path, key, "--session", "s_0000000000000001"}, exitDone, "Nothing was changed"},
		{"of another session", "", []string{path, key, "--session", "s_0000000000000002"}, exitFailed, "not of s_0000000000000002"},
		{"without a key", "", []string{path}, exitDone, "give --genesis-key"},
		{"a value edited", "", []string{edited, key, "--items"}, exitFailed, "item 3 was edited: it is not what was recorded (line 15)"},
		{"another deployment's key", "", []string{path, "--genesis-key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, exitFailed, "another key than the genesis key"},
		{"no key", "", []string{path, "--genesis-key", "x"}, exitUsage, "no genesis key"},
		{"no file", "", []string{"nowhere", key}, exitNotFound, "curfew sessions export"},
		{"no evidence", "hello\n", []string{"-", key}, exitUsage, "his is no evidence"},
		{"another kind of file", "", []string{"testdata/curfew.yaml", key}, exitUsage, "his is no evidence"},
		{"items of what can be read once", string(text), []string{"-", key, "--items"}, exitUsage, "a second time"},
		{"a header that acts", "", []string{hostile, key}, exitFailed, "was not"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := newShell(t, newFake(t)).run(c.stdin, append([]string{"sessions", "verify"}, c.args...)...)
			if code != c.code || c.name != "a header that acts" && !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %d\n%s%s", code, c.code, out, errs)
			}
			if code != exitDone && strings.Contains(out, "select") {
				t.Errorf("what was changed is shown as if it were not:\n%s", out)
			}
			still(t, c.name, out+errs)
		})
	}
}

func TestHoldingTakesAReasonAndAPassphrase(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	if code, _, errs := s.run(passOnStdin, "sessions", "hold", "s_1", "--passphrase-stdin"); code != exitUsage || !strings.Contains(errs, "--reason") {
		t.Errorf("exit %d, %s", code, errs)
	}
	if code, _, _ := s.run("", "sessions", "hold", "s_1", "--reason", "x"); code != exitNotSignedIn {
		t.Errorf("exit %d", code)
	}
	s.must(passOnStdin, "sessions", "hold", "s_1", "--reason", "inquiry 7", "--passphrase-stdin")
	calls := f.called("POST /sessions/s_1/hold")
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	has(t, calls[0].body, `"reason":"inquiry 7"`, `"passphrase":"correct horse battery"`)
	f.on("POST /sessions/s_1/release", faults(403, "recording.second", "you may not release the recording of s_1: you hold it"))
	if code, _, errs := s.run(passOnStdin, "sessions", "release", "s_1", "--reason", "x", "--passphrase-stdin"); code != exitDenied || !strings.Contains(errs, "you hold it") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
