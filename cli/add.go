package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

func (a *app) addCommand() *cobra.Command {
	var setup bool
	var name string
	cmd := &cobra.Command{
		Use: "add (--setup RESOURCE | ssh://USER@HOST)", Short: "Print what the owner of a target runs once, so that the gateway's login there needs no rights",
		Long:    "With --setup, print what the owner of a target runs there once, so that the gateway's own\nlogin can make and remove this deployment's temporary accounts and nothing else.\nThe resource stands in curfew.yaml already, with the login that is to call it.\n\nWith the address of an SSH host, print what to write into curfew.yaml for it, its host key included.",
		Example: "  curfew add --setup orders-db > setup.sql\n  psql -U postgres -d orders -v ON_ERROR_STOP=1 -f setup.sql\n  curfew add --setup web-1 > setup.sh\n  ssh root@web-1 sh -s deploy < setup.sh\n  curfew add ssh://deploy@web-1.internal",
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !setup && strings.Contains(args[0], "://") {
				return a.addSSH(cmd.Context(), args[0], name)
			}
			if !setup {
				return usage("a resource is added in curfew.yaml; only its set-up is printed here", "curfew add --setup "+clean(args[0]))
			}
			return a.setup(cmd.Context(), args[0])
		},
	}
	cmd.Flags().BoolVar(&setup, "setup", false, "print the set-up of a resource")
	cmd.Flags().StringVar(&name, "name", "", "what to call an SSH host that is added")
	return cmd
}

func (a *app) setup(ctx context.Context, resource string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	got, err := c.Setup(ctx, resource)
	if err != nil {
		return err
	}
	return emit(a, "setup", got, func(got client.Setup) {
		for _, line := range got.Lines {
			a.outf("%s\n", prose(line))
		}
	})
}
