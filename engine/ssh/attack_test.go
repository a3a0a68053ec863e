package ssh

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

func TestAForcedCommandIsAllThereIs(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/forced": {"login {user}", `force echo "it's forced" | tr a-z A-Z`}}}, servers.SSHOptions{}, "")
	for _, args := range [][]string{nil, {"rm -rf /nowhere"}, {"true; id"}, {"-T"}} {
		g := s.Grant("web/forced", time.Hour)
		if got := s.ssh(g, args...); got.out != "IT'S FORCED\n" {
			t.Errorf("%q: %+v", args, got)
		}
		if st := said(s.items(g), record.Statement); len(st) != 1 || !strings.HasPrefix(st[0], `echo "it's forced" | tr a-z A-Z`) {
			t.Errorf("recorded %q", st)
		}
	}
	for _, args := range [][]string{{"curfew watch"}, {"-s", "sftp"}, {"-W", "127.0.0.1:22"}} {
		g := s.Grant("web/forced", time.Hour)
		if got := s.ssh(g, args...); got.code == 0 || strings.Contains(got.out, "watching") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestWhoOneIs(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	a, b := s.Grant("web/true", time.Hour), s.Grant("web/true", time.Hour)
	ctx := context.Background()
	for name, c := range map[string]struct {
		user, secret string
		ok           bool
	}{
		"by resource":               {"web-1", a.User + "." + a.Password, true},
		"by login and resource":     {s.sshd.User + "@web-1", a.User + "." + a.Password, true},
		"by credential":             {a.User, a.Password, true},
		"by login and credential":   {s.sshd.User + "@" + a.User, a.Password, true},
		"another person's secret":   {a.User, b.Password, false},
		"another person's, joined":  {"web-1", a.User + "." + b.Password, false},
		"another resource":          {"web-2", a.User + "." + a.Password, false},
		"another login":             {"root@web-1", a.User + "." + a.Password, false},
		"a login that is an option": {"-oX@web-1", a.User + "." + a.Password, false},
		"no secret":                 {"web-1", "", false},
		"a long one":                {"web-1", strings.Repeat("x", 100_000), false},
	} {
		conn, err := s.dial(ctx, c.user, c.secret)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			must(t, conn.Do(ctx))
			conn.Close()
		}
	}
	for i, g := range []enginetest.Grant{a, a} {
		cmd := s.command(g, "ssh", []string{"root@web-1@127.0.0.1", "web-2@127.0.0.1"}[i], "true")
		if got := finish(t, cmd); got.code != 255 || !strings.Contains(got.err, []string{`the role web/true is not "root" on web-1`, `these credentials are for web-1, not for "web-2"`}[i]) {
			t.Errorf("%+v", got)
		}
	}
}

func TestStrangersHoldNobodyUp(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/true", time.Hour)
	for i := range 1000 {
		conn, err := net.Dial("tcp", s.Address)
		must(t, err)
		defer func() { _ = conn.Close() }()
		switch i % 4 {
		case 1:
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		case 2:
			_, _ = conn.Write(bytes.Repeat([]byte{0xff}, 4000))
		case 3:
			_, _ = conn.Write([]byte("SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x14"))
		}
	}
	began := time.Now()
	c, err := s.dial(context.Background(), g.User, g.Password)
	must(t, err)
	must(t, c.Do(context.Background()))
	c.Close()
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("a log-in beside 1,000 strangers took %s", took)
	}
}

func TestABudgetOfBytes(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "run anything", "read anything"}}, Budget: curfew.Budget{Bytes: 200_000}}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	got := s.ssh(g, "head -c 5000000 /dev/zero")
	if got.code != cutStatus || len(got.out) > 200_000 || !strings.Contains(got.err, "spent") {
		t.Errorf("exit %d, %d bytes, %s", got.code, len(got.out), got.err)
	}
	s.Await(g.ID, access.Gone)
}

