// Package api is the HTTP face: it says who calls, asks access, identity and
// history, and shows what they answer. It holds no rule of its own beyond who
// may look at what; its routes stand in one table with who may use them.
package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/session"
	"github.com/curfewhq/curfew/shelf"
)

// Door is where native clients connect, by engine.
type Door struct {
	Host string
	Port int
	CA   string // PEM; "" says that the door speaks plain
}

// Parts are what a Server is made of.
type Parts struct {
	Access   *access.Service
	Identity *identity.Service
	History  history.Store
	Record   record.Store
	Shelf    shelf.Shelf // keeps the words of the configuration; nil: they are written anew
	Engines  map[curfew.EngineType]engine.Engine
	Doors    map[curfew.EngineType]Door
	Hosts    []string // what Host may say, without port
	// Console is the one origin whose pages sign browsers in and whose cookies count; "": none do.
	Console string
	// Doctor runs checks that only the gateway can: targets, disk, clock.
	Doctor func(context.Context, curfew.Principal) []client.Finding
	// Setup is what the owner of a target runs once.
	Setup func(context.Context, curfew.ResourceName) (string, error)
	// Held is what a statement says that waits for a release; nil: none ever does.
	Held func(curfew.StatementID) (session.Held, bool)
	// Export writes the ledger for offline verification.
	Export func(context.Context, io.Writer) error
	// Verify checks the whole ledger, as it is now, against its signed heads and the laws.
	Verify  func(context.Context) (ledger.Report, error)
	Version string
	Log     *slog.Logger
}

// Server is the HTTP face.
type Server struct {
	parts  Parts
	mux    *http.ServeMux
	api    huma.API
	routes []Route

	reading chan struct{} // has an item for each search and export under way
	readers sync.Map      // by whom: curfew.Principal to true

	lastText lastText

	slowest time.Duration // how long a stream waits for its reader

	acts    map[string]act // by path
	touches touches

	streamsMu sync.Mutex
	streams   map[curfew.Principal]int // guarded by streamsMu; that somebody follows
	watched   map[watching]*watch      // guarded by streamsMu; that are open, or were a moment ago
}

// Level says who may use a route at all; what they may see or do with it is the route's.
type Level string

// The levels.
const (
	Anybody  Level = "anybody"
	SignedIn Level = "signed in"
	Viewer   Level = "administrator or auditor"
	Admin    Level = "administrator"
)

// Route is one row of the table of routes.
type Route struct {
	Method, Path string
	Level        Level
}

// caller is who a request comes from.
type caller struct {
	who     curfew.Principal
	token   string // the identifier of the sign-in
	browser bool
	csrf    string // of a browser
	asks    bool   // it asks, and uses nothing
	until   time.Time
	admin   bool
	audit   bool

	touch  *curfew.Touch // of the decision that is made now; access checks it
	proved bool          // by a touch for exactly this
}

// bodyBound is the most a request's body may hold.
const bodyBound = 4 << 20

// New makes the server.
func New(p Parts) *Server {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{parts: p, mux: http.NewServeMux(), reading: make(chan struct{}, searching), slowest: slowest, streams: map[curfew.Principal]int{}, watched: map[watching]*watch{}}
	cfg := huma.DefaultConfig("Curfew", p.Version)
	cfg.DocsPath, cfg.SchemasPath, cfg.CreateHooks = "", "", nil
	cfg.OpenAPIPath = client.Base + "/openapi"
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}, "browser": {Type: "apiKey", In: "cookie", Name: Cookie}}
	huma.NewError = newFault //nolint:reassign // the library's own hook
	s.api = humago.New(s.mux, cfg)
	s.signInRoutes()
	s.signedInRoutes()
	s.deviceRoutes()
	s.requestRoutes()
	s.grantRoutes()
	s.sessionRoutes()
	s.statementRoutes()
	s.configRoutes()
	s.peopleRoutes()
	s.understandRoutes()
	s.operateRoutes()
	s.factRoutes()
	s.screenRoutes()
	s.peekRoutes()
	s.feedRoutes()
	s.catalogRoutes()
	s.insightRoutes()
	s.sshRoutes()
	s.passkeyRoutes()
	s.touchRoutes()
	s.plainRoutes()
	for _, t := range []reflect.Type{reflect.TypeFor[client.Item](), reflect.TypeFor[client.Screen](), reflect.TypeFor[client.Hint](), reflect.TypeFor[client.Peek](), reflect.TypeFor[client.Batch]()} {
		s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name()) // what streams carry is described too
	}
	return s
}

