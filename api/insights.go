package api

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/say"
)

// insightRows bounds what one answer counts.
const insightRows = 20_000

func (s *Server) insightRoutes() {
	add(s, Viewer, http.MethodGet, "/insights", "Figures of the last days: how fast was decided, what was granted and used, why it ended", s.insights)
}

// insights counts what the lists hold of the last days.
func (s *Server) insights(ctx context.Context, _ caller, in *struct {
	Days int `query:"days" minimum:"1" maximum:"92" default:"30"`
}) (*body[client.Insights], error) {
	today := s.parts.Access.Now().UTC().Truncate(24 * time.Hour)
	from := today.AddDate(0, 0, 1-in.Days)
	x := counting{out: client.Insights{From: from, Days: make([]client.Day, in.Days), Causes: []client.Count{}, Roles: []client.Count{}},
		waits: make([][]float64, in.Days), causes: map[string]int{}, roles: map[string]int{}}
	for i := range x.out.Days {
		x.out.Days[i].Day = from.AddDate(0, 0, i).Format(time.DateOnly)
	}
	if err := pages(history.Filter{From: from, Limit: 1000}, func(f history.Filter) ([]history.Request, error) { return s.parts.History.Requests(ctx, f) }, requestPlace, x.request, &x.out.Partial); err != nil {
		return nil, err
	}
	if err := pages(history.Filter{From: from, Limit: 1000}, func(f history.Filter) ([]history.Grant, error) { return s.parts.History.Grants(ctx, f) },
		func(g history.Grant) uint64 { return g.Position }, x.grant, &x.out.Partial); err != nil {
		return nil, err
	}
	x.finish()
	return &body[client.Insights]{x.out}, nil
}

// pages calls each with every row that f finds, newest first, up to the bound.
func pages[T any](f history.Filter, find func(history.Filter) ([]T, error), place func(T) uint64, each func(T), partial *bool) error {
	for n := 0; ; {
		found, err := find(f)
		if err != nil {
			return err
		}
		for _, row := range found {
			each(row)
		}
		if n += len(found); len(found) < f.Most() {
			return nil
		}
		if n >= insightRows {
			*partial = true
			return nil
		}
		f.Before = place(found[len(found)-1])
	}
}

// counting is figures in the making.
type counting struct {
	out           client.Insights
	waits         [][]float64
	causes, roles map[string]int
}

// day is the place of a moment among the days.
func (x *counting) day(at time.Time) (int, bool) {
	i := int(at.UTC().Sub(x.out.From) / (24 * time.Hour))
	return i, !at.Before(x.out.From) && i < len(x.out.Days)
}

func (x *counting) request(r history.Request) {
	i, ok := x.day(r.At)
	if !ok {
		return
	}
	d := &x.out.Days[i]
	d.Requests++
	switch {
	case r.Status == "approved" && len(r.Votes) == 0:
		d.Alone++
		return
	case r.Status == "approved":
		d.Approved++
	case r.Status == "pending":
		return
	default:
		d.Refused++
	}
	decided := r.DecidedAt
	if r.Status == "approved" && decided.IsZero() && len(r.Votes) > 0 {
		decided = r.Votes[len(r.Votes)-1].At
	}
	if (r.Status == "approved" || r.Status == "denied") && decided.After(r.At) {
		x.waits[i] = append(x.waits[i], decided.Sub(r.At).Seconds())
	}
}

func (x *counting) grant(g history.Grant) {
	i, ok := x.day(g.At)
	if !ok {
		return
	}
	d := &x.out.Days[i]
	x.roles[string(g.Role)]++
	if g.Cause != "" {
		x.causes[string(g.Cause)]++
	}
	d.Granted += g.Duration.Minutes()
	if !g.Started.IsZero() && g.EndedAt.After(g.Started) {
		d.Used += g.EndedAt.Sub(g.Started).Minutes()
	}
	d.Cut += g.Used.Cut
}

func (x *counting) finish() {
	for i, w := range x.waits {
		slices.Sort(w)
		d := &x.out.Days[i]
		d.Decisions, d.P50, d.P95 = len(w), rank(w, 0.5), rank(w, 0.95)
		d.Granted, d.Used = math.Round(d.Granted*10)/10, math.Round(d.Used*10)/10
	}
	x.out.Causes, x.out.Roles = counted(x.causes, 20), counted(x.roles, 20)
	for i, c := range x.out.Causes {
		x.out.Causes[i].Text = say.Cause(curfew.Cause(c.Name))
	}
}

// rank is the value that a share of the sorted values does not exceed; 0 of none.
func rank(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}

// counted are the most frequent, most first.
func counted(in map[string]int, most int) []client.Count {
	out := make([]client.Count, 0, len(in))
	for name, n := range in {
		out = append(out, client.Count{Name: name, N: n})
	}
	slices.SortFunc(out, func(a, b client.Count) int { return cmp.Or(b.N-a.N, cmp.Compare(a.Name, b.Name)) })
	return out[:min(len(out), most)]
}
