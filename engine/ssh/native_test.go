package ssh

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	emulated "github.com/curfewhq/curfew/screen"
	"github.com/curfewhq/curfew/servers"
)

// everything is a role that may do what official clients do.
func everything(more ...string) enginetest.Options {
	return enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": append([]string{"login {user}", "shell", "run anything", "read anything", "write anything"}, more...)}}
}

// needs names a program that scripts/need-ssh installs.
func needs(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is not installed: scripts/need-ssh", program)
	}
}

// onTerminal starts an official ssh on a terminal of its own, of a size, and returns
// what types on it and what changes its size.
func (s *site) onTerminal(columns, rows int, ssh string) (cmd *exec.Cmd, typing io.Writer, shown *screen, resize func(columns, rows int)) {
	s.t.Helper()
	needs(s.t, "script")
	name := filepath.Join(s.home, "tty")
	cmd = exec.Command("script", "-qfec", fmt.Sprintf("tty > %s; stty cols %d rows %d; exec %s", name, columns, rows, ssh), "/dev/null")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "DISPLAY=none:0")
	in, err := cmd.StdinPipe()
	must(s.t, err)
	shown = &screen{}
	cmd.Stdout, cmd.Stderr = shown, shown
	cmd.WaitDelay = 10 * time.Second
	must(s.t, cmd.Start())
	return cmd, in, shown, func(columns, rows int) {
		text, err := os.ReadFile(name)
		must(s.t, err)
		if out, err := exec.Command("stty", "-F", strings.TrimSpace(string(text)), "cols", fmt.Sprint(columns), "rows", fmt.Sprint(rows)).CombinedOutput(); err != nil {
			s.t.Fatalf("%v: %s", err, out)
		}
	}
}

func TestVimIsRecordedAtItsRealSize(t *testing.T) {
	needs(t, "vim")
	s := newSite(t, everything(), servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	b := s.keyFile(g.Principal)
	cmd, typing, shown, resize := s.onTerminal(97, 31, "ssh -F "+s.jump(b)+" web-1@gw")
	shown.await(t, "$ ")
	_, _ = fmt.Fprintf(typing, "vim -u NONE -N %s/note\r", s.dir)
	shown.await(t, "[New")
	_, _ = io.WriteString(typing, "ihello from vim\x1b")
	shown.await(t, "vim")
	resize(120, 40)
	for range 38 { // it paints every row anew
		shown.await(t, "~")
	}
	_, _ = io.WriteString(typing, ":wq\r")
	shown.await(t, "written")
	shown.await(t, "$ ")
	_, _ = io.WriteString(typing, "stty size; exit\r")
	shown.await(t, "40 120")
	if err := cmd.Wait(); err != nil {
		t.Errorf("ssh ended with %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(s.dir, "note")); err != nil || string(text) != "hello from vim\n" {
		t.Errorf("%q %v", text, err)
	}
	items := s.items(g)
	if st := said(items, record.Statement); len(st) != 1 || st[0] != "shell 97x31" {
		t.Errorf("recorded %q", st)
	}
	if size := said(items, record.Resize); !slices.Contains(size, "120x40") {
		t.Errorf("resized %q", size)
	}
	read := record.NewShown()
	sc, whole, tall := emulated.New(97, 31), 0, 0
	var lines []string
	for _, it := range items {
		lines = append(lines, read.Item(&it)...)
		switch it.Kind {
		case record.Resize:
			var columns, rows int
			_, _ = fmt.Sscanf(it.Text, "%dx%d", &columns, &rows)
			sc.Resize(columns, rows)
		case record.Output:
			if sc.Write(it.Text); sc.Full() {
				if _, rows := sc.Size(); rows == 31 {
					whole = max(whole, tildes(sc))
				} else {
					tall = max(tall, tildes(sc))
				}
			}
		}
	}
	if whole != 29 || tall != 38 { // all rows but the text's and the last
		t.Errorf("vim fills %d rows of 31, and %d of 40", whole, tall)
	}
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "hello from vim") }) {
		t.Errorf("what was written is not read on the screen: %q", lines)
	}
}

// tildes counts the rows that vim marks as behind the end of the text.
func tildes(s *emulated.Screen) (n int) {
	for _, l := range s.Lines() {
		if l == "~" {
			n++
		}
	}
	return n
}

