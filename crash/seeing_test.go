package crash

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// curfew runs the command line as somebody, and returns what it says and its code.
func (g *gateway) curfew(who person, stdin string, args ...string) (string, int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "CURFEW_SERVER=http://"+g.http, "CURFEW_TOKEN="+who.token, "CURFEW_CONFIG_DIR="+g.t.TempDir())
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		g.t.Fatalf("curfew %s: %v", strings.Join(args, " "), err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (g *gateway) must(who person, stdin string, args ...string) string {
	g.t.Helper()
	out, code := g.curfew(who, stdin, args...)
	if code != 0 {
		g.t.Fatalf("curfew %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// plain are the files of the data folder that hold a text.
func (g *gateway) plain(text string) (found []string) {
	g.t.Helper()
	err := filepath.WalkDir(g.path("curfew-data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has got another name meanwhile
		}
		if bytes.Contains(bytes.ToLower(b), []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.t.Fatal(err)
	}
	return found
}

// asks says something with a value of its own through a session, and returns the session.
func (g *gateway) asks(who person, grant, value string, leave bool) string {
	g.t.Helper()
	ctx := context.Background()
	conn, _ := g.connected(who, grant)
	var n int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM orders WHERE customer = $1 AND cents > 7", value).Scan(&n); err != nil {
		g.t.Fatal(err)
	}
	if !leave {
		_ = conn.Close(ctx)
	}
	var id string
	if !within(10*time.Second, func() bool {
		list, err := who.Sessions(ctx, client.Listing{Grant: grant})
		if err == nil && len(list.Items) > 0 {
			id = list.Items[0].ID
			return leave || !list.Items[0].Live
		}
		return false
	}) {
		g.t.Fatalf("no session:\n%s", tail(g.log()))
	}
	return id
}

// cutShort takes the end of a recording's file away, as somebody with the disk
// could: an export of what is left does not pass for the whole.
func (g *gateway) cutShort(who person, session, evidence string, key []string) {
	g.t.Helper()
	path := g.path(filepath.Join("curfew-data", "recordings", session+".rec"))
	whole, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, whole[:len(whole)-10], 0o600)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	g.must(who, "", "sessions", "export", session, "-o", evidence)
	out, code := g.curfew(who, "", append([]string{"sessions", "verify", evidence}, key...)...)
	if code != 1 || !strings.Contains(out, "it was cut short or written again") {
		g.t.Errorf("exit %d\n%s", code, out)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// TestSeeing searches, exports and holds what real sessions on a real PostgreSQL
// said, before and after the gateway is killed.
func TestSeeing(t *testing.T) {
	pg := shop(t)
	g := newGateway(t, "seeing", loginOf(pg))
	g.start()
	people := g.everybody(pg)
	w1, w2, ada, pass := people["w1"], people["w2"], people["ada"], passphrase(people["ada"].email)+"\n"
	grant := g.given(w1)
	id := g.asks(w1, grant.ID, "needlecanary", false)
	// A second session lives when the gateway is killed.
	other := g.given(w2)
	cut := g.asks(w2, other.ID, "cutcanary", true)

	search := func(who person, words, want string) {
		t.Helper()
		out := g.must(who, "", "sessions", "search", words, "--json")
		if found := strings.Contains(out, want); want != "" && !found || want == "" && strings.Contains(out, `"kind":"hit"`) {
			t.Errorf("%s for %q, want %q:\n%s", who.email, words, want, out)
		}
	}
	searches := func() {
		t.Helper()
		search(w1, "needlecanary", id)
		search(w1, "needle* customer", id)
		search(w1, "cutcanary", "") // w2's
		search(w2, "cutcanary", cut)
		search(ada, "needlecanary", "") // she may see shapes
		search(ada, "customer", id)
	}
	searches()
	evidence := filepath.Join(t.TempDir(), "evidence")
	key := []string{"--genesis-key", g.said["genesis"]}
	verify := func(who person, session string, wants ...string) {
		t.Helper()
		g.must(who, "", "sessions", "export", session, "-o", evidence)
		out := g.must(who, "", append([]string{"sessions", "verify", evidence, "--items", "--session", session}, key...)...)
		for _, want := range append(wants, "Nothing was changed") {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
	verify(w1, id, "needlecanary", "shop/reader")
	if !within(20*time.Second, func() bool { // its head goes to the ledger a few seconds after its file
		g.must(w1, "", "sessions", "export", id, "-o", evidence)
		return strings.Contains(g.must(w1, "", append([]string{"sessions", "verify", evidence}, key...)...), "all of it since")
	}) {
		t.Error("its head is not in the ledger")
	}
	text, err := os.ReadFile(evidence)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(evidence, bytes.Replace(text, []byte(`"text":"needlecanary"`), []byte(`"text":"somebodyelse"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := g.curfew(w1, "", append([]string{"sessions", "verify", evidence}, key...)...); code != 1 || !strings.Contains(out, "was edited: it is not what was recorded") {
		t.Errorf("exit %d\n%s", code, out)
	}
	verify(ada, id, "without values", "WHERE customer = $?")
	if text, _ := os.ReadFile(evidence); bytes.Contains(text, []byte("canary")) || bytes.Contains(text, []byte("curfew-secret")) {
		t.Error("who may see shapes takes values away")
	}

	g.kill()
	g.start()
	searches()
	verify(w1, id, "needlecanary")
	verify(w2, cut, "cutcanary", "it does not end as a session ends")
	for _, canary := range []string{"needlecanary", "cutcanary"} {
		if found := g.plain(canary); len(found) > 0 {
			t.Errorf("%s is in clear in %v", canary, found)
		}
	}

	g.cutShort(w1, id, evidence, key)

	files := strings.Replace(configurationOf(pg), "people:", "retention: { recordings: 90d }\n\npeople:", 1)
	path := filepath.Join(t.TempDir(), "curfew.yaml")
	if err := os.WriteFile(path, []byte(files), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := g.must(ada, "", "plan", "-f", path); !strings.Contains(out, "for ever → 90 days, those made from now on") {
		t.Errorf("%s", out)
	}
	g.must(ada, pass, "apply", "-f", path, "--yes", "--passphrase-stdin")
	if out := g.must(ada, "", "explain"); !strings.Contains(out, "Recordings are removed 90 days after their session's end") {
		t.Errorf("%s", out)
	}
	third := g.asks(w1, grant.ID, "latecanary", false)
	if out := g.must(ada, "", "show", third); !strings.Contains(out, "kept until") {
		t.Errorf("what was recorded under the retention:\n%s", out)
	}
	if out := g.must(ada, "", "show", id); strings.Contains(out, "kept until") {
		t.Errorf("what was recorded before it:\n%s", out)
	}
	g.must(ada, pass, "sessions", "hold", third, "--reason", "inquiry 7", "--passphrase-stdin")
	if out := g.must(ada, "", "show", third); !strings.Contains(out, "inquiry 7") {
		t.Errorf("%s", out)
	}
	if out, code := g.curfew(ada, pass, "sessions", "release", third, "--reason", "over", "--passphrase-stdin"); code != 3 || !strings.Contains(out, "you hold it") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out, code := g.curfew(w1, passphrase(w1.email)+"\n", "sessions", "hold", third, "--reason", "mine", "--passphrase-stdin"); code != 3 {
		t.Errorf("exit %d\n%s", code, out)
	}
	g.verify(ada)
}
