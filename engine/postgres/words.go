package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
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
func refused(err error) *pgproto3.ErrorResponse {
	e := asError(err)
	if e == nil {
		e = curfew.Errorf(curfew.Internal, "something is wrong with the gateway")
	}
	code := "28000"
	switch {
	case e.Rule == "resource.other":
		code = "3D000" // invalid_catalog_name
	case e.Code == curfew.Unavailable || e.Code == curfew.Clock:
		code = "57P03" // cannot_connect_now: pools try again
	case e.Code == curfew.Limited:
		code = "53300" // too_many_connections
	}
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

// goodbye is the farewell. Where the grant lives on and only this connection is
// over, it says so: "ended" would send somebody to ask for what they have.
func goodbye(p *access.Permit, e access.Ended) say.Notice {
	g := p.Grant()
	n := say.Ended(say.Ending{Resource: p.Resource().Name, Role: g.Role, At: e.At, Cause: e.Cause, Grant: g.ID, Reason: e.Why})
	switch e.Cause {
	case curfew.CauseTarget, curfew.CauseRecorder, curfew.CauseProtocol, curfew.CauseSessionCut, curfew.CauseRestart, curfew.CauseLedger, curfew.CauseClock:
		n.Line = "Curfew: this connection to " + say.Clean(string(p.Resource().Name), 40) + " ended at " + e.At.Format("15:04") + "."
		n.Hint = "Your access goes on until " + p.End().Format("15:04") + ": connect again."
	}
	return n
}

// notice is a NoticeResponse.
func notice(severity, code string, n say.Notice) *pgproto3.NoticeResponse {
	return &pgproto3.NoticeResponse{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: n.Line, Detail: n.Detail, Hint: n.Hint}
}
