package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

func (a *app) peopleCommand() *cobra.Command {
	return &cobra.Command{
		Use: "people", Short: "List people and their groups", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := c.People(cmd.Context())
			if err != nil {
				return err
			}
			return emitAll(a, "person", list.Items, a.showPeople)
		},
	}
}

func (a *app) showPeople(items []client.Person) {
	var rows [][]string
	for _, p := range items {
		state := ""
		switch {
		case !p.Enabled:
			state = "disabled"
		case !p.Joined:
			state = "has not signed in yet"
		case p.Passkey:
			state = "decides by passkey"
		}
		rows = append(rows, []string{cell(p.Name, 40), cell(p.Email, 60), cell(strings.Join(p.Groups, ", "), 60), state, clean(p.ID)})
	}
	a.table("", rows)
}

func (a *app) inviteCommand() *cobra.Command {
	var in client.Invite
	var fromStdin bool
	cmd := &cobra.Command{
		Use: "invite EMAIL", Short: "Add a person, and make their one-time sign-in link", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Email = args[0]
			return a.invite(cmd.Context(), in, fromStdin)
		},
	}
	cmd.Flags().StringVar(&in.Name, "name", "", "the person's name")
	a.passphraseFlag(cmd, &fromStdin)
	return cmd
}

func (a *app) invite(ctx context.Context, in client.Invite, fromStdin bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	got, err := proven(ctx, a, c, proof{"/people/invite", "Your passphrase, to invite " + clean(in.Email), fromStdin},
		func(pass string) client.Invite { in.Passphrase = pass; return in },
		func(in client.Invite) (client.Invited, error) { return c.Invite(ctx, in) })
	if err != nil {
		return err
	}
	if !strings.Contains(got.Link, "://") {
		got.Link = c.Server() + "/join?key=" + got.Link
	}
	return emit(a, "invited", got, func(got client.Invited) {
		a.outf("%s\n", prose(got.Link))
		a.note("One use, until %s. Hand it to %s by a safe way; they open it, or run: curfew login '<the link>'", a.both(got.Until), clean(in.Email))
	})
}

func (a *app) disableCommand() *cobra.Command {
	return &cobra.Command{
		Use: "disable PERSON", Short: "Disable a person: everything they have ends", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.disable(cmd.Context(), args[0]) },
	}
}

func (a *app) disable(ctx context.Context, text string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	list, err := c.People(ctx)
	if err != nil {
		return err
	}
	p, err := personNamed(list.Items, text)
	if err != nil {
		return err
	}
	if !a.opt.yes { // it ends all that they do: a typed name, not a yes
		if !a.asks() {
			return usage("this ends everything that "+clean(p.Name)+" has, and there is nobody to ask: add --yes", "curfew disable "+clean(text)+" --yes")
		}
		typed, err := a.line(ctx, "Everything that "+clean(p.Name)+" has ends now. To do it, type the name", "")
		if err != nil {
			return err
		}
		if typed != p.Name && typed != clean(p.Name) {
			return failed(exitFailed, "not_confirmed", "that is not the name; nothing was done")
		}
	}
	done, err := c.Disable(ctx, p.ID)
	if err != nil {
		return err
	}
	a.wrote(c, done.Position)
	return emit(a, "done", done, func(client.Done) {
		a.done("%s is disabled; everything they had has ended.", clean(p.Name))
		a.acted(done)
	})
}

// personNamed finds a person as the gateway does: identifier, address, whole
// name, first name, or the part before the @.
func personNamed(all []client.Person, text string) (client.Person, error) {
	var found []client.Person
	var who []string
	for _, p := range all {
		local, _, _ := strings.Cut(p.Email, "@")
		first, _, _ := strings.Cut(p.Name, " ")
		for _, have := range []string{p.ID, p.Email, p.Name, first, local} {
			if have != "" && strings.EqualFold(have, text) {
				found, who = append(found, p), append(who, p.Name+" "+p.ID)
				break
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return client.Person{}, failed(exitNotFound, "not_found", fmt.Sprintf("there is nobody called %q", clean(text)), "curfew people")
	}
	return client.Person{}, ambiguous("person", text, who)
}

func (a *app) doctorCommand() *cobra.Command {
	var confirm, restored, fromStdin bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check ports, clock, disk and every resource", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if restored {
				return a.confirmRestore(cmd.Context(), fromStdin)
			}
			if confirm {
				return a.confirmClock(cmd.Context(), fromStdin)
			}
			return a.doctor(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&restored, "confirm-restore", false, "say that a restored ledger is the right one")
	cmd.Flags().BoolVar(&confirm, "confirm-clock", false, "say that the gateway's clock is right after it was stepped")
	a.passphraseFlag(cmd, &fromStdin)
	return cmd
}

func (a *app) doctor(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	list, err := c.Doctor(ctx)
	if err != nil {
		return err
	}
	bad := 0
	for _, f := range list.Items {
		if !f.OK && !f.Warn {
			bad++
		}
	}
	err = emitAll(a, "finding", list.Items, func(items []client.Finding) {
		for _, f := range items {
			mark := a.green("✓")
			switch {
			case f.Warn:
				mark = "!"
			case !f.OK:
				mark = "✗"
			}
			a.outf("%s %s  %s\n", mark, cell(f.What, 40), prose(f.Text))
			if f.Fix != "" && (!f.OK || f.Warn) {
				a.outf("    → %s\n", prose(f.Fix))
			}
		}
	})
	if err == nil && bad > 0 {
		return failed(exitFailed, "doctor", plural(bad, "thing")+" to put right")
	}
	return err
}

func (a *app) confirmClock(ctx context.Context, fromStdin bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	done, err := proven(ctx, a, c, proof{"/clock/confirm", "Your passphrase, to say that the clock is right", fromStdin}, byPassphrase,
		func(d client.Decision) (client.Done, error) { return c.ConfirmClock(ctx, d) })
	if err != nil {
		return err
	}
	a.wrote(c, done.Position)
	return emit(a, "done", done, func(client.Done) { a.done("The gateway's clock is taken to be right.") })
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of this program", Args: between(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return emit(a, "version", map[string]string{"version": a.parts.Version}, func(map[string]string) { a.outf("curfew %s\n", clean(a.parts.Version)) })
		},
	}
}

func (a *app) confirmRestore(ctx context.Context, fromStdin bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	done, err := proven(ctx, a, c, proof{"/restore/confirm", "Your passphrase, to say that the restored ledger is the right one", fromStdin}, byPassphrase,
		func(d client.Decision) (client.Done, error) { return c.ConfirmRestore(ctx, d) })
	if err != nil {
		return err
	}
	a.wrote(c, done.Position)
	return emit(a, "done", done, func(client.Done) { a.done("Confirmed. Where there are two administrators, it takes both.") })
}
