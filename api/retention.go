package api

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/say"
)

type holdIn struct {
	IDIn
	Body client.Holding
}

// holding is what holding and releasing have in common: a recording that is there,
// a reason, and the sign-in of its own that a decision needs.
func (s *Server) holding(ctx context.Context, c caller, in *holdIn) (history.Session, curfew.Sealed, error) {
	x, err := s.findRecording(ctx, c, in.ID)
	if err != nil {
		return x, nil, err
	}
	if err := s.prove(ctx, c, in.Body.Passphrase); err != nil {
		return x, nil, err
	}
	if strings.TrimSpace(in.Body.Reason) == "" {
		return x, nil, curfew.Errorf(curfew.Invalid, "say why: the reason stays in the ledger, for auditors").WithFix("add --reason")
	}
	why, err := s.parts.Identity.Seal(ctx, c.who, in.Body.Reason)
	return x, why, err
}

func (s *Server) holdRecording(ctx context.Context, c caller, in *holdIn) (*body[client.Done], error) {
	x, why, err := s.holding(ctx, c, in)
	if err != nil {
		return nil, err
	}
	whose, err := s.whose(ctx, x)
	if err != nil {
		return nil, err
	}
	return took(s.parts.Access.Do(ctx, access.HoldRecording{Session: x.Session, Whose: whose, By: c.who, Why: why}))
}

// whose is the person of a session, as the ledger says it: the lists are never
// asked for a decision.
func (s *Server) whose(ctx context.Context, x history.Session) (curfew.Principal, error) {
	events, err := s.parts.Access.Ledger().Read(ctx, x.Position, 1)
	if err != nil {
		return "", err
	}
	var b curfew.SessionOpened
	if len(events) != 1 || events[0].Kind != curfew.KindSessionOpened || json.Unmarshal(events[0].Body, &b) != nil || b.Session != x.Session {
		return "", curfew.Errorf(curfew.Corrupt, "the lists say otherwise than the ledger when %s was opened", x.Session).WithFix("stop the gateway and delete history.db; it is built again")
	}
	return b.Principal, nil
}

func (s *Server) releaseRecording(ctx context.Context, c caller, in *holdIn) (*body[client.Done], error) {
	x, why, err := s.holding(ctx, c, in)
	if err != nil {
		return nil, err
	}
	var of curfew.Principal
	if in.Body.Of != "" {
		if of, err = s.findPerson(ctx, in.Body.Of); err != nil {
			return nil, err
		}
	}
	return took(s.parts.Access.Do(ctx, access.ReleaseRecording{Session: x.Session, By: c.who, Of: of, Why: why}))
}

// kept fills in how long a session's recording stays.
func (s *Server) kept(ctx context.Context, c caller, x history.Session, out *client.Session) {
	if x.Removed != nil {
		out.Removed, out.RemovedWhy = x.Removed.At, "the retention of "+say.Kept(x.Removed.Kept)
		return
	}
	if c.admin || c.audit { // to others it would tell that somebody looks into it
		for _, h := range x.Held {
			out.Held = append(out.Held, client.Hold{By: s.parts.Identity.Name(ctx, h.By), At: h.At, Why: s.parts.Identity.Text(ctx, h.By, h.Why)})
		}
	}
	var kept time.Duration
	s.parts.Access.View(func(st *access.State) { kept = st.KeptFor(x.At) })
	if !x.Live && kept > 0 {
		out.KeptUntil = x.Ended.Add(kept)
	}
}

func (s *Server) retention(context.Context, caller, *struct{}) (*body[client.Retention], error) {
	var d time.Duration
	s.parts.Access.View(func(st *access.State) { d = st.Config.Retention.Recordings })
	out := client.Retention{Sentence: say.Retention(d)}
	if d > 0 {
		out.Recordings = d.String()
	}
	return &body[client.Retention]{out}, nil
}
