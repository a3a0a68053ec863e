package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/ssh"
)

// sshKeys are the SSH engine's keys, from the node's folder.
type sshKeys struct{ ssh.Keys }

// known is what clients put into known_hosts behind a name.
func (k sshKeys) known() string {
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(k.Host[0].PublicKey())))
}

// openSSHKeys reads the gateway's host key and its certificate authority, or makes
// them, and certifies the host key for the names that clients use.
func openSSHKeys(folder string, names []string) (sshKeys, error) {
	host, err1 := openSSHKey(filepath.Join(folder, "ssh_host_key"))
	authority, err2 := openSSHKey(filepath.Join(folder, "ssh_authority"))
	if err := errors.Join(err1, err2); err != nil {
		return sshKeys{}, err
	}
	cert := &gossh.Certificate{
		Key: host.PublicKey(), CertType: gossh.HostCert, KeyId: "Curfew gateway", ValidPrincipals: names,
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().AddDate(1, 0, 0).Unix()),
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		return sshKeys{}, curfew.Wrap(curfew.Internal, err, "certify the SSH host key")
	}
	certified, err := gossh.NewCertSigner(cert, host)
	if err != nil {
		return sshKeys{}, curfew.Wrap(curfew.Internal, err, "certify the SSH host key")
	}
	return sshKeys{ssh.Keys{Host: []gossh.Signer{host, certified}, Authority: authority}}, nil
}

func openSSHKey(path string) (gossh.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = newSSHKey(); err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
	}
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open an SSH key")
	}
	key, err := gossh.ParsePrivateKey(text)
	if err != nil {
		return nil, curfew.Errorf(curfew.Corrupt, "the SSH key %s is damaged", path)
	}
	return key, nil
}

func newSSHKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "make an SSH key")
	}
	block, err := gossh.MarshalPrivateKey(key, "curfew")
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "make an SSH key")
	}
	return pem.EncodeToMemory(block), nil
}
