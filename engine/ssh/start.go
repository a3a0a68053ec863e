package ssh

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew/record"
)

// start serves a request to run something, once a channel.
func (c *channel) start(req *ssh.Request, wg *sync.WaitGroup) bool {
	c.mu.Lock()
	again := c.started
	c.mu.Unlock()
	if again {
		return false
	}
	what, ok := c.judge(req)
	if !ok {
		return false
	}
	tag := ""
	if c.tty != nil {
		tag = c.tty.size()
	}
	var err error
	if c.ref, err = c.r.begin(what, tag); err != nil {
		return false
	}
	if c.tty != nil {
		c.tty.ref = c.ref
	}
	c.began = time.Now()
	c.mu.Lock()
	c.started, c.raised, c.lowered = true, make(chan struct{}), make(chan struct{})
	c.mu.Unlock()
	if ok, err := c.host.SendRequest(req.Type, true, req.Payload); err != nil || !ok {
		c.ended("refused by the host")
		close(c.raised)
		close(c.lowered)
		_ = c.host.Close()
		_ = c.client.Close()
		return false
	}
	c.pump(wg)
	return true
}

// judge decides what a request would run, says it in words, and prepares what
// looks at its bytes.
func (c *channel) judge(req *ssh.Request) (what string, ok bool) {
	forced := c.r.may.of(force)
	switch {
	case req.Type == "subsystem":
		return c.subsystem(req)
	case req.Type == "shell" && len(forced) > 0:
		return forced[0].text, true
	case req.Type == "shell":
		if !c.r.may.has(shell) {
			return "", c.no("shell", "the role has no shell")
		}
		c.bare = c.tty == nil
		return "shell", true
	}
	var v struct{ Command string }
	if ssh.Unmarshal(req.Payload, &v) != nil {
		return "", false
	}
	if len(v.Command) > maxCommand<<2 || strings.TrimSpace(v.Command) == "" || strings.ContainsRune(v.Command, 0) {
		return "", c.no(v.Command[:min(len(v.Command), maxCommand)], "this is no command")
	}
	if len(forced) > 0 && !reserved(v.Command) { // the host runs it whatever is asked for
		return forced[0].text + " # asked for: " + v.Command, true
	}
	return c.command(v.Command)
}

// reserved are commands that mean something else to the gateway's own script.
func reserved(command string) bool {
	return command == watchWord || strings.HasPrefix(command, "internal-sftp")
}

func (c *channel) command(command string) (string, bool) {
	if reserved(command) {
		return "", c.no(command, "this is no command")
	}
	isSCP, copies := c.copying(command)
	if isSCP && !copies {
		return "", c.no(command, "the role does not move files in this way; scp without -O may do")
	}
	if !isSCP && !c.r.may.mayRun(command) {
		return "", c.no(command, "the role does not run it")
	}
	return command, true
}

// readTime is how long the words have before the refusal itself: OpenSSH ends at it, with
// whatever it has not shown by then.
const readTime = 60 * time.Millisecond

// no refuses, tells the client on its stderr why, and records it.
func (c *channel) no(what, why string) bool {
	if c.r.refused(what, why) == nil {
		c.say("Curfew: " + why + ".")
		time.Sleep(readTime)
	}
	return false
}

// say writes a line of ours to the client's stderr, never to its stdout.
func (c *channel) say(line string) {
	c.tell(strings.ReplaceAll(line, "\n", "\r\n") + "\r\n")
}

// ptyRequest is what a client says of its terminal (RFC 4254, 6.2).
type ptyRequest struct {
	Term                  string
	Columns, Rows         uint32
	WidthPixels, HeightPx uint32
	Modes                 string
}

// Bounds of a terminal.
const (
	maxTerm  = 64
	maxModes = 1 << 10
	maxSide  = 10_000
)

func (c *channel) pty(req *ssh.Request) bool {
	var v ptyRequest
	c.mu.Lock()
	again := c.started || c.tty != nil
	c.mu.Unlock()
	if ssh.Unmarshal(req.Payload, &v) != nil || again || len(v.Term) > maxTerm || len(v.Modes) > maxModes || v.Columns > maxSide || v.Rows > maxSide {
		return false
	}
	if !c.r.may.mayPTY() {
		_ = c.r.refused("terminal", "the role has none")
		return false
	}
	if !c.pass(req) {
		return false
	}
	c.mu.Lock()
	c.tty = newTerminal(c.r, v)
	c.mu.Unlock()
	return true
}

// resize is a window-change request (RFC 4254, 6.7).
func (c *channel) resize(req *ssh.Request) bool {
	var v struct{ Columns, Rows, Width, Height uint32 }
	if ssh.Unmarshal(req.Payload, &v) != nil || c.tty == nil || v.Columns > maxSide || v.Rows > maxSide {
		return false
	}
	if c.tty.resized(v.Columns, v.Rows) != nil {
		return false
	}
	return c.pass(req)
}

func sizeOf(columns, rows uint32) string {
	return strconv.Itoa(int(columns)) + "x" + strconv.Itoa(int(rows))
}

// note records what the client is told.
func (r *relay) note(text string) error {
	return r.s.Observe(record.Item{Kind: record.Notice, Text: text})
}
