package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
)

func (a *app) workflowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "workflow", Short: "Incidents, tickets, changes that are open now", Args: a.known,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.workflows(cmd.Context()) },
	}
	var in client.Workflow
	open := &cobra.Command{
		Use: "open ID", Short: "Open a workflow, or say who it is assigned to now", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			in.ID = args[0]
			w, err := c.OpenWorkflow(cmd.Context(), in)
			if err != nil {
				return err
			}
			return emit(a, "workflow", w, func(w client.Workflow) { a.done("%s %s is open.", sentenceWord(clean(w.Kind)), clean(w.ID)) })
		},
	}
	f := open.Flags()
	f.StringVar(&in.Kind, "kind", string(curfew.Incident), "incident, maintenance, change, ticket, deploy or debugging")
	f.StringVar(&in.Title, "title", "", "what it is about")
	f.StringVar(&in.Assignee, "assignee", "", "whose it is")
	f.StringArrayVar(&in.Resources, "on", nil, "a resource it is about; may be repeated")
	closing := &cobra.Command{
		Use: "close ID", Short: "Close a workflow: what rests on it ends", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			done, err := c.CloseWorkflow(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			a.wrote(c, done.Position)
			return emit(a, "done", done, func(client.Done) {
				a.done("%s is closed; what rested on it has ended.", clean(args[0]))
				a.acted(done)
			})
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "List the workflows that are open", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.workflows(cmd.Context()) },
	}
	cmd.AddCommand(open, closing, list)
	return cmd
}

func sentenceWord(s string) string { return strings.TrimRight(sentence(s), ".") }

func (a *app) workflows(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	list, err := c.Workflows(ctx)
	if err != nil {
		return err
	}
	return emitAll(a, "workflow", list.Items, func(items []client.Workflow) {
		if len(items) == 0 {
			a.note("No incident, ticket or change is open.")
			return
		}
		var rows [][]string
		for _, w := range items {
			assigned := "nobody's"
			if w.Assignee != "" {
				assigned = cell(w.Assignee, 30)
			}
			rows = append(rows, []string{cell(w.ID, 40), cell(w.Kind, 20), cell(w.Title, 60), assigned, fmt.Sprintf("open %s", a.ago(w.Opened)), names(w.Resources, "and")})
		}
		a.table("", rows)
	})
}
