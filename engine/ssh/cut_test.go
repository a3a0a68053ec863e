package ssh

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/servers"
)

// pgrep looks for a process that runs sleep for a number of seconds nobody else does.
func pgrep(t testing.TB, word string) bool {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	for _, name := range all {
		if text, err := os.ReadFile(name); err == nil && bytes.HasPrefix(text, []byte("sleep\x00"+word+"\x00")) {
			return true
		}
	}
	return false
}

// lullaby is a duration that no other process of this machine sleeps for.
func lullaby(n int) string { return fmt.Sprintf("%d.%d", 600+n, os.Getpid()) }

func TestTheCutEndsWhatRunsOnTheHost(t *testing.T) {
	for _, contain := range []string{byMarks, byNamespace} {
		t.Run(contain, func(t *testing.T) {
			s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "shell", "run anything"}}}, servers.SSHOptions{}, `, "contain": "`+contain+`"`)
			for i, how := range []string{"exec sleep %s", "nohup sleep %s >/dev/null 2>&1 & sleep 1000", "setsid nohup sleep %s >/dev/null 2>&1 < /dev/null & wait", "trap '' HUP TERM INT; sleep %s"} {
				g := s.Grant("web/all", time.Hour)
				word := lullaby(i)
				cmd := s.command(g, "ssh", "web-1@127.0.0.1", fmt.Sprintf(how, word))
				var errs bytes.Buffer
				cmd.Stderr = &errs
				must(t, cmd.Start())
				for end := time.Now().Add(20 * time.Second); !s.alive(word) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				}
				if !s.alive(word) {
					t.Fatalf("%s did not start: %s", how, errs.String())
				}
				s.Revoke(g.ID)
				took := s.gone(word, 5*time.Second)
				_ = cmd.Wait()
				t.Logf("%s: gone after %s", how, took)
				if code := cmd.ProcessState.ExitCode(); code != cutStatus || !strings.Contains(errs.String(), "Curfew: your access to web-1 ended at ") {
					t.Errorf("%s: exit %d, told %q", how, code, errs.String())
				}
				s.Await(g.ID, access.Gone)
			}
		})
	}
}

func TestWhatAClientLeavesEndsWithItsGrant(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/all": {"login {user}", "run anything"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	word := lullaby(9)
	if got := s.ssh(g, "nohup sleep "+word+" >/dev/null 2>&1 </dev/null &"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	time.Sleep(300 * time.Millisecond)
	if !s.alive(word) {
		t.Fatal("a client that left by itself lost its work while its grant lives")
	}
	if s.Ended(g.ID).Terminated {
		t.Error("what still runs was seen to be gone")
	}
	s.Revoke(g.ID)
	s.gone(word, 5*time.Second)
	s.Await(g.ID, access.Gone)
	g = s.Grant("web/all", time.Hour)
	if got := s.ssh(g, "true"); got.code != 0 || !s.Ended(g.ID).Terminated {
		t.Errorf("nothing runs, and it was not seen to be gone: %+v", got)
	}
}
