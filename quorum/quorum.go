// Package quorum counts approvals. It is pure, and it never knows who anybody
// is beyond an opaque principal.
//
// Distinct people count, each for one need only; whether the needs are met does
// not depend on the order of votes or needs. The requester, the excluded and
// machines never count. One "no" of a person who may decide loses at once,
// whatever else was said before or beside it.
package quorum

import (
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

// Vote is what one principal said.
type Vote struct {
	By   curfew.Principal
	Kind curfew.PrincipalKind
	Yes  bool
	At   time.Time
}

// Need asks for Count distinct people out of From. A Count below one is read as
// one: no need is met by nobody.
type Need struct {
	Count int
	From  []curfew.Principal
}

// Excluded are the principals that never count beside the requester: aliases,
// delegates, an agent's owner.
type Excluded map[curfew.Principal]bool

// State is how a request stands.
type State string

// The states.
const (
	Pending State = "pending"
	Won     State = "won"
	Lost    State = "lost"
)

// Result is the tally.
type Result struct {
	State State
	// Missing says, need by need, how many more people it takes; empty if won.
	// Where one person could serve several needs, one assignment is shown.
	Missing []Missing
	// Yes are the people who count, sorted; No are those whose "no" lost it.
	Yes, No []curfew.Principal
}

// Missing is what one need still lacks.
type Missing struct {
	Need  int                // index into the needs
	Count int                // how many more people
	Could []curfew.Principal // who could, and has not voted; sorted
}

// Tally counts the votes against all the needs together.
func Tally(requester curfew.Principal, excluded Excluded, needs []Need, votes []Vote) Result {
	b := newBallot(requester, excluded, needs)
	yes, no := b.count(votes)
	result := Result{State: Pending, Yes: yes, No: no}
	result.Missing = b.missing(yes)
	switch {
	case len(no) > 0:
		result.State = Lost
	case len(result.Missing) == 0:
		result.State = Won
	}
	return result
}

// Lacking says what would be missing if everybody who may decide said yes: empty
// if the needs can be met at all.
func Lacking(requester curfew.Principal, excluded Excluded, needs []Need) []Missing {
	b := newBallot(requester, excluded, needs)
	var all []curfew.Principal
	for _, n := range needs {
		all = append(all, n.From...)
	}
	return b.missing(b.deciders(all))
}

// ballot is one question put to people.
type ballot struct {
	needs []Need
	may   []map[curfew.Principal]bool // need by need, who counts for it
}

func newBallot(requester curfew.Principal, excluded Excluded, needs []Need) ballot {
	b := ballot{needs: needs, may: make([]map[curfew.Principal]bool, len(needs))}
	for i, n := range needs {
		b.may[i] = make(map[curfew.Principal]bool, len(n.From))
		for _, p := range n.From {
			if p != "" && p != requester && !excluded[p] {
				b.may[i][p] = true
			}
		}
	}
	return b
}

// mayDecide reports whether the principal counts for some need.
func (b ballot) mayDecide(p curfew.Principal) bool {
	return slices.ContainsFunc(b.may, func(may map[curfew.Principal]bool) bool { return may[p] })
}

// deciders returns the distinct ones who may decide, sorted.
func (b ballot) deciders(all []curfew.Principal) []curfew.Principal {
	var some []curfew.Principal
	for _, p := range all {
		if b.mayDecide(p) {
			some = append(some, p)
		}
	}
	slices.Sort(some)
	return slices.Compact(some)
}

// count sorts the votes that count. A principal once seen as a machine is none
// whose "yes" counts.
func (b ballot) count(votes []Vote) (yes, no []curfew.Principal) {
	machines := map[curfew.Principal]bool{}
	for _, v := range votes {
		if v.Kind != curfew.Person {
			machines[v.By] = true
		}
	}
	for _, v := range votes {
		switch {
		case v.Yes && !machines[v.By]:
			yes = append(yes, v.By)
		case !v.Yes && v.Kind == curfew.Person:
			no = append(no, v.By)
		}
	}
	return b.deciders(yes), b.deciders(no)
}

// missing assigns the people, sorted, to the needs, as many as can be, and lists what is
// left open.
func (b ballot) missing(people []curfew.Principal) []Missing {
	filled := b.assign(people)
	var missing []Missing
	for i, n := range b.needs {
		if more := max(n.Count, 1) - filled[i]; more > 0 {
			could := slices.Sorted(maps.Keys(b.may[i]))
			could = slices.DeleteFunc(could, func(p curfew.Principal) bool {
				_, voted := slices.BinarySearch(people, p)
				return voted
			})
			missing = append(missing, Missing{Need: i, Count: more, Could: could})
		}
	}
	return missing
}
