package cli

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const passOnStdin = "correct horse battery\n"

// commands are all commands that answer something, with what they need.
func commands() map[string]struct {
	stdin string
	args  []string
} {
	const file, evidence, genesis = "testdata/curfew.yaml", "testdata/session.evidence", "UdxI0W4ktOibzIb3fJLruiY8qqrzorHb31o1IuW+Yqo="
	type c = struct {
		stdin string
		args  []string
	}
	return map[string]c{
		"status": {"", []string{"status"}}, "status-left": {"", []string{"status", "--left", "gr_7Q2"}},
		"find": {"", []string{"find"}}, "request": {"", []string{"request", "orders/refund-fixer", "--for", "45m", "--reason", "refunds stuck"}},
		"requests": {"", []string{"requests"}}, "cancel": {"", []string{"cancel", "rq_1"}}, "review": {"", []string{"review"}},
		"show-request": {"", []string{"show", "rq_1"}}, "show-grant": {"", []string{"show", "gr_7Q2"}}, "show-grant-ended": {"", []string{"show", "gr_8R3"}}, "show-session": {"", []string{"show", "s_1"}},
		"show-statement": {"", []string{"show", "st_1"}}, "release": {passOnStdin, []string{"approve", "st_1", "--passphrase-stdin"}},
		"refuse":    {passOnStdin, []string{"deny", "st_1", "--why", "add a condition", "--passphrase-stdin"}},
		"show-plan": {"", []string{"show", "plan_0011223344556677"}}, "agree": {passOnStdin, []string{"approve", "plan_0011223344556677", "--passphrase-stdin"}},
		"drop": {"", []string{"deny", "plan_0011223344556677", "--why", "no"}}, "grants": {"", []string{"grants", "--all"}},
		"extend": {"", []string{"extend", "--for", "15m", "--reason", "still at it"}}, "give-back": {"", []string{"give-back", "orders"}},
		"cut": {"", []string{"cut", "gr_7Q2", "--why", "wrong cluster"}}, "cut-left": {"", []string{"cut", "gr_7Q2", "--left", "5m"}},
		"cut-session": {"", []string{"cut", "s_1"}}, "sessions": {"", []string{"sessions", "--all"}},
		"search":            {"", []string{"sessions", "search", "refunds", "pending", "--person", "alice", "--since", "9:00"}},
		"verify-session":    {"", []string{"sessions", "verify", evidence, "--genesis-key", genesis, "--items"}},
		"hold-recording":    {passOnStdin, []string{"sessions", "hold", "s_1", "--reason", "inquiry 7", "--passphrase-stdin"}},
		"release-recording": {passOnStdin, []string{"sessions", "release", "s_1", "--reason", "over", "--of", "tom", "--passphrase-stdin"}},
		"show-removed":      {"", []string{"show", "s_2"}}, "show-held": {"", []string{"show", "s_3"}}, "watch": {"", []string{"watch", "s_1"}},
		"transcript": {"", []string{"transcript", "s_1"}}, "audit": {"", []string{"audit", "--kind", "grant.", "--from", "9:00"}},
		"head": {"", []string{"ledger", "head"}}, "validate": {"", []string{"validate", "-f", file}}, "plan": {"", []string{"plan", "-f", file}},
		"apply": {passOnStdin, []string{"apply", "-f", file, "--yes", "--passphrase-stdin"}}, "explain": {"", []string{"explain"}},
		"why": {"", []string{"why", "alice", "orders/admin"}}, "can": {"", []string{"can", "alice", "--at", "yesterday 23:10"}}, "who-can": {"", []string{"who-can", "orders-db", "--at", "yesterday 23:10"}},
		"workflows": {"", []string{"workflow", "list"}}, "workflow-open": {"", []string{"workflow", "open", "INC-1423", "--kind", "incident"}},
		"workflow-close": {"", []string{"workflow", "close", "INC-1423"}}, "people": {"", []string{"people"}},
		"invite":  {passOnStdin, []string{"invite", "ben@acme.io", "--passphrase-stdin"}},
		"disable": {"", []string{"disable", "alice", "--yes"}}, "doctor": {"", []string{"doctor"}},
		"add-setup":     {"", []string{"add", "--setup", "orders-db"}},
		"confirm-clock": {passOnStdin, []string{"doctor", "--confirm-clock", "--passphrase-stdin"}}, "version": {"", []string{"version"}},
		"passkeys": {"", []string{"passkeys"}},
		"export":   {"", []string{"export"}},
		"timeline": {"", []string{"timeline", "s_1"}}, "timeline-slowest": {"", []string{"timeline", "s_1", "--slowest", "1"}},
		"replay": {"", []string{"replay", "s_1"}}, "replay-from": {"", []string{"replay", "s_1", "--from", "14:03:01", "--idle", "10s"}},
	}
}

// TestGolden pins both faces of every command: what people read, and the JSON
// contract, of which fields are only ever added.
func TestGolden(t *testing.T) {
	for name, c := range commands() {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			s := newShell(t, f)
			redact := strings.NewReplacer(f.URL, "http://SERVER")
			golden(t, name+".txt", redact.Replace(s.must(c.stdin, c.args...)))
			out := s.must(c.stdin, append([]string{"--json"}, c.args...)...)
			lines := bufio.NewScanner(strings.NewReader(out))
			for lines.Scan() {
				var head struct{ API, Kind string }
				if err := json.Unmarshal(lines.Bytes(), &head); err != nil || head.API != "curfew/v1" || head.Kind == "" {
					t.Errorf("this is not the contract: %s", lines.Text())
				}
			}
			golden(t, name+".json", redact.Replace(out))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}
