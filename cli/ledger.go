package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

func (a *app) ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ledger", Short: "The log of every decision: its head, an export, a check", Args: a.known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	head := &cobra.Command{
		Use: "head", Short: "The newest signed tree head; keep it elsewhere, to verify against later", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			h, err := c.LedgerHead(cmd.Context())
			if err != nil {
				return err
			}
			return emit(a, "head", h, func(h client.Head) {
				for _, line := range strings.Split(strings.TrimRight(h.Note, "\n"), "\n") { // a signed text: each line as it is, or escaped
					a.outf("%s\n", prose(line))
				}
			})
		},
	}
	var out string
	export := &cobra.Command{
		Use: "export", Short: "Copy the ledger, for offline verification", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.export(cmd.Context(), out) },
	}
	export.Flags().StringVarP(&out, "output", "o", "", "the file to write (default: standard output, where that is no terminal)")
	cmd.AddCommand(head, export)
	if a.parts.Verify != nil {
		cmd.AddCommand(a.verifyCommand())
	}
	return cmd
}

func (a *app) export(ctx context.Context, path string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	return a.save(path, usage("the ledger is not for a terminal: name a file with -o", "curfew ledger export -o ledger.curfew"), "curfew ledger verify",
		func(w io.Writer) (int64, error) { return c.Export(ctx, w) })
}

// save writes the whole file or none; to standard output where no file is named,
// and that is no terminal. check is the command that verifies it.
func (a *app) save(path string, terminal error, check string, get func(io.Writer) (int64, error)) error {
	if path == "" || path == "-" {
		if isTerminal(a.parts.Stdout) {
			return terminal
		}
		_, err := get(a.parts.Stdout)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	n, err := get(f)
	if err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return emit(a, "export", map[string]any{"file": path, "bytes": n}, func(map[string]any) {
		a.done("%s: %d bytes. To check it anywhere: %s %s --genesis-key …", clean(path), n, check, clean(path))
	})
}

func (a *app) verifyCommand() *cobra.Command {
	in := VerifyArgs{}
	cmd := &cobra.Command{
		Use: "verify FILE|FOLDER", Short: "Check an export or a gateway's data folder, with no gateway and no network", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.File, in.JSON = args[0], a.opt.json
			in.Stdin, in.Stdout, in.Stderr = io.Reader(a.in), a.parts.Stdout, a.parts.Stderr
			return a.parts.Verify(cmd.Context(), in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.GenesisKey, "genesis-key", "", "the key of the deployment's first node, from a safe place")
	f.BoolVar(&in.EveryHead, "every-head", false, "check the signature of every head, not only of the last")
	f.StringArrayVar(&in.Witnesses, "witness", nil, "a file with a head that left the machine; may be repeated")
	return cmd
}
