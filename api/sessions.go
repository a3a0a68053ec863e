package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

func (s *Server) sessionRoutes() {
	add(s, SignedIn, http.MethodGet, "/sessions", "List sessions one may see", s.listSessions)
	add(s, SignedIn, http.MethodGet, "/sessions/{id}", "Show a session", s.showSession)
	add(s, SignedIn, http.MethodPost, "/sessions/{id}/cut", "End a session now; its grant goes on", s.cut)
	add(s, SignedIn, http.MethodGet, "/sessions/{id}/transcript", "Read a recording from its first item (NDJSON)", s.transcript)
	add(s, SignedIn, http.MethodGet, "/sessions/{id}/watch", "Follow a recording from its first item (Server-Sent Events)", s.watch)
	add(s, SignedIn, http.MethodGet, "/sessions/{id}/export", "One session as evidence that verifies offline (NDJSON)", s.exportSession)
	add(s, SignedIn, http.MethodGet, "/sessions/search", "Search what was said in sessions", s.search)
	add(s, Viewer, http.MethodPost, "/sessions/{id}/hold", "Hold a recording: it is not removed", s.holdRecording)
	add(s, Viewer, http.MethodPost, "/sessions/{id}/release", "Release somebody else's hold on a recording", s.releaseRecording)
	add(s, SignedIn, http.MethodGet, "/retention", "How long recordings are kept", s.retention)
}

func (s *Server) session(ctx context.Context, c caller, x history.Session) client.Session {
	id := s.parts.Identity
	out := client.Session{
		ID: string(x.Session), Grant: string(x.Grant), Principal: string(x.Principal), Who: id.Name(ctx, x.Principal), Role: string(x.Role),
		Resource: string(x.Resource), Client: x.Client, Program: say.Clean(x.Program, 100), Opened: x.At, Live: x.Live, Ended: x.Ended,
	}
	for _, v := range x.Viewed {
		out.Viewed = append(out.Viewed, id.Name(ctx, v))
	}
	if x.CutBy != "" {
		out.CutBy, out.CutWhy = id.Name(ctx, x.CutBy), id.Text(ctx, x.CutBy, x.CutWhy)
	}
	if m := x.Sum; m != nil {
		out.Cause, out.CauseText = string(m.Cause), say.Cause(m.Cause)
		out.Statements, out.Refused, out.Rows, out.Bytes, out.Terminated = m.Statements, m.Refused, m.Rows, m.Bytes, m.Terminated
		if m.CutTook > 0 {
			out.CutTook = m.CutTook.String()
		}
	}
	s.kept(ctx, c, x, &out)
	now := s.parts.Access.Now()
	s.parts.Access.View(func(st *access.State) {
		if g := st.Grants[x.Grant]; g != nil && x.Live {
			out.MayCut = st.MayRevoke(g, c.who, now)
		}
	})
	return out
}

// findSession finds a session that the caller may know of: their own, one under
// a grant they may see.
func (s *Server) findSession(ctx context.Context, c caller, id string) (history.Session, error) {
	x, err := one(ctx, s, func() (history.Session, error) { return s.parts.History.Session(ctx, curfew.SessionID(id)) })
	if err != nil {
		return x, err
	}
	if !s.maySeeSession(ctx, c, x) {
		err = curfew.Errorf(curfew.NotFound, "there is no session %.60q", id)
	}
	return x, err
}

func (s *Server) maySeeSession(ctx context.Context, c caller, x history.Session) bool {
	if c.admin || c.audit || x.Principal == c.who {
		return true
	}
	g, err := s.parts.History.Grant(ctx, x.Grant)
	return err == nil && s.maySeeGrant(c, g)
}

