package access

import (
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

// OpenWorkflow opens an incident, maintenance, change, ticket, deploy or
// debugging session, or says who it is assigned to now. Whoever does is one of
// its actors: access that rests on it does not count it as somebody else's word.
type OpenWorkflow struct {
	ID        curfew.WorkflowID
	Kind      curfew.WorkflowKind
	Title     string
	Assignee  curfew.Principal
	Resources []curfew.ResourceName
	By        curfew.Principal
}

func (c OpenWorkflow) decide(st *State, now time.Time) ([]Fact, error) {
	if err := st.mustBeEnabled(c.By); err != nil {
		return nil, err
	}
	if err := curfew.CheckName(string(c.ID)); err != nil {
		return nil, err
	}
	if !slices.Contains(curfew.WorkflowKinds(), c.Kind) {
		return nil, curfew.Errorf(curfew.Invalid, "%q is no kind of workflow", c.Kind).WithFix("one of %v", curfew.WorkflowKinds())
	}
	if c.Assignee != "" && st.People[c.Assignee] == nil {
		return nil, curfew.Errorf(curfew.NotFound, "the assignee is not known")
	}
	if len(c.Title) > 200 {
		return nil, curfew.Errorf(curfew.Invalid, "the title is longer than 200 bytes")
	}
	w := curfew.Workflow{ID: c.ID, Kind: c.Kind, Title: c.Title, Open: true, Assignee: c.Assignee, Resource: c.Resources, OpenedAt: now, Actors: []curfew.Principal{c.By}}
	if old := st.Workflows[c.ID]; old != nil {
		if old.Kind != c.Kind {
			return nil, curfew.Errorf(curfew.Conflict, "%s is open as %s", c.ID, old.Kind)
		}
		w.OpenedAt = old.OpenedAt
		w.Actors = old.Actors
		if !slices.Contains(w.Actors, c.By) {
			w.Actors = append(slices.Clone(w.Actors), c.By)
		}
	}
	return []Fact{{curfew.KindWorkflowOpened, curfew.WorkflowChanged{Workflow: w, By: c.By}}}, nil
}

// CloseWorkflow closes it and ends every grant that rests on it.
type CloseWorkflow struct {
	ID curfew.WorkflowID
	By curfew.Principal
}

func (CloseWorkflow) takesAway() bool { return true }
func (c CloseWorkflow) decide(st *State, now time.Time) ([]Fact, error) {
	w := st.Workflows[c.ID]
	if w == nil {
		return nil, curfew.Errorf(curfew.NotFound, "no workflow %s is open", c.ID)
	}
	if !slices.Contains(w.Actors, c.By) && w.Assignee != c.By {
		if err := st.mustBeAdmin(c.By, "close a workflow of others"); err != nil {
			return nil, err
		}
	}
	closed := *w
	closed.Open, closed.ClosedAt = false, now
	facts := []Fact{{curfew.KindWorkflowClosed, curfew.WorkflowChanged{Workflow: closed, By: c.By}}}
	for _, g := range st.Grants {
		if g.Live() && g.Workflow == c.ID && len(st.Config.Policies[g.Policy].Workflows) > 0 {
			facts = append(facts, ended(g, curfew.CauseWorkflow))
		}
	}
	for id, r := range st.Requests {
		if r.Workflow == c.ID {
			facts = append(facts, Fact{curfew.KindRequestVoided, curfew.RequestActed{Request: id, Cause: curfew.CauseWorkflow}})
		}
	}
	return facts, nil
}
