package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// TestConsole drives the console in Chromium, with the whole program behind it, which is
// stopped and started again in the middle. It needs what scripts/need-web installs, and
// runs where CURFEW_BROWSER says that it is there; make test names it where it did not.
func TestConsole(t *testing.T) {
	modules := os.Getenv("CURFEW_BROWSER")
	if modules == "" {
		t.Skip("CURFEW_BROWSER does not say where the browser's driver is: make test does, and names what did not run")
	}
	pg := shop(t)
	g := newGateway(t, "look", loginOf(pg))
	g.start()
	people := g.everybody(pg, "mallory")
	ada, ctx := people["ada"], context.Background()
	text := strings.Replace(configurationOf(pg), "  administrators: [ada@shop.example]\n", "  administrators: [ada@shop.example]\n  auditors: [lea@shop.example]\n", 1)
	text = strings.Replace(text, "  workers: [", "  workers: [lea@shop.example, ", 1) // so that she may see what the workers see
	text = strings.Replace(text, "\ngroups:\n", "  mallory@shop.example: { name: Mallory }\n\ngroups:\n", 1)
	files := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: text}}}
	plan, err := ada.Plan(ctx, files)
	if err != nil || slices.ContainsFunc(plan.Problems, func(p client.Problem) bool { return !p.Warning }) {
		t.Fatalf("plan: %v %+v", err, plan)
	}
	files.Plan, files.Passphrase = plan.ID, passphrase(ada.email)
	if plan, err = ada.Apply(ctx, files); err != nil || plan.Status != "applied" {
		t.Fatalf("apply: %+v %v", plan, err)
	}
	who := func(name, shown string) map[string]string {
		return map[string]string{"email": name + "@shop.example", "passphrase": passphrase(name + "@shop.example"), "name": shown}
	}
	given, err := json.Marshal(map[string]any{
		"base": g.said["console"], "chromium": chromium(t), "modules": modules, "shots": shots(t), "role": "shop/mender", "canary": "canary-of-the-reason",
		"people": map[string]any{"alice": who("w1", "Worker One"), "dana": who("lea", "Lea Lead"), "worker": who("w2", "Worker Two"), "stranger": who("mallory", "Mallory")},
	})
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(modules, "console.mjs")
	source, err := os.ReadFile("testdata/console/console.mjs")
	if err == nil {
		err = os.WriteFile(script, source, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script, string(given))
	cmd.Dir, cmd.Stderr = modules, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, said := io.Pipe()
	cmd.Stdout = said
	c := launch(t, cmd)
	go func() { <-c.gone; _ = said.Close() }()
	late := time.AfterFunc(5*time.Minute, func() { c.end(syscall.SIGKILL) })
	defer late.Stop()
	well := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		switch what, rest, _ := strings.Cut(line, " "); what {
		case "DO":
			do(t, g, people, rest)
			_, _ = io.WriteString(in, "done\n")
		case "FAULT":
			t.Error(rest)
		case "WELL":
			well = true
		default:
			t.Log(line)
		}
	}
	if !well {
		t.Errorf("the browser did not come to the end\n%s", tail(g.log()))
	}
}

// do is what the browser asks for and only this process can.
func do(t *testing.T, g *gateway, people map[string]person, what string) {
	t.Helper()
	switch what {
	case "stop":
		g.stop()
	case "start":
		g.start()
	case "ask":
		if _, err := people["w2"].Ask(context.Background(), client.Ask{Role: "shop/mender", Resource: "shop-db", For: "20m", Reason: "asked while the page was away"}); err != nil {
			t.Errorf("ask: %v", err)
		}
	default:
		t.Errorf("nobody can %s", what)
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: scripts/need-web installs it")
	return ""
}

// shots is where the pictures go: a folder that is asked for, or one that is thrown away.
func shots(t *testing.T) string {
	t.Helper()
	if folder := os.Getenv("CURFEW_SHOTS"); folder != "" {
		return folder
	}
	return filepath.Join(t.TempDir(), "shots")
}
