package api

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
)

// pagesOf reads a list to its end, and returns what is in its pages.
func pagesOf[T any](o *office, as, path string) (pages [][]T) {
	o.t.Helper()
	for more := ""; len(pages) < 50; {
		r := o.call(as, "GET", "/api/v1"+path+more, "")
		var l client.List[T]
		must(o.t, json.Unmarshal([]byte(r.text), &l))
		if pages = append(pages, l.Items); l.Next == "" {
			return pages
		}
		more = "&before=" + l.Next
	}
	o.t.Fatalf("%s does not end", path)
	return nil
}

// Whoever may see few of many sessions and grants gets whole pages of them, and each of them once.
func TestAPageIsFullOfWhatOneMaySee(t *testing.T) {
	o := newOffice(t)
	mine := map[string]bool{aliceSession: true}
	for range 3 {
		id, _ := o.said("alice", false, "SELECT 1")
		mine[string(id)] = true
		for _, g := range o.live("alice", "read") { // she has a grant of her own for each
			_, err := o.access.Do(t.Context(), access.Return{Grant: g, By: o.who["alice"]})
			must(t, err)
		}
		for range 3 {
			o.said("dana", false, "SELECT 2")
		}
	}
	grants := len(list[client.Grant](o, "alice", "/grants?scope=mine"))
	check := func(what string, pages [][]string, want int) {
		t.Helper()
		seen := map[string]bool{}
		for i, p := range pages {
			for _, id := range p {
				if seen[id] {
					t.Errorf("%s: %s comes twice", what, id)
				}
				seen[id] = true
			}
			if i < len(pages)-1 && len(p) != 2 {
				t.Errorf("%s: page %d of %d has %d", what, i+1, len(pages), len(p))
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d in all, want %d", what, len(seen), want)
		}
	}
	var sessions, held [][]string
	for _, p := range pagesOf[client.Session](o, "alice", "/sessions?scope=all&limit=2") {
		var ids []string
		for _, x := range p {
			if ids = append(ids, x.ID); !mine[x.ID] {
				t.Errorf("she sees %s", x.ID)
			}
		}
		sessions = append(sessions, ids)
	}
	check("sessions", sessions, len(mine))
	for _, p := range pagesOf[client.Grant](o, "alice", "/grants?scope=all&limit=2") {
		var ids []string
		for _, x := range p {
			ids = append(ids, x.ID)
		}
		held = append(held, ids)
	}
	check("grants", held, grants)
	if p := pagesOf[client.Session](o, "mallory", "/sessions?scope=all&limit=2"); len(p) != 1 || len(p[0]) != 0 {
		t.Errorf("who may see none gets %d pages", len(p))
	}
}

// However many there are that somebody may not see, one answer looks at so many, and the next goes on.
func TestAPageLooksAtSoMany(t *testing.T) {
	const all = 2*mostSifted + 50
	looked := 0
	read := func(_ context.Context, f history.Filter) (found []uint64, _ error) {
		for n := min(f.Before, all+1) - 1; n > 0 && len(found) < f.Most(); n-- {
			found = append(found, n)
		}
		looked += len(found)
		return found, nil
	}
	for _, limit := range []int{0, 1, 7, 1000, 5000} {
		f, got, answers := history.Filter{Before: all + 1, Limit: limit}, 0, 0
		for {
			looked = 0
			page, more, err := sift(t.Context(), f, read, func(n uint64) bool { return n <= 3 }, func(n uint64) uint64 { return n })
			must(t, err)
			if looked >= mostSifted+f.Most()+siftStep || len(page) > f.Most() {
				t.Errorf("limit %d: %d looked at, %d in a page", limit, looked, len(page))
			}
			got += len(page)
			if answers++; more == "" || answers > 20 {
				break
			}
			f.Before, err = strconv.ParseUint(more, 10, 64)
			must(t, err)
		}
		if got != 3 || answers > 8 {
			t.Errorf("limit %d: %d in %d answers", limit, got, answers)
		}
	}
}
