package api

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/record"
)

// Bounds of one search; it says where it goes on.
const (
	searchRows  = 2000             // sessions looked at in the lists
	searchOpens = 500              // lists of words, and recordings that have none, opened
	searchTime  = 10 * time.Second // after which no further recording is opened
	searchHits  = 20               // sessions in an answer, where the caller says nothing
	hitItems    = 5                // items shown of a session
	oneItems    = 200              // items shown where one session is searched
	hitText     = 2000             // bytes shown of a text
	hitValues   = 20               // values shown of an item, or of a row
	hitRows     = 5                // rows shown of a result
	// searching is how many searches and exports are under way at the same time.
	searching = 2
)

// busy takes one of the places for what reads much; done gives it back. Nobody has
// more than one: others are not kept waiting by one person.
func (s *Server) busy(ctx context.Context, who curfew.Principal) (done func(), err error) {
	if _, twice := s.readers.LoadOrStore(who, true); twice {
		return nil, curfew.Errorf(curfew.Limited, "you have a search or an export under way").WithRule("reading.busy").WithFix("wait for it, then try again")
	}
	select {
	case s.reading <- struct{}{}:
		return func() { <-s.reading; s.readers.Delete(who) }, nil
	case <-ctx.Done():
		s.readers.Delete(who)
		return nil, curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "wait for other searches and exports")
	}
}

// search finds items with all of the words, in sessions that the caller may see. It
// narrows by who, what and when first, opens the lists of words of what is left, and
// reads only recordings whose list has them all. Whoever may see shapes only is
// answered, and counted for, from shapes alone (THREATS 14).
func (s *Server) search(ctx context.Context, c caller, in *struct {
	Words    string    `query:"words" required:"true" maxLength:"1000" doc:"All of them in one item; refund* is whatever begins with refund"`
	Person   string    `query:"person" doc:"By address or name; me: the caller"`
	Resource string    `query:"resource"`
	Session  string    `query:"session" doc:"This one alone"`
	Since    time.Time `query:"since" doc:"Sessions opened then or later"`
	Until    time.Time `query:"until" doc:"Sessions opened before"`
	Before   uint64    `query:"before" doc:"Search on before this position"`
	Limit    int       `query:"limit" minimum:"0" maximum:"100"`
	Position uint64    `query:"position"`
}) (*body[client.Hits], error) {
	q, err := record.ParseQuery(in.Words)
	if err != nil {
		return nil, err
	}
	at, behind := s.caughtUp(ctx, in.Position)
	f := history.Filter{Resource: curfew.ResourceName(in.Resource), From: in.Since, To: in.Until, Before: in.Before}
	if in.Person == "me" {
		f.Principal = c.who
	} else if in.Person != "" {
		if f.Principal, err = s.findPerson(ctx, in.Person); err != nil {
			return nil, err
		}
	}
	var one *history.Session
	if in.Session != "" {
		row, err := s.findRecording(ctx, c, in.Session)
		if err != nil {
			return nil, err
		}
		one = &row
	}
	done, err := s.busy(ctx, c.who)
	if err != nil {
		return nil, err
	}
	defer done()
	x := searchRun{
		server: s, caller: c, query: q, filter: f, until: time.Now().Add(searchTime), most: in.Limit, each: hitItems,
		out: client.Hits{Items: []client.Hit{}, Position: at, Behind: behind},
	}
	if x.most <= 0 {
		x.most = searchHits
	}
	if one != nil {
		x.each = oneItems
		err = x.session(ctx, *one)
	} else {
		err = x.run(ctx)
	}
	if err != nil {
		return nil, err
	}
	// It is written down before anything is shown. The words are not: they may be a secret.
	_, err = s.parts.Access.Do(ctx, access.Note{Kind: curfew.KindRecordingsSearched, Body: curfew.RecordingsSearched{
		By: c.who, Words: q.Words(), Person: f.Principal, Resource: f.Resource, Since: f.From, Until: f.To, Looked: x.out.Looked, Shown: x.shown,
	}})
	if err != nil {
		return nil, err
	}
	return &body[client.Hits]{x.out}, nil
}

// searchRun is one search.
type searchRun struct {
	server *Server
	caller caller
	query  record.Query
	filter history.Filter
	until  time.Time
	most   int // sessions
	each   int // items of one
	out    client.Hits
	shown  []curfew.SessionID
}

