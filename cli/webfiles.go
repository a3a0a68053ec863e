package cli

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/client"
)

const (
	headerName = "header"
	caName     = "ca.pem"
)

// webFiles writes the header that a client of a web application sends, for curl to
// read (-H @FILE): it is in no argument and no variable.
func webFiles(dir string, cred client.Credential) ([]string, error) {
	for _, text := range []string{cred.Host, cred.Database, cred.User, cred.Password} {
		if strings.ContainsAny(text, "\r\n\x00\"' ") {
			return nil, fmt.Errorf("write the credential: a line break, a space or a quote in it")
		}
	}
	token := cred.User + "." + cred.Password
	if err := writeNew(filepath.Join(dir, passName), token+"\n"); err != nil {
		return nil, err
	}
	if err := writeNew(filepath.Join(dir, headerName), "Authorization: Bearer "+token+"\n"); err != nil {
		return nil, err
	}
	env := []string{"CURFEW_URL=" + webURL(cred), "CURFEW_HEADER=" + filepath.Join(dir, headerName)}
	if !strings.Contains(cred.TLS, "BEGIN CERTIFICATE") || cred.Loopback() {
		return env, nil
	}
	ca := filepath.Join(dir, caName)
	if err := writeNew(ca, cred.TLS); err != nil {
		return nil, err
	}
	return append(env, "CURL_CA_BUNDLE="+ca), nil
}

// webURL is an application's own origin: its name before the gateway's. On this
// machine that is a name below localhost, in the clear.
func webURL(cred client.Credential) string {
	if cred.Loopback() {
		return "http://" + net.JoinHostPort(cred.Database+".localhost", strconv.Itoa(cred.Port))
	}
	return "https://" + net.JoinHostPort(cred.Database+"."+cred.Host, strconv.Itoa(cred.Port))
}

// curlArgs is curl, asking for a path of the application.
func curlArgs(dir string, cred client.Credential, args []string) []string {
	out := []string{"curl", "-sS", "-H", "@" + filepath.Join(dir, headerName)}
	if cred.Loopback() { // whatever this machine thinks of names below localhost
		out = append(out, "--connect-to", cred.Database+".localhost::"+net.JoinHostPort(cred.Host, strconv.Itoa(cred.Port)))
	}
	path := "/"
	if len(args) > 0 && strings.HasPrefix(args[0], "/") {
		path, args = args[0], args[1:]
	}
	return append(append(out, args...), webURL(cred)+path)
}
