package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
)

// agreements are all that a policy asks people to agree to.
func agreements(p curfew.Policy) []curfew.ApprovalNeed {
	if !p.Release.Some() {
		return p.Approvals
	}
	return append(slices.Clone(p.Approvals), p.Release.By)
}

// onlyHoldsMore reports whether all that a change does is to hold more statements,
// or to let go of them less easily: that gives nobody anything. Anything else about
// a rule of release may give: that it goes, or holds less, waits longer, asks others or fewer.
func onlyHoldsMore(before, after curfew.Policy) bool {
	b, a := before.Release, after.Release
	before.Release, after.Release = curfew.Release{}, curfew.Release{}
	if !reflect.DeepEqual(before, after) || !a.Some() {
		return false
	}
	if !b.Some() {
		return true
	}
	for _, c := range b.Statements {
		if !slices.Contains(a.Statements, c) {
			return false
		}
	}
	fewer := a.By.Count < b.By.Count
	a.By.Count = b.By.Count
	return !fewer && a.Within <= b.Within && reflect.DeepEqual(a.By, b.By)
}

// releaseDiff says what is held now and was not, and the other way round.
func releaseDiff(before, after curfew.Release) string {
	switch {
	case !after.Some():
		return "release: nothing is held any more"
	case !before.Some():
		return "release: holds " + strings.Join(classTexts(after), ", ")
	}
	var parts []string
	if d := lineDiff(classTexts(before), classTexts(after)); !slices.Equal(before.Statements, after.Statements) {
		parts = append(parts, d)
	}
	if !reflect.DeepEqual(before.By, after.By) {
		parts = append(parts, "others release")
	}
	if before.Within != after.Within {
		parts = append(parts, "within "+after.Within.String())
	}
	return "release: " + strings.Join(parts, "; ")
}

func classTexts(r curfew.Release) (out []string) {
	for _, c := range r.Statements {
		out = append(out, string(c))
	}
	return out
}
