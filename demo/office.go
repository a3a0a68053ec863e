package demo

import (
	"fmt"
	"html"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// office is a small back office, in this process: the application behind the gateway.
type office struct {
	server http.Server
	at     net.Addr
	mu     sync.Mutex
	heard  []string // guarded by mu; requests, and who it was told asks
}

// officeToken is what the back office knows the gateway by.
const officeToken = "the-gateways-own-token"

// startOffice starts the third target; without curl it is left out.
func (s *story) startOffice() {
	if _, err := exec.LookPath("curl"); err != nil {
		fmt.Fprintf(s.out, "             admin    left out: no curl is installed; on Debian: apt-get install curl\n")
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintf(s.out, "             admin    left out: %v\n", err)
		return
	}
	o := &office{at: ln.Addr()}
	o.server.Handler, o.server.ReadHeaderTimeout = http.HandlerFunc(o.answer), 10*time.Second
	go func() { _ = o.server.Serve(ln) }()
	s.office = o
	fmt.Fprintf(s.out, "             admin    a small back office, in this process\n")
}

func (o *office) answer(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.heard = append(o.heard, r.Method+" "+r.URL.Path+" "+r.Header.Get("Curfew-Role")+" "+fmt.Sprint(strings.Count(r.Header.Get("Curfew-Identity"), ".")))
	o.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+officeToken:
		http.Error(w, "the back office does not know you", http.StatusUnauthorized)
	case r.URL.Path == "/":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<!doctype html><title>Back office</title><h1>Back office</h1><p>%s, as %s</p><p>Refund 1 is pending.</p><form method=post action=/refunds/1/retry><button>Retry it</button></form><p><a href=/users>Users</a> (not for %s)</p><p><a href=/.curfew/>Who am I here?</a></p>\n",
			html.EscapeString(r.Header.Get("Curfew-Principal")), html.EscapeString(r.Header.Get("Curfew-Role")), html.EscapeString(r.Header.Get("Curfew-Role")))
	case r.URL.Path == "/refunds":
		_, _ = fmt.Fprintln(w, `[{"id":1,"status":"pending"},{"id":2,"status":"pending"}]`)
	case r.URL.Path == "/refunds/1/retry" && r.Method == http.MethodPost:
		_, _ = fmt.Fprintln(w, `{"id":1,"status":"retried"}`)
	case r.URL.Path == "/users":
		_, _ = fmt.Fprintln(w, `[{"who":"everybody","password":"…"}]`)
	default:
		http.NotFound(w, r)
	}
}

// officePolicy is what the configuration says of the back office.
func (s *story) officePolicy() (resource, role, policy string) {
	if s.office == nil {
		return "", "", ""
	}
	return "  admin:\n    type: http\n    address: " + s.office.address() + "\n    account: fixed\n    login: env:ADMIN\n    options: { scheme: http }\n",
		"  admin/refunds:\n    about: Look at refunds in the back office, and retry one.\n    on: admin\n    may: [read /**, post /refunds/*/retry]\n    never: [any /users/**]\n    longest: 1h\n",
		"  back-office:\n    who: payments\n    may have: admin/refunds\n    at most: 10m\n"
}

// browse says how a person with a browser gets there.
func (s *story) browse() string {
	if s.office == nil {
		return ""
	}
	return fmt.Sprintf(`
The back office, in a browser: %s/
  sign in as alice@shop.example, with the passphrase: %s
`, strings.Replace(s.apps, "*", "admin", 1), passphrase("alice"))
}

func (o *office) address() string { return o.at.String() }

func (s *story) inOffice() error {
	if _, err := s.show("alice", "", 0, "request", "admin/refunds", "--for", "5m", "--reason", "retry the first refund"); err != nil {
		return err
	}
	a, err := s.show("alice", "", 0, "connect", "admin", "--", "/refunds/1/retry", "-X", "POST")
	if err != nil {
		return err
	}
	if err := has(a, `"status":"retried"`); err != nil {
		return err
	}
	b, err := s.show("alice", "", 0, "connect", "admin", "--", "/%75sers")
	if err != nil {
		return err
	}
	if err := has(b, "is not in admin/refunds"); err != nil {
		return err
	}
	s.office.mu.Lock()
	heard := strings.Join(s.office.heard, "\n")
	s.office.mu.Unlock()
	if !strings.Contains(heard, "POST /refunds/1/retry admin/refunds 2") || strings.Contains(heard, "users") {
		return curfew.Errorf(curfew.Internal, "the back office heard %q", heard)
	}
	return nil
}
