package cli

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew/client"
)

// renewBefore is how much of a certificate's time may be left when it is renewed.
const renewBefore = 20 * time.Minute

// sshPlace is where a gateway's key, certificate and configuration lie.
type sshPlace struct{ dir, folder string }

func (a *app) sshPlace(server string) (sshPlace, error) {
	dir, err := a.dir()
	if err != nil {
		return sshPlace{}, err
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(server))
	return sshPlace{dir, filepath.Join(dir, "ssh", strings.TrimLeft(name, "."))}, nil
}

func (p sshPlace) in(name string) string { return filepath.Join(p.folder, name) }
func (p sshPlace) key() string           { return p.in("key") }
func (p sshPlace) certificate() string   { return p.in("key-cert.pub") }

// write writes a file that only this account can read, wholly or not at all.
func (p sshPlace) write(name, text string) error {
	if err := os.MkdirAll(p.folder, 0o700); err != nil {
		return fmt.Errorf("make the folder for ssh: %w", err)
	}
	return writeWhole(p.in(name), text)
}

// writeWhole replaces a file, wholly or not at all; only this account can read it.
func writeWhole(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// signer is the key of this machine for the gateway; it is made where there is none.
// One that others can read is not used.
func (p sshPlace) signer() (ssh.Signer, error) {
	info, err := os.Stat(p.key())
	if errors.Is(err, fs.ErrNotExist) {
		if err = p.newKey(); err == nil {
			info, err = os.Stat(p.key())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, failed(exitFailed, "ssh.key", fmt.Sprintf("others on this machine can read %s (mode %04o)", p.key(), info.Mode().Perm()), "curfew ssh-config --remove", "curfew ssh-config --write")
	}
	text, err := os.ReadFile(p.key())
	if err != nil {
		return nil, fmt.Errorf("open the key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, failed(exitFailed, "ssh.key", p.key()+" is no key any more", "curfew ssh-config --remove", "curfew ssh-config --write")
	}
	return key, nil
}

// newKey makes the key, unless another process has just done so.
func (p sshPlace) newKey() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "curfew")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(p.folder, ".key-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(pem.EncodeToMemory(block))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), p.key()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// sshCertify has the gateway certify the key, and keeps the certificate beside it.
func (a *app) sshCertify(ctx context.Context, c *client.Client, p sshPlace) (client.SSHCertificate, error) {
	key, err := p.signer()
	if err != nil {
		return client.SSHCertificate{}, err
	}
	cert, err := c.SSH(ctx, client.WantSSH{PublicKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))})
	if err != nil {
		return cert, err
	}
	if !usable(cert) {
		return cert, failed(exitFailed, "ssh.answer", "the gateway's answer is none that ssh could use")
	}
	return cert, p.write("key-cert.pub", cert.Certificate+"\n")
}

// usable reports whether an answer is what it is said to be and nothing else: it is
// written to files that ssh acts on.
func usable(c client.SSHCertificate) bool {
	for _, text := range []string{c.Certificate, c.HostKey} {
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil || len(options) > 0 || len(rest) > 0 || !strings.HasPrefix(text, key.Type()+" ") {
			return false
		}
	}
	host := strings.Trim(c.Host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:")
	return c.Host != "" && host == "" && c.Host[0] != '-' && c.Port > 0 && c.Port < 1<<16
}

// fresh reports whether the certificate is of this sign-in and good for a while.
func (p sshPlace) fresh(token string, now time.Time) bool {
	text, err := os.ReadFile(p.certificate())
	if err != nil {
		return false
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	cert, ok := key.(*ssh.Certificate)
	if err != nil || !ok {
		return false
	}
	fields := strings.Split(token, ".") // cft.IDENTIFIER.secret
	return len(fields) == 3 && strings.HasSuffix(cert.KeyId, " "+fields[1]) && time.Unix(int64(cert.ValidBefore), 0).Sub(now) > renewBefore
}

// forget drops the certificate of a sign-in that is over. The key stays.
func (p sshPlace) forget() { _ = os.Remove(p.certificate()) }

// name is what ssh calls the gateway: as asked for, as before, or curfew where no
// other gateway is called so.
func (p sshPlace) name(asked string) (string, error) {
	if asked != "" {
		if strings.Trim(asked, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return "", usage("--name: letters, digits, - and _")
		}
		return asked, nil
	}
	if had := nameIn(p.in("config")); had != "" {
		return had, nil
	}
	taken := map[string]bool{}
	all, _ := filepath.Glob(filepath.Join(p.dir, "ssh", "*", "config"))
	for _, other := range all {
		taken[nameIn(other)] = true
	}
	for n := 1; ; n++ {
		name := "curfew"
		if n > 1 {
			name += fmt.Sprint(n)
		}
		if !taken[name] {
			return name, nil
		}
	}
}

// nameIn is what a configuration that was written calls its gateway.
func nameIn(path string) string {
	text, _ := os.ReadFile(path)
	_, rest, _ := strings.Cut(string(text), "\n  HostKeyAlias ")
	name, _, _ := strings.Cut(rest, "\n")
	return name
}
