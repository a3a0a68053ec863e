package cli

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/evidence"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

func (a *app) exportSessionCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "export SESSION", Short: "One session as evidence that verifies offline; that you did is recorded", Args: between(1, 1),
		Long: "Writes what was decided about a session, proved to be in the signed ledger, and its recording, with the key that opens it: whoever has\n" +
			"the file can read it. Where none of your roles covers the session, it holds shapes of what was said, and no key.",
		Example: "  curfew sessions export s_9F2 > s_9F2.evidence\n  curfew sessions verify s_9F2.evidence --genesis-key KEY",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.save(out, usage("evidence is not for a terminal: name a file with -o", "curfew sessions export "+clean(args[0])+" -o "+clean(args[0])+".evidence"),
				"curfew sessions verify", func(w io.Writer) (int64, error) { return c.ExportSession(cmd.Context(), args[0], w) })
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "the file to write (default: standard output, where that is no terminal)")
	return cmd
}

func (a *app) verifySessionCommand() *cobra.Command {
	var key, session string
	var items bool
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Check an exported session, with no gateway and no network", Args: between(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			c := evidence.Checks{Session: curfew.SessionID(session)}
			if key != "" {
				raw, err := base64.StdEncoding.DecodeString(key)
				if err != nil || len(raw) != 32 {
					return curfew.Errorf(curfew.Invalid, "this is no genesis key").WithFix("it is printed by: curfew doctor")
				}
				c.Genesis = raw
			}
			return a.verifySession(args[0], c, items)
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "genesis-key", "", "the key of the deployment's first node, from a safe place")
	f.StringVar(&session, "session", "", "the session that it has to be of")
	f.BoolVar(&items, "items", false, "show what was said, once it is verified")
	return cmd
}

func (a *app) verifySession(path string, c evidence.Checks, items bool) error {
	var in io.ReadSeeker
	if path == "-" {
		if items {
			return usage("--items reads the file a second time: name it", "curfew sessions verify FILE --items")
		}
	} else {
		f, err := os.Open(path)
		if err != nil {
			return curfew.Wrap(curfew.NotFound, err, "open the evidence").WithFix("make it: curfew sessions export SESSION -o FILE")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	var r io.Reader = in
	if in == nil {
		r = a.in
	}
	rep, err := evidence.Verify(r, c)
	if err != nil {
		return err
	}
	if err := emit(a, "verification", rep, func(rep evidence.Report) { a.verified(rep, c.Genesis != nil) }); err != nil {
		return err
	}
	if !rep.OK {
		at := ""
		if rep.Line > 0 {
			at = fmt.Sprintf(" (line %d)", rep.Line)
		}
		return curfew.Errorf(curfew.Corrupt, "the evidence of %s is not what was signed: %s%s", clean(string(rep.Session)), prose(rep.Problem), at)
	}
	if !items {
		return nil
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the evidence: %w", err)
	}
	c.Item = func(it record.Item) error { return a.item(shown(it)) }
	again, err := evidence.Verify(in, c)
	if err == nil && !again.OK {
		err = curfew.Errorf(curfew.Corrupt, "the file was changed while it was read")
	}
	return err
}

// shown is an item as the gateway would show it.
func shown(it record.Item) client.Item {
	out := client.Item{
		At: it.At, Kind: string(it.Kind), Ref: it.Ref, Text: it.Text, Tag: it.Tag, Rows: it.Rows, Bytes: it.Bytes,
		TookMS: float64(it.Took.Microseconds()) / 1000, Error: it.Error, Code: it.Code,
	}
	out.Values, out.Columns, out.Left = shownValues(it.Values), it.Columns, it.Left
	for _, row := range it.Table {
		out.Table = append(out.Table, shownValues(row))
	}
	return out
}

func shownValues(all []record.Value) (out []client.Value) {
	for _, v := range all {
		out = append(out, client.Value(v))
	}
	return out
}

// verified tells a report of a file in which nothing was changed.
func (a *app) verified(r evidence.Report, anchored bool) {
	if !r.OK {
		return
	}
	a.outf("%s Nothing was changed.\n", a.green("✓"))
	said := plural(r.Items, "item") + " in " + plural(r.Chunks, "chunk") + ", as they were recorded"
	if r.Shapes {
		said = plural(r.Items, "item") + ", without values, as the gateway showed them when it exported them"
	}
	ended := "was open when it was exported"
	if !r.Ended.IsZero() {
		ended = a.instant(r.Ended) + ", " + say.Cause(r.Cause)
	}
	rows := [][]string{
		{"session", clean(string(r.Session)) + " of " + clean(string(r.Principal)) + " on " + clean(string(r.Resource)) + " as " + clean(string(r.Role))},
		{"opened", a.instant(r.Opened)}, {"ended", ended}, {"recording", said},
	}
	switch {
	case r.Shapes:
	case r.Anchored == r.Items:
		rows = append(rows, []string{"in the ledger", "all of it since " + a.instant(r.AnchoredAt)})
	case r.Anchored > 0:
		rows = append(rows, []string{"in the ledger", fmt.Sprintf("the first %s since %s, the rest since the export", plural(r.Anchored, "item"), a.instant(r.AnchoredAt))})
	default:
		rows = append(rows, []string{"in the ledger", "since the export"})
	}
	if !r.Closed {
		rows = append(rows, []string{"its end", "it does not end as a session ends: something after it may be missing"})
	}
	var by []string
	for _, p := range r.Approved {
		text := string(p)
		if slices.Contains(r.Touched, p) {
			text += " by passkey"
		}
		by = append(by, text)
	}
	if len(by) > 0 {
		rows = append(rows, []string{"approved by", names(by, "and")})
	}
	rows = append(rows, []string{"exported", a.instant(r.Exported) + " by " + clean(string(r.By))},
		[]string{"rests on", fmt.Sprintf("%s of the ledger of %s, signed over %d", plural(r.Events, "event"), clean(r.Deployment), r.Size)})
	a.table("  ", rows)
	if !anchored {
		a.note("It was checked against the key that it names itself. To be sure that it is the right one, give --genesis-key.")
	}
}
