package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/engine/postgres/judge"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// targetBound is how long the account and the target may take to let us in.
const targetBound = 20 * time.Second

// leaveBound is how long answers that are under way may take after a client has
// closed its side.
const leaveBound = 100 * time.Millisecond

// checkInterval is the setting by which a server looks whether its client, the
// gateway, is still there: the net under a dead node, not the cut.
const checkInterval = "client_connection_check_interval"

// guest is a client that has been let in: what lives as long as its session does.
type guest struct {
	engine *Engine
	conn   net.Conn // the client's
	target target
	s      *session.Session
	relay  *relay
	key    cancelKey
}

// target is the connection to the target, logged in.
type target struct {
	net.Conn
	pid uint32
	key []byte      // what it cancels with
	tls *tls.Config // nil: plain
}

// receive opens the session of a client that has proved who it is, and logs in at
// the target.
func (e *Engine) receive(ctx context.Context, c *client, gate engine.Gatekeeper, claim access.Claim) *guest {
	_ = c.conn.SetDeadline(time.Time{})
	s, err := gate.Open(ctx, claim, c)
	if err != nil {
		c.turnAway(err)
		return nil
	}
	conn, wall, err := e.connectTarget(s, c.params)
	if err != nil {
		s.Close(c.noTarget(s, err))
		return nil
	}
	g := &guest{engine: e, conn: c.conn, s: s, target: target{Conn: conn.Conn, pid: conn.PID, key: conn.SecretKey, tls: conn.Config.TLSConfig}}
	g.relay = newRelay(s, c.conn, conn.Conn)
	if g.relay.wall, g.relay.counting = wall, &e.walls.parser; s.Metered() {
		e.walls.prepare() // it tells statements of one text apart
	}
	if s.Release().Some() {
		g.relay.holds = newHolding(&e.walls.parser, conn.ParameterStatuses)
		e.walls.prepare()
	}
	if err := s.Attach(session.Legs{Client: c.conn, Target: conn.Conn, Farewell: g.relay.farewell}); err != nil {
		g.leave(curfew.CauseClosed, "")
		return nil
	}
	secret := oldSecret
	if c.newer {
		secret = newSecret
	}
	g.key = e.cancels.add(secret, func() {
		if !g.relay.takeBack() {
			cancelAt(s, g.target)
		}
	})
	if err := c.welcome(s, conn, g.key); err != nil {
		g.leave(curfew.CauseClosed, "")
		return nil
	}
	return g
}

// stay relays until one side is done.
func (g *guest) stay() { g.leave(g.relay.run()) }

// leave ends what was let in.
func (g *guest) leave(cause curfew.Cause, why string) {
	g.engine.cancels.remove(g.key)
	_ = g.target.Close()
	g.s.Close(cause, why)
	_ = g.conn.Close()
}

// noTarget tells a client that its target did not let it in, and returns why the
// session is over.
func (c *client) noTarget(s *session.Session, err error) (cause curfew.Cause, why string) {
	res := s.Permit().Resource()
	if cause, why = curfew.CauseTarget, err.Error(); curfew.CodeOf(err) == curfew.Denied {
		cause = curfew.CauseProtocol
	}
	if ended, over := s.Ended(); over {
		err = curfew.Errorf(curfew.Lapsed, "your access to %s is over: %s", res.Name, say.Cause(ended.Cause)).WithRule("grant." + string(ended.Cause))
	}
	c.turnAway(err)
	return cause, why
}

// turnAway tells a client that has proved who it is why it is not let in.
func (c *client) turnAway(err error) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = c.send(refused(err))
}

// rightDatabase: a resource is one database. A client names it, or the resource.
func rightDatabase(res curfew.Resource, database, asked string) error {
	if asked == "" || asked == string(res.Name) || asked == database {
		return nil
	}
	return curfew.Errorf(curfew.Denied, "these credentials are for %s, not for the database %q", res.Name, say.Clean(asked, 64)).WithRule("resource.other").
		WithFix("connect to the database %s", res.Name)
}