// TestADeadGateway: what a session started ends although nobody is there to end it.
func TestADeadGateway(t *testing.T) {
	s := newSite(t, enginetest.Options{}, servers.SSHOptions{}, "")
	may, err := parse(lines("login "+s.sshd.User, "run anything"))
	must(t, err)
	set, err := settingsOf(s.resource())
	must(t, err)
	key, err := s.keys.issue(want{account: "curfew_test_l_x", resource: "web-1", login: s.sshd.User, until: time.Now().Add(time.Hour), may: may, command: sessionScript("gr_X", "s_X", may, byMarks)})
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := net.Dial("tcp", s.sshd.Address())
	must(t, err)
	h, err := greet(ctx, conn, s.resource(), set, s.sshd.User, key)
	must(t, err)
	r := &relay{host: h}
	must(t, r.watch())
	word := lullaby(20)
	ch, reqs, err := h.conn.OpenChannel("session", nil)
	must(t, err)
	go ssh.DiscardRequests(reqs)
	_, err = ch.SendRequest("exec", true, ssh.Marshal(struct{ C string }{"nohup sleep " + word + " >/dev/null 2>&1 & wait"}))
	must(t, err)
	for end := time.Now().Add(10 * time.Second); !s.alive(word) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if !s.alive(word) {
		t.Fatal("it did not start")
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	s.gone(word, 3*time.Second)

	// A gateway that vanishes without a word: the connection stays, and nobody speaks on it.
	conn, err = net.Dial("tcp", s.sshd.Address())
	must(t, err)
	defer func() { _ = conn.Close() }()
	h, err = greet(ctx, conn, s.resource(), set, s.sshd.User, key)
	must(t, err)
	r = &relay{host: h}
	must(t, r.watch())
	ch, reqs, err = h.conn.OpenChannel("session", nil)
	must(t, err)
	go ssh.DiscardRequests(reqs)
	word = lullaby(21)
	_, err = ch.SendRequest("exec", true, ssh.Marshal(struct{ C string }{"setsid nohup sleep " + word + " >/dev/null 2>&1 & wait"}))
	must(t, err)
	for range 20 {
		r.until(time.Hour) // it was extended, and then shortened
	}
	r.until(-untilGrace * time.Second) // at once
	s.gone(word, 5*time.Second)
	timers := s.sleeping(3600 + untilGrace)
	for end := time.Now().Add(5 * time.Second); timers > 0 && time.Now().Before(end); timers = s.sleeping(3600 + untilGrace) {
		time.Sleep(20 * time.Millisecond)
	}
	if timers != 0 {
		t.Errorf("%d timers are left", timers)
	}
}

// TestATimerLeavesNothing: a session that ends while its host's timer starts, or whose
// end moves again and again.
func TestATimerLeavesNothing(t *testing.T) {
	odd := lullaby(4800) // not whole seconds, so that it is nobody else's
	left := func() bool { return pgrep(t, odd) }
	for range 300 {
		cmd := exec.Command("/bin/sh", "-c", "S=CURFEW_SESSION=s_NONE; "+watchBody)
		cmd.Stdin = strings.NewReader(untilWord + " " + odd + "\n" + untilWord + " " + odd + "\n" + leaveWord + "\n")
		out, err := cmd.Output()
		must(t, err)
		if string(out) != "watching\n" {
			t.Fatalf("%q", out)
		}
	}
	for end := time.Now().Add(10 * time.Second); left(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a timer is left")
		}
	}
}

// sleeping counts processes of this host that sleep for so many seconds.
func (s *site) sleeping(seconds int) (n int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	_, port, _ := net.SplitHostPort(s.sshd.Address())
	for _, p := range all {
		text, err := os.ReadFile(filepath.Join(p, "cmdline"))
		if err != nil || string(text) != fmt.Sprintf("sleep\x00%d\x00", seconds) {
			continue
		}
		if env, err := os.ReadFile(filepath.Join(p, "environ")); err == nil && strings.Contains(string(env), " "+port+"\x00") {
			n++
		}
	}
	return n
}

