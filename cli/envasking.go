package cli

import (
	"context"

	"github.com/curfewhq/curfew/client"
)

// envAsking prints variables with which nothing is had yet: the first client that
// connects with them asks, and is kept waiting for the answer.
func (a *app) envAsking(ctx context.Context, resource string, in connectArgs) error {
	switch {
	case in.noWait:
		return usage("--no-wait is for asking now; --ask-on-connect asks later")
	case in.role == "":
		return usage("which role? Add --role: a connection asks for that one, and for nothing else")
	case in.reason == "":
		return usage("why? Add --reason: whoever decides reads it")
	case in.dur == "":
		return usage("how long? Add --for, for example --for 45m")
	}
	d, err := parseFor(in.dur)
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	found, err := c.Find(ctx)
	if err != nil {
		return err
	}
	if resource, err = a.pick(ctx, "resource", resourcesOf(found.Items, nil), resource, true); err != nil {
		return err
	}
	var offers []client.Offer
	for _, o := range found.Items {
		if o.Resource == resource {
			offers = append(offers, o)
		}
	}
	role, err := roleNamed(offers, in.role)
	if err != nil {
		return err
	}
	cred, err := c.Asking(ctx, client.Ask{Role: role, Resource: resource, For: d.String(), Reason: in.reason, Workflow: in.workflow})
	if err != nil {
		return err
	}
	return a.printEnv(cred, envJSON{Asks: role, Resource: resource}, "asking", func() {
		a.note("Nothing is asked yet. The first client that connects asks for %s on %s for %s, once, and waits. These work until %s.",
			clean(role), clean(resource), span(d.String()), a.both(cred.Until))
	})
}
