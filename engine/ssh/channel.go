package ssh

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew/record"
)

// channel is one session channel (RFC 4254, 6): a shell, a command or sftp.
type channel struct {
	r            *relay
	client, host ssh.Channel
	ref          uint64
	began        time.Time
	bytes        atomic.Int64
	filter       filter        // nil: bytes go through as they are
	lowered      chan struct{} // closed when all that the host said has gone out; set when started

	mu      sync.Mutex
	tty     *terminal // guarded by mu until started
	started bool      // guarded by mu
	exit    string    // guarded by mu; "exit 0"
}

// filter sees the bytes of one program before they go on, and may change them.
type filter interface {
	// up is what the client sends; it returns what goes to the host.
	up(b []byte) ([]byte, error)
	// down is what the host sends; it returns what goes to the client.
	down(b []byte) ([]byte, error)
	// end is called once, when both are over.
	end()
}

// session serves a session channel of the client's.
func (r *relay) session(nc ssh.NewChannel) {
	r.mu.Lock()
	closed := r.closed
	r.mu.Unlock()
	if closed {
		r.reject(nc, "the client said that it opens no more sessions")
		return
	}
	there, hostReqs, err := r.host.conn.OpenChannel("session", nil)
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "the host: "+err.Error())
		return
	}
	here, reqs, err := nc.Accept()
	if err != nil {
		_ = there.Close()
		return
	}
	c := &channel{r: r, client: here, host: there}
	r.mu.Lock()
	r.open[c] = true
	r.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		for req := range reqs {
			ok := c.asked(req, &wg)
			if req.WantReply {
				_ = req.Reply(ok, nil)
			}
		}
		_ = there.Close() // the client has closed the channel, or is gone
	})
	wg.Go(func() { c.answered(hostReqs) })
	wg.Wait()
	r.mu.Lock()
	delete(r.open, c)
	r.mu.Unlock()
	c.over()
}

// asked serves one request of the client's. Unknown means no.
func (c *channel) asked(req *ssh.Request, wg *sync.WaitGroup) bool {
	switch req.Type {
	case "env":
		return c.env(req)
	case "pty-req":
		return c.pty(req)
	case "window-change":
		return c.resize(req)
	case "shell", "exec", "subsystem":
		return c.start(req, wg)
	case "signal":
		return c.signal(req)
	case "auth-agent-req@openssh.com":
		return c.agent(req)
	case "eow@openssh.com":
		return c.pass(req)
	case "x11-req":
		_ = c.r.refused("X11 forwarding", "it does not go through the gateway")
		return false
	}
	_ = c.r.refused(short(req.Type), "it is not known")
	return false
}

// pass hands a request on as it is.
func (c *channel) pass(req *ssh.Request) bool {
	ok, err := c.host.SendRequest(req.Type, req.WantReply, req.Payload)
	return err == nil && ok
}

// mayEnv reports whether a client may set a variable: what its terminal and its
// language are. What changes how programs run (LD_PRELOAD, PATH, BASH_ENV) is not among them.
func mayEnv(name, value string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	locale := strings.HasPrefix(name, "LC_") && len(name) < 32 && strings.Trim(name, letters) == ""
	if !locale && !slices.Contains([]string{"LANG", "LANGUAGE", "TERM", "COLORTERM", "NO_COLOR", "GIT_PROTOCOL"}, name) {
		return false
	}
	return len(value) <= maxEnv && !strings.ContainsFunc(value, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.@:=+-", r))
	})
}

const maxEnv = 256

func (c *channel) env(req *ssh.Request) bool {
	var v struct{ Name, Value string }
	return ssh.Unmarshal(req.Payload, &v) == nil && mayEnv(v.Name, v.Value) && c.pass(req)
}

// signalNames are those of RFC 4254, 6.10.
func signalNames() []string {
	return []string{"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2", "INFO@openssh.com"}
}

func (c *channel) signal(req *ssh.Request) bool {
	var v struct{ Name string }
	if ssh.Unmarshal(req.Payload, &v) != nil || !slices.Contains(signalNames(), v.Name) {
		return false
	}
	if c.r.s.Observe(record.Item{Kind: record.Cancel, Ref: c.ref, Text: "signal " + v.Name}) != nil {
		return false
	}
	return c.pass(req)
}

