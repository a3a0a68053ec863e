package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

// askArgs are the flags of what asks for a role.
type askArgs struct {
	on, dur, reason, workflow, start string
	wait, noWait                     bool
	usual                            string // how long the caller usually uses the role
}

func (a *app) requestCommand() *cobra.Command {
	var in askArgs
	cmd := &cobra.Command{
		Use: "request ROLE", Aliases: []string{"ask"}, Short: "Ask for a role", Args: between(1, 1),
		Example: `  curfew request orders/refund-fixer --for 45m --reason "refunds stuck in pending" --workflow INC-1423`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.request(cmd.Context(), args[0], in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.on, "on", "", "the resource, where the role is for several")
	f.StringVar(&in.dur, "for", "", "how long: 45m, 2h")
	f.StringVar(&in.reason, "reason", "", "why; the person who decides reads it")
	f.StringVar(&in.workflow, "workflow", "", "the incident, ticket or change that it is for")
	f.StringVar(&in.start, "start", "", "when it is to start: 14:00, \"tomorrow 9:00\"")
	f.BoolVar(&in.wait, "wait", true, "wait for the answer")
	f.BoolVar(&in.noWait, "no-wait", false, "do not wait for the answer")
	return cmd
}

func (a *app) request(ctx context.Context, role string, in askArgs) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	offers, err := c.Find(ctx)
	if err != nil {
		return err
	}
	if role, err = roleNamed(offers.Items, role); err != nil {
		return err
	}
	if in.on != "" {
		if in.on, err = a.pick(ctx, "resource", resourcesOf(offers.Items, nil), in.on, true); err != nil {
			return err
		}
	}
	in.usual = usualOf(offers.Items, role, in.on)
	r, err := a.ask(ctx, c, role, in)
	if err != nil {
		return err
	}
	if in.noWait || !in.wait {
		return a.unanswered(r)
	}
	r, err = a.await(ctx, c, r)
	if err != nil {
		return err
	}
	return a.answered(ctx, c, r)
}

// usualOf is how long the caller usually uses a role; "" where that is not known.
func usualOf(offers []client.Offer, role, resource string) string {
	for _, o := range offers {
		if o.Role == role && (resource == "" || o.Resource == resource) {
			return o.Usual
		}
	}
	return ""
}

// roleNamed completes a role's name. One that is not offered goes to the server
// as it is, which says why it cannot be had.
func roleNamed(offers []client.Offer, text string) (string, error) {
	seen := map[string]bool{}
	var found []string
	for _, o := range offers {
		if o.Role == text {
			return text, nil
		}
		if strings.HasPrefix(o.Role, text) && !seen[o.Role] {
			found, seen[o.Role] = append(found, o.Role), true
		}
	}
	switch len(found) {
	case 0:
		return text, nil
	case 1:
		return found[0], nil
	}
	return "", ambiguous("role", text, found)
}

func ambiguous(thing, text string, found []string) error {
	return failed(exitNotFound, "ambiguous", fmt.Sprintf("%q fits %d %ss: %s", clean(text), len(found), thing, names(found, "and")))
}

// ask asks for a role, and for what is missing where somebody is there to ask.
func (a *app) ask(ctx context.Context, c *client.Client, role string, in askArgs) (client.Request, error) {
	var none client.Request
	var err error
	if in.reason == "" {
		if !a.asks() {
			return none, usage("why? Add --reason: whoever decides reads it")
		}
		if in.reason, err = a.line(ctx, "Why?", ""); err != nil {
			return none, err
		}
	}
	if in.dur == "" {
		if !a.asks() {
			return none, usage("how long? Add --for, for example --for 45m")
		}
		question := "How long?"
		if in.usual != "" {
			question = "How long? You usually use " + span(in.usual) + "."
		}
		if in.dur, err = a.line(ctx, question, "30m"); err != nil {
			return none, err
		}
	}
	d, err := parseFor(in.dur)
	if err != nil {
		return none, err
	}
	ask := client.Ask{Role: role, Resource: in.on, For: d.String(), Reason: in.reason, Workflow: in.workflow}
	if in.start != "" {
		if ask.Start, err = parseWhen(in.start, a.now(), false); err != nil {
			return none, err
		}
	}
	r, err := c.Ask(ctx, ask)
	if err == nil {
		a.wrote(c, r.Position)
	}
	return r, err
}

