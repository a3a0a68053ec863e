package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// child is a helper process and what it has said.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	first string // the second word of its first line: an address

	mu     sync.Mutex
	up     int                  // guarded by mu
	failed []string             // guarded by mu
	end    map[string]time.Time // guarded by mu
	gone   map[string]time.Time // guarded by mu
}

// startChild runs this binary as a helper; hello is written to it first.
func startChild(b *testing.B, role, hello string) *child {
	b.Helper()
	c := &child{cmd: exec.Command(os.Args[0]), end: map[string]time.Time{}, gone: map[string]time.Time{}}
	c.cmd.Env = append(os.Environ(), childEnv+"="+role, "GOMAXPROCS=2")
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	must(b, err)
	c.in = in
	out, err := c.cmd.StdoutPipe()
	must(b, err)
	must(b, c.cmd.Start())
	b.Cleanup(func() {
		_ = in.Close()
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	if hello != "" {
		c.tell(b, hello)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		b.Fatalf("the %s did not start", role)
	}
	_, c.first, _ = strings.Cut(lines.Text(), " ")
	go func() {
		for lines.Scan() {
			c.heard(strings.Fields(lines.Text()))
		}
	}()
	return c
}

func (c *child) tell(b *testing.B, line string) {
	_, err := fmt.Fprintln(c.in, line)
	must(b, err)
}

func (c *child) heard(f []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f[0] {
	case "up":
		c.up++
	case "failed":
		c.failed = append(c.failed, strings.Join(f[1:], " "))
	case "end", "gone":
		n, _ := strconv.ParseInt(f[2], 10, 64)
		m := c.end
		if f[0] == "gone" {
			m = c.gone
		}
		m[f[1]] = time.Unix(0, n)
	}
}

// await waits until ok, which looks at what the child has said.
func (c *child) await(b *testing.B, what string, bound time.Duration, ok func() bool) {
	b.Helper()
	for end := time.Now().Add(bound); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		done, failed := ok(), c.failed
		c.mu.Unlock()
		switch {
		case done:
			return
		case len(failed) > 0:
			b.Fatalf("%s: %d connections failed, the first: %s", what, len(failed), failed[0])
		case time.Now().After(end):
			b.Fatalf("%s: not within %s", what, bound)
		}
	}
}

// resident is a process's resident memory in bytes; settle first gives back what
// this process does not use.
func resident(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	must(b, err)
	pages, err := strconv.ParseFloat(strings.Fields(string(text))[1], 64)
	must(b, err)
	return pages * float64(os.Getpagesize())
}

func settle() {
	for range 3 {
		debug.FreeOSMemory()
	}
}