func (c *channel) agent(req *ssh.Request) bool {
	if !c.r.may.has(agent) {
		_ = c.r.refused("agent forwarding", "the role does not lend the client's keys")
		return false
	}
	ref, err := c.r.begin("lend the client's agent", "")
	if err != nil {
		return false
	}
	ok := c.pass(req)
	it := record.Item{Ref: ref}
	if !ok {
		it.Error = "the host refuses"
	}
	c.r.settle(it)
	c.r.mu.Lock()
	c.r.lent = c.r.lent || ok
	c.r.mu.Unlock()
	return ok
}

// answered passes on what the host says of how a program ended, and closes the
// client's side once everything before that has gone out.
func (c *channel) answered(reqs <-chan *ssh.Request) {
	for req := range reqs {
		switch req.Type {
		case "exit-status":
			var v struct{ Status uint32 }
			if ssh.Unmarshal(req.Payload, &v) == nil {
				c.ended(fmt.Sprintf("exit %d", v.Status))
				_, _ = c.client.SendRequest(req.Type, false, req.Payload)
			}
		case "exit-signal":
			var v struct {
				Name   string
				Dumped bool
				Text   string
				Lang   string
			}
			if ssh.Unmarshal(req.Payload, &v) == nil {
				c.ended("signal " + short(v.Name))
				_, _ = c.client.SendRequest(req.Type, false, req.Payload)
			}
		}
		if req.WantReply {
			_ = req.Reply(false, nil)
		}
	}
	c.mu.Lock()
	lowered := c.lowered
	c.mu.Unlock()
	if lowered != nil {
		<-lowered
	}
	if !c.r.s.Permit().Over() {
		_ = c.client.Close()
	}
}

func (c *channel) ended(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exit = how
}

// over records how it went.
func (c *channel) over() {
	if c.filter != nil {
		c.filter.end()
	}
	if c.ref == 0 {
		return
	}
	c.mu.Lock()
	exit := c.exit
	c.mu.Unlock()
	it := record.Item{Ref: c.ref, Tag: exit, Bytes: c.bytes.Load(), Took: time.Since(c.began)}
	if exit == "" {
		it.Error = "it was not seen to end"
	}
	c.r.settle(it)
}

// pump starts carrying bytes.
func (c *channel) pump(wg *sync.WaitGroup) {
	wg.Go(c.up)
	wg.Go(func() {
		defer close(c.lowered)
		var down sync.WaitGroup
		down.Go(func() { c.down(c.client, c.host, true) })
		down.Go(func() { c.down(c.client.Stderr(), c.host.Stderr(), false) })
		down.Wait()
		if !c.r.s.Permit().Over() { // after a cut the farewell is still to come
			_ = c.client.CloseWrite()
		}
	})
}

// up carries what the client sends.
func (c *channel) up() {
	buf := make([]byte, chunk)
	for {
		n, err := c.client.Read(buf)
		if n > 0 && !c.lift(buf[:n]) {
			_ = c.host.Close()
			return
		}
		if err != nil {
			_ = c.host.CloseWrite()
			return
		}
	}
}

func (c *channel) lift(b []byte) bool {
	c.bytes.Add(int64(len(b)))
	if !c.r.spend(len(b)) {
		return false
	}
	if c.tty != nil {
		c.tty.typed(b)
	}
	if c.filter != nil {
		var err error
		if b, err = c.filter.up(b); err != nil {
			return false
		}
	}
	_, err := c.host.Write(b)
	return err == nil
}

// down carries what the host sends; out says that it is the program's output.
func (c *channel) down(to io.Writer, from io.Reader, out bool) {
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 && !c.lower(to, buf[:n], out) {
			_ = c.host.Close()
			return
		}
		if err != nil {
			return
		}
	}
}

func (c *channel) lower(to io.Writer, b []byte, out bool) bool {
	c.bytes.Add(int64(len(b)))
	if !c.r.spend(len(b)) {
		return false
	}
	switch {
	case c.tty != nil:
		if c.tty.printed(b) != nil {
			return false
		}
	case c.filter != nil && out:
		var err error
		if b, err = c.filter.down(b); err != nil {
			return false
		}
	case c.r.output:
		if c.r.s.Observe(record.Item{Kind: record.Output, Ref: c.ref, Text: string(b)}) != nil {
			return false
		}
	}
	_, err := to.Write(b)
	return err == nil
}
