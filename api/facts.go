package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
)

// factDays is how far back what usually happens is looked for.
const factDays = 90

func (s *Server) factRoutes() {
	add(s, SignedIn, http.MethodGet, "/requests/{id}/facts", "Say what usually happens when this is asked for, and what stands out", s.facts)
}

// facts counts what the lists hold of the last days: of the requester, and of others with the same role.
func (s *Server) facts(ctx context.Context, c caller, in *IDIn) (*body[client.Facts], error) {
	r, err := s.visible(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	out := client.Facts{Facts: []client.Fact{}}
	add := func(warn bool, format string, args ...any) {
		out.Facts = append(out.Facts, client.Fact{Text: fmt.Sprintf(format, args...), Warn: warn})
	}
	var pendings, others int
	s.parts.Access.View(func(st *access.State) {
		out.Person = strings.Join(texts(st.GroupsOf(r.Principal)), ", ")
		for _, x := range st.Requests {
			if x.Principal == r.Principal && x.Request != r.Request {
				pendings++
			}
		}
		for _, g := range st.GrantsOf(r.Principal) {
			if g.Live() && g.ID != r.Extends {
				others++
			}
		}
	})
	since := r.At.AddDate(0, 0, -factDays)
	theirs, err := s.parts.History.Grants(ctx, history.Filter{Principal: r.Principal, Resource: r.Resource, From: since, To: r.At, Limit: 500})
	if err != nil {
		return nil, err
	}
	all, err := s.parts.History.Grants(ctx, history.Filter{Resource: r.Resource, From: since, To: r.At, Limit: 1000})
	if err != nil {
		return nil, err
	}
	usual, err := s.usual(ctx, r.Principal)
	if err != nil {
		return nil, err
	}
	out.Usual = usual[use{string(r.Role), string(r.Resource)}]
	mine, peers := used(theirs, r.Role, ""), used(all, r.Role, r.Principal)
	who, _, _ := strings.Cut(s.parts.Identity.Name(ctx, r.Principal), " ")
	if mine.times == 0 {
		add(true, "%s has not had this role here in %d days", who, factDays)
	} else {
		text := fmt.Sprintf("%s had this role here %s in %d days", who, times(mine.times), factDays)
		if mine.median > 0 {
			text += fmt.Sprintf("; used %s of %s, in the middle", minutes(mine.median), minutes(mine.asked))
		}
		add(false, "%s", text)
		add(mine.refused > 0, "%s in those sessions", map[bool]string{true: times(int(mine.refused)) + " something was refused", false: "nothing was refused"}[mine.refused > 0])
		if mine.cut > 0 {
			add(true, "%d of those sessions did not end by themselves", mine.cut)
		}
	}
	if peers.times >= usualFrom && peers.median > 0 {
		add(false, "others use this role for %s, in the middle", minutes(peers.median))
	}
	if odd(mine.hours, r.At) {
		add(true, "not at the hours at which %s usually asks (%02d:%02d UTC)", who, r.At.UTC().Hour(), r.At.UTC().Minute())
	}
	if others > 0 {
		add(true, "%s holds %d other live %s now", who, others, plural(others, "grant"))
	}
	if pendings > 0 {
		add(true, "%s waits for %d more %s now", who, pendings, plural(pendings, "answer"))
	}
	return &body[client.Facts]{out}, nil
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func minutes(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
}

// usage is what grants of one role came to.
type usage struct {
	times, cut    int
	refused       int64
	median, asked time.Duration
	hours         []int // of the day, in UTC
}

// used sums up the grants of a role; not is whose are left out.
func used(all []history.Grant, role curfew.RoleName, not curfew.Principal) usage {
	var out usage
	var lasted, asked []time.Duration
	for _, g := range all {
		if g.Role != role || g.Principal == not {
			continue
		}
		out.times++
		out.cut += g.Used.Cut
		out.refused += g.Used.Refused
		out.hours = append(out.hours, g.At.UTC().Hour())
		if !g.Started.IsZero() && g.EndedAt.After(g.Started) {
			lasted, asked = append(lasted, g.EndedAt.Sub(g.Started)), append(asked, g.Duration)
		}
	}
	out.median, out.asked = middle(lasted), middle(asked)
	return out
}

func middle(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// odd reports whether somebody who has a habit asks at another time of the day: five
// grants or more, none of them within two hours of it.
func odd(hours []int, at time.Time) bool {
	if len(hours) < 5 {
		return false
	}
	h := at.UTC().Hour()
	return !slices.ContainsFunc(hours, func(x int) bool {
		d := (x - h + 24) % 24
		return min(d, 24-d) <= 2
	})
}
