package ssh

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// echo answers every connection with what it hears, in capitals.
func echo(t *testing.T) (port int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					_, _ = io.WriteString(c, strings.ToUpper(lines.Text())+"\n")
				}
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func TestForwardingByPermission(t *testing.T) {
	open, closed := echo(t), echo(t)
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{
		"web/via": {"login {user}", fmt.Sprintf("forward 127.0.0.1:%d", open), "listen 127.0.0.1:*", "run true"},
		"web/not": {"login {user}", "run true"},
	}}, servers.SSHOptions{}, "")
	g := s.Grant("web/via", time.Hour)
	say := func(g enginetest.Grant, port int) result {
		cmd := s.command(g, "ssh", "-W", fmt.Sprintf("127.0.0.1:%d", port), "web-1@127.0.0.1")
		cmd.Stdin = strings.NewReader("hello\n")
		return finish(t, cmd)
	}
	if got := say(g, open); got.out != "HELLO\n" {
		t.Errorf("%+v", got)
	}
	items := s.items(g)
	if st := said(items, record.Statement); len(st) != 1 || st[0] != fmt.Sprintf("forward to 127.0.0.1:%d", open) {
		t.Errorf("recorded %q", st)
	}
	if got := say(s.Grant("web/via", time.Hour), closed); got.code == 0 || !strings.Contains(got.err, "prohibited") {
		t.Errorf("another port: %+v", got)
	}
	if got := say(s.Grant("web/not", time.Hour), open); got.code == 0 || got.out != "" {
		t.Errorf("another role: %+v", got)
	}
	ctx := context.Background()
	g = s.Grant("web/via", time.Hour)
	c, err := s.dial(ctx, g.User, g.Password)
	must(t, err)
	defer c.Close()
	ln, err := c.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() {
		if conn, err := ln.Accept(); err == nil {
			_, _ = io.WriteString(conn, "from the client\n")
			_ = conn.Close()
		}
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	if got, _ := io.ReadAll(conn); string(got) != "from the client\n" {
		t.Errorf("-R: %q", got)
	}
	g = s.Grant("web/not", time.Hour)
	c, err = s.dial(ctx, g.User, g.Password)
	must(t, err)
	defer c.Close()
	if _, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("-R without permission")
	}
	if _, _, err := c.OpenChannel("direct-streamlocal@openssh.com", ssh.Marshal(struct {
		Path, Reserved string
		Port           uint32
	}{"/run/docker.sock", "", 0})); err == nil {
		t.Error("a socket file was reached")
	}
}

func TestWhatIsRefusedByName(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/some": {"login {user}", "run env", "run tty"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/some", time.Hour)
	c, err := s.dial(context.Background(), g.User, g.Password)
	must(t, err)
	defer c.Close()
	x, err := c.NewSession()
	must(t, err)
	for name, refused := range map[string]bool{
		"LD_PRELOAD": true, "PATH": true, "BASH_ENV": true, "LC_X=Y": true, "LC_TEST": false, "CURFEW_SESSION": true, "GIT_SSH_COMMAND": true,
	} {
		if err := x.Setenv(name, "v.so"); (err != nil) != refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := x.Setenv("LC_ALL", "() { :; }; touch /tmp/x"); err == nil {
		t.Error("a function as a value")
	}
	out, err := x.Output("env")
	must(t, err)
	if text := string(out); strings.Contains(text, "LD_PRELOAD") || !strings.Contains(text, "LC_TEST=v.so") || !strings.Contains(text, "CURFEW_GRANT="+string(g.ID)) {
		t.Error(text)
	}
	for _, kind := range []string{"x11-req", "auth-agent-req@openssh.com", "break", "made-up@example.com"} {
		x, err := c.NewSession()
		must(t, err)
		if ok, _ := x.SendRequest(kind, true, nil); ok {
			t.Errorf("%s was let through", kind)
		}
		_ = x.Close()
	}
	x, err = c.NewSession()
	must(t, err)
	if x.RequestPty("xterm", 24, 80, ssh.TerminalModes{}) == nil {
		t.Error("a terminal without permission")
	}
	if x.Shell() == nil {
		t.Error("a shell without permission")
	}
	_ = x.Close()
	for _, kind := range []string{"x11", "made-up", "forwarded-tcpip", "auth-agent@openssh.com"} {
		if _, _, err := c.OpenChannel(kind, nil); err == nil {
			t.Errorf("a channel of the kind %s", kind)
		}
	}
	c.Close()
	if no := said(s.items(g), record.Refused); len(no) < 8 {
		t.Errorf("recorded as refused: %q", no)
	}
}

