package crash

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// child is a process that ends with this one. The kernel's word for that
// (Pdeathsig) means the thread that started it, so one thread stays with it.
type child struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has been waited for
}

func launch(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	c := &child{cmd: cmd, gone: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.gone)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() { c.end(syscall.SIGKILL) })
	return c
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) over() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

func (c *child) signal(sig syscall.Signal) {
	if !c.over() {
		_ = c.cmd.Process.Signal(sig)
	}
}

// end sends the signal and waits.
func (c *child) end(sig syscall.Signal) {
	c.signal(sig)
	<-c.gone
}

// within waits until f is true, and says whether it was in time.
func within(d time.Duration, f func() bool) bool {
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		if f() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
