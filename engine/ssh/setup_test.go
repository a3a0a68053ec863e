package ssh

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/servers"
)

func (s *site) keeper(res curfew.Resource) *keeper {
	return New(s.keys).Keeper(lease.Target{Deployment: "test", Resource: res, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", res.Address)
	}}).(*keeper)
}

func (s *site) resource() curfew.Resource {
	return curfew.Resource{Name: "web-1", Type: "ssh", Address: s.sshd.Address(), Account: curfew.Leased, Options: hostKeyOption(s.sshd.HostKey, "")}
}

func TestSetupIsAScriptThatMakesTheHostTrust(t *testing.T) {
	k := (&Engine{keys: Keys{Authority: newSigner(t)}}).Keeper(lease.Target{Deployment: "test", Resource: curfew.Resource{Name: "web-1"}}).(lease.Installer)
	text, err := k.Setup(context.Background())
	must(t, err)
	// Below a folder of ours, with a server that says yes to its configuration.
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "etc/ssh/sshd_config.d"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "sshd"), []byte("#!/bin/sh\n[ \"$1\" = -t ]\n"), 0o755))
	script := strings.ReplaceAll(text, "/etc/ssh/", root+"/etc/ssh/")
	sh := func(args ...string) (string, error) {
		cmd := exec.Command("sh", append([]string{"-s"}, args...)...)
		cmd.Stdin, cmd.Env = strings.NewReader(script), []string{"PATH=" + root + ":/usr/bin:/bin"}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := sh(); err == nil {
		t.Errorf("without users: %s", out)
	}
	if out, err := sh("root"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]string{
		"curfew/principals/root":    "curfew:test:web-1:root\n",
		"curfew/authority.pub":      "ssh-ed25519 ",
		"sshd_config.d/curfew.conf": "TrustedUserCAKeys " + root + "/etc/ssh/curfew/authority.pub\nAuthorizedPrincipalsFile " + root + "/etc/ssh/curfew/principals/%u\n",
	} {
		if got, err := os.ReadFile(filepath.Join(root, "etc/ssh", name)); err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}

func TestTheDoctorSaysWhatIsWrongWithAHost(t *testing.T) {
	s := newSite(t, enginetest.Options{}, servers.SSHOptions{}, "")
	ctx := context.Background()
	may := []curfew.Permission{{May: []string{"login " + s.sshd.User, "shell"}}}
	texts := func(k *keeper, p []curfew.Permission) string {
		var all []string
		for _, f := range k.CheckRoles(ctx, p) {
			all = append(all, map[bool]string{true: "ok ", false: "no "}[f.OK]+f.Text+" "+f.Fix)
		}
		k.Close()
		return strings.Join(all, "\n")
	}
	if got := texts(s.keeper(s.resource()), may); !strings.Contains(got, "ok reached") || !strings.Contains(got, "found by their marks") || strings.Contains(got, "no ") && !strings.Contains(got, "nobody") {
		t.Error(got)
	}
	other := s.resource()
	other.Options = hostKeyOption(newSigner(t).PublicKey(), "")
	if got := texts(s.keeper(other), may); !strings.HasPrefix(got, "no ") || !strings.Contains(got, ssh.FingerprintSHA256(s.sshd.HostKey)) {
		t.Errorf("another host key: %s", got)
	}
	if got := texts(s.keeper(s.resource()), []curfew.Permission{{May: []string{"login nobody", "shell"}}}); !strings.Contains(got, "does not let Curfew in as nobody") {
		t.Errorf("a user who is not listed: %s", got)
	}
	must(t, s.sshd.Trust(newSigner(t).PublicKey(), "x"))
	if got := texts(s.keeper(s.resource()), may); !strings.Contains(got, "curfew add --setup web-1") {
		t.Errorf("no trust: %s", got)
	}
	must(t, s.sshd.Trust(s.keys.Authority.PublicKey(), principal("test", "web-2", s.sshd.User)))
	if got := texts(s.keeper(s.resource()), may); !strings.HasPrefix(got, "no ") {
		t.Errorf("a certificate for another host opens this one: %s", got)
	}
}
