package ssh

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/session"
)

// Bounds of one connection.
const (
	mostChannels = 64
	chunk        = 32 << 10 // of what is read at once; the largest packet of OpenSSH
)

// relay joins a client's connection and its host's.
type relay struct {
	s      *session.Session
	may    permission
	client ssh.Conn
	host   *host
	output bool // what commands print is recorded too
	refs   atomic.Uint64
	wg     sync.WaitGroup

	mu     sync.Mutex
	open   map[*channel]bool   // guarded by mu; session channels
	count  int                 // guarded by mu; channels of every kind
	lent   bool                // guarded by mu; the client's agent
	closed bool                // guarded by mu; the client wants no more sessions
	bound  map[tcpForward]bool // guarded by mu; what the host listens on for the client
	until  func(time.Duration) // says to the host how long the session has still
	leave  func()              // says to the host that the client left by itself
	engine *Engine
	legs   session.Legs
}

func newRelay(c *client, sc ssh.Conn) *relay {
	r := &relay{
		s: c.s, may: c.may, client: sc, host: c.host, engine: c.engine, output: c.s.Permit().Grant().Record.Results(),
		open: map[*channel]bool{}, bound: map[tcpForward]bool{},
	}
	r.legs = session.Legs{Client: c.conn, Target: c.host.raw, Farewell: r.farewell}
	return r
}

// run relays until the client leaves, the host goes away, or the session is cut.
func (r *relay) run(chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) (curfew.Cause, string) {
	defer r.wg.Wait()
	defer func() { _, _ = r.client.Close(), r.host.conn.Close() }()
	if err := r.s.Attach(r.legs); err != nil {
		return curfew.CauseClosed, ""
	}
	if err := r.watch(); err != nil {
		return curfew.CauseTarget, err.Error()
	}
	ctx, cancel := context.WithCancelCause(r.s.Context())
	defer cancel(nil)
	gone := make(chan struct{})
	r.wg.Go(func() { r.globals(reqs) })
	r.wg.Go(func() { r.hostGlobals(r.host.reqs) })
	r.wg.Go(func() { r.tell(ctx) })
	r.wg.Go(func() { r.accept(chans, r.fromClient) })
	r.wg.Go(func() { r.accept(r.host.chans, r.fromHost) })
	r.wg.Go(func() { _ = r.client.Wait(); cancel(errClientLeft); close(gone) })
	r.wg.Go(func() { _ = r.host.conn.Wait(); cancel(errHostLeft) })
	<-ctx.Done()
	switch context.Cause(ctx) { //nolint:errorlint // set above, unwrapped
	case errClientLeft:
		r.engine.left.add(r.s.Permit().Session())
		r.leave()
		return curfew.CauseClosed, ""
	case errHostLeft:
		return curfew.CauseTarget, "the host closed the connection"
	}
	<-gone // the cut says farewell, and then resets both legs
	return curfew.CauseClosed, ""
}

// accept takes channels as they come; each is served by itself.
func (r *relay) accept(chans <-chan ssh.NewChannel, serve func(ssh.NewChannel)) {
	for nc := range chans {
		if !r.room() {
			_ = nc.Reject(ssh.ResourceShortage, "Curfew: too many channels on one connection")
			continue
		}
		r.wg.Go(func() {
			defer r.gone()
			serve(nc)
		})
	}
}

func (r *relay) room() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count >= mostChannels {
		return false
	}
	r.count++
	return true
}

func (r *relay) gone() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count--
}

// fromClient serves a channel that the client opens.
func (r *relay) fromClient(nc ssh.NewChannel) {
	switch nc.ChannelType() {
	case "session":
		r.session(nc)
	case "direct-tcpip":
		r.direct(nc)
	default:
		r.reject(nc, "channels of the kind "+short(nc.ChannelType())+" do not go through the gateway")
	}
}

// fromHost serves a channel that the host opens: only what the client asked for
// and the role allows.
func (r *relay) fromHost(nc ssh.NewChannel) {
	switch nc.ChannelType() {
	case "forwarded-tcpip":
		r.forwarded(nc)
	case "auth-agent@openssh.com":
		r.lend(nc)
	default:
		r.reject(nc, "the host opened a channel of the kind "+short(nc.ChannelType()))
	}
}

// reject refuses a channel, in the record too.
func (r *relay) reject(nc ssh.NewChannel, why string) {
	_ = r.refused(nc.ChannelType(), why)
	_ = nc.Reject(ssh.Prohibited, "Curfew: "+why)
}

// refused records what is not sent.
func (r *relay) refused(what, why string) error {
	return r.s.Observe(record.Item{Kind: record.Refused, Text: what, Error: why, Code: "role"})
}

// begin records what is about to be done, and returns what ties its outcome to it.
func (r *relay) begin(text, tag string) (uint64, error) {
	ref := r.refs.Add(1)
	return ref, r.s.Observe(record.Item{Kind: record.Statement, Ref: ref, Text: text, Tag: tag})
}

// spend takes bytes from the grant's budget; false: the session is over.
func (r *relay) spend(n int) bool {
	if r.s.Permit().Over() {
		return false
	}
	if !r.s.Metered() || r.s.Spend(0, 0, int64(n)) {
		return true
	}
	r.s.Exhausted()
	return false
}

// short keeps a stranger's word short.
func short(s string) string { return s[:min(len(s), 64)] }
