package servers

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestSSHStartsAndEnds(t *testing.T) {
	s, err := StartSSH(context.Background(), SSHOptions{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	pid := s.run.cmd.Process.Pid
	if s.User == "" || s.User == "root" && os.Getuid() == 0 || s.HostKey == nil {
		t.Errorf("it runs as %q, key %v", s.User, s.HostKey)
	}
	dir, err := s.Workplace("work")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(dir, s.folder) {
		t.Errorf("it works in %s", dir)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the server lives on: %v", err)
	}
	if _, err := os.Stat(s.folder); !os.IsNotExist(err) {
		t.Errorf("its files are still there: %v", err)
	}
}
