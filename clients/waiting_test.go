package clients

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/postgres"
	"github.com/curfewhq/curfew/servers"
)

// Clients that others made wait to be let in, and wait for a release, without
// knowing of either.
func TestClientsThatWait(t *testing.T) {
	node, err := filepath.Abs("testdata/waiting/waits.js")
	if err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string][]string{
		"psycopg2": {"/usr/bin/python3", "testdata/waiting/waits.py", "psycopg2"},
		"psycopg3": {"/usr/bin/python3", "testdata/waiting/waits.py", "psycopg"},
		"node":     {find(t, "node"), node},
		"jdbc":     {find(t, "java"), "-cp", "/usr/share/java/postgresql.jar", "testdata/waiting/Waits.java"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "node" {
				t.Setenv("NODE_PATH", strings.Join([]string{modules(t), "/usr/share/nodejs"}, ":"))
			}
			w := enginetest.New(t, enginetest.Options{
				Engine: postgres.New(), Deployment: "wait" + name, Roles: map[curfew.RoleName][]string{"app": {"read orders", "update orders"}}, Agreed: true,
				Release:  []curfew.StatementClass{curfew.ClassUpdateWithoutWhere},
				Resource: curfew.Resource{Name: "shop-db", Type: "postgres", Address: pg.Address(), Account: curfew.Leased},
				Login:    pg.URL(servers.Admin, servers.AdminPassword, "shop"),
			})
			cmd := exec.CommandContext(bounded(t), command[0], command[1:]...)
			cmd.Env = environment(w, w.Asking("app", time.Hour))
			done := make(chan string, 1)
			go func() {
				out, err := cmd.Output()
				if err != nil {
					out = append(out, err.Error()...)
				}
				done <- string(out)
			}()
			w.Waiting(1)
			time.Sleep(300 * time.Millisecond)
			w.Agree(curfew.GrantID(curfew.NewID("gr")))
			if h := w.ReleaseOne(); len(h.Values) == 0 && !strings.Contains(h.Text, "mine") {
				t.Errorf("%+v", h)
			}
			w.RefuseOne("once is enough")
			if got := <-done; got != "in true\nreleased true\nrefused 42501\n" {
				t.Errorf("it said\n%s", got)
			}
			w.Lawful()
		})
	}
}
