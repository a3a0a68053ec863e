package crash

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/servers"
)

// gateway is one deployment: its folders and ports stay, its process comes and goes.
type gateway struct {
	t          *testing.T
	deployment string
	folder     string // as the program sees it
	seen       string // as the test sees it; the same, or by way of another mount namespace
	wrap       []string
	http, pg   string
	login      string // what the target is reached with
	flags      []string
	logs       string // a file beside the folder: what runs on a full disk logs elsewhere
	run        *child
	said       map[string]string // of the addresses file
}

func newGateway(t *testing.T, deployment, login string) *gateway {
	t.Helper()
	folder := t.TempDir()
	return &gateway{t: t, deployment: deployment, folder: folder, seen: folder, http: freeAddress(t), pg: freeAddress(t), login: login, logs: filepath.Join(t.TempDir(), "log")}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func (g *gateway) path(name string) string { return filepath.Join(g.seen, name) }

func (g *gateway) command() *exec.Cmd {
	in := func(name string) string { return filepath.Join(g.folder, name) }
	args := append(g.wrap[:len(g.wrap):len(g.wrap)], program, "up", "--data", in("curfew-data"), "--node", in("curfew-node"), "--http", g.http, "--postgres", g.pg, "--ssh", "", "--apps", "", "--tcp", "",
		"--deployment", g.deployment, "--admin", "ada@shop.example", "--addresses", in("addresses"))
	args = append(args, g.flags...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "CURFEW_LOGIN_SHOP="+g.login)
	return cmd
}

// spawn starts the process, and does not wait until it serves.
func (g *gateway) spawn() {
	g.t.Helper()
	log, err := os.OpenFile(g.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := g.command()
	cmd.Stdout, cmd.Stderr = log, log
	_ = os.Remove(g.path("addresses"))
	g.run = launch(g.t, cmd)
}

func (g *gateway) log() string {
	text, _ := os.ReadFile(g.logs)
	return string(text)
}

// start starts the process and waits until it serves.
func (g *gateway) start() {
	g.t.Helper()
	g.spawn()
	if !g.serves(20 * time.Second) {
		g.t.Fatalf("the gateway of %s does not start:\n%s", g.deployment, tail(g.log()))
	}
}

func (g *gateway) serves(d time.Duration) bool {
	up := within(d, func() bool {
		_, err := os.Stat(g.path("addresses"))
		return err == nil || g.run.over()
	})
	text, err := os.ReadFile(g.path("addresses"))
	if !up || err != nil {
		return false
	}
	g.said = map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		g.said[key] = value
	}
	return true
}

func (g *gateway) kill() { g.run.end(syscall.SIGKILL) }
func (g *gateway) stop() { g.run.end(syscall.SIGTERM) }

// refused starts the program where it must not start, and returns what it says.
func (g *gateway) refused() string {
	g.t.Helper()
	var out bytes.Buffer
	cmd := g.command()
	cmd.Stdout, cmd.Stderr = &out, &out
	c := launch(g.t, cmd)
	select {
	case <-c.gone:
	case <-time.After(20 * time.Second):
		g.t.Fatalf("it started, and must not:\n%s", out.String())
	}
	if c.cmd.ProcessState.ExitCode() <= 0 {
		g.t.Fatalf("it ended with %v:\n%s", c.cmd.ProcessState, out.String())
	}
	return out.String()
}

// verify has the program itself check an export, offline, with the first key.
func (g *gateway) verify(who person) {
	g.t.Helper()
	var export bytes.Buffer
	if _, err := who.Export(context.Background(), &export); err != nil {
		g.t.Fatalf("export the ledger: %v", err)
	}
	cmd := exec.Command(program, "ledger", "verify", "-", "--genesis-key", g.said["genesis"])
	cmd.Stdin = &export
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "is whole") {
		g.t.Fatalf("the ledger does not verify: %v\n%s", err, out)
	}
}

func tail(text string) string {
	return text[max(0, len(text)-6000):]
}

// shop starts a PostgreSQL with orders and refunds in it.
func shop(t *testing.T) *servers.Postgres {
	t.Helper()
	ctx := context.Background()
	pg, err := servers.StartPostgres(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Stop() })
	if err := pg.Prepare(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	if err := pg.Sample(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	return pg
}

func loginOf(pg *servers.Postgres) string {
	return pg.URL(servers.Admin, servers.AdminPassword, "shop")
}
