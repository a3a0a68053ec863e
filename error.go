package curfew

import (
	"errors"
	"fmt"
)

// Code says what kind of refusal or failure an Error is. Codes are append-only:
// clients, dashboards and exit codes depend on them.
type Code string

// The codes. The faces translate them: api to HTTP status, an engine to its
// protocol's error, cli to exit status.
const (
	// Invalid: the question itself is malformed (a name, a duration, a file).
	Invalid Code = "invalid"
	// NotFound: no such thing, or not one the asker may know of.
	NotFound Code = "not_found"
	// Ambiguous: a name fits several things.
	Ambiguous Code = "ambiguous"
	// Denied: a policy or a person says no.
	Denied Code = "denied"
	// NotSignedIn: no valid credential, or one that is over.
	NotSignedIn Code = "not_signed_in"
	// NeedsSignIn: the act needs a fresh sign-in of its own.
	NeedsSignIn Code = "needs_sign_in"
	// Conflict: the thing is not in the state the act needs, or changed since it was read.
	Conflict Code = "conflict"
	// Lapsed: the request lapsed or the grant ended before the act.
	Lapsed Code = "lapsed"
	// Limited: too many, too often, too large.
	Limited Code = "limited"
	// Unavailable: the ledger, the target or a source cannot be reached.
	Unavailable Code = "unavailable"
	// Clock: the clock cannot be trusted.
	Clock Code = "gateway.clock"
	// Corrupt: stored data is not what was written.
	Corrupt Code = "corrupt"
	// Internal: a bug.
	Internal Code = "internal"
)

// Error is the one error type that crosses package boundaries.
type Error struct {
	Code    Code
	Rule    string // what refused, dotted, e.g. "policy.window"; empty if the code says it all
	Message string // one sentence: what happened and the fact behind it
	Fix     string // what to do next, a command or a sentence; may be empty
	Err     error  // cause, never shown to strangers
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of the code, without a cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error of the code around a cause: what was attempted, on what.
func Wrap(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: err}
}

// WithFix returns a copy of e that says what to do next.
func (e *Error) WithFix(format string, args ...any) *Error {
	c := *e
	c.Fix = fmt.Sprintf(format, args...)
	return &c
}

// WithRule returns a copy of e that names the rule that refused.
func (e *Error) WithRule(rule string) *Error {
	c := *e
	c.Rule = rule
	return &c
}

// CodeOf returns the code of the first Error in err's chain: "" for nil,
// Internal where there is none.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
