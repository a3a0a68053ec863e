package ssh

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

var (
	errClientLeft = errors.New("the client left")
	errHostLeft   = errors.New("the host left")
)

// untilGrace is how many seconds the host waits longer than the gateway: it is the net
// under a node that is gone, not the cut.
const untilGrace = 3

// Bounds of the watch on the host.
const (
	watchBound = 10 * time.Second       // to start
	leaveBound = 200 * time.Millisecond // to hear that the client left
)

// watch starts what ends this session's processes on the host when the connection
// goes away, whatever becomes of the gateway: it reads a pipe that ends with it.
func (r *relay) watch() error {
	ch, reqs, err := r.host.conn.OpenChannel("session", nil)
	if err != nil {
		return err
	}
	r.wg.Go(func() { ssh.DiscardRequests(reqs) })
	ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{watchWord}))
	if err != nil || !ok {
		return errors.Join(err, errors.New("the host does not run what watches over the session"))
	}
	timer := time.AfterFunc(watchBound, func() { _ = ch.Close() })
	line, err := bufio.NewReaderSize(io.LimitReader(ch, 256), 256).ReadString('\n')
	timer.Stop()
	if err != nil || strings.TrimSpace(line) != "watching" {
		return errors.New("the host does not run what watches over the session; a ForceCommand in its sshd_config stands in the way")
	}
	over := make(chan struct{})
	r.wg.Go(func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, ch)
		_ = ch.Close()
	})
	r.until = func(left time.Duration) {
		_, _ = fmt.Fprintf(ch, "%s %d\n", untilWord, max(int64(left/time.Second)+untilGrace, 0))
	}
	r.leave = func() {
		if _, err := io.WriteString(ch, leaveWord+"\n"); err != nil {
			return
		}
		select {
		case <-over:
		case <-time.After(leaveBound):
		}
	}
	return nil
}
