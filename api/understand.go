package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/config"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/say"
)

func (s *Server) understandRoutes() {
	add(s, SignedIn, http.MethodGet, "/find", "List the roles one could ask for now", s.find)
	add(s, SignedIn, http.MethodGet, "/why", "Say whether somebody can have a role, now or at a past moment, and why", s.why)
	add(s, SignedIn, http.MethodGet, "/who-can", "Say who could reach a resource, now or at a past moment, by which path", s.whoCan)
}

func (s *Server) find(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.Offer]], error) {
	out := client.List[client.Offer]{Items: []client.Offer{}}
	now := s.parts.Access.Now()
	var best []policy.Verdict
	s.parts.Access.View(func(st *access.State) {
		out.Position = st.Size
		for _, role := range st.MayAskFor(c.who) {
			for name, res := range st.Config.Resources {
				r := st.Config.Roles[role]
				if r.Name == "" || !r.Covers(res) {
					continue
				}
				offer, v, ok := s.offer(st, c.who, role, name, now)
				if ok {
					out.Items, best = append(out.Items, offer), append(best, v)
				}
			}
		}
	})
	usual, err := s.usual(ctx, c.who)
	if err != nil {
		return nil, err
	}
	for i, v := range best {
		out.Items[i].Approvals = s.approvals(ctx, v)
		out.Items[i].Usual = usual[use{out.Items[i].Role, out.Items[i].Resource}]
	}
	slices.SortFunc(out.Items, func(a, b client.Offer) int {
		return strings.Compare(a.Resource+"\x00"+a.Role, b.Resource+"\x00"+b.Role)
	})
	return &body[client.List[client.Offer]]{out}, nil
}

// use is a role on a resource.
type use struct{ role, resource string }

// usualFrom is how many grants it takes before anything is usual.
const usualFrom = 3

// usual is how long somebody's last grants were used, the median in whole minutes.
func (s *Server) usual(ctx context.Context, who curfew.Principal) (map[use]string, error) {
	found, err := s.parts.History.Grants(ctx, history.Filter{Principal: who, Limit: 200})
	if err != nil {
		return nil, err
	}
	used := map[use][]time.Duration{}
	for _, g := range found {
		if !g.Started.IsZero() && g.EndedAt.After(g.Started) {
			k := use{string(g.Role), string(g.Resource)}
			used[k] = append(used[k], g.EndedAt.Sub(g.Started))
		}
	}
	out := map[use]string{}
	for k, all := range used {
		if len(all) >= usualFrom {
			out[k] = span(max(middle(all).Round(time.Minute), time.Minute))
		}
	}
	return out, nil
}

// offer is what asking for a role would take; ok is false where asking does not
// work: what is offered works (UX.md 3.1).
func (s *Server) offer(st *access.State, who curfew.Principal, role curfew.RoleName, on curfew.ResourceName, now time.Time) (client.Offer, policy.Verdict, bool) {
	q, d, err := st.Offered(who, role, on, now)
	held := ""
	for _, g := range st.GrantsOf(who) {
		if g.Role == role && g.Resource == on {
			held = string(g.ID)
		}
	}
	if err != nil || (!d.OK && held == "") {
		return client.Offer{}, policy.Verdict{}, false
	}
	offer := client.Offer{Role: string(role), Resource: string(on), About: st.Config.Roles[role].About, Workflow: string(q.Workflow), Grant: held}
	offer.Effect, _ = s.effect(st, role, on)
	if d.Best == nil {
		return offer, policy.Verdict{}, true
	}
	offer.Longest = span(d.Best.Longest)
	return offer, *d.Best, true
}

type whyIn struct {
	Person   string    `query:"person" doc:"Name, address or identifier; empty: the caller"`
	Role     string    `query:"role"`
	Resource string    `query:"resource"`
	For      string    `query:"for"`
	Workflow string    `query:"workflow"`
	At       time.Time `query:"at" doc:"A past moment"`
}

// stateAt gives f the state of now, or of a past moment.
func (s *Server) stateAt(ctx context.Context, at time.Time, f func(st *access.State, now time.Time)) error {
	if at.IsZero() {
		now := s.parts.Access.Now()
		s.parts.Access.View(func(st *access.State) { f(st, now) })
		return nil
	}
	if at.After(s.parts.Access.Now()) {
		return curfew.Errorf(curfew.Invalid, "%s is not past", at.Format(time.RFC3339))
	}
	st, err := s.parts.Access.At(ctx, at)
	if err != nil {
		return err
	}
	f(st, at)
	return nil
}

