package browse

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// configuration: whoever works may use the live application at once, and the shop when
// a lead agrees.
const configuration = `curfew: v1

people:
  ada@shop.example:   { name: Ada Admin }
  lea@shop.example:   { name: Lea Lead }
  alice@shop.example: { name: Alice Moreau }
  mallory@shop.example: { name: Mallory }

groups:
  workers: [alice@shop.example]
  leads: [lea@shop.example]
  administrators: [ada@shop.example]

resources:
  shop:
    type: http
    address: %s
    account: fixed
    options: { scheme: http }
  live:
    type: http
    address: %s
    account: fixed
    options: { scheme: http }

roles:
  shop/clerk:
    about: Look at the shop, and mark orders.
    on: shop
    may: [read /**, post /orders/*]
    never: [any /admin/**]
    longest: 2h
  live/watcher:
    on: live
    may: [read /**, post /**, websocket /socket]
    longest: 2h

policies:
  clerks:
    who: workers
    may have: shop/clerk
    needs:
      - approvals: 1
        from: leads
        not: requester
    at most: 1h
  watchers:
    who: workers
    may have: live/watcher
    at most: 1h
`

// gateway is the program, with two applications behind it.
type gateway struct {
	t      *testing.T
	folder string
	said   map[string]string
	shop   *nginx
	live   string
	people map[string]*client.Client
	tokens map[string]string
}

func passphrase(who string) string { return "the long passphrase of " + who }

// launch starts a process that ends with the test, with this process's death at the latest.
func launch(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
	})
}

func within(d time.Duration, f func() bool) bool {
	for end := time.Now().Add(d); ; time.Sleep(10 * time.Millisecond) {
		if f() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{t: t, folder: t.TempDir(), said: map[string]string{}, people: map[string]*client.Client{}, tokens: map[string]string{}}
	g.shop = startNginx(t)
	g.live = startLive(t)
	cmd := exec.Command(program, "up", "--data", g.path("data"), "--node", g.path("node"), "--http", "127.0.0.1:0", "--postgres", "127.0.0.1:0", "--mysql", "", "--ssh", "", "--tcp", "", "--apps", "127.0.0.1:0",
		"--deployment", "browse", "--admin", "ada@shop.example", "--addresses", g.path("addresses"), "--quiet")
	log, err := os.Create(g.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if text, _ := os.ReadFile(g.path("log")); t.Failed() {
			t.Logf("the gateway said:\n%s", text)
		}
		_ = log.Close()
	})
	cmd.Stdout, cmd.Stderr = log, log
	launch(t, cmd)
	var text []byte
	if !within(20*time.Second, func() bool { text, err = os.ReadFile(g.path("addresses")); return err == nil }) {
		t.Fatal("the gateway does not start")
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		g.said[key] = value
	}
	return g
}

func (g *gateway) path(name string) string { return filepath.Join(g.folder, name) }

// app is where a browser finds an application.
func (g *gateway) app(name string) string {
	_, port, _ := net.SplitHostPort(g.said["apps"])
	return "http://" + name + ".localhost:" + port
}

func (g *gateway) api(token string) *client.Client {
	g.t.Helper()
	c, err := client.New(g.said["api"], token, client.Options{Timeout: 15 * time.Second})
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// signIn signs somebody in by the API, with a link the first time.
func (g *gateway) signIn(who, link string) {
	g.t.Helper()
	in := client.SignIn{Email: who + "@shop.example", Passphrase: passphrase(who), Device: "test"}
	if link != "" {
		in.Link, in.Email = link, ""
	}
	got, err := g.api("").SignIn(context.Background(), in)
	if err != nil {
		g.t.Fatalf("%s signs in: %v", who, err)
	}
	g.people[who], g.tokens[who] = g.api(got.Token), got.Token
}

// everybody applies the configuration and has all of them sign in but the named.
func (g *gateway) everybody(but ...string) (links map[string]string) {
	g.t.Helper()
	ctx := context.Background()
	ada := g.people["ada"]
	files := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: fmt.Sprintf(configuration, g.shop.address, g.live)}}}
	plan, err := ada.Plan(ctx, files)
	if err != nil || len(plan.Problems) > 0 {
		g.t.Fatalf("plan: %v %+v", err, plan.Problems)
	}
	files.Plan, files.Passphrase = plan.ID, passphrase("ada")
	if plan, err = ada.Apply(ctx, files); err != nil || plan.Status != "applied" {
		g.t.Fatalf("apply: %s %v", plan.Status, err)
	}
	links = map[string]string{}
	for _, who := range []string{"lea", "alice", "mallory"} {
		in, err := ada.Invite(ctx, client.Invite{Email: who + "@shop.example", Passphrase: passphrase("ada")})
		if err != nil {
			g.t.Fatalf("invite %s: %v", who, err)
		}
		links[who] = in.Link
		if len(but) == 0 || but[0] != who {
			g.signIn(who, in.Link)
		}
	}
	return links
}

// startLive starts an application with a WebSocket and streams of events.
func startLive(t *testing.T) (address string) {
	t.Helper()
	cmd := node("live.mjs")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	launch(t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the live application does not start: %v", err)
	}
	return "127.0.0.1:" + strings.TrimSpace(line)
}

// node runs one of our scripts, as they are now, with the modules that scripts/need-web
// has installed: they are looked for from where the script lies.
func node(script string, args ...string) *exec.Cmd {
	if text, err := os.ReadFile(filepath.Join("testdata", "node", script)); err == nil {
		_ = os.WriteFile(filepath.Join(modules, script), text, 0o600) // node says so if it is not there
	}
	cmd := exec.Command("node", append([]string{filepath.Join(modules, script)}, args...)...)
	cmd.Dir, cmd.Stderr = modules, os.Stderr
	return cmd
}
