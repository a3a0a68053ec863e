package ssh

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/say"
)

// lobby is the user name of those who come to go on by name (ssh -J): no resource is
// called so. Behind it may stand the ending that names have on the client's side:
// "_.curfew" makes web-1.curfew mean web-1.
const lobby = "_"

// Bounds of the lobby: it holds nothing but sockets, and nothing is reached from it
// but the gateway itself.
const (
	mostLobbies  = 32 // connections of one person
	mostOnward   = 32 // connections through one of them
	lobbyIdle    = time.Minute
	lobbyQuiet   = 5 * time.Second // how often an idle one is looked at
	lobbyParting = 5 * time.Second
	refusedStays = 2 * time.Second // for a client to read why it got no shell
)

// inLobby reports whether a user name is of the lobby, and the ending that it names.
func inLobby(user string) (ending string, ok bool) {
	rest, ok := strings.CutPrefix(user, lobby)
	if !ok || rest != "" && !strings.HasPrefix(rest, ".") {
		return "", false
	}
	return rest, true
}

// lobbies counts who is in the lobby.
type lobbies struct {
	mu   sync.Mutex
	each map[curfew.Principal]int // guarded by mu
}

func (l *lobbies) enter(who curfew.Principal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.each == nil {
		l.each = map[curfew.Principal]int{}
	}
	if l.each[who] >= mostLobbies {
		return false
	}
	l.each[who]++
	return true
}

func (l *lobbies) leave(who curfew.Principal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.each[who]--; l.each[who] <= 0 {
		delete(l.each, who)
	}
}

// onward serves a connection in the lobby: its channels are connections to us again,
// each of which proves who it is and is judged by itself.
func (c *client) onward(sc ssh.Conn, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) {
	if !c.engine.lobbies.enter(c.person.Principal) {
		_ = sc.Close()
		return
	}
	defer c.engine.lobbies.leave(c.person.Principal)
	ctx, cancel := context.WithCancel(c.ctx)
	open := make(chan struct{}, mostOnward)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() { _ = sc.Close() }()
	defer cancel()
	defer func() { // a gateway that stops says farewell to who is within
		for end := time.Now().Add(lobbyParting); c.ctx.Err() != nil && len(open) > 0 && time.Now().Before(end); time.Sleep(partingDrain) {
		}
	}()
	go ssh.DiscardRequests(reqs)
	go func() { _ = sc.Wait(); cancel() }()
	idle := time.NewTicker(lobbyQuiet)
	defer idle.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-idle.C:
			if len(open) > 0 {
				last = time.Now()
			} else if time.Since(last) > lobbyIdle {
				return
			}
			continue
		case nc, ok := <-chans:
			if !ok {
				return
			}
			last = time.Now()
			select {
			case open <- struct{}{}:
			default:
				_ = nc.Reject(ssh.ResourceShortage, "Curfew: too many channels on one connection")
				continue
			}
			wg.Go(func() {
				defer func() { <-open }()
				c.goOn(ctx, nc)
			})
		}
	}
}

// goOn serves one channel in the lobby.
func (c *client) goOn(ctx context.Context, nc ssh.NewChannel) {
	switch nc.ChannelType() {
	case "session":
		c.saysWhere(ctx, nc)
		return
	case "direct-tcpip":
	default:
		_ = nc.Reject(ssh.Prohibited, "Curfew: channels of the kind "+short(nc.ChannelType())+" lead nowhere from here")
		return
	}
	var v tcpChannel
	if ssh.Unmarshal(nc.ExtraData(), &v) != nil || len(v.Host) > curfew.MaxName+64 {
		_ = nc.Reject(ssh.ConnectionFailed, "Curfew: malformed")
		return
	}
	name := strings.TrimSuffix(v.Host, c.ending)
	held, open := c.gate.(engine.Recognizer).Paths(*c.person, curfew.ResourceName(name)) //nolint:forcetypeassert // it has recognized them
	if len(held)+len(open) == 0 {
		_ = nc.Reject(ssh.Prohibited, "Curfew: you have no access to "+say.Clean(name, 64)+" now, and there is none that you can ask for. "+c.instead())
		return
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(reqs)
	near, far := net.Pipe() // it has deadlines, which a channel has not
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _, _ = io.Copy(far, ch); _ = far.Close() })
	wg.Go(func() { _, _ = io.Copy(ch, far); _ = ch.Close() })
	c.engine.serve(ctx, &inner{Conn: near, outer: c.conn}, c.gate, name)
	_ = far.Close()
}

// saysWhere answers who wants a shell of the gateway's own.
func (c *client) saysWhere(ctx context.Context, nc ssh.NewChannel) {
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	defer func() { _ = ch.Close() }()
	bound := time.NewTimer(refusedStays)
	defer bound.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-bound.C:
			return
		case r, ok := <-reqs:
			if !ok {
				return
			}
			starts := r.Type == "shell" || r.Type == "exec" || r.Type == "subsystem"
			_ = r.Reply(starts || r.Type == "pty-req" || r.Type == "env", nil)
			if !starts {
				continue
			}
			_, _ = io.WriteString(ch.Stderr(), "Curfew: this is the gateway; there is nothing here. "+c.instead()+"\r\n")
			_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{1}))
			return
		}
	}
}

// inner is a connection within one that is in the lobby. To whoever asks it comes
// from where that does.
type inner struct {
	net.Conn
	outer *parting
}

func (i *inner) RemoteAddr() net.Addr { return i.outer.RemoteAddr() }
func (i *inner) LocalAddr() net.Addr  { return i.outer.LocalAddr() }
func (i *inner) queued() int          { return i.outer.queued() }
