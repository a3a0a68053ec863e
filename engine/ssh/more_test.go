package ssh

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

func TestTheAgentIsLentByPermission(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{
		"web/lent": {"login {user}", "agent", "run ssh-add -l"}, "web/not": {"login {user}", "run ssh-add -l"},
	}}, servers.SSHOptions{}, "")
	keys := sshagent.NewKeyring()
	_, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	must(t, keys.Add(sshagent.AddedKey{PrivateKey: key, Comment: "a key of the client's"}))
	for role, lent := range map[curfew.RoleName]bool{"web/lent": true, "web/not": false} {
		g := s.Grant(role, time.Hour)
		c, err := s.dial(context.Background(), g.User, g.Password)
		must(t, err)
		must(t, sshagent.ForwardToAgent(c.Client, keys))
		x, err := c.NewSession()
		must(t, err)
		if err := sshagent.RequestAgentForwarding(x); (err == nil) != lent {
			t.Errorf("%s: %v", role, err)
		}
		out, _ := x.CombinedOutput("ssh-add -l")
		if strings.Contains(string(out), "a key of the client's") != lent {
			t.Errorf("%s: %s", role, out)
		}
		c.Close()
		if st := strings.Join(said(s.items(g), record.Statement), "\n"); strings.Contains(st, "the host uses the client's agent") != lent {
			t.Errorf("%s: recorded %s", role, st)
		}
	}
}

func TestOneQuestionAndNewKeysOnTheWay(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{}, "")
	s.mkdirs("up")
	from, _ := s.random("big", 8<<20)
	g := s.Grant("web/files", time.Hour)
	got := finish(t, s.command(g, "scp", "-q", "-o", "PreferredAuthentications=keyboard-interactive", "-o", "RekeyLimit=1M", from, "web-1@127.0.0.1:"+s.dir+"/up/big"))
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	same(t, from, filepath.Join(s.dir, "up", "big"))
}

