package ssh

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

func files() map[curfew.RoleName][]string {
	return map[curfew.RoleName][]string{
		"web/files": {"login {user}", "read anything", "write anything"},
		"web/some":  {"login {user}", "read {dir}/down/**", "write {dir}/up/**"},
		"web/all":   {"login {user}", "run anything"},
	}
}

// random is a file of the client's with content nobody else has.
func (s *site) random(name string, n int) (path, hash string) {
	s.t.Helper()
	b := make([]byte, n)
	_, _ = rand.Read(b)
	path = filepath.Join(s.home, name)
	must(s.t, os.WriteFile(path, b, 0o600))
	sum := sha256.Sum256(b)
	return path, "sha256:" + hex.EncodeToString(sum[:])
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err1 := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ (%v, %v)", a, b, err1, err2)
	}
}

// mkdirs makes folders that the host's user owns.
func (s *site) mkdirs(names ...string) {
	s.t.Helper()
	for _, name := range names {
		_, err := s.sshd.Workplace("work/" + name)
		must(s.t, err)
	}
}

func TestFilesThroughOfficialClients(t *testing.T) {
	for _, subsystem := range []string{"", "internal-sftp"} {
		s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{Subsystem: subsystem}, "")
		for _, role := range []curfew.RoleName{"web/files", "web/some"} {
			dir := strings.ReplaceAll(string(role), "/", "-")
			if role == "web/files" {
				s.mkdirs(dir)
			} else if s.mkdirs("up", "down"); true {
				dir = "up"
			}
			there := filepath.Join(s.dir, dir, "big")
			from, hash := s.random("big", 5<<20+7)
			g := s.Grant(role, time.Hour)
			if got := finish(t, s.command(g, "scp", "-q", from, "web-1@127.0.0.1:"+there)); got.code != 0 {
				t.Fatalf("%s: %+v", role, got)
			}
			same(t, from, there)
			var found bool
			for _, it := range s.items(g) {
				found = found || it.Kind == record.Outcome && it.Tag == hash && it.Bytes == 5<<20+7
			}
			if !found {
				t.Errorf("%s: the hash of what was put is not recorded: %q", role, said(s.items(g), record.Outcome))
			}
			if role == "web/some" {
				must(t, os.Rename(there, filepath.Join(s.dir, "down", "big")))
				there = filepath.Join(s.dir, "down", "big")
			}
			g = s.Grant(role, time.Hour)
			to := filepath.Join(s.home, "back")
			if got := finish(t, s.command(g, "scp", "-q", "web-1@127.0.0.1:"+there, to)); got.code != 0 {
				t.Fatalf("%s: %+v", role, got)
			}
			same(t, from, to)
			if out := strings.Join(said(s.items(g), record.Outcome), "\n"); !strings.Contains(out, hash) {
				t.Errorf("%s: the hash of what was fetched is not recorded: %s", role, out)
			}
		}
	}
}

func TestSFTPBatch(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{}, "")
	s.mkdirs("up", "down")
	from, _ := s.random("small", 1000)
	g := s.Grant("web/some", time.Hour)
	cmd := s.command(g, "sftp", "-b", "-", "web-1@127.0.0.1")
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(`cd {dir}/up
put `+from+` a
mkdir sub
rename a sub/b
chmod 600 sub/b
ls -l sub
-get /etc/hostname `+s.home+`/stolen
-put `+from+` {dir}/down/x
-put `+from+` ../down/x
-rm {dir}/down/../../host
-symlink / link
-ls /etc
rm sub/b
rmdir sub
`, "{dir}", s.dir))
	got := finish(t, cmd)
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if _, err := os.Stat(filepath.Join(s.home, "stolen")); err == nil {
		t.Error("a file elsewhere was fetched")
	}
	if left, _ := filepath.Glob(s.dir + "/*/*"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(s.dir), "host")); err != nil {
		t.Error("a file elsewhere is gone")
	}
	items := s.items(g)
	if done := strings.Join(said(items, record.Statement), "\n"); !strings.Contains(done, "write "+s.dir+"/up/a") || !strings.Contains(done, "rename "+s.dir+"/up/a to "+s.dir+"/up/sub/b") || !strings.Contains(done, "remove "+s.dir+"/up/sub/b") {
		t.Error(done)
	}
	if no := strings.Join(said(items, record.Refused), "\n"); strings.Count(no, "\n") < 4 || !strings.Contains(no, "write "+s.dir+"/down/x") || !strings.Contains(no, "make symbolic link") {
		t.Error(no)
	}
}

