package policy

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew"
)

// checkWorkflow asks for the workflow named in the request.
func (r *ready) checkWorkflow(need curfew.WorkflowNeed, f Facts) Check {
	c := Check{Rule: RuleWorkflow, Need: "needs " + article(need.Kind)}
	if need.AssignedToRequester {
		c.Need += " assigned to the requester"
	}
	if !need.AcceptSelfDeclared && len(r.Approvals) == 0 {
		c.Need += " opened by someone else"
	}
	c.Saw, c.Fix = r.unmet(need, f)
	if c.OK = c.Fix == ""; c.OK {
		c.Saw = string(f.Workflow.ID) + " is open"
	}
	return c
}

func article(kind curfew.WorkflowKind) string {
	return "an open " + string(kind)
}

// unmet returns what is wrong with the workflow and what to do; empty if nothing is.
//
// One that the requester, or nobody known, brought about never stands in for
// another person: it counts where the policy also asks people to agree, or says
// that it accepts it (THREATS 9).
func (r *ready) unmet(need curfew.WorkflowNeed, f Facts) (saw, fix string) {
	w := f.Workflow
	another := fmt.Sprintf("name an open %s", need.Kind)
	switch {
	case w == nil || w.ID == "":
		return "none named", another
	case w.Kind != need.Kind:
		return fmt.Sprintf("%s is of another kind: %s", w.ID, w.Kind), another
	case !w.Open || !w.ClosedAt.IsZero():
		return closedText(w), another
	case w.OpenedAt.After(f.Now):
		return fmt.Sprintf("%s is not open yet", w.ID), another
	case len(w.Resource) > 0 && !slices.Contains(w.Resource, f.Resource.Name):
		return fmt.Sprintf("%s is not about %s", w.ID, f.Resource.Name), another + " that covers it"
	case need.AssignedToRequester && (w.Assignee == "" || w.Assignee != f.Principal):
		return fmt.Sprintf("%s is assigned to somebody else", w.ID), "have it assigned to the requester by someone else"
	case need.AcceptSelfDeclared || len(r.Approvals) > 0 || byOthers(w, f):
		return "", ""
	default:
		return fmt.Sprintf("%s was opened or changed by the requester, or by nobody known", w.ID),
			"have someone else open it, or ask for a role that another person approves"
	}
}

func closedText(w *curfew.Workflow) string {
	if w.ClosedAt.IsZero() {
		return fmt.Sprintf("%s is not open", w.ID)
	}
	return fmt.Sprintf("%s closed on %s", w.ID, w.ClosedAt.UTC().Format("Mon 2 Jan 15:04 UTC"))
}

// byOthers reports whether everybody who brought it about is known and is not
// the requester by any name.
func byOthers(w *curfew.Workflow, f Facts) bool {
	return len(w.Actors) > 0 && !slices.ContainsFunc(w.Actors, func(p curfew.Principal) bool {
		return p == "" || p == f.Principal || slices.Contains(f.Self, p)
	})
}
