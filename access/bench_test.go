package access

import (
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// manyGrants is a state in which live of all grants are live; the others have
// ended and left it, as they do.
func manyGrants(all, live int) (*State, []Credential) {
	st := NewState()
	st.Config = CopyConfig(baseConfig())
	now := time.Now()
	st.Now = now
	creds := make([]Credential, 0, live)
	rules := st.rules()
	for i := range all {
		who := curfew.Principal(fmt.Sprintf("p_%d", i%10_000))
		if st.People[who] == nil {
			st.People[who] = &Person{ID: who, Kind: curfew.Person, Enabled: true, Joined: true}
			if st.Since["payments"] == nil {
				st.Since["payments"] = map[curfew.Principal]time.Time{}
			}
			st.Since["payments"][who] = time.Time{}
		}
		g := &Grant{
			ID: curfew.GrantID(fmt.Sprintf("gr_%d", i)), Principal: who, Role: "read", Resource: "db", Policy: "reading", Status: Active,
			Start: now, End: now.Add(time.Hour), RoleVersion: rules.roles["read"], ResourceVersion: rules.resources["db"],
		}
		st.Grants[g.ID] = g
		st.hold(g)
		if i >= live { // ended: it leaves the memory
			g.Status = Over
			st.forget(g)
			continue
		}
		creds = append(creds, Credential{ID: curfew.CredentialID(fmt.Sprintf("c_%d", i)), Principal: who, Grant: g.ID, Until: now.Add(time.Hour)})
	}
	return st, creds
}

// BenchmarkAuthorize is P1: one decision on the in-memory state.
func BenchmarkAuthorize(b *testing.B) {
	for _, size := range []struct{ all, live int }{{10_000, 10_000}, {1_000_000, 100_000}} {
		b.Run(fmt.Sprintf("%d grants, %d live", size.all, size.live), func(b *testing.B) {
			st, creds := manyGrants(size.all, size.live)
			now := time.Now()
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				if _, err := st.Authorize(creds[(i*7919)%len(creds)], now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGate is P2: what every message pays, the atomic alone and with its clocks.
func BenchmarkGate(b *testing.B) {
	now := time.Now()
	p := newPermit("s_1", Grant{ID: "gr_1"}, curfew.Resource{}, curfew.Permission{}, now, now.Add(time.Hour))
	b.Run("atomic", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if p.Over() {
				b.Fatal("over")
			}
		}
	})
	b.Run("with its clocks", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if p.Over() || p.Due(time.Now()) {
				b.Fatal("over")
			}
		}
	})
}
