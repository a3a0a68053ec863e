package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/config"
	"github.com/curfewhq/curfew/say"
)

func (a *app) whyCommand() *cobra.Command {
	var in client.WhyQuery
	var at string
	cmd := &cobra.Command{
		Use: "why PERSON ROLE", Short: "Say whether somebody can have a role, now or at a past moment, and why", Args: between(2, 2),
		Example: "  curfew why alice orders/admin\n  curfew why me orders/admin --at \"yesterday 23:10\"",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Person = args[0]; in.Person == "me" {
				in.Person = ""
			}
			in.Role = args[1]
			if in.At, err = a.pastTime(at); err != nil {
				return err
			}
			if in.For != "" {
				d, err := parseFor(in.For)
				if err != nil {
					return err
				}
				in.For = d.String()
			}
			return a.answer(cmd.Context(), in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Resource, "on", "", "the resource, where the role is for several")
	f.StringVar(&in.For, "for", "", "for how long")
	f.StringVar(&in.Workflow, "workflow", "", "for this incident, ticket or change")
	f.StringVar(&at, "at", "", "a past moment: 14:00, \"yesterday 23:10\"")
	return cmd
}

func (a *app) pastTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return parseWhen(text, a.now(), true)
}

// answer exits 0 whatever the answer: the question was answered.
func (a *app) answer(ctx context.Context, in client.WhyQuery) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	ans, err := c.Why(ctx, in)
	if err != nil {
		return err
	}
	return emit(a, "answer", ans, func(x client.Answer) {
		for _, line := range strings.Split(x.Text, "\n") {
			a.outf("%s\n", prose(line))
		}
		if x.Has != "" {
			a.outf("Has it now: %s\n", clean(x.Has))
		}
	})
}

func (a *app) whoCanCommand() *cobra.Command {
	var role, at string
	cmd := &cobra.Command{
		Use: "who-can RESOURCE", Short: "Say who could reach a resource, now or at a past moment, and by which path", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := a.pastTime(at)
			if err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			reach, err := c.WhoCan(cmd.Context(), args[0], role, when)
			if err != nil {
				return err
			}
			return emit(a, "reach", reach, a.showReach)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "only by this role")
	cmd.Flags().StringVar(&at, "at", "", "a past moment: 14:00, \"yesterday 23:10\"")
	return cmd
}

func (a *app) canCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "can [PERSON]", Short: "Say what somebody could reach, now or at a past moment, and by which path", Args: between(0, 1),
		Example: "  curfew can\n  curfew can alice --at \"yesterday 23:10\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := a.pastTime(at)
			if err != nil {
				return err
			}
			person := ""
			if len(args) == 1 && args[0] != "me" {
				person = args[0]
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			reach, err := c.Reach(cmd.Context(), person, when)
			if err != nil {
				return err
			}
			return emit(a, "reachable", reach, a.showReachable)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "a past moment: 14:00, \"yesterday 23:10\"")
	return cmd
}

func (a *app) showReachable(r client.Reachable) {
	if len(r.Paths) == 0 {
		a.outf("%s can reach nothing, and can ask for nothing, %s\n", clean(r.Person.Name), a.clock(r.At))
		return
	}
	a.outf("%s by which %s can reach something, %s\n", plural(len(r.Paths), "way"), clean(r.Person.Name), a.clock(r.At))
	var rows [][]string
	for _, p := range r.Paths {
		until := ""
		if !p.Until.IsZero() {
			until = "until " + a.clock(p.Until)
		}
		rows = append(rows, []string{cell(p.Resource, 30), cell(p.How, 12), cell(p.Role, 40), cell(p.Effect, 60), "policy " + cell(p.Policy, 40), until, cell(p.Why, 80)})
	}
	a.table("  ", rows)
}

func (a *app) showReach(r client.Reach) {
	if len(r.Paths) == 0 {
		a.outf("Nobody can reach %s\n", clean(r.Resource))
		return
	}
	a.outf("%s by which %s can be reached, %s\n", plural(len(r.Paths), "way"), clean(r.Resource), a.clock(r.At))
	var rows [][]string
	for _, p := range r.Paths {
		until := ""
		if !p.Until.IsZero() {
			until = "until " + a.clock(p.Until)
		}
		rows = append(rows, []string{cell(p.Person.Name, 30), cell(p.How, 12), cell(p.Role, 40), cell(p.Effect, 60), "policy " + cell(p.Policy, 40), until, cell(p.Why, 80)})
	}
	a.table("  ", rows)
}

func (a *app) explainCommand() *cobra.Command {
	var in applyArgs
	cmd := &cobra.Command{
		Use: "explain [POLICY]", Short: "Read policies aloud: the gateway's, or those of a file", Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			want := ""
			if len(args) == 1 {
				want = args[0]
			}
			return a.explain(cmd.Context(), want, in)
		},
	}
	fileFlag(cmd, &in)
	return cmd
}

func (a *app) explain(ctx context.Context, want string, in applyArgs) error {
	var all []client.Policy
	var retention string // the rule for recordings
	var err error
	if len(in.files) > 0 {
		all, retention, err = a.policiesOf(in.files)
	} else {
		all, retention, err = a.serverPolicies(ctx)
	}
	if err != nil {
		return err
	}
	if want != "" {
		var known []string
		for _, p := range all {
			known = append(known, p.Name)
		}
		if want, err = a.pick(ctx, "policy", known, want, false); err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(p client.Policy) bool { return p.Name != want })
	}
	return emitAll(a, "policy", all, func(items []client.Policy) {
		for i, p := range items {
			if i > 0 {
				a.outf("\n")
			}
			a.outf("%s\n  %s\n", a.bold(clean(p.Name)), prose(p.Sentence))
		}
		if retention != "" && want == "" {
			a.outf("\n%s\n", prose(retention))
		}
	})
}

func (a *app) serverPolicies(ctx context.Context) ([]client.Policy, string, error) {
	c, err := a.client()
	if err != nil {
		return nil, "", err
	}
	list, err := c.Policies(ctx)
	if err != nil {
		return nil, "", err
	}
	r, _ := c.Retention(ctx) // a gateway may be older than this
	return list.Items, r.Sentence, nil
}

// policiesOf reads the policies of files aloud. Who is who is the gateway's to
// know: people are their addresses here.
func (a *app) policiesOf(paths []string) ([]client.Policy, string, error) {
	files, err := a.readFiles(paths)
	if err != nil {
		return nil, "", err
	}
	file, found := parseLocally(files)
	if file == nil || config.Failed(found) {
		p := client.Plan{Problems: clientProblems(found)}
		a.problems(p)
		return nil, "", broken(p)
	}
	c, found := config.Resolve(file, func(email string) (curfew.Principal, bool) { return curfew.Principal(email), true }, nil)
	if config.Failed(found) {
		p := client.Plan{Problems: clientProblems(found)}
		a.problems(p)
		return nil, "", broken(p)
	}
	var out []client.Policy
	for _, p := range c.Policies {
		v := client.Policy{Name: string(p.Name), Sentence: say.Policy(p, nil)}
		for _, r := range p.Roles {
			v.Roles = append(v.Roles, string(r))
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(x, y client.Policy) int { return strings.Compare(x.Name, y.Name) })
	return out, say.Retention(c.Retention.Recordings), nil
}
