package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
)

func (a *app) castCommand() *cobra.Command {
	var out string
	terminal := 1
	cmd := &cobra.Command{
		Use: "cast SESSION", Short: "A terminal's recording as asciicast v3, for players that others made; that you did is recorded", Args: between(1, 1),
		Long: "Writes what one terminal of a session showed, with its own timing, its size and every new size, as asciicast v3\n" +
			"(https://docs.asciinema.org/manual/asciicast/v3). It is what was sent to that terminal, as it was: play it, do not print it.",
		Example: "  curfew sessions cast s_9F2 -o s_9F2.cast",
		RunE: func(cmd *cobra.Command, args []string) error {
			if terminal < 1 {
				return usage("--terminal counts from 1")
			}
			return a.cast(cmd.Context(), args[0], terminal, out)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "the file to write (default: standard output, where that is no terminal)")
	f.IntVar(&terminal, "terminal", terminal, "which, where the session had several")
	return cmd
}

func (a *app) cast(ctx context.Context, session string, terminal int, path string) error {
	if path == "" && isTerminal(a.parts.Stdout) {
		return usage("what was sent to one terminal is not for another: name a file with -o", "curfew sessions cast "+clean(session)+" -o "+clean(session)+".cast", "curfew replay "+clean(session))
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	s, err := c.Session(ctx, session, 0)
	if err != nil {
		return err
	}
	var w io.Writer = a.parts.Stdout
	var file *os.File
	if path != "" {
		if file, err = os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*"); err != nil {
			return fmt.Errorf("write the recording: %w", err)
		}
		defer func() { _ = os.Remove(file.Name()) }()
		w = file
	}
	k := newCaster(w, terminal, s)
	if err := c.Transcript(ctx, session, k.item); err != nil {
		return err
	}
	if err := k.end(); err != nil {
		return err
	}
	if k.terminals > terminal {
		a.note("The session had %d terminals, this is number %d: --terminal says which.", k.terminals, terminal)
	}
	if file == nil {
		return nil
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	return emit(a, "cast", map[string]any{"file": path, "events": k.events}, func(map[string]any) {
		a.done("%s: %s", clean(path), plural(k.events, "event"))
	})
}

// caster writes the items of one terminal as asciicast v3.
type caster struct {
	w         *bufio.Writer
	want      int // which terminal
	title     string
	terminals int
	ref       uint64 // of the one that is wanted, once it is there
	last      time.Time
	events    int
	hidden    bool // something was shown that the caller may not see
}

func newCaster(w io.Writer, want int, s client.Session) *caster {
	return &caster{w: bufio.NewWriter(w), want: want, title: s.Who + " on " + s.Resource + " as " + s.Role}
}

// castHeader is the first line.
type castHeader struct {
	Version int `json:"version"`
	Term    struct {
		Columns int `json:"cols"`
		Rows    int `json:"rows"`
	} `json:"term"`
	Timestamp int64  `json:"timestamp"`
	Command   string `json:"command,omitempty"`
	Title     string `json:"title,omitempty"`
}

func (k *caster) item(it client.Item) error {
	if it.Kind == "statement" {
		return k.begins(it)
	}
	if k.ref == 0 || it.Ref != k.ref && it.Kind != "notice" {
		return nil
	}
	switch it.Kind {
	case "output":
		k.hidden = k.hidden || it.Text == ""
		return k.event(it.At, "o", it.Text)
	case "input":
		k.hidden = k.hidden || it.Text == ""
		return k.event(it.At, "i", it.Text)
	case "resize":
		return k.event(it.At, "r", it.Text)
	case "notice": // what Curfew told: a marker
		return k.event(it.At, "m", it.Text)
	case "outcome":
		k.ref = 0
		if status, ok := strings.CutPrefix(it.Tag, "exit "); ok {
			if _, err := strconv.Atoi(status); err == nil {
				return k.event(it.At, "x", status)
			}
		}
	}
	return nil
}

// begins writes the header where the terminal begins that is wanted.
func (k *caster) begins(it client.Item) error {
	columns, rows, ok := record.SizeOf(it.Tag)
	if !ok {
		return nil
	}
	var h castHeader
	h.Term.Columns, h.Term.Rows = columns, rows
	if k.terminals++; k.terminals != k.want {
		return nil
	}
	k.ref, k.last = it.Ref, it.At
	h.Version, h.Timestamp, h.Title = 3, it.At.Unix(), k.title
	if it.Text != "shell" {
		h.Command = it.Text
	}
	return k.line(h)
}

// event writes one, with the time since the one before.
func (k *caster) event(at time.Time, code, data string) error {
	since := max(at.Sub(k.last), 0)
	if at.After(k.last) {
		k.last = at
	}
	k.events++
	return k.line([]any{json.Number(strconv.FormatFloat(since.Seconds(), 'f', 6, 64)), code, data})
}

func (k *caster) line(v any) error {
	e := json.NewEncoder(k.w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	return nil
}

func (k *caster) end() error {
	switch {
	case k.terminals == 0:
		return failed(exitNotFound, "cast.none", "the session had no terminal", "curfew transcript SESSION")
	case k.terminals < k.want:
		return failed(exitNotFound, "cast.none", fmt.Sprintf("the session had %s", plural(k.terminals, "terminal")))
	case k.hidden:
		return failed(exitDenied, "cast.shapes", "you may see shapes of this session, and not what was shown", "curfew transcript SESSION")
	}
	if err := k.w.Flush(); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	return nil
}
