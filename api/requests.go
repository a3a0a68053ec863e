package api

import (
	"cmp"
	"context"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
)

// body is an answer that is one JSON value.
type body[T any] struct{ Body T }

// ListIn narrows a list; exported because the library fills in only what is.
type ListIn struct {
	Scope    string `query:"scope" enum:"mine,review,all" default:"mine"`
	Status   string `query:"status"`
	Resource string `query:"resource"`
	Before   uint64 `query:"before" doc:"The page after the one that ended at this position"`
	Limit    int    `query:"limit" minimum:"0" maximum:"1000"`
	Position uint64 `query:"position" doc:"The position of the caller's last change; the list waits for it"`
}

func (in ListIn) filter() history.Filter {
	return history.Filter{Status: in.Status, Resource: curfew.ResourceName(in.Resource), Before: in.Before, Limit: in.Limit}
}

func (s *Server) requestRoutes() {
	add(s, SignedIn, http.MethodGet, "/requests", "List requests: one's own, those to review, or all one may see", s.listRequests)
	add(s, SignedIn, http.MethodPost, "/requests", "Ask for a role", s.ask)
	add(s, SignedIn, http.MethodGet, "/requests/{id}", "Show a request", s.showRequest)
	add(s, SignedIn, http.MethodPost, "/requests/{id}/approve", "Approve a request, exactly as it was shown", s.approve)
	add(s, SignedIn, http.MethodPost, "/requests/{id}/deny", "Deny a request", s.deny)
	add(s, SignedIn, http.MethodPost, "/requests/{id}/withdraw", "Withdraw one's own request", s.withdraw)
}

func parseFor(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, curfew.Errorf(curfew.Invalid, "%.40q is no duration", text).WithFix("for example 45m or 2h")
	}
	return d, nil
}

func (s *Server) ask(ctx context.Context, c caller, in *struct{ Body client.Ask }) (*body[client.Request], error) {
	d, err := parseFor(in.Body.For)
	if err != nil {
		return nil, err
	}
	cmd := access.Ask{Question: access.Question{
		Principal: c.who, Role: curfew.RoleName(in.Body.Role), Resource: curfew.ResourceName(in.Body.Resource), Duration: d,
		Start: in.Body.Start, Reason: in.Body.Reason, Workflow: curfew.WorkflowID(in.Body.Workflow),
	}}
	return s.submit(ctx, c, cmd)
}