func TestTmuxEndsWithItsGrant(t *testing.T) {
	needs(t, "tmux")
	for i, contain := range []string{byMarks, byNamespace} {
		s := newSite(t, everything(), servers.SSHOptions{}, `, "contain": "`+contain+`"`)
		g := s.Grant("web/all", time.Hour)
		b := s.keyFile(g.Principal)
		word := lullaby(40 + i)
		socket := filepath.Join(s.dir, "tmux")
		got := make(chan result, 1)
		go func() {
			got <- finish(t, s.client(b, "ssh", "web-1@127.0.0.1", "tmux -S "+socket+" new-session -d 'sleep "+word+"'; sleep 1000"))
		}()
		for end := time.Now().Add(20 * time.Second); !s.alive(word) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		}
		if !s.alive(word) {
			t.Fatalf("%s: it did not start", contain)
		}
		s.Revoke(g.ID)
		t.Logf("%s: gone after %s", contain, s.gone(word, 5*time.Second))
		if r := <-got; r.code != cutStatus {
			t.Errorf("%s: %+v", contain, r)
		}
		s.Await(g.ID, access.Gone)
	}
}

func TestForwardingThroughOpenSSH(t *testing.T) {
	port := echo(t)
	s := newSite(t, everything(fmt.Sprintf("forward 127.0.0.1:%d", port)), servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	b := s.keyFile(g.Principal)
	local, socks := freePort(t), freePort(t)
	cmd := s.client(b, "ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-L", fmt.Sprintf("%d:127.0.0.1:%d", local, port), "-D", fmt.Sprint(socks), "web-1@127.0.0.1")
	done := make(chan result, 1)
	go func() { done <- finish(t, cmd) }()
	say := func(conn net.Conn) string {
		_, err := io.WriteString(conn, "hello\n")
		must(t, err)
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return line
	}
	if got := say(dialSoon(t, local)); got != "HELLO\n" {
		t.Errorf("-L: %q", got)
	}
	through := func(port int) (net.Conn, byte) {
		conn := dialSoon(t, socks)
		_, err := conn.Write(binary.BigEndian.AppendUint16([]byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1}, uint16(port)))
		must(t, err)
		answer := make([]byte, 2+10)
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(conn, answer); err != nil {
			return conn, 255
		}
		return conn, answer[3]
	}
	if conn, code := through(port); code != 0 || say(conn) != "HELLO\n" {
		t.Errorf("-D: %d", code)
	}
	if _, code := through(port + 1); code == 0 {
		t.Error("-D to a port that the role does not have")
	}
	s.Revoke(g.ID)
	if r := <-done; r.code == 0 {
		t.Errorf("%+v", r)
	}
	if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", local)); err == nil {
		_ = conn.Close()
		t.Error("the forwarded port outlives the grant")
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port
}

