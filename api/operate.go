package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/say"
)

func (s *Server) operateRoutes() {
	add(s, SignedIn, http.MethodGet, "/workflows", "List the workflows that are open", s.listWorkflows)
	add(s, SignedIn, http.MethodPost, "/workflows", "Open a workflow, or say who it is assigned to now", s.openWorkflow)
	add(s, SignedIn, http.MethodPost, "/workflows/{id}/close", "Close a workflow: what rests on it ends", s.closeWorkflow)
	add(s, Viewer, http.MethodGet, "/audit", "List what was decided, newest first", s.audit)
	add(s, Viewer, http.MethodGet, "/events", "Follow what is decided (Server-Sent Events, resumed by Last-Event-ID)", s.events)
	add(s, Viewer, http.MethodGet, "/ledger/head", "The newest signed tree head", s.ledgerHead)
	add(s, Viewer, http.MethodGet, "/ledger/check", "Verify the whole ledger, as the gateway reads it now", s.checkLedger)
	add(s, Viewer, http.MethodGet, "/ledger/export", "The ledger, for offline verification", s.export)
	add(s, Admin, http.MethodGet, "/doctor", "Check ports, clock, disk and every resource", s.doctor)
	add(s, Admin, http.MethodGet, "/resources/{name}/setup", "What the owner of a target runs once, so that the gateway's login there needs no rights of its own", s.setup)
	add(s, Admin, http.MethodPost, "/restore/confirm", "Say that a restored ledger is the right one", s.confirmRestore)
	add(s, Admin, http.MethodPost, "/clock/confirm", "Say that the gateway's clock is right after it was stepped", s.confirmClock)
}

// plainRoutes are for machines that speak no JSON; they are in the matrix too.
func (s *Server) plainRoutes() {
	s.routes = append(s.routes, Route{http.MethodGet, "/healthz", Anybody})
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
}

func filterOf(kind, resource, grant, request, session string, from, to time.Time, before uint64, limit int) history.Filter {
	return history.Filter{
		Kind: kind, Resource: curfew.ResourceName(resource), Grant: curfew.GrantID(grant), Request: curfew.RequestID(request),
		Session: curfew.SessionID(session), From: from, To: to, Before: before, Limit: limit,
	}
}

// entry shows one event, with its body from the ledger.
func (s *Server) entry(ctx context.Context, e history.Entry) (client.Entry, error) {
	events, err := s.parts.Access.Ledger().Read(ctx, e.Position, 1)
	if err != nil {
		return client.Entry{}, err
	}
	if len(events) != 1 {
		return client.Entry{}, curfew.Errorf(curfew.Corrupt, "the ledger has no event %d", e.Position)
	}
	out := client.Entry{
		Position: e.Position, At: e.At, Kind: string(e.Kind), Resource: string(e.Resource), Grant: string(e.Grant),
		Request: string(e.Request), Session: string(e.Session), Body: map[string]any{},
	}
	if e.Principal != "" {
		out.Who = s.parts.Identity.Name(ctx, e.Principal)
	}
	_ = json.Unmarshal(events[0].Body, &out.Body) // it was folded: it is JSON
	out.Text = sentence(e, out)
	return out, nil
}

// sentence is an event in words: who, what, on what.
func sentence(e history.Entry, out client.Entry) string {
	subject, verb, _ := strings.Cut(string(e.Kind), ".")
	parts := []string{subject, strings.ReplaceAll(verb, "_", " ")}
	if out.Who != "" {
		parts = append([]string{say.Clean(out.Who, 80) + ":"}, parts...)
	}
	if role, ok := out.Body["role"].(string); ok {
		parts = append(parts, say.Clean(role, 128))
	}
	if e.Resource != "" {
		parts = append(parts, "on "+say.Clean(string(e.Resource), 128))
	}
	if cause, ok := out.Body["cause"].(string); ok && cause != "" {
		parts = append(parts, "("+say.Cause(curfew.Cause(cause))+")")
	}
	return strings.Join(parts, " ")
}

