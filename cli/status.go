package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/say"
)

// fuseWidth is the width of a fuse, in characters.
const fuseWidth = 12

// leftTimeout bounds what a prompt waits for.
const leftTimeout = 700 * time.Millisecond

func (a *app) statusCommand() *cobra.Command {
	var left string
	cmd := &cobra.Command{
		Use: "status", Short: "What you have, and what waits", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), left) },
	}
	cmd.Flags().StringVar(&left, "left", "", "say only how much is left of this grant, for a prompt")
	return cmd
}

// statusJSON is the whole status.
type statusJSON struct {
	Me       client.Me        `json:"me"`
	Grants   []client.Grant   `json:"grants"`
	Requests []client.Request `json:"requests"`
	Review   int              `json:"review"`
}

func (a *app) status(ctx context.Context, left string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if left != "" {
		return a.left(ctx, c, left)
	}
	me, err := c.Me(ctx)
	if err != nil {
		return err
	}
	out := statusJSON{Me: me}
	if out.Grants, err = a.liveGrants(ctx, c); err != nil {
		return err
	}
	asked, err := c.Requests(ctx, client.Listing{Status: "pending", Position: a.position(c)})
	if err != nil {
		return err
	}
	for _, r := range asked.Items {
		if r.Status == "pending" {
			out.Requests = append(out.Requests, r)
		}
	}
	review, err := c.Requests(ctx, client.Listing{Scope: "review"})
	if err != nil {
		return err
	}
	out.Review = len(review.Items)
	return emit(a, "status", out, a.showStatus)
}

func (a *app) showStatus(s statusJSON) {
	a.outf("%s · %s · signed in until %s\n", a.bold(clean(s.Me.Name)), clean(s.Me.Deployment), a.clock(s.Me.Until))
	if s.Me.Bootstrap && s.Me.Admin {
		a.outf("There are not two administrators yet: one person may change everything.\n")
	}
	a.outf("%s\n", count(len(s.Grants), "active grant"))
	a.grantLines(s.Grants)
	if len(s.Requests) > 0 {
		a.outf("%s waiting\n", count(len(s.Requests), "request"))
		var rows [][]string
		for _, r := range s.Requests {
			rows = append(rows, []string{cell(r.Resource, 40), cell(r.Role, 40), "asked " + minutes(a.now().Sub(r.Asked)) + " ago, lapses " + a.clock(r.Lapses), waitsFor(r)})
		}
		a.table("  ", rows)
	}
	if s.Review > 0 {
		a.outf("%d to review: curfew review\n", s.Review)
	}
	if len(s.Grants)+len(s.Requests)+s.Review == 0 {
		a.outf("What you can ask for: curfew find\n")
	}
}

func count(n int, thing string) string {
	switch n {
	case 0:
		return "no " + thing + "s"
	case 1:
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func waitsFor(r client.Request) string {
	if len(r.Waiting) == 0 {
		return "nobody may decide it now"
	}
	return names(r.Waiting, "or") + " may decide"
}

// left says how much is left of a grant, and never more than a word: a prompt
// shows it. What cannot be said quickly is "?".
func (a *app) left(ctx context.Context, c *client.Client, id string) error {
	ctx, cancel := context.WithTimeout(ctx, leftTimeout)
	defer cancel()
	g, err := c.Grant(ctx, id, 0)
	if a.opt.json && err == nil {
		return emit(a, "grant", g, func(client.Grant) {})
	}
	text := "?"
	switch {
	case err != nil && client.FailureOf(err) == nil && !errors.Is(err, context.DeadlineExceeded):
		return err
	case err != nil:
	case over(g):
		text = "ended"
	case g.End.IsZero():
		text = span(g.For)
	default:
		text = short(g.End.Sub(a.now()))
	}
	a.outf("%s\n", text)
	return nil
}

// short says a duration as a prompt shows it: 44m, 1h10m, 30s.
func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func over(g client.Grant) bool { return g.Status == "ended" || g.Status == "verified" }

// liveGrants are the caller's own grants that are not over.
func (a *app) liveGrants(ctx context.Context, c *client.Client) ([]client.Grant, error) {
	out := []client.Grant{}
	for _, status := range []string{"active", "scheduled"} {
		found, _, err := gather(ctx, client.Listing{Status: status, Position: a.position(c)}, c.Grants, func(g client.Grant) bool { return g.Status == status })
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// grantLines shows live grants, a fuse each.
func (a *app) grantLines(grants []client.Grant) {
	var rows [][]string
	for _, g := range grants {
		rows = append(rows, []string{cell(g.Resource, 40), cell(g.Role, 40), a.fuse(g), a.grantState(g), clean(g.ID)})
	}
	a.table("  ", rows)
}

func (a *app) fuse(g client.Grant) string {
	total, _ := time.ParseDuration(g.For)
	left := total
	if !g.End.IsZero() {
		left = g.End.Sub(a.now())
		if !g.Start.IsZero() {
			total = g.End.Sub(g.Start)
		}
	}
	if over(g) {
		left = 0
	}
	return say.Fuse(left, total, fuseWidth)
}

// grantState says how a grant stands, in words, with both clocks.
func (a *app) grantState(g client.Grant) string {
	now := a.now()
	text := ""
	switch {
	case over(g):
		text = "ended " + a.clock(g.EndedAt)
		if g.CauseText != "" {
			text += ": " + cell(g.CauseText, 60)
		}
		if g.EndedBy != "" && g.EndedBy != g.Who {
			text += ", by " + cell(g.EndedBy, 40)
		}
		if !g.Verified.IsZero() {
			text += ", verified"
		}
	case g.Start.After(now):
		text = "starts " + a.both(g.Start)
	case g.End.IsZero():
		text = span(g.For) + ", starting"
		if !g.UseBy.IsZero() {
			text = span(g.For) + ", to be used by " + a.clock(g.UseBy)
		}
	default:
		left := g.End.Sub(now)
		if left >= 2*time.Minute {
			left = left.Truncate(time.Minute) // never more than there is
		}
		text = say.Duration(left) + " left, ends " + a.clock(g.End)
	}
	if g.Sessions > 0 {
		text += "   " + count(g.Sessions, "session")
	}
	if g.Trouble != "" {
		text += "   trouble: " + cell(g.Trouble, 80)
	}
	return text
}
