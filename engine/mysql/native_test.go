package mysql

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

// native is the mariadb client, led by an option file as curfew connect writes one.
func native(t *testing.T, w *enginetest.World, g enginetest.Grant, ca string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	path, err := exec.LookPath("mariadb")
	if err != nil {
		t.Fatal("the mariadb client is not on this machine: scripts/need-mariadb installs it")
	}
	host, port, _ := net.SplitHostPort(w.Address)
	options := fmt.Sprintf("[client]\nhost=\"%s\"\nport=%s\nprotocol=tcp\nuser=\"%s\"\npassword=\"%s\"\n", host, port, g.User, g.Password)
	if ca != "" {
		options += "ssl-ca=\"" + ca + "\"\nssl-verify-server-cert\n"
	}
	file := filepath.Join(t.TempDir(), "options")
	must(t, os.WriteFile(file, []byte(options+"[mysql]\nshow-warnings\ndatabase=\"shop-db\"\n"), 0o600))
	cmd := exec.Command(path, append([]string{"--defaults-file=" + file}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, 10*time.Second
	return cmd, &out
}

func TestTheMariaDBClient(t *testing.T) {
	cfg, _ := certificate(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cfg.Certificates[0].Certificate[0]}), 0o600))
	w := world(t, "native", func(o *enginetest.Options) { o.TLS = cfg })
	g := w.Grant("write", time.Hour)
	for name, ca := range map[string]string{"over TLS, the gateway's certificate verified": ca, "over TLS, as it comes": ""} {
		t.Run(name, func(t *testing.T) {
			cmd, out := native(t, w, g, ca, "-e", "SELECT 'one' AS a; SELECT 'two' AS b")
			if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "one") || !strings.Contains(out.String(), "two") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	t.Run("refused in its words", func(t *testing.T) {
		cmd, out := native(t, w, enginetest.Grant{User: g.User, Password: "wrong"}, ca, "-e", "SELECT 1")
		if err := cmd.Run(); err == nil || !strings.Contains(out.String(), "ERROR 1045 (28000)") || !strings.Contains(out.String(), "Curfew: this sign-in is not valid") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("LOCAL INFILE", func(t *testing.T) {
		cmd, out := native(t, w, g, "", "--local-infile=1", "-e", "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE orders (cust)")
		if err := cmd.Run(); err == nil {
			t.Errorf("a file went: %s", out)
		}
	})
	t.Run("compression is not offered", func(t *testing.T) {
		cmd, out := native(t, w, g, "", "--compress", "-e", "SELECT 'small'")
		if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "small") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func TestCtrlCInTheMariaDBClientCancelsTheStatement(t *testing.T) {
	w := world(t, "ctrlc")
	g := w.Grant("read", time.Hour)
	cmd, out := native(t, w, g, "", "-e", "SELECT SLEEP(45)")
	began := time.Now()
	must(t, cmd.Start())
	awaitThread(t, "SLEEP(45)", true)
	must(t, cmd.Process.Signal(syscall.SIGINT))
	err := cmd.Wait()
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s: %v %s", took, err, out)
	}
	awaitThread(t, "SLEEP(45)", false)
	sessions := w.Sessions(g.ID)
	if len(sessions) != 2 {
		t.Fatalf("%d sessions, want the client's and the one that kills: %s", len(sessions), out)
	}
	killed := false
	for end := time.Now().Add(5 * time.Second); !killed && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		killed = find(w.Items(sessions[1]), record.Statement, "KILL") != nil
	}
	if !killed {
		t.Error("the KILL is not recorded")
	}
}

func TestTheMariaDBClientHearsTheFarewell(t *testing.T) {
	w := world(t, "farewell")
	g := w.Grant("read", time.Hour)
	cmd, out := native(t, w, g, "", "--batch", "--unbuffered", "--skip-reconnect")
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = in.Write([]byte("SELECT 'before';\n"))
	must(t, err)
	answered := false
	for end := time.Now().Add(5 * time.Second); !answered && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, id := range w.Sessions(g.ID) {
			answered = find(w.Items(id), record.Outcome, "") != nil
		}
	}
	w.Revoke(g.ID)
	w.Await(g.ID, access.Gone)
	_, _ = in.Write([]byte("SELECT 'after';\n"))
	_ = in.Close()
	err = cmd.Wait()
	if left := new(exec.ExitError); !errors.As(err, &left) || strings.Contains(out.String(), "after\n") {
		t.Errorf("%v: %s", err, out)
	}
	if !strings.Contains(out.String(), "ERROR 4031") || !strings.Contains(out.String(), "Curfew: ") {
		t.Errorf("it heard: %s", out)
	}
}

func TestADumpOfWhatTheRoleAllows(t *testing.T) {
	path, err := exec.LookPath("mariadb-dump")
	if err != nil {
		t.Fatal("mariadb-dump is not on this machine: scripts/need-mariadb installs it")
	}
	must(t, maria.Exec(context.Background(), "shop", "INSERT INTO orders (cust) VALUES ('dumped')"))
	w := world(t, "dump")
	g := w.Grant("read", time.Hour)
	cmd, out := native(t, w, g, "")
	cmd.Path = path
	cmd.Args = []string{path, cmd.Args[1], "--skip-lock-tables", "--no-tablespaces", "--skip-triggers", "shop", "orders"}
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "dumped") {
		t.Errorf("%v: %.600s", err, out)
	}
}
