package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

func (a *app) envCommand() *cobra.Command {
	var in connectArgs
	var later bool
	cmd := &cobra.Command{
		Use: "env RESOURCE", Short: "Print the variables that lead a client of your own to a resource", Args: between(1, 1),
		Example: `  eval "$(curfew env orders-db)"; psql
  eval "$(curfew env orders-db --ask-on-connect --role orders/read --for 30m --reason "look at order 42")"; psql`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if later {
				return a.envAsking(cmd.Context(), args[0], in)
			}
			return a.env(cmd.Context(), args[0], in)
		},
	}
	a.connectFlags(cmd, &in)
	cmd.Flags().BoolVar(&later, "ask-on-connect", false, "ask only when a client connects: it is kept waiting for the answer")
	return cmd
}

// envJSON is where and how to connect; the password is in the file.
type envJSON struct {
	Grant    string            `json:"grant,omitempty"`
	Asks     string            `json:"asks,omitempty"` // the role that the first connection asks for
	Resource string            `json:"resource"`
	Engine   string            `json:"engine"`
	Host     string            `json:"host"`
	Port     int               `json:"port"`
	Database string            `json:"database"`
	User     string            `json:"user"`
	Passfile string            `json:"passfile"`
	Until    time.Time         `json:"until"`
	Env      map[string]string `json:"env"`
}

func (a *app) env(ctx context.Context, resource string, in connectArgs) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	g, err := a.grantFor(ctx, c, resource, in)
	if err != nil {
		return err
	}
	if g, err = a.ready(ctx, c, g); err != nil {
		return err
	}
	want := client.WantCredential{Many: true}
	if left := g.End.Sub(a.now()).Truncate(time.Second); !g.End.IsZero() && left > 0 {
		want.For = left.String()
	}
	cred, err := c.Credential(ctx, g.ID, want)
	if err != nil {
		return err
	}
	return a.printEnv(cred, envJSON{Grant: g.ID, Resource: g.Resource}, g.ID, func() {
		a.note("%s as %s until %s. Recorded.", clean(g.Resource), clean(g.Role), a.both(cred.Until))
	})
}

// printEnv keeps a credential in files and prints the variables that lead to it.
func (a *app) printEnv(cred client.Credential, out envJSON, name string, note func()) error {
	for _, s := range []string{cred.Host, cred.Database, cred.User} {
		if clean(s) != s { // it is printed as it is, for a shell to read
			return failed(exitFailed, "credential.text", "the gateway gave a credential that no terminal should see: "+clean(s))
		}
	}
	dir, err := a.credentialDir(name, cred.Until)
	if err != nil {
		return err
	}
	env, err := clientFiles(dir, cred)
	if err != nil {
		return err
	}
	out.Engine, out.Host, out.Port, out.Database, out.User = cred.Engine, cred.Host, cred.Port, cred.Database, cred.User
	out.Passfile, out.Until, out.Env = filepath.Join(dir, passName), cred.Until, map[string]string{}
	for _, kv := range env {
		key, value, _ := strings.Cut(kv, "=")
		out.Env[key] = value
	}
	return emit(a, "env", out, func(envJSON) {
		for _, kv := range env {
			key, value, _ := strings.Cut(kv, "=")
			a.outf("export %s=%s\n", key, shellQuote(value))
		}
		note()
	})
}

// credentialDir makes a folder for a credential that several connections use,
// named after its grant and end, and removes those that are over.
func (a *app) credentialDir(grant string, until time.Time) (string, error) {
	base, err := a.dir()
	if err != nil {
		return "", err
	}
	base = filepath.Join(base, "connections")
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for the credential: %w", err)
	}
	old, err := os.ReadDir(base)
	if err != nil {
		return "", fmt.Errorf("look for old credentials: %w", err)
	}
	const layout = "20060102T150405Z"
	for _, e := range old {
		stamp, _, _ := strings.Cut(e.Name(), "-")
		if end, err := time.Parse(layout, stamp); err == nil && end.Before(a.now()) {
			err := os.RemoveAll(filepath.Join(base, e.Name()))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				a.note("an old credential could not be removed: %v", err)
			}
		}
	}
	if strings.ContainsAny(grant, `/\.*`) {
		return "", fmt.Errorf("make a folder for the credential: %q is no grant", clean(grant))
	}
	dir, err := os.MkdirTemp(base, until.UTC().Format(layout)+"-"+grant+"-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the credential: %w", err)
	}
	return dir, nil
}

// shellQuote makes text one word of a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
