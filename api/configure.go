package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/config"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/say"
)

func (s *Server) configRoutes() {
	add(s, SignedIn, http.MethodPost, "/config/validate", "Check configuration files, and run their tests", s.validate)
	add(s, Admin, http.MethodPost, "/config/plan", "Say what configuration files would change", s.plan)
	add(s, Admin, http.MethodPost, "/config/apply", "Apply configuration files, or put them to a second person", s.apply)
	add(s, Admin, http.MethodGet, "/plans", "List plans that wait for a second person", s.listPlans)
	add(s, Admin, http.MethodPost, "/plans/{id}/agree", "Agree to a plan of somebody else", s.agree)
	add(s, Admin, http.MethodPost, "/plans/{id}/drop", "Drop a waiting plan", s.dropPlan)
	add(s, SignedIn, http.MethodGet, "/policies", "List the policies, read aloud", s.policies)
	s.configTextRoutes()
}

// draft is configuration files on their way to a plan.
type draft struct {
	file      *config.File
	config    curfew.Config
	problems  []config.Problem
	failed    []string // tests that do not hold
	results   []config.TestResult
	newPeople []string
}

// newcomer stands for a person whom the files make known, until they are added.
func newcomer(email string) curfew.Principal { return curfew.Principal("new:" + email) }

// read parses, merges, resolves and tests files.
func (s *Server) read(ctx context.Context, files []client.File) draft {
	var d draft
	parsed := make([]*config.File, 0, len(files))
	for _, f := range files {
		file, problems := config.Parse(f.Name, []byte(f.Text))
		d.problems = append(d.problems, problems...)
		if file != nil {
			parsed = append(parsed, file)
		}
	}
	if config.Failed(d.problems) {
		return d
	}
	file, problems := config.Merge(parsed...)
	d.problems = append(d.problems, problems...)
	if file == nil {
		return d
	}
	d.file = file
	for _, p := range file.People {
		if _, ok := s.parts.Identity.ByEmail(p.Email); !ok {
			d.newPeople = append(d.newPeople, p.Email)
		}
	}
	d.resolve(s)
	if !config.Failed(d.problems) {
		d.problems = append(d.problems, s.checkEngines(d)...)
	}
	if config.Failed(d.problems) {
		return d
	}
	d.results = config.RunTests(file, d.config, d.lookup(s), s.parts.Access.Now())
	for _, r := range d.results {
		if !r.OK {
			d.failed = append(d.failed, r.Test.Place.String()+": "+r.Message)
		}
	}
	return d
}

func (d *draft) lookup(s *Server) config.Lookup {
	return func(email string) (curfew.Principal, bool) {
		if who, ok := s.parts.Identity.ByEmail(email); ok {
			return who, true
		}
		return newcomer(email), slices.Contains(d.newPeople, email)
	}
}

func (d *draft) resolve(s *Server) {
	c, problems := config.Resolve(d.file, d.lookup(s), nil)
	d.config = c
	d.problems = append(d.problems, problems...)
}

// checkEngines lets every engine judge its resources and the roles on them.
func (s *Server) checkEngines(d draft) (out []config.Problem) {
	add := func(err error, path ...string) {
		place, _ := d.file.Where(path...)
		p := config.Problem{Place: place, Message: strings.Join(path[:2], " ") + ": " + err.Error()}
		if e := asError(err); e != nil {
			p.Message, p.Fix = strings.Join(path[:2], " ")+": "+e.Message, e.Fix
		}
		out = append(out, p)
	}
	for name, res := range d.config.Resources {
		e := s.parts.Engines[res.Type]
		if e == nil {
			add(curfew.Errorf(curfew.Invalid, "no engine speaks %q", res.Type), "resources", string(name), "type")
			continue
		}
		if err := e.CheckResource(res); err != nil {
			add(err, "resources", string(name))
			continue
		}
		for role, r := range d.config.Roles {
			if !r.Covers(res) {
				continue
			}
			may, err := policy.Permission(d.config.Roles, role)
			if err == nil {
				err = e.CheckPermission(res, may)
			}
			if err != nil {
				add(err, "roles", string(role), "may")
			}
		}
	}
	s.checkHolds(d, add)
	slices.SortFunc(out, func(a, b config.Problem) int { return strings.Compare(a.String(), b.String()) })
	return slices.CompactFunc(out, func(a, b config.Problem) bool { return a.String() == b.String() })
}