// peer speaks sftp by hand.
type peer struct {
	t  *testing.T
	c  native
	ch ssh.Channel
	n  uint32
}

func (s *site) peer(t *testing.T, role curfew.RoleName) (*peer, enginetest.Grant) {
	t.Helper()
	g := s.Grant(role, time.Hour)
	c, err := s.dial(context.Background(), g.User, g.Password)
	must(t, err)
	t.Cleanup(c.Close)
	ch, reqs, err := c.OpenChannel("session", nil)
	must(t, err)
	go ssh.DiscardRequests(reqs)
	ok, err := ch.SendRequest("subsystem", true, ssh.Marshal(struct{ N string }{"sftp"}))
	must(t, err)
	if !ok {
		t.Fatal("no sftp")
	}
	p := &peer{t: t, c: c, ch: ch}
	_, err = ch.Write(framed([]byte{fxpInit, 0, 0, 0, 3}))
	must(t, err)
	if b, err := readPacket(ch, nil); err != nil || b[0] != fxpVersion {
		t.Fatalf("%x %v", b, err)
	}
	return p, g
}

// ask sends a request and returns the answer, and its code if it is a status.
func (p *peer) ask(kind byte, fields ...any) (answer []byte, code uint32) {
	p.t.Helper()
	p.n++
	b := binary.BigEndian.AppendUint32([]byte{kind}, p.n)
	for _, f := range fields {
		switch v := f.(type) {
		case string:
			b = appendText(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		}
	}
	_, err := p.ch.Write(framed(b))
	must(p.t, err)
	answer, err = readPacket(p.ch, nil)
	must(p.t, err)
	if id := binary.BigEndian.Uint32(answer[1:]); id != p.n {
		p.t.Fatalf("an answer to %d, not to %d", id, p.n)
	}
	if answer[0] == fxpStatus {
		code, _, err = parseStatus(answer)
		must(p.t, err)
	}
	return answer, code
}

func TestPathsByHand(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{}, "")
	s.mkdirs("up", "down", "secret")
	must(t, os.WriteFile(filepath.Join(s.dir, "secret", "key"), []byte("canary"), 0o644))
	must(t, os.WriteFile(filepath.Join(s.dir, "down", "file"), []byte("fine"), 0o644))
	p, g := s.peer(t, "web/some")
	down, up := s.dir+"/down", s.dir+"/up"
	for _, path := range []string{
		s.dir + "/secret/key", down + "/../secret/key", down + "/./../secret/key", down + "//../secret/key", down + "/../down/../secret/key/",
		"/proc/self/cwd/etc/hostname", "/etc/passwd", "//etc/passwd", "/", "..", "../../etc/passwd",
	} {
		if a, code := p.ask(fxpOpen, path, uint32(openRead), uint32(0)); a[0] != fxpStatus || code == statusOK {
			t.Errorf("%s was opened", path)
		}
	}
	must(t, os.WriteFile(filepath.Join(s.dir, "up", "there"), []byte("canary"), 0o644))
	for _, flags := range []uint32{openCreate, openAppend, openTrunc, openCreate | openAppend} {
		if a, _ := p.ask(fxpOpen, up+"/there", flags, uint32(0)); a[0] != fxpStatus {
			t.Errorf("flags %x, with which a host opens it to be read, were let through", flags)
		}
	}
	for _, flags := range []uint32{openWrite, openRead | openWrite, openAppend, openCreate, openTrunc, 0, 1 << 20} {
		if a, _ := p.ask(fxpOpen, down+"/file", flags, uint32(0)); a[0] != fxpStatus {
			t.Errorf("flags %x were let through", flags)
		}
	}
	for name, code := range map[string]uint32{
		"rename out":    second(p.ask(fxpRename, up, s.dir+"/secret/up")),
		"rename in":     second(p.ask(fxpRename, s.dir+"/secret/key", up+"/key")),
		"posix rename":  second(p.ask(fxpExtended, extRename, s.dir+"/secret/key", up+"/key")),
		"hard link":     second(p.ask(fxpExtended, extHardlink, s.dir+"/secret/key", up+"/key")),
		"symlink":       second(p.ask(fxpSymlink, "/", up+"/root")),
		"chmod":         second(p.ask(fxpSetstat, s.dir+"/secret/key", uint32(attrMode), uint32(0o777))),
		"remove":        second(p.ask(fxpRemove, down+"/file")),
		"rmdir":         second(p.ask(fxpRmdir, s.dir+"/secret")),
		"mkdir":         second(p.ask(fxpMkdir, down+"/new", uint32(0))),
		"stat":          second(p.ask(fxpStat, s.dir+"/secret/key")),
		"no handle":     second(p.ask(fxpRead, "0000", uint64(0), uint32(10))),
		"no handle, 2":  second(p.ask(fxpClose, "never")),
		"made up":       second(p.ask(fxpExtended, "exec@example.com", "id")),
		"a list beside": second(p.ask(fxpOpendir, s.dir+"/secret")),
	} {
		if code == statusOK {
			t.Errorf("%s was let through", name)
		}
	}
	a, code := p.ask(fxpOpen, down+"/../down/file", uint32(openRead), uint32(0))
	if a[0] != fxpHandle {
		t.Fatalf("the role's own file: status %d", code)
	}
	in := cursor{rest: a[5:]}
	handle := in.text(maxHandle)
	if a, _ := p.ask(fxpRead, handle, uint64(0), uint32(100)); !bytes.HasSuffix(a, []byte("fine")) {
		t.Errorf("%q", a)
	}
	if _, code := p.ask(fxpFsetstat, handle, uint32(attrMode), uint32(0o777)); code != statusDenied {
		t.Errorf("fsetstat of a file that is read: %d", code)
	}
	p.c.Close()
	if no := said(s.items(g), record.Refused); len(no) < 20 {
		t.Errorf("%d refusals are recorded: %q", len(no), no)
	}
}

