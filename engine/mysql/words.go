package mysql

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/say"
)

// First bytes of answers.
const (
	okHeader    = 0x00
	errHeader   = 0xff
	eofHeader   = 0xfe
	localInfile = 0xfb
)

// Error numbers (server error message reference).
const (
	errAccessDenied   = 1045
	errUnknownCommand = 1047
	errTooMany        = 1040
	errShutdown       = 1053
	errUnknownThread  = 1094
	errNotAllowed     = 1148
	errDisconnected   = 4031 // ER_CLIENT_INTERACTION_TIMEOUT: "the client was disconnected by the server"
)

// wordsLimit is how long a message may be; older clients keep 512 bytes.
const wordsLimit = 500

// serverError is an ERR packet of a target's.
type serverError struct {
	number         uint16
	state, message string
}

func (e serverError) Error() string { return fmt.Sprintf("%s (%d)", e.message, e.number) }

// parseErr reads an ERR packet. It returns a serverError, or says that it is none.
func parseErr(b []byte) error {
	c := cursor{b: b}
	c.take(1)
	e := serverError{number: uint16(c.number(2))}
	if len(c.b) > 5 && c.b[0] == '#' {
		e.state = string(c.b[1:6])
		c.take(6)
	}
	if c.short {
		return malformed("an error that is cut short")
	}
	e.message = string(c.rest())
	return e
}

// errPayload is an ERR packet's payload.
func errPayload(number uint16, state, message string) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{errHeader}, number)
	b = append(append(b, '#'), state...)
	return append(b, message...)
}

// okPayload is an OK packet's payload.
func okPayload(status uint16) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{okHeader, 0, 0}, status), 0, 0)
}

func asError(err error) *curfew.Error {
	var e *curfew.Error
	errors.As(err, &e)
	return e
}

// sentence is an error in one text: what is wrong, and what to do. There is no place
// for a hint of its own in an ERR packet.
func sentence(line string, more ...string) string {
	for _, m := range more {
		if m != "" {
			line = strings.TrimRight(line, ".") + ". " + m
		}
	}
	return say.Clean(line, wordsLimit)
}

// stranger is what everybody hears who has not proved who they are.
func stranger() []byte {
	n := say.Stranger()
	return errPayload(errAccessDenied, "28000", sentence(n.Line, n.Hint))
}

// refused is why somebody who has proved who they are is not let in.
func refused(err error) []byte {
	e := asError(err)
	if e == nil {
		e = curfew.Errorf(curfew.Internal, "something is wrong with the gateway")
	}
	number, state := uint16(errAccessDenied), "28000"
	switch e.Code {
	case curfew.Unavailable, curfew.Clock:
		number, state = errShutdown, "08S01" // pools try again
	case curfew.Limited:
		number, state = errTooMany, "08004"
	}
	return errPayload(number, state, sentence("Curfew: "+e.Message, e.Fix))
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

// soon says a notice that is due.
func soon(p *access.Permit, end time.Time, left time.Duration, moved bool) say.Notice {
	if moved {
		return say.Moved(p.Resource().Name, end, left)
	}
	return say.Soon(p.Resource().Name, end, left)
}
