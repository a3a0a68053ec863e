package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/session"
)

// targetBound is how long the account and the target may take to let us in.
const targetBound = 20 * time.Second

// maxAnswer bounds a packet of a target's before it has let us in.
const maxAnswer = 64 << 10

// target is the connection to the target, logged in.
type target struct {
	net.Conn
	thread uint32
	status uint16 // its flags at the start
	wall   *wall  // nil: texts are the target's to read
}

// connectTarget logs in at the target as the session's account. The account can
// log in for exactly as long as that takes.
func (e *Engine) connectTarget(s *session.Session, h hello) (*target, error) {
	ctx, cancel := context.WithTimeout(s.Context(), targetBound)
	defer cancel()
	account, err := s.Account(ctx)
	if err != nil {
		return nil, err
	}
	defer account.Shut()
	res := s.Permit().Resource()
	database := h.database
	if database == "" || database == string(res.Name) {
		database = databaseOf(res, account.Login)
	}
	conn, err := s.Dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &login{ctx: ctx, forward: s.Forward, conn: conn, res: res, account: account.Login}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	judging := res.Account == curfew.Fixed || s.Release().Some()
	if judging {
		h.capabilities &^= ignoreSpace // it changes how texts are read
		h.charset = utf8mb4
	}
	t, err := l.run(hello{
		capabilities: h.capabilities & meaning, charset: h.charset, user: account.User, database: database, program: "curfew:" + string(s.Permit().Session()),
	})
	if err == nil && judging {
		t.wall, err = e.walls.open(s.Permit(), l, databaseOf(res, account.Login))
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, targetError(res, err)
	}
	s.Working(workID(t.thread, account.User)) // before the door shuts: patrols know it from then on
	account.Shut()
	return t, nil
}

func targetError(res curfew.Resource, err error) error {
	if e := asError(err); e != nil && e.Rule != "protocol" {
		return e
	}
	var refusal serverError
	if errors.As(err, &refusal) {
		return curfew.Errorf(curfew.Unavailable, "%s did not let the account in: %s", res.Name, refusal.message).WithRule("resource.login")
	}
	return curfew.Wrap(curfew.Unavailable, err, "%s doesn't answer at %s", res.Name, res.Address).WithRule("resource.down").WithFix("not a permission problem; try again in a moment")
}

// login is one log-in at a target. All that it sends goes through the gate.
type login struct {
	ctx     context.Context // until it must be over
	forward func(net.Conn, []byte) error
	conn    net.Conn
	res     curfew.Resource
	account lease.Login
	next    byte
	secured bool
	salt    []byte
}

func (l *login) send(payload []byte) error {
	err := l.forward(l.conn, appendPacket(nil, l.next, payload))
	l.next++
	return err
}

func (l *login) read() ([]byte, error) {
	p, err := readPacket(l.conn, maxAnswer)
	l.next = p.seq + 1
	return p.payload, err
}

func (l *login) run(h hello) (*target, error) {
	b, err := l.read()
	if err != nil {
		return nil, err
	}
	g, err := parseGreeting(b)
	if err != nil {
		return nil, err
	}
	h.capabilities |= longPassword | needed | connectAttrs | lenencAuth
	if h.database != "" {
		h.capabilities |= withDatabase
	}
	if missing := h.capabilities &^ g.capabilities; missing&^uint32(odbc|ignoreSpace|interactive|longPassword) != 0 {
		return nil, curfew.Errorf(curfew.Unavailable, "%s is a server too old for this client (%s)", l.res.Name, strings.ToValidUTF8(g.version, "?")).WithRule("resource.version")
	}
	if err := l.encrypt(g, &h); err != nil {
		return nil, err
	}
	l.salt, h.plugin = g.salt, g.plugin
	if h.proof, err = l.prove(&h.plugin); err != nil {
		return nil, err
	}
	if err := l.send(appendHello(h)); err != nil {
		return nil, err
	}
	status, err := l.accepted(h.plugin)
	if err != nil {
		return nil, err
	}
	return &target{Conn: l.conn, thread: g.thread, status: status}, nil
}

// encrypt starts TLS, where the credential does not say that there is none.
func (l *login) encrypt(g greeted, h *hello) error {
	cfg, err := targetTLS(l.res, l.account)
	if err != nil || cfg == nil {
		return err
	}
	if g.capabilities&withTLS == 0 {
		return curfew.Errorf(curfew.Unavailable, "%s offers no TLS", l.res.Name).WithRule("resource.tls").WithFix("turn it on there; or, where the way is safe without, sslmode=disable in the credential")
	}
	h.capabilities |= withTLS
	ask := *h
	ask.tls = true
	if err := l.send(appendHello(ask)); err != nil {
		return err
	}
	t := tls.Client(l.conn, cfg)
	if err := t.HandshakeContext(l.ctx); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "meet %s over TLS", l.res.Name).WithRule("resource.tls")
	}
	l.conn, l.secured = t, true
	return nil
}

// prove is the first proof, by the plugin that the target named; where it is none of
// ours, by the one that a target may switch away from.
func (l *login) prove(plugin *string) ([]byte, error) {
	switch *plugin {
	case cachingSHA2:
		return scrambleSHA2(l.salt, l.account.Password), nil
	default:
		*plugin = nativePassword
		return scrambleNative(l.salt, l.account.Password), nil
	}
}

// accepted goes on until the target has said yes or no.
func (l *login) accepted(plugin string) (status uint16, err error) {
	for range 8 {
		b, err := l.read()
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			return 0, malformed("an empty answer to a log-in")
		}
		switch c := (cursor{b: b[1:]}); {
		case b[0] == okHeader:
			c.lenenc()
			c.lenenc()
			return uint16(c.number(2)), nil
		case b[0] == errHeader:
			return 0, parseErr(b)
		case b[0] == eofHeader:
			plugin = c.zero()
			l.salt = append([]byte(nil), c.take(min(saltBytes, uint64(len(c.b))))...)
			if plugin != nativePassword && plugin != cachingSHA2 || len(l.salt) != saltBytes {
				return 0, curfew.Errorf(curfew.Unavailable, "%s wants the account to log in by %.40q, which the gateway does not", l.res.Name, plugin).WithRule("resource.login")
			}
			proof, _ := l.prove(&plugin)
			if err := l.send(proof); err != nil {
				return 0, err
			}
		case b[0] == moreData && plugin == cachingSHA2:
			if err := l.more(b[1:]); err != nil {
				return 0, err
			}
		default:
			return 0, malformed("an answer to a log-in that is none")
		}
	}
	return 0, malformed("a log-in that does not end")
}

// more goes the full way of caching_sha2_password.
func (l *login) more(b []byte) error {
	switch {
	case len(b) == 1 && b[0] == fastOK:
		return nil
	case len(b) == 1 && b[0] == fullProof && l.secured:
		return l.send(append([]byte(l.account.Password), 0))
	case len(b) == 1 && b[0] == fullProof: // a key that comes in the clear may be anybody's
		return curfew.Errorf(curfew.Unavailable, "%s wants the password under a key that comes without TLS, which the gateway does not send", l.res.Name).
			WithRule("resource.tls").WithFix("turn TLS on there, and leave sslmode=disable out of the credential")
	}
	return malformed("an answer to a log-in that is none")
}
