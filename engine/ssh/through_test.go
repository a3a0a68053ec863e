package ssh

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

func TestCommandsThroughOpenSSH(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{
		"web/all":  {"login {user}", "shell", "run anything"},
		"web/some": {"login {user}", "run id -un", "run echo *"},
	}}, servers.SSHOptions{}, "")
	g := s.Grant("web/all", time.Hour)
	got := s.ssh(g, "echo out; echo err >&2; exit 7")
	if got.out != "out\n" || !strings.Contains(got.err, "err\n") || got.code != 7 {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got.err, "Curfew: web-1 as "+s.sshd.User+" (web/all) until ") {
		t.Errorf("no word of what begins: %q", got.err)
	}
	items := s.items(g)
	if st, out := said(items, record.Statement), said(items, record.Outcome); len(st) != 1 || st[0] != "echo out; echo err >&2; exit 7" || len(out) != 1 || out[0] != "exit 7" {
		t.Errorf("recorded %q %q", st, out)
	}
	some := s.Grant("web/some", time.Hour)
	if got := s.ssh(some, "id -un"); got.out != s.sshd.User+"\n" {
		t.Errorf("%+v", got)
	}
	for _, no := range []string{"id", "id -un; id", "echo $(id)", "echo a b", "echo -n", "echo 'a b'", "", "curfew watch", "internal-sftp"} {
		if got := s.ssh(some, no); got.code == 0 || got.out != "" {
			t.Errorf("%q ran: %+v", no, got)
		}
	}
}
