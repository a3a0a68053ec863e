package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

// connectArgs are the flags of what connects.
type connectArgs struct {
	askArgs
	role string
}

func (a *app) connectCommand() *cobra.Command {
	var in connectArgs
	cmd := &cobra.Command{
		Use: "connect RESOURCE [-- CLIENT ARGUMENTS]", Short: "Connect with your own client; asks for access first where you have none",
		Example: "  curfew connect orders-db\n  curfew connect orders-db --role orders/read --for 30m --reason \"look at order 42\" -- -c 'select 1'",
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.connect(cmd.Context(), args[0], in, launch{args: args[1:], native: true})
		},
	}
	a.connectFlags(cmd, &in)
	return cmd
}

func (a *app) connectFlags(cmd *cobra.Command, in *connectArgs) {
	f := cmd.Flags()
	f.StringVar(&in.role, "role", "", "the role to use, or to ask for")
	f.StringVar(&in.dur, "for", "", "where access has to be asked for: how long")
	f.StringVar(&in.reason, "reason", "", "where access has to be asked for: why")
	f.StringVar(&in.workflow, "workflow", "", "where access has to be asked for: the incident, ticket or change")
	f.BoolVar(&in.noWait, "no-wait", false, "ask, and do not wait for the answer")
}

func (a *app) runCommand() *cobra.Command {
	var in connectArgs
	cmd := &cobra.Command{
		Use: "run RESOURCE -- COMMAND…", Short: "Run a command whose environment leads to a resource", Args: between(2, -1),
		Example: "  curfew run orders-db -- pg_dump --schema-only",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.connect(cmd.Context(), args[0], in, launch{args: args[1:]})
		},
	}
	a.connectFlags(cmd, &in)
	return cmd
}

// connect finds a grant or asks for one, and starts a client under it.
func (a *app) connect(ctx context.Context, resource string, in connectArgs, l launch) error {
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
	cred, err := c.Credential(ctx, g.ID, client.WantCredential{Many: !l.native, Hand: l.native && a.asks()})
	if err != nil {
		return err
	}
	if cred.Engine == "mysql" && cred.Once { // its client cancels a statement over a second connection
		want := client.WantCredential{Many: true}
		if left := g.End.Sub(a.now()).Truncate(time.Second); !g.End.IsZero() && left > 0 {
			want.For = left.String()
		}
		if cred, err = c.Credential(ctx, g.ID, want); err != nil {
			return err
		}
	}
	a.note("%s", a.startText(g))
	return a.start(ctx, c, g, cred, l)
}

// startText says what begins: the same facts as the gateway's notice to the
// client, and what that cannot say.
func (a *app) startText(g client.Grant) string {
	text := clean(g.Resource) + " as " + clean(g.Role)
	if g.End.IsZero() {
		text += " for " + span(g.For)
	} else {
		text += " until " + a.both(g.End)
	}
	if len(g.By) > 0 {
		text += ", approved by " + names(g.By, "and")
	}
	return text + ". Recorded. Done early: curfew give-back " + clean(g.ID)
}

// grantFor is the live grant for a resource, or the one that asking comes to.
func (a *app) grantFor(ctx context.Context, c *client.Client, resource string, in connectArgs) (client.Grant, error) {
	live, err := a.liveGrants(ctx, c)
	if err != nil {
		return client.Grant{}, err
	}
	found, err := c.Find(ctx)
	if err != nil {
		return client.Grant{}, err
	}
	if resource, err = a.pick(ctx, "resource", resourcesOf(found.Items, live), resource, false); err != nil {
		return client.Grant{}, err
	}
	var fit []client.Grant
	for _, g := range live {
		if g.Resource == resource && (in.role == "" || strings.HasPrefix(g.Role, in.role)) && !g.Start.After(a.now()) {
			fit = append(fit, g)
		}
	}
	if len(fit) > 1 && in.role == "" {
		return a.oneOf(ctx, fit)
	}
	if len(fit) > 0 {
		return fit[0], nil
	}
	in.on = resource
	return a.askFor(ctx, c, resource, found.Items, in)
}

// oneOf asks which of several grants to use.
func (a *app) oneOf(ctx context.Context, grants []client.Grant) (client.Grant, error) {
	var roles []string
	for _, g := range grants {
		roles = append(roles, g.Role)
	}
	role, err := a.pick(ctx, "role", roles, "", false)
	for _, g := range grants {
		if err == nil && g.Role == role {
			return g, nil
		}
	}
	return client.Grant{}, err
}

