package bench

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/cedar-policy/cedar-go"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/policy"
)

// asked is one decision to be made: may this person use this grant now?
type asked struct {
	who   curfew.Principal
	grant curfew.GrantID
	end   time.Time
}

// decider decides one; every one of the questions asked is answered with yes.
type decider struct {
	name   string
	decide func(i int) bool
}

func askedFor(live int, end time.Time) []asked {
	out := make([]asked, live)
	for i := range out {
		out[i] = asked{curfew.Principal(fmt.Sprintf("p_%d", i%10_000)), curfew.GrantID(fmt.Sprintf("gr_%d", i)), end}
	}
	return out
}

// newState holds all grants; those that are not live have ended and left it, as they do.
func newState(all int, live []asked, now time.Time) *access.State {
	st := access.NewState()
	res := curfew.Resource{Name: "db", Type: "postgres", Address: "127.0.0.1:5432"}
	st.Config.Resources["db"] = res
	st.Config.Roles["read"] = curfew.Role{Name: "read", On: "db", May: []string{"read *"}, Longest: time.Hour}
	st.Now = now
	role, resource := policy.RoleVersion(st.Config.Roles, "read"), policy.ResourceVersion(res)
	for _, a := range live {
		st.People[a.who] = &access.Person{ID: a.who, Kind: curfew.Person, Enabled: true, Joined: true}
		st.Grants[a.grant] = &access.Grant{ID: a.grant, Principal: a.who, Role: "read", Resource: "db", Status: access.Active,
			Start: now, End: a.end, RoleVersion: role, ResourceVersion: resource}
	}
	for i := len(live); i < all; i++ {
		id := curfew.GrantID(fmt.Sprintf("gr_%d", i))
		st.Grants[id] = &access.Grant{ID: id, Principal: live[i%len(live)].who, Status: access.Over}
		delete(st.Grants, id)
	}
	return st
}

func byCurfew(b *testing.B, all int, live []asked, now time.Time) decider {
	st := newState(all, live, now)
	creds := make([]access.Credential, len(live))
	for i, a := range live {
		creds[i] = access.Credential{ID: curfew.CredentialID("c_" + a.grant), Principal: a.who, Grant: a.grant, Until: a.end}
	}
	return decider{"curfew", func(i int) bool {
		_, err := st.Authorize(creds[i], now)
		return err == nil
	}}
}

// byCedar has one policy, and the live grants as entities: what cedar is fastest with.
func byCedar(b *testing.B, live []asked, now time.Time) decider {
	var p cedar.Policy
	must(b, p.UnmarshalCedar([]byte(`permit (principal, action == Action::"use", resource is Grant)
		when { principal.enabled && resource.owner == principal && context.now < resource.end };`)))
	set := cedar.NewPolicySet()
	set.Add("use", &p)
	entities := cedar.EntityMap{}
	requests := make([]cedar.Request, len(live))
	context := cedar.NewRecord(cedar.RecordMap{"now": cedar.NewDatetime(now)})
	for i, a := range live {
		who, grant := cedar.NewEntityUID("User", cedar.String(a.who)), cedar.NewEntityUID("Grant", cedar.String(a.grant))
		entities[who] = cedar.Entity{UID: who, Attributes: cedar.NewRecord(cedar.RecordMap{"enabled": cedar.True})}
		entities[grant] = cedar.Entity{UID: grant, Attributes: cedar.NewRecord(cedar.RecordMap{"owner": who, "end": cedar.NewDatetime(a.end)})}
		requests[i] = cedar.Request{Principal: who, Action: cedar.NewEntityUID("Action", "use"), Resource: grant, Context: context}
	}
	return decider{"cedar", func(i int) bool {
		ok, _ := cedar.Authorize(set, entities, requests[i])
		return ok == cedar.Allow
	}}
}

// byCasbin has one policy, and the live grants as links of its role manager: one
// line a grant would be looked through from the first to the last.
func byCasbin(b *testing.B, live []asked, now time.Time) decider {
	m, err := model.NewModelFromString(`
[request_definition]
r = sub, obj, end, now
[policy_definition]
p = act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, r.obj) && r.now < r.end`)
	must(b, err)
	e, err := casbin.NewEnforcer(m)
	must(b, err)
	_, err = e.AddPolicy("use")
	must(b, err)
	links := make([][]string, len(live))
	for i, a := range live {
		links[i] = []string{string(a.who), string(a.grant)}
	}
	_, err = e.AddGroupingPolicies(links)
	must(b, err)
	at := float64(now.Unix())
	return decider{"casbin", func(i int) bool {
		ok, err := e.Enforce(links[i][0], links[i][1], float64(live[i].end.Unix()), at)
		return ok && err == nil
	}}
}

// BenchmarkDecision is P1: one decision beside cedar-go's and casbin's on the same
// live grants, in turns of ten thousand.
func BenchmarkDecision(b *testing.B) {
	sizes := []struct{ all, live int }{{10_000, 10_000}, {100_000, 10_000}}
	if full() {
		sizes[1].all, sizes[1].live = 1_000_000, 100_000
	}
	for _, size := range sizes {
		b.Run(fmt.Sprintf("grants=%d,live=%d", size.all, size.live), func(b *testing.B) {
			now := time.Now()
			live := askedFor(size.live, now.Add(time.Hour))
			compareDeciders(b, len(live), []decider{byCurfew(b, size.all, live, now), byCedar(b, live, now), byCasbin(b, live, now)})
		})
	}
}

const turnOf = 10_000 // decisions of one decider before it is the next one's turn

func compareDeciders(b *testing.B, n int, deciders []decider) {
	took, objects := map[string][]float64{}, map[string]uint64{}
	runtime.GC()
	turn := 0
	for b.Loop() {
		for _, d := range deciders {
			before := memory().Mallocs
			began := time.Now()
			for k := range turnOf {
				if !d.decide((turn*turnOf + k) * 7919 % n) {
					b.Fatalf("%s says no", d.name)
				}
			}
			took[d.name] = append(took[d.name], float64(time.Since(began).Nanoseconds())/turnOf)
			objects[d.name] += memory().Mallocs - before
		}
		turn++
	}
	ours := median(took["curfew"])
	for _, d := range deciders {
		b.ReportMetric(median(took[d.name]), d.name+"-ns")
		b.ReportMetric(float64(objects[d.name])/float64(turn*turnOf), d.name+"-allocs")
		if d.name != "curfew" {
			b.ReportMetric(median(took[d.name])/ours, d.name+"-x")
		}
	}
	b.ReportMetric(at(took["curfew"], 0.99), "curfew-p99-turn-ns")
}
