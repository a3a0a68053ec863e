package console

import (
	"io/fs"
	"log/slog"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/api"
)

// Parts are what a Server is made of.
type Parts struct {
	API *api.Server
	// Origin is where the pages are, as browsers name it: http://curfew.localhost:7080.
	Origin string
	// Dist is the console's built files, with an index.html; nil: there is none.
	Dist fs.FS
	// App is the origin of an application, "" for one that browsers do not reach; Apps
	// is that of them all, with * for the name.
	App  func(curfew.ResourceName) string
	Apps string
	Log  *slog.Logger
}

// Server is the pages, the console's files, and the API below them.
type Server struct {
	parts  Parts
	mux    *http.ServeMux
	files  *files // nil: none are built in
	routes []string
}

// New puts a Server together.
func New(p Parts) (*Server, error) {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.App == nil {
		p.App = func(curfew.ResourceName) string { return "" }
	}
	s := &Server{parts: p, mux: http.NewServeMux()}
	var err error
	if s.files, err = readFiles(p.Dist); err != nil {
		return nil, err
	}
	s.mux.Handle("/api/", p.API)
	s.mux.Handle("/healthz", p.API)
	s.signInPages()
	s.passkeyPages()
	s.accountPages()
	s.applicationPages()
	s.requestPages()
	s.devicePages()
	s.mux.HandleFunc("GET "+styleAt, style)
	s.mux.HandleFunc("/", s.rest)
	return s, nil
}

// Routes are the pages' methods and paths, for the test that goes through all.
func (s *Server) Routes() []string { return s.routes }

// ServeHTTP sets what every answer has, and keeps pages to the one origin that they are at.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/healthz" {
		s.parts.API.ServeHTTP(w, r)
		return
	}
	api.Headers(w.Header(), r)
	if err := s.parts.API.Known(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if !s.parts.API.AtConsole(r) {
		s.elsewhere(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// elsewhere sends a browser that came by another name of ours to the pages' own origin:
// cookies are kept apart by host, so there is one.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || s.parts.Origin == "" {
		s.fail(w, r, curfew.Errorf(curfew.Denied, "the pages of this gateway are at %s", s.parts.Origin).WithRule("host"))
		return
	}
	http.Redirect(w, r, s.parts.Origin+localPath(r.URL.RequestURI()), http.StatusSeeOther)
}

// page registers a page: f answers, or says why not.
func (s *Server) page(route string, f func(http.ResponseWriter, *http.Request) error) {
	s.routes = append(s.routes, route)
	s.mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			r.Body = http.MaxBytesReader(w, r.Body, formBound)
			if err := r.ParseForm(); err != nil {
				s.fail(w, r, curfew.Errorf(curfew.Invalid, "this form cannot be read"))
				return
			}
		}
		if err := f(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// formBound is the most a form may hold.
const formBound = 64 << 10

// visit registers a page that only somebody signed in sees; others sign in first, and
// come back to it. A form counts only if a page of ours sent it to them.
func (s *Server) visit(route string, f func(http.ResponseWriter, *http.Request, api.Visitor) error) {
	s.page(route, func(w http.ResponseWriter, r *http.Request) error {
		v, err := s.parts.API.Visitor(r)
		if err != nil && r.Method == http.MethodGet {
			http.Redirect(w, r, signInAt(r.URL.RequestURI()), http.StatusSeeOther)
			return nil
		}
		if err != nil {
			return err
		}
		if r.Method == http.MethodPost {
			if err := s.parts.API.Posted(r, v); err != nil {
				return err
			}
		}
		return f(w, r, v)
	})
}

// localPath is a path of ours; "/" for what leads elsewhere, or is none.
func localPath(to string) string {
	if len(to) > 2048 || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) {
		return "/"
	}
	return to
}

// rest is everything else: the console's files, or the page that says what there is.
func (s *Server) rest(w http.ResponseWriter, r *http.Request) {
	if s.files != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) && s.files.serve(w, r) {
		return
	}
	if r.URL.Path != "/" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.fail(w, r, curfew.Errorf(curfew.NotFound, "there is no such page"))
		return
	}
	v, err := s.parts.API.Visitor(r)
	if err != nil {
		http.Redirect(w, r, signInAt("/"), http.StatusSeeOther)
		return
	}
	s.show(w, r, http.StatusOK, "account.html", s.account(r, v))
}
