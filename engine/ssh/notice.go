package ssh

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// noticeEvery is how soon after its time a notice is given: SSH is the one protocol
// in which that may be at once.
const noticeEvery = 100 * time.Millisecond

// cutStatus is what a program that was cut exits with, as timeout(1) has it.
const cutStatus = 124

// tell gives notices until ctx ends.
func (r *relay) tell(ctx context.Context) {
	tick := time.NewTicker(noticeEvery)
	defer tick.Stop()
	var end time.Time
	for {
		if now := r.s.Permit().End(); !now.Equal(end) {
			end = now
			r.until(time.Until(end))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n := r.s.Notice(); n != nil {
			r.give(*n)
		}
	}
}

func (r *relay) give(n session.Notice) {
	res := r.s.Permit().Resource().Name
	text := say.Soon(res, n.End, n.Left)
	if n.Moved {
		text = say.Moved(res, n.End, n.Left)
	}
	if r.note(text.String()) != nil {
		return
	}
	for _, c := range r.running() {
		go c.notify(text, n.Left) // a client that has stopped reading holds up nobody else
	}
}

// running lists the channels on which something runs.
func (r *relay) running() (out []*channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		c.mu.Lock()
		if c.started {
			out = append(out, c)
		}
		c.mu.Unlock()
	}
	return out
}

// notify writes a notice: on stderr, except where a program has the whole screen;
// and in the title of a terminal's window always.
func (c *channel) notify(n say.Notice, left time.Duration) {
	if c.tty == nil {
		c.say(n.Line)
		return
	}
	title := fmt.Sprintf("%s · %s left", say.Clean(string(c.r.s.Permit().Resource().Name), 40), clock(left))
	text := "\x1b]2;" + title + "\x07"
	if !c.tty.taken() {
		text += "\r\n" + n.Line + "\r\n"
	}
	c.tell(text)
}

// clock is a duration as a clock shows it: 5:00.
func clock(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// farewell tells every program's reader that it is over, and why, by the
// deadline or not at all.
func (r *relay) farewell(e access.Ended, by time.Time) {
	text := goodbye(r.s.Permit(), e).String()
	_ = r.legs.Client.SetWriteDeadline(by.Add(partingDrain))
	var wg sync.WaitGroup
	for _, c := range r.running() {
		wg.Go(func() { c.leave(text) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Until(by)):
	}
}

// leave says the last words on a channel.
func (c *channel) leave(text string) {
	line := strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"
	if c.tty != nil {
		line = "\r\n" + line
		if c.tty.taken() { // the screen as it was, the cursor, plain letters
			line = "\x1b[?1049l\x1b[?25h\x1b[0m" + line
		}
		line = "\x1b]2;\x07" + line
	}
	c.tell(line)
	_, _ = c.client.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{cutStatus}))
	_ = c.client.Close()
}

// goodbye is the farewell. Where the grant lives on and only this connection is
// over, it says so.
func goodbye(p *access.Permit, e access.Ended) say.Notice {
	g := p.Grant()
	n := say.Ended(say.Ending{
		Resource: p.Resource().Name, Role: g.Role, At: e.At, Cause: e.Cause, Grant: g.ID, Reason: e.Why,
		Open: "What it started on the host is being ended too.",
	})
	switch e.Cause {
	case curfew.CauseTarget, curfew.CauseRecorder, curfew.CauseProtocol, curfew.CauseSessionCut, curfew.CauseRestart, curfew.CauseLedger, curfew.CauseClock:
		n.Line = "Curfew: this connection to " + say.Clean(string(p.Resource().Name), 40) + " ended at " + e.At.Format("15:04") + "."
		n.Hint = "Your access goes on until " + p.End().Format("15:04") + ": connect again."
	}
	return n
}
