package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/ssh"
	"github.com/curfewhq/curfew/servers"
)

func sshSigner(b *testing.B) gossh.Signer {
	b.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	s, err := gossh.NewSignerFromKey(key)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// sshWays is a real sshd, with one connection to it straight and one through the gateway.
func sshWays(b *testing.B) (direct, through *gossh.Client) {
	b.Helper()
	ctx := context.Background()
	server, err := servers.StartSSH(ctx, servers.SSHOptions{Folder: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Stop() })
	keys := ssh.Keys{Host: []gossh.Signer{sshSigner(b)}, Authority: sshSigner(b)}
	if err := server.Trust(keys.Authority.PublicKey(), "curfew:bench:web-1:"+server.User, "bench"); err != nil {
		b.Fatal(err)
	}
	w := enginetest.New(b, enginetest.Options{
		Engine: ssh.New(keys), Deployment: "bench",
		Resource: curfew.Resource{Name: "web-1", Type: "ssh", Address: server.Address(), Account: curfew.Leased,
			Options: fmt.Appendf(nil, `{"host key": %q}`, strings.TrimSpace(string(gossh.MarshalAuthorizedKey(server.HostKey))))},
		Roles: map[curfew.RoleName][]string{"all": {"login " + server.User, "shell", "run anything"}},
	})
	own := sshSigner(b)
	cert := &gossh.Certificate{Key: own.PublicKey(), CertType: gossh.UserCert, ValidPrincipals: []string{"bench"}, ValidBefore: gossh.CertTimeInfinity,
		Permissions: gossh.Permissions{Extensions: map[string]string{"permit-pty": ""}}}
	if err := cert.SignCert(rand.Reader, keys.Authority); err != nil {
		b.Fatal(err)
	}
	signed, err := gossh.NewCertSigner(cert, own)
	if err != nil {
		b.Fatal(err)
	}
	g := w.Grant("all", time.Hour)
	return sshClient(b, server.Address(), server.User, gossh.PublicKeys(signed)), sshClient(b, w.Address, g.User, gossh.Password(g.Password))
}

func sshClient(b *testing.B, address, user string, auth gossh.AuthMethod) *gossh.Client {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	c, chans, reqs, err := gossh.NewClientConn(conn, address, &gossh.ClientConfig{User: user, Auth: []gossh.AuthMethod{auth}, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
		Config: gossh.Config{Ciphers: []string{gossh.CipherAES128GCM}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return gossh.NewClient(c, chans, reqs)
}

// keyboard is a terminal on which cat runs: what is typed is shown.
type keyboard struct {
	in  io.Writer
	out io.Reader
}

func newKeyboard(b *testing.B, c *gossh.Client) keyboard {
	b.Helper()
	s, err := c.NewSession()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	in, err1 := s.StdinPipe()
	out, err2 := s.StdoutPipe()
	err3 := s.RequestPty("xterm", 24, 80, gossh.TerminalModes{})
	err4 := s.Start("cat")
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond) // until cat reads
	return keyboard{in, out}
}

func (k keyboard) press(b *testing.B) time.Duration {
	began := time.Now()
	if _, err := k.in.Write([]byte("x")); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(k.out, make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// BenchmarkSSHEcho is P5's first half: a key, until it is on the screen.
func BenchmarkSSHEcho(b *testing.B) {
	direct, through := sshWays(b)
	ways := [2]keyboard{newKeyboard(b, direct), newKeyboard(b, through)}
	var took [2][]time.Duration
	for range max(b.N, 2000) {
		for i, k := range ways { // by turns
			took[i] = append(took[i], k.press(b))
		}
		for _, k := range ways { // a line has its bounds
			if len(took[0])%500 == 0 {
				_, _ = k.in.Write([]byte{0x15})
				_, _ = io.ReadAtLeast(k.out, make([]byte, 4096), 500)
			}
		}
	}
	b.ReportMetric(quantile(took[0], 0.5), "direct-p50-µs")
	b.ReportMetric(quantile(took[1], 0.5), "engine-p50-µs")
	b.ReportMetric(quantile(took[1], 0.5)-quantile(took[0], 0.5), "added-p50-µs")
	b.ReportMetric(quantile(took[1], 0.99)-quantile(took[0], 0.99), "added-p99-µs")
}

// BenchmarkSSHBulk is its second half: a command that prints 256 MiB.
func BenchmarkSSHBulk(b *testing.B) {
	direct, through := sshWays(b)
	const size = 256 << 20
	once := func(c *gossh.Client) float64 {
		s, err := c.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		out, err := s.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := s.Start(fmt.Sprintf("head -c %d /dev/zero", size)); err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, out); n != size || err != nil {
			b.Fatal(n, err)
		}
		return time.Since(began).Seconds()
	}
	var ratio, speed []float64
	for range max(b.N, 3) {
		d, t := once(direct), once(through)
		ratio, speed = append(ratio, d/t), append(speed, size/1e6/t)
	}
	b.ReportMetric(median(ratio), "of-direct-x")
	b.ReportMetric(median(speed), "engine-MB/s")
}
