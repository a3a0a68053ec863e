package ssh

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew/record"
)

// tcpChannel is what opens a direct-tcpip or forwarded-tcpip channel (RFC 4254, 7.2).
type tcpChannel struct {
	Host       string
	Port       uint32
	OriginHost string
	OriginPort uint32
}

// tcpForward asks for a listener, or for its end (RFC 4254, 7.1).
type tcpForward struct {
	Host string
	Port uint32
}

func (a tcpForward) String() string {
	return net.JoinHostPort(short(a.Host), strconv.Itoa(int(a.Port)))
}

// direct joins the client to an address that the host connects to (ssh -L, -W, -J).
func (r *relay) direct(nc ssh.NewChannel) {
	var to tcpChannel
	if err := ssh.Unmarshal(nc.ExtraData(), &to); err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "Curfew: malformed")
		return
	}
	name := "forward to " + tcpForward{to.Host, to.Port}.String()
	if !r.may.mayForward(to.Host, to.Port) {
		r.reject(nc, "the role does not "+name)
		return
	}
	ref, err := r.begin(name, "")
	if err != nil {
		_ = nc.Reject(ssh.Prohibited, "Curfew: the session is over")
		return
	}
	began := time.Now()
	there, reqs, err := r.host.conn.OpenChannel("direct-tcpip", nc.ExtraData())
	if err != nil {
		r.settle(record.Item{Ref: ref, Took: time.Since(began), Error: err.Error()})
		_ = nc.Reject(ssh.ConnectionFailed, "the host: "+err.Error())
		return
	}
	here, clientReqs, err := nc.Accept()
	if err != nil {
		_ = there.Close()
		return
	}
	r.join(ref, began, pair{here, clientReqs}, pair{there, reqs})
}

// forwarded joins somebody who connected to a port on the host's side to the client.
func (r *relay) forwarded(nc ssh.NewChannel) {
	var from tcpChannel
	if err := ssh.Unmarshal(nc.ExtraData(), &from); err != nil || !r.listens(from) {
		_ = nc.Reject(ssh.Prohibited, "nobody asked for it")
		return
	}
	r.toClient(nc, fmt.Sprintf("connection from %s to %s", tcpForward{from.OriginHost, from.OriginPort}, tcpForward{from.Host, from.Port}))
}

func (r *relay) listens(from tcpChannel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bound[tcpForward{from.Host, from.Port}]
}

// lend lets the host speak with the client's agent, where the role and the client do.
func (r *relay) lend(nc ssh.NewChannel) {
	r.mu.Lock()
	lent := r.lent
	r.mu.Unlock()
	if !lent {
		r.reject(nc, "the client's agent was not lent")
		return
	}
	r.toClient(nc, "the host uses the client's agent")
}

func (r *relay) toClient(nc ssh.NewChannel, text string) {
	ref, err := r.begin(text, "")
	if err != nil {
		_ = nc.Reject(ssh.Prohibited, "")
		return
	}
	began := time.Now()
	here, clientReqs, err := r.client.OpenChannel(nc.ChannelType(), nc.ExtraData())
	if err != nil {
		r.settle(record.Item{Ref: ref, Took: time.Since(began), Error: err.Error()})
		_ = nc.Reject(ssh.ConnectionFailed, "")
		return
	}
	there, reqs, err := nc.Accept()
	if err != nil {
		_ = here.Close()
		return
	}
	r.join(ref, began, pair{here, clientReqs}, pair{there, reqs})
}

// pair is a channel and what is asked on it.
type pair struct {
	ssh.Channel
	reqs <-chan *ssh.Request
}

// join carries opaque bytes both ways until both sides have ended.
func (r *relay) join(ref uint64, began time.Time, here, there pair) {
	var n atomic.Int64
	var wg sync.WaitGroup
	side := func(to, from pair) {
		closed := make(chan struct{})
		wg.Go(func() { ssh.DiscardRequests(from.reqs); close(closed) })
		if r.carry(to, from, &n) {
			_ = to.CloseWrite()
		} else {
			_ = from.Close()
		}
		<-closed // altogether
		_ = to.Close()
	}
	wg.Go(func() { side(there, here) })
	wg.Go(func() { side(here, there) })
	wg.Wait()
	r.settle(record.Item{Ref: ref, Took: time.Since(began), Bytes: n.Load()})
}

// carry moves bytes until there are no more: true; or they cannot go on.
func (r *relay) carry(to, from ssh.Channel, n *atomic.Int64) bool {
	buf := make([]byte, chunk)
	for {
		k, err := from.Read(buf)
		if k > 0 {
			n.Add(int64(k))
			if !r.spend(k) {
				return false
			}
			if _, err := to.Write(buf[:k]); err != nil {
				return false
			}
		}
		if err != nil {
			return true
		}
	}
}

// settle records how something went.
func (r *relay) settle(it record.Item) {
	it.Kind = record.Outcome
	_ = r.s.Observe(it) // an error has ended the session
}

// globals answers what the client asks of the whole connection.
func (r *relay) globals(reqs <-chan *ssh.Request) {
	for req := range reqs {
		ok, payload := false, []byte(nil)
		switch req.Type {
		case "tcpip-forward":
			ok, payload = r.listen(req)
		case "cancel-tcpip-forward":
			ok = r.unlisten(req)
		case "no-more-sessions@openssh.com":
			r.mu.Lock()
			r.closed = true
			r.mu.Unlock()
		case "keepalive@openssh.com":
			ok = true
		default:
			_ = r.refused(short(req.Type), "it is not known")
		}
		if req.WantReply {
			_ = req.Reply(ok, payload)
		}
	}
}

func (r *relay) listen(req *ssh.Request) (bool, []byte) {
	var at tcpForward
	if ssh.Unmarshal(req.Payload, &at) != nil {
		return false, nil
	}
	name := "listen on " + at.String()
	if !r.may.mayListen(at.Host, at.Port) {
		_ = r.refused(name, "the role does not")
		return false, nil
	}
	ref, err := r.begin(name, "")
	if err != nil {
		return false, nil
	}
	began := time.Now()
	r.mu.Lock()
	r.bound[at] = true // before anybody can connect
	r.mu.Unlock()
	ok, payload, err := r.host.conn.SendRequest(req.Type, true, req.Payload)
	it := record.Item{Ref: ref, Took: time.Since(began)}
	switch {
	case err != nil || !ok:
		r.mu.Lock()
		delete(r.bound, at)
		r.mu.Unlock()
		it.Error = "the host refuses"
	case at.Port == 0: // the host has chosen one
		var got struct{ Port uint32 }
		if ssh.Unmarshal(payload, &got) == nil {
			r.mu.Lock()
			r.bound[tcpForward{at.Host, got.Port}] = true
			r.mu.Unlock()
		}
	}
	r.settle(it)
	return ok && err == nil, payload
}

func (r *relay) unlisten(req *ssh.Request) bool {
	var at tcpForward
	if ssh.Unmarshal(req.Payload, &at) != nil {
		return false
	}
	r.mu.Lock()
	bound := r.bound[at]
	delete(r.bound, at)
	r.mu.Unlock()
	if !bound {
		return false
	}
	ok, _, err := r.host.conn.SendRequest(req.Type, true, req.Payload)
	return ok && err == nil
}

// hostGlobals answers what the host asks. Its announcements of more host keys
// (hostkeys-00) are about its own, which the client never sees.
func (r *relay) hostGlobals(reqs <-chan *ssh.Request) {
	for req := range reqs {
		if req.WantReply {
			_ = req.Reply(req.Type == "keepalive@openssh.com", nil)
		}
	}
}
