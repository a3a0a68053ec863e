package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

func (a *app) applyCommand() *cobra.Command {
	var in applyArgs
	cmd := &cobra.Command{
		Use: "apply", Short: "Apply configuration files, or put them to a second person", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.apply(cmd.Context(), in) },
	}
	fileFlag(cmd, &in)
	cmd.Flags().StringVar(&in.plan, "plan", "", "apply only if the plan is this one")
	a.passphraseFlag(cmd, &in.fromStdin)
	return cmd
}

func (a *app) apply(ctx context.Context, in applyArgs) error {
	c, files, err := a.clientAndFiles(in)
	if err != nil {
		return err
	}
	p, err := c.Plan(ctx, client.Files{Files: files})
	if err != nil {
		return err
	}
	if !a.opt.json {
		a.problems(p)
	}
	if err := broken(p); err != nil {
		return err
	}
	if in.plan != "" && in.plan != p.ID {
		return failed(exitFailed, "plan.changed", "the plan is not the one you named: the files or the configuration have changed", "curfew plan")
	}
	if p.Status == "empty" && len(p.NewPeople) == 0 {
		return emit(a, "plan", p, func(client.Plan) { a.outf("Nothing would change\n") })
	}
	if !a.opt.json && !a.opt.quiet {
		a.showPlan(p, "")
	}
	if in.plan == "" && !a.opt.yes {
		ok, err := a.confirm(ctx, "Apply this?")
		if err != nil {
			return err
		}
		if !ok {
			return failed(exitFailed, "not_confirmed", "nothing was changed")
		}
	}
	p, err = proven(ctx, a, c, proof{"/config/apply", "Your passphrase, to apply exactly this", in.fromStdin},
		func(pass string) client.Files { return client.Files{Files: files, Plan: p.ID, Passphrase: pass} },
		func(in client.Files) (client.Plan, error) { return c.Apply(ctx, in) })
	if err != nil {
		return err
	}
	return a.applied(c, p)
}

func (a *app) applied(c *client.Client, p client.Plan) error {
	a.wrote(c, p.Position)
	if err := broken(p); err != nil {
		return err
	}
	err := emit(a, "plan", p, func(p client.Plan) {
		switch p.Status {
		case "waiting":
			a.outf("Waiting for a second administrator, who sees it with: curfew review\n  %s\n", clean(p.ID))
		case "applied":
			a.done("Applied.")
		default:
			a.outf("Nothing was changed\n")
		}
	})
	if p.Status == "waiting" {
		return errorsAfter(err, exit{code: exitWaiting})
	}
	return err
}
