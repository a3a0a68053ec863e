package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/say"
)

func (a *app) sessionsCommand() *cobra.Command {
	var all, live bool
	var since, until string
	var in client.Listing
	cmd := &cobra.Command{
		Use: "sessions", Short: "Your sessions; --all: everybody's that you may see", Args: a.known,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if all || in.Person != "" {
				in.Scope = "all"
			}
			if since != "" {
				if in.Since, err = parseWhen(since, a.now(), true); err != nil {
					return err
				}
			}
			if until != "" {
				if in.Until, err = parseWhen(until, a.now(), true); err != nil {
					return err
				}
			}
			return a.sessions(cmd.Context(), in, live)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&all, "all", false, "all that you may see")
	f.BoolVar(&live, "live", false, "only those that are live now")
	f.StringVar(&in.Grant, "grant", "", "of this grant")
	f.StringVar(&in.Person, "person", "", "of this person, as far as you may see them")
	f.StringVar(&since, "since", "", "opened then or later")
	f.StringVar(&until, "until", "", "opened before")
	f.StringVar(&in.Resource, "on", "", "of this resource")
	f.IntVar(&in.Limit, "limit", 0, "at most this many")
	cmd.AddCommand(a.searchCommand(), a.exportSessionCommand(), a.castCommand(), a.verifySessionCommand(), a.holdRecordingCommand(), a.releaseRecordingCommand())
	return cmd
}

func (a *app) sessions(ctx context.Context, in client.Listing, live bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	in.Position = a.position(c)
	if live {
		in.Status = "live"
	}
	shown, _, err := gather(ctx, in, c.Sessions, func(s client.Session) bool { return s.Live || !live })
	if err != nil {
		return err
	}
	return emitAll(a, "session", shown, func(items []client.Session) {
		if len(items) == 0 {
			a.note("No sessions.")
			return
		}
		rows := [][]string{{"who", "what", "opened", "state", "statements", "refused", "rows", "viewed by", "id"}}
		for _, s := range items {
			rows = append(rows, []string{
				cell(s.Who, 30), cell(s.Resource, 40) + " " + cell(s.Role, 40), a.clock(s.Opened), a.sessionState(s),
				fmt.Sprint(s.Statements), fmt.Sprint(s.Refused), fmt.Sprint(s.Rows), names(s.Viewed, "and"), clean(s.ID),
			})
		}
		a.table("", rows)
	})
}

func (a *app) sessionState(s client.Session) string {
	if s.Live {
		return "live " + a.ago(s.Opened)
	}
	text := "ended " + a.clock(s.Ended)
	if s.CauseText != "" {
		text += ": " + cell(s.CauseText, 60)
		if s.CutBy != "" {
			text += " by " + cell(s.CutBy, 40)
		}
		if s.CutWhy != "" {
			text += ", “" + cell(s.CutWhy, 80) + "”"
		}
	}
	if !s.Removed.IsZero() {
		text += "; recording removed"
	}
	return text
}

func (a *app) showSession(s client.Session) {
	a.outf("%s\n", a.bold(clean(s.Who)+" on "+clean(s.Resource)+" as "+clean(s.Role)))
	rows := [][]string{
		{"state", a.sessionState(s)}, {"opened", a.clock(s.Opened)}, {"from", clean(s.Client) + " " + clean(s.Program)},
		{"work", fmt.Sprintf("%s, %d refused, %s, %s", plural(int(s.Statements), "statement"), s.Refused, plural(int(s.Rows), "row"), plural(int(s.Bytes), "byte"))},
	}
	if s.CutTook != "" {
		rows = append(rows, []string{"the cut", "took " + clean(s.CutTook)})
	}
	if !s.Live {
		rows = append(rows, []string{"at the target", map[bool]string{true: "its work was seen to be gone", false: "not seen to be gone"}[s.Terminated]})
	}
	if len(s.Viewed) > 0 {
		rows = append(rows, []string{"viewed by", names(s.Viewed, "and")})
	}
	rows = append(rows, a.recordingRows(s)...)
	a.table("  ", append(rows, []string{"grant", clean(s.Grant)}, []string{"id", clean(s.ID)}))
}

