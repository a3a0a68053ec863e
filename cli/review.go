package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

func (a *app) reviewCommand() *cobra.Command {
	return &cobra.Command{
		Use: "review", Short: "What waits for your decision, numbered", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.review(cmd.Context()) },
	}
}

func (a *app) review(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	list, err := c.Requests(ctx, client.Listing{Scope: "review", Position: a.position(c)})
	if err != nil {
		return err
	}
	plans, err := c.Plans(ctx)
	if f := client.FailureOf(err); err != nil && (f == nil || exitOf(f.Fault) != exitDenied) {
		return err // who may not look at plans has none to review
	}
	held, err := c.Statements(ctx)
	if err != nil {
		return err
	}
	held.Items = slices.DeleteFunc(held.Items, func(h client.Held) bool { return !h.MayDecide })
	s := a.state()
	s.Server, s.Listed, s.Lines = c.Server(), a.now(), nil
	for _, r := range list.Items {
		s.Lines = append(s.Lines, listed{r.ID, r.Digest})
	}
	for _, h := range held.Items {
		s.Lines = append(s.Lines, listed{h.ID, h.Digest})
	}
	for _, p := range plans.Items {
		s.Lines = append(s.Lines, listed{p.ID, p.ID})
	}
	a.keep(s)
	if a.opt.json {
		for _, r := range list.Items {
			a.encode(a.parts.Stdout, "request", r)
		}
		for _, h := range held.Items {
			a.encode(a.parts.Stdout, "statement", h)
		}
		for _, p := range plans.Items {
			a.encode(a.parts.Stdout, "plan", p)
		}
		return nil
	}
	a.showReview(list.Items, held.Items, plans.Items)
	return nil
}

func (a *app) showReview(requests []client.Request, held []client.Held, plans []client.Plan) {
	n := len(requests) + len(held) + len(plans)
	if n == 0 {
		a.outf("Nothing to review\n")
		return
	}
	a.outf("%d to review\n", n)
	rows := [][]string{{"#", "who", "what", "for", "why", "waiting", "may decide"}}
	for i, r := range requests {
		what := cell(r.Resource, 40) + " " + cell(r.Role, 40)
		if r.Extends != "" {
			what += " (more time)"
		}
		rows = append(rows, []string{fmt.Sprint(i + 1), cell(r.Who, 30), what, span(r.For), why(r), a.ago(r.Asked), a.deciders(r)})
	}
	for i, h := range held {
		rows = append(rows, []string{fmt.Sprint(len(requests) + i + 1), cell(h.Who, 30), cell(h.Resource, 40) + " one statement", "once", heldWhat(h), a.ago(h.Asked), "you, among " + names(h.Waiting, "and")})
	}
	for i, p := range plans {
		may := "you"
		if !p.MayAgree {
			may = "not you: " + cell(p.WhyNot, 60)
		}
		rows = append(rows, []string{fmt.Sprint(len(requests) + len(held) + i + 1), cell(p.Author, 30), "change of configuration", "", cell(strings.Join(p.Gains, "; "), 60), a.ago(p.At), may})
	}
	a.table("", rows)
	a.note("To see one whole: curfew show 1")
}

// deciders says who may decide, the caller first: "you or Dana".
func (a *app) deciders(r client.Request) string {
	if !r.MayDecide {
		return "not you: " + cell(r.WhyNot, 60)
	}
	_, login, _ := a.connection()
	others := slices.DeleteFunc(slices.Clone(r.Waiting), func(n string) bool { return n == login.Name })
	if len(others) == len(r.Waiting) { // it is not known here which of them the caller is
		return "you, among " + names(r.Waiting, "and")
	}
	return names(append([]string{"you"}, others...), "or")
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID|#", Short: "Show a request, grant, session, plan or waiting statement whole", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.show(cmd.Context(), args[0]) },
	}
}

func (a *app) show(ctx context.Context, text string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	line, ok, err := a.numbered(c, text)
	if err != nil {
		return err
	}
	if ok {
		text = line.ID
	}
	kind, _, _ := strings.Cut(text, "_")
	switch kind {
	case "gr":
		g, err := c.Grant(ctx, text, a.position(c))
		if err != nil {
			return err
		}
		return emit(a, "grant", g, a.showGrant)
	case "s":
		s, err := c.Session(ctx, text, a.position(c))
		if err != nil {
			return err
		}
		return emit(a, "session", s, a.showSession)
	case "st":
		h, err := c.Statement(ctx, text)
		if err != nil {
			return err
		}
		return emit(a, "statement", h, a.showHeld)
	case "plan":
		p, err := findPlan(ctx, c, text)
		if err != nil {
			return err
		}
		return emit(a, "plan", p, func(p client.Plan) { a.showPlan(p, "") })
	}
	r, err := c.Request(ctx, text)
	if err != nil {
		return err
	}
	facts, err := c.Facts(ctx, text)
	if err != nil {
		return err
	}
	return emit(a, "request", knownRequest{r, facts}, func(x knownRequest) { a.showRequest(x.Request, x.Facts) })
}