func (s *Server) submit(ctx context.Context, c caller, cmd access.Ask) (*body[client.Request], error) {
	id, r, err := s.parts.Identity.Ask(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return s.requestAt(ctx, c, id, r.Position)
}

// requestAt shows a request once history has what was just decided.
func (s *Server) requestAt(ctx context.Context, c caller, id curfew.RequestID, position uint64) (*body[client.Request], error) {
	at, _ := s.caughtUp(ctx, position)
	r, err := s.findRequest(ctx, id)
	if err != nil {
		return nil, err
	}
	return &body[client.Request]{s.request(ctx, c, r, max(at, position))}, nil
}

func (s *Server) findRequest(ctx context.Context, id curfew.RequestID) (r history.Request, err error) {
	found := false
	s.parts.Access.View(func(st *access.State) {
		if live := st.Requests[id]; live != nil {
			r, found = pending(live), true
		}
	})
	if found {
		return r, nil
	}
	return one(ctx, s, func() (history.Request, error) { return s.parts.History.Request(ctx, id) })
}

// maySee: the requester, whoever may decide it or did, administrators and auditors.
func (s *Server) maySee(c caller, r history.Request) bool {
	if c.admin || c.audit || r.Principal == c.who || r.DecidedBy == c.who {
		return true
	}
	if slices.ContainsFunc(r.Votes, func(v history.Vote) bool { return v.By == c.who }) {
		return true
	}
	ok := false
	now := s.parts.Access.Now()
	s.parts.Access.View(func(st *access.State) {
		if live := st.Requests[r.Request]; live != nil {
			ok = slices.Contains(st.Deciders(live, now), c.who)
		}
	})
	return ok
}

// IDIn is the identifier in a path; exported because the library fills in only what is.
type IDIn struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *Server) showRequest(ctx context.Context, c caller, in *IDIn) (*body[client.Request], error) {
	r, err := s.visible(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[client.Request]{s.request(ctx, c, r, s.parts.History.Position())}, nil
}

// visible finds a request the caller may know of.
func (s *Server) visible(ctx context.Context, c caller, id string) (history.Request, error) {
	r, err := s.findRequest(ctx, curfew.RequestID(id))
	if err == nil && !s.maySee(c, r) {
		err = curfew.Errorf(curfew.NotFound, "there is no request %.60q", id)
	}
	return r, err
}

func (s *Server) listRequests(ctx context.Context, c caller, in *ListIn) (*body[client.List[client.Request]], error) {
	at, behind := s.caughtUp(ctx, in.Position)
	var found []history.Request
	var err error
	f, more := in.filter(), ""
	switch in.Scope {
	case "review":
		found = s.toReview(c)
	case "all":
		if !c.admin && !c.audit {
			return nil, curfew.Errorf(curfew.Denied, "only administrators and auditors see all requests").WithRule("auditor")
		}
		found, err = s.parts.History.Requests(ctx, f)
		more = next(found, f, requestPlace)
	default:
		f.Principal = c.who
		found, err = s.parts.History.Requests(ctx, f)
		more = next(found, f, requestPlace)
	}
	if err != nil {
		return nil, err
	}
	out := client.List[client.Request]{Items: []client.Request{}, Position: at, Behind: behind, Next: more}
	for _, r := range found {
		out.Items = append(out.Items, s.request(ctx, c, r, at))
	}
	return &body[client.List[client.Request]]{out}, nil
}

func requestPlace(r history.Request) uint64 { return r.Position }

// toReview are the pending requests the caller may decide, oldest first.
func (s *Server) toReview(c caller) []history.Request {
	var out []history.Request
	now := s.parts.Access.Now()
	s.parts.Access.View(func(st *access.State) {
		for _, r := range st.Requests {
			if ok, _ := st.MayDecide(r, c.who, now); ok {
				out = append(out, pending(r))
			}
		}
	})
	slices.SortFunc(out, func(a, b history.Request) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Request, b.Request)) })
	return out
}

type decideIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body client.Decision
}

func (s *Server) approve(ctx context.Context, c caller, in *decideIn) (*body[client.Request], error) {
	if _, err := s.visible(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	digest, err := hex.DecodeString(in.Body.Digest)
	if err != nil || len(digest) == 0 {
		return nil, curfew.Errorf(curfew.Invalid, "an approval says what it is for: the digest of the request that was shown")
	}
	cmd := access.Approve{Request: curfew.RequestID(in.ID), By: c.who, Digest: digest, Grant: curfew.GrantID(curfew.NewID("gr")), Touch: c.touch}
	if in.Body.For != "" {
		if cmd.For, err = parseFor(in.Body.For); err != nil {
			return nil, err
		}
	}
	r, err := s.parts.Access.Do(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return s.requestAt(ctx, c, cmd.Request, r.Position)
}

func (s *Server) deny(ctx context.Context, c caller, in *decideIn) (*body[client.Request], error) {
	if _, err := s.visible(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	why, err := s.parts.Identity.Seal(ctx, c.who, in.Body.Why)
	if err != nil {
		return nil, err
	}
	cmd := access.Deny{Request: curfew.RequestID(in.ID), By: c.who, Why: why, Touch: c.touch}
	r, err := s.parts.Access.Do(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return s.requestAt(ctx, c, cmd.Request, r.Position)
}

func (s *Server) withdraw(ctx context.Context, c caller, in *IDIn) (*body[client.Request], error) {
	cmd := access.Withdraw{Request: curfew.RequestID(in.ID), By: c.who}
	r, err := s.parts.Access.Do(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return s.requestAt(ctx, c, cmd.Request, r.Position)
}