func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "watch SESSION", Short: "See a session live, from its beginning; that you did is recorded", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			a.draw = !a.opt.json && isTerminal(a.parts.Stdout)
			return c.Watch(cmd.Context(), args[0], a.item)
		},
	}
}

func (a *app) transcriptCommand() *cobra.Command {
	return &cobra.Command{
		Use: "transcript SESSION", Short: "Read what a session said; that you did is recorded", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			return c.Transcript(cmd.Context(), args[0], a.item)
		},
	}
}

// statementBound is the most of a statement that is shown as text; JSON has all.
const statementBound = 16 << 10

// item shows one line of a recording. What a session said is a stranger's, all of it.
func (a *app) item(it client.Item) error {
	if a.opt.json {
		a.encode(a.parts.Stdout, "item", it)
		return nil
	}
	return a.said(it.At.In(a.now().Location()).Format("15:04:05")+" ", it)
}

// said shows an item as text behind its time, which is nine places wide.
func (a *app) said(head string, it client.Item) error {
	if a.terminal(it) {
		return nil
	}
	switch it.Kind {
	case "statement":
		a.outf("%s%s\n", head, block(it.Text, "         "))
		for i, v := range it.Values {
			a.outf("           $%d = %s\n", i+1, value(v))
		}
	case "held":
		a.outf("%sheld, waits for a release: %s\n", head, block(it.Text, "         "))
		for i, v := range it.Values {
			a.outf("           $%d = %s\n", i+1, value(v))
		}
	case "outcome":
		a.outf("         %s %s\n", a.dim("→"), outcome(it))
	case "result":
		a.result(it)
	case "refused":
		a.outf("%srefused: %s\n", head, block(it.Text, "         "))
		a.outf("         → %s\n", prose(it.Error))
	case "fault":
		a.outf("%sthe recording cannot be read further: %s\n", head, prose(it.Error))
	default:
		text := clean(it.Kind)
		for _, more := range []string{it.Text, it.Tag, it.Error} {
			if more != "" {
				text += " · " + prose(more)
			}
		}
		a.outf("%s%s\n", head, text)
	}
	return nil
}

// result shows rows of an answer, a line each.
func (a *app) result(it client.Item) {
	const indent = "           "
	if len(it.Table) == 0 && it.Left == 0 {
		a.outf("%s%s\n", indent, a.dim("(rows, hidden: none of your roles covers this session)"))
		return
	}
	if len(it.Columns) > 0 {
		var names []string
		for _, c := range it.Columns {
			names = append(names, clean(c))
		}
		a.outf("%s%s\n", indent, a.dim(strings.Join(names, " | ")))
	}
	for _, row := range it.Table {
		var values []string
		for _, v := range row {
			values = append(values, value(v))
		}
		a.outf("%s%s\n", indent, strings.Join(values, " | "))
	}
	if it.Left > 0 {
		a.outf("%s%s\n", indent, a.dim(fmt.Sprintf("(and %d more rows, not recorded: beyond the limit)", it.Left)))
	}
}

// block shows text of several lines, each harmless, the later ones indented.
func block(s, indent string) string {
	if s == "" {
		return "(hidden: none of your roles covers this session)"
	}
	if len(s) > statementBound {
		s = s[:statementBound] + "…"
	}
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = say.Clean(strings.ReplaceAll(l, "\t", "    "), statementBound*8)
	}
	return strings.Join(lines, "\n"+indent)
}

func value(v client.Value) string {
	switch {
	case v.Null:
		return "null"
	case v.Binary:
		return "(binary) " + prose(v.Text)
	}
	text := "'" + prose(v.Text) + "'"
	if v.Cut > 0 {
		text += fmt.Sprintf(" and %d bytes more", v.Cut)
	}
	return text
}

func outcome(it client.Item) string {
	took := time.Duration(it.TookMS * float64(time.Millisecond)).Round(100 * time.Microsecond)
	if it.Error != "" || it.Code != "" {
		return strings.TrimSpace("error " + clean(it.Code) + " " + prose(it.Error))
	}
	return fmt.Sprintf("%s · %s · %s · %s", clean(it.Tag), plural(int(it.Rows), "row"), plural(int(it.Bytes), "byte"), took)
}
