package enginetest

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/session"
)

// Held waits until a statement waits for its release, and returns it as whoever
// releases it sees it.
func (w *World) Held() (access.Held, session.Held) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		var found []access.Held
		w.Access.View(func(st *access.State) {
			for _, h := range st.Held {
				found = append(found, *h)
			}
		})
		if len(found) == 0 {
			continue
		}
		if len(found) > 1 {
			w.t.Fatalf("%d statements wait", len(found))
		}
		if h, ok := w.Gateway.Held(found[0].Statement); ok {
			return found[0], h
		}
	}
	w.t.Fatal("no statement waits")
	return access.Held{}, session.Held{}
}

// NoneHeld demands that no statement waits.
func (w *World) NoneHeld() {
	w.t.Helper()
	n := 1
	for end := time.Now().Add(10 * time.Second); n > 0 && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		w.Access.View(func(st *access.State) { n = len(st.Held) })
	}
	if n > 0 {
		w.t.Errorf("%d statements wait", n)
	}
}

// Release releases a statement as somebody, for the digest that they were shown.
func (w *World) Release(id curfew.StatementID, by curfew.Principal, digest []byte) error {
	_, err := w.Access.Do(context.Background(), access.ReleaseStatement{Statement: id, By: by, Digest: digest})
	return err
}

// ReleaseOne waits for the statement that waits, releases it as the administrator, and returns it.
func (w *World) ReleaseOne() session.Held {
	w.t.Helper()
	a, h := w.Held()
	must(w.t, w.Release(a.Statement, w.admin, a.Digest))
	return h
}

// RefuseOne waits for the statement that waits, and refuses it as the administrator.
func (w *World) RefuseOne(why string) {
	w.t.Helper()
	a, _ := w.Held()
	sealed, err := w.Identity.Seal(context.Background(), w.admin, why)
	must(w.t, err)
	_, err = w.Access.Do(context.Background(), access.RefuseStatement{Statement: a.Statement, By: w.admin, Why: sealed})
	must(w.t, err)
}
