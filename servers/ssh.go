package servers

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
)

// SSHOptions say what kind of sshd is wanted. The zero value is ready.
type SSHOptions struct {
	Folder    string   // where its files go, below a folder of their own; "": a temporary folder
	Settings  []string // more lines of sshd_config, which count before ours
	Subsystem string   // of sftp; "": the distribution's sftp-server
}

// SSH is a running throw-away sshd. As an unprivileged program it lets in only the
// user that it runs as.
type SSH struct {
	Port    int
	User    string        // who can log in
	Home    string        // their home
	HostKey ssh.PublicKey // what it shows
	folder  string
	opt     SSHOptions
	attr    *syscall.SysProcAttr
	run     *process
}

// SSHD is where the distribution puts the server.
const SSHD = "/usr/sbin/sshd"

// StartSSH starts an sshd.
func StartSSH(ctx context.Context, opt SSHOptions) (*SSH, error) {
	if _, err := os.Stat(SSHD); err != nil {
		return nil, curfew.Errorf(curfew.NotFound, "no OpenSSH server is installed").WithFix("on Debian: apt-get install openssh-server (it is looked for at %s)", SSHD)
	}
	folder, err := os.MkdirTemp(opt.Folder, "curfew-ssh-")
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the folder of an sshd")
	}
	s := &SSH{folder: folder, opt: opt, attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *SSH) build(ctx context.Context) error {
	if err := s.unprivileged(filepath.Dir(s.folder)); err != nil {
		return err
	}
	if err := errors.Join(s.hostKey(), s.give("ca.pub", nil, 0o644), os.Mkdir(filepath.Join(s.folder, "principals"), 0o755)); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the files of an sshd")
	}
	var err error
	for try := 0; try < 4; try++ { // somebody else may take the port first
		if s.Port, err = freePort(); err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "find a free port")
		}
		if err = s.launch(ctx); err == nil {
			return nil
		}
		s.halt()
	}
	return err
}

// unprivileged finds who the server runs as: us, or where we are root somebody
// with a shell.
func (s *SSH) unprivileged(above string) error {
	if os.Getuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "find out who we are")
		}
		s.User, s.Home = u.Username, u.HomeDir
		return nil
	}
	name, uid, gid, home := somebody()
	if name == "" {
		return curfew.Errorf(curfew.NotFound, "the throw-away sshd does not run as root, and there is no other user with a shell").WithFix("useradd --create-home --shell /bin/bash somebody")
	}
	s.User, s.Home = name, home
	s.attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	if g, err := user.LookupGroup("tty"); err == nil { // an sshd gives terminals to that group
		if id, err := strconv.ParseUint(g.Gid, 10, 32); err == nil {
			s.attr.Credential.Groups = []uint32{uint32(id)}
		}
	}
	for dir := above; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) { // the way there must be passable
		if info, err := os.Stat(dir); err == nil {
			_ = os.Chmod(dir, info.Mode().Perm()|0o011)
		}
	}
	return os.Chown(s.folder, int(uid), int(gid))
}

// somebody is the first user of a system kind, or else any, who is not root and has a shell and a home.
func somebody() (name string, uid, gid uint32, home string) {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return "", 0, 0, ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		p := strings.Split(lines.Text(), ":")
		if len(p) < 7 || p[6] != "/bin/bash" && p[6] != "/bin/sh" || p[2] == "0" || name == "postgres" {
			continue
		}
		u, err1 := strconv.ParseUint(p[2], 10, 32)
		g, err2 := strconv.ParseUint(p[3], 10, 32)
		if info, err := os.Stat(p[5]); err1 == nil && err2 == nil && err == nil && info.IsDir() {
			name, uid, gid, home = p[0], uint32(u), uint32(g), p[5]
		}
	}
	return name, uid, gid, home
}

func (s *SSH) hostKey() error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	s.HostKey = signer.PublicKey()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return err
	}
	return s.give("host", pem.EncodeToMemory(block), 0o600)
}

// give writes a file that belongs to the server's user.
func (s *SSH) give(name string, text []byte, mode os.FileMode) error {
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, text, mode); err != nil {
		return err
	}
	if c := s.attr.Credential; c != nil {
		return os.Chown(path, int(c.Uid), int(c.Gid))
	}
	return nil
}

// Trust makes the server trust a certificate authority for the principals, as an
// owner does with two lines of sshd_config.
func (s *SSH) Trust(authority ssh.PublicKey, principals ...string) error {
	return errors.Join(
		s.give("ca.pub", ssh.MarshalAuthorizedKey(authority), 0o644),
		s.give(filepath.Join("principals", s.User), []byte(strings.Join(principals, "\n")+"\n"), 0o644),
	)
}

func (s *SSH) config() string {
	sftp := s.opt.Subsystem
	if sftp == "" {
		sftp = "/usr/lib/openssh/sftp-server"
	}
	in := func(name string) string { return filepath.Join(s.folder, name) }
	lines := append(append([]string(nil), s.opt.Settings...),
		"Port "+strconv.Itoa(s.Port), "ListenAddress 127.0.0.1", "HostKey "+in("host"), "PidFile none", "UsePAM no", "StrictModes no",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "AuthorizedKeysFile none",
		"TrustedUserCAKeys "+in("ca.pub"), "AuthorizedPrincipalsFile "+in("principals")+"/%u",
		"Subsystem sftp "+sftp, "AllowTcpForwarding yes", "AllowAgentForwarding yes", "X11Forwarding no", "PrintMotd no",
		"AcceptEnv LANG LC_* LD_PRELOAD COLORTERM", "MaxStartups 200", "MaxSessions 50", "LogLevel VERBOSE")
	return strings.Join(lines, "\n") + "\n"
}

// launch starts the server at its port and waits until it answers.
func (s *SSH) launch(ctx context.Context) error {
	if err := s.give("config", []byte(s.config()), 0o644); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the configuration of an sshd")
	}
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "open the server's log")
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(SSHD, "-D", "-e", "-f", filepath.Join(s.folder, "config"))
	attr := *s.attr
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = &attr, s.folder, log, log
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	if s.run, err = start(cmd); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "start sshd")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && ctx.Err() == nil && !s.run.over(); time.Sleep(10 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", s.Address(), time.Second)
		if err != nil {
			continue
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		_ = conn.Close()
		if err == nil && strings.HasPrefix(line, "SSH-2.0-") {
			return nil
		}
	}
	return curfew.Errorf(curfew.Unavailable, "sshd did not start: %s", s.Log())
}

// Address is host:port.
func (s *SSH) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Log is what the server has logged so far.
func (s *SSH) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.folder, "log"))
	return string(text)
}

// Workplace makes a folder that the server's user may write to, below the server's own.
func (s *SSH) Workplace(name string) (string, error) {
	path := filepath.Join(s.folder, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		return "", curfew.Wrap(curfew.Unavailable, err, "make a folder")
	}
	if c := s.attr.Credential; c != nil {
		return path, os.Chown(path, int(c.Uid), int(c.Gid))
	}
	return path, nil
}

func (s *SSH) halt() {
	if s.run != nil {
		s.run.end(syscall.SIGTERM)
		s.run = nil
	}
}

// Stop ends the server and removes its files.
func (s *SSH) Stop() error {
	s.halt()
	return os.RemoveAll(s.folder)
}
