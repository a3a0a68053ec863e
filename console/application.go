package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/api"
	"github.com/curfewhq/curfew/client"
)

// applicationPages lead a browser to an application and back: signed in here, it is
// given a one-time code for that application alone, and asks here for what it lacks,
// where no page of the application can ask in its owner's name.
func (s *Server) applicationPages() {
	s.visit("GET /go", s.goOn)
	s.visit("GET /ask", s.askPage)
	s.visit("POST /ask", s.ask)
}

// noApplication is said alike of one there is not, and of one that is not for somebody.
func noApplication(name string) error {
	return curfew.Errorf(curfew.NotFound, "there is no application %.60q that you may use or ask for now", name).WithRule("application.none").WithFix("what you can ask for: curfew find")
}

// origin is where an application is, if the visitor may use it or ask for it.
func (s *Server) origin(r *http.Request, v api.Visitor) (app curfew.ResourceName, origin string, how api.Standing, err error) {
	app = curfew.ResourceName(r.FormValue("app"))
	how, err = s.parts.API.Standing(r.Context(), v, app)
	if err != nil {
		return app, "", how, err
	}
	origin = s.parts.App(app)
	if !how.Known || origin == "" || how.Grant == "" && how.Pending == "" && len(how.Offers) == 0 {
		return app, "", how, noApplication(string(app))
	}
	return app, origin, how, nil
}

// goOn sends a signed-in browser back to the application with its code. The address is
// ours to know, not the request's to say.
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	app, origin, _, err := s.origin(r, v)
	if err != nil {
		return err
	}
	code, err := s.parts.API.VisitCode(v, app, r.FormValue("way"))
	if err != nil {
		return err
	}
	http.Redirect(w, r, origin+"/.curfew/enter?"+url.Values{"code": {code}, "to": {localPath(r.FormValue("to"))}}.Encode(), http.StatusSeeOther)
	return nil
}

// askForm is the page that asks for an application.
type askForm struct {
	App, To, Wrong string
	Offers         []client.Offer
	Chosen         client.Ask
}

func (s *Server) askPage(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	app, origin, how, err := s.origin(r, v)
	if err != nil {
		return err
	}
	to := localPath(r.FormValue("to"))
	switch {
	case how.Grant != "" && r.FormValue("more") == "":
		http.Redirect(w, r, origin+to, http.StatusSeeOther)
	case how.Pending != "":
		http.Redirect(w, r, requestAt(string(how.Pending), to), http.StatusSeeOther)
	default:
		s.showAsk(w, r, v, http.StatusOK, askForm{App: string(app), To: to, Offers: how.Offers})
	}
	return nil
}

func (s *Server) showAsk(w http.ResponseWriter, r *http.Request, v api.Visitor, status int, form askForm) {
	if form.Chosen.Role == "" && len(form.Offers) > 0 {
		form.Chosen.Role, form.Chosen.Workflow = form.Offers[0].Role, form.Offers[0].Workflow
	}
	if form.Chosen.For == "" {
		form.Chosen.For = "30m"
	}
	s.show(w, r, status, "ask.html", view{Title: "Ask for " + form.App, Name: s.parts.API.Me(r.Context(), v).Name, CSRF: v.CSRF(), Body: form})
}

func (s *Server) ask(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	app, _, how, err := s.origin(r, v)
	if err != nil {
		return err
	}
	form := askForm{App: string(app), To: localPath(r.PostFormValue("to")), Offers: how.Offers, Chosen: client.Ask{
		Role: r.PostFormValue("role"), Resource: string(app), For: strings.TrimSpace(r.PostFormValue("for")),
		Reason: strings.TrimSpace(r.PostFormValue("reason")), Workflow: strings.TrimSpace(r.PostFormValue("workflow")),
	}}
	asked, err := s.parts.API.AskFor(r.Context(), v, form.Chosen)
	if err != nil {
		e, ours := asError(err)
		if !ours || e.Code == curfew.Internal {
			return err
		}
		form.Wrong = e.Message
		if e.Fix != "" {
			form.Wrong += ". " + e.Fix
		}
		status, _ := statusOf(e.Code)
		s.showAsk(w, r, v, status, form)
		return nil
	}
	http.Redirect(w, r, requestAt(asked.ID, form.To), http.StatusSeeOther)
	return nil
}
