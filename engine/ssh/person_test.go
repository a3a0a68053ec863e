package ssh

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// badge is a person's key and the certificate that a sign-in of theirs has got for it.
type badge struct {
	who    curfew.Principal
	signIn string
	key    ssh.Signer // without its certificate
	cert   *ssh.Certificate
	file   string // the key; beside it lies the certificate
}

func (s *site) badge(who curfew.Principal) badge {
	s.t.Helper()
	ctx := context.Background()
	token, _, err := s.Identity.IssueToken(ctx, who, "a laptop")
	must(s.t, err)
	b := badge{who: who, signIn: strings.Split(token, ".")[1], key: newSigner(s.t)}
	b.cert = s.certify(b)
	return b
}

// certify gets a certificate as the API gives it.
func (s *site) certify(b badge) *ssh.Certificate {
	s.t.Helper()
	text, _, err := s.Identity.IssueSSH(context.Background(), b.who, b.signIn, string(ssh.MarshalAuthorizedKey(b.key.PublicKey())))
	must(s.t, err)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	must(s.t, err)
	return key.(*ssh.Certificate)
}

// keyFile makes a badge that an official client can use.
func (s *site) keyFile(who curfew.Principal) badge {
	s.t.Helper()
	b := s.badge(who)
	b.file = filepath.Join(s.home, "key-"+b.signIn)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", b.file).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(b.file)
	must(s.t, err)
	b.key, err = ssh.ParsePrivateKey(text)
	must(s.t, err)
	b.cert = s.certify(b)
	must(s.t, os.WriteFile(b.file+"-cert.pub", ssh.MarshalAuthorizedKey(b.cert), 0o600))
	return b
}

func (b badge) signer(t testing.TB) ssh.Signer {
	t.Helper()
	signed, err := ssh.NewCertSigner(b.cert, b.key)
	must(t, err)
	return signed
}

// enter logs in with whatever proves who one is, and says what the gateway said.
func (s *site) enter(user string, auth ...ssh.AuthMethod) (c native, said string, err error) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Address)
	must(s.t, err)
	var b strings.Builder
	sc, chans, reqs, err := ssh.NewClientConn(conn, s.Address, &ssh.ClientConfig{
		User: user, Auth: auth, HostKeyCallback: ssh.FixedHostKey(s.keys.Host[0].PublicKey()), BannerCallback: func(text string) error { b.WriteString(text); return nil },
	})
	if err != nil {
		_ = conn.Close()
		return native{}, b.String(), err
	}
	c = native{ssh.NewClient(sc, chans, reqs)}
	s.t.Cleanup(c.Close)
	return c, b.String(), nil
}

// client is an official client with a badge.
func (s *site) client(b badge, program string, args ...string) *exec.Cmd {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Address)
	options := []string{
		"-F", "none", "-o", "UserKnownHostsFile=" + filepath.Join(s.home, "known_hosts"), "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes",
		"-o", "IdentityFile=" + b.file, "-o", "CertificateFile=" + b.file + "-cert.pub", "-o", "Port=" + port,
	}
	if len(args) > 1 && args[0] == "-F" { // it says all of that
		options = nil
	}
	cmd := exec.Command(program, append(options, args...)...)
	cmd.Env = append(os.Environ(), "DISPLAY=none:0")
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func agreedRoles() enginetest.Options {
	return enginetest.Options{Agreed: true, Roles: map[curfew.RoleName][]string{
		"web/true": {"login {user}", "run true", "run echo *"}, "web/shell": {"login {user}", "shell"}, "web/root": {"login root", "run true"},
	}}
}

func TestACertificateLetsInWhoHoldsAGrant(t *testing.T) {
	opt := agreedRoles()
	s := newSite(t, opt, servers.SSHOptions{}, "")
	g := s.Grant("web/true", time.Hour)
	b := s.keyFile(g.Principal)
	got := finish(t, s.client(b, "ssh", "-o", "BatchMode=yes", "web-1@127.0.0.1", "echo hello"))
	if got.out != "hello\n" || got.code != 0 || !strings.Contains(got.err, "Curfew: web-1 as "+s.sshd.User+" (web/true) until") {
		t.Errorf("%+v", got)
	}
	if st := said(s.items(g), record.Statement); len(st) != 1 || st[0] != "echo hello" {
		t.Errorf("recorded %q", st)
	}
	for _, user := range []string{s.sshd.User + "@web-1", "web-1+true", s.sshd.User + "@web-1+web/true"} {
		c, _, err := s.enter(user, ssh.PublicKeys(b.signer(t)))
		if err != nil {
			t.Errorf("%s: %v", user, err)
			continue
		}
		must(t, c.Do(context.Background()))
	}
	for _, e := range enginetest.Events[curfew.SessionOpened](s.World, curfew.KindSessionOpened) {
		if e.Credential != curfew.CredentialID(b.signIn) || e.Principal != b.who {
			t.Errorf("%+v", e)
		}
	}
	s.Revoke(g.ID)
	s.Await(g.ID, access.Gone)
	if got := finish(t, s.client(b, "ssh", "-o", "BatchMode=yes", "web-1@127.0.0.1", "true")); got.code != 255 || !strings.Contains(got.err, "you have no access to web-1 now; you can ask for it here") ||
		!strings.Contains(got.err, "curfew request web/") {
		t.Errorf("after the end: %+v", got)
	}
	s.Lawful()
}

