package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

// decideArgs are the flags of approve and deny.
type decideArgs struct {
	dur, why  string
	fromStdin bool
}

func (a *app) approveCommand() *cobra.Command {
	var in decideArgs
	cmd := &cobra.Command{
		Use: "approve ID|#", Short: "Approve a request or release a statement, exactly as it is shown, or agree to a plan", Args: between(1, 1),
		Example: "  curfew review\n  curfew approve 1 --for 30m",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.approve(cmd.Context(), args[0], in)
		},
	}
	cmd.Flags().StringVar(&in.dur, "for", "", "approve for less: 30m")
	a.passphraseFlag(cmd, &in.fromStdin)
	return cmd
}

func (a *app) passphraseFlag(cmd *cobra.Command, into *bool) {
	cmd.Flags().BoolVar(into, "passphrase-stdin", false, "read your passphrase from the first line of standard input")
}

// decided finds what is to be decided: by its number in the last review, then
// exactly as it was shown there, or by its identifier.
func (a *app) decided(text string) (*client.Client, listed, error) {
	c, err := a.client()
	if err != nil {
		return nil, listed{}, err
	}
	line, ok, err := a.numbered(c, text)
	if err == nil && !ok {
		line = listed{ID: text}
	}
	return c, line, err
}

func (a *app) approve(ctx context.Context, text string, in decideArgs) error {
	c, line, err := a.decided(text)
	if err != nil {
		return err
	}
	if in.dur != "" {
		d, err := parseFor(in.dur)
		if err != nil {
			return err
		}
		in.dur = d.String()
	}
	if strings.HasPrefix(line.ID, "plan_") {
		return a.agree(ctx, c, line.ID, in)
	}
	if strings.HasPrefix(line.ID, "st_") {
		return a.release(ctx, c, line, in, true)
	}
	return a.decide(ctx, c, line, in, "approve", "Your passphrase, to approve exactly this", c.Approve, func(r client.Request) { a.approvedText(ctx, c, r) })
}

// decide shows a request, proves who decides, and acts on exactly what was shown.
func (a *app) decide(ctx context.Context, c *client.Client, line listed, in decideArgs, verb, prompt string,
	act func(context.Context, string, client.Decision) (client.Request, error), text func(client.Request)) error {
	r, err := a.toDecide(ctx, c, line)
	if err != nil {
		return err
	}
	r, err = proven(ctx, a, c, proof{"/requests/" + r.ID + "/" + verb, prompt, in.fromStdin},
		func(pass string) client.Decision {
			return client.Decision{Digest: r.Digest, For: in.dur, Why: in.why, Passphrase: pass}
		},
		func(d client.Decision) (client.Request, error) { return act(ctx, r.ID, d) })
	if err != nil {
		return err
	}
	a.wrote(c, r.Position)
	return emit(a, "request", r, text)
}

// toDecide fetches a request, refuses what cannot be decided, and shows it.
func (a *app) toDecide(ctx context.Context, c *client.Client, line listed) (client.Request, error) {
	r, err := c.Request(ctx, line.ID)
	if err != nil {
		return r, err
	}
	switch {
	case r.Status != "pending" && r.Status != "approved":
		return r, failed(exitLapsed, "request."+clean(r.Status), "the request is not waiting any more: it is "+clean(r.Status), "curfew review")
	case r.Status == "approved":
		return r, failed(exitFailed, "request.approved", "the request is approved already", "curfew show "+clean(r.ID))
	case line.Digest != "" && line.Digest != r.Digest:
		return r, failed(exitFailed, "request.changed", "the request is not the one that was listed: it has changed since", "curfew review")
	case !r.MayDecide:
		why := r.WhyNot
		if why == "" {
			why = "the policy does not name you"
		}
		return r, failed(exitDenied, "approver", "you may not decide this: "+prose(why), "curfew show "+clean(r.ID))
	}
	if !a.opt.json && !a.opt.quiet {
		facts, err := c.Facts(ctx, r.ID)
		if err != nil {
			return r, err
		}
		a.showRequest(r, facts)
	}
	return r, nil
}

func (a *app) approvedText(ctx context.Context, c *client.Client, r client.Request) {
	if r.Status == "pending" {
		a.done("Your approval counts. It takes more: %s", sentence(waitsFor(r)))
		return
	}
	g, err := c.Grant(ctx, r.Grant, r.Position)
	if err != nil {
		a.done("Approved: %s on %s for %s.", clean(r.Role), clean(r.Resource), clean(r.Who))
		return
	}
	text := fmt.Sprintf("%s may use %s on %s for %s", clean(r.Who), clean(g.Role), clean(g.Resource), span(g.For))
	switch {
	case g.Start.After(a.now()):
		text += ", from " + a.both(g.Start)
	case !g.End.IsZero():
		text += ", until " + a.clock(g.End)
	}
	a.done("%s.   undo: curfew cut %s", text, clean(g.ID))
}

// agree agrees to somebody else's plan, exactly as it is shown: a plan's
// identifier is the digest of what it changes.
func (a *app) agree(ctx context.Context, c *client.Client, id string, in decideArgs) error {
	if in.dur != "" {
		return usage("a plan is agreed to whole: --for is for requests")
	}
	p, err := findPlan(ctx, c, id)
	if err != nil {
		return err
	}
	if !p.MayAgree {
		return failed(exitDenied, "approver", "you may not agree to this plan: "+prose(p.WhyNot), "curfew show "+clean(id))
	}
	if !a.opt.json && !a.opt.quiet {
		a.showPlan(p, "")
	}
	done, err := proven(ctx, a, c, proof{"/plans/" + id + "/agree", "Your passphrase, to agree to exactly this", in.fromStdin}, byPassphrase,
		func(d client.Decision) (client.Done, error) { return c.Agree(ctx, id, d) })
	if err != nil {
		return err
	}
	a.wrote(c, done.Position)
	return emit(a, "done", done, func(client.Done) { a.done("The plan of %s is applied.", clean(p.Author)) })
}

func (a *app) denyCommand() *cobra.Command {
	var in decideArgs
	cmd := &cobra.Command{
		Use: "deny ID|#", Short: "Deny a request, refuse a statement, or drop a plan; the words reach who asked", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.deny(cmd.Context(), args[0], in) },
	}
	cmd.Flags().StringVar(&in.why, "why", "", "the reason, verbatim for who asked")
	a.passphraseFlag(cmd, &in.fromStdin)
	return cmd
}

func (a *app) deny(ctx context.Context, text string, in decideArgs) error {
	c, line, err := a.decided(text)
	if err != nil {
		return err
	}
	if in.why == "" {
		if !a.asks() {
			return usage("why not? Add --why: the words reach who asked")
		}
		if in.why, err = a.line(ctx, "Why not?", ""); err != nil {
			return err
		}
	}
	if strings.HasPrefix(line.ID, "plan_") {
		done, err := c.DropPlan(ctx, line.ID, client.Why{Why: in.why})
		if err != nil {
			return err
		}
		a.wrote(c, done.Position)
		return emit(a, "done", done, func(client.Done) { a.done("The plan is dropped; nothing was changed.") })
	}
	if strings.HasPrefix(line.ID, "st_") {
		return a.release(ctx, c, line, in, false)
	}
	return a.decide(ctx, c, line, in, "deny", "Your passphrase, to deny it", c.Deny, func(r client.Request) { a.done("Denied. %s reads why.", clean(r.Who)) })
}
