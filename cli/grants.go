package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/say"
)

func (a *app) grantsCommand() *cobra.Command {
	var all, ended bool
	var in client.Listing
	cmd := &cobra.Command{
		Use: "grants", Short: "Your grants; --all: everybody's that you may see", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				in.Scope = "all"
			}
			return a.grants(cmd.Context(), in, ended)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&all, "all", false, "all that you may see")
	f.BoolVar(&ended, "ended", false, "those that are over, too")
	f.StringVar(&in.Resource, "on", "", "of this resource")
	f.IntVar(&in.Limit, "limit", 0, "at most this many")
	return cmd
}

func (a *app) grants(ctx context.Context, in client.Listing, ended bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	in.Position = a.position(c)
	shown, behind, err := gather(ctx, in, c.Grants, func(g client.Grant) bool { return ended || !over(g) })
	if err != nil {
		return err
	}
	return emitAll(a, "grant", shown, func(items []client.Grant) {
		if len(items) == 0 {
			if ended {
				a.note("No grants. What you can ask for: curfew find")
			} else {
				a.note("No live grants. Those that are over: curfew grants --ended. What you can ask for: curfew find")
			}
			return
		}
		var rows [][]string
		for _, g := range items {
			rows = append(rows, []string{cell(g.Who, 30), cell(g.Resource, 40), cell(g.Role, 40), a.fuse(g), a.grantState(g), clean(g.ID)})
		}
		a.table("", rows)
		if behind {
			a.note("This list is older than your last change; look again in a moment.")
		}
	})
}

// gather reads the pages of a list until it has as many as in.Limit says, 0: all,
// of those that are wanted.
func gather[T any](ctx context.Context, in client.Listing, page func(context.Context, client.Listing) (client.List[T], error), want func(T) bool) (found []T, behind bool, err error) {
	found = []T{}
	most := in.Limit
	in.Limit = 0
	err = client.Pages(ctx, in, page, func(l client.List[T]) bool {
		behind = behind || l.Behind
		for _, x := range l.Items {
			if want(x) && (most <= 0 || len(found) < most) {
				found = append(found, x)
			}
		}
		return most <= 0 || len(found) < most
	})
	return found, behind, err
}

func (a *app) showGrant(g client.Grant) {
	a.outf("%s\n", a.bold(clean(g.Role)+" on "+clean(g.Resource)+" for "+clean(g.Who)))
	rows := [][]string{{"state", a.fuse(g) + "  " + a.grantState(g)}, {"for", span(g.For)}, {"approved", a.clock(g.Approved)}}
	if len(g.By) > 0 {
		rows = append(rows, []string{"by", names(g.By, "and")})
	}
	for _, r := range [][]string{
		{"why so long", prose(g.Bound)}, {"policy", clean(g.Policy)}, {"workflow", clean(g.Workflow)}, {"account", clean(g.Account)},
		{"trouble", prose(g.Trouble)}, {"request", clean(g.Request)},
	} {
		if r[1] != "" {
			rows = append(rows, r)
		}
	}
	if over(g) {
		rows = append(rows, []string{"ended", a.endText(g)})
		if g.Verified.IsZero() {
			rows = append(rows, []string{"verified", "not yet: it is still being removed at the target"})
		} else {
			rows = append(rows, []string{"verified", "nothing of it is left at the target, " + a.clock(g.Verified)})
		}
	}
	a.table("  ", append(rows, []string{"id", clean(g.ID)}))
	if g.Receipt != "" {
		a.outf("\n%s\n", prose(g.Receipt))
	}
}

// endText says when, why and by whom a grant ended.
func (a *app) endText(g client.Grant) string {
	text := a.clock(g.EndedAt)
	if g.CauseText != "" {
		text += ": " + prose(g.CauseText)
	}
	if g.EndedBy != "" {
		text += ", by " + clean(g.EndedBy)
	}
	if g.EndedWhy != "" {
		text += ", " + quoted(g.EndedWhy)
	}
	return text
}

