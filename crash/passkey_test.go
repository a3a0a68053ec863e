package crash

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// TestConsolePasskeys has Chromium's own authenticators decide, in the page and for a
// command line; what they signed is in the ledger, which verifies offline.
func TestConsolePasskeys(t *testing.T) {
	together(t)
	g, people, who := looked(t, "touch")
	var waiting *child
	var asked string
	ask := func() {
		w2 := people["w2"]
		has, err := w2.Grants(context.Background(), client.Listing{Status: "active"})
		for _, g := range has.Items { // one asks for what one has not
			_, _ = w2.GiveBack(context.Background(), g.ID)
		}
		if err != nil {
			t.Errorf("list: %v", err)
		}
		r, err := w2.Ask(context.Background(), client.Ask{Role: "shop/mender", Resource: "shop-db", For: "20m", Reason: "canary <b>of the reason</b>"})
		if err != nil {
			t.Errorf("ask: %v", err)
		}
		asked = r.ID
	}
	wait := func(args ...string) (page string) {
		ask()
		waiting, page = g.waitsForTouch(people["lea"], append(args, asked)...)
		return page
	}
	browse(t, g, "passkey.mjs", map[string]any{"canary": "canary <b>of the reason</b>", "people": who}, func(what string) string {
		switch what {
		case "ask":
			ask()
			return "done"
		case "approve":
			return wait("approve")
		case "deny":
			return wait("deny", "--why", "not now")
		case "approved", "denied":
			select {
			case <-waiting.gone:
			case <-time.After(20 * time.Second):
				t.Error("the command line goes on waiting")
			}
			if what == "approved" {
				g.evidenceByPasskey(people["w2"], asked)
			}
			return strconv.Itoa(waiting.cmd.ProcessState.ExitCode())
		}
		t.Errorf("nobody can %s", what)
		return "done"
	})
	g.verify(people["lea"])
}

// waitsForTouch runs a command that waits for a touch, and is where that is done.
func (g *gateway) waitsForTouch(who person, args ...string) (*child, string) {
	g.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "CURFEW_SERVER=http://"+g.http, "CURFEW_TOKEN="+who.token, "CURFEW_CONFIG_DIR="+g.t.TempDir())
	out, said := io.Pipe()
	cmd.Stderr = said
	c := launch(g.t, cmd)
	go func() { <-c.gone; _ = said.Close() }()
	page := regexp.MustCompile(`http://\S+/touch/\S+`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if at := page.FindString(lines.Text()); at != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return c, at
		}
	}
	g.t.Errorf("curfew %v leads to no page", args)
	return c, ""
}

// evidenceByPasskey uses what was approved by a touch: the evidence of the session says
// so to whoever has nothing but the file and the genesis key.
func (g *gateway) evidenceByPasskey(who person, request string) {
	g.t.Helper()
	r, err := who.Request(context.Background(), request)
	if err != nil || r.Grant == "" {
		g.t.Errorf("the request: %+v %v", r, err)
		return
	}
	conn, _ := g.connected(who, r.Grant)
	if _, err := conn.Exec(context.Background(), "UPDATE refunds SET note = 'touched' WHERE false"); err != nil {
		g.t.Errorf("a statement: %v", err)
	}
	_ = conn.Close(context.Background())
	all, err := who.Sessions(context.Background(), client.Listing{Grant: r.Grant})
	if err != nil || len(all.Items) != 1 {
		g.t.Errorf("its sessions: %+v %v", all, err)
		return
	}
	file := filepath.Join(g.t.TempDir(), "evidence")
	g.must(who, "", "sessions", "export", all.Items[0].ID, "-o", file)
	if out := g.must(who, "", "sessions", "verify", file, "--genesis-key", g.said["genesis"]); !strings.Contains(out, " by passkey") || !strings.Contains(out, "Nothing was changed") {
		g.t.Errorf("the evidence: %s", out)
	}
}