func TestTheGatewayHasACertificate(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/true", time.Hour)
	cert := &ssh.Certificate{Key: s.keys.Host[0].PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
	must(t, cert.SignCert(rand.Reader, s.keys.Authority))
	certified, err := ssh.NewCertSigner(cert, s.keys.Host[0])
	must(t, err)
	// The same gateway behind another engine of the same keys, and a certificate.
	e := New(Keys{Host: []ssh.Signer{s.keys.Host[0], certified}, Authority: s.keys.Authority})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { _ = s.Gateway.Serve(ctx, ln, e); close(served) }()
	t.Cleanup(func() { cancel(); <-served })
	s.Address = ln.Addr().String()
	_, port, _ := net.SplitHostPort(s.Address)
	must(t, os.WriteFile(filepath.Join(s.home, "known_hosts"), []byte("@cert-authority [127.0.0.1]:"+port+" "+string(ssh.MarshalAuthorizedKey(s.keys.Authority.PublicKey()))), 0o600))
	if got := s.ssh(g, "true"); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAClientThatStopsReadingDelaysNothing(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "run anything"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	c, err := s.dial(context.Background(), g.User, g.Password)
	must(t, err)
	defer c.Close()
	for i := range 2 {
		x, err := c.NewSession()
		must(t, err)
		out, err := x.StdoutPipe()
		must(t, err)
		must(t, x.Start("exec sleep "+lullaby(30+i)+" & head -c 100M /dev/zero; wait"))
		_, _ = io.ReadFull(out, make([]byte, 1000)) // and no more: windows fill
	}
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	s.Revoke(g.ID)
	for i := range 2 {
		s.gone(lullaby(30+i), 3*time.Second)
	}
	s.Await(g.ID, access.Gone)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestAHostThatIsAnotherIsToldNothing(t *testing.T) {
	s := newSite(t, enginetest.Options{}, servers.SSHOptions{}, "")
	res := s.resource()
	res.Options = hostKeyOption(newSigner(t).PublicKey(), "")
	k := s.keeper(res)
	defer k.Close()
	_, err := k.probe(context.Background(), s.sshd.User, "test")
	if curfew.CodeOf(err) != curfew.Denied || !strings.Contains(err.Error(), "is not pinned") {
		t.Errorf("%v", err)
	}
	if log := s.sshd.Log(); strings.Contains(log, "Accepted") || strings.Contains(log, "publickey") {
		t.Errorf("it was told who we are: %s", log)
	}
}

func TestResourcesThatAreRefused(t *testing.T) {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newSigner(t).PublicKey())))
	ok := func(res curfew.Resource) error {
		res.Name, res.Type = "web-1", "ssh"
		if res.Address == "" {
			res.Address = "web-1.internal:22"
		}
		return New(Keys{}).CheckResource(res)
	}
	must(t, ok(curfew.Resource{Options: []byte(`{"host key": "` + key + `"}`)}))
	must(t, ok(curfew.Resource{Options: []byte(`{"host key": ["` + key + ` comment", "SHA256:` + strings.Repeat("a", 43) + `"], "contain": "namespace", "source": "10.0.0.0/24"}`)}))
	for name, res := range map[string]curfew.Resource{
		"no host key":      {},
		"no port":          {Address: "web-1", Options: []byte(`{"host key": "` + key + `"}`)},
		"a login":          {Login: "file:x", Options: []byte(`{"host key": "` + key + `"}`)},
		"a fixed account":  {Account: curfew.Fixed, Options: []byte(`{"host key": "` + key + `"}`)},
		"no key":           {Options: []byte(`{"host key": "ssh-ed25519 AAAA"}`)},
		"options with it":  {Options: []byte(`{"host key": "no-pty ` + key + `"}`)},
		"unknown options":  {Options: []byte(`{"host key": "` + key + `", "proxy": "x"}`)},
		"no such contain":  {Options: []byte(`{"host key": "` + key + `", "contain": "box"}`)},
		"no such source":   {Options: []byte(`{"host key": "` + key + `", "source": "gateway"}`)},
		"two keys in line": {Options: []byte(`{"host key": "` + key + `\n` + key + `"}`)},
	} {
		if err := ok(res); curfew.CodeOf(err) != curfew.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheReceiptSaysHowFar(t *testing.T) {
	k := &keeper{}
	before := []string{"deploy .ssh/authorized_keys 1 2"}
	got := k.told("deploy", before, probe{proc: true, plants: []string{".ssh/authorized_keys 9 9", "crontab 1 1"}})
	if len(got) != 2 || !strings.Contains(got[0], "authorized_keys of deploy is another than before") || !strings.Contains(got[1], "crontab of deploy") {
		t.Errorf("%q", got)
	}
	if got := k.told("deploy", before, probe{proc: true, plants: []string{".ssh/authorized_keys 1 2"}}); len(got) != 0 {
		t.Errorf("%q", got)
	}
	if got := k.told("deploy", nil, probe{}); len(got) != 1 || !strings.Contains(got[0], "may live on") {
		t.Errorf("%q", got)
	}
}

func TestAHostThatDropsLogInsIsTriedAgain(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{Settings: []string{"MaxStartups 2:100:2"}}, "")
	g := s.Grant("web/true", time.Hour)
	errs := make(chan error)
	for range 8 {
		go func() {
			c, err := s.dial(context.Background(), g.User, g.Password)
			if err == nil {
				err = c.Do(context.Background())
				c.Close()
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestNoSecretIsTold: neither the credential nor a key of ours is in what is kept or sent on.
func TestNoSecretIsTold(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "shell", "run anything"}}, Record: curfew.RecordResults}, servers.SSHOptions{Settings: []string{"LogLevel DEBUG3"}}, "")
	g := s.Grant("web/all", time.Hour)
	if got := s.ssh(g, "env; cat /proc/self/environ /proc/self/cmdline"); got.code != 0 || strings.Contains(got.out, g.Password) {
		t.Errorf("%+v", got)
	}
	text, err := json.Marshal(s.items(g))
	must(t, err)
	for where, text := range map[string]string{"the recording": string(text), "the host's log": s.sshd.Log()} {
		if strings.Contains(text, g.Password) || strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("%s holds a secret", where)
		}
	}
}
