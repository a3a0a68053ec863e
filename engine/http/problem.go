package http

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/say"
)

// notice is what a client is told: a line, what stands behind it, what to do.
type notice = say.Notice

// details are a problem (RFC 9457), with what to do next.
type details struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail,omitempty"`
	Rule    string `json:"rule,omitempty"`
	EndedAt string `json:"ended_at,omitempty"`
	Run     string `json:"run,omitempty"` // what to do
	Ask     string `json:"ask,omitempty"` // where a browser asks for access
}

func ruleOf(err error) string {
	e := new(curfew.Error)
	if errors.As(err, &e) {
		return e.Rule
	}
	return ""
}

// statusOf is 403 for whatever is not allowed or not any more: a 401 would have
// clients sign in again and again.
func statusOf(err error) int {
	switch curfew.CodeOf(err) {
	case curfew.NotSignedIn:
		return http.StatusUnauthorized
	case curfew.Invalid:
		return http.StatusBadRequest
	case curfew.Unavailable, curfew.Clock:
		return http.StatusServiceUnavailable
	case curfew.Limited:
		return http.StatusTooManyRequests
	}
	return http.StatusForbidden
}

func problem(w http.ResponseWriter, r *http.Request, status int, err error) {
	e := new(curfew.Error)
	if !errors.As(err, &e) {
		e = curfew.Errorf(curfew.Internal, "something is wrong with the gateway")
	}
	answerProblem(w, r, details{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Rule: e.Rule, Run: e.Fix})
}

// endedProblem says that access is over.
func endedProblem(w http.ResponseWriter, r *http.Request, p *access.Permit, e access.Ended) {
	endedAt(w, r, p, e, "")
}

// endedAt says that access is over, and where a browser asks for it again.
func endedAt(w http.ResponseWriter, r *http.Request, p *access.Permit, e access.Ended, ask string) {
	n := goodbye(p, e)
	answerProblem(w, r, details{
		Type: "tag:curfew,2026:grant-ended", Title: upper(strings.TrimPrefix(n.Line, "Curfew: ")), Status: http.StatusForbidden, Detail: n.Detail,
		Rule: "grant." + string(e.Cause), EndedAt: e.At.UTC().Format(time.RFC3339), Run: n.Hint, Ask: ask,
	})
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func answerProblem(w http.ResponseWriter, r *http.Request, d details) {
	h := w.Header()
	if r.Header.Get("Upgrade") == "" && strings.Contains(r.Header.Get("Accept"), "text/html") {
		p := shownPage{Title: d.Title, Lines: []string{upper(d.Detail)}, Small: d.Rule, Link: d.Ask, LinkText: "Ask again"}
		say, run, isCommand := strings.Cut(d.Run, "curfew ")
		if isCommand {
			p.Run = "curfew " + run
		}
		p.Lines = append(p.Lines, strings.TrimRight(say, ": "))
		showPage(w, d.Status, p)
		return
	}
	secureHeaders(h)
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(d.Status)
	_ = json.NewEncoder(w).Encode(d)
}

// goodbye is the farewell in the words that all protocols share.
func goodbye(p *access.Permit, e access.Ended) say.Notice {
	g := p.Grant()
	return say.Ended(say.Ending{Resource: p.Resource().Name, Role: g.Role, At: e.At, Cause: e.Cause, Grant: g.ID, Reason: e.Why})
}
