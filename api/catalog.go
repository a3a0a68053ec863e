package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
)

func (s *Server) catalogRoutes() {
	add(s, SignedIn, http.MethodGet, "/resources", "List resources: those one's roles reach, or all one may see", s.listResources)
	add(s, SignedIn, http.MethodGet, "/roles", "List roles: those one may ask for, or all one may see", s.listRoles)
	add(s, SignedIn, http.MethodGet, "/reach", "Say what somebody could reach, now or at a past moment, by which path", s.reach)
}

// rolesFor are the roles that the caller may know of: all, or those that some policy
// lets them ask for.
func (s *Server) rolesFor(st *access.State, c caller) []curfew.RoleName {
	if !c.admin && !c.audit {
		return st.MayAskFor(c.who)
	}
	out := make([]curfew.RoleName, 0, len(st.Config.Roles))
	for name := range st.Config.Roles {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (s *Server) listResources(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.Resource]], error) {
	out := client.List[client.Resource]{Items: []client.Resource{}}
	origin := s.origins(ctx, c)
	now := s.parts.Access.Now()
	s.parts.Access.View(func(st *access.State) {
		out.Position = st.Size
		roles := s.rolesFor(st, c)
		for name, res := range st.Config.Resources {
			v := client.Resource{Name: string(name), Type: string(res.Type), Account: string(res.Account), Labels: res.Labels, Roles: []string{}, Origin: origin("resources", string(name))}
			for _, role := range roles {
				if st.Config.Roles[role].Covers(res) {
					v.Roles = append(v.Roles, string(role))
				}
			}
			if c.admin || c.audit {
				v.Address = res.Address
			} else if len(v.Roles) == 0 {
				continue
			}
			for _, x := range st.Sessions {
				g := st.Grants[x.Grant]
				if g != nil && g.Resource == name && (c.admin || c.audit || g.Principal == c.who || slices.Contains(g.By, c.who) || st.MayRevoke(g, c.who, now)) {
					v.Live++
				}
			}
			if d, ok := s.parts.Doors[res.Type]; ok {
				v.Door = d.Host + ":" + strconv.Itoa(d.Port)
			}
			out.Items = append(out.Items, v)
		}
	})
	slices.SortFunc(out.Items, func(a, b client.Resource) int { return strings.Compare(a.Name, b.Name) })
	return &body[client.List[client.Resource]]{out}, nil
}

func (s *Server) listRoles(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.Role]], error) {
	out := client.List[client.Role]{Items: []client.Role{}}
	origin := s.origins(ctx, c)
	s.parts.Access.View(func(st *access.State) {
		out.Position = st.Size
		for _, name := range s.rolesFor(st, c) {
			r, ok := st.Config.Roles[name]
			if !ok {
				continue
			}
			v := client.Role{Name: string(name), About: r.About, May: r.May, Never: r.Never, Includes: texts(r.Includes), Excludes: texts(r.Excludes),
				Longest: span(r.Longest), Resources: []string{}, Policies: []string{}, Origin: origin("roles", string(name))}
			for on, res := range st.Config.Resources {
				if r.Covers(res) {
					v.Resources = append(v.Resources, string(on))
				}
			}
			slices.Sort(v.Resources)
			for p, policy := range st.Config.Policies {
				if slices.Contains(policy.Roles, name) {
					v.Policies = append(v.Policies, string(p))
				}
			}
			slices.Sort(v.Policies)
			if len(v.Resources) > 0 {
				v.Effect, v.Dangers = s.effect(st, name, curfew.ResourceName(v.Resources[0]))
			}
			out.Items = append(out.Items, v)
		}
	})
	return &body[client.List[client.Role]]{out}, nil
}

func texts[T ~string](in []T) (out []string) {
	for _, x := range in {
		out = append(out, string(x))
	}
	return out
}

// reach lists what somebody could reach, by which path.
func (s *Server) reach(ctx context.Context, c caller, in *struct {
	Person string    `query:"person" doc:"Name, address or identifier; empty: the caller"`
	At     time.Time `query:"at" doc:"A past moment"`
}) (*body[client.Reachable], error) {
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
	out := client.Reachable{Paths: []client.Path{}}
	err := s.stateAt(ctx, in.At, func(st *access.State, now time.Time) {
		out.At, out.Position, out.Person = now, st.Size, s.person(st, who)
		for on := range st.Config.Resources {
			for _, p := range st.Reach(on, now) {
				if p.Principal != who {
					continue
				}
				path := client.Path{Resource: string(on), Person: out.Person, Role: string(p.Role), How: p.How, Policy: string(p.Policy), Grant: string(p.Grant), Until: p.Until, Why: p.Why}
				path.Effect, _ = s.effect(st, p.Role, on)
				out.Paths = append(out.Paths, path)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	s.fillPerson(ctx, &out.Person)
	for i := range out.Paths {
		out.Paths[i].Person = out.Person
	}
	slices.SortFunc(out.Paths, func(a, b client.Path) int {
		return cmp.Or(strings.Compare(a.Resource, b.Resource), strings.Compare(a.How, b.How), strings.Compare(a.Role, b.Role))
	})
	return &body[client.Reachable]{out}, nil
}
