package enginetest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// Asking makes a credential whose first connection asks for a role, for somebody
// who does not hold it.
func (w *World) Asking(role curfew.RoleName, d time.Duration) Grant {
	w.t.Helper()
	w.mu.Lock()
	who := w.people[w.next%people]
	w.next++
	w.mu.Unlock()
	return w.AskingAs(who, role, d)
}

// AskingAs makes one for somebody.
func (w *World) AskingAs(who curfew.Principal, role curfew.RoleName, d time.Duration) Grant {
	w.t.Helper()
	var on curfew.ResourceName
	w.Access.View(func(st *access.State) { on = st.Config.Roles[role].On })
	c, err := w.Identity.IssueAsking(context.Background(), access.Question{Principal: who, Role: role, Resource: on, Duration: d, Reason: "to test asking"})
	must(w.t, err)
	return Grant{User: string(c.ID), Password: c.Secret, Principal: who}
}

// Administrator is who agrees in this world.
func (w *World) Administrator() curfew.Principal { return w.admin }

// Waiting waits until so many requests wait, and returns them.
func (w *World) Waiting(n int) (out []access.Request) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		out = nil
		w.Access.View(func(st *access.State) {
			for _, r := range st.Requests {
				out = append(out, *r)
			}
		})
		if len(out) == n {
			return out
		}
	}
	w.t.Fatalf("%d requests wait, want %d", len(out), n)
	return nil
}

// Events returns the ledger's events of a kind.
func Events[T any](w *World, kind curfew.Kind) (out []T) {
	w.t.Helper()
	events, err := w.ledger.Read(context.Background(), 1, 1<<20)
	must(w.t, err)
	for _, e := range events {
		if e.Kind == kind {
			var b T
			must(w.t, json.Unmarshal(e.Body, &b))
			out = append(out, b)
		}
	}
	return out
}

// Lawful checks the laws over all that the ledger holds.
func (w *World) Lawful() {
	w.t.Helper()
	events, err := w.ledger.Read(context.Background(), 1, 1<<20)
	must(w.t, err)
	laws := access.NewLaws()
	for _, e := range events {
		if err := laws.Check(e); err != nil {
			w.t.Errorf("event %d (%s): %v", e.Position, e.Kind, err)
		}
	}
}

// AskOnly asks by hand and leaves it waiting.
func (w *World) AskOnly(who curfew.Principal, role curfew.RoleName, d time.Duration) curfew.RequestID {
	w.t.Helper()
	id, _, err := w.Identity.Ask(context.Background(), access.Ask{Question: access.Question{Principal: who, Role: role, Duration: d, Reason: "by hand"}})
	must(w.t, err)
	return id
}

// AskAgain asks by hand for what g had, has it agreed to, and waits until its clock runs.
func (w *World) AskAgain(g Grant, role curfew.RoleName, d time.Duration) curfew.GrantID {
	w.t.Helper()
	w.AskOnly(g.Principal, role, d)
	id := curfew.GrantID(curfew.NewID("gr"))
	w.Agree(id)
	w.Await(id, access.Active)
	return id
}
