package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

// completeBound is how long a press of Tab may take.
const completeBound = 300 * time.Millisecond

// completion completes a command's first argument with live names; in silence
// where the gateway does not answer at once.
func (a *app) completion(cmd *cobra.Command, list func(context.Context, *client.Client) []string) {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := a.client()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeBound)
		defer cancel()
		var out []cobra.Completion
		for _, name := range list(ctx, c) {
			if strings.HasPrefix(name, begun) {
				out = append(out, clean(name))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completions says which names complete which commands.
func (a *app) completions(root *cobra.Command) {
	resources := func(ctx context.Context, c *client.Client) []string {
		live, _ := a.liveGrants(ctx, c)
		found, _ := c.Find(ctx)
		return resourcesOf(found.Items, live)
	}
	roles := func(ctx context.Context, c *client.Client) (out []string) {
		found, _ := c.Find(ctx)
		for _, o := range found.Items {
			out = append(out, o.Role)
		}
		return out
	}
	grants := func(ctx context.Context, c *client.Client) (out []string) {
		live, _ := a.liveGrants(ctx, c)
		for _, g := range live {
			out = append(out, g.ID)
		}
		return out
	}
	review := func(ctx context.Context, c *client.Client) (out []string) {
		list, _ := c.Requests(ctx, client.Listing{Scope: "review"})
		for _, r := range list.Items {
			out = append(out, r.ID)
		}
		return out
	}
	for name, list := range map[string]func(context.Context, *client.Client) []string{
		"connect": resources, "run": resources, "env": resources, "who-can": resources, "request": roles, "extend": grants, "give-back": grants, "cut": grants,
		"approve": review, "deny": review, "show": review,
	} {
		if cmd, _, err := root.Find([]string{name}); err == nil {
			a.completion(cmd, list)
		}
	}
}
