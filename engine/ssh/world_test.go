package ssh

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	s, err := ssh.NewSignerFromKey(key)
	must(t, err)
	return s
}

// site is a gateway in front of a real sshd.
type site struct {
	*enginetest.World
	t    testing.TB
	sshd *servers.SSH
	keys Keys
	dir  string // the host's user may write here
	home string // of the client: known_hosts and the password helper
}

func hostKeyOption(key ssh.PublicKey, more string) []byte {
	return []byte(fmt.Sprintf(`{"host key": %q%s}`, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), more))
}

// lines are a role's, {user} and {dir} filled in.
func newSite(t testing.TB, opt enginetest.Options, sshd servers.SSHOptions, options string) *site {
	t.Helper()
	sshd.Folder = t.TempDir()
	server, err := servers.StartSSH(context.Background(), sshd)
	must(t, err)
	s := &site{t: t, sshd: server, keys: Keys{Host: []ssh.Signer{newSigner(t)}, Authority: newSigner(t)}, home: t.TempDir()}
	t.Cleanup(func() { _ = server.Stop() })
	s.dir, err = server.Workplace("work")
	must(t, err)
	must(t, server.Trust(s.keys.Authority.PublicKey(), principal("test", "web-1", server.User)))
	roles := map[curfew.RoleName][]string{}
	for name, may := range opt.Roles {
		for _, line := range may {
			roles[name] = append(roles[name], strings.NewReplacer("{user}", server.User, "{dir}", s.dir).Replace(line))
		}
	}
	opt.Roles = roles
	opt.Engine = New(s.keys)
	opt.Resource = curfew.Resource{Name: "web-1", Type: "ssh", Address: server.Address(), Account: curfew.Leased, Options: hostKeyOption(server.HostKey, options)}
	s.World = enginetest.New(t, opt)
	host, port, _ := net.SplitHostPort(s.Address)
	must(t, os.WriteFile(filepath.Join(s.home, "known_hosts"), []byte("["+host+"]:"+port+" "+string(ssh.MarshalAuthorizedKey(s.keys.Host[0].PublicKey()))), 0o600))
	must(t, os.WriteFile(filepath.Join(s.home, "ask"), []byte("#!/bin/sh\ncat \"$SECRET_FILE\"\n"), 0o700))
	return s
}

// command is an official client's, with the grant's credential.
func (s *site) command(g enginetest.Grant, program string, args ...string) *exec.Cmd {
	s.t.Helper()
	secret := filepath.Join(s.home, "secret-"+g.User)
	must(s.t, os.WriteFile(secret, []byte(g.User+"."+g.Password+"\n"), 0o600))
	_, port, _ := net.SplitHostPort(s.Address)
	options := []string{"-F", "none", "-o", "UserKnownHostsFile=" + filepath.Join(s.home, "known_hosts"), "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1", "-o", "IdentitiesOnly=yes", "-o", "IdentityFile=none", "-o", "Port=" + port}
	env := append(os.Environ(), "SSH_ASKPASS="+filepath.Join(s.home, "ask"), "SSH_ASKPASS_REQUIRE=force", "SECRET_FILE="+secret, "DISPLAY=none:0")
	switch program {
	case "ssh", "scp", "sftp":
		args = append(options, args...)
	case "rsync":
		args = append([]string{"-e", "ssh " + strings.Join(options, " ")}, args...)
	case "git":
		env = append(env, "GIT_SSH_COMMAND=ssh "+strings.Join(options, " "), "GIT_CONFIG_GLOBAL=/dev/null")
	}
	cmd := exec.Command(program, args...)
	cmd.Env = env
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// result is what a program came to.
type result struct {
	out, err string
	code     int
}

func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	r := result{out: out.String(), err: errs.String()}
	if left := new(exec.ExitError); errors.As(err, &left) {
		r.code = left.ExitCode()
	} else if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return r
}

func (s *site) ssh(g enginetest.Grant, args ...string) result {
	s.t.Helper()
	return finish(s.t, s.command(g, "ssh", append([]string{"web-1@127.0.0.1"}, args...)...))
}

// items are a grant's only session's, once it is over.
func (s *site) items(g enginetest.Grant) []record.Item {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		ids := s.Sessions(g.ID)
		if len(ids) != 1 {
			continue
		}
		if items := s.Items(ids[0]); len(items) > 0 && items[len(items)-1].Kind == record.Closed {
			return items
		}
	}
	s.t.Fatal("the session's recording did not end")
	return nil
}

// said lists items of a kind: text, tag, error.
func said(items []record.Item, kind record.Kind) (out []string) {
	for _, it := range items {
		if it.Kind == kind {
			out = append(out, strings.TrimSpace(it.Text+" "+it.Tag+" "+it.Error))
		}
	}
	return out
}
