package bench

import (
	"context"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/session"
)

// nothing is a recorder of a session that says nothing.
type nothing struct{}

func (nothing) Write(record.Item) error { return nil }
func (nothing) OnFail(func(error))      {}
func (nothing) Close(record.Item) error { return nil }

// livePermit is a permit as a gateway gives it.
func livePermit(b *testing.B) *access.Permit {
	w := newWays(b).world
	ctx := context.Background()
	g := w.Grant("all", time.Hour)
	cred, err := w.Identity.Credential(ctx, curfew.CredentialID(g.User))
	must(b, err)
	p, err := w.Access.OpenSession(ctx, access.OpenSession{Session: "s_1", Credential: cred})
	must(b, err)
	b.Cleanup(func() { p.Fail(curfew.CauseClosed, "") })
	return p
}

// BenchmarkMessageGate is P2: what every message pays, beside a loop that does nothing.
func BenchmarkMessageGate(b *testing.B) {
	p := livePermit(b)
	s := session.New(session.Parts{Permit: p, Notices: []time.Duration{}, Record: nothing{}})
	shut := func(b *testing.B) { b.Fatal("the gate has shut") }
	b.Run("empty loop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
		}
	})
	b.Run("atomic", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if p.Over() {
				shut(b)
			}
		}
	})
	b.Run("with its clocks", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if p.Over() || p.Due(time.Now()) {
				shut(b)
			}
		}
	})
	b.Run("enter and leave", func(b *testing.B) { // as relays use it
		b.ReportAllocs()
		for b.Loop() {
			if s.Enter() != nil {
				shut(b)
			}
			s.Leave()
		}
	})
}
