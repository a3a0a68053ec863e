package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew/servers"
)

// sshStory is the program itself before a host, and people who use their own ssh.
type sshStory struct {
	t       *testing.T
	folder  string
	program string
	host    *servers.SSH
	up      *exec.Cmd
	said    map[string]string // of the addresses file
	flags   []string
}

func newSSHStory(t *testing.T) *sshStory {
	t.Helper()
	s := &sshStory{t: t, folder: t.TempDir()}
	var err error
	if s.program, err = servers.BuildProgram(s.folder); err != nil {
		t.Fatal(err)
	}
	if s.host, err = servers.StartSSH(context.Background(), servers.SSHOptions{Folder: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.host.Stop() })
	s.flags = []string{"up", "--data", s.in("data"), "--node", s.in("node"), "--mysql", "", "--apps", "", "--tcp", "", "--deployment", "sshstory", "--admin", "ada@shop.example", "--addresses", s.in("addresses"), "--quiet"}
	for _, door := range []string{"http", "postgres", "ssh"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.flags = append(s.flags, "--"+door, ln.Addr().String())
		_ = ln.Close()
	}
	s.start()
	t.Cleanup(func() { s.end(syscall.SIGTERM) })
	return s
}

func (s *sshStory) in(name string) string { return filepath.Join(s.folder, name) }

func (s *sshStory) start() {
	s.t.Helper()
	_ = os.Remove(s.in("addresses"))
	s.up = exec.Command(s.program, s.flags...)
	s.up.Stderr = os.Stderr
	if err := s.up.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.said = map[string]string{}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(s.in("addresses")); err == nil {
			for line := range strings.Lines(string(text)) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
				s.said[key] = value
			}
			return
		}
		if time.Now().After(end) {
			s.t.Fatal("the gateway does not start")
		}
	}
}

func (s *sshStory) end(sig syscall.Signal) {
	_ = s.up.Process.Signal(sig)
	_ = s.up.Wait()
}

// env is somebody's environment: a home of their own.
func (s *sshStory) env(who string) []string {
	return append(os.Environ(), "HOME="+s.in(who), "CURFEW_CONFIG_DIR="+s.in(who)+"/curfew", "TERM=xterm", "DISPLAY=none:0", "SSH_ASKPASS="+s.in("answers"), "SSH_ASKPASS_REQUIRE=force")
}

// sshResult is what a program came to.
type sshResult struct {
	out, err string
	code     int
}

func (s *sshStory) run(who, stdin, program string, args ...string) sshResult {
	s.t.Helper()
	if program == "curfew" {
		program = s.program
	} else {
		args = append([]string{"-F", filepath.Join(s.in(who), ".ssh", "config")}, args...)
	}
	cmd := exec.CommandContext(bounded(s.t), program, args...)
	cmd.Env, cmd.Stdin, cmd.WaitDelay = s.env(who), strings.NewReader(stdin), 10*time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	r := sshResult{out: out.String(), err: errs.String()}
	if left, ok := errors.AsType[*exec.ExitError](err); ok {
		r.code = left.ExitCode()
	} else if err != nil {
		s.t.Fatalf("%s %q: %v", program, args, err)
	}
	return r
}

func (s *sshStory) must(who, stdin string, args ...string) string {
	s.t.Helper()
	r := s.run(who, stdin, "curfew", args...)
	if r.code != 0 {
		s.t.Fatalf("%s: curfew %q: %+v", who, args, r)
	}
	return r.out
}

const sshPhrase = "four words to remember\n"