func (s *Server) listSessions(ctx context.Context, c caller, in *struct {
	ListIn
	Grant  string    `query:"grant"`
	Person string    `query:"person" doc:"By address or name"`
	Since  time.Time `query:"since" doc:"Opened then or later"`
	Until  time.Time `query:"until" doc:"Opened before"`
}) (*body[client.List[client.Session]], error) {
	at, behind := s.caughtUp(ctx, in.Position)
	f := in.filter()
	f.Grant, f.From, f.To = curfew.GrantID(in.Grant), in.Since, in.Until
	if in.Scope != "all" {
		f.Principal = c.who
	} else if in.Person != "" {
		var err error
		if f.Principal, err = s.findPerson(ctx, in.Person); err != nil {
			return nil, err
		}
	}
	found, more, err := sift(ctx, f, s.parts.History.Sessions,
		func(x history.Session) bool { return s.maySeeSession(ctx, c, x) },
		func(x history.Session) uint64 { return x.Position })
	if err != nil {
		return nil, err
	}
	out := client.List[client.Session]{Items: []client.Session{}, Position: at, Behind: behind, Next: more}
	for _, x := range found {
		out.Items = append(out.Items, s.session(ctx, c, x))
	}
	return &body[client.List[client.Session]]{out}, nil
}

func (s *Server) showSession(ctx context.Context, c caller, in *struct {
	IDIn
	Position uint64 `query:"position"`
}) (*body[client.Session], error) {
	s.caughtUp(ctx, in.Position)
	x, err := s.findSession(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[client.Session]{s.session(ctx, c, x)}, nil
}

func (s *Server) cut(ctx context.Context, c caller, in *struct {
	IDIn
	Body client.Why
}) (*body[client.Done], error) {
	why, err := s.parts.Identity.Seal(ctx, c.who, in.Body.Why)
	if err != nil {
		return nil, err
	}
	return took(s.parts.Access.Do(ctx, access.CutSession{Session: curfew.SessionID(in.ID), By: c.who, Why: why}))
}

// mayRead reports whether the caller may see what was said in a session, and not
// only its shape: the holder, and whoever could have a role that covers it (THREATS 14).
// Where the role says something else now than when it was used, nobody can tell from
// today's roles what it covered.
func (s *Server) mayRead(ctx context.Context, c caller, x history.Session) bool {
	if x.Principal == c.who {
		return true
	}
	g, err := s.parts.History.Grant(ctx, x.Grant)
	if err != nil {
		return false
	}
	ok := false
	s.parts.Access.View(func(st *access.State) {
		res := st.Config.Resources[x.Resource]
		e := s.parts.Engines[res.Type]
		theirs, err := st.Permission(x.Role)
		if e == nil || err != nil || policy.RoleVersion(st.Config.Roles, x.Role) != g.RoleVersion {
			return
		}
		for _, role := range st.MayAskFor(c.who) {
			if !st.Config.Roles[role].Covers(res) {
				continue
			}
			if mine, err := st.Permission(role); err == nil && e.Covers(mine, theirs) {
				ok = true
				return
			}
		}
	})
	return ok
}

// open opens a recording for the caller, which is an event of its own.
func (s *Server) open(ctx context.Context, c caller, id, how string) (record.Reader, func(record.Item) client.Item, error) {
	x, err := s.findRecording(ctx, c, id)
	if err != nil {
		return nil, nil, err
	}
	shape := s.shapeFor(ctx, c, x)
	first, done := s.watches(c.who, x.Session, how)
	if first {
		_, err = s.parts.Access.Do(ctx, access.Note{Kind: curfew.KindRecordingWatched, Body: curfew.RecordingWatched{Session: x.Session, By: c.who, How: how}})
	}
	if err != nil {
		done(false)
		return nil, nil, err
	}
	opened, err := s.parts.Record.Read(x.Session)
	if err != nil {
		done(first)
		return nil, nil, err
	}
	r := &watched{opened, func() { done(true) }}
	asked := time.Now()
	return r, func(it record.Item) client.Item {
		if time.Since(asked) >= admitEvery { // what one may see may end while one watches
			asked, shape = time.Now(), s.shapeFor(ctx, c, x)
		}
		if shape != nil {
			it = shape.Shape(it)
		}
		return item(it)
	}, nil
}

// findRecording is findSession for a recording that has not been removed.
func (s *Server) findRecording(ctx context.Context, c caller, id string) (history.Session, error) {
	x, err := s.findSession(ctx, c, id)
	if err == nil && x.Removed != nil {
		err = curfew.Errorf(curfew.NotFound, "%s; its head stays in the ledger", say.Removed(string(x.Session), x.Removed.At, x.Removed.Kept)).
			WithRule("recording.removed").WithFix("what was decided about it is still there: curfew audit --session %s", x.Session)
	}
	return x, err
}

// shapeFor is how a session is shown to somebody; nil: as it is.
func (s *Server) shapeFor(ctx context.Context, c caller, x history.Session) engine.Shaper {
	if s.mayRead(ctx, c, x) {
		return nil
	}
	return s.shapeOf(x.Resource)
}

// shapeOf is how a resource's sessions look without values.
func (s *Server) shapeOf(on curfew.ResourceName) (shape engine.Shaper) {
	s.parts.Access.View(func(st *access.State) {
		shape, _ = s.parts.Engines[st.Config.Resources[on].Type].(engine.Shaper)
	})
	if shape == nil {
		shape = hidden{}
	}
	return shape
}

// hidden shows nothing of what was said, for engines that know no shapes.
type hidden struct{}

func (hidden) Shape(it record.Item) record.Item {
	it.Text, it.Values, it.Columns, it.Table, it.Error = "", nil, nil, nil, ""
	if it.Kind == record.Held {
		it.Tag = "" // the salt of a digest of what is hidden
	}
	return it
}

func item(it record.Item) client.Item {
	out := client.Item{
		At: it.At, Kind: string(it.Kind), Ref: it.Ref, Text: it.Text, Tag: it.Tag, Rows: it.Rows, Bytes: it.Bytes,
		TookMS: float64(it.Took.Microseconds()) / 1000, Error: it.Error, Code: it.Code,
	}
	out.Values, out.Columns, out.Left = valuesOf(it.Values), it.Columns, it.Left
	for _, row := range it.Table {
		out.Table = append(out.Table, valuesOf(row))
	}
	return out
}

func valuesOf(in []record.Value) (out []client.Value) {
	for _, v := range in {
		out = append(out, client.Value(v))
	}
	return out
}

func (s *Server) transcript(ctx context.Context, c caller, in *IDIn) (*huma.StreamResponse, error) {
	r, show, err := s.open(ctx, c, in.ID, "transcript")
	if err != nil {
		return nil, err
	}
	still := s.still(ctx, SignedIn, curfew.SessionID(in.ID))
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer func() { _ = r.Close() }()
		h.SetHeader("Content-Type", "application/x-ndjson")
		enc := json.NewEncoder(s.patient(h))
		for {
			it, err := r.Next(h.Context(), false)
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				err = still()
			}
			if err != nil {
				_ = enc.Encode(client.Item{Kind: "fault", Error: err.Error()})
				return
			}
			if enc.Encode(show(it)) != nil {
				return
			}
		}
	}}, nil
}

