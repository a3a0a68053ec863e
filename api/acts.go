package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/say"
)

// act is a change that can be made by a touch: the same route as by passphrase.
type act struct {
	level   Level
	prepare func(ctx context.Context, c caller, id string, text []byte) (prepared, error)
}

// prepared is one such change, and all of what is shown of it before it is made.
type prepared struct {
	title   string
	lines   []string
	command access.Command // whose record is signed and kept; nil: what is done is proved by its digest
	digest  []byte
	run     func(ctx context.Context, c caller) (any, error)
}

// onTouch has a route's change be made by a touch too, by whom the route lets through.
// show says what it is, of what the caller may see; run is the route's own handler.
func onTouch[B, O any](s *Server, path string,
	show func(ctx context.Context, c caller, id string, in B) (prepared, error), run func(ctx context.Context, c caller, id string, in B) (*body[O], error)) {
	i := slices.IndexFunc(s.routes, func(r Route) bool { return r == Route{http.MethodPost, client.Base + path, r.Level} })
	if i < 0 {
		panic("there is no route POST " + path) // found by the first test of all
	}
	s.acts[path] = act{s.routes[i].Level, func(ctx context.Context, c caller, id string, text []byte) (prepared, error) {
		in, err := parseBody[B](text)
		if err != nil {
			return prepared{}, err
		}
		p, err := show(ctx, c, id, in)
		if err != nil {
			return p, err
		}
		sum := sha256.Sum256(text)
		p.digest = sum[:]
		p.run = func(ctx context.Context, c caller) (any, error) {
			out, err := run(ctx, c, id, in)
			if err != nil {
				return nil, err
			}
			return out.Body, nil
		}
		return p, nil
	}}
}

// parseBody reads a body as the route itself would.
func parseBody[B any](text []byte) (in B, err error) {
	var loose any
	if bytes.Equal(text, []byte("null")) {
		text = []byte("{}")
	}
	if json.Unmarshal(text, &loose) != nil || json.Unmarshal(text, &in) != nil {
		return in, curfew.Errorf(curfew.Invalid, "the body cannot be read")
	}
	if wrong := huma.NewModelValidator().Validate(reflect.TypeFor[B](), loose); len(wrong) > 0 {
		return in, curfew.Errorf(curfew.Invalid, "the body does not fit: %s", wrong[0])
	}
	return in, nil
}

// actAt finds the change of a path, and the identifier in it.
func (s *Server) actAt(path string) (a act, id string, ok bool) {
	if a, ok = s.acts[path]; ok {
		return a, "", !strings.Contains(path, "{")
	}
	parts := strings.Split(path, "/")
	if len(parts) != 4 || parts[2] == "" || len(parts[2]) > 64 {
		return a, "", false
	}
	id, parts[2] = parts[2], "{id}"
	a, ok = s.acts[strings.Join(parts, "/")]
	return a, id, ok
}

// decided is the handler of a decision, for onTouch.
func decided[O any](h func(context.Context, caller, *decideIn) (*body[O], error)) func(context.Context, caller, string, client.Decision) (*body[O], error) {
	return func(ctx context.Context, c caller, id string, in client.Decision) (*body[O], error) {
		return h(ctx, c, &decideIn{ID: id, Body: in})
	}
}