// people signs everybody in and configures the gateway and the host.
func (s *sshStory) people() {
	s.t.Helper()
	for _, who := range []string{"ada", "alice", "dana"} {
		if err := os.MkdirAll(s.in(who), 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
	s.must("ada", sshPhrase, "login", s.said["link"], "--passphrase-stdin")
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.host.HostKey)))
	config := fmt.Sprintf(`curfew: v1
people:
  ada@shop.example: { name: Ada }
  alice@shop.example: { name: Alice }
  dana@shop.example: { name: Dana }
groups:
  ops: [alice@shop.example]
  leads: [dana@shop.example]
  administrators: [ada@shop.example, dana@shop.example]
resources:
  web-1:
    type: ssh
    address: %s
    host key: %s
roles:
  web/ops:
    on: web-1
    may: [login %s, shell, run anything]
    longest: 1h
policies:
  ops-on-hosts:
    who: ops
    may have: web/ops
    needs: [{ approvals: 1, from: leads }]
    answer within: 5m
    at most: 30m
`, s.host.Address(), key, s.host.User)
	if err := os.WriteFile(s.in("curfew.yaml"), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.must("ada", sshPhrase, "apply", "-f", s.in("curfew.yaml"), "--passphrase-stdin", "--yes")
	for _, who := range []string{"alice", "dana"} {
		invited := s.must("ada", sshPhrase, "invite", who+"@shop.example", "--passphrase-stdin", "--json")
		_, rest, _ := strings.Cut(invited, `"link":"`)
		link, _, _ := strings.Cut(rest, `"`)
		s.must(who, sshPhrase, "login", link, "--passphrase-stdin")
	}
	_, rest, _ := strings.Cut(s.must("ada", "", "add", "--setup", "web-1"), "echo '")
	line, _, _ := strings.Cut(rest, "'")
	authority, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		s.t.Fatalf("the set-up names no authority: %v", err)
	}
	if err := s.host.Trust(authority, "curfew:sshstory:web-1:"+s.host.User); err != nil {
		s.t.Fatal(err)
	}
	answers := "#!/bin/sh\ncase \"$1\" in *'how long'*) echo 20m;; *Why*) echo 'look at the logs';; *) exit 1;; esac\n"
	if err := os.WriteFile(s.in("answers"), []byte(answers), 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// sleeps reports whether something sleeps so long on the host, which is this machine.
func sleeps(word string) bool {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		if text, err := os.ReadFile(name); err == nil && bytes.HasPrefix(text, []byte("sleep\x00"+word+"\x00")) {
			return true
		}
	}
	return false
}

func soon(d time.Duration, f func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return true
		}
	}
	return false
}