// ownGrant finds a live grant of the caller's: by identifier, by the beginning
// of its resource's or role's name, or the only one.
func (a *app) ownGrant(ctx context.Context, c *client.Client, args []string) (client.Grant, error) {
	if len(args) == 1 && strings.HasPrefix(args[0], "gr_") {
		return c.Grant(ctx, args[0], a.position(c))
	}
	live, err := a.liveGrants(ctx, c)
	if err != nil {
		return client.Grant{}, err
	}
	var found []client.Grant
	for _, g := range live {
		if len(args) == 0 || strings.HasPrefix(g.Resource, args[0]) || strings.HasPrefix(g.Role, args[0]) {
			found = append(found, g)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return client.Grant{}, failed(exitNotFound, "not_found", "you have no such grant now", "curfew grants")
	}
	var ids []string
	for _, g := range found {
		ids = append(ids, clean(g.Resource)+" "+clean(g.ID))
	}
	return client.Grant{}, failed(exitNotFound, "ambiguous", fmt.Sprintf("%d grants of yours fit: %s", len(found), strings.Join(ids, ", ")), "curfew grants")
}

func (a *app) extendCommand() *cobra.Command {
	var in askArgs
	cmd := &cobra.Command{
		Use: "extend [GRANT|RESOURCE]", Short: "Ask for more time; a request like any other", Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.extend(cmd.Context(), args, in) },
	}
	f := cmd.Flags()
	f.StringVar(&in.dur, "for", "", "how much more: 15m")
	f.StringVar(&in.reason, "reason", "", "why")
	f.BoolVar(&in.noWait, "no-wait", false, "do not wait for the answer")
	return cmd
}

func (a *app) extend(ctx context.Context, args []string, in askArgs) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	g, err := a.ownGrant(ctx, c, args)
	if err != nil {
		return err
	}
	if in.dur == "" || in.reason == "" {
		if !a.asks() {
			return usage("how much more, and why? Add --for and --reason")
		}
		if in.dur == "" {
			if in.dur, err = a.line(ctx, "How much more?", "15m"); err != nil {
				return err
			}
		}
		if in.reason == "" {
			if in.reason, err = a.line(ctx, "Why?", ""); err != nil {
				return err
			}
		}
	}
	d, err := parseFor(in.dur)
	if err != nil {
		return err
	}
	r, err := c.Extend(ctx, g.ID, client.More{For: d.String(), Reason: in.reason})
	if err != nil {
		return err
	}
	a.wrote(c, r.Position)
	if in.noWait {
		return a.unanswered(r)
	}
	if r, err = a.await(ctx, c, r); err != nil {
		return err
	}
	return a.answered(ctx, c, r)
}

func (a *app) giveBackCommand() *cobra.Command {
	return &cobra.Command{
		Use: "give-back [GRANT|RESOURCE]", Short: "End your own grant, because you are done", Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			g, err := a.ownGrant(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			done, err := c.GiveBack(cmd.Context(), g.ID)
			if err != nil {
				return err
			}
			a.wrote(c, done.Position)
			return emit(a, "done", done, func(client.Done) {
				a.done("Given back: %s on %s.", clean(g.Role), clean(g.Resource))
				a.acted(done)
			})
		},
	}
}

// acted says what is left to say of what acted before it was written.
func (a *app) acted(d client.Done) {
	if !d.Written {
		a.note("It has acted, and is not yet in the ledger; the gateway writes it as soon as it can.")
	}
}

func (a *app) cutCommand() *cobra.Command {
	var why, left string
	cmd := &cobra.Command{
		Use: "cut GRANT|SESSION", Short: "End a grant or a session now; --left: move a grant's end nearer", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.cut(cmd.Context(), args[0], why, left) },
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason; whoever is cut reads it")
	cmd.Flags().StringVar(&left, "left", "", "do not end it now: leave it this much, 5m")
	return cmd
}

func (a *app) cut(ctx context.Context, id, why, left string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	var done client.Done
	what := "Cut"
	switch {
	case strings.HasPrefix(id, "gr_") && left != "":
		d, err := parseFor(left)
		if err != nil {
			return err
		}
		what = "It ends in " + say.Duration(d)
		done, err = c.Shorten(ctx, id, client.More{For: d.String(), Reason: why})
		if err != nil {
			return err
		}
	case left != "":
		return usage("only a grant can be left some time; a session ends with it")
	case strings.HasPrefix(id, "gr_"):
		done, err = c.Revoke(ctx, id, client.Why{Why: why})
	case strings.HasPrefix(id, "s_"):
		done, err = c.Cut(ctx, id, client.Why{Why: why})
	default:
		return usage(fmt.Sprintf("%q is neither a grant (gr_…) nor a session (s_…)", clean(id)), "curfew grants --all", "curfew sessions --all")
	}
	if err != nil {
		return err
	}
	a.wrote(c, done.Position)
	return emit(a, "done", done, func(client.Done) {
		a.done("%s: %s.", what, clean(id))
		a.acted(done)
	})
}