func TestAMoveGainsNothing(t *testing.T) {
	roles := map[curfew.RoleName][]string{"web/drop": {"login {user}", "read {dir}/both/**", "write {dir}/both/**", "write {dir}/drop/**"}}
	s := newSite(t, enginetest.Options{Roles: roles}, servers.SSHOptions{}, "")
	s.mkdirs("both", "drop")
	must(t, os.WriteFile(filepath.Join(s.dir, "drop", "key"), []byte("canary"), 0o644))
	must(t, os.WriteFile(filepath.Join(s.dir, "both", "file"), []byte("fine"), 0o644))
	p, _ := s.peer(t, "web/drop")
	for _, move := range []struct {
		from, to string
		ok       bool
	}{{"/drop/key", "/both/key", false}, {"/drop/key", "/drop/key2", true}, {"/both/file", "/both/file2", true}, {"/both/file2", "/drop/file", true}} {
		if _, code := p.ask(fxpExtended, extRename, s.dir+move.from, s.dir+move.to); (code == statusOK) != move.ok {
			t.Errorf("%+v: status %d", move, code)
		}
	}
	may, err := parse(curfew.Permission{May: []string{"login x", "read /srv/**", "write /srv/**"}, Never: []string{"read /srv/app/secret", "write /srv/app/conf/**"}})
	must(t, err)
	f := &sftp{r: &relay{may: may}}
	for move, ok := range map[[2]string]bool{
		{"/srv/app", "/srv/other"}: false, {"/srv/other", "/srv/app"}: false, {"/srv/app/secret", "/srv/x"}: false, {"/srv/app/conf/x", "/srv/x"}: false,
		{"/srv/x", "/srv/app/conf"}: false, {"/srv/x", "/srv/y"}: true, {"/srv/app/x", "/srv/y"}: true,
	} {
		if _, why := f.rename(move[0], move[1]); (why == "") != ok {
			t.Errorf("%q: %q", move, why)
		}
	}
}