type filesIn struct{ Body client.Files }

func problems(in []config.Problem) []client.Problem {
	var out []client.Problem
	for _, p := range in {
		out = append(out, client.Problem{Where: p.Place.String(), Text: p.Message, Fix: p.Fix, Warning: p.Warning})
	}
	return out
}

// checked is what is said of files before anything is compared.
func (s *Server) checked(ctx context.Context, c caller, d draft) client.Plan {
	return client.Plan{
		Status: "planned", Lines: []string{}, Problems: problems(d.problems), Tests: d.failed, NewPeople: d.newPeople,
		Results: results(d.results), Spoken: s.spoken(ctx, c, d),
	}
}

func (s *Server) validate(ctx context.Context, c caller, in *filesIn) (*body[client.Plan], error) {
	return &body[client.Plan]{s.checked(ctx, c, s.read(ctx, in.Body.Files))}, nil
}

func (s *Server) plan(ctx context.Context, c caller, in *filesIn) (*body[client.Plan], error) {
	d := s.read(ctx, in.Body.Files)
	out := s.checked(ctx, c, d)
	if config.Failed(d.problems) {
		return &body[client.Plan]{out}, nil
	}
	change := s.parts.Access.Plan(d.config)
	if err := sameBase(in.Body, change.Base); err != nil {
		return nil, err
	}
	s.showChange(ctx, change, &out)
	return &body[client.Plan]{out}, nil
}

// draftNames shows newcomers by their address.
func (s *Server) draftNames(ctx context.Context) say.Names {
	return func(p curfew.Principal) string {
		if email, ok := strings.CutPrefix(string(p), "new:"); ok {
			return email
		}
		return s.parts.Identity.Name(ctx, p)
	}
}

func (s *Server) showChange(ctx context.Context, c access.Change, out *client.Plan) {
	out.ID, out.Gains, out.Position = string(c.Plan), c.Gains, s.parts.Access.Ledger().Head().Size
	names := s.draftNames(ctx)
	out.Lines = append(out.Lines, c.Show(names)...)
	for _, p := range c.Gainers {
		out.Gainers = append(out.Gainers, names.Of(p))
	}
	if c.Empty() {
		out.Status = "empty"
	}
	s.parts.Access.View(func(st *access.State) { out.Bootstrap = st.Bootstrap() && len(c.Gains) > 0 })
}

func (s *Server) apply(ctx context.Context, c caller, in *filesIn) (*body[client.Plan], error) {
	d := s.read(ctx, in.Body.Files)
	out := s.checked(ctx, c, d)
	if config.Failed(d.problems) || len(d.failed) > 0 {
		return &body[client.Plan]{out}, nil // nothing was changed; the client says why
	}
	change := s.parts.Access.Plan(d.config)
	if err := sameBase(in.Body, change.Base); err != nil {
		return nil, err
	}
	if in.Body.Plan != "" && in.Body.Plan != string(change.Plan) {
		return nil, curfew.Errorf(curfew.Conflict, "the plan is not the one that was shown: the files or the configuration have changed").WithRule("plan.changed").WithFix("plan again: curfew plan")
	}
	s.showChange(ctx, change, &out)
	nothing := change.Empty() && len(d.newPeople) == 0
	if nothing && in.Body.Passphrase == "" && !c.proved {
		return &body[client.Plan]{out}, nil
	}
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	if nothing { // other words for the same, other comments or tests
		s.keepText(ctx, textApplied, in.Body.Files, c.who)
		return &body[client.Plan]{out}, nil
	}
	if err := s.addNewcomers(ctx, c, &d); err != nil {
		return nil, err
	}
	final := s.parts.Access.Plan(d.config)
	if final.Base != change.Base {
		return nil, curfew.Errorf(curfew.Conflict, "the configuration has changed since this was planned").WithRule("plan.changed").WithFix("plan again: curfew plan")
	}
	r, err := s.parts.Access.Do(ctx, access.Propose{Change: final, Author: c.who})
	if err != nil {
		return nil, err
	}
	out.ID, out.Position, out.Status = string(final.Plan), r.Position, "applied"
	s.parts.Access.View(func(st *access.State) {
		if st.Plans[final.Plan] != nil {
			out.Status = "waiting"
		}
	})
	name := textApplied
	if out.Status == "waiting" {
		name = string(final.Plan)
	}
	s.keepText(ctx, name, in.Body.Files, c.who)
	return &body[client.Plan]{out}, nil
}