func (s *Server) actRoutes() {
	s.acts = map[string]act{}
	plainly := func(h func(context.Context, caller, *struct{ Body client.Decision }) (*body[client.Done], error)) func(context.Context, caller, string, client.Decision) (*body[client.Done], error) {
		return func(ctx context.Context, c caller, _ string, in client.Decision) (*body[client.Done], error) {
			return h(ctx, c, &struct{ Body client.Decision }{in})
		}
	}
	holdBy := func(h func(context.Context, caller, *holdIn) (*body[client.Done], error)) func(context.Context, caller, string, client.Holding) (*body[client.Done], error) {
		return func(ctx context.Context, c caller, id string, in client.Holding) (*body[client.Done], error) {
			return h(ctx, c, &holdIn{IDIn: IDIn{id}, Body: in})
		}
	}
	onTouch(s, "/requests/{id}/approve", s.showApprove, decided(s.approve))
	onTouch(s, "/requests/{id}/deny", s.showDeny, decided(s.deny))
	onTouch(s, "/statements/{id}/release", s.showRelease, decided(s.releaseStatement))
	onTouch(s, "/statements/{id}/refuse", s.showRefuse, decided(s.refuseStatement))
	onTouch(s, "/plans/{id}/agree", s.showAgree, decided(s.agree))
	onTouch(s, "/config/apply", s.showApply, func(ctx context.Context, c caller, _ string, in client.Files) (*body[client.Plan], error) {
		return s.apply(ctx, c, &filesIn{in})
	})
	onTouch(s, "/people/invite", s.showInvite, func(ctx context.Context, c caller, _ string, in client.Invite) (*body[client.Invited], error) {
		return s.invite(ctx, c, &struct{ Body client.Invite }{in})
	})
	onTouch(s, "/clock/confirm", saying[client.Decision]("Say that the gateway's clock is right", "It was stepped; what waited for it goes on."), plainly(s.confirmClock))
	onTouch(s, "/restore/confirm", saying[client.Decision]("Say that the restored ledger is the right one", "Access is given again from what it says."), plainly(s.confirmRestore))
	onTouch(s, "/sessions/{id}/hold", s.showHold("Keep the recording of "), holdBy(s.holdRecording))
	onTouch(s, "/sessions/{id}/release", s.showHold("Give up the hold on the recording of "), holdBy(s.releaseRecording))
	onTouch(s, "/passkeys/{id}/remove", s.showRemovePasskey, func(ctx context.Context, c caller, id string, _ client.Decision) (*body[client.Done], error) {
		return s.removePasskey(ctx, c, &IDIn{id})
	})
}

// saying shows what needs no looking up.
func saying[B any](title string, lines ...string) func(context.Context, caller, string, B) (prepared, error) {
	return func(context.Context, caller, string, B) (prepared, error) {
		return prepared{title: title, lines: lines}, nil
	}
}

// quoted is somebody's own words in a line.
func quoted(text string) string { return "“" + say.Clean(text, 2000) + "”" }

func (s *Server) showApprove(ctx context.Context, c caller, id string, in client.Decision) (prepared, error) {
	r, err := s.visible(ctx, c, id)
	if err != nil {
		return prepared{}, err
	}
	d := r.Duration
	if in.For != "" {
		if d, err = parseFor(in.For); err != nil {
			return prepared{}, err
		}
	}
	v := s.request(ctx, c, r, 0)
	lines := append([]string{v.Who + " asked for " + v.Role + " on " + v.Resource + ": " + v.Effect + "."}, v.Dangers...)
	if v.Reason != "" {
		lines = append(lines, "Their words: "+quoted(v.Reason))
	}
	if !v.Start.IsZero() {
		lines = append(lines, "It starts "+v.Start.UTC().Format("2006-01-02 15:04 MST")+".")
	}
	if v.Extends != "" {
		lines = append(lines, "It is more time for "+v.Extends+", which they have.")
	}
	if v.Workflow != "" {
		lines = append(lines, "It is for the workflow "+say.Clean(v.Workflow, 200)+".")
	}
	if v.From != "" {
		lines = append(lines, "It was asked by "+v.From+".")
	}
	cmd := access.Approve{Request: r.Request, By: c.who, For: d}
	if in.For == "" {
		cmd.For = 0
	}
	return prepared{title: "Approve: " + say.Effect(v.Who, v.Effect, v.Resource, d), lines: append(lines, v.Checks...), command: cmd}, nil
}

func (s *Server) showDeny(ctx context.Context, c caller, id string, in client.Decision) (prepared, error) {
	r, err := s.visible(ctx, c, id)
	if err != nil {
		return prepared{}, err
	}
	v := s.request(ctx, c, r, 0)
	p := prepared{title: "Deny: " + v.Title, lines: []string{}, command: access.Deny{Request: r.Request, By: c.who}}
	if in.Why != "" {
		p.lines = append(p.lines, v.Who+" is told: "+quoted(in.Why))
	}
	return p, nil
}

