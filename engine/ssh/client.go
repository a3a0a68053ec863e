package ssh

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// Bounds before a client has proved who it is.
const (
	helloBound   = 10 * time.Second // versions and keys
	loginBound   = time.Minute      // a person types or pastes
	mostTries    = 12               // keys that an agent offers are tries too
	mostSecrets  = 3
	maxSecret    = 256
	turnAwayTime = 200 * time.Millisecond // for the words to go out
)

// client is one connection before and after it has proved who it is.
type client struct {
	engine *Engine
	ctx    context.Context //nolint:containedctx // of Serve, for the library's callbacks
	conn   *parting
	gate   engine.Gatekeeper
	pre    ssh.ServerPreAuthConn

	at      string           // the resource that was named before the user was; "": the user name says
	ending  string           // of names, for who goes on from the lobby
	secrets int              // that were tried
	person  *engine.Person   // set once it has shown a certificate and has its key
	ways    []engine.Path    // of theirs to the resource
	to      destination      // where they go
	talked  bool             // they have been asked what they want
	s       *session.Session // set once it has proved who it is
	may     permission
	host    *host
	cause   curfew.Cause
	why     string
}

// Serve speaks with one client until it leaves or is cut.
func (e *Engine) Serve(ctx context.Context, conn net.Conn, gate engine.Gatekeeper) {
	e.serve(ctx, conn, gate, "")
}

// serve speaks with a client that may have named where it goes before.
func (e *Engine) serve(ctx context.Context, conn net.Conn, gate engine.Gatekeeper, at string) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	from, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	if !e.limits.enter(from) {
		return
	}
	leave := sync.OnceFunc(func() { e.limits.leave(from) })
	defer leave()
	c := &client{engine: e, ctx: ctx, conn: &parting{Conn: conn}, gate: gate, at: at, cause: curfew.CauseClosed}
	if conn.SetDeadline(time.Now().Add(helloBound)) != nil {
		return
	}
	sc, chans, reqs, err := ssh.NewServerConn(c.conn, c.config())
	leave()
	if c.s != nil {
		defer func() { c.s.Close(c.cause, c.why) }()
	}
	if c.host != nil {
		defer func() { _ = c.host.conn.Close() }() // a client may leave before anything is relayed
	}
	if err != nil {
		if c.host != nil { // the client left while the host let it in
			_ = c.host.conn.Close()
		}
		return
	}
	stop() // from here on the permit says when it is over: a stop of the gateway drains
	if conn.SetDeadline(time.Time{}) != nil {
		return
	}
	if c.s == nil {
		c.onward(sc, chans, reqs)
		return
	}
	c.cause, c.why = newRelay(c, sc).run(chans, reqs)
}

// config is how we speak to clients. Who they are is proved by a certificate that the
// gateway gave them, or by a connection credential, as a password or as the answer to
// one question.
func (c *client) config() *ssh.ServerConfig {
	cfg := &ssh.ServerConfig{
		Config: algorithms(), ServerVersion: "SSH-2.0-Curfew", MaxAuthTries: mostTries, PublicKeyAuthAlgorithms: []string{ssh.KeyAlgoED25519},
		PreAuthConnCallback: func(pre ssh.ServerPreAuthConn) {
			c.pre = pre
			_ = c.conn.SetDeadline(time.Now().Add(loginBound))
		},
		PublicKeyCallback:         c.shown,
		VerifiedPublicKeyCallback: c.recognized,
		PasswordCallback: func(m ssh.ConnMetadata, secret []byte) (*ssh.Permissions, error) {
			return nil, c.prove(m, string(secret))
		},
		KeyboardInteractiveCallback: func(m ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Connection credential: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, errStranger
			}
			return nil, c.prove(m, answers[0])
		},
	}
	for _, k := range c.engine.keys.Host {
		cfg.AddHostKey(k)
	}
	return cfg
}

// errStranger is all that somebody hears who has not proved who they are.
var errStranger = errors.New("these credentials open nothing")

// prove checks a credential, opens the session and logs in at its host. Whatever
// is wrong with the credential sounds the same and takes as long.
func (c *client) prove(m ssh.ConnMetadata, secret string) error {
	if c.secrets++; c.secrets > mostSecrets {
		_ = c.conn.SetDeadline(time.Unix(1, 0))
		return errStranger
	}
	if c.s != nil || len(secret) > maxSecret {
		return errStranger
	}
	d := c.meant(m.User())
	id, secret := d.credential(secret)
	if !c.engine.fits(c.ctx, c.gate.Verifier(c.ctx, id), secret) {
		return errStranger
	}
	claim := c.claim(m, d.resource())
	claim.Credential = id
	return c.begin(d, func() (*session.Session, error) { return c.gate.Open(c.ctx, claim, c) })
}