func TestLinksOfTheHostLeadNowhere(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{}, "")
	s.mkdirs("up", "down", "secret")
	must(t, os.WriteFile(filepath.Join(s.dir, "secret", "key"), []byte("canary"), 0o644))
	must(t, os.Symlink("../secret", filepath.Join(s.dir, "down", "link")))
	must(t, os.Symlink("../secret/key", filepath.Join(s.dir, "down", "file")))
	must(t, os.Symlink("../secret/new", filepath.Join(s.dir, "up", "file")))
	from, _ := s.random("small", 10)
	for _, args := range [][]string{
		{"web-1@127.0.0.1:" + s.dir + "/down/link/key", s.home + "/got"}, {"web-1@127.0.0.1:" + s.dir + "/down/file", s.home + "/got"},
		{"web-1@127.0.0.1:" + s.dir + "/down/../secret/key", s.home + "/got"}, {from, "web-1@127.0.0.1:" + s.dir + "/up/file"}, {from, "web-1@127.0.0.1:" + s.dir + "/up/../secret/x"},
		{"-O", "web-1@127.0.0.1:" + s.dir + "/secret/key", s.home + "/got"},
	} {
		g := s.Grant("web/some", time.Hour)
		if got := finish(t, s.command(g, "scp", append([]string{"-q"}, args...)...)); got.code == 0 {
			t.Errorf("%v went through", args)
		}
	}
	if _, err := os.Stat(filepath.Join(s.home, "got")); err == nil {
		t.Error("what a link leads to was fetched")
	}
	if left, _ := filepath.Glob(s.dir + "/secret/*"); len(left) != 1 {
		t.Errorf("written through a link: %v", left)
	}
}

func TestRsyncAndGit(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{}, "")
	s.mkdirs("up")
	from, _ := s.random("small", 100_000)
	g := s.Grant("web/all", time.Hour)
	if got := finish(t, s.command(g, "rsync", "-a", from, "web-1@127.0.0.1:"+s.dir+"/up/")); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	same(t, from, filepath.Join(s.dir, "up", "small"))
	g = s.Grant("web/all", time.Hour)
	if got := s.ssh(g, "cd "+s.dir+" && git init -q repo && cd repo && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	g = s.Grant("web/all", time.Hour)
	if got := finish(t, s.command(g, "git", "clone", "-q", "web-1@127.0.0.1:"+s.dir+"/repo", filepath.Join(s.home, "clone"))); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if _, err := os.Stat(filepath.Join(s.home, "clone", ".git", "HEAD")); err != nil {
		t.Error(err)
	}
	g = s.Grant("web/files", time.Hour)
	if got := finish(t, s.command(g, "rsync", "-a", from, "web-1@127.0.0.1:"+s.dir+"/up/")); got.code == 0 {
		t.Error("rsync ran in a role that runs nothing")
	}
}

func TestTheOldSCP(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: files()}, servers.SSHOptions{}, "")
	s.mkdirs("up")
	from, hash := s.random("small", 70_001)
	there := filepath.Join(s.dir, "up", "small")
	g := s.Grant("web/files", time.Hour)
	if got := finish(t, s.command(g, "scp", "-O", "-q", from, "web-1@127.0.0.1:"+there)); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	same(t, from, there)
	if out := strings.Join(said(s.items(g), record.Outcome), "\n"); !strings.Contains(out, hash) {
		t.Errorf("not recorded: %s", out)
	}
	g = s.Grant("web/files", time.Hour)
	back := filepath.Join(s.home, "dir")
	if got := finish(t, s.command(g, "scp", "-O", "-q", "-r", "web-1@127.0.0.1:"+s.dir+"/up", back)); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	same(t, from, filepath.Join(back, "small"))
	if out := strings.Join(said(s.items(g), record.Outcome), "\n"); !strings.Contains(out, hash) {
		t.Errorf("not recorded: %s", out)
	}
	g = s.Grant("web/files", time.Hour)
	if got := finish(t, s.command(g, "scp", "-O", "-q", "web-1@127.0.0.1:'$(touch "+s.dir+"/up/x)'", back)); got.code == 0 {
		t.Error("a path that a shell acts on")
	}
	if _, err := os.Stat(filepath.Join(s.dir, "up", "x")); err == nil {
		t.Error("a command ran in a role that runs nothing")
	}
}
