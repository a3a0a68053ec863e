package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// shower is an SSH server that shows its key and lets nobody in.
func shower(t *testing.T) (address string, key ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				cfg := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, ssh.ErrNoAuth }}
				cfg.AddHostKey(signer)
				_, _, _, _ = ssh.NewServerConn(conn, cfg)
				_ = conn.Close()
			}()
		}
	}()
	return ln.Addr().String(), signer.PublicKey()
}

func TestAddingAHostShowsItsKey(t *testing.T) {
	address, key := shower(t)
	var out, errs bytes.Buffer
	a := newApp(Parts{Stdout: &out, Stderr: &errs})
	if err := a.addSSH(context.Background(), "ssh://ops@"+address, "web-7"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  web-7:\n    type: ssh\n    address: " + address + "\n    host key: " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), "may: [login ops, shell"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing: %s", want, out.String())
		}
	}
	if !strings.Contains(errs.String(), ssh.FingerprintSHA256(key)) {
		t.Errorf("no fingerprint to compare: %s", errs.String())
	}
	for _, no := range []string{"ssh://-oProxyCommand=x", "ssh://", "ssh://a b", "http://x", "ssh://x/path", "ssh://$(id)"} {
		if a.addSSH(context.Background(), no, "") == nil {
			t.Errorf("%q was taken", no)
		}
	}
}
