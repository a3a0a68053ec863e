package access

import (
	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/config"
)

// planChange compares two configurations. The built-in groups stay as they are
// where the new one says nothing of them.
func planChange(base string, old, next curfew.Config) Change {
	next = CopyConfig(next)
	for _, g := range []curfew.GroupName{curfew.Administrators, curfew.Auditors} {
		if _, said := next.Groups[g]; !said && len(old.Groups[g]) > 0 {
			next.Groups[g] = old.Groups[g]
		}
	}
	d := config.Diff(old, next)
	c := Change{Plan: planID(base, next), Base: base, Lines: d.Lines(nil), Gainers: d.Gainers(), Config: next, show: d.Lines}
	for _, g := range d.Gains {
		c.Gains = append(c.Gains, g.What)
	}
	return c
}
