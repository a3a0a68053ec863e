package cli

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// scanBound is how long a host has to show its key.
const scanBound = 15 * time.Second

// hostForm is what may stand in an argument of another program.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}$`)

// addedSSH is a resource to be written into a file.
type addedSSH struct {
	Name        string `json:"name"`
	Address     string `json:"address"`
	HostKey     string `json:"host_key"`
	Fingerprint string `json:"fingerprint"`
	Login       string `json:"login"`
}

// addSSH asks a host for its key and prints what to write into curfew.yaml. Whether
// it is the right host's, a person says.
func (a *app) addSSH(ctx context.Context, text, name string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "ssh" || !hostForm.MatchString(u.Hostname()) || u.Path != "" && u.Path != "/" {
		return usage(fmt.Sprintf("%q is no address of an SSH host", clean(text)), "curfew add ssh://deploy@web-1.internal:22")
	}
	port := u.Port()
	if port == "" {
		port = "22"
	}
	out := addedSSH{Name: name, Address: net.JoinHostPort(u.Hostname(), port), Login: "deploy"}
	if out.Name == "" {
		out.Name, _, _ = strings.Cut(u.Hostname(), ".")
		if net.ParseIP(u.Hostname()) != nil {
			out.Name = "web-1"
		}
	}
	if u.User.Username() != "" {
		out.Login = u.User.Username()
	}
	key, err := scanned(ctx, u.Hostname(), port)
	if err != nil {
		return err
	}
	out.HostKey, out.Fingerprint = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), ssh.FingerprintSHA256(key)
	return emit(a, "added", out, func(out addedSSH) {
		a.outf("resources:\n  %s:\n    type: ssh\n    address: %s\n    host key: %s\n\nroles:\n  %s/shell:\n    on: %s\n    may: [login %s, shell, run anything]\n    longest: 1h\n",
			clean(out.Name), clean(out.Address), out.HostKey, clean(out.Name), clean(out.Name), clean(out.Login))
		a.note("This key came over the network. On the host, compare: ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub\nIt must say %s. Then write this into curfew.yaml, and: curfew apply, curfew add --setup %s",
			strings.TrimPrefix(key.Type(), "ssh-"), out.Fingerprint, clean(out.Name))
	})
}

// scanned is the best key that a host shows.
func scanned(ctx context.Context, host, port string) (ssh.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, scanBound)
	defer cancel()
	text, err := exec.CommandContext(ctx, "ssh-keyscan", "-T", "5", "-p", port, "-t", "ed25519,ecdsa,rsa", host).Output()
	if err != nil && len(text) == 0 {
		return nil, failed(exitUnreachable, "resource.down", fmt.Sprintf("%s shows no host key at port %s (ssh-keyscan: %v)", clean(host), clean(port), err))
	}
	var best ssh.PublicKey
	for line := range bytes.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSpace(string(line)), " ") // the name
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(rest))
		if err == nil && (best == nil || key.Type() == ssh.KeyAlgoED25519) {
			best = key
		}
	}
	if best == nil {
		return nil, failed(exitUnreachable, "resource.down", fmt.Sprintf("%s shows no host key at port %s", clean(host), clean(port)))
	}
	return best, nil
}
