package cli

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

func (a *app) auditCommand() *cobra.Command {
	var in client.Search
	var from, to string
	var follow bool
	cmd := &cobra.Command{
		Use: "audit", Short: "What was decided, newest first", Args: between(0, 0),
		Example: "  curfew audit --kind grant. --person alice --from yesterday\\ 9:00\n  curfew audit --follow --json",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if from != "" {
				if in.From, err = parseWhen(from, a.now(), true); err != nil {
					return err
				}
			}
			if to != "" {
				if in.To, err = parseWhen(to, a.now(), true); err != nil {
					return err
				}
			}
			return a.audit(cmd.Context(), in, follow)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Kind, "kind", "", "a kind of event, or the beginning of one: grant.")
	f.StringVar(&in.Person, "person", "", "of this person")
	f.StringVar(&in.Resource, "on", "", "of this resource")
	f.StringVar(&in.Grant, "grant", "", "of this grant")
	f.StringVar(&in.Request, "request", "", "of this request")
	f.StringVar(&in.Session, "session", "", "of this session")
	f.StringVar(&from, "from", "", "not before")
	f.StringVar(&to, "to", "", "not after")
	f.Uint64Var(&in.Before, "before", 0, "the page after the one that ended at this position")
	f.IntVar(&in.Limit, "limit", 0, "at most this many")
	f.BoolVar(&follow, "follow", false, "go on as things happen")
	return cmd
}

func (a *app) audit(ctx context.Context, in client.Search, follow bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	in.Position = a.position(c)
	list, err := c.Audit(ctx, in)
	if err != nil {
		return err
	}
	if !follow {
		return emitAll(a, "event", list.Items, func(items []client.Entry) {
			for _, e := range items {
				a.entry(e)
			}
			if list.Next != "" {
				a.note("There is more: curfew audit --before %s", clean(list.Next))
			}
		})
	}
	var after uint64
	for i := len(list.Items) - 1; i >= 0; i-- { // following reads downwards
		a.showEntry(list.Items[i])
		after = max(after, list.Items[i].Position)
	}
	return c.Events(ctx, max(after, list.Position), func(e client.Entry) error {
		if matches(in, e) {
			a.showEntry(e)
		}
		return nil
	})
}

// matches applies to followed events the filters that the stream does not have.
func matches(in client.Search, e client.Entry) bool {
	return strings.HasPrefix(e.Kind, in.Kind) && fits(in.Resource, e.Resource) && fits(in.Grant, e.Grant) && fits(in.Request, e.Request) &&
		fits(in.Session, e.Session) && (in.Person == "" || strings.Contains(strings.ToLower(e.Who), strings.ToLower(in.Person)))
}

func fits(want, have string) bool { return want == "" || want == have }

func (a *app) showEntry(e client.Entry) {
	if a.opt.json {
		a.encode(a.parts.Stdout, "event", e)
		return
	}
	a.entry(e)
}

func (a *app) entry(e client.Entry) {
	text := e.Text
	if text == "" {
		body, _ := json.Marshal(e.Body)
		text = clean(e.Kind) + " " + string(body)
	}
	a.outf("%8d  %s  %-24s  %s\n", e.Position, e.At.In(a.now().Location()).Format("2006-01-02 15:04:05"), cell(e.Kind, 24), prose(text))
}
