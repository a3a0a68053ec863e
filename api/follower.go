package api

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
)

// mostGrants is how many grants one follower remembers: of those that end beyond that it is
// told by what it may see then.
const mostGrants = 10_000

// follower knows what its caller saw waiting, and which grants they saw because they could
// have ended them: they see that these end, also where they may not see them any more.
type follower struct {
	server     *Server
	caller     caller
	pending    map[curfew.RequestID]bool
	grants     map[curfew.GrantID]uint64 // 0: it or a session of it goes on; else its last event came no later than this one
	statements bool
}

func (s *Server) follower(ctx context.Context, c caller) *follower {
	f := &follower{server: s, caller: c, pending: map[curfew.RequestID]bool{}, grants: map[curfew.GrantID]uint64{}}
	f.look(ctx)
	f.lookAtGrants()
	return f
}

// look notes what waits, as far as the caller may see it now.
func (f *follower) look(ctx context.Context) {
	var all []history.Request
	f.server.parts.Access.View(func(st *access.State) {
		f.caller.admin, f.caller.audit = st.InGroup(f.caller.who, curfew.Administrators), st.InGroup(f.caller.who, curfew.Auditors)
		for _, r := range st.Requests {
			all = append(all, pending(r))
		}
	})
	clear(f.pending)
	for _, r := range all {
		if f.server.maySee(f.caller, r) {
			f.pending[r.Request] = true
		}
	}
	held, _ := f.server.heldStatements()
	f.statements = slices.ContainsFunc(held, func(h access.Held) bool {
		_, ok := f.server.statement(ctx, f.caller, h)
		return ok
	})
}

// lookAtGrants notes all grants that the caller could end now, and forgets those that go on
// and that they could not end any more.
func (f *follower) lookAtGrants() {
	if f.caller.admin || f.caller.audit {
		return // they are told of everything
	}
	now := f.server.parts.Access.Now()
	f.server.parts.Access.View(func(st *access.State) {
		for id, g := range st.Grants {
			switch {
			case st.MayRevoke(g, f.caller.who, now):
				f.note(id)
			case g.Live():
				delete(f.grants, id)
			}
		}
	})
}

// lookAtNew notes the grants that a batch of events speaks of, as far as the caller could end
// them now or could, if they were not over since.
func (f *follower) lookAtNew(ctx context.Context, batch []history.Entry) error {
	if f.caller.admin || f.caller.audit {
		return nil
	}
	for _, e := range batch {
		if _, ok := f.grants[e.Grant]; ok || e.Grant == "" || subjectOf(e.Kind) != "grant" {
			continue
		}
		x, err := f.server.parts.History.Grant(ctx, e.Grant)
		if curfew.CodeOf(err) == curfew.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		g := access.Grant{ID: x.Grant, Principal: x.Principal, Policy: x.Policy, By: x.By}
		now := f.server.parts.Access.Now()
		f.server.parts.Access.View(func(st *access.State) {
			if st.MayRevoke(&g, f.caller.who, now) {
				f.note(g.ID)
			}
		})
	}
	return nil
}

func (f *follower) note(id curfew.GrantID) {
	if len(f.grants) < mostGrants {
		f.grants[id] = 0
	}
}

// forget lets go of the grants of which everything was told up to a position: they are
// removed from their target, and none of their sessions lives.
func (f *follower) forget(told uint64) {
	if len(f.grants) == 0 {
		return
	}
	f.server.parts.Access.View(func(st *access.State) {
		used := sync.OnceValue(func() map[curfew.GrantID]bool {
			live := map[curfew.GrantID]bool{}
			for _, s := range st.Sessions {
				live[s.Grant] = true
			}
			return live
		})
		for id, last := range f.grants {
			if st.Grants[id] != nil || used()[id] {
				continue
			}
			if last == 0 {
				last = st.Size
			}
			if f.grants[id] = last; told >= last {
				delete(f.grants, id)
			}
		}
	})
}

// hint says what a batch of events changes of what the caller may see.
func (f *follower) hint(ctx context.Context, batch []curfew.Event, out chan<- client.Hint) error {
	first, last := batch[0].Position, batch[len(batch)-1].Position
	if err := f.server.listed(ctx, last); err != nil {
		return err
	}
	entries, err := f.server.parts.History.Entries(ctx, history.Filter{Before: last + 1, Limit: len(batch)})
	if err != nil {
		return err
	}
	waited, saw := f.pending, f.statements
	f.pending = map[curfew.RequestID]bool{}
	f.look(ctx)
	entries = slices.DeleteFunc(entries, func(e history.Entry) bool { return e.Position < first })
	if slices.ContainsFunc(entries, func(e history.Entry) bool { return slices.Contains(public, subjectOf(e.Kind)) }) {
		f.lookAtGrants()
	}
	if err := f.lookAtNew(ctx, entries); err != nil {
		return err
	}
	defer f.forget(last)
	hint := client.Hint{Position: last}
	name := func(topics ...string) {
		for _, t := range topics {
			if !slices.Contains(hint.Topics, t) {
				hint.Topics = append(hint.Topics, t)
			}
		}
	}
	if len(entries) > 0 && (f.caller.admin || f.caller.audit) {
		name("audit")
	}
	for _, e := range entries {
		subject := subjectOf(e.Kind)
		switch {
		case f.concerns(ctx, e):
		case e.Request != "" && (waited[e.Request] || f.pending[e.Request]):
		case subject == "statement" && (saw || f.statements):
		default:
			continue
		}
		name(topics(e.Kind)...)
	}
	if len(hint.Topics) == 0 {
		return nil
	}
	slices.Sort(hint.Topics)
	return tell(ctx, hint, out)
}

// all says to look at everything, once the lists hold a position.
func (f *follower) all(ctx context.Context, position uint64, out chan<- client.Hint) error {
	if err := f.server.listed(ctx, position); err != nil {
		return err
	}
	return tell(ctx, client.Hint{Position: position, Topics: everything()}, out)
}

func tell(ctx context.Context, hint client.Hint, out chan<- client.Hint) error {
	select {
	case out <- hint:
	case <-ctx.Done():
		return ctx.Err()
	}
	select { // what happens at the same time is said in one hint
	case <-time.After(hintEvery):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// public are the subjects of events that everybody is told of, for everybody may list what they
// change. With them it changes who may end which grants.
var public = []string{"workflow", "principal", "group", "config", "resource", "role", "policy"}

// subjectOf is what a kind of event is about.
func subjectOf(k curfew.Kind) string {
	subject, _, _ := strings.Cut(string(k), ".")
	return subject
}

// concerns reports whether an event is of something that the caller may see now, or of a grant
// that they saw and of which they are told until it is over.
func (f *follower) concerns(ctx context.Context, e history.Entry) bool {
	s, c := f.server, f.caller
	if c.admin || c.audit || e.Principal == c.who {
		return true
	}
	if last, ok := f.grants[e.Grant]; ok && (last == 0 || e.Position <= last) {
		return true
	}
	var err error
	switch {
	case slices.Contains(public, subjectOf(e.Kind)):
		return true
	case e.Session != "":
		_, err = s.findSession(ctx, c, string(e.Session))
	case e.Grant != "":
		_, err = s.findGrant(ctx, c, string(e.Grant))
	default:
		return false
	}
	return err == nil
}