func (s *Server) watch(ctx context.Context, c caller, in *struct {
	IDIn
	Skip   string `query:"skip" enum:"output" doc:"Leave out what programs have shown: the screen of a session says it in less"`
	Gather bool   `query:"gather" doc:"For a page: batches, four a second at most, of which each has the newest screen instead of what programs have shown"`
	After  int    `query:"after" minimum:"0" doc:"Where it gathers: the number of the last item that is known already"`
}) (*huma.StreamResponse, error) {
	done, err := s.follows(c.who, 1)
	if err != nil {
		return nil, err
	}
	r, show, err := s.open(ctx, c, in.ID, "watch")
	if err != nil {
		done()
		return nil, err
	}
	still := s.still(ctx, SignedIn, curfew.SessionID(in.ID))
	if in.Gather {
		return s.batches(ctx, gathering{caller: c, id: in.ID, reader: r, show: show, still: still, after: in.After, done: done})
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer done()
		defer func() { _ = r.Close() }()
		send := s.stream(h)
		for n := 1; ; n++ {
			it, err := r.Next(h.Context(), true)
			if errors.Is(err, io.EOF) {
				_ = send("end", n, struct{}{})
				return
			}
			if err == nil {
				err = still()
			}
			if err == nil && in.Skip == "output" && (it.Kind == record.Output || it.Kind == record.Input) {
				continue
			}
			if err != nil {
				_ = send("fault", n, client.Item{Kind: "fault", Error: err.Error()})
				return
			}
			if send("item", n, show(it)) != nil {
				return
			}
		}
	}}, nil
}

// stream starts a stream of Server-Sent Events and returns what sends one.
func (s *Server) stream(h huma.Context) func(kind string, id int, v any) error {
	h.SetHeader("Content-Type", "text/event-stream")
	w := s.patient(h)
	return func(kind string, id int, v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", id, kind, text)
		w.Flush()
		return err
	}
}