func (s *Server) showHeld(ctx context.Context, c caller, id, verb string) (prepared, error) {
	h, err := s.findStatement(ctx, c, id)
	if err != nil {
		return prepared{}, err
	}
	p := prepared{title: verb + " " + h.Who + "'s statement on " + h.Resource}
	if h.Text != "" { // line by line: in one, what follows a comment would seem to be part of it
		for line := range strings.SplitSeq(strings.ReplaceAll(h.Text, "\r\n", "\n"), "\n") {
			p.lines = append(p.lines, "│ "+whole(line)) // what is behind the bar is theirs, all else is ours
		}
	}
	for i, v := range h.Values {
		text := "'" + whole(v.Text) + "'"
		switch {
		case v.Null:
			text = "null"
		case v.Binary:
			text = "(binary) " + whole(v.Text)
		}
		p.lines = append(p.lines, fmt.Sprintf("$%d = %s", i+1, text))
	}
	if h.Masked {
		p.lines = append(p.lines, "It sets a secret, which is shown to nobody.")
	}
	if h.Open {
		p.lines = append(p.lines, "Its transaction is open.")
	}
	if h.Text == "" && !h.Masked {
		return prepared{}, curfew.Errorf(curfew.Conflict, "what it says cannot be shown: %s", cmp.Or(h.WhyNot, "its session is on its way out"))
	}
	return p, nil
}

// whole is a line of somebody's, harmless, with nothing left out.
func whole(line string) string {
	return say.Clean(strings.ReplaceAll(line, "\t", "    "), 8*len(line)+8)
}

func (s *Server) showRelease(ctx context.Context, c caller, id string, _ client.Decision) (prepared, error) {
	p, err := s.showHeld(ctx, c, id, "Release, once,")
	p.command = access.ReleaseStatement{Statement: curfew.StatementID(id), By: c.who}
	return p, err
}

func (s *Server) showRefuse(ctx context.Context, c caller, id string, in client.Decision) (prepared, error) {
	p, err := s.showHeld(ctx, c, id, "Refuse")
	p.command = access.RefuseStatement{Statement: curfew.StatementID(id), By: c.who}
	if in.Why != "" {
		p.lines = append(p.lines, "They are told: "+quoted(in.Why))
	}
	return p, err
}

func (s *Server) showAgree(ctx context.Context, c caller, id string, _ client.Decision) (prepared, error) {
	all, err := s.listPlans(ctx, c, nil)
	if err != nil {
		return prepared{}, err
	}
	for _, p := range all.Body.Items {
		if p.ID == id {
			return prepared{title: "Agree to the plan of " + p.Author, lines: append(p.Lines, p.Gains...), command: access.Agree{Plan: curfew.PlanID(id), By: c.who}}, nil
		}
	}
	return prepared{}, curfew.Errorf(curfew.NotFound, "there is no plan %.60q that waits", id)
}

// showApply takes files with the plan that was shown only: without it, what somebody else
// changes until the touch would be undone unseen.
func (s *Server) showApply(ctx context.Context, c caller, _ string, in client.Files) (prepared, error) {
	out, err := s.plan(ctx, c, &filesIn{in})
	if err != nil {
		return prepared{}, err
	}
	p := out.Body
	if in.Plan != p.ID || len(p.Tests) > 0 || p.ID == "" {
		return prepared{}, curfew.Errorf(curfew.Conflict, "the plan is not the one that was shown, or cannot be applied").WithRule("plan.changed").WithFix("plan again: curfew plan")
	}
	lines := append(append([]string{}, p.Lines...), p.Gains...)
	for _, email := range p.NewPeople {
		lines = append(lines, "new: "+email)
	}
	return prepared{title: "Apply a configuration", lines: lines}, nil
}

func (s *Server) showInvite(_ context.Context, _ caller, _ string, in client.Invite) (prepared, error) {
	return prepared{title: "Invite " + in.Email, lines: []string{"A link for their first sign-in is shown to whoever asked for this: " + strings.TrimSpace(in.Name+" "+in.Email)}}, nil
}

func (s *Server) showHold(title string) func(context.Context, caller, string, client.Holding) (prepared, error) {
	return func(ctx context.Context, c caller, id string, in client.Holding) (prepared, error) {
		if _, err := s.findRecording(ctx, c, id); err != nil {
			return prepared{}, err
		}
		return prepared{title: title + id, lines: []string{"Because: " + quoted(in.Reason)}}, nil
	}
}