// askFor asks for access to a resource and waits for it.
func (a *app) askFor(ctx context.Context, c *client.Client, resource string, all []client.Offer, in connectArgs) (client.Grant, error) {
	none := client.Grant{}
	var offers []client.Offer
	for _, o := range all {
		if o.Resource == resource {
			offers = append(offers, o)
		}
	}
	role := in.role
	if role == "" {
		o, err := a.chooseOffer(ctx, resource, offers)
		if err != nil {
			return none, err
		}
		role = o.Role
		if in.workflow == "" {
			in.workflow = o.Workflow
		}
	} else {
		var err error
		if role, err = roleNamed(offers, role); err != nil {
			return none, err
		}
	}
	in.usual = usualOf(offers, role, resource)
	r, err := a.ask(ctx, c, role, in.askArgs)
	if err != nil {
		return none, err
	}
	if in.noWait {
		return none, errorsAfter(a.unanswered(r), failed(exitWaiting, "waiting", "asked; connect again when it is approved"))
	}
	if r, err = a.await(ctx, c, r); err != nil {
		return none, err
	}
	if err := a.verdict(r); err != nil {
		return none, err
	}
	g, err := a.granted(ctx, c, r)
	if err == nil && !a.opt.quiet {
		a.errf("✓ %s\n", a.approvalText(r, g))
	}
	return g, err
}

// approvalText says who approved how much, and until when: "Dana approved 45
// min, ends 14:47 (45 min)".
func (a *app) approvalText(r client.Request, g client.Grant) string {
	by := slices.Clone(g.By)
	if len(by) == 0 {
		for _, v := range r.Votes {
			by = append(by, v.By)
		}
	}
	text := "Approved " + span(g.For)
	if len(by) > 0 {
		text = names(by, "and") + " approved " + span(g.For)
	}
	switch {
	case g.Start.After(a.now()):
		text += ", starts " + a.both(g.Start)
	case !g.End.IsZero():
		text += ", ends " + a.both(g.End)
	}
	return text
}

func (a *app) chooseOffer(ctx context.Context, resource string, offers []client.Offer) (client.Offer, error) {
	if len(offers) == 0 {
		return client.Offer{}, failed(exitDenied, "denied", "you have no access to "+clean(resource)+" now, and there is none that you can ask for", "curfew find")
	}
	if !a.asks() {
		var run []string
		for _, o := range offers[:min(len(offers), 3)] {
			run = append(run, "curfew connect "+clean(resource)+" --role "+clean(o.Role)+" --for 30m --reason …")
		}
		return client.Offer{}, failed(exitDenied, "denied", "you don't have access to "+clean(resource)+" now; you can ask for it", run...)
	}
	a.errf("You don't have access to %s now. You can ask for:\n", clean(resource))
	for i, o := range offers {
		col := offerColumns(o)
		a.errf("  %d  %s   %s   %s   %s\n", i+1, col[0], col[1], col[2], col[3])
	}
	var roles []string
	for _, o := range offers {
		roles = append(roles, o.Role)
	}
	role, err := a.choose(ctx, roles)
	for _, o := range offers {
		if err == nil && o.Role == role {
			return o, nil
		}
	}
	return client.Offer{}, err
}

// readyBound is how long a grant may take from approved to usable.
const readyBound = 45 * time.Second

// ready waits until the gateway has opened a test connection under a grant:
// active is said only then.
func (a *app) ready(ctx context.Context, c *client.Client, g client.Grant) (client.Grant, error) {
	begun := time.Now()
	for look := firstLook; ; look = min(look*2, laterLook) {
		switch {
		case over(g):
			return g, failed(exitLapsed, "grant.ended", "your access to "+clean(g.Resource)+" ended "+a.endText(g), "curfew request "+clean(g.Role))
		case g.Start.After(a.now()):
			return g, failed(exitWaiting, "grant.scheduled", "your access to "+clean(g.Resource)+" starts "+a.both(g.Start), "curfew grants")
		case g.Status == "active":
			return g, nil
		case time.Since(begun) > readyBound:
			what := "the grant is approved, and the gateway cannot make it usable yet"
			if g.Trouble != "" {
				what += ": " + prose(g.Trouble)
			}
			return g, failed(exitFailed, "grant.starting", what+". Not a permission problem", "curfew show "+clean(g.ID))
		}
		select {
		case <-ctx.Done():
			return g, ctx.Err()
		case <-time.After(look):
		}
		next, err := c.Grant(ctx, g.ID, 0)
		if err != nil {
			return g, err
		}
		g = next
	}
}