// dialSoon waits until somebody listens.
func dialSoon(t *testing.T, port int) net.Conn {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestProgramsThatUseSSHByName: git, rsync, scp and sftp, with nothing but a name.
func TestProgramsThatUseSSHByName(t *testing.T) {
	if testing.Short() {
		t.Skip("with the whole of the tests")
	}
	s := newSite(t, everything(), servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	b := s.keyFile(g.Principal)
	config := s.jump(b)
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.WaitDelay = s.home, 10*time.Second
		cmd.Env = append(os.Environ(), "GIT_SSH_COMMAND=ssh -F "+config, "RSYNC_RSH=ssh -F "+config, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", program, args, err, out)
		}
		return string(out)
	}
	from, _ := s.random("file", 1<<20)
	for i, host := range []string{"web-1.gw", "web-1@gw"} {
		there := filepath.Join(s.dir, fmt.Sprint("d", i))
		run("ssh", "-F", config, host, "mkdir "+there+" && git init -q --bare "+there+"/repo.git")
		run("git", "clone", "-q", host+":"+there+"/repo.git", fmt.Sprint("clone", i))
		run("git", "-C", fmt.Sprint("clone", i), "commit", "-q", "--allow-empty", "-m", "one")
		run("git", "-C", fmt.Sprint("clone", i), "push", "-q", "origin", "HEAD:main")
		if out := run("git", "ls-remote", host+":"+there+"/repo.git"); !strings.Contains(out, "refs/heads/main") {
			t.Errorf("%s: %s", host, out)
		}
		run("rsync", "-a", from, host+":"+there+"/rsynced")
		same(t, from, filepath.Join(there, "rsynced"))
		run("scp", "-q", "-F", config, from, host+":"+there+"/copied")
		run("scp", "-q", "-F", config, host+":"+there+"/copied", "back")
		same(t, from, filepath.Join(s.home, "back"))
	}
}

func TestAnsible(t *testing.T) {
	if testing.Short() {
		t.Skip("with the whole of the tests")
	}
	if _, err := exec.LookPath("ansible"); err != nil {
		t.Skip("ansible is not installed: scripts/need-ssh; make test names it under what did not run")
	}
	s := newSite(t, everything(), servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	b := s.keyFile(g.Principal)
	config := s.jump(b)
	for name, args := range map[string]string{"alone": "-F " + config, "with a master": "-F " + config + " -o ControlMaster=auto -o ControlPersist=5s -o ControlPath=" + filepath.Join(s.home, "cm-%C")} {
		cmd := exec.Command("ansible", "all", "-i", "web-1.gw,", "-m", "ping", "-e", "ansible_python_interpreter=/usr/bin/python3", "-e", "ansible_remote_tmp="+s.dir+"/.ansible")
		cmd.Env = append(os.Environ(), "HOME="+s.home, "ANSIBLE_HOME="+s.home+"/ansible", "ANSIBLE_LOCAL_TEMP="+s.home+"/ansible-tmp", "ANSIBLE_SSH_ARGS="+args, "LC_ALL=C.UTF-8")
		cmd.WaitDelay = 10 * time.Second
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), `"ping": "pong"`) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestFollowedFromTheFirstItem: a second terminal sees all of it, in order, while it goes on.
func TestFollowedFromTheFirstItem(t *testing.T) {
	s := newSite(t, everything(), servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	c, err := s.dial(context.Background(), g.User, g.Password)
	must(t, err)
	defer c.Close()
	must(t, c.run(context.Background(), "echo before"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := s.Record.Read(s.Sessions(g.ID)[0])
	must(t, err)
	defer func() { _ = r.Close() }()
	seen := make(chan record.Item, 100)
	go func() {
		defer close(seen)
		for {
			it, err := r.Next(ctx, true)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				return
			}
			seen <- it
		}
	}()
	next := func(kind record.Kind) record.Item {
		t.Helper()
		for it := range seen {
			if it.Kind == kind {
				return it
			}
		}
		t.Fatalf("it ended, and there was no %s", kind)
		return record.Item{}
	}
	if it := <-seen; it.Kind != record.Opened {
		t.Errorf("it begins with %s", it.Kind)
	}
	if it := next(record.Statement); it.Text != "echo before" {
		t.Errorf("%+v", it)
	}
	must(t, c.run(context.Background(), "echo after"))
	if it := next(record.Statement); it.Text != "echo after" {
		t.Errorf("%+v", it)
	}
	c.Close()
	next(record.Closed)
}

func TestLargeFilesBothWays(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MiB twice: with the whole of the tests")
	}
	largeFile(t, 64<<20)
}

// largeFile puts a file of a size by sftp and gets it again.
func largeFile(t *testing.T, size int) {
	t.Helper()
	s := newSite(t, everything(), servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	b := s.keyFile(g.Principal)
	from, hash := s.random("large", size)
	back := filepath.Join(s.home, "back")
	for _, c := range []struct{ way, batch string }{{"put", "put " + from + " " + s.dir + "/large"}, {"get", "get " + s.dir + "/large " + back}} {
		batch := filepath.Join(s.home, c.way)
		must(t, os.WriteFile(batch, []byte(c.batch+"\n"), 0o600))
		began := time.Now()
		if got := finish(t, s.client(b, "sftp", "-q", "-b", batch, "web-1@127.0.0.1")); got.code != 0 {
			t.Fatalf("%s: %+v", c.way, got)
		}
		took := time.Since(began)
		t.Logf("%s of %d MiB: %s, %.0f MiB/s", c.way, size>>20, took.Round(time.Millisecond), float64(size>>20)/took.Seconds())
	}
	same(t, from, back)
	found := 0
	for _, id := range s.Sessions(g.ID) {
		s.Each(id, func(it record.Item) {
			if it.Kind == record.Outcome && it.Tag == hash && it.Bytes == int64(size) {
				found++
			}
		})
	}
	if found != 2 {
		t.Errorf("its hash and size are recorded %d times, want twice", found)
	}
}

// TestARefusalIsRead: OpenSSH ends at once when what it asks for is refused.
func TestARefusalIsRead(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	b := s.keyFile(s.Grant("web/true", time.Hour).Principal)
	for want, args := range map[string][]string{
		"Curfew: the role does not run it.": {"ssh", "web-1@127.0.0.1", "id"},
		"Curfew: the role has no shell.":    {"ssh", "web-1@127.0.0.1"},
		"Curfew: the role moves no files.":  {"sftp", "web-1@127.0.0.1"},
	} {
		if got := finish(t, s.client(b, args[0], append([]string{"-o", "BatchMode=yes"}, args[1:]...)...)); got.code == 0 || !strings.Contains(got.err, want) {
			t.Errorf("%q: %+v", args, got)
		}
	}
}
