package cli

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew/client"
)

// sshDoor is a gateway that certifies keys for a sign-in, until a time.
func sshDoor(t *testing.T, f *fake, signIn string, until time.Time, change func(*client.SSHCertificate)) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	f.on("POST /ssh-certificate", func(body []byte) (int, any) {
		var in client.WantSSH
		if err := json.Unmarshal(body, &in); err != nil {
			return http.StatusBadRequest, nil
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(in.PublicKey))
		if err != nil {
			return http.StatusBadRequest, nil
		}
		cert := &ssh.Certificate{Key: key, CertType: ssh.UserCert, KeyId: "curfew p_1 " + signIn, ValidPrincipals: []string{"p_1"}, ValidBefore: uint64(until.Unix())}
		if cert.SignCert(rand.Reader, authority) != nil {
			return http.StatusInternalServerError, nil
		}
		out := client.SSHCertificate{
			Certificate: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert))), Until: until, Host: "192.0.2.5", Port: 7022,
			HostKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(authority.PublicKey()))), Deployment: "acme",
		}
		if change != nil {
			change(&out)
		}
		return http.StatusOK, out
	})
}

// sshShell is somebody with a home, signed in.
func sshShell(t *testing.T, f *fake) (s *shell, home, state string) {
	t.Helper()
	s = newShell(t, f)
	home = t.TempDir()
	s.env["HOME"], s.env["CURFEW_TOKEN"] = home, "cft.t_1.secret"
	return s, home, s.env["CURFEW_CONFIG_DIR"]
}

func theOne(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q %v", pattern, found, err)
	}
	return found[0]
}

func TestSSHConfigIsWrittenOnceAndLeavesTheRest(t *testing.T) {
	f := newFake(t)
	sshDoor(t, f, "t_1", noon().Add(time.Hour), nil)
	s, home, state := sshShell(t, f)
	mine := "# mine\nHost *\n  User me\n  Port 2200\n"
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(home, ".ssh", "config")
	if err := os.WriteFile(config, []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		has(t, s.must("", "ssh-config", "--write"), config+" leads to the gateway as curfew", "You are certified until")
	}
	text, err := os.ReadFile(config)
	if err != nil || string(text) != "Include \""+state+"/ssh/*/config\"\n"+mine {
		t.Fatalf("%v %s", err, text)
	}
	key := theOne(t, state+"/ssh/*/key")
	for _, path := range []string{key, key + "-cert.pub", filepath.Join(filepath.Dir(key), "known_hosts"), config} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range f.called("POST /ssh-certificate") {
		if strings.Contains(c.body, "PRIVATE") || strings.Contains(c.body, strings.Split(string(private), "\n")[2]) || !strings.Contains(c.body, "ssh-ed25519 AAAA") {
			t.Errorf("sent: %s", c.body)
		}
	}
	for name, want := range map[string][]string{
		"web-1@curfew":        {"hostname 192.0.2.5", "user web-1", "port 7022", "hostkeyalias curfew", "stricthostkeychecking true", "identitiesonly yes", "identityfile " + key, "certificatefile " + key + "-cert.pub"},
		"curfew":              {"user _.curfew", "port 7022"},
		"web-1.curfew":        {"hostname web-1.curfew", "user _", "proxyjump curfew", "hostkeyalias curfew", "stricthostkeychecking true"},
		"deploy@web-1.curfew": {"user deploy", "proxyjump curfew"},
		"other":               {"user me", "port 2200"},
	} {
		got := sshResolves(t, config, filepath.Join(filepath.Dir(key), "config"), name)
		for _, line := range want {
			if !strings.Contains(got, line+"\n") {
				t.Errorf("%s: no %q in\n%s", name, line, got)
			}
		}
	}
	if strings.Contains(sshResolves(t, config, filepath.Join(filepath.Dir(key), "config"), "other"), state) {
		t.Error("other hosts use the key")
	}
	s.must("", "ssh-config", "--remove")
	if text, _ := os.ReadFile(config); string(text) != mine {
		t.Errorf("after removing: %s", text)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("the key is still there")
	}
}

