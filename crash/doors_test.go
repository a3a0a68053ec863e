package crash

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

// otherDoors are resources that are no database, with nobody to ask.
const otherDoors = `curfew: v1

people:
  ada@shop.example: { name: Ada Admin }
  w1@shop.example:  { name: Worker One }

groups:
  workers: [w1@shop.example]
  administrators: [ada@shop.example]

resources:
  admin:
    type: http
    address: %s
    account: fixed
    login: env:APP
    options: { scheme: http }
  queue:
    type: tcp
    address: %s
    account: fixed

roles:
  admin/look: { on: admin, may: ["read /**"], never: ["any /secrets/**"], longest: 2h }
  queue/talk: { on: queue, may: [connect], longest: 2h }

policies:
  look:
    who: workers
    may have: [admin/look, queue/talk]
    at most: 1h
`

// cli runs the program as somebody.
func (g *gateway) cli(who, stdin string, args ...string) (string, int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "CURFEW_CONFIG_DIR="+g.path("home-"+who), "NO_COLOR=1")
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var left *exec.ExitError
	if err != nil && !errors.As(err, &left) {
		g.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// TestWebAndPlainTCPThroughTheProgram goes through the doors that are no database's as
// a person does: with curl, and with a client that knows a port of this machine.
func TestWebAndPlainTCPThroughTheProgram(t *testing.T) {
	var asked atomic.Value
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Header.Get("Authorization") + " " + r.Header.Get("Curfew-Role"))
		_, _ = fmt.Fprintf(w, "the application says %s\n", r.URL.Path)
	}))
	defer app.Close()
	queue, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = queue.Close() }()
	go func() {
		for {
			conn, err := queue.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for in := bufio.NewScanner(conn); in.Scan(); {
					_, _ = fmt.Fprintf(conn, "queued %s\n", in.Text())
				}
			}()
		}
	}()
	address := strings.TrimPrefix(app.URL, "http://")
	g := newGateway(t, "doors", "postgres://nobody@127.0.0.1:1/none")
	g.flags = []string{"--apps", "127.0.0.1:0", "--tcp", "127.0.0.1:0"}
	t.Setenv("CURFEW_LOGIN_APP", "http://:token-of-the-gateway@"+address)
	g.start()
	ada := g.join("ada@shop.example", g.said["link"])
	ctx := context.Background()
	files := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: fmt.Sprintf(otherDoors, address, queue.Addr())}}}
	plan, err := ada.Plan(ctx, files)
	if err != nil || len(plan.Problems) > 0 {
		t.Fatalf("plan: %v %+v", err, plan.Problems)
	}
	files.Plan, files.Passphrase = plan.ID, passphrase(ada.email)
	if plan, err = ada.Apply(ctx, files); err != nil || plan.Status != "applied" {
		t.Fatalf("apply: %+v %v", plan, err)
	}
	in, err := ada.Invite(ctx, client.Invite{Email: "w1@shop.example", Passphrase: passphrase(ada.email)})
	if err != nil {
		t.Fatal(err)
	}
	if out, code := g.cli("w1", passphrase("w1@shop.example")+"\n", "login", "http://"+g.http+"/join#"+in.Link[strings.LastIndex(in.Link, "#")+1:], "--passphrase-stdin"); code != 0 {
		t.Fatal(out)
	}
	ask := []string{"--for", "30m", "--reason", "to look", "--role"}
	out, code := g.cli("w1", "", append([]string{"connect", "admin"}, append(ask, "admin/look", "--", "/orders/7")...)...)
	if code != 0 || !strings.Contains(out, "the application says /orders/7") {
		t.Errorf("curl: %d %s", code, out)
	}
	if got := asked.Load(); got != "Bearer token-of-the-gateway admin/look" {
		t.Errorf("the application heard %q", got)
	}
	out, _ = g.cli("w1", "", "connect", "admin", "--", "/%73ecrets/x")
	if !strings.Contains(out, `"rule":"request.role"`) || strings.Contains(out, "the application says") {
		t.Errorf("what is never: %s", out)
	}
	const talk = `exec 3<>"/dev/tcp/${CURFEW_ADDRESS%%:*}/${CURFEW_ADDRESS##*:}"; echo one >&3; read -r a <&3; echo "$a"; echo two >&3; read -r b <&3; echo "$b"; exit 7`
	out, code = g.cli("w1", "", append([]string{"run", "queue"}, append(ask, "queue/talk", "--", "bash", "-c", talk)...)...)
	if code != 7 || !strings.Contains(out, "queued one\nqueued two\n") {
		t.Errorf("a port of this machine: %d %s", code, out)
	}
	if out, code = g.cli("w1", "", "env", "queue"); code == 0 || !strings.Contains(out, "curfew run queue") {
		t.Errorf("env: %d %s", code, out)
	}
	t.Run("a port is no way round the end", func(t *testing.T) {
		cmd := exec.Command(program, "connect", "queue")
		cmd.Env = append(os.Environ(), "CURFEW_CONFIG_DIR="+g.path("home-w1"), "NO_COLOR=1")
		said, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		c := launch(t, cmd)
		port, err := bufio.NewReader(said).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, said) }()
		conn, err := net.Dial("tcp", strings.TrimSpace(port))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		lines := bufio.NewReader(conn)
		if _, err := conn.Write([]byte("hello\n")); err != nil {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || line != "queued hello\n" {
			t.Fatal(line, err)
		}
		grants, err := ada.Grants(ctx, client.Listing{Scope: "all"})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range grants.Items {
			if x.Resource == "queue" && x.Status == "active" {
				if _, err := ada.Revoke(ctx, x.ID, client.Why{Why: "enough"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if line, err := lines.ReadString('\n'); err == nil {
			t.Errorf("it goes on: %q", line)
		}
		if again, err := net.Dial("tcp", strings.TrimSpace(port)); err == nil { // the port may still be there; nothing is behind it
			_ = again.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = again.Write([]byte("hello\n"))
			if text, _ := io.ReadAll(again); len(text) > 0 {
				t.Errorf("a new connection gets %q", text)
			}
			_ = again.Close()
		}
		if !within(20*time.Second, c.over) || c.cmd.ProcessState.ExitCode() != 124 {
			t.Errorf("curfew connect: %v", c.cmd.ProcessState)
		}
	})
	g.verify(ada)
}
