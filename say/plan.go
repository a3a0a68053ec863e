package say

import (
	"fmt"
	"strings"

	"github.com/curfewhq/curfew"
)

// Change is one thing that a plan adds, changes or removes.
type Change struct {
	Sign, Kind, Name, Detail string
}

// Plan says changes, a line each, in columns:
//
//   - policy fix-refunds-on-call   new
//     ~ role   orders/read           may: + refunds.*
func Plan(changes []Change) []string {
	kind, name := 0, 0
	for _, c := range changes {
		kind, name = max(kind, len(c.Kind)), max(name, min(len([]rune(c.Name)), 40))
	}
	lines := make([]string, 0, len(changes))
	for _, c := range changes {
		line := fmt.Sprintf("%s %-*s %-*s  %s", c.Sign, kind, c.Kind, name, Clean(c.Name, curfew.MaxName), Clean(c.Detail, 300))
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}