// events streams the ledger to who may read it.
func (s *Server) events(ctx context.Context, c caller, in *struct {
	After  uint64 `query:"after"`
	LastID uint64 `header:"Last-Event-ID"`
}) (*huma.StreamResponse, error) {
	after := max(in.After, in.LastID)
	done, err := s.follows(c.who, 1)
	if err != nil {
		return nil, err
	}
	still := s.still(ctx, Viewer)
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer done()
		send := s.stream(h)
		err := s.parts.Access.Follow(h.Context(), after, func(batch []curfew.Event) error {
			if err := s.listed(h.Context(), batch[len(batch)-1].Position); err != nil {
				return err
			}
			if err := still(); err != nil {
				return err
			}
			for _, e := range batch {
				found, err := s.parts.History.Entries(h.Context(), history.Filter{Before: e.Position + 1, Limit: 1})
				if err == nil && (len(found) == 0 || found[0].Position != e.Position) {
					err = curfew.Errorf(curfew.Corrupt, "the lists do not have the event %d", e.Position)
				}
				if err != nil {
					return err
				}
				entry, err := s.entry(h.Context(), found[0])
				if err != nil {
					return err
				}
				if err := send("event", int(e.Position), entry); err != nil {
					return err
				}
			}
			return nil
		})
		if h.Context().Err() == nil {
			s.noted(err, "/events")
		}
	}}, nil
}

func (s *Server) ledgerHead(context.Context, caller, *struct{}) (*body[client.Head], error) {
	h := s.parts.Access.Ledger().Head()
	return &body[client.Head]{client.Head{Size: h.Size, Time: h.Time, Note: string(h.Note)}}, nil
}

// checkLedger is what curfew ledger verify does, done by the gateway itself: somebody who
// does not trust it exports the ledger and checks that.
func (s *Server) checkLedger(ctx context.Context, c caller, _ *struct{}) (*body[client.Chain], error) {
	done, err := s.busy(ctx, c.who)
	if err != nil {
		return nil, err
	}
	defer done()
	began := time.Now()
	r, err := s.parts.Verify(ctx)
	if err != nil {
		return nil, err
	}
	return &body[client.Chain]{client.Chain{OK: r.OK, Events: r.Events, Heads: r.Heads, Last: r.Last, Problem: r.Problem, Took: time.Since(began).String()}}, nil
}

func (s *Server) export(context.Context, caller, *struct{}) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", "application/vnd.curfew.ledger")
		if err := s.parts.Export(h.Context(), s.patient(h)); err != nil {
			s.parts.Log.Error("an export was cut short", "err", err)
		}
	}}, nil
}

func (s *Server) doctor(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.Finding]], error) {
	return &body[client.List[client.Finding]]{client.List[client.Finding]{Items: s.parts.Doctor(ctx, c.who), Position: s.parts.Access.Ledger().Head().Size}}, nil
}

func (s *Server) setup(ctx context.Context, _ caller, in *struct {
	Name string `path:"name" maxLength:"128"`
}) (*body[client.Setup], error) {
	text, err := s.parts.Setup(ctx, curfew.ResourceName(in.Name))
	if err != nil {
		return nil, err
	}
	return &body[client.Setup]{client.Setup{Resource: in.Name, Lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}}, nil
}

func (s *Server) confirmClock(ctx context.Context, c caller, in *struct{ Body client.Decision }) (*body[client.Done], error) {
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	return took(s.parts.Access.Do(ctx, access.ConfirmClock{By: c.who}))
}

func (s *Server) confirmRestore(ctx context.Context, c caller, in *struct{ Body client.Decision }) (*body[client.Done], error) {
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return nil, err
	}
	return took(s.parts.Access.Do(ctx, access.ConfirmRestore{By: c.who}))
}
