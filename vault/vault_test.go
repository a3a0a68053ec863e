package vault

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

const canary = "s3cret-canary"

func TestCredentialsOpenForTheirOwnAddressOnly(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(filepath.Join(dir, name), mode)
	}
	write("db", "postgres://admin:"+canary+"@db.internal:5432/orders?sslmode=disable", 0o600)
	write("loose", "postgres://admin:"+canary+"@db.internal:5432/orders", 0o644)
	write("mysql", "mysql://admin:"+canary+"@db.internal:5432/orders", 0o600)
	write("broken", canary, 0o600)
	outside := filepath.Join(t.TempDir(), "outside")
	_ = os.WriteFile(outside, []byte("postgres://admin:"+canary+"@db.internal:5432/x"), 0o600)
	_ = os.Symlink(outside, filepath.Join(dir, "link"))
	s := Open(dir)
	s.getenv = func(name string) (string, bool) {
		return "postgresql://admin:" + canary + "@db.internal/orders", name == "CURFEW_LOGIN_DB"
	}
	cases := []struct{ name, ref, address, rule string }{
		{"the right address", "file:db", "db.internal:5432", ""},
		{"from the environment, at the usual port", "env:DB", "db.internal:5432", ""},
		{"another host", "file:db", "evil.example:5432", "credential.address"},
		{"another port", "file:db", "db.internal:6432", "credential.address"},
		{"a path", "file:../outside", "db.internal:5432", "credential.form"},
		{"an absolute path", "file:/etc/passwd", "db.internal:5432", "credential.form"},
		{"a link out of the folder", "file:link", "db.internal:5432", "credential.missing"},
		{"the parent", "file:..", "db.internal:5432", "credential.form"},
		{"a variable without the prefix", "env:HOME", "db.internal:5432", "credential.missing"},
		{"a file that others can read", "file:loose", "db.internal:5432", "credential.mode"},
		{"another protocol's", "file:mysql", "db.internal:5432", "credential.type"},
		{"not a credential", "file:broken", "db.internal:5432", "credential.form"},
		{"a secret in the reference itself", "postgres://a:b@c/d", "db.internal:5432", "credential.form"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := s.Open(curfew.Resource{Name: "db", Type: "postgres", Address: c.address, Login: c.ref})
			if c.rule == "" {
				if err != nil || got.Password != canary || got.User != "admin" || got.Database != "orders" {
					t.Fatalf("%v", err)
				}
				if text := fmt.Sprintf("%v %+v %#v %s", got, got, got, got); strings.Contains(text, canary) {
					t.Fatal("it prints its secret: " + text)
				}
				return
			}
			e, ok := err.(*curfew.Error) //nolint:errorlint // the outermost
			if !ok || e.Rule != c.rule {
				t.Fatalf("got %v (%+v)", err, e)
			}
			if strings.Contains(e.Error()+e.Fix, canary) {
				t.Fatal("the error tells the secret")
			}
		})
	}
}
