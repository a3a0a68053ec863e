package quorum

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/curfewhq/curfew"
	"pgregory.net/rapid"
)

type people = []curfew.Principal

func yes(by ...curfew.Principal) (votes []Vote) {
	for _, p := range by {
		votes = append(votes, Vote{By: p, Kind: curfew.Person, Yes: true})
	}
	return votes
}

func no(by curfew.Principal) Vote { return Vote{By: by, Kind: curfew.Person} }

func TestTally(t *testing.T) {
	one := []Need{{1, people{"alice", "ben", "dana", "bot"}}}
	two := []Need{{2, people{"alice", "ben", "dana", "bot"}}}
	both := []Need{{1, people{"ben", "dana"}}, {1, people{"dana"}}}
	for _, c := range []struct {
		name  string
		needs []Need
		votes []Vote
		want  State
	}{
		{"nothing asked is won", nil, nil, Won},
		{"nobody has voted", one, nil, Pending},
		{"one person approves", one, yes("ben"), Won},
		{"asker cannot approve", one, yes("alice"), Pending},
		{"an alias of the asker cannot approve", []Need{{1, people{"alice2", "ben"}}}, yes("alice2"), Pending},
		{"somebody nobody asked cannot approve", one, yes("eve"), Pending},
		{"nobody named is nobody", []Need{{1, people{""}}}, yes(""), Pending},
		{"one person counts once", two, yes("ben", "ben"), Pending},
		{"two people count twice", two, yes("ben", "dana"), Won},
		{"a machine never counts", one, []Vote{{By: "bot", Kind: curfew.Agent, Yes: true}}, Pending},
		{"a service never counts", one, []Vote{{By: "bot", Kind: curfew.Service, Yes: true}}, Pending},
		{"an unknown kind never counts", one, []Vote{{By: "bot", Yes: true}}, Pending},
		{"once a machine, never a person", one, append(yes("bot"), Vote{By: "bot", Kind: curfew.Agent, Yes: true}), Pending},
		{"a no loses", two, []Vote{no("ben")}, Lost},
		{"a no beside enough yes loses", one, append(yes("ben"), no("dana")), Lost},
		{"a no after a yes of the same person loses", one, append(yes("ben"), no("ben")), Lost},
		{"a yes after a no does not mend it", one, append([]Vote{no("ben")}, yes("ben")...), Lost},
		{"the asker's no is not a decision", one, append(yes("ben"), no("alice")), Won},
		{"a stranger's no is not a decision", one, append(yes("ben"), no("eve")), Won},
		{"a machine's no is not a decision", one, append(yes("ben"), Vote{By: "bot", Kind: curfew.Agent}), Won},
		{"one person serves one need", both, yes("dana"), Pending},
		{"people are moved so that all needs are met", both, yes("dana", "ben"), Won},
		{"in any order", both, yes("ben", "dana"), Won},
		{"a count of none is read as one", []Need{{0, people{"ben"}}}, nil, Pending},
		{"a negative count is read as one", []Need{{-3, people{"ben"}}}, yes("ben"), Won},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Tally("alice", Excluded{"alice2": true}, c.needs, c.votes); got.State != c.want {
				t.Errorf("got %+v, want %s", got, c.want)
			}
		})
	}
}

func TestMissingSaysWhoCould(t *testing.T) {
	needs := []Need{{2, people{"alice", "ben", "dana", "tom"}}, {1, people{"tom"}}}
	got := Tally("alice", nil, needs, yes("ben"))
	want := Result{State: Pending, Yes: people{"ben"}, Missing: []Missing{
		{Need: 0, Count: 1, Could: people{"dana", "tom"}},
		{Need: 1, Count: 1, Could: people{"tom"}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLackingSeesWhatNobodyCanSatisfy(t *testing.T) {
	for _, c := range []struct {
		name  string
		needs []Need
		want  int
	}{
		{"no need", nil, 0},
		{"enough people", []Need{{2, people{"ben", "dana"}}}, 0},
		{"only the asker", []Need{{1, people{"alice"}}}, 1},
		{"one person for two needs", []Need{{1, people{"ben"}}, {1, people{"ben"}}}, 1},
		{"a person named twice is one", []Need{{2, people{"ben", "ben"}}}, 1},
		{"more than there are", []Need{{1 << 30, people{"ben"}}}, 1<<30 - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			total := 0
			for _, m := range Lacking("alice", nil, c.needs) {
				total += m.Count
			}
			if total != c.want {
				t.Errorf("lacks %d, want %d", total, c.want)
			}
		})
	}
}

// bruteForce tries every way to give each person to one need or to none.
func bruteForce(needs []Need, open []int, people people) bool {
	met := true
	for _, n := range open {
		met = met && n <= 0
	}
	if met {
		return true
	}
	if len(people) == 0 {
		return false
	}
	for i, n := range needs {
		for _, p := range n.From {
			if p == people[0] && open[i] > 0 {
				open[i]--
				if bruteForce(needs, open, people[1:]) {
					open[i]++
					return true
				}
				open[i]++
			}
		}
	}
	return bruteForce(needs, open, people[1:])
}

func TestTallyAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		person := rapid.Custom(func(t *rapid.T) curfew.Principal {
			return curfew.Principal(fmt.Sprintf("p%d", rapid.IntRange(0, 6).Draw(t, "person")))
		})
		needs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Need {
			return Need{rapid.IntRange(1, 3).Draw(t, "count"), rapid.SliceOfN(person, 0, 5).Draw(t, "from")}
		}), 0, 4).Draw(t, "needs")
		votes := yes(rapid.SliceOfN(person, 0, 8).Draw(t, "yes")...)
		excluded := Excluded{"p1": rapid.Bool().Draw(t, "excluded")}

		var open []int
		for _, n := range needs {
			open = append(open, n.Count)
		}
		var voters people
		seen := map[curfew.Principal]bool{"p0": true}
		for _, v := range votes {
			if !seen[v.By] && !excluded[v.By] {
				voters = append(voters, v.By)
			}
			seen[v.By] = true
		}
		want := Pending
		if bruteForce(needs, open, voters) {
			want = Won
		}
		got := Tally("p0", excluded, needs, votes)
		if got.State != want {
			t.Fatalf("tally says %s, brute force %s", got.State, want)
		}
		shuffled := rapid.Permutation(votes).Draw(t, "order")
		if again := Tally("p0", excluded, rapid.Permutation(needs).Draw(t, "needs order"), shuffled); again.State != got.State {
			t.Fatalf("order changed %s to %s", got.State, again.State)
		}
		if len(voters) > 0 && got.State != Lost {
			loses := false
			for _, n := range needs {
				for _, p := range n.From {
					loses = loses || p == voters[0]
				}
			}
			after := Tally("p0", excluded, needs, append(shuffled, no(voters[0])))
			if (after.State == Lost) != loses {
				t.Fatalf("a no of one who may decide (%v) left it %s", loses, after.State)
			}
		}
	})
}
