package ssh

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/session"
)

// targetBound is how long the host may take to let us in.
const targetBound = 20 * time.Second

// algorithms are what we speak, to clients and to hosts. Strict key exchange
// (PROTOCOL, kex-strict) is done wherever the other side can; what could be cut short
// without it (chacha20-poly1305, CBC) is not offered.
func algorithms() ssh.Config {
	return ssh.Config{
		KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521},
		Ciphers:      []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherAES256CTR, ssh.CipherAES128CTR},
		MACs:         []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM},
	}
}

// host is a connection to a target.
type host struct {
	raw   net.Conn
	conn  ssh.Conn
	chans <-chan ssh.NewChannel
	reqs  <-chan *ssh.Request
}

// gated is a connection to a target whose every byte passes the session's gate,
// also those that the library sends by itself: key exchanges, window updates.
type gated struct {
	net.Conn
	s *session.Session
}

func (g gated) Write(b []byte) (int, error) {
	if err := g.s.Enter(); err != nil {
		return 0, err
	}
	defer g.s.Leave()
	return g.Conn.Write(b)
}

// greet makes an SSH connection to the host over conn. ctx bounds the handshake.
func greet(ctx context.Context, conn net.Conn, res curfew.Resource, set settings, login string, key ssh.Signer) (*host, error) {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	h := &host{raw: conn}
	var hostErr error
	check := set.check(res)
	var err error
	h.conn, h.chans, h.reqs, err = ssh.NewClientConn(conn, res.Address, &ssh.ClientConfig{
		Config: algorithms(), User: login, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, ClientVersion: "SSH-2.0-Curfew",
		HostKeyAlgorithms: set.algorithms(),
		HostKeyCallback: func(name string, a net.Addr, k ssh.PublicKey) error {
			hostErr = check(name, a, k)
			return hostErr
		},
	})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, hostError(res, login, errors.Join(hostErr, err), hostErr)
	}
	return h, conn.SetDeadline(time.Time{})
}

func hostError(res curfew.Resource, login string, err, hostErr error) error {
	if hostErr != nil {
		return hostErr
	}
	if e := new(curfew.Error); errors.As(err, &e) {
		return e
	}
	switch text := err.Error(); {
	case strings.Contains(text, "unable to authenticate"): // the library has no type for it
		return curfew.Errorf(curfew.Denied, "%s does not let Curfew in as %s", res.Name, login).WithRule("resource.login").
			WithFix("for what the host needs: curfew add --setup %s", res.Name)
	case strings.Contains(text, "no common algorithm"):
		return curfew.Errorf(curfew.Denied, "%s and Curfew share no algorithm, or it has no host key of the pinned kind", res.Name).WithRule("resource.algorithms").
			WithFix("look at its sshd_config, and at host key in its configuration")
	}
	return curfew.Wrap(curfew.Unavailable, err, "%s doesn't answer at %s", res.Name, res.Address).WithRule("resource.down").WithFix("not a permission problem; try again in a moment")
}

// mostKnocks is how often a host is tried that answers and then hangs up: an sshd drops
// log-ins beyond ten at once (MaxStartups), whoever they are.
const mostKnocks = 8

// knock dials and greets.
func knock(ctx context.Context, dial func(context.Context) (net.Conn, error), hello func(net.Conn) (*host, error)) (*host, error) {
	for try := 1; ; try++ {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		h, err := hello(conn)
		if err == nil {
			h.raw = conn
			return h, nil
		}
		_ = conn.Close()
		if curfew.CodeOf(err) != curfew.Unavailable || try == mostKnocks || ctx.Err() != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(try) * (20*time.Millisecond + rand.N(60*time.Millisecond))):
		}
	}
}

// enter logs in at the host for a session. The key is made for it and forgotten.
func (e *Engine) enter(s *session.Session, may permission, login string) (*host, error) {
	ctx, cancel := context.WithTimeout(s.Context(), targetBound)
	defer cancel()
	account, err := s.Account(ctx)
	if err != nil {
		return nil, err
	}
	defer account.Shut()
	p := s.Permit()
	res := p.Resource()
	set, err := settingsOf(res)
	if err != nil {
		return nil, err
	}
	key, err := e.keys.issue(want{
		account: account.User, what: string(p.Session()), resource: res.Name, login: login, source: set.Source, until: p.End(), may: may,
		command: sessionScript(p.Grant().ID, p.Session(), may, set.Contain),
	})
	if err != nil {
		return nil, err
	}
	s.Working(login + "/" + string(p.Session())) // before a process can start there
	return knock(ctx, s.Dial, func(conn net.Conn) (*host, error) {
		return greet(ctx, gated{conn, s}, res, set, login, key)
	})
}
