package quorum

import "github.com/curfewhq/curfew"

// assign gives each person to at most one need, so that as many as possible are
// given (augmenting paths, Kuhn 1955), and returns how many each need got. What
// is filled in total is the most possible; so all needs are met by it if they
// can be met by anything.
func (b ballot) assign(people []curfew.Principal) []int {
	given := make([][]curfew.Principal, len(b.needs))
	for _, p := range people {
		b.give(p, given, make([]bool, len(b.needs)))
	}
	filled := make([]int, len(b.needs))
	for i, g := range given {
		filled[i] = len(g)
	}
	return filled
}

// give finds the person a place, moving others to other needs where that frees one.
func (b ballot) give(p curfew.Principal, given [][]curfew.Principal, tried []bool) bool {
	for i, n := range b.needs {
		if tried[i] || !b.may[i][p] {
			continue
		}
		tried[i] = true
		if len(given[i]) < max(n.Count, 1) {
			given[i] = append(given[i], p)
			return true
		}
		for j, other := range given[i] {
			if b.give(other, given, tried) {
				given[i][j] = p
				return true
			}
		}
	}
	return false
}