// connectTarget logs in at the target as the session's account. The account can
// log in for exactly as long as that takes. Before a fixed account there is a judge.
func (e *Engine) connectTarget(s *session.Session, params map[string]string) (*pgconn.HijackedConn, *judge.Judge, error) {
	ctx, cancel := context.WithTimeout(s.Context(), targetBound)
	defer cancel()
	account, err := s.Account(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer account.Shut()
	res := s.Permit().Resource()
	database := account.Database
	if set, err := settingsOf(res); err == nil && set.Database != "" {
		database = set.Database
	}
	if err := rightDatabase(res, database, params["database"]); err != nil {
		return nil, nil, err
	}
	pgx, err := clientConfig(res, account.Login, database)
	if err != nil {
		return nil, nil, err
	}
	cfg := &pgx.Config
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }
	cfg.RuntimeParams = runtimeParams(params, s.Permit().Session())
	if s.Release().Some() {
		if err := unhidden(cfg.RuntimeParams); err != nil {
			return nil, nil, err
		}
	}
	if res.Account == curfew.Fixed {
		if err := pin(cfg.RuntimeParams); err != nil {
			return nil, nil, err
		}
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if pg := new(pgconn.PgError); errors.As(err, &pg) && (pg.Code == "42704" || pg.Code == "22023") {
		delete(cfg.RuntimeParams, checkInterval) // a server older than 14, or not on Linux, does not know it
		conn, err = pgconn.ConnectConfig(ctx, cfg)
	}
	if err != nil {
		return nil, nil, targetError(res, err)
	}
	s.Working(workID(conn.PID(), account.User)) // before the door shuts: patrols know it from then on
	account.Shut()
	if err := conn.SyncConn(ctx); err != nil {
		return nil, nil, errors.Join(targetError(res, err), conn.Close(ctx))
	}
	var wall *judge.Judge
	if res.Account == curfew.Fixed {
		if wall, err = e.walls.open(ctx, s.Permit(), conn); err != nil {
			return nil, nil, errors.Join(err, conn.Close(ctx))
		}
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, nil, targetError(res, err)
	}
	hijacked.Frontend, hijacked.Config.Password = nil, "" // buffers and a secret that nobody needs any more
	return hijacked, wall, nil
}

func targetError(res curfew.Resource, err error) error {
	if e := asError(err); e != nil {
		return e
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return curfew.Errorf(curfew.Unavailable, "%s did not let the account in: %s", res.Name, pg.Message).WithRule("resource.login")
	}
	return curfew.Wrap(curfew.Unavailable, err, "%s doesn't answer at %s", res.Name, res.Address).WithRule("resource.down").WithFix("not a permission problem; try again in a moment")
}

// runtimeParams passes the client's session settings on, and adds ours.
func runtimeParams(params map[string]string, id curfew.SessionID) map[string]string {
	out := map[string]string{}
	for k, v := range params {
		switch strings.ToLower(k) {
		case "user", "database", "replication", "application_name", "role", "session_authorization", checkInterval:
		default:
			out[k] = v
		}
	}
	out["application_name"] = "curfew:" + string(id)
	out[checkInterval] = "200" // milliseconds; read after the options, so that it wins
	return out
}

// welcome ends the start-up towards the client.
func (c *client) welcome(s *session.Session, t *pgconn.HijackedConn, key cancelKey) error {
	var msgs []pgproto3.BackendMessage
	for name, value := range t.ParameterStatuses {
		msgs = append(msgs, &pgproto3.ParameterStatus{Name: name, Value: value})
	}
	msgs = append(msgs, &pgproto3.BackendKeyData{ProcessID: key.pid, SecretKey: []byte(key.secret)})
	g, end := s.Permit().Grant(), s.Permit().End()
	msgs = append(msgs, notice("NOTICE", "00000", say.Notice{
		Line:   "Curfew: " + string(g.Resource) + " as " + string(g.Role) + " until " + end.Format("15:04") + " (" + say.Duration(time.Until(end).Round(time.Minute)) + "). Recorded.",
		Detail: say.Holds(s.Release()),
	}), &pgproto3.ReadyForQuery{TxStatus: t.TxStatus})
	return c.send(msgs...)
}

// run relays until one side is done, and says why.
func (r *relay) run() (curfew.Cause, string) {
	down := make(chan error, 1)
	go func() {
		err := r.down()
		if !r.leaving.Load() { // cuts: the client hears it now, not at its next statement
			r.s.Permit().Fail(curfew.CauseTarget, targetWords(err))
		}
		down <- err
	}()
	upErr := r.up()
	r.leaving.Store(true)
	if errors.Is(upErr, errLeft) {
		// The client said good-bye or closed: what it sent is sent; the target ends by itself or is reset.
		_ = r.target.SetReadDeadline(time.Now().Add(leaveBound))
	} else if upErr != nil {
		_ = r.target.SetReadDeadline(time.Unix(1, 0))
	}
	downErr := <-down
	_ = r.client.SetReadDeadline(time.Unix(1, 0))
	switch {
	case errors.Is(upErr, errLeft):
		return curfew.CauseClosed, ""
	case asError(upErr) != nil && asError(upErr).Rule == "protocol":
		return curfew.CauseProtocol, upErr.Error()
	}
	return curfew.CauseTarget, targetWords(downErr)
}

func targetWords(err error) string {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, errTargetLeft) {
		return "the target closed the connection"
	}
	return err.Error()
}