// claim is what the client asserts.
func (c *client) claim(m ssh.ConnMetadata, on string) access.Claim {
	return access.Claim{Resource: on, Client: c.conn.RemoteAddr().String(), Program: strings.TrimPrefix(string(m.ClientVersion()), "SSH-2.0-")}
}

// begin opens the session and logs in at its host.
func (c *client) begin(d destination, open func() (*session.Session, error)) error {
	s, err := open()
	if err != nil {
		return c.turnAway(err)
	}
	c.s = s
	if c.conn.SetDeadline(time.Now().Add(targetBound+loginBound)) != nil {
		return errStranger
	}
	login, err := c.choose(d)
	if err == nil {
		c.host, err = c.engine.enter(s, c.may, login)
	}
	if err != nil {
		c.cause, c.why = curfew.CauseTarget, err.Error()
		if curfew.CodeOf(err) == curfew.Denied {
			c.cause = curfew.CauseProtocol
		}
		if ended, over := s.Ended(); over {
			err = curfew.Errorf(curfew.Lapsed, "your access to %s is over: %s", s.Permit().Resource().Name, say.Cause(ended.Cause)).WithRule("grant." + string(ended.Cause))
		}
		return c.turnAway(err)
	}
	return c.welcome(login)
}

// choose finds whom the session becomes: as the client says, or else the role's first.
func (c *client) choose(d destination) (string, error) {
	p := c.s.Permit()
	var err error
	if c.may, err = parse(p.Permission()); err != nil {
		return "", err
	}
	name := string(p.Resource().Name)
	if c.at != "" && c.at != name {
		return "", curfew.Errorf(curfew.Denied, "these credentials are for %s, not for %q", name, say.Clean(c.at, 64)).WithRule("resource.other")
	}
	if d.user == name && c.at == "" { // a name may have an @ of its own
		d.login, d.name = "", name
	}
	if at := d.resource(); at != "" && at != name {
		return "", curfew.Errorf(curfew.Denied, "these credentials are for %s, not for %q", name, say.Clean(at, 64)).WithRule("resource.other").
			WithFix("ssh %s@…", name)
	}
	logins := c.may.logins()
	if d.login == "" {
		return logins[0], nil
	}
	if !slices.Contains(logins, d.login) {
		return "", curfew.Errorf(curfew.Denied, "the role %s is not %q on %s", p.Grant().Role, say.Clean(d.login, 40), name).WithRule("role.login").
			WithFix("%s", "one of: "+strings.Join(logins, ", "))
	}
	return d.login, nil
}

// welcome says what begins, before the client's program starts, on its stderr.
func (c *client) welcome(login string) error {
	p := c.s.Permit()
	text := "Curfew: " + say.Clean(string(p.Resource().Name), 64) + " as " + login + " (" + say.Clean(string(p.Grant().Role), 64) + ") until " + p.End().Format("15:04") + ". Recorded."
	if err := c.pre.SendAuthBanner(text + "\r\n"); err != nil {
		return errStranger
	}
	return nil
}

// turnAway tells a client that has proved who it is why it is not let in.
func (c *client) turnAway(err error) error {
	e := new(curfew.Error)
	if !errors.As(err, &e) {
		e = curfew.Errorf(curfew.Internal, "something is wrong with the gateway")
	}
	text := "Curfew: " + say.Clean(e.Message, 400) + "\r\n"
	if e.Fix != "" {
		text += "  " + say.Clean(e.Fix, 400) + "\r\n"
	}
	_ = c.conn.SetDeadline(time.Now().Add(turnAwayTime))
	_ = c.pre.SendAuthBanner(text)
	return errStranger
}

// fits reports whether a secret is the one of the verifier. It costs a slow hash, so
// that only a few are derived at once.
func (e *Engine) fits(ctx context.Context, v engine.Verifier, secret string) bool {
	select {
	case e.hashes <- struct{}{}:
		defer func() { <-e.hashes }()
	case <-ctx.Done():
		return false
	}
	return v.Fits(secret)
}
