package servers

import (
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child that ends with this process. The kernel's word for that
// (Pdeathsig) means the thread that started it, so one thread stays with it.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has been waited for
}

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, gone: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.gone)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return p, <-started
}

func (p *process) over() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// end sends the signal and waits.
func (p *process) end(sig syscall.Signal) {
	if p.cmd.Process != nil && !p.over() {
		_ = p.cmd.Process.Signal(sig)
	}
	<-p.gone
}