// sshResolves is what ssh makes of a name. What it would run to renew, this test, is
// replaced: that it runs is for the tests with a whole gateway.
func sshResolves(t *testing.T, config, written, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(written)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(written, []byte(strings.ReplaceAll(string(text), self, "/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ssh", "-G", "-F", config, name).Output()
	if err != nil {
		t.Fatalf("ssh -G %s: %v %s", name, err, out)
	}
	return string(out)
}

func TestSSHConfigPrintsWithoutWriting(t *testing.T) {
	f := newFake(t)
	sshDoor(t, f, "t_1", noon().Add(time.Hour), nil)
	s, home, _ := sshShell(t, f)
	out := s.must("", "ssh-config", "--name", "work")
	has(t, out, "Host work *.work", "HostName 192.0.2.5", "ssh-config --renew --no-input --server")
	if _, err := os.Stat(filepath.Join(home, ".ssh")); err == nil {
		t.Error("something was written")
	}
	has(t, s.must("", "ssh-config", "--json"), `"kind":"ssh"`, `"host":"192.0.2.5"`, `"port":7022`)
	if code, _, _ := s.run("", "ssh-config", "--name", "a b"); code != 2 {
		t.Errorf("a name with a space: exit %d", code)
	}
}

func TestACertificateIsRenewedWhereItMust(t *testing.T) {
	f := newFake(t)
	s, _, state := sshShell(t, f)
	calls := func() int { return len(f.called("POST /ssh-certificate")) }
	renew := func(want int, why string) {
		t.Helper()
		before := calls()
		if code, out, errs := s.run("", "ssh-config", "--renew", "--server", f.URL); code != 0 || out != "" || errs != "" {
			t.Errorf("%s: exit %d, %q %q", why, code, out, errs)
		}
		if calls()-before != want {
			t.Errorf("%s: asked %d times, want %d", why, calls()-before, want)
		}
	}
	sshDoor(t, f, "t_1", noon().Add(10*time.Minute), nil)
	renew(1, "there is none")
	sshDoor(t, f, "t_1", noon().Add(time.Hour), nil)
	renew(1, "it is nearly over")
	renew(0, "it is good")
	s.env["CURFEW_TOKEN"] = "cft.t_2.secret"
	sshDoor(t, f, "t_2", noon().Add(time.Hour), nil)
	renew(1, "it is of another sign-in")
	if err := os.WriteFile(theOne(t, state+"/ssh/*/key-cert.pub"), []byte("ssh-ed25519 AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	renew(1, "it is none any more")
	if err := os.Chmod(theOne(t, state+"/ssh/*/key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := s.run("", "ssh-config"); code == 0 || !strings.Contains(errs, "thers on this machine can read") {
		t.Errorf("a key that others can read: exit %d, %s", code, errs)
	}
	delete(s.env, "CURFEW_TOKEN")
	if code, _, errs := s.run("", "ssh-config", "--renew", "--server", f.URL); code != exitNotSignedIn || !strings.Contains(errs, "curfew login") {
		t.Errorf("nobody is signed in: exit %d, %s", code, errs)
	}
}

func TestSigningInCertifiesAndSigningOutForgets(t *testing.T) {
	f := newFake(t)
	sshDoor(t, f, "t_1", noon().Add(time.Hour), nil)
	s, _, state := sshShell(t, f)
	delete(s.env, "CURFEW_TOKEN")
	s.must("correct horse\n", "login", "--server", f.URL, "--email", "alice@acme.io", "--passphrase-stdin")
	cert := theOne(t, state+"/ssh/*/key-cert.pub")
	if f.called("POST /ssh-certificate")[0].token != "Bearer cft.new" {
		t.Error("asked for with another token")
	}
	s.must("", "logout")
	if _, err := os.Stat(cert); err == nil {
		t.Error("signed out, and the certificate is still there")
	}
	theOne(t, state+"/ssh/*/key")
}

// TestAGatewayWritesNothingElseIntoTheConfiguration: what it answers is text in files
// that ssh acts on.
func TestAGatewayWritesNothingElseIntoTheConfiguration(t *testing.T) {
	for name, change := range map[string]func(*client.SSHCertificate){
		"a host with a line break": func(c *client.SSHCertificate) { c.Host = "x\nProxyCommand id" },
		"a host with a quote":      func(c *client.SSHCertificate) { c.Host = "x\" y" },
		"a host with a space":      func(c *client.SSHCertificate) { c.Host = "x ProxyCommand=id" },
		"a host that is an option": func(c *client.SSHCertificate) { c.Host = "-oProxyCommand=id" },
		"a host that is a pattern": func(c *client.SSHCertificate) { c.Host = "*" },
		"a key with a line break":  func(c *client.SSHCertificate) { c.HostKey += "\n* ssh-ed25519 AAAA" },
		"a key that is none":       func(c *client.SSHCertificate) { c.HostKey = "@cert-authority *" },
		"a certificate of two":     func(c *client.SSHCertificate) { c.Certificate += "\nx" },
		"no certificate":           func(c *client.SSHCertificate) { c.Certificate = "" },
		"a port that is none":      func(c *client.SSHCertificate) { c.Port = 70000 },
		"a key with words before":  func(c *client.SSHCertificate) { c.HostKey = "gw,* " + c.HostKey },
	} {
		f := newFake(t)
		sshDoor(t, f, "t_1", noon().Add(time.Hour), change)
		s, home, state := sshShell(t, f)
		if code, _, _ := s.run("", "ssh-config", "--write"); code == 0 {
			t.Errorf("%s: taken", name)
		}
		if left, _ := filepath.Glob(state + "/ssh/*/*c*"); len(left) != 0 {
			t.Errorf("%s: %q are written", name, left)
		}
		if _, err := os.Stat(filepath.Join(home, ".ssh", "config")); err == nil {
			t.Errorf("%s: the configuration is written", name)
		}
	}
}