// TestTheirOwnSSH: somebody sets their ssh up once; asks by ssh, is agreed to, works, is
// watched and found; the gateway is killed meanwhile; they sign out.
func TestTheirOwnSSH(t *testing.T) {
	s := newSSHStory(t)
	s.people()
	if out := s.must("alice", "", "ssh-config", "--write"); !strings.Contains(out, "leads to the gateway as curfew") {
		t.Error(out)
	}
	batch := s.run("alice", "", "ssh", "-o", "BatchMode=yes", "web-1@curfew", "id")
	if batch.code == 0 || !strings.Contains(batch.err, "curfew request web/ops --on web-1 --for 30m --reason") {
		t.Fatalf("without access, and with nobody to answer: %+v", batch)
	}

	asked := make(chan sshResult, 1)
	go func() {
		asked <- s.run("alice", "", "ssh", "web-1@curfew", "printf '\\033[31mcan\\033[32mary\\033[0m found\\n'")
	}()
	review := ""
	if !soon(15*time.Second, func() bool {
		review = s.run("dana", "", "curfew", "review").out
		return strings.Contains(review, "web/ops")
	}) {
		t.Fatalf("nothing waits for dana: %s", review)
	}
	if !strings.Contains(s.must("dana", "", "show", "1"), "look at the logs") {
		t.Error("the reason is not on the card")
	}
	s.must("dana", sshPhrase, "approve", "1", "--passphrase-stdin", "--yes")
	if got := <-asked; got.code != 0 || !strings.Contains(got.out, "mary") || !strings.Contains(got.err, "asked Dana; waiting until") {
		t.Fatalf("%+v", got)
	}
	if got := s.run("alice", "", "ssh", "-o", "BatchMode=yes", "web-1.curfew", "echo by name"); got.out != "by name\n" {
		t.Errorf("%+v", got)
	}

	// A second terminal watches from the first item; the word in colours is found.
	before := s.run("alice", "", "curfew", "sessions", "--json").out
	shell := make(chan sshResult, 1)
	go func() { // a terminal: what is typed there is from a file
		shell <- s.run("alice", "sleep 1; printf '\\033[2J\\033[9;5Hble\\033[9;3Hta\\n'; sleep 2; exit\n", "ssh", "-tt", "web-1@curfew")
	}()
	session := ""
	if !soon(15*time.Second, func() bool {
		for line := range strings.Lines(s.run("alice", "", "curfew", "sessions", "--json").out) {
			_, rest, _ := strings.Cut(line, `"id":"`)
			if id, _, _ := strings.Cut(rest, `"`); id != "" && !strings.Contains(before, id) && strings.Contains(line, `"live":true`) {
				session = id
			}
		}
		return session != ""
	}) {
		t.Fatalf("no live session is listed: %+v", <-shell)
	}
	watched := s.run("alice", "", "curfew", "watch", session, "--json")
	if !strings.Contains(watched.out, `"opened"`) || !strings.Contains(watched.out, `"shell"`) || !strings.Contains(watched.out, `"closed"`) {
		t.Errorf("watched: %+v", watched)
	}
	<-shell
	found := ""
	if !soon(10*time.Second, func() bool {
		found = s.run("alice", "", "curfew", "sessions", "search", "table").out
		return strings.Contains(found, "│ ")
	}) || !strings.Contains(found, "curfew replay "+session+" --from ") {
		t.Errorf("a word that was drawn is not found: %s", found)
	}

	// The gateway dies: what runs on the host ends by itself; afterwards all is as before.
	word := fmt.Sprintf("733.%d", os.Getpid())
	cut := make(chan sshResult, 1)
	go func() { cut <- s.run("alice", "", "ssh", "-o", "BatchMode=yes", "web-1@curfew", "sleep "+word) }()
	if !soon(15*time.Second, func() bool { return sleeps(word) }) {
		t.Fatal("it did not start")
	}
	s.end(syscall.SIGKILL)
	if !soon(8*time.Second, func() bool { return !sleeps(word) }) {
		t.Error("it outlives the gateway")
	}
	if got := <-cut; got.code == 0 {
		t.Errorf("%+v", got)
	}
	if got := s.run("alice", "", "ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "web-1@curfew", "id"); got.code == 0 {
		t.Errorf("without a gateway: %+v", got)
	}
	s.start()
	if got := s.run("alice", "", "ssh", "-o", "BatchMode=yes", "web-1@curfew", "echo again"); got.out != "again\n" {
		t.Errorf("after the gateway has come back: %+v", got)
	}

	// Signing out ends what the certificate says, also one that was kept; signing in gives another.
	key, _ := filepath.Glob(s.in("alice") + "/curfew/ssh/*/key-cert.pub")
	kept, err := os.ReadFile(key[0])
	if err != nil {
		t.Fatal(err)
	}
	s.must("alice", "", "logout")
	if err := os.WriteFile(key[0], kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.run("alice", "", "ssh", "-o", "BatchMode=yes", "web-1@curfew", "id"); got.code == 0 || !strings.Contains(got.err, "curfew login") {
		t.Errorf("after signing out: %+v", got)
	}
	s.must("alice", sshPhrase, "login", "--server", s.said["api"], "--email", "alice@shop.example", "--passphrase-stdin")
	if got := s.run("alice", "", "ssh", "-o", "BatchMode=yes", "web-1@curfew", "echo again"); got.out != "again\n" {
		t.Errorf("after signing in: %+v", got)
	}
}
