package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
)

// faultOut is a Fault on its way out.
type faultOut struct{ client.Fault }

func (p *faultOut) Error() string  { return p.Detail }
func (p *faultOut) GetStatus() int { return p.Status }

// ContentType says problem+json where JSON was agreed on.
func (p *faultOut) ContentType(string) string { return "application/problem+json" }

// statusOf translates codes to HTTP.
func statusOf(c curfew.Code) int {
	switch c {
	case curfew.Invalid, curfew.Ambiguous:
		return http.StatusBadRequest
	case curfew.NotSignedIn:
		return http.StatusUnauthorized
	case curfew.Denied, curfew.NeedsSignIn:
		return http.StatusForbidden
	case curfew.NotFound:
		return http.StatusNotFound
	case curfew.Conflict:
		return http.StatusConflict
	case curfew.Lapsed:
		return http.StatusGone
	case curfew.Limited:
		return http.StatusTooManyRequests
	case curfew.Unavailable, curfew.Clock:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func fault(err error) *faultOut {
	e := asError(err)
	if e == nil {
		return &faultOut{client.Fault{Code: string(curfew.Internal), Title: "Something is wrong with the gateway", Detail: "the gateway made a mistake; its log says which", Status: http.StatusInternalServerError}}
	}
	code := string(e.Code)
	if e.Rule != "" {
		code = e.Rule
	}
	f := client.Fault{Code: code, Title: title(e), Detail: e.Message, Status: statusOf(e.Code)}
	if e.Fix != "" {
		f.Fix = []client.Fix{fixOf(e.Fix)}
	}
	return &faultOut{f}
}

// asError finds the first Error in err's chain; nil if there is none.
func asError(err error) *curfew.Error {
	var e *curfew.Error
	errors.As(err, &e)
	return e
}

// fixOf takes "say: curfew command" apart.
func fixOf(fix string) client.Fix {
	say, run, ok := strings.Cut(fix, "curfew ")
	if !ok {
		return client.Fix{Say: fix}
	}
	return client.Fix{Say: strings.TrimRight(say, ": "), Run: "curfew " + run}
}

func title(e *curfew.Error) string {
	if e.Rule == "passphrase.wrong" {
		return "This is not your passphrase"
	}
	switch e.Code {
	case curfew.Invalid, curfew.Ambiguous:
		return "The request cannot be understood"
	case curfew.NotSignedIn:
		return "Not signed in"
	case curfew.NeedsSignIn:
		return "This needs a sign-in of its own"
	case curfew.Denied:
		return "Not allowed"
	case curfew.NotFound:
		return "No such thing"
	case curfew.Conflict:
		return "It is not in that state"
	case curfew.Lapsed:
		return "It is over"
	case curfew.Limited:
		return "Too much"
	case curfew.Unavailable, curfew.Clock:
		return "Not now"
	}
	return "Something is wrong with the gateway"
}

// failed is what a caller is told of an error; what they are not is logged.
func (s *Server) failed(err error, path string) error {
	s.noted(err, path)
	return fault(err)
}

// noted logs an error that says that something is wrong with the gateway.
func (s *Server) noted(err error, path string) {
	if code := curfew.CodeOf(err); code == curfew.Internal || code == curfew.Corrupt {
		s.parts.Log.Error("a request failed", "path", path, "err", err)
	}
}

// newFault is what the library calls for a request that does not fit its schema.
func newFault(status int, message string, errs ...error) huma.StatusError {
	detail := message
	for _, e := range errs {
		detail += "; " + e.Error()
	}
	return &faultOut{client.Fault{Code: string(curfew.Invalid), Title: http.StatusText(status), Detail: detail, Status: status}}
}

// writeFault answers outside the library.
func writeFault(w http.ResponseWriter, err error) {
	p := fault(err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p.Fault)
}
