package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

func (a *app) requestsCommand() *cobra.Command {
	var review, all bool
	var in client.Listing
	cmd := &cobra.Command{
		Use: "requests", Short: "Your requests, lapsed ones too", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case all:
				in.Scope = "all"
			case review:
				in.Scope = "review"
			}
			return a.requests(cmd.Context(), in)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&review, "review", false, "those that you may decide")
	f.BoolVar(&all, "all", false, "everybody's, for administrators and auditors")
	f.StringVar(&in.Status, "status", "", "pending, approved, denied, withdrawn, lapsed or voided")
	f.IntVar(&in.Limit, "limit", 0, "at most this many")
	return cmd
}

func (a *app) requests(ctx context.Context, in client.Listing) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	in.Position = a.position(c)
	found, behind, err := gather(ctx, in, c.Requests, func(client.Request) bool { return true })
	if err != nil {
		return err
	}
	return emitAll(a, "request", found, func(items []client.Request) {
		if len(items) == 0 {
			a.note("No requests. What you can ask for: curfew find")
			return
		}
		rows := [][]string{{"who", "what", "for", "why", "status", "id"}}
		for _, r := range items {
			rows = append(rows, []string{cell(r.Who, 30), cell(r.Role, 40) + " on " + cell(r.Resource, 40), span(r.For), why(r), a.requestState(r), clean(r.ID)})
		}
		a.table("", rows)
		if behind {
			a.note("This list is older than your last change; look again in a moment.")
		}
	})
}

func why(r client.Request) string {
	text := cell(r.Reason, 40)
	if r.Workflow != "" {
		text += " " + cell(r.Workflow, 20)
	}
	return text
}

func (a *app) requestState(r client.Request) string {
	switch r.Status {
	case "pending":
		return "waiting " + a.ago(r.Asked) + ", lapses " + a.clock(r.Lapses)
	case "denied":
		text := "denied"
		if r.DecidedBy != "" {
			text += " by " + cell(r.DecidedBy, 30)
		}
		if r.Answer != "" {
			text += ": " + cell(r.Answer, 60)
		}
		return text
	case "lapsed", "voided", "withdrawn":
		return r.Status + "; ask again: curfew request " + cell(r.Role, 60)
	}
	return clean(r.Status)
}

func (a *app) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel [ID]", Short: "Withdraw a request of yours", Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			id, err := a.pendingID(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			r, err := c.Withdraw(cmd.Context(), id)
			if err != nil {
				return err
			}
			a.wrote(c, r.Position)
			return emit(a, "request", r, func(r client.Request) {
				a.done("Withdrawn: %s on %s.", clean(r.Role), clean(r.Resource))
			})
		},
	}
}

// pendingID is the request that was named, or the only one that waits.
func (a *app) pendingID(ctx context.Context, c *client.Client, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	list, err := c.Requests(ctx, client.Listing{Status: "pending", Position: a.position(c)})
	if err != nil {
		return "", err
	}
	var ids []string
	for _, r := range list.Items {
		if r.Status == "pending" {
			ids = append(ids, r.ID)
		}
	}
	switch len(ids) {
	case 1:
		return ids[0], nil
	case 0:
		return "", failed(exitNotFound, "not_found", "no request of yours waits", "curfew requests")
	}
	return "", failed(exitNotFound, "ambiguous", fmt.Sprintf("%d requests of yours wait: which one?", len(ids)), "curfew requests")
}

func (a *app) findCommand() *cobra.Command {
	return &cobra.Command{
		Use: "find [WORD]", Short: "What you can ask for now", Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := c.Find(cmd.Context())
			if err != nil {
				return err
			}
			offers := list.Items
			if len(args) == 1 {
				offers = []client.Offer{}
				for _, o := range list.Items {
					if strings.Contains(o.Resource, args[0]) || strings.Contains(o.Role, args[0]) {
						offers = append(offers, o)
					}
				}
			}
			return emitAll(a, "offer", offers, a.showOffers)
		},
	}
}

func (a *app) showOffers(offers []client.Offer) {
	if len(offers) == 0 {
		a.note("There is nothing that you can ask for now. To see why not: curfew why <you> <role>")
		return
	}
	var rows [][]string
	for _, o := range offers {
		rows = append(rows, append([]string{cell(o.Resource, 40)}, offerColumns(o)...))
	}
	a.table("", rows)
}

// offerColumns are role, effect, what it takes, how long.
func offerColumns(o client.Offer) []string {
	takes := "no approval needed"
	if len(o.Approvals) > 0 {
		takes = cell(strings.Join(o.Approvals, "; "), 60)
	}
	if o.Workflow != "" {
		takes += ", for " + cell(o.Workflow, 30)
	}
	long := ""
	if o.Longest != "" {
		long = "up to " + span(o.Longest)
	}
	if o.Usual != "" {
		long += ", you usually use " + span(o.Usual)
	}
	if o.Grant != "" {
		takes, long = "you have it now", ""
	}
	return []string{cell(o.Role, 40), cell(o.Effect, 60), takes, long}
}