// TestACertificateIsNoAccess: it says who somebody is, and that alone opens nothing.
func TestACertificateIsNoAccess(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	nobody := s.badge(s.Administrator()) // no policy lets them ask
	if _, told, err := s.enter("web-1", ssh.PublicKeys(nobody.signer(t))); err == nil || !strings.Contains(told, `you have no access to "web-1" now, and there is none that you can ask for`) {
		t.Errorf("%v %q", err, told)
	}
	_, other, _ := s.enter("web-9", ssh.PublicKeys(nobody.signer(t)))
	_, same, _ := s.enter("web-1", ssh.PublicKeys(nobody.signer(t)))
	if strings.ReplaceAll(other, "web-9", "web-1") != same {
		t.Errorf("what does not exist sounds different:\n%s%s", other, same)
	}
	g := s.Grant("web/true", time.Hour)
	b := s.badge(g.Principal)
	if _, told, err := s.enter("web-9", ssh.PublicKeys(b.signer(t))); err == nil || !strings.Contains(told, "one of: web-1") {
		t.Errorf("a typo: %v %q", err, told)
	}
	if _, told, err := s.enter("root@web-1", ssh.PublicKeys(b.signer(t))); err == nil || !strings.Contains(told, `the role web/true is not "root" on web-1`) {
		t.Errorf("another login: %v %q", err, told)
	}
}

// TestWhatEndsACertificate: signing out, here or everywhere, and being disabled, at once.
func TestWhatEndsACertificate(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	ctx := context.Background()
	for name, end := range map[string]func(badge) error{
		"signed out": func(b badge) error { return s.Identity.SignOut(ctx, b.who, b.signIn) },
		"signed out everywhere": func(b badge) error {
			_, err := s.Access.Do(ctx, access.SignOutEverywhere{Principal: b.who, By: b.who})
			return err
		},
		"disabled": func(b badge) error {
			_, err := s.Access.Do(ctx, access.Disable{Principal: b.who, By: s.Administrator()})
			return err
		},
		"signed out and in again": func(b badge) error { err := s.Identity.SignOut(ctx, b.who, b.signIn); s.badge(b.who); return err },
		"signed out everywhere, again": func(b badge) error {
			_, err := s.Access.Do(ctx, access.SignOutEverywhere{Principal: b.who, By: b.who})
			s.badge(b.who)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := s.Grant("web/true", time.Hour)
			b := s.badge(g.Principal)
			c, _, err := s.enter("web-1", ssh.PublicKeys(b.signer(t)))
			must(t, err)
			must(t, c.Do(ctx))
			must(t, end(b))
			if _, told, err := s.enter("web-1", ssh.PublicKeys(b.signer(t))); err == nil || told != "" {
				t.Errorf("it still opens something: %v %q", err, told)
			}
			if _, _, err := s.Identity.IssueSSH(ctx, b.who, b.signIn, string(ssh.MarshalAuthorizedKey(b.key.PublicKey()))); err == nil {
				t.Error("a new certificate for a sign-in that is over")
			}
		})
	}
}

