package ssh

import (
	"errors"
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
	filter       filter // nil: bytes go through as they are
	bare         bool   // a shell without a terminal: what goes through is all there is of it

	// words is held while we speak ourselves, and while the host's end is passed on:
	// what is said after it would be lost.
	words sync.Mutex

	mu      sync.Mutex
	tty     *terminal     // guarded by mu until started
	started bool          // guarded by mu
	raised  chan struct{} // guarded by mu; closed when all that the client said has gone on; nil until started
	lowered chan struct{} // guarded by mu; closed when all that the host said has gone out
	exit    string        // guarded by mu; "exit 0"
}

// filter stands between one program of the client's and one of the host's, and
// carries between them what it lets through.
type filter interface {
	// up carries what the client sends, until there is no more.
	up(from io.Reader, to io.Writer) error
	// down carries what the host sends.
	down(from io.Reader, to io.Writer) error
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
		c.lifted() // the client has closed the channel, or is gone
		_ = there.Close()
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

// tell writes words of ours on stderr.
func (c *channel) tell(text string) {
	c.words.Lock()
	defer c.words.Unlock()
	_, _ = c.client.Stderr().Write([]byte(text))
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

// lifted waits until what the client sent before it closed the channel has gone on,
// or its program does not read it.
func (c *channel) lifted() {
	c.mu.Lock()
	raised := c.raised
	c.mu.Unlock()
	if raised == nil {
		return
	}
	select {
	case <-raised:
	case <-time.After(leaveBound):
	}
}

// pump starts carrying bytes.
func (c *channel) pump(wg *sync.WaitGroup) {
	wg.Go(func() { defer close(c.raised); c.up() })
	wg.Go(func() {
		defer close(c.lowered)
		var down sync.WaitGroup
		down.Go(func() { c.down(c.client, c.host, true) })
		down.Go(func() { c.down(c.client.Stderr(), c.host.Stderr(), false) })
		down.Wait()
		if !c.r.s.Permit().Over() { // after a cut the farewell is still to come
			c.words.Lock()
			defer c.words.Unlock()
			_ = c.client.CloseWrite()
		}
	})
}

// up carries what the client sends.
func (c *channel) up() {
	var err error
	if c.filter != nil {
		err = c.filter.up(metered{c, c.client}, c.host)
	} else {
		err = c.carry(c.host, c.client, c.lift)
	}
	if err == nil || errors.Is(err, io.EOF) {
		_ = c.host.CloseWrite()
		return
	}
	_ = c.host.Close()
}

// down carries what the host sends; out says that it is the program's output.
func (c *channel) down(to io.Writer, from io.Reader, out bool) {
	var err error
	if c.filter != nil && out {
		err = c.filter.down(metered{c, from}, to)
	} else {
		err = c.carry(to, from, c.lower)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		_ = c.host.Close()
	}
}

// metered is a side that counts what is read from it.
type metered struct {
	c    *channel
	from io.Reader
}

var errSpent = errors.New("the session is over")

func (m metered) Read(b []byte) (int, error) {
	n, err := m.from.Read(b)
	if m.c.bytes.Add(int64(n)); n > 0 && !m.c.r.spend(n) {
		return 0, errSpent
	}
	return n, err
}

// carry moves bytes; see is shown them before they go on.
func (c *channel) carry(to io.Writer, from io.Reader, see func([]byte) error) error {
	buf := make([]byte, chunk)
	from = metered{c, from}
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if err := see(buf[:n]); err != nil {
				return err
			}
			if c.r.s.Permit().Over() { // meanwhile
				return errSpent
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// lift looks at what is typed.
func (c *channel) lift(b []byte) error {
	switch {
	case c.tty != nil:
		c.tty.typed(b)
	case c.bare: // no screen shows it
		return c.r.s.Observe(record.Item{Kind: record.Input, Ref: c.ref, Text: string(b)})
	}
	return nil
}

// lower records what is shown, before it is.
func (c *channel) lower(b []byte) error {
	switch {
	case c.tty != nil:
		return c.tty.printed(b)
	case c.r.output || c.bare:
		return c.r.s.Observe(record.Item{Kind: record.Output, Ref: c.ref, Text: string(b)})
	}
	return nil
}
