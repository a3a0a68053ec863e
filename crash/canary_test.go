package crash

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/servers"
)

// secrets are what must be nowhere, by name.
type secrets map[string]string

// in returns the names of the secrets that a text holds, plain or encoded.
func (s secrets) in(text []byte) (found []string) {
	for name, secret := range s {
		raw := []byte(secret)
		for _, spelling := range []string{
			secret, hex.EncodeToString(raw), strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "="), base64.RawURLEncoding.EncodeToString(raw),
		} {
			if bytes.Contains(text, []byte(spelling)) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}

func TestSecretsAreNowhere(t *testing.T) {
	ctx := context.Background()
	pg := shop(t)
	password := "canary-" + strings.ToLower(rand.Text())
	if err := pg.Exec(ctx, "postgres", `SET log_statement = 'none'`, `ALTER ROLE `+servers.Admin+` PASSWORD '`+password+`'`); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, "canary", pg.URL(servers.Admin, password, "shop"))
	g.start()
	people := g.everybody(pg)
	grant := g.given(people["w1"])
	conn, cred := g.connected(people["w1"], grant.ID)
	if err := works(conn); err != nil {
		t.Fatal(err)
	}
	s := secrets{"target's password": password, "connection's password": cred.Password, "passphrase": passphrase(people["w1"].email), "administrator's passphrase": passphrase(people["ada"].email)}
	wrong := cred
	wrong.Password = "canary-wrong-" + strings.ToLower(rand.Text())
	s["wrong password"] = wrong.Password
	if c, err := dial(ctx, wrong); err == nil {
		_ = c.Close(ctx)
		t.Error("a wrong password opens a session")
	}

	psql, out := g.startPsql(people["w1"])
	if !within(15*time.Second, func() bool {
		n, err := pg.One(ctx, "shop", `SELECT count(*)::text FROM pg_stat_activity WHERE starts_with(usename, 'curfew_canary_l_') AND query LIKE '%canary sleeps%'`)
		return (err == nil && n == "1") || psql.over()
	}) || psql.over() {
		t.Fatalf("psql does not run: %s", out.String())
	}
	g.searchProcesses(s)
	<-psql.gone
	if !psql.cmd.ProcessState.Success() {
		t.Errorf("psql ended with %v: %s", psql.cmd.ProcessState, out.String())
	}
	if found := s.in(out.Bytes()); len(found) > 0 {
		t.Errorf("the client shows: %v", found)
	}
	if _, err := people["ada"].Revoke(ctx, grant.ID, client.Why{}); err != nil {
		t.Fatal(err)
	}
	if !within(15*time.Second, func() bool { return accounts(t, pg, "canary") == "0" }) {
		t.Error("the account stays")
	}
	g.stop()
	g.searchFiles(s)
	for name, text := range map[string]string{"the gateway's log": g.log(), "the target's log": pg.Log()} {
		if len(text) == 0 {
			t.Errorf("%s is empty", name)
		}
		if found := s.in([]byte(text)); len(found) > 0 {
			t.Errorf("%s holds: %v", name, found)
		}
	}
	if !strings.Contains(pg.Log(), "canary sleeps") {
		t.Error("the target's log does not hold all statements: the search shows nothing")
	}
}

// startPsql runs `curfew connect` with psql as somebody who has signed in.
func (g *gateway) startPsql(who person) (*child, *bytes.Buffer) {
	g.t.Helper()
	ctx := context.Background()
	in, err := g.api("").SignIn(ctx, client.SignIn{Email: who.email, Passphrase: passphrase(who.email)})
	if err != nil {
		g.t.Fatal(err)
	}
	dir, server := g.t.TempDir(), "http://"+g.http
	if err := client.WriteCredentials(dir, client.Credentials{Current: server, Servers: map[string]client.Login{server: {Token: in.Token, Email: who.email}}}); err != nil {
		g.t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(program, "connect", "shop-db", "--", "-c", "SELECT pg_sleep(3) AS \"canary sleeps\"")
	cmd.Env = append(os.Environ(), "CURFEW_CONFIG_DIR="+dir, "NO_COLOR=1", "PSQL_HISTORY=/dev/null", "PSQLRC=/dev/null", "PAGER=cat")
	cmd.Stdout, cmd.Stderr = &out, &out
	return launch(g.t, cmd), &out
}

// searchProcesses looks at the command lines of everything that runs.
func (g *gateway) searchProcesses(s secrets) {
	g.t.Helper()
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	psql := false
	for _, path := range lines {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		psql = psql || bytes.Contains(text, []byte("psql")) && bytes.Contains(text, []byte("canary sleeps"))
		if found := s.in(text); len(found) > 0 {
			g.t.Errorf("%s holds: %v", path, found)
		}
	}
	if !psql {
		g.t.Error("no psql among the processes: the search shows nothing")
	}
}

// searchFiles looks at every file of both folders.
func (g *gateway) searchFiles(s secrets) {
	g.t.Helper()
	files, known, recordings := 0, false, 0
	err := filepath.WalkDir(g.seen, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		known = known || bytes.Contains(text, []byte("shop/reader"))
		if strings.Contains(path, "recordings") {
			recordings++
		}
		if found := s.in(text); len(found) > 0 {
			g.t.Errorf("%s holds: %v", path, found)
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	if !known || recordings == 0 {
		g.t.Errorf("%d files, %d of them recordings, the role's name found: %v: the search shows nothing", files, recordings, known)
	}
	g.t.Logf("%d files, %d of them recordings", files, recordings)
}