func (x *searchRun) run(ctx context.Context) error {
	for rows := 0; ; {
		page, err := x.server.parts.History.Sessions(ctx, x.filter)
		if err != nil {
			return err
		}
		for _, row := range page {
			if rows > 0 && (rows >= searchRows || x.out.Looked >= searchOpens || len(x.out.Items) >= x.most || time.Now().After(x.until)) {
				x.out.Next = strconv.FormatUint(x.filter.Before, 10)
				return nil
			}
			rows++
			if err := x.session(ctx, row); err != nil {
				return err
			}
			x.filter.Before = row.Position
		}
		if len(page) < x.filter.Most() {
			return nil
		}
	}
}

// session searches one session, if the caller may see it.
func (x *searchRun) session(ctx context.Context, row history.Session) error {
	s := x.server
	if _, err := s.findSession(ctx, x.caller, string(row.Session)); err != nil {
		return nil //nolint:nilerr // they may not know of it
	}
	if row.Removed != nil {
		x.out.Removed++
		return nil
	}
	x.out.Looked++
	words, err := s.parts.Record.Words(row.Session)
	switch {
	case errors.Is(err, record.ErrOpen): // it goes on: it is read itself
	case curfew.CodeOf(err) == curfew.NotFound:
		return nil
	case err == nil && !words.May(x.query, !s.mayRead(ctx, x.caller, row)):
		return nil
	}
	hit := client.Hit{Items: []client.Found{}}
	if err == nil || errors.Is(err, record.ErrOpen) {
		err = x.read(ctx, row, &hit)
	}
	if ctx.Err() != nil {
		return curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "search")
	}
	if err != nil {
		s.parts.Log.Error("a recording could not be searched", "session", row.Session, "err", err)
		hit.Fault = "its recording is not what was written, or cannot be read"
	}
	if len(hit.Items) == 0 && !hit.Partial && hit.Fault == "" {
		return nil
	}
	hit.Session = s.session(ctx, x.caller, row)
	x.out.Items = append(x.out.Items, hit)
	if len(hit.Items) > 0 {
		x.shown = append(x.shown, row.Session)
	}
	return nil
}

// read reads a recording as far as it goes now, as the caller may see it.
func (x *searchRun) read(ctx context.Context, row history.Session, hit *client.Hit) error {
	r, err := x.server.parts.Record.Read(row.Session)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	shape := x.server.shapeFor(ctx, x.caller, row)
	shown := record.NewShown()
	for n := 1; ; n++ {
		it, err := r.Next(ctx, false)
		if errors.Is(err, io.EOF) || errors.Is(err, record.ErrOpen) {
			return nil
		}
		if err != nil {
			return err
		}
		if shape != nil {
			it = shape.Shape(it)
		} else if lines := shown.Item(&it); len(lines) > 0 {
			read := it // what was to be read then is found, and shown, instead of what was sent
			if read.Text = strings.Join(lines, "\n"); x.query.Matches(&read) {
				it.Text = x.query.Near(lines)
			}
		}
		if x.query.Matches(&it) {
			if len(hit.Items) == x.each {
				hit.More = true
				return nil
			}
			hit.Items = append(hit.Items, found(it, n))
		}
		if n%1000 == 0 && time.Now().After(x.until) {
			hit.Partial = true
			return nil
		}
	}
}

// found is an item, shortened.
func found(it record.Item, n int) client.Found {
	out := client.Found{Number: n}
	short := func(text string, most int) string {
		if len(text) <= most {
			return text
		}
		out.Cut = true
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		return text[:most] + "…"
	}
	it.Values, it.Columns = first(it.Values, hitValues, &out.Cut), first(it.Columns, hitValues, &out.Cut)
	rows := first(it.Table, hitRows, &out.Cut)
	it.Table = nil
	for _, row := range rows {
		it.Table = append(it.Table, first(row, hitValues, &out.Cut))
	}
	out.Item = item(it)
	out.Text, out.Error = short(out.Text, hitText), short(out.Error, hitText)
	for _, row := range append(out.Table, out.Values) {
		for i := range row {
			row[i].Text = short(row[i].Text, hitText/10)
		}
	}
	return out
}

// first are the first of a list; cut is set where there are more.
func first[T any](all []T, most int, cut *bool) []T {
	if len(all) <= most {
		return all
	}
	*cut = true
	return all[:most]
}
