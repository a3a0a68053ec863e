package cli

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/client"
)

// mysqlFiles writes an option file for clients of MySQL and MariaDB: the secret is in
// no argument and no variable. Words that only some clients know begin with loose.
func mysqlFiles(dir string, cred client.Credential) ([]string, error) {
	for _, text := range []string{dir, cred.Host, cred.Database, cred.User, cred.Password} {
		if strings.ContainsAny(text, "\r\n\x00\"'\\#") {
			return nil, fmt.Errorf("write the credential: a line break, a quote or a backslash in it")
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	lines := []string{
		"[client]", "host=\"" + cred.Host + "\"", "port=" + strconv.Itoa(cred.Port), "protocol=tcp", "user=\"" + cred.User + "\"", "password=\"" + cred.Password + "\"",
		"local-infile=0",
	}
	if strings.Contains(cred.TLS, "BEGIN CERTIFICATE") {
		if err := writeNew(in(caName), cred.TLS); err != nil {
			return nil, err
		}
		lines = append(lines, "ssl-ca=\""+in(caName)+"\"", "loose-ssl-verify-server-cert", "loose-ssl-mode=VERIFY_IDENTITY")
	}
	lines = append(lines, "[mysql]", "show-warnings", "database=\""+cred.Database+"\"", "")
	if err := writeNew(in(passName), strings.Join(lines, "\n")); err != nil {
		return nil, err
	}
	return []string{
		"CURFEW_MYSQL_OPTIONS=" + in(passName), "MYSQL_HOST=" + cred.Host, "MYSQL_TCP_PORT=" + strconv.Itoa(cred.Port),
	}, nil
}

// mysqlArgs is the client that is there, mariadb or mysql, with our option file alone: a
// file of the user's that is read later would lead elsewhere, or send another secret.
func mysqlArgs(dir string, args []string) []string {
	program := "mariadb"
	if _, err := exec.LookPath(program); err != nil {
		program = "mysql"
	}
	return append([]string{program, "--defaults-file=" + filepath.Join(dir, passName)}, args...)
}
