package say

import (
	"fmt"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Answer is a decision as Why reads it. It has the shape of the decision of
// package policy, which lives on the same floor.
type Answer struct {
	Person   string
	Role     curfew.RoleName
	OK       bool
	Policies []Ruling // best first
	Nearest  *Way     // another way in, where there is one
}

// Ruling is what one policy says.
type Ruling struct {
	Policy    curfew.PolicyName
	OK        bool
	Checks    []Check
	Approvals int // how many it takes
	Longest   time.Duration
	Bounds    []string // the arithmetic, shortest last
}

// Check is one condition: what it needs, what was seen, what to do.
type Check struct {
	Rule string
	OK   bool
	Need string
	Saw  string
	Fix  string
}

// Way is a role that could be asked for instead.
type Way struct {
	Role      curfew.RoleName
	Policy    curfew.PolicyName
	Approvals int
	Longest   time.Duration
}

// Why explains a decision: the answer, then what each policy missed, then the
// shortest way in.
func Why(a Answer) string {
	person, role := Clean(a.Person, 80), Clean(string(a.Role), curfew.MaxName)
	var lines []string
	switch {
	case a.OK && len(a.Policies) > 0:
		best := a.Policies[0]
		lines = append(lines, fmt.Sprintf("Yes. %s can ask for %s: policy %s, %s, up to %s.", person, role,
			Clean(string(best.Policy), curfew.MaxName), Approvals(best.Approvals), Duration(best.Longest)))
		if len(best.Bounds) > 0 {
			lines = append(lines, "  "+Clean(strings.Join(best.Bounds, ", "), 300))
		}
	case len(a.Policies) == 0:
		lines = append(lines, fmt.Sprintf("No. No policy gives %s to anybody.", role))
	default:
		lines = append(lines, fmt.Sprintf("No. %s can't ask for %s.", person, role))
		lines = append(lines, missed(a.Policies)...)
	}
	if a.Nearest != nil {
		lines = append(lines, fmt.Sprintf("Nearest way: %s (policy %s), %s, up to %s", Clean(string(a.Nearest.Role), curfew.MaxName),
			Clean(string(a.Nearest.Policy), curfew.MaxName), Approvals(a.Nearest.Approvals), Duration(a.Nearest.Longest)))
	}
	return strings.Join(lines, "\n")
}

// missed lists every condition that failed, in columns.
func missed(rulings []Ruling) []string {
	var rows [][3]string
	for _, r := range rulings {
		name := "policy " + Clean(string(r.Policy), curfew.MaxName)
		for _, c := range r.Checks {
			if !c.OK {
				rows = append(rows, [3]string{name, Clean(c.Need, 120), Clean(c.Saw, 200)})
				name = ""
			}
		}
	}
	first, second := 0, 0
	for _, r := range rows {
		first, second = max(first, len([]rune(r[0]))), max(second, len([]rune(r[1])))
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("  %-*s   %-*s   %s", first, r[0], second, r[1], r[2]), " "))
	}
	return lines
}

// Approvals says how many people must agree: "no approval", "1 approval".
func Approvals(n int) string {
	switch n {
	case 0:
		return "no approval"
	case 1:
		return "1 approval"
	}
	return fmt.Sprintf("%d approvals", n)
}
