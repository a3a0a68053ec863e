package http

import (
	"html/template"
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/say"
)

// page is what a person's browser is shown in an application's place: no script, no
// picture, nothing from elsewhere.
//
//nolint:gochecknoglobals // a template
var page = template.Must(template.New("page").Funcs(template.FuncMap{"clean": func(s string) string { return say.Clean(s, 2000) }}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><title>{{clean .Title}} · Curfew</title>
<link rel="stylesheet" href="/.curfew/page.css"></head>
<body><main><p class="mark">Curfew</p><h1>{{clean .Title}}</h1>{{range .Lines}}{{with .}}<p>{{clean .}}</p>{{end}}{{end}}{{with .Run}}<p><code>{{clean .}}</code></p>{{end}}
{{with .Link}}<p><a class="button" href="{{.}}">{{clean $.LinkText}}</a></p>{{end}}{{if .SignOut}}<form method="post" action="/.curfew/sign-out"><button>Sign out of this application</button></form>{{end}}
{{with .Small}}<p class="small">{{clean .}}</p>{{end}}</main></body></html>
`))

const pageStyle = `:root{color-scheme:light dark}
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:light-dark(#f7f7fb,#14161f);color:light-dark(#1b1d28,#e9eaf2)}
main{max-width:40rem;margin:0 auto;padding:2rem 1.25rem;overflow-wrap:anywhere}
.mark{font-weight:600}
h1{font-size:1.5rem;line-height:1.25}
code{font-family:ui-monospace,monospace;border:1px solid light-dark(#d9dbe6,#343849);border-radius:4px;padding:.1rem .35rem}
a{color:light-dark(#3b3fc4,#a2a6ff)}
.button,button{font:inherit;font-weight:600;display:inline-block;padding:.5rem 1rem;border-radius:6px;border:1px solid light-dark(#3b3fc4,#a2a6ff);background:light-dark(#3b3fc4,#a2a6ff);color:light-dark(#fff,#14161f);text-decoration:none;cursor:pointer}
button{background:none;color:light-dark(#3b3fc4,#a2a6ff)}
.small{font-size:.875rem;color:light-dark(#5a5e70,#a3a7ba)}
`

// shownPage is what a page says.
type shownPage struct {
	Title          string
	Lines          []string
	Run            string
	Link, LinkText string
	SignOut        bool
	Small          string
}

// secureHeaders are those of everything that is ours at an application's origin.
func secureHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
}

func showPage(w http.ResponseWriter, status int, p shownPage) {
	secureHeaders(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = page.Execute(w, p)
}

// showReception says who somebody is at an application, and lets them sign out of it.
func showReception(w http.ResponseWriter, v engine.Visit, app curfew.ResourceName) {
	p := shownPage{Title: "You are " + v.Name + " at " + string(app), Link: "/", LinkText: "Go to " + string(app), SignOut: true}
	switch {
	case v.Grant == "":
		p.Lines = []string{"You have no access now."}
	case v.Until.IsZero():
		p.Lines = []string{"You may use it as " + string(v.Role) + "."}
	default:
		p.Lines = []string{"You may use it as " + string(v.Role) + " until " + v.Until.Local().Format("15:04 MST") + " (" + say.Long(time.Until(v.Until).Round(time.Second)) + ")."}
	}
	showPage(w, http.StatusOK, p)
}
