package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/servers"
)

// shopOnMySQL is a MariaDB server with nobody to ask.
const shopOnMySQL = `curfew: v1

people:
  ada@shop.example: { name: Ada Admin }
  w1@shop.example:  { name: Worker One }

groups:
  workers: [w1@shop.example]
  administrators: [ada@shop.example]

resources:
  shop-db: { type: mysql, address: "%[1]s", login: env:MARIA }
  books-db: { type: mysql, address: "%[1]s", login: env:BOOKS, account: fixed }

roles:
  shop/support: { on: shop-db, may: [read orders, insert orders], longest: 2h }
  books/reader: { on: books-db, may: [read orders], longest: 2h }

policies:
  books:
    who: workers
    may have: [books/reader]
    needs: [{ approvals: 1, from: administrators }]
    at most: 1h
  support:
    who: workers
    may have: [shop/support]
    at most: 1h
`

// TestMySQLThroughTheProgram goes through the door as a person does, with the mariadb
// client: over TLS, whose certificate it verifies, with nothing but a file to lead it.
func TestMySQLThroughTheProgram(t *testing.T) {
	ctx := context.Background()
	maria, err := servers.StartMariaDB(ctx, servers.MariaDBOptions{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = maria.Stop() }()
	if err := errors.Join(
		maria.Exec(ctx, "", "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, cust TEXT)", "CREATE TABLE shop.secrets (id INT)"),
		maria.MakeAdmin(ctx, "gate", "shop"),
		maria.Exec(ctx, "", "CREATE USER books IDENTIFIED BY '"+servers.AdminPassword+"'", "GRANT ALL ON shop.* TO books"),
	); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, "maria", "postgres://nobody@127.0.0.1:1/none")
	g.flags = []string{"--mysql", "127.0.0.1:0"}
	t.Setenv("CURFEW_LOGIN_MARIA", maria.URL("gate", servers.AdminPassword, "shop"))
	t.Setenv("CURFEW_LOGIN_BOOKS", maria.URL("books", servers.AdminPassword, "shop"))
	g.start()
	ada := g.join("ada@shop.example", g.said["link"])
	files := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: fmt.Sprintf(shopOnMySQL, maria.Address())}}}
	plan, err := ada.Plan(ctx, files)
	if err != nil || len(plan.Problems) > 0 {
		t.Fatalf("plan: %v %+v", err, plan.Problems)
	}
	files.Plan, files.Passphrase = plan.ID, passphrase(ada.email)
	if plan, err = ada.Apply(ctx, files); err != nil || plan.Status != "applied" {
		t.Fatalf("apply: %+v %v", plan, err)
	}
	in, err := ada.Invite(ctx, client.Invite{Email: "w1@shop.example", Passphrase: passphrase(ada.email)})
	if err != nil {
		t.Fatal(err)
	}
	if out, code := g.cli("w1", passphrase("w1@shop.example")+"\n", "login", "http://"+g.http+"/join#"+in.Link[strings.LastIndex(in.Link, "#")+1:], "--passphrase-stdin"); code != 0 {
		t.Fatal(out)
	}
	out, code := g.cli("w1", "", "connect", "shop-db", "--for", "30m", "--reason", "to look", "--role", "shop/support", "--",
		"-e", "INSERT INTO orders (cust) VALUES ('by hand'); SELECT cust FROM orders; SELECT @@version_comment")
	if code != 0 || !strings.Contains(out, "by hand") {
		t.Fatalf("mariadb: %d %s", code, out)
	}
	if out, code = g.cli("w1", "", "connect", "shop-db", "--", "-e", "SELECT * FROM secrets"); code == 0 || !strings.Contains(out, "ERROR 1142") {
		t.Errorf("what the role does not say: %d %s", code, out)
	}
	if out, code = g.cli("w1", "", "run", "shop-db", "--", "bash", "-c", `mariadb --defaults-file="$CURFEW_MYSQL_OPTIONS" -e "SELECT 'led by a file'"; env | grep -c MYSQL_PWD`); !strings.Contains(out, "led by a file") {
		t.Errorf("run: %d %s", code, out)
	}
	if found, err := ada.Doctor(ctx); err != nil || !strings.Contains(fmt.Sprint(found), "reached "+maria.Address()) {
		t.Errorf("doctor: %+v %v", found, err)
	}
	t.Run("one account for all: the card says who the wall is, and the wall holds", func(t *testing.T) {
		if out, code := g.cli("w1", "", "request", "books/reader", "--for", "30m", "--reason", "to look", "--no-wait"); code != 5 {
			t.Fatal(code, out)
		}
		asked, err := ada.Requests(ctx, client.Listing{Scope: "all", Status: "pending"})
		if err != nil || len(asked.Items) != 1 || !strings.Contains(strings.Join(asked.Items[0].Dangers, "\n"), "the wall is the gateway, which reads every statement: books-db itself lets its fixed account do more") {
			t.Fatalf("%+v %v", asked, err)
		}
		if _, err := ada.Approve(ctx, asked.Items[0].ID, client.Decision{Digest: asked.Items[0].Digest, Passphrase: passphrase(ada.email)}); err != nil {
			t.Fatal(err)
		}
		if out, code := g.cli("w1", "", "connect", "books-db", "--", "-e", "SELECT cust FROM orders"); code != 0 || !strings.Contains(out, "by hand") {
			t.Errorf("%d %s", code, out)
		}
		if out, code := g.cli("w1", "", "connect", "books-db", "--", "-e", "SELECT * FROM secrets"); code == 0 || !strings.Contains(out, "ERROR 1142") || !strings.Contains(out, "[statement.table]") {
			t.Errorf("%d %s", code, out)
		}
		if found, err := ada.Doctor(ctx); err != nil || !strings.Contains(fmt.Sprint(found), "what holds is how the gateway reads each statement") {
			t.Errorf("doctor: %+v %v", found, err)
		}
	})
	t.Run("the cut ends the client and its account", func(t *testing.T) {
		cmd := exec.Command(program, "connect", "shop-db", "--", "-e", "SELECT SLEEP(50); INSERT INTO orders (cust) VALUES ('late')")
		cmd.Env = append(os.Environ(), "CURFEW_CONFIG_DIR="+g.path("home-w1"), "NO_COLOR=1")
		c := launch(t, cmd)
		runs := func() bool {
			n, err := maria.One(ctx, "", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE 'curfew%' AND INFO LIKE '%SLEEP(50)%'")
			return err == nil && n != "0"
		}
		if !within(20*time.Second, runs) {
			t.Fatal("the statement does not run")
		}
		grants, err := ada.Grants(ctx, client.Listing{Scope: "all"})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range grants.Items {
			if x.Resource == "shop-db" && x.Status == "active" {
				if _, err := ada.Revoke(ctx, x.ID, client.Why{Why: "enough"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !within(20*time.Second, c.over) || c.cmd.ProcessState.ExitCode() != 124 {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			t.Errorf("curfew connect: %v", c.cmd.ProcessState)
		}
		gone := func() bool {
			n, err := maria.One(ctx, "", "SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'curfew%'")
			return err == nil && n == "0"
		}
		if !within(20*time.Second, gone) {
			t.Error("the account is still there")
		}
		if n, err := maria.One(ctx, "shop", "SELECT COUNT(*) FROM orders WHERE cust = 'late'"); err != nil || n != "0" {
			t.Errorf("%s rows of what was cut, %v", n, err)
		}
	})
	g.verify(ada)
}
