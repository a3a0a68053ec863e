package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/client"
)

func TestTheOptionFileOfAMySQLClient(t *testing.T) {
	dir := t.TempDir()
	cred := client.Credential{
		Engine: "mysql", Host: "127.0.0.1", Port: 7306, Database: "shop-db", User: "c_PUBLIC", Password: "canary", TLS: "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
	}
	env, err := clientFiles(dir, cred)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.Join(env, " "), "canary") {
		t.Errorf("the secret is in the environment: %v", env)
	}
	path := filepath.Join(dir, passName)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, want := range []string{`password="canary"`, `user="c_PUBLIC"`, "port=7306", "local-infile=0", "loose-ssl-verify-server-cert", `database="shop-db"`, "show-warnings", `ssl-ca="` + filepath.Join(dir, caName) + `"`} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	argv := (&app{}).nativeArgs(dir, client.Grant{}, cred, []string{"-e", "SELECT 1"})
	if argv[1] != "--defaults-file="+path || !slices.Equal(argv[2:], []string{"-e", "SELECT 1"}) || strings.Contains(strings.Join(argv, " "), "canary") {
		t.Errorf("%q", argv)
	}
	cred.Password = "a\nb"
	if _, err := clientFiles(t.TempDir(), cred); err == nil {
		t.Error("a line break came into the file")
	}
}
