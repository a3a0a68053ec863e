package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// certified is Root's certificate, as the gateway gives it.
func (w *world) certified() (*ssh.Certificate, string) {
	w.t.Helper()
	ctx := context.Background()
	token, _, err := w.id.IssueToken(ctx, w.root, "a laptop")
	w.ok(err)
	signIn := strings.Split(token, ".")[1]
	public, _, err := ed25519.GenerateKey(nil)
	w.ok(err)
	key, err := ssh.NewPublicKey(public)
	w.ok(err)
	text, until, err := w.id.IssueSSH(ctx, w.root, signIn, string(ssh.MarshalAuthorizedKey(key)))
	w.ok(err)
	cert, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	w.ok(err)
	c := cert.(*ssh.Certificate)
	if d := time.Until(until); d > certificateLife || d < certificateLife-time.Minute || int64(c.ValidBefore) != until.Unix() {
		w.t.Errorf("it is good for %s, until %d", d, c.ValidBefore)
	}
	return c, signIn
}

func TestACertificateSaysWhoOneIs(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	cert, signIn := w.certified()
	p, err := w.id.RecognizeSSH(ctx, cert.Marshal(), "192.0.2.7:50000")
	w.ok(err)
	if p.Principal != w.root || p.SignIn != signIn || time.Until(p.Until) < 2*certificateLife {
		t.Errorf("%+v", p)
	}
	if _, err := w.id.RecognizeSSH(ctx, cert.Key.Marshal(), ""); err == nil {
		t.Error("the key alone")
	}
	w.ok(w.id.SignOut(ctx, w.root, signIn))
	if _, err := w.id.RecognizeSSH(ctx, cert.Marshal(), ""); curfew.CodeOf(err) != curfew.NotSignedIn {
		t.Errorf("after signing out: %v", err)
	}
	if w.id.StillIs(p) == nil {
		t.Error("a person who was recognized before still counts after signing out")
	}
}

// TestWhatACertificateSaysIsKept: also where the authority itself has signed it.
func TestWhatACertificateSaysIsKept(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	cert, _ := w.certified()
	authority, err := w.id.people()
	w.ok(err)
	now := uint64(time.Now().Unix())
	for name, c := range map[string]struct {
		change func(*ssh.Certificate)
		from   string
		ok     bool
	}{
		"as it is":                {func(*ssh.Certificate) {}, "192.0.2.7:50000", true},
		"from its address":        {func(c *ssh.Certificate) { c.CriticalOptions[sourceAddress] = "10.0.0.0/8,192.0.2.7" }, "192.0.2.7:50000", true},
		"from its network":        {func(c *ssh.Certificate) { c.CriticalOptions[sourceAddress] = "192.0.2.0/24" }, "[::ffff:192.0.2.7]:50000", true},
		"from another address":    {func(c *ssh.Certificate) { c.CriticalOptions[sourceAddress] = "192.0.2.8/32" }, "192.0.2.7:50000", false},
		"from no known address":   {func(c *ssh.Certificate) { c.CriticalOptions[sourceAddress] = "192.0.2.0/24" }, "@", false},
		"an address that is none": {func(c *ssh.Certificate) { c.CriticalOptions[sourceAddress] = "everywhere" }, "192.0.2.7:50000", false},
		"a forced command":        {func(c *ssh.Certificate) { c.CriticalOptions["force-command"] = "true" }, "192.0.2.7:50000", false},
		"an option nobody knows":  {func(c *ssh.Certificate) { c.CriticalOptions["verify-required"] = "" }, "192.0.2.7:50000", false},
		"over":                    {func(c *ssh.Certificate) { c.ValidBefore = now - 1 }, "192.0.2.7:50000", false},
		"not yet":                 {func(c *ssh.Certificate) { c.ValidAfter = now + 100 }, "192.0.2.7:50000", false},
		"for ever":                {func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }, "192.0.2.7:50000", true}, // the sign-in ends it
		"of a host":               {func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, "192.0.2.7:50000", false},
		"for anybody":             {func(c *ssh.Certificate) { c.ValidPrincipals = nil }, "192.0.2.7:50000", false},
		"for two":                 {func(c *ssh.Certificate) { c.ValidPrincipals = append(c.ValidPrincipals, string(w.alice)) }, "192.0.2.7:50000", false},
		"another's sign-in": {func(c *ssh.Certificate) {
			c.ValidPrincipals[0] = string(w.alice)
			c.CriticalOptions[signInOption] = strings.Replace(c.CriticalOptions[signInOption], string(w.root), string(w.alice), 1)
		}, "192.0.2.7:50000", false},
		"another generation": {func(c *ssh.Certificate) { c.CriticalOptions[signInOption] += "1" }, "192.0.2.7:50000", false},
		"a sign-in that never was": {func(c *ssh.Certificate) {
			c.CriticalOptions[signInOption] = string(w.root) + " " + curfew.NewID("t") + " 0"
		}, "192.0.2.7:50000", false},
		"without a sign-in": {func(c *ssh.Certificate) { delete(c.CriticalOptions, signInOption) }, "192.0.2.7:50000", false},
	} {
		changed := *cert
		changed.CriticalOptions, changed.ValidPrincipals = maps.Clone(cert.CriticalOptions), append([]string(nil), cert.ValidPrincipals...)
		c.change(&changed)
		w.ok(changed.SignCert(rand.Reader, authority))
		if _, err := w.id.RecognizeSSH(ctx, changed.Marshal(), c.from); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range [][]byte{nil, {0}, []byte("ssh-ed25519"), cert.Marshal()[:200]} {
		if _, err := w.id.RecognizeSSH(ctx, b, ""); err == nil {
			t.Errorf("%q", b)
		}
	}
}

