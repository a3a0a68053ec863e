package policy

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

func config() curfew.Config {
	p := onCall()
	p.AnswerWithin, p.UseWithin, p.Starts, p.Record = 30*time.Minute, 8*time.Hour, curfew.AtApproval, curfew.RecordLive
	return curfew.Config{
		Groups:    map[curfew.GroupName][]curfew.Principal{"payments": {"p_alice", "p_ben"}, "dba": {"p_dana"}},
		Managers:  map[curfew.Principal]curfew.Principal{"p_alice": "p_dana"},
		Resources: map[curfew.ResourceName]curfew.Resource{"orders-db": {Name: "orders-db", Type: "postgres", Address: "x:1", Account: curfew.Leased, Labels: map[string]string{"env": "p"}}},
		Roles:     map[curfew.RoleName]curfew.Role{"orders/refund-fixer": fixer()},
		Policies:  map[curfew.PolicyName]curfew.Policy{"fix-refunds": p},
		Freezes:   map[string]curfew.Freeze{"x": {Name: "x", From: tuesday(), To: tuesday().Add(1)}},
	}
}

func TestProblems(t *testing.T) {
	person := func(p curfew.Principal) bool { return p != "p_bot" }
	role := func(c *curfew.Config, change func(*curfew.Role)) {
		r := fixer()
		change(&r)
		c.Roles[r.Name] = r
	}
	pol := func(c *curfew.Config, change func(*curfew.Policy)) {
		p := c.Policies["fix-refunds"]
		change(&p)
		c.Policies["fix-refunds"] = p
	}
	for _, c := range []struct {
		name   string
		change func(*curfew.Config)
		want   string // in one of the problems; empty: none
		warn   bool
	}{
		{"nothing is wrong", func(*curfew.Config) {}, "", false},
		{"settle is negative", func(c *curfew.Config) { c.Settings.Settle = -1 }, "settings: settle: a time cannot be negative", false},
		{"a group's name", func(c *curfew.Config) { c.Groups["a b"] = nil }, `the name "a b" has ' '`, false},
		{"a member who is nobody", func(c *curfew.Config) { c.Groups["dba"] = []curfew.Principal{""} }, "a member is nobody", false},
		{"their own manager", func(c *curfew.Config) { c.Managers["p_x"] = "p_x" }, "nobody is their own manager", false},
		{"a machine as manager", func(c *curfew.Config) { c.Managers["p_x"] = "p_bot" }, "a manager is a person", false},
		{"a resource called otherwise inside", func(c *curfew.Config) { c.Resources["y"] = c.Resources["orders-db"] }, `it is called "orders-db" inside`, false},
		{"a resource of nothing", func(c *curfew.Config) { c.Resources["y"] = curfew.Resource{Name: "y"} }, "resources: y: it has no type", false},
		{"a resource without an address", func(c *curfew.Config) { c.Resources["y"] = curfew.Resource{Name: "y"} }, "it has no address", false},
		{"a kind of account", func(c *curfew.Config) { c.Resources["y"] = curfew.Resource{Name: "y"} }, "no kind of account; leased or fixed", false},
		{"an unknown resource", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.On = "order-db" }) }, `there is no resource "order-db"; did you mean "orders-db"?`, false},
		{"a name and labels", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.OnLabels = map[string]string{"a": "b"} }) }, "it names a resource and labels", false},
		{"neither", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.On = "" }) }, "it is on no resource", false},
		{"labels that nothing has", func(c *curfew.Config) {
			role(c, func(r *curfew.Role) { r.On, r.OnLabels = "", map[string]string{"env": "q"} })
		}, "no resource has these labels", true},
		{"labels that something has", func(c *curfew.Config) {
			role(c, func(r *curfew.Role) { r.On, r.OnLabels = "", map[string]string{"env": "p"} })
		}, "", false},
		{"a role that permits nothing", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.May = nil }) }, "it permits nothing", false},
		{"a role without a longest", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.Longest = 0 }) }, "longest: the duration 0s is shorter", false},
		{"a role for ever", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.Longest = 31 * 24 * time.Hour }) }, "longer than the most", false},
		{"an unknown included role", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.Includes = []curfew.RoleName{"x"} }) }, `includes: there is no role "x"`, false},
		{"an unknown excluded role", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.Excludes = []curfew.RoleName{"x"} }) }, `excludes: there is no role "x"`, false},
		{"a role that excludes itself", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.Excludes = []curfew.RoleName{r.Name} }) }, "which it is or includes", false},
		{"a role that includes itself", func(c *curfew.Config) { role(c, func(r *curfew.Role) { r.Includes = []curfew.RoleName{r.Name} }) }, "in a circle: orders/refund-fixer → orders/refund-fixer", false},
		{"a policy about an unknown role", func(c *curfew.Config) {
			pol(c, func(p *curfew.Policy) { p.Roles = []curfew.RoleName{"orders/refund-fixr"} })
		}, `did you mean "orders/refund-fixer"?`, false},
		{"a policy about no role", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Roles = nil }) }, "it gives no role", false},
		{"a policy for nobody", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Who = nil }) }, "who: it names nobody", false},
		{"a subject of nothing", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Who = []curfew.Subject{{}} }) }, "one person or one group", false},
		{"an unknown group", func(c *curfew.Config) {
			pol(c, func(p *curfew.Policy) { p.Who = []curfew.Subject{{Group: "payment"}} })
		}, `no group "payment"; did you mean "payments"?`, false},
		{"a built-in group needs no entry", func(c *curfew.Config) {
			pol(c, func(p *curfew.Policy) {
				p.Who[0].Group = curfew.Administrators
				p.Approvals[0].From[0].Group = curfew.Administrators
			})
		}, "", false},
		{"bad hours", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Hours = []string{"Mon 09:00-18:00"} }) }, "names no zone", false},
		{"at most beyond the role", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.AtMost = 3 * time.Hour }) }, "3 h is more than the role orders/refund-fixer allows: 2 h", true},
		{"a negative at most", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.AtMost = -1 }) }, "at most: the duration", false},
		{"an answer within nothing", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.AnswerWithin = 0 }) }, "answer within: the duration", false},
		{"a use within a month", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.UseWithin = 30 * 24 * time.Hour }) }, "use within: the duration", false},
		{"a start of nothing", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Starts = "x" }) }, "no way to start", false},
		{"a record of nothing", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Record = "x" }) }, "no way to record", false},
		{"extensions of something", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Extensions = "x" }) }, "no rule for extensions", false},
		{"a kind of workflow", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Workflows[0].Kind = "x" }) }, `"x" is no kind of workflow`, false},
		{"two workflows", func(c *curfew.Config) {
			pol(c, func(p *curfew.Policy) { p.Workflows = append(p.Workflows, curfew.WorkflowNeed{Kind: curfew.Ticket}) })
		}, "it needs two workflows", false},
		{"no approvals asked", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Approvals[0].Count = 0 }) }, "approvals: 0 asks nobody", false},
		{"approvals from nobody", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Approvals[0].From = nil }) }, "approvals from nobody", false},
		{"approvals nobody could get", func(c *curfew.Config) { pol(c, func(p *curfew.Policy) { p.Approvals[0].Count = 2 }) }, "nobody could ever get these approvals", false},
		{"machines do not approve", func(c *curfew.Config) {
			pol(c, func(p *curfew.Policy) { p.Approvals[0].From = []curfew.Subject{{Principal: "p_bot"}} })
		}, "nobody could ever get these approvals", false},
		{"approvals some could never get", func(c *curfew.Config) {
			pol(c, func(p *curfew.Policy) { p.Approvals[0] = curfew.ApprovalNeed{Count: 1, Manager: true} })
		}, "1 of 2 who may ask could never get", true},
		{"peers may approve", func(c *curfew.Config) {
			pol(c, func(p *curfew.Policy) { p.Approvals[0] = curfew.ApprovalNeed{Count: 1, Peer: true} })
		}, "", false},
		{"a freeze turned round", func(c *curfew.Config) { c.Freezes["x"] = curfew.Freeze{Name: "x", From: tuesday(), To: tuesday()} }, "ends before it starts", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			problems := Problems(cfg, person)
			if c.want == "" && len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			found := c.want == ""
			for _, p := range problems {
				found = found || strings.Contains(p.String(), c.want) && p.Warning == c.warn
			}
			if !found {
				t.Errorf("no problem says %q: %v", c.want, problems)
			}
		})
	}
}

