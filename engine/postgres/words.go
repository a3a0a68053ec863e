package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

func asError(err error) *curfew.Error {
	var e *curfew.Error
	errors.As(err, &e)
	return e
}

// fatal is an error in the protocol's own words: what happened, why, what to do.
func fatal(code string, e *curfew.Error) *pgproto3.ErrorResponse {
	if e.Rule == "protocol" || e.Rule == "protocol.replication" {
		code = "08P01"
	}
	return &pgproto3.ErrorResponse{
		Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: "Curfew: " + e.Message, Hint: e.Fix,
	}
}

// refused is why somebody who has proved who they are is not let in.
func refused(resource curfew.ResourceName, err error) *pgproto3.ErrorResponse {
	e := asError(err)
	if e == nil {
		e = curfew.Errorf(curfew.Internal, "something is wrong with the gateway")
	}
	code := "28000"
	switch e.Code {
	case curfew.Unavailable, curfew.Clock:
		code = "57P03" // cannot_connect_now: pools try again
	case curfew.Limited:
		code = "53300" // too_many_connections
	}
	_ = resource
	return &pgproto3.ErrorResponse{
		Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: "Curfew: " + e.Message, Detail: "Rule: " + ruleOf(e), Hint: e.Fix,
	}
}

func ruleOf(e *curfew.Error) string {
	if e.Rule != "" {
		return e.Rule
	}
	return string(e.Code)
}

// notice is a NoticeResponse.
func notice(severity, code string, n say.Notice) *pgproto3.NoticeResponse {
	return &pgproto3.NoticeResponse{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: n.Line, Detail: n.Detail, Hint: n.Hint}
}