// The times between looks at a request that waits.
const (
	firstLook = 100 * time.Millisecond
	laterLook = time.Second
)

// await waits for the answer to a request, as long as --timeout allows; it comes
// back pending when that is over.
func (a *app) await(ctx context.Context, c *client.Client, r client.Request) (client.Request, error) {
	if r.Status != "pending" {
		return r, nil
	}
	begun := time.Now()
	told := ""
	for look := firstLook; r.Status == "pending"; look = min(look*2, laterLook) {
		if text := "Asked. " + sentence(waitsFor(r)); text != told && !a.live {
			a.note("%s Lapses %s. (Ctrl-C leaves it pending)", text, a.both(r.Lapses))
			told = text
		} else if a.live && !a.opt.quiet && !a.opt.json {
			a.errf("\r\x1b[KAsked. %s   %s  (Ctrl-C leaves it pending)", waitsFor(r), minutes(time.Since(begun)))
		}
		if a.opt.timeout > 0 && time.Since(begun) >= a.opt.timeout {
			break
		}
		select {
		case <-ctx.Done():
			a.endLine()
			a.note("Still pending: curfew requests. To withdraw it: curfew cancel %s", clean(r.ID))
			return r, ctx.Err()
		case <-time.After(look):
		}
		next, err := c.Request(ctx, r.ID)
		if f := client.FailureOf(err); err != nil && ctx.Err() == nil && (f == nil || f.Status != 0 || time.Since(begun) > time.Minute) {
			a.endLine()
			return r, err // a gateway that restarts is given a minute
		}
		if err == nil {
			r = next
		}
	}
	a.endLine()
	return r, nil
}

// endLine clears the line that await redraws.
func (a *app) endLine() {
	if a.live && !a.opt.quiet && !a.opt.json {
		a.errf("\r\x1b[K")
	}
}

// unanswered ends a command whose request waits.
func (a *app) unanswered(r client.Request) error {
	if r.Status != "pending" {
		return a.verdict(r)
	}
	return errorsAfter(emit(a, "request", r, func(r client.Request) {
		a.outf("Asked. %s Lapses %s.   %s\n", sentence(waitsFor(r)), a.both(r.Lapses), clean(r.ID))
	}), exit{code: exitWaiting})
}

func errorsAfter(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// verdict is the error that a request without a grant ends in; nil: it has one.
func (a *app) verdict(r client.Request) error {
	again := "curfew request " + clean(r.Role)
	switch r.Status {
	case "pending":
		return failed(exitWaiting, "waiting", "nobody has answered yet: "+waitsFor(r)+", and it lapses "+a.both(r.Lapses), "curfew show "+clean(r.ID))
	case "denied":
		what := "denied"
		if r.DecidedBy != "" {
			what = clean(r.DecidedBy) + " denied it"
		}
		if r.Answer != "" {
			what += fmt.Sprintf(": %q", prose(r.Answer))
		}
		return failed(exitDenied, "denied", what, again)
	case "lapsed":
		return failed(exitLapsed, "lapsed", "nobody answered in time: it lapsed "+a.clock(r.Lapses), again)
	case "withdrawn":
		return failed(exitLapsed, "withdrawn", "the request was withdrawn", again)
	case "voided":
		return failed(exitLapsed, "voided", "what was asked for changed while it waited, so the request is void", again)
	}
	return nil
}

// answered shows what a request came to.
func (a *app) answered(ctx context.Context, c *client.Client, r client.Request) error {
	if err := a.verdict(r); err != nil {
		if a.opt.json {
			a.encode(a.parts.Stdout, "request", r)
		}
		return err
	}
	if a.opt.json {
		a.encode(a.parts.Stdout, "request", r)
		return nil
	}
	g, err := a.granted(ctx, c, r)
	if err != nil {
		return err
	}
	a.done("%s", a.approvalText(r, g))
	a.outf("  curfew connect %s\n", clean(g.Resource))
	return nil
}

func (a *app) granted(ctx context.Context, c *client.Client, r client.Request) (client.Grant, error) {
	if r.Grant == "" {
		return client.Grant{}, failed(exitFailed, "grant.none", "the request is approved, and there is no grant yet", "curfew grants")
	}
	return c.Grant(ctx, r.Grant, r.Position)
}