func TestRolesIncludeRoles(t *testing.T) {
	roles := map[curfew.RoleName]curfew.Role{
		"a": {Name: "a", May: []string{"read x", "read y"}, Includes: []curfew.RoleName{"c", "b"}, Longest: 1},
		"b": {Name: "b", May: []string{"write x", "read x"}, Never: []string{"delete"}, Includes: []curfew.RoleName{"c"}},
		"c": {Name: "c", May: []string{"read z"}, Never: []string{"delete", "drop"}, Includes: []curfew.RoleName{"a"}},
		"d": {Name: "d", Includes: []curfew.RoleName{"gone"}},
		"e": {Name: "e", Includes: []curfew.RoleName{"d"}},
	}
	p, err := Permission(roles, "a")
	want := curfew.Permission{May: []string{"read x", "read y", "write x", "read z"}, Never: []string{"delete", "drop"}}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, name := range []curfew.RoleName{"d", "e", "f"} {
		if _, err := Permission(roles, name); curfew.CodeOf(err) != curfew.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	found := 0
	for _, p := range Problems(curfew.Config{Roles: roles}, nil) {
		if strings.Contains(p.Message, "circle") {
			found++
			if !strings.Contains(p.Message, "a → ") {
				t.Errorf("%s", p)
			}
		}
	}
	if found != 1 && found != 2 {
		t.Errorf("%d circles were reported", found)
	}
	before := RoleVersion(roles, "a")
	c := roles["c"]
	c.May = []string{"read all"}
	roles["c"] = c
	if after := RoleVersion(roles, "a"); after == before || len(after) != 32 || after != RoleVersion(roles, "a") {
		t.Errorf("a change of an included role left the version %s", after)
	}
}

func TestVersions(t *testing.T) {
	p := onCall()
	before := PolicyVersion(p)
	p.AtMost++
	if PolicyVersion(p) == before {
		t.Error("a policy changed and its version did not")
	}
	r := func(options string) string {
		return ResourceVersion(curfew.Resource{Name: "x", Options: []byte(options)})
	}
	if r(`{"a":1,"b":9007199254740993}`) != r(`{ "b": 9007199254740993, "a": 1 }`) {
		t.Error("the order of options changed the version")
	}
	if r(`{"b":9007199254740993}`) == r(`{"b":9007199254740992}`) || r(`{`) == r(`{x`) || r("") == r("{}") {
		t.Error("different options have one version")
	}
}
