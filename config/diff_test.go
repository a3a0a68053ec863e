package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"pgregory.net/rapid"
)

const staff = `curfew: v1
people:
  ann@acme.io: { manager: max@acme.io }
groups:
  ops: [ann@acme.io, bob@acme.io]
  leads: [max@acme.io]
resources:
  db: { type: postgres, address: "db:5432", labels: { env: production } }
roles:
  read: { on: db, may: read *, longest: 1h }
  write: { on: { env: production }, may: write *, never: delete, includes: read, excludes: audit, longest: 1h }
  audit: { on: db, may: audit, longest: 1h }
policies:
  look: { who: ops, may have: read }
  edit: { who: leads, may have: write, needs: [{ approvals: 1, from: ops }] }
  check: { who: tom@acme.io, may have: audit }
freezes:
  x: { from: 2026-01-01T00:00:00Z, to: 2026-01-05T00:00:00Z }
`

func TestDiffSaysWhoGains(t *testing.T) {
	replace := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(staff) }
	const all = "p_ann p_bob p_max p_tom"
	for _, c := range []struct{ name, after, lines, gainers string }{
		{"nothing changed", staff, "", ""},
		{"a member leaves", replace("[ann@acme.io, bob@acme.io]", "[ann@acme.io]"), "~ group ops  - p_bob", ""},
		{"a member joins, and those they may approve", replace("[ann@acme.io, bob@acme.io]", "[ann@acme.io, bob@acme.io, eve@acme.io]"), "~ group ops  + p_eve", "p_eve p_max"},
		{"a policy goes", replace("  look: { who: ops, may have: read }\n", ""), "- policy look  removed", ""},
		{"a policy comes", staff + "policies2", "", ""},
		{"a policy changes", replace("who: ops, may", "who: ops, at most: 30m, may"), "~ policy look  at most changed", "p_ann p_bob"},
		{"a policy names another approver", replace("from: ops", "from: [ops, zoe@acme.io]"), "~ policy edit  approvals changed", "p_max p_zoe"},
		{"another manager", replace("max@acme.io }", "zoe@acme.io }"), "~ manager p_ann  + p_zoe, - p_max", "p_ann p_zoe"},
		{"no manager", replace("  ann@acme.io: { manager: max@acme.io }", "  ann@acme.io:"), "- manager p_ann  removed: - p_max", ""},
		{"a role changes", replace("may: read *", "may: [read *, write x]"), "~ role read  may: + write x", "p_ann p_bob p_max"},
		{"a role loses a line, and who knows", replace("never: delete, ", ""), "~ role write  never: - delete", "p_max p_tom"},
		{"a resource moves", replace(`"db:5432"`, `"db2:5432"`), "~ resource db  address changed", all},
		{"settle gets shorter", staff + "settings: { settle: 1h }", "~ settings settle  24 h → 1 h", all},
		{"settle gets longer", staff + "settings: { settle: 3d }", "~ settings settle  24 h → 3 d", ""},
		{"a freeze comes", replace("freezes:", "freezes:\n  y: { from: 2026-01-01T00:00:00Z, to: 2026-01-05T00:00:00Z }"), "+ freeze y  new", ""},
		{"a freeze gets longer", replace("2026-01-05", "2026-01-06"), "~ freeze x  to changed", ""},
		{"a freeze gets shorter", replace("2026-01-05", "2026-01-04"), "~ freeze x  to changed", all},
		{"a freeze goes", replace("freezes:\n  x: { from: 2026-01-01T00:00:00Z, to: 2026-01-05T00:00:00Z }\n", ""), "- freeze x  removed", all},
	} {
		if strings.HasSuffix(c.after, "policies2") {
			c.after = replace("policies:", "policies:\n  new: { who: eve@acme.io, may have: read }")
			c.lines, c.gainers = "+ policy new  new", "p_eve"
		}
		t.Run(c.name, func(t *testing.T) {
			_, before := resolved(t, staff)
			_, after := resolved(t, c.after)
			changes := Diff(before, after)
			var gainers []string
			for _, p := range changes.Gainers() {
				gainers = append(gainers, string(p))
			}
			if got := strings.Join(gainers, " "); got != c.gainers || (len(changes.Gains) > 0) != (c.gainers != "") {
				t.Errorf("gainers %q, want %q; %v", got, c.gainers, changes.Gains)
			}
			if got := strings.Join(changes.Lines(nil), "\n"); got != c.lines {
				t.Errorf("got\n%s\nwant\n%s", got, c.lines)
			}
			if changes.Everyone != (c.gainers == all && !strings.Contains(c.name, "resource")) {
				t.Errorf("everyone: %v", changes.Everyone)
			}
		})
	}
}

func TestRemovingARoleMayFree(t *testing.T) {
	_, before := resolved(t, staff)
	after := before
	after.Roles = maps.Clone(before.Roles)
	delete(after.Roles, "read")
	if g := Diff(before, after); len(g.Gains) != 0 {
		t.Errorf("a role without prohibitions went, and %v gain", g.Gains)
	}
	for _, name := range []curfew.RoleName{"write", "audit"} {
		after.Roles = maps.Clone(before.Roles)
		delete(after.Roles, name)
		if g := Diff(before, after).Gainers(); !slices.Equal(g, []curfew.Principal{"p_max", "p_tom"}) {
			t.Errorf("%s went with its exclusion, and %v gain", name, g)
		}
	}
}

// TestTheLedgerKeepsAConfiguration: what was stored and read again is no change.
func TestTheLedgerKeepsAConfiguration(t *testing.T) {
	for _, text := range []string{staff, small, string(example(t))} {
		_, c := resolved(t, text)
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again curfew.Config
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatal(err)
		}
		if d := Diff(c, again); len(d.All) > 0 {
			t.Errorf("stored and read, it changed: %v", d.Lines(nil))
		}
	}
}

// TestEverythingButRemovalIsAGain: random changes; if nothing is gained, then
// things only went away, members left, or a rule became stricter.
func TestEverythingButRemovalIsAGain(t *testing.T) {
	_, base := resolved(t, staff)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) curfew.Config {
			c := base
			c.Groups, c.Policies, c.Roles = maps.Clone(c.Groups), maps.Clone(c.Policies), maps.Clone(c.Roles)
			for _, g := range []curfew.GroupName{"ops", "leads"} {
				c.Groups[g] = rapid.SliceOfNDistinct(rapid.SampledFrom([]curfew.Principal{"p_a", "p_b", "p_c"}), 0, 3, rapid.ID).Draw(t, label)
			}
			for _, name := range []curfew.PolicyName{"look", "edit"} {
				p := c.Policies[name]
				p.AtMost = time.Duration(rapid.IntRange(0, 2).Draw(t, label))
				c.Policies[name] = p
				if rapid.Bool().Draw(t, label) {
					delete(c.Policies, name)
				}
			}
			return c
		}
		before, after := draw("before"), draw("after")
		gainers := Diff(before, after).Gainers()
		for name, p := range after.Policies {
			old, had := before.Policies[name]
			for _, s := range p.Who {
				for _, who := range after.Groups[s.Group] {
					same := had && old.AtMost == p.AtMost && slices.Contains(before.Groups[s.Group], who)
					if !same && !slices.Contains(gainers, who) {
						t.Fatalf("%s may ask by %s as never before, and gains nothing", who, name)
					}
				}
			}
		}
	})
}
