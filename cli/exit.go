package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDenied      = 3
	exitNotSignedIn = 4
	exitWaiting     = 5
	exitLapsed      = 6
	exitNotFound    = 7
	exitDifferent   = 8
	exitUnreachable = 9
	exitCut         = 124
	exitInterrupted = 130
)

const exitCodesText = `0    done (an empty list is success)
1    failed
2    wrong usage
3    denied by policy or by a person
4    not signed in
5    still waiting for approval (--no-wait, or --timeout)
6    the request lapsed, or the grant ended before the command could start
7    no such thing, or an ambiguous name
8    differences found (plan --check, tests of the file)
9    the gateway cannot be reached
124  connect, run: the session was cut
130  Ctrl-C

Otherwise connect and run pass through the client's own code.
`

func exitCodesHelp() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText}
}

// exit ends the program with a code. With an error it is told first.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// failed makes a fault of the command line's own: what happened, and commands
// that help.
func failed(code int, rule, what string, run ...string) error {
	f := client.Fault{Code: rule, Title: titleOf(code), Detail: what}
	for _, r := range run {
		f.Fix = append(f.Fix, client.Fix{Run: r})
	}
	return exit{code, &client.Failure{Fault: f}}
}

func usage(what string, run ...string) error { return failed(exitUsage, "usage", what, run...) }

func titleOf(code int) string {
	switch code {
	case exitUsage:
		return "Wrong usage"
	case exitDenied:
		return "Not allowed"
	case exitNotSignedIn:
		return "Not signed in"
	case exitWaiting:
		return "Still waiting"
	case exitLapsed:
		return "It is over"
	case exitNotFound:
		return "No such thing"
	case exitDifferent:
		return "Differences found"
	case exitCut:
		return "The session was cut"
	}
	return "It did not work"
}

// exitOf is the exit code of a fault.
func exitOf(f client.Fault) int {
	switch {
	case f.Code == client.Unreachable:
		return exitUnreachable
	case f.Code == string(curfew.NeedsSignIn), strings.HasPrefix(f.Code, "passphrase."), f.Status == http.StatusUnauthorized:
		return exitNotSignedIn
	case f.Code == string(curfew.Ambiguous), f.Status == http.StatusNotFound:
		return exitNotFound
	case f.Status == http.StatusForbidden:
		return exitDenied
	case f.Status == http.StatusGone:
		return exitLapsed
	case f.Status == http.StatusBadRequest, f.Status == http.StatusUnprocessableEntity:
		return exitUsage
	}
	return exitFailed
}

// report tells an error and returns the exit code.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return exitInterrupted
	}
	code := exitFailed
	var e exit
	own := errors.As(err, &e)
	if own {
		code = e.code
		if e.err == nil {
			return code
		}
	}
	f := client.FailureOf(err)
	if f == nil {
		f = &client.Failure{Fault: plainFault(err)}
		if !own {
			code = codeOf(err)
		}
	} else if !own {
		code = exitOf(f.Fault)
	}
	if code == exitNotSignedIn && len(f.Fix) == 0 {
		f.Fix = []client.Fix{{Run: "curfew login"}}
	}
	a.tell(f.Fault)
	return code
}

// plainFault makes a fault of an error that came from elsewhere on this machine.
func plainFault(err error) client.Fault {
	f := client.Fault{Code: "failed", Title: titleOf(exitFailed), Detail: err.Error()}
	if e, ok := errors.AsType[*curfew.Error](err); ok {
		f.Code = string(e.Code)
		if e.Rule != "" {
			f.Code = e.Rule
		}
		if e.Fix != "" {
			f.Fix = []client.Fix{{Say: e.Fix}}
		}
	}
	return f
}

// codeOf is the exit code of an error of a package of ours.
func codeOf(err error) int {
	switch curfew.CodeOf(err) {
	case curfew.Invalid:
		return exitUsage
	case curfew.NotFound, curfew.Ambiguous:
		return exitNotFound
	case curfew.Denied:
		return exitDenied
	case curfew.NotSignedIn, curfew.NeedsSignIn:
		return exitNotSignedIn
	case curfew.Lapsed:
		return exitLapsed
	}
	return exitFailed
}

// tell writes a fault: what happened and the fact, what to do, the reference.
func (a *app) tell(f client.Fault) {
	if a.opt.json {
		a.encode(a.parts.Stderr, "error", f)
		return
	}
	what := f.Detail
	if what == "" {
		what = f.Title
	}
	for i, line := range strings.Split(what, "\n") {
		if i == 0 {
			line = sentence(line)
		} else {
			line = "  " + line
		}
		a.errf("%s\n", prose(line))
	}
	for _, fix := range f.Fix {
		a.errf("%s\n", fixLine(fix))
	}
	if f.RequestID != "" {
		a.errf("(ref %s, %s)\n", clean(f.RequestID), clean(f.Code))
	}
}

func fixLine(f client.Fix) string {
	switch {
	case f.Run == "":
		return "  " + sentence(prose(f.Say))
	case f.Say == "":
		return "  " + prose(f.Run)
	}
	return "  " + strings.TrimRight(sentence(prose(f.Say)), ".") + ": " + prose(f.Run)
}
