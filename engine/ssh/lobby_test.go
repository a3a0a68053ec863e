package ssh

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
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

// jump writes a configuration as curfew ssh-config does, and returns its place.
func (s *site) jump(b badge) string {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Address)
	key := string(ssh.MarshalAuthorizedKey(s.keys.Host[0].PublicKey()))
	must(s.t, os.WriteFile(filepath.Join(s.home, "known_hosts"), []byte("gw "+key), 0o600))
	path := filepath.Join(s.home, "config")
	must(s.t, os.WriteFile(path, []byte(strings.Join([]string{
		"Host gw *.gw", "IdentityFile " + b.file, "CertificateFile " + b.file + "-cert.pub", "IdentitiesOnly yes", "HostKeyAlias gw", "UserKnownHostsFile " + filepath.Join(s.home, "known_hosts"),
		"StrictHostKeyChecking yes", "Host gw", "HostName 127.0.0.1", "Port " + port, "User _.gw", "Host *.gw", "ProxyJump gw", "User _", "",
	}, "\n")), 0o600))
	return path
}

func TestByNameThroughTheGateway(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "run anything"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	b := s.keyFile(g.Principal)
	config := s.jump(b)
	for _, args := range [][]string{{"web-1.gw"}, {s.sshd.User + "@web-1.gw"}, {"_+all@web-1.gw"}, {s.sshd.User + "+web/all@web-1.gw"}, {"web-1@gw"}, {"-J", "gw", "web-1.gw"}} {
		got := finish(t, s.client(b, "ssh", append([]string{"-F", config, "-o", "BatchMode=yes"}, append(args, "echo here")...)...))
		if got.out != "here\n" || got.code != 0 {
			t.Errorf("%q: %+v", args, got)
		}
	}
	for args, want := range map[string]string{
		"root@web-1.gw": `is not "root" on web-1`, "web-9.gw": "you have no access to web-9 now", "gw": "there is nothing here. ssh RESOURCE@…, one of: web-1", "web-1.gw.gw": "no access to web-1.gw now",
	} {
		if got := finish(t, s.client(b, "ssh", "-F", config, "-o", "BatchMode=yes", args, "echo here")); got.code == 0 || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%q: %+v", args, got)
		}
	}
	for _, e := range enginetest.Events[curfew.SessionOpened](s.World, curfew.KindSessionOpened) {
		if !strings.HasPrefix(e.Client, "127.0.0.1:") {
			t.Errorf("a session from %q", e.Client)
		}
	}
	s.Revoke(g.ID)
	s.Await(g.ID, access.Gone)
	if got := finish(t, s.client(b, "ssh", "-F", config, "-o", "BatchMode=yes", "web-1.gw", "echo here")); got.out != "" {
		t.Errorf("after the end: %+v", got)
	}
}

func TestACutReachesWhoWentOn(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "run anything"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	b := s.keyFile(g.Principal)
	word := lullaby(77)
	cmd := s.client(b, "ssh", "-F", s.jump(b), "web-1.gw", "sleep "+word)
	done := make(chan result, 1)
	go func() { done <- finish(t, cmd) }()
	for end := time.Now().Add(10 * time.Second); !s.alive(word) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	s.Revoke(g.ID)
	if got := <-done; got.code != cutStatus || !strings.Contains(got.err, "Curfew: your access to web-1 ended") {
		t.Errorf("%+v", got)
	}
	s.gone(word, 3*time.Second)
}

// TestFromTheLobbyNothingIsReached: not a host, not a port, not a shell; and after
// signing out not even a name.
func TestFromTheLobbyNothingIsReached(t *testing.T) {
	open := echo(t)
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "run anything", fmt.Sprintf("forward 127.0.0.1:%d", open)}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	b := s.badge(g.Principal)
	c, _, err := s.enter("_", ssh.PublicKeys(b.signer(t)))
	must(t, err)
	for _, to := range []string{fmt.Sprintf("127.0.0.1:%d", open), s.sshd.Address(), s.Address, "web-2:22", "web-1.gw:22", "localhost:22"} {
		if conn, err := c.Dial("tcp", to); err == nil {
			_ = conn.Close()
			t.Errorf("%s was reached", to)
		}
	}
	if _, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("it listens")
	}
	for _, kind := range []string{"direct-streamlocal@openssh.com", "x11", "tun@openssh.com", "auth-agent@openssh.com"} {
		if _, _, err := c.OpenChannel(kind, nil); err == nil {
			t.Errorf("a channel of the kind %s", kind)
		}
	}
	x, err := c.NewSession()
	must(t, err)
	if out, err := x.CombinedOutput("id"); err == nil || !strings.Contains(string(out), "there is nothing here") {
		t.Errorf("%q %v", out, err)
	}
	within := func() error {
		conn, err := c.Dial("tcp", "web-1:22")
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_, _, _, err = ssh.NewClientConn(conn, "web-1", &ssh.ClientConfig{User: "_", Auth: []ssh.AuthMethod{ssh.PublicKeys(b.signer(t))}, HostKeyCallback: ssh.FixedHostKey(s.keys.Host[0].PublicKey())})
		return err
	}
	must(t, within())
	must(t, s.Identity.SignOut(context.Background(), b.who, b.signIn))
	if within() == nil {
		t.Error("the lobby outlives the sign-in")
	}
	if _, _, err := s.enter("_", ssh.Password(g.User+"."+g.Password)); err == nil {
		t.Error("a credential opens the lobby")
	}
	for _, id := range s.Sessions(g.ID) {
		if st := said(s.Items(id), record.Statement); len(st) != 0 {
			t.Errorf("recorded %q", st)
		}
	}
}

func TestTheLobbyHasBounds(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "run anything"}}}, servers.SSHOptions{}, "")
	b := s.badge(s.Grant("web/all", time.Hour).Principal)
	gone := make(chan struct{}, mostLobbies+1)
	for range mostLobbies + 1 {
		c, _, err := s.enter("_", ssh.PublicKeys(b.signer(t)))
		must(t, err)
		go func() { _ = c.Wait(); gone <- struct{}{} }()
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("one more than the bound stays")
	}
	other := s.badge(s.Grant("web/all", time.Hour).Principal)
	c, _, err := s.enter("_", ssh.PublicKeys(other.signer(t)))
	must(t, err)
	var held []net.Conn
	for range mostOnward {
		conn, err := c.Dial("tcp", "web-1:22")
		must(t, err)
		held = append(held, conn)
	}
	if _, err := c.Dial("tcp", "web-1:22"); err == nil {
		t.Error("more connections than the bound within one")
	}
	_ = held[0].Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := c.Dial("tcp", "web-1:22"); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a place that was left is not given again")
		}
	}
}
