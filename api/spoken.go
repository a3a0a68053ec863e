package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/config"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/say"
)

// spoken reads what files say aloud, in the words of every other place: to those only who may
// see whom an address stands for.
func (s *Server) spoken(ctx context.Context, c caller, d draft) []client.Spoken {
	if !c.admin && !c.audit || d.file == nil || config.Failed(d.problems) {
		return nil
	}
	var out []client.Spoken
	names := s.draftNames(ctx)
	for name, p := range d.config.Policies {
		out = append(out, client.Spoken{Kind: "policy", Name: string(name), Text: say.Policy(p, names), Where: originOf(d.file, "policies", string(name))})
	}
	for name, r := range d.config.Roles {
		x := client.Spoken{Kind: "role", Name: string(name), Where: originOf(d.file, "roles", string(name))}
		x.Text, x.Dangers = s.roleSpoken(d, name, r)
		out = append(out, x)
	}
	for name, r := range d.config.Resources {
		out = append(out, client.Spoken{Kind: "resource", Name: string(name), Text: say.Resource(r), Where: originOf(d.file, "resources", string(name))})
	}
	slices.SortFunc(out, func(a, b client.Spoken) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return out
}

// roleSpoken is what a role lets one do, in the words of the engine of the first resource that it reaches.
func (s *Server) roleSpoken(d draft, name curfew.RoleName, r curfew.Role) (string, []string) {
	var on []string
	for resource, res := range d.config.Resources {
		if r.Covers(res) {
			on = append(on, string(resource))
		}
	}
	if len(on) == 0 {
		return "It reaches nothing.", nil
	}
	slices.Sort(on)
	may, err := policy.Permission(d.config.Roles, name)
	e := s.parts.Engines[d.config.Resources[curfew.ResourceName(on[0])].Type]
	if err != nil || e == nil {
		return "It cannot be said what it lets one do.", nil
	}
	effect, dangers := e.Effect(may)
	return "Whoever has it may " + effect + ", on " + strings.Join(on, ", ") + ", for at most " + say.Long(r.Longest) + " at a time.", dangers
}

// results are the files' tests, each with what became of it.
func results(in []config.TestResult) []client.TestResult {
	var out []client.TestResult
	for _, r := range in {
		out = append(out, client.TestResult{Where: r.Test.Place.String(), Text: r.Test.Text, OK: r.OK, Why: r.Message})
	}
	return out
}