func TestWhatIsCertified(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	cert, signIn := w.certified()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	w.ok(err)
	other, err := ssh.NewPublicKey(&private.PublicKey)
	w.ok(err)
	plain := string(ssh.MarshalAuthorizedKey(cert.Key))
	for name, public := range map[string]string{
		"nothing": "", "words": "let me in", "a certificate": string(ssh.MarshalAuthorizedKey(cert)), "RSA": string(ssh.MarshalAuthorizedKey(other)),
		"an option before it": `command="id" ` + plain, "two": plain + plain,
	} {
		if _, _, err := w.id.IssueSSH(ctx, w.root, signIn, public); curfew.CodeOf(err) != curfew.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, of := range map[string]struct {
		who    curfew.Principal
		signIn string
	}{"somebody else's sign-in": {w.alice, signIn}, "no sign-in": {w.root, ""}, "one that never was": {w.root, curfew.NewID("t")}} {
		if _, _, err := w.id.IssueSSH(ctx, of.who, of.signIn, plain); curfew.CodeOf(err) != curfew.NotSignedIn {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = w.access.Do(ctx, access.SignOutEverywhere{Principal: w.root, By: w.root})
	w.ok(err)
	if _, _, err := w.id.IssueSSH(ctx, w.root, signIn, plain); curfew.CodeOf(err) != curfew.NotSignedIn {
		t.Errorf("after signing out everywhere: %v", err)
	}
}

// FuzzRecognize: whatever a stranger shows is nobody's certificate, and is looked at in
// bounded time.
func FuzzRecognize(f *testing.F) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.Marshal(), "192.0.2.7:1")
	f.Add([]byte("\x00\x00\x00\x20ssh-ed25519-cert-v01@openssh.com"), "")
	f.Fuzz(func(t *testing.T, certificate []byte, from string) {
		w := newWorld(t)
		if p, err := w.id.RecognizeSSH(context.Background(), certificate, from); err == nil {
			t.Errorf("%x is %+v", certificate, p)
		}
		_ = within(from, string(certificate))
	})
}
