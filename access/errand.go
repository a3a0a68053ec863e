package access

import (
	"context"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
)

// Errand is a right to reach a resource for Curfew's own work: making and
// removing a lease, ending work, a check. Only Service makes valid ones.
type Errand struct {
	resource curfew.Resource
	what     string
	ok       bool
}

// Resource is what may be dialled.
func (e Errand) Resource() curfew.Resource { return e.resource }

// What says what for.
func (e Errand) What() string { return e.what }

// Valid reports whether a Service made e.
func (e Errand) Valid() bool { return e.ok }

// Errand allows reaching a resource of the configuration, or one that a lease
// was made on and that has changed since, exactly as it is given.
func (s *Service) Errand(res curfew.Resource, what string) (Errand, error) {
	want := policy.ResourceVersion(res)
	known := false
	s.View(func(st *State) {
		known = st.rules().resources[res.Name] == want
		for _, l := range st.Leases {
			known = known || (l.Resource == res.Name && policy.ResourceVersion(l.Target) == want)
		}
	})
	if !known {
		return Errand{}, curfew.Errorf(curfew.NotFound, "there is no resource %s like this", res.Name)
	}
	s.log.Info("errand", "resource", res.Name, "what", what)
	return Errand{resource: res, what: what, ok: true}, nil
}

// Audited is an Errand that a person asked for; it is an event of its own.
func (s *Service) Audited(ctx context.Context, name curfew.ResourceName, what string, by curfew.Principal) (Errand, error) {
	var res curfew.Resource
	var ok bool
	s.View(func(st *State) { res, ok = st.Config.Resources[name] })
	if !ok {
		return Errand{}, curfew.Errorf(curfew.NotFound, "there is no resource %s", name)
	}
	if _, err := s.Do(ctx, Note{curfew.KindErrandRun, curfew.ErrandRun{Resource: name, What: what, By: by}}); err != nil {
		return Errand{}, err
	}
	return Errand{resource: res, what: what, ok: true}, nil
}
