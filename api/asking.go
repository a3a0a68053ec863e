package api

import (
	"context"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
)

// asking makes a credential for somebody who asks when they connect.
func (s *Server) asking(ctx context.Context, c caller, in *struct{ Body client.Ask }) (*body[client.Credential], error) {
	d, err := parseFor(in.Body.For)
	if err != nil {
		return nil, err
	}
	if !in.Body.Start.IsZero() {
		return nil, curfew.Errorf(curfew.Invalid, "what a connection asks for starts at once").WithFix("leave the start out")
	}
	var res curfew.Resource
	s.parts.Access.View(func(st *access.State) { res = st.Config.Resources[curfew.ResourceName(in.Body.Resource)] })
	if res.Name == "" {
		return nil, curfew.Errorf(curfew.NotFound, "there is no resource %.60q", in.Body.Resource).WithRule("resource.unknown").WithFix("what you can ask for: curfew find")
	}
	door, ok := s.parts.Doors[res.Type]
	if !ok {
		return nil, curfew.Errorf(curfew.Unavailable, "the gateway has no door for %s", res.Type)
	}
	cred, err := s.parts.Identity.IssueAsking(ctx, access.Question{
		Principal: c.who, Role: curfew.RoleName(in.Body.Role), Resource: res.Name, Duration: d, Reason: in.Body.Reason, Workflow: curfew.WorkflowID(in.Body.Workflow),
	})
	if err != nil {
		return nil, err
	}
	return through(door, res, cred), nil
}
