package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/client"
)

// pick completes a name from a list; where several fit, a person is asked. A
// name that is unknown is an error, unless strange ones may pass.
func (a *app) pick(ctx context.Context, thing string, known []string, text string, strange bool) (string, error) {
	var found []string
	for _, k := range known {
		if k == text {
			return k, nil
		}
		if strings.HasPrefix(k, text) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && strange:
		return text, nil
	case len(found) == 0:
		what := fmt.Sprintf("there is no %s %q that you have or could ask for", thing, clean(text))
		if len(known) > 0 {
			what += "; there are " + names(known, "and")
		}
		return "", failed(exitNotFound, "not_found", what, "curfew find")
	case !a.asks():
		return "", ambiguous(thing, text, found)
	}
	for i, f := range found {
		a.errf("  %d  %s\n", i+1, cell(f, 60))
	}
	return a.choose(ctx, found)
}

// choose asks for one of a numbered list.
func (a *app) choose(ctx context.Context, list []string) (string, error) {
	text, err := a.line(ctx, "Choose", "1")
	if err != nil {
		return "", err
	}
	for i, x := range list {
		if text == fmt.Sprint(i+1) || text == x {
			return x, nil
		}
	}
	return "", usage(fmt.Sprintf("%q is not in the list", clean(text)))
}

// resourcesOf lists the resources that offers and grants name.
func resourcesOf(offers []client.Offer, grants []client.Grant) []string {
	seen := map[string]bool{}
	var out []string
	add := func(name string) {
		if !seen[name] {
			out, seen[name] = append(out, name), true
		}
	}
	for _, g := range grants {
		add(g.Resource)
	}
	for _, o := range offers {
		add(o.Resource)
	}
	return out
}
