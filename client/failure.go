package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Failure is a fault that a call ended with. Status 0 says that the server was
// not reached.
type Failure struct{ Fault }

// Unreachable is the code of a failure to reach the server at all.
const Unreachable = "gateway.unreachable"

func (f *Failure) Error() string {
	if f.Detail != "" {
		return f.Detail
	}
	return f.Title
}

// FailureOf finds the Failure in err's chain; nil if there is none.
func FailureOf(err error) *Failure {
	var f *Failure
	errors.As(err, &f)
	return f
}

// faultBound is the most of a fault that is read.
const faultBound = 1 << 20

// faultOf reads the fault that an answer is.
func faultOf(server string, resp *http.Response) *Failure {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, faultBound))
	var f Fault
	if err := json.Unmarshal(text, &f); err == nil && f.Code != "" {
		f.Status = resp.StatusCode
		return &Failure{f}
	}
	f = Fault{Code: "gateway.answer", Title: "Not understood", Status: resp.StatusCode, Detail: fmt.Sprintf("%s answers %d, and not as a Curfew gateway does", server, resp.StatusCode)}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		f.Detail = fmt.Sprintf("%s sends callers elsewhere (%d); a token is not sent after it", server, resp.StatusCode)
	}
	f.Fix = []Fix{{Say: "check the address"}}
	return &Failure{f}
}

func (c *Client) unreachable(err error) *Failure {
	cause := err.Error()
	if i := strings.LastIndex(cause, ": "); i >= 0 && i+2 < len(cause) {
		cause = cause[i+2:]
	}
	return &Failure{Fault{
		Code: Unreachable, Title: "No answer", Detail: fmt.Sprintf("the gateway at %s does not answer: %s", c.server, cause),
		Fix: []Fix{{Say: "check the address, or start a gateway here", Run: "curfew up"}},
	}}
}