func TestManyChannelsOnOneConnection(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "run anything"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	socket := filepath.Join(s.home, "mux")
	master := s.command(g, "ssh", "-M", "-N", "-S", socket, "web-1@127.0.0.1")
	must(t, master.Start())
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
	}
	for i := range 5 {
		if got := finish(t, s.command(g, "ssh", "-S", socket, "web-1@127.0.0.1", fmt.Sprintf("echo %d", i))); got.out != fmt.Sprintf("%d\n", i) {
			t.Errorf("%+v", got)
		}
	}
	_ = finish(t, s.command(g, "ssh", "-S", socket, "-O", "exit", "web-1@127.0.0.1"))
	_ = master.Wait()
	if st := said(s.items(g), record.Statement); len(st) != 5 {
		t.Errorf("recorded %q", st)
	}
}

func TestAShellOnATerminal(t *testing.T) {
	for _, contain := range []string{byMarks, byNamespace} {
		t.Run(contain, func(t *testing.T) { shellOnATerminal(t, contain) })
	}
}

func shellOnATerminal(t *testing.T, contain string) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/shell": {"login {user}", "shell"}}, Record: curfew.RecordResults, Notices: []time.Duration{time.Second}}, servers.SSHOptions{}, `, "contain": "`+contain+`"`)
	g := s.Grant("web/shell", time.Hour)
	c, err := s.dial(context.Background(), g.User, g.Password)
	must(t, err)
	defer c.Close()
	x, err := c.NewSession()
	must(t, err)
	must(t, x.RequestPty("xterm-256color", 33, 101, ssh.TerminalModes{ssh.ECHO: 1}))
	in, err := x.StdinPipe()
	must(t, err)
	screen, told := &screen{}, &screen{}
	x.Stdout, x.Stderr = screen, told
	must(t, x.Shell())
	screen.await(t, "$ ")
	_, _ = io.WriteString(in, "stty size\r")
	screen.await(t, "33 101")
	must(t, x.WindowChange(44, 120))
	for range 20 { // a new size may be overtaken by what is typed
		_, _ = io.WriteString(in, "stty size\r")
		if screen.comes("44 120", time.Second) {
			break
		}
	}
	_, _ = io.WriteString(in, "sleep 1000\r")
	time.Sleep(200 * time.Millisecond)
	_, _ = io.WriteString(in, "\x03echo $?\r") // Ctrl-C
	screen.await(t, "130")
	_, _ = io.WriteString(in, "read -s -p 'sec''ret? ' X; echo; echo got ${#X}\r")
	screen.await(t, "secret? ") // the question itself: what was typed reads otherwise
	time.Sleep(100 * time.Millisecond)
	_, _ = io.WriteString(in, "hunter2\r")
	screen.await(t, "got 7")
	s.Shorten(g.ID, 2500*time.Millisecond)
	told.await(t, "Curfew: access to web-1 now ends at")
	told.await(t, "Curfew: access to web-1 ends in")
	told.await(t, "Curfew: your access to web-1 ended at")
	if err := x.Wait(); err == nil || !strings.Contains(err.Error(), "124") {
		t.Errorf("the shell ended with %v", err)
	}
	items := s.items(g)
	if got := said(items, record.Statement); len(got) != 1 || got[0] != "shell 101x33" {
		t.Errorf("%q", got)
	}
	if got := said(items, record.Resize); len(got) != 1 || got[0] != "120x44" {
		t.Errorf("%q", got)
	}
	typed := strings.Join(said(items, record.Input), "\n")
	if strings.Count(typed, "stty size") < 2 || strings.Contains(typed, "hunter2") {
		t.Errorf("typed: %q", typed)
	}
	if out := strings.Join(said(items, record.Output), ""); !strings.Contains(out, "44 120") || strings.Contains(out, "hunter2") {
		t.Errorf("shown: %q", out)
	}
}

// TestProxyJump goes through the host to what it reaches: here the gateway again.
func TestProxyJump(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/jump": {"login {user}", "forward 127.0.0.1:*", "run id -un"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/jump", time.Hour)
	_, port, _ := net.SplitHostPort(s.Address)
	config := filepath.Join(s.home, "config")
	must(t, os.WriteFile(config, []byte("Host *\n  User web-1\n  Port "+port+"\n  UserKnownHostsFile "+filepath.Join(s.home, "known_hosts")+"\n  StrictHostKeyChecking yes\n  PubkeyAuthentication no\n  NumberOfPasswordPrompts 1\n"), 0o600))
	cmd := s.command(g, "ssh", "true") // for its environment
	cmd.Args = []string{"ssh", "-F", config, "-J", "127.0.0.1", "127.0.0.1", "id -un"}
	if got := finish(t, cmd); got.out != s.sshd.User+"\n" {
		t.Errorf("%+v", got)
	}
	if n := len(s.Sessions(g.ID)); n != 2 {
		t.Errorf("%d sessions, want one for each hop", n)
	}
}
