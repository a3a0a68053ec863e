package cli

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

// sshConfigArgs are the flags of ssh-config.
type sshConfigArgs struct {
	name                 string
	write, remove, renew bool
}

func (a *app) sshConfigCommand() *cobra.Command {
	var in sshConfigArgs
	cmd := &cobra.Command{
		Use: "ssh-config", Short: "Set up your own ssh: a key, a certificate that says who you are, the gateway's host key", Args: between(0, 0),
		Long: "Makes a key that stays on this machine, has the gateway certify it for as long as you are signed in (an hour at a time; ssh renews it by\n" +
			"itself), and prints what ssh_config needs; --write puts it where ssh reads it. Then:\n\n" +
			"  ssh web-1@curfew            and scp, sftp, rsync, git: the resource's name is the user's\n" +
			"  ssh deploy@web-1@curfew     become deploy there\n" +
			"  ssh web-1+ops@curfew        with the role web/ops, where you hold several\n" +
			"  ssh deploy@web-1.curfew     the same by name, for editors and Ansible\n\n" +
			"The certificate gives no access: that is asked for as always, also by ssh itself at a terminal.",
		Example: "  curfew ssh-config --write\n  ssh web-1@curfew",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case in.renew:
				return a.sshRenew(cmd.Context())
			case in.remove:
				return a.sshRemove()
			}
			return a.sshConfig(cmd.Context(), in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.name, "name", "", "what ssh calls the gateway; default: curfew")
	f.BoolVar(&in.write, "write", false, "put it into your ssh configuration")
	f.BoolVar(&in.remove, "remove", false, "take it out again, and forget the key")
	f.BoolVar(&in.renew, "renew", false, "renew the certificate if it is nearly over, and say nothing; ssh runs this")
	return cmd
}

// sshSetup is what ssh-config shows.
type sshSetup struct {
	Name        string    `json:"name"`
	Host        string    `json:"host"`
	Port        int       `json:"port"`
	Key         string    `json:"key"`
	Certificate string    `json:"certificate"`
	KnownHosts  string    `json:"known_hosts"`
	Config      string    `json:"config"`
	Written     string    `json:"written,omitempty" doc:"The file that now leads to it"`
	Until       time.Time `json:"until"`
}

func (a *app) sshConfig(ctx context.Context, in sshConfigArgs) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	place, err := a.sshPlace(c.Server())
	if err != nil {
		return err
	}
	name, err := place.name(in.name)
	if err != nil {
		return err
	}
	cert, err := a.sshCertify(ctx, c, place)
	if err != nil {
		return err
	}
	host := cert.Host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() { // it listens everywhere: the API's name leads there too
		if u, err := url.Parse(c.Server()); err == nil {
			host = u.Hostname()
		}
	}
	out := sshSetup{Name: name, Host: host, Port: cert.Port, Key: place.key(), Certificate: place.certificate(), KnownHosts: place.in("known_hosts"), Until: cert.Until}
	if out.Config, err = a.sshConfigText(c.Server(), out); err != nil {
		return err
	}
	known := name + " " + cert.HostKey + "\n[" + host + "]:" + strconv.Itoa(cert.Port) + " " + cert.HostKey + "\n"
	if err := place.write("known_hosts", known); err != nil {
		return err
	}
	if in.write {
		if err := place.write("config", out.Config); err != nil {
			return err
		}
		if out.Written, err = a.sshInclude(place, true); err != nil {
			return err
		}
	}
	return emit(a, "ssh", out, func(out sshSetup) {
		if !in.write {
			a.outf("%s", out.Config)
			return
		}
		a.done("%s leads to the gateway as %s. You are certified until %s; ssh renews that while you are signed in.", out.Written, out.Name, a.clock(out.Until))
		a.note("Try: ssh RESOURCE@%s", out.Name)
	})
}