// Routes is the table of routes, for the authorization matrix.
func (s *Server) Routes() []Route { return s.routes }

// OpenAPI is the description of the API as JSON.
func (s *Server) OpenAPI() ([]byte, error) { return s.api.OpenAPI().MarshalJSON() }

// add registers a route whose handler sees who calls.
func add[I, O any](s *Server, level Level, method, path, summary string, h func(context.Context, caller, *I) (*O, error)) {
	s.routes = append(s.routes, Route{method, client.Base + path, level})
	op := huma.Operation{
		OperationID: operationID(method, path), Method: method, Path: client.Base + path, Summary: summary,
		MaxBodyBytes: bodyBound,
	}
	if level != Anybody {
		op.Security = []map[string][]string{{"token": {}}, {"browser": {}}}
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		c, err := s.admit(ctx, level)
		if err == nil && c.asks && !asking[method+" "+path] {
			err = curfew.Errorf(curfew.Denied, "this sign-in came from a code: it asks, and uses nothing").WithRule("token.asking").WithFix("sign in on this machine with your passphrase: curfew login")
		}
		if err == nil && !c.browser && browsing[method+" "+path] {
			err = curfew.Errorf(curfew.Denied, "a passkey is touched in the console, in a browser").WithRule("touch.browser")
		}
		if err != nil {
			return nil, fault(err)
		}
		out, err := h(ctx, c, in)
		if err != nil {
			return nil, s.failed(err, path)
		}
		return out, nil
	})
}

func operationID(method, path string) string {
	clean := strings.NewReplacer("{", "", "}", "", "/", "-").Replace(strings.Trim(path, "/"))
	return strings.ToLower(method) + "-" + clean
}

// admit says who calls, if the level lets them.
func (s *Server) admit(ctx context.Context, level Level) (caller, error) {
	if level == Anybody {
		return caller{}, nil
	}
	c, err := s.caller(ctx)
	if err != nil {
		return caller{}, err
	}
	s.parts.Access.View(func(st *access.State) {
		c.admin = st.InGroup(c.who, curfew.Administrators)
		c.audit = st.InGroup(c.who, curfew.Auditors)
	})
	if err := c.allowed(level); err != nil {
		return caller{}, err
	}
	return c, nil
}

// allowed reports whether a level lets the caller through.
func (c caller) allowed(level Level) error {
	switch {
	case level == Admin && !c.admin:
		return curfew.Errorf(curfew.Denied, "only an administrator may do this").WithRule("administrator")
	case level == Viewer && !c.admin && !c.audit:
		return curfew.Errorf(curfew.Denied, "only administrators and auditors may look at this").WithRule("auditor")
	}
	return nil
}

// prove demands the sign-in of its own that a decision needs: the passphrase, or a touch,
// which was checked, or goes into a command that checks it.
func (s *Server) prove(ctx context.Context, c caller, passphrase string) error {
	if c.proved || c.touch != nil {
		return nil
	}
	return s.parts.Identity.Prove(ctx, c.who, passphrase)
}

// ServeHTTP checks what every request must have, and sets what every answer has.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	Headers(w.Header(), r)
	if err := s.Known(r); err != nil {
		writeFault(w, err)
		return
	}
	x := s.shown(r)
	if err := s.meant(r.Context(), &x); err != nil {
		writeFault(w, err)
		return
	}
	packed(w, r.WithContext(context.WithValue(r.Context(), shownKey{}, x)), s.mux)
}

// one looks something up in the lists. What is not there yet is looked for again once
// they hold what was decided by now: a session that has just opened is there.
func one[T any](ctx context.Context, s *Server, find func() (T, error)) (T, error) {
	x, err := find()
	if curfew.CodeOf(err) != curfew.NotFound {
		return x, err
	}
	var now uint64
	s.parts.Access.View(func(st *access.State) { now = st.Size })
	_, _ = s.caughtUp(ctx, now)
	return find()
}

// listBound is how long a list waits for the position its caller last wrote.
const listBound = time.Second

// caughtUp waits for the history to reflect what the caller last wrote.
func (s *Server) caughtUp(ctx context.Context, position uint64) (at uint64, behind bool) {
	behind = !history.Reach(ctx, s.parts.History, position, listBound)
	return s.parts.History.Position(), behind
}