// TestOnlyOurOwnCertificates: each field that says more, longer or somebody else.
func TestOnlyOurOwnCertificates(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	g, other := s.Grant("web/true", time.Hour), s.Grant("web/true", time.Hour)
	b, o := s.badge(g.Principal), s.badge(other.Principal)
	stranger, authority := newSigner(t), s.keys.Authority
	resign := func(change func(*ssh.Certificate), by ssh.Signer) ssh.Signer {
		c := *b.cert
		c.CriticalOptions, c.Extensions = map[string]string{}, map[string]string{}
		for k, v := range b.cert.CriticalOptions {
			c.CriticalOptions[k] = v
		}
		change(&c)
		if by != nil {
			must(t, c.SignCert(rand.Reader, by))
		}
		signed, err := ssh.NewCertSigner(&c, b.key)
		must(t, err)
		return signed
	}
	nothing := func(*ssh.Certificate) {}
	for name, key := range map[string]ssh.Signer{
		"a bare key":                           b.key,
		"signed by a stranger":                 resign(nothing, stranger),
		"signed by the hosts' authority":       resign(nothing, authority),
		"signed by the gateway's host key":     resign(nothing, s.keys.Host[0]),
		"signed by itself":                     resign(nothing, b.key),
		"signed by another's certified key":    resign(nothing, o.key),
		"a longer life":                        resign(func(c *ssh.Certificate) { c.ValidBefore += 3600 }, nil),
		"another person":                       resign(func(c *ssh.Certificate) { c.ValidPrincipals = []string{string(o.who)} }, nil),
		"another sign-in":                      resign(func(c *ssh.Certificate) { c.CriticalOptions = o.cert.CriticalOptions }, nil),
		"no option":                            resign(func(c *ssh.Certificate) { c.CriticalOptions = nil }, nil),
		"a host's":                             resign(func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, nil),
		"the host's leg's":                     s.hostLeg(),
		"somebody else's certificate, own key": mismatched{b.key, o.cert},
	} {
		if _, told, err := s.enter("web-1", ssh.PublicKeys(key)); err == nil || told != "" {
			t.Errorf("%s: let in, or told %q", name, told)
		}
	}
	if c, _, err := s.enter("web-1", ssh.PublicKeys(b.signer(t))); err != nil || c.Do(context.Background()) != nil {
		t.Errorf("its own: %v", err)
	}
}

// hostLeg is a key with a certificate as hosts let in.
func (s *site) hostLeg() ssh.Signer {
	key, err := s.keys.issue(want{account: "curfew_test_l_x", what: "s_X", resource: "web-1", login: s.sshd.User, until: time.Now().Add(time.Hour), command: "true"})
	must(s.t, err)
	return key
}

// mismatched shows one key's certificate and signs with another key.
type mismatched struct {
	ssh.Signer
	cert *ssh.Certificate
}

func (m mismatched) PublicKey() ssh.PublicKey { return m.cert }

// TestTheKeyThatSignsIsTheOneThatCounts: asking about one certificate and signing with
// another is being who signs.
func TestTheKeyThatSignsIsTheOneThatCounts(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/true", time.Hour)
	holder := s.badge(g.Principal)
	other := s.badge(s.Administrator()) // holds nothing
	// The library's client asks about every key in turn and signs with the last that would do.
	order := func(keys ...ssh.Signer) error {
		_, _, err := s.enter("web-1", ssh.PublicKeysCallback(func() ([]ssh.Signer, error) { return keys, nil }))
		return err
	}
	if order(refusing{holder.signer(t)}, other.signer(t)) == nil {
		t.Error("asked as the holder, signed as somebody else, and let in")
	}
	if order(newSigner(t), holder.signer(t)) != nil {
		t.Error("a key that is none before one that is")
	}
	for _, e := range enginetest.Events[curfew.SessionOpened](s.World, curfew.KindSessionOpened) {
		if e.Principal != holder.who {
			t.Errorf("%+v", e)
		}
	}
}

// refusing is a certificate that is offered and never signed with.
type refusing struct{ ssh.Signer }

func (refusing) Sign(io.Reader, []byte) (*ssh.Signature, error) { return nil, io.ErrUnexpectedEOF }

func TestStrictKeyExchangeIsOffered(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	conn, err := net.Dial("tcp", s.Address)
	must(t, err)
	defer func() { _ = conn.Close() }()
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, "SSH-2.0-x\r\n")
	must(t, err)
	buf := make([]byte, 4096)
	line := len("SSH-2.0-Curfew\r\n")
	n, err := io.ReadAtLeast(conn, buf, line+4)
	must(t, err)
	more, err := io.ReadAtLeast(conn, buf[n:], line+4+int(binary.BigEndian.Uint32(buf[line:]))-n) // the first packet is in the clear
	must(t, err)
	n += more
	for _, want := range []string{"kex-strict-s-v00@openssh.com", "mlkem768x25519-sha256"} {
		if !bytes.Contains(buf[:n], []byte(want)) {
			t.Errorf("%s is not offered", want)
		}
	}
	for _, not := range []string{"chacha20-poly1305", "-cbc", "ssh-dss", "diffie-hellman-group1-", "hmac-sha1", "hmac-md5"} {
		if bytes.Contains(buf[:n], []byte(not)) {
			t.Errorf("%s is offered", not)
		}
	}
	g := s.Grant("web/true", time.Hour)
	b := s.keyFile(g.Principal)
	got := finish(t, s.client(b, "ssh", "-vvv", "-o", "BatchMode=yes", "web-1@127.0.0.1", "true"))
	if !strings.Contains(got.err, "kex-strict") || !strings.Contains(got.err, "will use strict KEX ordering") {
		t.Errorf("OpenSSH does not agree to strict key exchange: %s", got.err)
	}
}