// sshConfigText is what ssh_config needs. Every value in it is ours or checked.
func (a *app) sshConfigText(server string, s sshSetup) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	for _, text := range []string{self, server, s.Host, s.Key, s.KnownHosts, a.parts.Env("CURFEW_CONFIG_DIR")} {
		if strings.ContainsAny(text, "\r\n\x00\"'\\$`") {
			return "", failed(exitFailed, "ssh.path", "ssh's configuration cannot hold "+clean(text))
		}
	}
	percent := strings.NewReplacer("%", "%%")
	renew := "'" + self + "' ssh-config --renew --no-input --server '" + server + "'"
	if dir := a.parts.Env("CURFEW_CONFIG_DIR"); dir != "" {
		renew = "CURFEW_CONFIG_DIR='" + dir + "' " + renew
	}
	names := s.Name + " *." + s.Name
	if net.ParseIP(s.Host) == nil && s.Host != "localhost" && s.Host != s.Name {
		names += " " + s.Host
	}
	direct := strings.ReplaceAll(names, " *."+s.Name, "")
	return strings.Join([]string{
		"# The Curfew gateway " + server + "; written by curfew ssh-config, and anew each time.",
		"Match originalhost " + strings.ReplaceAll(names, " ", ",") + " exec \"" + percent.Replace(renew) + "\"",
		"Host " + names,
		"  IdentityFile \"" + percent.Replace(s.Key) + "\"", "  CertificateFile \"" + percent.Replace(s.Certificate) + "\"", "  IdentitiesOnly yes",
		"  HostKeyAlias " + s.Name, "  UserKnownHostsFile \"" + percent.Replace(s.KnownHosts) + "\"", "  GlobalKnownHostsFile /dev/null", "  StrictHostKeyChecking yes", "  UpdateHostKeys no",
		"  PreferredAuthentications publickey,keyboard-interactive,password", "  ForwardX11 no",
		"Host " + direct, "  HostName " + s.Host, "  Port " + strconv.Itoa(s.Port),
		"Host " + s.Name, "  User _." + s.Name, // who names no resource goes on by name
		"Host *." + s.Name, "  ProxyJump " + s.Name, "  User _", "", // whoever the role says first
	}, "\n"), nil
}

// sshRenew renews the certificate if it is of an earlier sign-in, or nearly over.
func (a *app) sshRenew(ctx context.Context) error {
	server, login, err := a.connection()
	if err != nil {
		return err
	}
	place, err := a.sshPlace(server)
	if err != nil || login.Token != "" && place.fresh(login.Token, a.now()) {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	_, err = a.sshCertify(ctx, c, place)
	return err
}

// sshAfterLogin gives a sign-in its certificate, where the gateway has a door for SSH.
// Signing in does not fail for it.
func (a *app) sshAfterLogin(ctx context.Context, c *client.Client) {
	place, err := a.sshPlace(c.Server())
	if err == nil {
		_, err = a.sshCertify(ctx, c, place)
	}
	if f := client.FailureOf(err); err != nil && f == nil {
		a.note("No certificate for ssh: %v", err)
	}
}

// sshIncludeLine is what leads ssh to all that ssh-config has written.
func sshIncludeLine(dir string) string {
	return "Include \"" + filepath.Join(dir, "ssh", "*", "config") + "\"\n"
}

// sshInclude adds the line that leads ssh to what was written, or takes it out, and
// says where. What else is in the file stays as it is.
func (a *app) sshInclude(p sshPlace, want bool) (string, error) {
	home := a.parts.Env("HOME")
	if home == "" {
		return "", failed(exitFailed, "ssh.home", "HOME is not set: there is no ssh configuration to write to", "curfew ssh-config")
	}
	path := filepath.Join(home, ".ssh", "config")
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return path, fmt.Errorf("read the ssh configuration: %w", err)
	}
	line := sshIncludeLine(p.dir)
	has := strings.Contains("\n"+string(text), "\n"+line)
	switch {
	case has == want:
		return path, nil
	case want: // first: what stands before any Host is for all, and the first value counts
		text = append([]byte(line), text...)
	default:
		text = []byte(strings.TrimPrefix(strings.ReplaceAll("\n"+string(text), "\n"+line, "\n"), "\n"))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return path, fmt.Errorf("make the folder of the ssh configuration: %w", err)
	}
	return path, writeWhole(path, string(text))
}

func (a *app) sshRemove() error {
	server, _, err := a.connection()
	if err != nil {
		return err
	}
	place, err := a.sshPlace(server)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(place.folder); err != nil {
		return fmt.Errorf("forget the key: %w", err)
	}
	if left, _ := filepath.Glob(filepath.Join(place.dir, "ssh", "*", "config")); len(left) == 0 {
		if _, err := a.sshInclude(place, false); err != nil {
			return err
		}
	}
	a.done("ssh knows nothing of %s any more, and its key is forgotten.", server)
	return nil
}