// addNewcomers makes the files' new people known and resolves again with who they are.
func (s *Server) addNewcomers(ctx context.Context, c caller, d *draft) error {
	if len(d.newPeople) == 0 {
		return nil
	}
	for _, p := range d.file.People {
		if slices.Contains(d.newPeople, p.Email) {
			if _, err := s.parts.Identity.AddPerson(ctx, p.Name, p.Email, c.who); err != nil {
				return err
			}
		}
	}
	d.newPeople, d.problems = nil, nil
	d.resolve(s)
	if config.Failed(d.problems) {
		return curfew.Errorf(curfew.Conflict, "the people of the files changed meanwhile").WithFix("apply again: curfew apply")
	}
	return nil
}

func (s *Server) listPlans(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.Plan]], error) {
	out := client.List[client.Plan]{Items: []client.Plan{}}
	var waiting []access.Proposal
	now := s.parts.Access.Now()
	may := map[curfew.PlanID]string{}
	var current curfew.Config
	s.parts.Access.View(func(st *access.State) {
		out.Position = st.Size
		current = access.CopyConfig(st.Config)
		for id, p := range st.Plans {
			waiting = append(waiting, *p)
			_, may[id] = st.MayAgree(p, c.who, now)
		}
	})
	slices.SortFunc(waiting, func(a, b access.Proposal) int { return a.At.Compare(b.At) })
	names := s.names(ctx)
	for _, p := range waiting {
		v := client.Plan{
			ID: string(p.Plan), Status: "waiting", Gains: p.Gains, Author: names.Of(p.Author), At: p.At,
			Lines: config.Diff(current, p.Config).Lines(names), MayAgree: may[p.Plan] == "", WhyNot: may[p.Plan],
		}
		for _, g := range p.Gainers {
			v.Gainers = append(v.Gainers, names.Of(g))
		}
		out.Items = append(out.Items, v)
	}
	return &body[client.List[client.Plan]]{out}, nil
}

func (s *Server) agree(ctx context.Context, c caller, in *decideIn) (*body[client.Done], error) {
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	done, err := took(s.parts.Access.Do(ctx, access.Agree{Plan: curfew.PlanID(in.ID), By: c.who, Touch: c.touch}))
	if err == nil {
		s.settleText(ctx, in.ID, true)
	}
	return done, err
}

func (s *Server) dropPlan(ctx context.Context, c caller, in *struct {
	IDIn
	Body client.Why
}) (*body[client.Done], error) {
	done, err := took(s.parts.Access.Do(ctx, access.DropPlan{Plan: curfew.PlanID(in.ID), By: c.who, Why: say.Clean(in.Body.Why, 500)}))
	if err == nil {
		s.settleText(ctx, in.ID, false)
	}
	return done, err
}

func (s *Server) policies(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.Policy]], error) {
	out := client.List[client.Policy]{Items: []client.Policy{}}
	var all []curfew.Policy
	s.parts.Access.View(func(st *access.State) {
		out.Position = st.Size
		for _, p := range st.Config.Policies {
			all = append(all, p)
		}
	})
	slices.SortFunc(all, func(a, b curfew.Policy) int { return strings.Compare(string(a.Name), string(b.Name)) })
	origin := s.origins(ctx, c)
	for _, p := range all {
		v := client.Policy{Name: string(p.Name), Sentence: say.Policy(p, s.names(ctx)), Origin: origin("policies", string(p.Name))}
		for _, r := range p.Roles {
			v.Roles = append(v.Roles, string(r))
		}
		out.Items = append(out.Items, v)
	}
	return &body[client.List[client.Policy]]{out}, nil
}
