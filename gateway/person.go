package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/session"
)

// Recognize says whose certificate it is.
func (d door) Recognize(ctx context.Context, certificate []byte, from string) (engine.Person, error) {
	return d.parts.Identity.RecognizeSSH(ctx, certificate, from)
}

// Paths lists a person's ways to a resource.
func (d door) Paths(p engine.Person, on curfew.ResourceName) (held, open []engine.Path) {
	if d.parts.Identity.StillIs(p) != nil {
		return nil, nil
	}
	now := d.parts.Access.Now()
	d.parts.Access.View(func(st *access.State) { held, open = d.paths(st, p, on, now) })
	return held, open
}

// Reaches lists the resources that a person has any way to.
func (d door) Reaches(p engine.Person) (out []curfew.ResourceName) {
	if d.parts.Identity.StillIs(p) != nil {
		return nil
	}
	now := d.parts.Access.Now()
	d.parts.Access.View(func(st *access.State) {
		for name := range st.Config.Resources {
			if held, open := d.paths(st, p, name, now); len(held)+len(open) > 0 {
				out = append(out, name)
			}
		}
	})
	slices.Sort(out)
	return out
}

func (d door) paths(st *access.State, p engine.Person, on curfew.ResourceName, now time.Time) (held, open []engine.Path) {
	res, ok := st.Config.Resources[on]
	if !ok || res.Type != d.speaks {
		return nil, nil
	}
	for _, g := range st.GrantsOf(p.Principal) {
		if may, err := st.Permission(g.Role); err == nil && g.Resource == on && !now.Before(g.NotBefore) {
			held = append(held, engine.Path{Role: g.Role, Resource: on, Grant: g.ID, Permission: may})
		}
	}
	for _, role := range st.MayAskFor(p.Principal) {
		if r := st.Config.Roles[role]; r.Name == "" || !r.Covers(res) {
			continue
		}
		if path, ok := offer(st, p.Principal, role, on, now); ok {
			open = append(open, path)
		}
	}
	return held, open
}

// offer is a role that asking for works.
func offer(st *access.State, who curfew.Principal, role curfew.RoleName, on curfew.ResourceName, now time.Time) (engine.Path, bool) {
	q, d, err := st.Offered(who, role, on, now)
	may, mayErr := st.Permission(role)
	if err != nil || mayErr != nil || !d.OK || d.Best == nil {
		return engine.Path{}, false
	}
	return engine.Path{Role: role, Resource: on, Permission: may, Longest: d.Best.Longest, Workflow: q.Workflow, Alone: len(d.Best.Approvals) == 0}, true
}

// OpenAs opens a session for a person who has shown who they are.
func (d door) OpenAs(ctx context.Context, p engine.Person, by engine.Path, q engine.Question, c access.Claim, w engine.Waiter) (*session.Session, error) {
	cred, err := d.stand(ctx, p, by, q)
	var s *session.Session
	if err == nil {
		s, cred, err = d.openWith(ctx, cred, c, d.speaks, w)
	}
	if err != nil {
		cred.Principal, cred.Resource = p.Principal, by.Resource
		d.refuse(ctx, c, cred, err)
	}
	return s, err
}

// stand is what a person's certificate comes to for one connection: a credential of
// the grant that they hold, or one that asks, as if they had had it made now.
func (d door) stand(ctx context.Context, p engine.Person, by engine.Path, q engine.Question) (access.Credential, error) {
	cred := access.Credential{ID: curfew.CredentialID(p.SignIn), Principal: p.Principal, Grant: by.Grant, Resource: by.Resource, Until: p.Until, SignIn: p.SignIn, Generation: p.Generation}
	if err := d.parts.Identity.StillIs(p); err != nil || by.Grant != "" {
		return cred, err
	}
	asks, err := d.parts.Identity.AsksNow(ctx, access.Question{
		Principal: p.Principal, Role: by.Role, Resource: by.Resource, Duration: q.For, Reason: q.Reason, Workflow: by.Workflow,
	})
	cred.ID, cred.Asks = curfew.CredentialID(curfew.NewID("c")), asks
	return cred, err
}
