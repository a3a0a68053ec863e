package console

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/api"
	"github.com/curfewhq/curfew/client"
)

// requestPages show one request: to whoever may decide it, who decides here by
// passphrase, and to whoever asked, who waits here. A link to one holds no fact, and
// looking at it decides nothing (THREATS 17).
func (s *Server) requestPages() {
	s.visit("GET /r/{id}", s.requestPage)
	s.visit("POST /r/{id}/approve", s.approve)
	s.visit("POST /r/{id}/deny", s.deny)
	s.visit("POST /r/{id}/withdraw", s.withdraw)
	s.visit("GET /g/{id}", s.grantPage)
	s.visit("POST /g/{id}/give-back", s.giveBack)
}

func asError(err error) (e *curfew.Error, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

// requestAt is a request's page, which leads on to a path of its application.
func requestAt(id, to string) string {
	return "/r/" + url.PathEscape(id) + "?" + url.Values{"to": {localPath(to)}}.Encode()
}

// waitEvery is how often a page that waits looks again, in seconds.
const waitEvery = 3

// card is what a request's page shows.
type card struct {
	client.Request
	Mine    bool
	To      string
	Wrong   string
	AskLink string // asks again; "" where it is no application
	Ends    time.Time
	Touch   string // where somebody with a passkey decides it; "" for others
}

func (s *Server) requestPage(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	req, err := s.parts.API.Request(r.Context(), v, r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.showRequest(w, r, v, http.StatusOK, req, "")
}

func (s *Server) showRequest(w http.ResponseWriter, r *http.Request, v api.Visitor, status int, req client.Request, wrong string) error {
	c := card{Request: req, Mine: req.Principal == string(v.Who()), To: localPath(r.FormValue("to")), Wrong: wrong}
	app := s.parts.App(curfew.ResourceName(req.Resource))
	how, err := s.parts.API.Standing(r.Context(), v, curfew.ResourceName(req.Resource))
	if err != nil {
		return err
	}
	if !how.Known {
		app = ""
	}
	if c.Mine && req.Status == "approved" && app != "" && how.Grant != "" {
		http.Redirect(w, r, app+c.To, http.StatusSeeOther)
		return nil
	}
	if app != "" {
		c.AskLink = "/ask?" + url.Values{"app": {req.Resource}, "to": {c.To}}.Encode()
	}
	if d, err := time.ParseDuration(req.For); err == nil {
		c.Ends = time.Now().Add(d)
	}
	me := s.parts.API.Me(r.Context(), v)
	if me.Passkey {
		c.Touch = "/requests?" + url.Values{"id": {req.ID}}.Encode()
	}
	page := view{Title: req.Title, Name: me.Name, CSRF: v.CSRF(), Body: c}
	if req.Status == "pending" && c.Mine {
		page.Title, page.Refresh = "You asked, and wait for an answer", waitEvery
	}
	s.show(w, r, status, "request.html", page)
	return nil
}

// decide shows the request again where the passphrase was not the one, or it is no
// longer as it was shown.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, v api.Visitor, req client.Request, err error) error {
	e, ours := asError(err)
	switch {
	case err == nil:
		http.Redirect(w, r, requestAt(req.ID, "/"), http.StatusSeeOther)
		return nil
	case !ours || e.Code == curfew.Internal || e.Code == curfew.NotFound:
		return err
	}
	now, err := s.parts.API.Request(r.Context(), v, r.PathValue("id"))
	if err != nil {
		return err
	}
	status, _ := statusOf(e.Code)
	return s.showRequest(w, r, v, status, now, e.Message)
}

func decision(r *http.Request) client.Decision {
	return client.Decision{Digest: r.PostFormValue("digest"), For: r.PostFormValue("for"), Why: r.PostFormValue("why"), Passphrase: r.PostFormValue("passphrase")}
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	req, err := s.parts.API.Approve(r.Context(), v, r.PathValue("id"), decision(r))
	return s.decide(w, r, v, req, err)
}

func (s *Server) deny(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	req, err := s.parts.API.Deny(r.Context(), v, r.PathValue("id"), decision(r))
	return s.decide(w, r, v, req, err)
}

func (s *Server) withdraw(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	req, err := s.parts.API.Withdraw(r.Context(), v, r.PathValue("id"))
	return s.decide(w, r, v, req, err)
}

// grantOf is what a grant's page shows.
type grantOf struct {
	client.Grant
	Mine, Live bool
	App        string // where it is used; "" where it is no application
	AskLink    string
}

func (s *Server) grantPage(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	g, err := s.parts.API.Grant(r.Context(), v, r.PathValue("id"))
	if err != nil {
		return err
	}
	out := grantOf{Grant: g, Mine: g.Principal == string(v.Who()), Live: g.Status == "scheduled" || g.Status == "active"}
	how, err := s.parts.API.Standing(r.Context(), v, curfew.ResourceName(g.Resource))
	if err != nil {
		return err
	}
	if app := s.parts.App(curfew.ResourceName(g.Resource)); how.Known && app != "" && out.Mine {
		out.App, out.AskLink = app, "/ask?"+url.Values{"app": {g.Resource}}.Encode()
	}
	title := "Access to " + g.Resource
	if !out.Live {
		title += " ended"
	}
	s.show(w, r, http.StatusOK, "grant.html", view{Title: title, Name: s.parts.API.Me(r.Context(), v).Name, CSRF: v.CSRF(), Body: out})
	return nil
}

func (s *Server) giveBack(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	if err := s.parts.API.GiveBack(r.Context(), v, r.PathValue("id")); err != nil {
		return err
	}
	http.Redirect(w, r, "/g/"+url.PathEscape(r.PathValue("id")), http.StatusSeeOther)
	return nil
}