func findPlan(ctx context.Context, c *client.Client, id string) (client.Plan, error) {
	plans, err := c.Plans(ctx)
	if err != nil {
		return client.Plan{}, err
	}
	i := slices.IndexFunc(plans.Items, func(p client.Plan) bool { return p.ID == id })
	if i < 0 {
		return client.Plan{}, failed(exitNotFound, "not_found", fmt.Sprintf("no plan %q waits for a second person", clean(id)), "curfew review")
	}
	return plans.Items[i], nil
}

// knownRequest is a request with what is known besides what it says.
type knownRequest struct {
	client.Request
	client.Facts
}

// showRequest shows a request whole: the effect first, then who, why, what the
// policy saw, the clocks.
func (a *app) showRequest(r client.Request, known client.Facts) {
	a.outf("%s\n", a.bold(prose(r.Title)))
	rows := [][]string{
		{"who", clean(r.Who)},
		{"role", clean(r.Role) + " on " + clean(r.Resource)},
		{"may", prose(r.Effect)},
	}
	for _, d := range r.Dangers {
		rows = append(rows, []string{"careful", prose(d)})
	}
	rows = append(rows, []string{"for", span(r.For) + a.fromText(r)}, []string{"why", quoted(r.Reason)})
	if r.Workflow != "" {
		rows = append(rows, []string{"workflow", clean(r.Workflow)})
	}
	if r.From != "" {
		rows = append(rows, []string{"asked by", prose(r.From)})
	}
	if r.Extends != "" {
		rows = append(rows, []string{"extends", clean(r.Extends)})
	}
	rows = append(rows, []string{"policy", clean(r.Policy)})
	if r.Sentence != "" {
		rows = append(rows, []string{"", prose(r.Sentence)})
	}
	if r.Risk != "" {
		rows = append(rows, []string{"risk", clean(r.Risk)})
	}
	for _, t := range r.Takes {
		rows = append(rows, []string{"takes", prose(t)})
	}
	for _, s := range r.Open {
		rows = append(rows, []string{"open", a.both(s.From) + " to " + a.both(s.To)})
	}
	for _, s := range r.Frozen {
		rows = append(rows, []string{"frozen", a.both(s.From) + " to " + a.both(s.To)})
	}
	for _, c := range r.Checks {
		rows = append(rows, []string{"saw", prose(c)})
	}
	for _, f := range known.Facts {
		label := "usually"
		if f.Warn {
			label = "stands out"
		}
		rows = append(rows, []string{label, prose(f.Text)})
	}
	for _, v := range r.Votes {
		rows = append(rows, []string{"approved", clean(v.By) + " " + a.clock(v.At) + ", " + span(v.For) + touchText(v)})
	}
	if r.Recorded != "" {
		rows = append(rows, []string{"kept", prose(r.Recorded)})
	}
	a.table("  ", append(rows, a.requestEnd(r)...))
}

func (a *app) fromText(r client.Request) string {
	if r.Start.IsZero() {
		return ", from when it is approved"
	}
	return ", from " + a.both(r.Start)
}

func (a *app) requestEnd(r client.Request) [][]string {
	rows := [][]string{{"status", a.requestState(r)}}
	if r.Status == "pending" {
		rows = append(rows, []string{"asked", a.clock(r.Asked)}, []string{"decides", waitsFor(r)})
		if !r.MayDecide && r.WhyNot != "" {
			rows = append(rows, []string{"not you", prose(r.WhyNot)})
		}
	}
	switch r.Account {
	case "leased":
		rows = append(rows, []string{"account", "a temporary one, removed at the end"})
	case "fixed":
		rows = append(rows, []string{"account", "a fixed one that others share"})
	}
	if r.Grant != "" {
		rows = append(rows, []string{"grant", clean(r.Grant)})
	}
	return append(rows, []string{"id", clean(r.ID)}, []string{"digest", cell(r.Digest, 64)})
}

// quoted is a stranger's words, verbatim but harmless.
func quoted(s string) string { return "“" + prose(s) + "”" }
