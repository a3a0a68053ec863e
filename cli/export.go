package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/say"
)

func (a *app) exportCommand() *cobra.Command {
	var into string
	cmd := &cobra.Command{
		Use: "export", Short: "The configuration that holds, as files that would change nothing", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.exportConfig(cmd.Context(), into) },
	}
	cmd.Flags().StringVar(&into, "into", "", "write the files into this folder, where there are none of them yet")
	return cmd
}

func (a *app) exportConfig(ctx context.Context, into string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	found, err := c.Config(ctx)
	if err != nil {
		return err
	}
	if into != "" {
		if err := writeFiles(into, found.Files); err != nil {
			return err
		}
	} else if len(found.Files) != 1 && !a.opt.json {
		return failed(exitUsage, "files", fmt.Sprintf("the configuration is %d files", len(found.Files)), "curfew export --into FOLDER")
	}
	return emit(a, "configuration", found, func(c client.Configuration) {
		if into != "" {
			a.done("%s written into %s.", listFiles(c.Files), clean(into))
		} else {
			a.outf("%s", multiline(c.Files[0].Text))
		}
		if !c.Kept {
			a.note("written from what holds: comments and tests of the file that was applied are not known")
		}
	})
}

// multiline is text of somebody in which nothing acts but the ends of its lines.
func multiline(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = say.Clean(l, len(text))
	}
	return strings.Join(lines, "\n")
}

// because is what the system said of a file, without naming it again.
func because(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// writeFiles writes files that a gateway named into a folder: never outside of it, never over
// what is there.
func writeFiles(folder string, files []client.File) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return failed(exitFailed, "folder", fmt.Sprintf("the folder cannot be made: %v", because(err)))
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return failed(exitFailed, "folder", fmt.Sprintf("the folder cannot be opened: %v", because(err)))
	}
	defer func() { _ = root.Close() }()
	for _, f := range files {
		if !filepath.IsLocal(f.Name) {
			return failed(exitFailed, "file", fmt.Sprintf("the name %q leads out of the folder; it is not written", clean(f.Name)))
		}
		if dir := filepath.Dir(f.Name); dir != "." {
			if err := root.MkdirAll(dir, 0o700); err != nil {
				return failed(exitFailed, "file", fmt.Sprintf("%s cannot be written: %v", clean(f.Name), because(err)))
			}
		}
		w, err := root.OpenFile(f.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return failed(exitFailed, "file", fmt.Sprintf("%s is there already; it stays as it is", clean(f.Name)))
		}
		if err == nil {
			_, err = w.WriteString(f.Text)
			err = errors.Join(err, w.Close())
		}
		if err != nil {
			return failed(exitFailed, "file", fmt.Sprintf("%s cannot be written: %v", clean(f.Name), because(err)))
		}
	}
	return nil
}
