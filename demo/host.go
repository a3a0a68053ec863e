package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/servers"
)

// startHost starts the second target where its programs are here; otherwise it is
// left out, and what would install it is named.
func (s *story) startHost(ctx context.Context) {
	host, err := servers.StartSSH(ctx, servers.SSHOptions{Folder: s.folder})
	if _, missing := exec.LookPath("ssh"); err == nil && missing != nil {
		err = errors.Join(curfew.Errorf(curfew.NotFound, "no OpenSSH client is installed").WithFix("on Debian: apt-get install openssh-client"), host.Stop())
	}
	if e := new(curfew.Error); errors.As(err, &e) {
		fmt.Fprintf(s.out, "             web-1    left out: %s; %s\n", e.Message, e.Fix)
		return
	}
	s.host = host
	fmt.Fprintf(s.out, "             web-1    a real OpenSSH server of its own, as %s\n", host.User)
}

// hostPolicy is what the configuration says of the host, below its resources, roles and policies.
func (s *story) hostPolicy() (resource, role, policy string) {
	if s.host == nil {
		return "", "", ""
	}
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.host.HostKey)))
	return "  web-1:\n    type: ssh\n    address: " + s.host.Address() + "\n    host key: " + key + "\n",
		"  web/ops:\n    about: Look after the host.\n    on: web-1\n    may: [login " + s.host.User + ", shell, run anything]\n    longest: 1h\n",
		"  look-after-hosts:\n    who: payments\n    may have: web/ops\n    at most: 10m\n"
}

// trust does on the host what its owner does with the set-up that curfew prints.
func (s *story) trust() error {
	a, err := s.show("ben", "", 0, "add", "--setup", "web-1")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(a.text, "echo '")
	line, _, _ := strings.Cut(rest, "'")
	authority, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return wrong("the set-up names no authority")
	}
	if err := s.host.Trust(authority, "curfew:"+deployment+":web-1:"+s.host.User); err != nil {
		return err
	}
	b, err := s.show("ben", "", 0, "doctor")
	if err != nil {
		return err
	}
	return has(b, "lets Curfew in as "+s.host.User)
}

// leftBehind is a duration that nothing else on this machine sleeps for.
func leftBehind() string { return fmt.Sprintf("700.%d", os.Getpid()) }

// runs reports whether what Alice left behind runs on the host.
func runs() bool {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		if text, err := os.ReadFile(name); err == nil && bytes.HasPrefix(text, []byte("sleep\x00"+leftBehind()+"\x00")) {
			return true
		}
	}
	return false
}

// ownSSH runs a command with Alice's ssh, set up as curfew ssh-config says.
func (s *story) ownSSH(command string) (answer, error) {
	config, err := s.as("alice", "", "ssh-config", "-q")
	if err == nil && config.code != 0 {
		err = wrong("curfew ssh-config says: %s", config.text)
	}
	if err == nil {
		err = os.WriteFile(s.file("ssh_config"), []byte(config.text), 0o600)
	}
	if err != nil {
		return answer{}, err
	}
	fmt.Fprintf(s.out, "   alice$ curfew ssh-config > ssh_config\n   alice$ ssh -F ssh_config web-1@curfew '%s'\n", command)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ssh", "-F", s.file("ssh_config"), "-o", "BatchMode=yes", "web-1@curfew", command).CombinedOutput()
	s.print(string(out))
	if err != nil {
		return answer{}, wrong("ssh ended with %v", err)
	}
	return answer{text: string(out)}, nil
}

func (s *story) onHost() error {
	if _, err := s.show("alice", "", 0, "request", "web/ops", "--for", "5m", "--reason", "look at the load"); err != nil {
		return err
	}
	a, err := s.ownSSH("id -un; nohup sleep " + leftBehind() + " >/dev/null 2>&1 </dev/null & sleep 0.3; echo left behind")
	if err != nil {
		return err
	}
	if err := has(a, s.host.User, "left behind", "Curfew: web-1 as "+s.host.User); err != nil {
		return err
	}
	if !runs() {
		return wrong("what she left behind does not run")
	}
	if _, err := s.show("alice", "", 0, "give-back", s.newest("grants", "alice")); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); runs(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return wrong("it still runs")
		}
	}
	fmt.Fprintln(s.out, "   (looked in /proc: it runs no more)")
	b, err := s.show("alice", "", 0, "transcript", s.newest("sessions", "alice"))
	if err != nil {
		return err
	}
	return has(b, "nohup sleep")
}