func TestARefusedCopyLeavesNothingOnItsChannel(t *testing.T) {
	roles := map[curfew.RoleName][]string{"web/shell": {"login {user}", "shell", "read anything", "write anything"}}
	s := newSite(t, enginetest.Options{Roles: roles}, servers.SSHOptions{}, "")
	for name, terminal := range map[string]bool{"on a terminal": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			g := s.Grant("web/shell", time.Hour)
			c, err := s.dial(context.Background(), g.User, g.Password)
			must(t, err)
			defer c.Close()
			x, err := c.NewSession()
			must(t, err)
			if terminal {
				must(t, x.RequestPty("xterm", 24, 80, ssh.TerminalModes{}))
				if ok, err := x.SendRequest("exec", true, ssh.Marshal(struct{ C string }{"scp -t x"})); ok || err != nil {
					t.Error("scp on a terminal", err)
				}
			}
			in, err := x.StdinPipe()
			must(t, err)
			shown := &screen{}
			x.Stdout = shown
			must(t, x.Shell())
			_, _ = io.WriteString(in, "echo ca''nary\n")
			shown.await(t, "canary")
			_, _ = io.WriteString(in, "exit\n")
			_ = x.Wait()
			c.Close()
			items := s.items(g)
			if out := strings.Join(said(items, record.Output), ""); !strings.Contains(out, "canary") {
				t.Errorf("what was shown is recorded as %q", out)
			}
			if typed := strings.Join(said(items, record.Input), ""); !terminal && !strings.Contains(typed, "echo ca''nary") {
				t.Errorf("what was sent is recorded as %q", typed)
			}
		})
	}
}

// deaf is a connection to a client that can be told nothing any more once its session is open.
type deaf struct {
	net.Conn
	open func() bool
}

func (d deaf) Write(b []byte) (int, error) {
	if d.open() {
		return 0, net.ErrClosed
	}
	return d.Conn.Write(b)
}

func TestAClientThatLeavesAtOnceLeavesNoConnectionToTheHost(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	_, port, _ := net.SplitHostPort(s.sshd.Address())
	n, _ := strconv.Atoi(port)
	open := func() int { // connections to the host, the gateway's own among them
		table, err := os.ReadFile("/proc/self/net/tcp")
		must(t, err)
		return strings.Count(string(table), fmt.Sprintf("0100007F:%04X 01 ", n))
	}
	before := max(open(), 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = ln.Close() }()
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		New(s.keys).Serve(context.Background(), deaf{conn, func() bool { return len(s.Sessions(g.ID)) > 0 }}, s.Gateway)
	}()
	_, err = ssh.Dial("tcp", ln.Addr().String(), &ssh.ClientConfig{User: "web-1", Auth: []ssh.AuthMethod{ssh.Password(g.User + "." + g.Password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err == nil {
		t.Fatal("it was let in")
	}
	<-served
	for end := time.Now().Add(5 * time.Second); open() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection to the host is still there")
		}
	}
}

func second(_ []byte, code uint32) uint32 { return code }

func TestWhatIsNoSFTPEndsIt(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{}, "")
	for name, b := range map[string][]byte{
		"too long":         {0xff, 0xff, 0xff, 0xff, 3},
		"empty":            {0, 0, 0, 0},
		"twice begun":      framed([]byte{fxpInit, 0, 0, 0, 3}),
		"an answer":        framed(status(1, 0, "")),
		"a byte too many":  framed(append(appendText([]byte{fxpStat, 0, 0, 0, 1}, "/"), 0)),
		"a zero in a path": framed(appendText([]byte{fxpStat, 0, 0, 0, 1}, "/etc\x00/x")),
		"a longer string":  framed([]byte{fxpStat, 0, 0, 0, 1, 0, 0, 0, 9, '/'}),
	} {
		p, _ := s.peer(t, "web/files")
		_, err := p.ch.Write(b)
		must(t, err)
		done := make(chan error, 1)
		go func() { _, err := io.Copy(io.Discard, p.ch); done <- err }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it goes on", name)
		}
	}
	if fmt.Sprint(known("exec@example.com")) != "false" {
		t.Error("an extension that is not understood")
	}
}
