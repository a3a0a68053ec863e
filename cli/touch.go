package cli

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

// proof is what a change needs besides a sign-in: of whoever has a passkey its touch, in
// their browser, and of others their passphrase.
type proof struct {
	path   string // of the change
	prompt string // for the passphrase
	stdin  bool
}

// touchText says of a vote that a passkey was touched for it.
func touchText(v client.Vote) string {
	if v.Passkey {
		return ", by passkey"
	}
	return ""
}

func (a *app) passkeysCommand() *cobra.Command {
	return &cobra.Command{
		Use: "passkeys", Short: "List your passkeys; they are made and removed in the console's settings", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			all, err := c.Passkeys(cmd.Context())
			if err != nil {
				return err
			}
			return emit(a, "passkeys", all, func(all client.List[client.Passkey]) {
				if len(all.Items) == 0 {
					a.outf("You have no passkey: your passphrase decides. Make one in the console's settings.\n")
					return
				}
				rows := [][]string{}
				for _, k := range all.Items {
					rows = append(rows, []string{cell(k.ID, 12), "added " + a.clock(k.Added), "for " + clean(k.Origin)})
				}
				a.table("", rows)
			})
		},
	}
}

// byPassphrase is the body of a change that says no more than that it is meant.
func byPassphrase(passphrase string) client.Decision { return client.Decision{Passphrase: passphrase} }

// touchEvery is how often the command line looks whether somebody has touched.
const touchEvery = 500 * time.Millisecond

// proven makes a change that takes a proof. A command line never sees the touch: it has
// the gateway keep the change, and its owner looks at it and touches on the gateway's page.
func proven[B, T any](ctx context.Context, a *app, c *client.Client, p proof, body func(passphrase string) B, act func(B) (T, error)) (out T, err error) {
	me := client.Me{}
	if !p.stdin { // a passphrase that is given is tried: the gateway says what it takes
		if me, err = c.Me(ctx); err != nil {
			return out, err
		}
	}
	if me.Passkey {
		return touchFor[T](ctx, a, c, client.TouchAsk{Path: p.path, Body: body("")})
	}
	pass, err := a.passphrase(ctx, p.stdin, p.prompt)
	if err != nil {
		return out, err
	}
	return act(body(pass))
}

func touchFor[T any](ctx context.Context, a *app, c *client.Client, in client.TouchAsk) (out T, err error) {
	t, err := c.AskTouch(ctx, in)
	if err != nil {
		return out, err
	}
	a.note("This takes the touch of your passkey. Open %s in a browser where you are signed in (until %s).", clean(t.Page), a.clock(t.Until))
	id := t.ID
	defer func() {
		if ctx.Err() != nil {
			a.dropTouch(ctx, c, id)
		}
	}()
	tick := time.NewTicker(touchEvery)
	defer tick.Stop()
	for {
		switch t.Status {
		case "done":
			text, err := json.Marshal(t.Result)
			if err == nil {
				err = json.Unmarshal(text, &out)
			}
			return out, err
		case "failed":
			if t.Fault != nil {
				return out, &client.Failure{Fault: *t.Fault}
			}
			return out, failed(exitFailed, "touch.over", "nothing was changed")
		}
		select {
		case <-ctx.Done():
			return out, context.Cause(ctx)
		case <-tick.C:
		}
		if t, err = c.TouchState(ctx, id); err != nil {
			if f := client.FailureOf(err); f != nil && f.Code == "touch.unknown" {
				return out, failed(exitLapsed, "touch.unknown", "nobody touched in time; nothing was changed")
			}
			return out, err
		}
	}
}

// dropTouch takes back what nobody waits for any more.
func (a *app) dropTouch(ctx context.Context, c *client.Client, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, _ = c.DropTouch(ctx, id) // it lapses by itself
}