// others lets administrators and auditors ask about somebody else, and anybody about themselves.
func (s *Server) others(c caller, who curfew.Principal) error {
	if who == c.who || c.admin || c.audit {
		return nil
	}
	return curfew.Errorf(curfew.Denied, "only administrators and auditors may ask about others").WithRule("auditor")
}

func (s *Server) why(ctx context.Context, c caller, in *whyIn) (*body[client.Answer], error) {
	who := c.who
	if in.Person != "" {
		var err error
		if who, err = s.findPerson(ctx, in.Person); err != nil {
			return nil, err
		}
	}
	if err := s.others(c, who); err != nil {
		return nil, err
	}
	q := access.Question{Principal: who, Role: curfew.RoleName(in.Role), Resource: curfew.ResourceName(in.Resource), Reason: "asked why", Workflow: curfew.WorkflowID(in.Workflow)}
	if in.For != "" {
		d, err := parseFor(in.For)
		if err != nil {
			return nil, err
		}
		q.Duration = d
	}
	out := client.Answer{Role: in.Role, Resource: in.Resource}
	var d policy.Decision
	var err error
	stErr := s.stateAt(ctx, in.At, func(st *access.State, now time.Time) {
		out.At, out.Position, out.Person = now, st.Size, s.person(st, who)
		d, err = st.Decide(q, now)
		for _, g := range st.GrantsOf(who) {
			if g.Role == q.Role && (q.Resource == "" || g.Resource == q.Resource) {
				out.Has = string(g.ID)
			}
		}
	})
	if stErr != nil || err != nil {
		return nil, firstError(stErr, err)
	}
	s.fillPerson(ctx, &out.Person)
	out.OK = d.OK
	out.Verdicts = s.verdicts(ctx, d)
	out.Text = say.Why(config.Answer(out.Person.Name, q.Role, d))
	return &body[client.Answer]{out}, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// findPerson finds a person by identifier, address, whole name or the part before the @.
func (s *Server) findPerson(ctx context.Context, text string) (curfew.Principal, error) {
	if who, ok := s.parts.Identity.ByEmail(text); ok {
		return who, nil
	}
	var all []curfew.Principal
	s.parts.Access.View(func(st *access.State) {
		for id := range st.People {
			all = append(all, id)
		}
	})
	var found []curfew.Principal
	for _, id := range all {
		name, email := s.parts.Identity.Name(ctx, id), s.parts.Identity.Email(ctx, id)
		local, _, _ := strings.Cut(email, "@")
		first, _, _ := strings.Cut(name, " ")
		if string(id) == text || strings.EqualFold(name, text) || strings.EqualFold(local, text) || strings.EqualFold(first, text) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", curfew.Errorf(curfew.NotFound, "there is nobody called %.60q", text)
	}
	return "", curfew.Errorf(curfew.Ambiguous, "%d people are called %.60q", len(found), text).WithFix("use the e-mail address")
}

func (s *Server) whoCan(ctx context.Context, c caller, in *struct {
	Resource string    `query:"resource" required:"true"`
	Role     string    `query:"role"`
	At       time.Time `query:"at"`
}) (*body[client.Reach], error) {
	out := client.Reach{Resource: in.Resource, Paths: []client.Path{}}
	var by [][]curfew.Principal
	known := false
	err := s.stateAt(ctx, in.At, func(st *access.State, now time.Time) {
		out.At, out.Position = now, st.Size
		_, known = st.Config.Resources[curfew.ResourceName(in.Resource)]
		for _, p := range st.Reach(curfew.ResourceName(in.Resource), now) {
			if (in.Role != "" && string(p.Role) != in.Role) || s.others(c, p.Principal) != nil {
				continue
			}
			path := client.Path{Person: s.person(st, p.Principal), Role: string(p.Role), How: p.How, Policy: string(p.Policy), Grant: string(p.Grant), Until: p.Until, Why: p.Why}
			path.Effect, _ = s.effect(st, p.Role, curfew.ResourceName(in.Resource))
			out.Paths = append(out.Paths, path)
			by = append(by, p.By)
		}
	})
	if err != nil {
		return nil, err
	}
	if !known && len(out.Paths) == 0 {
		return nil, curfew.Errorf(curfew.NotFound, "there was no resource %.60q then", in.Resource)
	}
	for i := range out.Paths {
		s.fillPerson(ctx, &out.Paths[i].Person)
		var names []string
		for _, p := range by[i] {
			names = append(names, s.parts.Identity.Name(ctx, p))
		}
		if len(names) > 0 {
			out.Paths[i].Why += ", approved by " + strings.Join(names, " and ")
		}
	}
	return &body[client.Reach]{out}, nil
}

// workflowOut shows a workflow.
func (s *Server) workflowOut(ctx context.Context, w curfew.Workflow) client.Workflow {
	out := client.Workflow{ID: string(w.ID), Kind: string(w.Kind), Title: say.Clean(w.Title, 200), Opened: w.OpenedAt}
	if w.Assignee != "" {
		out.Assignee = s.parts.Identity.Name(ctx, w.Assignee)
	}
	for _, r := range w.Resource {
		out.Resources = append(out.Resources, string(r))
	}
	for _, a := range w.Actors {
		if a == "" {
			out.By = append(out.By, "somebody unknown")
			continue
		}
		out.By = append(out.By, s.parts.Identity.Name(ctx, a))
	}
	return out
}

func (s *Server) listWorkflows(ctx context.Context, _ caller, _ *struct{}) (*body[client.List[client.Workflow]], error) {
	out := client.List[client.Workflow]{Items: []client.Workflow{}}
	var open []curfew.Workflow
	s.parts.Access.View(func(st *access.State) {
		out.Position = st.Size
		for _, w := range st.Workflows {
			open = append(open, *w)
		}
	})
	slices.SortFunc(open, func(a, b curfew.Workflow) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, w := range open {
		out.Items = append(out.Items, s.workflowOut(ctx, w))
	}
	return &body[client.List[client.Workflow]]{out}, nil
}

func (s *Server) openWorkflow(ctx context.Context, c caller, in *struct{ Body client.Workflow }) (*body[client.Workflow], error) {
	cmd := access.OpenWorkflow{ID: curfew.WorkflowID(in.Body.ID), Kind: curfew.WorkflowKind(in.Body.Kind), Title: in.Body.Title, By: c.who}
	if in.Body.Assignee != "" {
		who, err := s.findPerson(ctx, in.Body.Assignee)
		if err != nil {
			return nil, err
		}
		cmd.Assignee = who
	}
	for _, r := range in.Body.Resources {
		cmd.Resources = append(cmd.Resources, curfew.ResourceName(r))
	}
	if _, err := s.parts.Access.Do(ctx, cmd); err != nil {
		return nil, err
	}
	var w curfew.Workflow
	s.parts.Access.View(func(st *access.State) {
		if x := st.Workflows[cmd.ID]; x != nil {
			w = *x
		}
	})
	return &body[client.Workflow]{s.workflowOut(ctx, w)}, nil
}

func (s *Server) closeWorkflow(ctx context.Context, c caller, in *IDIn) (*body[client.Done], error) {
	return took(s.parts.Access.Do(ctx, access.CloseWorkflow{ID: curfew.WorkflowID(in.ID), By: c.who}))
}

// audit lists what was decided, newest first.
func (s *Server) audit(ctx context.Context, c caller, in *struct {
	Kind     string    `query:"kind" doc:"A kind or the beginning of one: grant."`
	Person   string    `query:"person"`
	Resource string    `query:"resource"`
	Grant    string    `query:"grant"`
	Request  string    `query:"request"`
	Session  string    `query:"session"`
	From     time.Time `query:"from"`
	To       time.Time `query:"to"`
	Before   uint64    `query:"before"`
	Limit    int       `query:"limit" minimum:"0" maximum:"1000"`
	Position uint64    `query:"position"`
}) (*body[client.List[client.Entry]], error) {
	at, behind := s.caughtUp(ctx, in.Position)
	f := filterOf(in.Kind, in.Resource, in.Grant, in.Request, in.Session, in.From, in.To, in.Before, in.Limit)
	if in.Person != "" {
		who, err := s.findPerson(ctx, in.Person)
		if err != nil {
			return nil, err
		}
		f.Principal = who
	}
	found, err := s.parts.History.Entries(ctx, f)
	if err != nil {
		return nil, err
	}
	out := client.List[client.Entry]{Items: []client.Entry{}, Position: at, Behind: behind,
		Next: next(found, f, func(e history.Entry) uint64 { return e.Position })}
	for _, e := range found {
		entry, err := s.entry(ctx, e)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, entry)
	}
	return &body[client.List[client.Entry]]{out}, nil
}
