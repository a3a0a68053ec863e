package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/say"
)

// mostShown bounds what is shown of a statement that waits: the gateway holds none
// that is longer, so that all of it is seen.
const mostShown = 64 << 10

// showHeld shows a statement that waits, whole: whoever releases it releases exactly this.
func (a *app) showHeld(h client.Held) {
	a.outf("%s\n", a.bold(clean(h.Who)+" wants to "+heldEffects(h)+" on "+clean(h.Resource)))
	switch {
	case h.Text == "":
		a.outf("  (hidden: it is for whoever sent it, and for whoever may release it)\n")
	default:
		a.outf("  │ %s\n", whole(h.Text, "  │ ")) // what is behind the bar is theirs, all else is ours
	}
	for i, v := range h.Values {
		a.outf("    $%d = %s\n", i+1, wholeValue(v))
	}
	rows := [][]string{{"role", clean(h.Role) + " on " + clean(h.Resource)}, {"session", clean(h.Session)}}
	if h.Masked {
		rows = append(rows, []string{"careful", "it sets a secret, which is shown to nobody"})
	}
	if h.Open {
		rows = append(rows, []string{"careful", "its transaction is open meanwhile, and keeps its locks"})
	}
	for _, v := range h.Votes {
		rows = append(rows, []string{"released", clean(v.By) + " " + a.clock(v.At) + touchText(v)})
	}
	rows = append(rows, []string{"status", "waiting " + a.ago(h.Asked) + ", lapses " + a.clock(h.Lapses)}, []string{"decides", names(h.Waiting, "or")})
	if !h.MayDecide && h.WhyNot != "" {
		rows = append(rows, []string{"not you", prose(h.WhyNot)})
	}
	a.table("  ", append(rows, []string{"id", clean(h.ID)}, []string{"digest", cell(h.Digest, 64)}))
}

func heldEffects(h client.Held) string {
	if len(h.Effects) == 0 {
		return "run a statement"
	}
	return prose(strings.Join(h.Effects, ", "))
}

// whole is text of several lines, each harmless, none left out.
func whole(s, indent string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = say.Clean(strings.ReplaceAll(l, "\t", "    "), mostShown*8)
	}
	return strings.Join(lines, "\n"+indent)
}

func wholeValue(v client.Value) string {
	switch {
	case v.Null:
		return "null"
	case v.Binary:
		return "(binary) " + say.Clean(v.Text, mostShown*8)
	}
	return "'" + say.Clean(v.Text, mostShown*8) + "'"
}

// heldWhat is a statement in one line.
func heldWhat(h client.Held) string { return cell(strings.Join(strings.Fields(h.Text), " "), 60) }

// release releases or refuses a statement, exactly as it is shown.
func (a *app) release(ctx context.Context, c *client.Client, line listed, in decideArgs, yes bool) error {
	if in.dur != "" {
		return usage("a statement is released once: --for is for requests")
	}
	h, err := c.Statement(ctx, line.ID)
	switch {
	case err != nil:
		return err
	case line.Digest != "" && line.Digest != h.Digest:
		return failed(exitFailed, "request.changed", "the statement is not the one that was listed", "curfew review")
	case !h.MayDecide:
		return failed(exitDenied, "approver", "you may not decide this: "+prose(h.WhyNot), "curfew show "+clean(h.ID))
	}
	if !a.opt.json && !a.opt.quiet {
		a.showHeld(h)
	}
	verb, prompt, act, done := "refuse", "Your passphrase, to refuse it", c.RefuseStatement, fmt.Sprintf("Refused. %s reads why.", clean(h.Who))
	if yes {
		verb, prompt, act, done = "release", "Your passphrase, to release exactly this, once", c.ReleaseStatement, fmt.Sprintf("Your release of exactly this, once, for %s counts.", clean(h.Who))
	}
	d, err := proven(ctx, a, c, proof{"/statements/" + h.ID + "/" + verb, prompt, in.fromStdin},
		func(pass string) client.Decision {
			return client.Decision{Digest: h.Digest, Why: in.why, Passphrase: pass}
		},
		func(d client.Decision) (client.Done, error) { return act(ctx, h.ID, d) })
	if err != nil {
		return err
	}
	a.wrote(c, d.Position)
	return emit(a, "done", d, func(client.Done) { a.done("%s", done) })
}
