package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew/client"
)

// launch says what to start.
type launch struct {
	args   []string
	native bool // args are those of the resource's own client
}

// start runs a client under a credential and passes its exit code through. No
// secret is in its arguments or its environment: it reads a file that only this
// account can read, and that is gone afterwards.
func (a *app) start(ctx context.Context, c *client.Client, g client.Grant, cred client.Credential, l launch) error {
	if cred.Engine == "tcp" {
		return a.tunnel(ctx, c, g, cred, l)
	}
	dir, err := os.MkdirTemp("", "curfew-")
	if err != nil {
		return fmt.Errorf("make a folder for the credential: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	env, err := clientFiles(dir, cred)
	if err != nil {
		return err
	}
	argv := l.args
	if l.native {
		argv = a.nativeArgs(dir, g, cred, l.args)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return failed(exitFailed, "client.missing", clean(argv[0])+" is not on this machine's path", "curfew env "+clean(g.Resource))
	}
	if cred.Once { // it is worthless after that, and only at the start of use before
		t := time.AfterFunc(max(cred.Until.Sub(a.now()), 0)+time.Second, func() { _ = os.Remove(filepath.Join(dir, passName)) })
		defer t.Stop()
	}
	since := a.now().Add(-time.Minute) // two clocks may differ a little
	if l.native {
		since = a.now().Add(-5 * time.Second)
	}
	code, err := a.child(path, argv, append(env, "CURFEW_SERVER="+c.Server()))
	if err != nil {
		return err
	}
	if text := a.cutText(ctx, c, g.ID, since); text != "" {
		return failed(exitCut, "session.cut", text, "curfew request "+clean(g.Role))
	}
	if code == 0 {
		return nil
	}
	return exit{code: code}
}

// child runs a program with our input and output, and waits for it. Ctrl-C is
// the program's: psql cancels a statement with it.
func (a *app) child(path string, argv, env []string) (int, error) {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Args[0] = argv[0]
	cmd.Env = append(withoutPG(os.Environ()), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.parts.Stdin, a.parts.Stdout, a.parts.Stderr
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	err := cmd.Run()
	if left, ok := errors.AsType[*exec.ExitError](err); ok {
		if code := left.ExitCode(); code >= 0 {
			return code, nil
		}
		return exitFailed, nil // a signal ended it
	}
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", argv[0], err)
	}
	return 0, nil
}

// withoutPG drops what would lead a PostgreSQL client elsewhere, or tell it another secret.
func withoutPG(env []string) []string {
	lead := []string{
		"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSSLMODE",
		"PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGREQUIREPEER", "PGREQUIRESSL", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "PGGSSENCMODE", "PGSSLNEGOTIATION",
	}
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return slices.Contains(lead, key)
	})
}

const passName = "pass"

// postgresFiles writes what libpq reads into dir and returns the environment
// that leads to it.
func postgresFiles(dir string, cred client.Credential) ([]string, error) {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	fields := []string{cred.Host, strconv.Itoa(cred.Port), cred.Database, cred.User, cred.Password}
	for i, f := range fields {
		if strings.ContainsAny(f, "\r\n\x00") {
			return nil, fmt.Errorf("write the credential: a line break in it")
		}
		fields[i] = escape.Replace(f)
	}
	pass := filepath.Join(dir, passName)
	if err := writeNew(pass, strings.Join(fields, ":")+"\n"); err != nil {
		return nil, err
	}
	env := []string{
		"PGHOST=" + cred.Host, "PGPORT=" + strconv.Itoa(cred.Port), "PGDATABASE=" + cred.Database, "PGUSER=" + cred.User,
		"PGPASSFILE=" + pass, "PGGSSENCMODE=disable",
	}
	if !strings.Contains(cred.TLS, "BEGIN CERTIFICATE") {
		return append(env, "PGSSLMODE=prefer"), nil
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := writeNew(ca, cred.TLS); err != nil {
		return nil, err
	}
	return append(env, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+ca), nil
}

// writeNew writes a file that is not there yet and that only this account can read.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the credential: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the credential: %w", err)
	}
	return nil
}

// psqlPrompt shows how much is left at every prompt: "orders [44m left] =>".
func (a *app) psqlPrompt(grant string) string {
	self, err := os.Executable()
	if err != nil || strings.ContainsAny(self, "'`%\\\n") || strings.ContainsAny(grant, "'`%\\ \n;&|$()<>\"") {
		return "%/ %R%# "
	}
	return "%/ [%`'" + self + "' status --left " + grant + "` left] %R%# "
}
