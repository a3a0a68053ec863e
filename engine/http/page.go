package http

import "html/template"

// page is a problem as a person's browser shows it: no script, no picture, nothing
// from elsewhere.
//
//nolint:gochecknoglobals // a template
var page = template.Must(template.New("problem").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{{.Title}} · Curfew</title></head>
<body><h1>{{.Title}}</h1>{{with .Detail}}<p>{{.}}</p>{{end}}{{with .Run}}<p><code>{{.}}</code></p>{{end}}{{with .Rule}}<p><small>{{.}}</small></p>{{end}}</body></html>
`))
